"""Beams of recipes: what is read, what is refused, and where a position angle points on pixels."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.sky.beams import FWHM, Beam, beam_covariance, parse_beam, pixel_covariances
from mingolotss.sky.wcs import SkyWCS


@pytest.mark.parametrize(
    ("text", "beam"),
    [
        ("9 arcsec", (9, 9, 0)),
        (' 9" ', (9, 9, 0)),
        ("0.15 arcmin", (9, 9, 0)),
        ("0.15'", (9, 9, 0)),
        ("2.5e-3 deg", (9, 9, 0)),
        ("9000mas", (9, 9, 0)),
        ("12 x 9 arcsec, 45 deg", (12, 9, 45)),
        ("0.2 arcmin x 9 arcsec, -135 deg", (12, 9, 45)),
        ("12X9arcsec,180 deg", (12, 9, 0)),
        ("12 \u00d7 9 arcsec, .5 deg", (12, 9, 0.5)),
        ("9 x 9 arcsec, 45 deg", (9, 9, 0)),
    ],
)
def test_a_beam_is_read_in_usual_spellings(text, beam):
    """Sizes with units and a position angle; what is written is read as the same beam."""
    assert parse_beam(text) == pytest.approx(beam)
    assert parse_beam(str(parse_beam(text))) == pytest.approx(beam)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9", "is no beam"),
        ("9 x 12", "is no beam"),
        ("nine arcsec", "is no beam"),
        ("9 parsec", "is no beam"),
        ("-9 arcsec", "is no beam"),
        ("nan arcsec", "is no beam"),
        ("9 arcsec 45 deg", "is no beam"),
        ("0 arcsec", "not between"),
        ("11 deg", "not between"),
        ("9e99 arcsec", "not between"),
        ("12 x 0 arcsec, 3 deg", "not between"),
        ("9 x 12 arcsec, 3 deg", "the first axis"),
        ("12 x 9 arcsec", "needs the position angle"),
    ],
)
def test_what_is_no_beam_is_one_line(text, words):
    """The line repeats the text."""
    with pytest.raises(ValueError, match=words) as caught:
        parse_beam(text)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_covariance_is_that_of_radio_beam():
    """Axes and position angle east of north: deconvolution is a difference of covariances."""
    radio_beam = pytest.importorskip("radio_beam")
    rng = np.random.default_rng(3)
    for _ in range(20):
        small, kernel = (
            radio_beam.Beam(major, minor, pa * u.deg)
            for major, minor, pa in (
                (*np.sort(rng.uniform(2, 9, 2))[::-1] * u.arcsec, rng.uniform(0, 180))
                for _ in range(2)
            )
        )
        both = small.convolve(kernel)
        covariances = [
            beam_covariance(
                beam.major.to_value("arcsec"), beam.minor.to_value("arcsec"),
                beam.pa.to_value("deg"),
            )
            for beam in (small, kernel, both)
        ]  # fmt: skip
        assert covariances[0] + covariances[1] == pytest.approx(covariances[2], rel=1e-6, abs=1e-6)


def header(crval, cd, projection="SIN", crpix=(200.0, 200.0)):
    """Return a header with any orientation of the pixels."""
    cards = {
        "SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 400, "NAXIS2": 400,
        "CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}",
        "CRVAL1": crval[0], "CRVAL2": crval[1], "CRPIX1": crpix[0], "CRPIX2": crpix[1],
        "CD1_1": cd[0][0], "CD1_2": cd[0][1], "CD2_1": cd[1][0], "CD2_2": cd[1][1],
        "RADESYS": "ICRS",
    }  # fmt: skip
    return fits.Header(cards).tostring().encode()


@settings(max_examples=60)
@given(
    angle=st.floats(0, 360),
    mirrored=st.booleans(),
    scales=st.tuples(st.floats(0.5, 5), st.floats(0.5, 5)),
    dec=st.floats(-90, 90),
    ra=st.floats(0, 360),
    offset=st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)),
    pa=st.floats(0, 180),
    projection=st.sampled_from(["SIN", "TAN", "ZEA"]),
)
def test_the_major_axis_points_where_astropy_has_its_position_angle(
    angle, mirrored, scales, dec, ra, offset, pa, projection
):
    """On rotated, mirrored and oblong pixels, at any place and far from the reference pixel.

    The end of a long thin beam is a position at the position angle, and lies in its direction.
    """
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    flip = np.diag([1.0 if mirrored else -1.0, 1.0])
    cd = rotation @ flip @ np.diag(scales) / 3600
    wcs = SkyWCS.from_header(header((ra, dec), cd.tolist(), projection))
    x, y = 200 + offset[0], 200 + offset[1]
    (covariance,) = pixel_covariances(beam_covariance(10.0, 1e-3, pa), wcs, [x], [y])
    at_ra, at_dec = wcs.to_sky(np.array([x]), np.array([y]))
    centre = SkyCoord(at_ra[0], at_dec[0], unit="deg")
    end = centre.directional_offset_by(pa * u.deg, 10 / FWHM * u.arcsec)
    end_x, end_y = wcs.to_pixel(end.ra.deg, end.dec.deg)
    step = np.array([float(end_x) - x, float(end_y) - y])
    assert covariance == pytest.approx(np.outer(step, step), rel=2e-3, abs=2e-3 * step @ step)


@pytest.mark.parametrize("dec", [90.0, -90.0, 89.9999, 89.9, -89.5, 80.1])
@pytest.mark.parametrize("offset", [(0, 0), (0.5, 0), (3, -2), (400, 900)])
def test_directions_near_a_pole_are_those_of_astropy(dec, offset):
    """A step of one pixel can lead through many hours of right ascension, or over the pole."""
    wcs = SkyWCS.from_header(header((0.0, dec), [[-1.5 / 3600, 0.0], [0.0, 1.5 / 3600]]))
    x, y = 200 + offset[0], 200 + offset[1]
    at_ra, at_dec = wcs.to_sky(np.array([x]), np.array([y]))
    centre = SkyCoord(at_ra[0], at_dec[0], unit="deg")
    for pa in (0.0, 30.0, 135.0):
        (covariance,) = pixel_covariances(beam_covariance(12.0, 1e-3, pa), wcs, [x], [y])
        end = centre.directional_offset_by(pa * u.deg, 12 / FWHM * u.arcsec)
        step = np.array(wcs.to_pixel(end.ra.deg, end.dec.deg)) - (x, y)
        assert covariance == pytest.approx(np.outer(step, step), rel=2e-3, abs=2e-3 * step @ step)


def test_without_a_position_the_pixels_are_square_and_north_is_up():
    """Beyond the edge of a projection there is no direction."""
    wcs = SkyWCS.from_header(header((10.0, 0.0), [[-1 / 3600, 0.0], [0.0, 1 / 3600]]))
    (covariance,) = pixel_covariances(beam_covariance(10.0, 5.0, 30.0), wcs, [1e9], [1e9])
    assert covariance == pytest.approx(beam_covariance(10.0, 5.0, -30.0))


def test_the_area_is_the_product_of_the_axes():
    """Areas are used in ratios."""
    assert Beam(12.0, 9.0, 45.0).area == 108.0
    assert Beam(12.0, 9.0).covariance == pytest.approx(beam_covariance(12.0, 9.0))
