"""The celestial axes of a header: which they are, what is refused, and how astropy is asked."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 205.0, "CRVAL2": -30.0,
    "CRPIX1": 20.5, "CRPIX2": 10.0, "CDELT1": -4e-4, "CDELT2": 4e-4,
}  # fmt: skip


def header(values: dict[str, object], *lines: str) -> bytes:
    """Return a header with values as astropy writes them, and further lines."""
    cards = [str(card) for card in fits.Header(list(values.items())).cards]
    return "".join(line.ljust(80) for line in [*cards, *lines, "END"]).encode("latin1")


def astropys_pixel(raw: bytes, ra: float, dec: float) -> tuple[float, float]:
    """Return the pixel of an ICRS position according to astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(fits.Header.fromstring(raw.decode())).celestial
        x, y = wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
    return float(x), float(y)


@pytest.mark.parametrize("system", ["FK4", "FK4-NO-E", "FK5", "ICRS", "galactic"])
@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("ZPN", {"PV2_1": 1.0, "PV2_3": 0.1}), ("COP", {"PV2_1": -30.0, "PV2_2": 20.0}),
        ("COE", {"PV2_1": -30.0}), ("COD", {"PV2_1": -30.0}), ("COO", {"PV2_1": -30.0}),
        ("BON", {"PV2_1": -30.0}), ("AZP", {"PV2_1": 2.0}), ("SZP", {"PV2_3": 80.0}),
        ("CYP", {"PV2_1": 1.0, "PV2_2": 1.0}), ("AIR", {"PV2_1": 60.0}), ("SIN", {"PV2_1": 0.1}),
    ],
)  # fmt: skip
def test_projections_with_parameters_in_every_frame(code, parameters, system):
    """The frame of a header does not depend on its projection."""
    names = ("GLON", "GLAT") if system == "galactic" else ("RA--", "DEC-")
    raw = header(
        TAN | parameters | {f"CTYPE{i}": f"{name}-{code}" for i, name in enumerate(names, 1)}
        | ({} if system == "galactic" else {"RADESYS": system})
    )  # fmt: skip
    wcs = SkyWCS.from_header(raw)
    ra, dec = wcs.to_sky(25.0, 12.0)
    np.testing.assert_allclose(astropys_pixel(raw, ra, dec), (25.0, 12.0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(wcs.to_pixel(ra, dec), (25.0, 12.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "ELON"),
        ({"CTYPE1": "SLON-TAN", "CTYPE2": "SLAT-TAN"}, "SLON"),
        ({"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"}, "TLON"),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "HPLN"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}, "RA---TNX"),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"}, "RA---TAB"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}, "RA---TNX.*; convert it to TPV or SIP"),
        ({"PV1_1": 1.0, "PV2_1": 1.0}, "write TPV for TAN"),
        ({"PV1_0": 1e-4, "PV1_1": 1.001, "PV1_2": 1e-3, "PV2_1": 0.999}, "write TPV for TAN"),
        ({"CTYPE1": "RA---QQQ", "CTYPE2": "DEC--QQQ"}, "QQQ in CTYPE1"),
        ({"CTYPE1": "ra---tan", "CTYPE2": "dec--tan"}, "no RA and DEC"),
        ({"CTYPE3": "GLON-TAN"}, "several RA and DEC"), ({"CTYPE3": "CUBEFACE"}, "CUBEFACE"),
        ({"PC1_3": 0.1}, "PC1_3"), ({"CD3_2": 0.1}, "CD3_2"), ({"CPDIS1": "LOOKUP"}, "CPDIS1"),
        ({"D2IMDIS2": "Lookup"}, "D2IMDIS2"), ({"AXISCORR": 1}, "AXISCORR"),
        ({"CQDIS2": "TPD"}, "CQDIS2"), ({"NAXIS": 1000}, "NAXIS is 1000"),
        ({"WCSAXES": 99999999}, "WCSAXES"), ({"WCSAXES": -1}, "WCSAXES"),
        ({"A_ORDER": 10, "B_ORDER": 2}, "A_ORDER is 10"), ({"A_ORDER": 2.5}, "A_ORDER is 2.5"),
        ({"A_ORDER": 2}, "B_ORDER"), ({"CUNIT1": "furlong"}, "CUNIT1"),
        ({"CUNIT1": "m", "CUNIT2": "m"}, "CUNIT1"), ({"RADESYS": "MOON"}, "MOON"),
        ({"EQUINOX": "B1950"}, "B1950"), ({"EQUINOX": 0.0}, "EQUINOX is 0"),
        ({"EPOCH": "now"}, "now"), ({"RADESYS": 2000.0}, "RADESYS"), ({"CRVAL1": "205.0"}, "205.0"),
        ({"CRPIX2": True}, "CRPIX2"), ({"CUNIT2": 1.0}, "CUNIT2"), ({"PV2_1": "x"}, "PV2_1"),
        ({"CDELT1": 0.0}, "singular"), ({"CD1_1": 0.0, "CD1_2": 1.0}, "singular"),
        ({"CRVAL2": 91.0}, "."),
        ({"XPIXELSZ": 6.0, "YPIXELSZ": 6.0}, "XPIXELSZ"), ({"CNPIX1": 0}, "CNPIX1"),
        ({"NAXIS": 3, "NAXIS1": 5, "NAXIS2": 1, "NAXIS3": 9}, "the axes 1 and 3"),
        ({"CTYPE1": "FREQ", "CTYPE3": "RA---TAN", "NAXIS": 2, "NAXIS1": 9, "NAXIS2": 9}, "2 and 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_that_says_why(values, words):
    """Never a position that may be wrong, and never the error of another library."""
    with pytest.raises(NoWCSError, match=words) as caught:
        SkyWCS.from_header(header(TAN | values), path="x.fits")
    assert str(caught.value).startswith("the header of x.fits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"EQUINOX": "J2000", "RADESYS": "FK5"}, {"EQUINOX": "2000.0"}, {"EPOCH": "J2000.0"},
        {"EQUINOX": "NOW", "RADESYS": "ICRS"}, {"EPOCH": 0.0, "EQUINOX": 1950.0},
        {"EPOCH": 1950.0, "EQUINOX": 2000.0}, {"CRVAL3": "x", "CTYPE3": "FREQ", "CDELT3": 0.0},
        {"CTYPE3": "VELO-XYZ", "CUNIT3": "furlong"}, {"DATE-OBS": "yesterday", "MJD-OBS": "x"},
        {"CTYPE1": "RA---TAN", "CTYPE1A": "LINEAR", "CRVAL1A": 7.0}, {"WCSAXES": 3, "NAXIS": 2},
        {"PV2_1": 0.0, "PV2_2": 0.0}, {"PV2_1": 1.0}, {"PV1_4": 45.0, "PV2_1": 1.0},
        {"LONPOLE": 170.0, "LATPOLE": 45.0}, {"CUNIT1": "deg", "CUNIT2": "degrees"},
    ],
)  # fmt: skip
def test_what_does_not_matter_or_can_only_mean_one_thing_is_no_error(values):
    """The pixel of astropy, from the header without the cards that astropy does not take either."""
    raw = header(TAN | values)
    plain = {
        key: value for key, value in values.items() if key[-1] != "3" and not isinstance(value, str)
    }
    plain |= {key: values[key] for key in ("RADESYS",) if key in values}
    expected = astropys_pixel(header(TAN | plain), 205.001, -30.001)
    np.testing.assert_allclose(
        SkyWCS.from_header(raw).to_pixel(205.001, -30.001), expected, rtol=0, atol=1e-6
    )


def test_a_position_where_sip_diverges_has_no_pixel():
    """Far from the image the polynomials mean nothing; one position does not disturb others."""
    raw = header(
        TAN | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
               "A_2_0": 1e-3, "B_0_2": 1e-3}
    )  # fmt: skip
    wcs = SkyWCS.from_header(raw)
    ra, dec = wcs.to_sky(25.0, 12.0)
    x, y = wcs.to_pixel([float(ra), 208.0, 25.0], [float(dec), -28.0, 30.0])
    np.testing.assert_allclose((x[0], y[0]), (25.0, 12.0), atol=1e-5)
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [False, True, True]
    assert wcs.to_pixel([], [])[0].shape == wcs.to_sky([], [])[0].shape == (0,)


def test_axes_without_a_projection_end_at_the_poles():
    """Linear axes could go on beyond, and the frame would refuse them."""
    raw = header(TAN | {"CTYPE1": "RA", "CTYPE2": "DEC", "RADESYS": "FK5"})
    wcs = SkyWCS.from_header(raw)
    ra, dec = wcs.to_sky([20.0, 0.0], [9.0, 1e6])
    np.testing.assert_allclose(astropys_pixel(raw, ra[0], dec[0]), (20.0, 9.0), atol=1e-6)
    assert np.isnan(dec).tolist() == [False, True]


READ_MANY = """
import gc, sys
from mingolotss.sky.wcs import SkyWCS

raw = sys.stdin.buffer.read()
many = [SkyWCS.from_header(raw) for _ in range(500)]
gc.collect()
print(*map(float, many[-1].to_pixel(205.001, -30.001)))
"""


def test_cards_that_make_wcslib_overflow_its_buffer():
    """Its complaints about old keywords abort the process (astropy issue 20349)."""
    lines = [f"PC00{i}00{j}= {float(i == j)} / {'c' * 45}" for i in (1, 2, 3) for j in (1, 2, 3)]
    lines += [f"PROJP{i}  = 0.0 / {'c' * 30}" for i in range(4)] + ["EPOCHA  = 2000.0"]
    lines += [f"RADECSYS= 'FK5     ' / {'c' * 30}", "VSOURCE = 1000.0", "CROTA2  = 0.0"]
    ran = subprocess.run(
        [sys.executable, "-c", READ_MANY], input=header(TAN, *lines), capture_output=True,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    expected = astropys_pixel(header(TAN | {"RADESYS": "FK5"}), 205.001, -30.001)
    np.testing.assert_allclose([float(x) for x in ran.stdout.split()], expected, atol=1e-6)
