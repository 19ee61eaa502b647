"""Pixels to the sky and back: the numbers of astropy's own WCS, to the last bits."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS, simple_header

STEP = 1.5 / 3600
CYLINDRICAL = ("CAR", "AIT", "MOL", "SFL", "CEA", "MER")  # about the equator, or not at all
FRAMES = {
    "ICRS": {"RADESYS": "ICRS"},
    "FK5": {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "FK5 1975": {"RADESYS": "FK5", "EQUINOX": 1975.0},
    "FK4": {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "EPOCH 1950": {"EPOCH": 1950.0},
    "EPOCH 2000": {"EPOCH": 2000.0},
    "RADECSYS": {"RADECSYS": "FK5", "EQUINOX": 2000.0},
    "nothing": {},
    "Galactic": {},
}


@st.composite
def headers(draw):
    """Return a header that archives could send: projection, frame, axes, rotation, SIP."""
    card = fits.Header([("SIMPLE", True), ("BITPIX", -32)])
    naxis = draw(st.sampled_from([2, 2, 3, 4]))
    card["NAXIS"] = naxis
    for axis in range(1, naxis + 1):
        card[f"NAXIS{axis}"] = 100 if axis < 3 else 1
    kind = draw(st.sampled_from(["SIN", "TAN", "ZEA", "ARC", "STG", *CYLINDRICAL]))
    frame = draw(st.sampled_from(sorted(FRAMES)))
    lng, lat = draw(st.sampled_from([(1, 2), (1, 2), (2, 1)]))
    names = ("GLON", "GLAT") if frame == "Galactic" else ("RA--", "DEC-")
    sip = "-SIP" if kind == "TAN" and draw(st.booleans()) else ""
    card[f"CTYPE{lng}"], card[f"CTYPE{lat}"] = (f"{name}-{kind}{sip}" for name in names)
    card[f"CRVAL{lng}"] = draw(st.sampled_from([0.0, 360.0, 359.9999]) | st.floats(0, 360))
    card[f"CRVAL{lat}"] = (
        0.0 if kind in CYLINDRICAL
        else draw(st.sampled_from([90.0, -90.0, 89.9999, 0.0]) | st.floats(-90, 90))
    )  # fmt: skip
    card["CRPIX1"], card["CRPIX2"] = draw(st.floats(-50, 150)), draw(st.floats(-50, 150))
    turn = draw(st.floats(0, 6.28))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    form = draw(st.sampled_from(["CD", "PC", "CROTA", "CDELT"]))
    if form == "CD":
        card.update({f"CD{i + 1}_{j + 1}": STEP * matrix[i, j] for i in (0, 1) for j in (0, 1)})
    else:
        card["CDELT1"], card["CDELT2"] = -STEP, STEP
    if form == "PC":
        card.update({f"PC{i + 1}_{j + 1}": matrix[i, j] for i in (0, 1) for j in (0, 1)})
    if form == "CROTA":
        card["CROTA2"] = np.degrees(turn)
    card.update(FRAMES[frame])
    if draw(st.booleans()):
        card["LONPOLE"] = draw(st.floats(0, 359))
    if naxis > 2:
        card.update(CTYPE3="FREQ", CRVAL3=1.4e8, CRPIX3=1.0, CDELT3=1e6, CUNIT3="Hz")
    if naxis > 3:
        card.update(CTYPE4="STOKES", CRVAL4=1.0, CRPIX4=1.0, CDELT4=1.0)
    if sip:
        card.update(A_ORDER=2, B_ORDER=2, A_2_0=1e-5, B_0_2=2e-5, A_1_1=1e-6)
    return card


@settings(
    max_examples=80, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(headers(), st.integers(0, 1000))
def test_positions_are_astropys(header, seed):
    """Whatever the header's projection, frame, matrix and axes, astropy says the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = WCS(header, naxis=2 if "A_ORDER" in header else None).celestial
        frame = wcs_to_celestial_frame(reference)
        swapped = reference.wcs.lng == 1
        x, y = np.random.default_rng(seed).uniform(0, 100, (2, 20))
        x[0] = 1e7  # off the projection of most
        world = reference.all_pix2world(x, y, 0)
        sky = SkyCoord(*(world[::-1] if swapped else world), unit="deg", frame=frame).icrs
        there = sky[1:].transform_to(frame).spherical
        world = there.lon.deg, there.lat.deg
        back = reference.all_world2pix(*(world[::-1] if swapped else world), 0)
    wcs = SkyWCS.from_header(header.tostring().encode())
    ra, dec = wcs.to_sky(x, y)
    np.testing.assert_array_equal(np.isnan(ra), np.isnan(sky.ra.deg))
    np.testing.assert_array_equal(ra, sky.ra.deg)
    np.testing.assert_array_equal(dec, sky.dec.deg)
    got = wcs.to_pixel(sky.ra.deg[1:], sky.dec.deg[1:])
    np.testing.assert_allclose(got, back, rtol=0, atol=1e-7)
    assert wcs.pixel_scale_arcsec == pytest.approx(1.5)


def test_shapes_and_scalars():
    """Positions keep the shape they were asked in."""
    wcs = SkyWCS.from_header(simple_header(10, 20, shape=(30, 40), scale_arcsec=1.5))
    assert wcs.to_pixel(10.0, 20.0)[0].shape == ()
    ra, dec = wcs.to_sky(np.zeros((2, 1)), np.zeros((1, 3)))
    assert ra.shape == dec.shape == (2, 3)
    assert wcs.to_pixel([], [])[0].shape == (0,)


def test_off_the_projection_is_nan():
    """The far side of the sky has no pixel in SIN, and a far pixel no place."""
    wcs = SkyWCS.from_header(simple_header(10, 20, shape=(30, 40), scale_arcsec=1.5))
    x, y = wcs.to_pixel([190.0, 10.0], [-20.0, 20.0])
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [True, False]
    assert np.isnan(wcs.to_sky(1e7, 0)[0])


def test_a_pickled_copy_is_the_same():
    """Workers get the same numbers."""
    wcs = SkyWCS.from_header(simple_header(10, 20, shape=(30, 40), scale_arcsec=1.5))
    copy = pickle.loads(pickle.dumps(wcs))
    assert copy.to_pixel(10.001, 20.001) == wcs.to_pixel(10.001, 20.001)


CARDS = fits.Header.fromstring(simple_header(10, 20, shape=(9, 9), scale_arcsec=1.5).decode())


@pytest.mark.parametrize(
    "changes",
    [
        {"CTYPE1": "FREQ", "CTYPE2": "STOKES"}, {"CTYPE1": "RA---SIN", "CTYPE2": "RA---SIN"},
        {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"}, {"CDELT1": 0.0}, {"CDELT2": float("1e-320")},
        {"CRVAL2": 400.0}, {"RADESYS": "MOON"}, {"CTYPE1": "", "CTYPE2": ""},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 99},
    ],
)  # fmt: skip
def test_a_header_that_gives_no_place_is_one_line(changes):
    """A header that cannot be used is a NoWCSError that names the file, or works as astropy's."""
    header = CARDS.copy()
    header.update(changes)
    try:
        found = SkyWCS.from_header(header.tostring().encode(), path="x.fits").to_sky(4, 4)
        message, path = "x.fits", "x.fits"
    except NoWCSError as error:
        message, path, found = str(error), error.path, None
    assert (path, "\n" in message, "x.fits" in message) == ("x.fits", False, True)
    if found is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = WCS(header).celestial.all_pix2world(4, 4, 0)
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("scale", [1.5, 0.05, 1e-7])
def test_a_simple_header_is_standard_fits(scale):
    """Small numbers, too: the exponent's letter is a capital (FITS standard 4.0, section 4.2.4)."""
    cards = simple_header(1e-6, -1e-9, shape=(9, 8), scale_arcsec=scale).decode()
    header = fits.Header.fromstring(cards)
    for card in header.cards:
        card.verify("exception")
    assert header["CDELT2"] == scale / 3600
    assert (header["CRVAL1"], header["CRVAL2"]) == (1e-6, -1e-9)
