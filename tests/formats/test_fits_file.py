"""The header of a FITS stamp: what is known stands in it, and nothing else."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.formats.fits_file import FitsPlane, fits_file

CARDS = (
    "CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CRVAL1  = 10.0", "CRVAL2  = -5.0",
    "CDELT1  = -0.0004", "CDELT2  = 0.0004",
)  # fmt: skip
WCS_TEXT = "\n".join(CARDS)
PROGRAM = {"CREATOR": "mingolotss 1", "RECIPE": "r", "RECIPSHA": "0" * 64}


def plane(channel: str = "", **row: object) -> FitsPlane:
    image = np.zeros((4, 5), np.float32)
    beam = (9.0, 9.0, 0.0) if "stamp_beam_pa_deg" in row else (math.nan,) * 3
    return FitsPlane(channel, image, image, image.astype(np.uint8), row, ("Cut.",), True, beam)


def write(row: dict, *planes: FitsPlane) -> fits.HDUList:
    hdus = fits.open(io.BytesIO(fits_file(row, planes, PROGRAM)), checksum=True)
    hdus.verify("exception")
    return hdus


def test_what_is_not_known_is_not_written():
    """No unit, beam, frequency, class or WCS: no such cards, and a line about the WCS."""
    with write({"source": "A"}, plane(beam_major_arcsec=None, frequency_mhz=float("nan"))) as hdus:
        for hdu in hdus:
            keywords = {*hdu.header}
            absent = {"BUNIT", "BMAJ", "BMIN", "BPA", "RESTFRQ", "LABEL", "CLASS", "CTYPE1",
                      "CRPIX1", "SPLIT", "NOISE"}  # fmt: skip
            assert not keywords & absent
            assert "position of this stamp on the sky is not known" in " ".join(
                hdu.header["HISTORY"]
            )


def test_the_frame_is_always_stated():
    """ICRS is what the standard takes without RADESYS and EQUINOX; other frames stay."""
    row = {"source": "A", "wcs": WCS_TEXT, "crpix1": 2.0, "crpix2": 3.0}
    with write(row, plane()) as hdus:
        assert [hdu.header["RADESYS"] for hdu in hdus] == ["ICRS"] * 3
    text = WCS_TEXT + "\nRADESYS = 'FK4     '\nEQUINOX = 1950.0"
    with write(row | {"wcs": text}, plane()) as hdus:
        assert (hdus[0].header["RADESYS"], hdus[0].header["EQUINOX"]) == ("FK4", 1950.0)
        assert WCS(hdus[1].header).wcs.radesys == "FK4"


def test_the_error_of_a_fitted_wcs_is_stated_in_deg():
    row = {"wcs": WCS_TEXT, "crpix1": 2.0, "crpix2": 3.0, "wcs_error_arcsec": 0.36}
    with write(row, plane()) as hdus:
        assert hdus[0].header["CSYER1"] == hdus[0].header["CSYER2"] == pytest.approx(1e-4)
        assert hdus[0].header["CRPIX2"] == 3.0


def test_the_beam_of_the_stamp_counts_and_not_that_of_the_image():
    beams = {"beam_major_arcsec": 6.0, "beam_minor_arcsec": 5.0, "beam_pa_deg": 10.0,
             "stamp_beam_major_arcsec": 9.0, "stamp_beam_minor_arcsec": 9.0,
             "stamp_beam_pa_deg": 0.0}  # fmt: skip
    with write({}, plane(**beams)) as hdus:
        header = hdus[0].header
    assert (header["BMAJ"], header["BMIN"], header["BPA"]) == (0.0025, 0.0025, 0.0)


def test_channels_are_units_of_their_own():
    """The reference is the primary unit; names that differ in case only have a version."""
    planes = [plane("low", unit="Jy/beam"), plane("High", unit="mJy/beam"), plane("HIGH")]
    with write({"source": "A"}, *planes) as hdus:
        names = [(hdu.header["EXTNAME"], hdu.header.get("EXTVER", 1)) for hdu in hdus]
        assert names == [
            ("low", 1), ("low_RMS", 1), ("low_MASK", 1), ("High", 1), ("High_RMS", 1),
            ("High_MASK", 1), ("HIGH", 2), ("HIGH_RMS", 2), ("HIGH_MASK", 2),
        ]  # fmt: skip
        assert hdus["high"].header["BUNIT"] == "mJy/beam"
        assert [hdus[index].header["CHANNEL"] for index in (0, 3, 6)] == ["low", "High", "HIGH"]
        assert [hdu.header["PLANE"] for hdu in hdus[:3]] == ["BRIGHTNESS", "RMS", "MASK"]


def test_without_noise_there_is_no_map_of_it():
    image = np.zeros((4, 5), np.float32)
    one = FitsPlane("", image, None, image.astype(np.uint8), {}, (), True, (math.nan,) * 3)
    with write({}, one) as hdus:
        assert [hdu.name for hdu in hdus] == ["BRIGHTNESS", "MASK"]
