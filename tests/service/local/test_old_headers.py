"""Images with old or unusual WCS cards, through the services for files on disk."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, NoWCSError
from mingolotss.model import Cutout
from mingolotss.service.base import CutoutRequest, fetch_cutouts, open_service, search_all

SIDE = 60
PIXEL = (31, 22)
BASE = {
    "CTYPE1": "'RA---SIN'", "CTYPE2": "'DEC--SIN'", "CRVAL1": "180.0", "CRVAL2": "50.0",
    "CRPIX1": "30.0", "CRPIX2": "30.0", "CDELT1": "-4.0E-04", "CDELT2": "4.0E-04",
}  # fmt: skip
TURNED = {"PC1_1": "0.8", "PC1_2": "-0.6", "PC2_1": "0.6", "PC2_2": "0.8"}
CASES = {
    "Pan-STARRS": (
        {"CDELT1": "4.0E-04", "PC001001": "-1.0", "PC001002": "0.0", "PC002001": "0.0",
         "PC002002": "1.0", "RADESYS": "'ICRS'"},
        {"CDELT1": "4.0E-04", "PC1_1": "-1.0", "RADESYS": "'ICRS'"},
    ),
    "CASA": ({key.replace("PC", "PC0").replace("_", "_0"): v for key, v in TURNED.items()}, TURNED),
    "old CD": (
        {"CD001001": "-3.0E-4", "CD001002": "1.0E-4", "CD002001": "1.0E-4", "CD002002": "3.0E-4"},
        {"CD1_1": "-3.0E-4", "CD1_2": "1.0E-4", "CD2_1": "1.0E-4", "CD2_2": "3.0E-4"},
    ),
    "RADECSYS": ({"RADECSYS": "'FK4'"}, {"RADESYS": "'FK4'"}),
    "EPOCH": ({"EPOCH": "1975.0"}, {"EQUINOX": "1975.0"}),
    "D exponents": ({"CRVAL1": "1.8D+02", "CDELT1": "-4.D-4", "CDELT2": "4.0d-04"}, {}),
    "lower case": ({"crval1": "179.9", "ctype1": "'RA---SIN'"}, {"CRVAL1": "179.9"}),
    "PROJPn": (
        {"CTYPE1": "'RA---ZPN'", "CTYPE2": "'DEC--ZPN'", "PROJP1": "1.0", "PROJP3": "9.0"},
        {"CTYPE1": "'RA---ZPN'", "CTYPE2": "'DEC--ZPN'", "PV2_1": "1.0", "PV2_3": "9.0"},
    ),
}  # fmt: skip


def raw_header(values: dict[str, str]) -> bytes:
    """Return a whole header, with the values as they are written."""
    cards = {"SIMPLE": "T", "BITPIX": "-32", "NAXIS": "2", "NAXIS1": SIDE, "NAXIS2": SIDE} | values
    text = "".join(f"{key:8}= {value}".ljust(80) for key, value in cards.items()) + "END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def image(path, values):
    """Write an image in which every pixel has another value."""
    path.parent.mkdir(exist_ok=True)
    pixels = np.arange(SIDE * SIDE, dtype=">f4").tobytes()
    path.write_bytes(raw_header(values) + pixels.ljust(-(-len(pixels) // 2880) * 2880, b"\0"))


def cutout_of(service: str, ra: float, dec: float) -> Cutout | ImageError:
    """Return the only cutout of a position from a service."""
    catalogue = Catalogue.from_columns(["A"], [ra], [dec])
    opened = open_service(service)
    [[candidate]] = search_all(opened, catalogue, 0.004)
    [cutout] = fetch_cutouts(opened, [CutoutRequest(candidate, catalogue.source(0))], 0.004)
    return cutout


@pytest.mark.parametrize("kind", CASES)
def test_the_cutout_is_where_astropy_has_the_standard_header(tmp_path, kind):
    """The pixel of the source has the value that it has in the image."""
    cards, standard = CASES[kind]
    reference = WCS(fits.Header.fromstring(raw_header(BASE | standard).decode()))
    sky = reference.pixel_to_world(*PIXEL).icrs
    image(tmp_path / "folder" / "A_P1-mosaic.fits", BASE | cards)
    image(tmp_path / "mosaics" / "P1-mosaic.fits", BASE | cards)
    for service in (f"folder:{tmp_path}/folder", f"mosaics:{tmp_path}/mosaics"):
        cutout = cutout_of(service, sky.ra.deg, sky.dec.deg)
        assert isinstance(cutout, Cutout), cutout
        x, y = (round(float(place)) for place in cutout.wcs.to_pixel(sky.ra.deg, sky.dec.deg))
        value = cutout.image[y - cutout.origin[1], x - cutout.origin[0]]
        assert value == PIXEL[1] * SIDE + PIXEL[0]


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"CRVAL1": "'180.0'"}, "CRVAL1"), ({"CDELT2": "4.0E-04 deg"}, "CDELT2"),
        ({"EQUINOX": "'B1950'"}, "B1950"), ({"PC001003": "0.5"}, "PC1_3"),
        ({"CTYPE1": "'ELON-SIN'", "CTYPE2": "'ELAT-SIN'"}, "ELON"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_used_is_one_line_with_the_file(tmp_path, cards, words):
    """The error stands in the place of the cutout."""
    image(tmp_path / "A_P1-mosaic.fits", BASE | cards)
    error = cutout_of(f"folder:{tmp_path}", 180.0, 50.0)
    assert isinstance(error, NoWCSError)
    assert re.search(f"A_P1-mosaic.fits.*{words}", str(error))
    assert "\n" not in str(error)
