"""The grids of stamps are those that astropy reads from their cards, everywhere on the sky."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.stamp_grid import ImageGrids, StampSky, TangentGrids
from mingolotss.sky.wcs import SkyWCS, simple_header

SIDE = 51


def astropy_wcs(sky: StampSky) -> WCS:
    """Return the WCS that astropy reads from the header of a stamp."""
    return WCS(fits.Header.fromstring(sky.header, sep="\n"))


def random_grids(count: int = 200) -> TangentGrids:
    """Return grids everywhere, also at the poles and at RA 0."""
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    ra[:20], ra[20:40] = 0.0, rng.uniform(359.99, 360, 20)
    dec[:10], dec[10:20], dec[20:30], dec[30:40] = 90.0, -90.0, 89.9999, 0.0
    scale, angle = rng.uniform(0.3, 20, count), rng.uniform(-360, 720, count)
    angle[::3] = 0.0
    return TangentGrids(ra, dec, scale, angle, SIDE)


def test_positions_are_those_of_astropy():
    """To a billionth of a pixel, in both directions."""
    grids = random_grids()
    corners = np.array([0.0, SIDE - 1.0, 0.0, SIDE - 1.0, SIDE // 2, 7.3])
    rows = np.array([0.0, 0.0, SIDE - 1.0, SIDE - 1.0, SIDE // 2, 40.1])
    ra, dec = grids.to_sky(np.arange(len(grids)), corners, rows)
    for row in range(len(grids)):
        wcs = astropy_wcs(StampSky(grids, row, HeaderFacts()))
        expected = wcs.pixel_to_world(corners, rows)
        found = SkyCoord(ra[row], dec[row], unit="deg")
        pixel = grids.pixel_scale_arcsec[row] * u.arcsec
        assert (found.separation(expected) / pixel).max() < 1e-6
        x, y = grids.to_pixel(row, ra[row], dec[row])
        np.testing.assert_allclose(x, corners, atol=1e-6)
        np.testing.assert_allclose(y, rows, atol=1e-6)


def test_the_position_is_on_the_middle_pixel():
    """Pixel ``side // 2`` from 0, for even and odd sides, as the mask of a stamp has it."""
    for side in (50, 51):
        grids = TangentGrids(*np.array([[33.0], [-47.0], [1.5], [20.0]]), side)
        x, y = astropy_wcs(StampSky(grids, 0, HeaderFacts())).world_to_pixel(
            SkyCoord(33.0, -47.0, unit="deg")
        )
        assert (float(x), float(y)) == pytest.approx((side // 2, side // 2), abs=1e-9)


def test_the_position_angle_is_up():
    """North through east, also at the poles."""
    grids = random_grids()
    middle = float(SIDE // 2)
    ra, dec = grids.to_sky(
        np.arange(40, 200), np.array([middle] * 2), np.array([middle, middle + 1])
    )
    start, end = (SkyCoord(ra[:, i], dec[:, i], unit="deg") for i in (0, 1))
    difference = start.position_angle(end).deg - grids.angle_deg[40:]
    np.testing.assert_allclose((difference + 180) % 360 - 180, 0, atol=1e-4)
    steps = grids.steps_arcsec(np.arange(200))
    np.testing.assert_allclose(
        np.degrees(np.arctan2(steps[:, 0, 1], steps[:, 1, 1])) % 360,
        grids.angle_deg % 360,
        atol=1e-9,
    )
    np.testing.assert_allclose(np.linalg.det(steps), -(grids.pixel_scale_arcsec**2))


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("projection", ["SIN", "TAN", "CAR"])
def test_windows_of_images_have_grids(factor, projection):
    """The grid of a stamp of whole pixels, or of blocks of them, is that of its image."""
    header = simple_header(359.999, 40.0, shape=(400, 500), scale_arcsec=1.5, projection=projection)
    image = SkyWCS.from_header(header)
    index, x0, y0 = np.array([0, -1, 0]), np.array([10.0, 0, 55.0]), np.array([20.0, 0, 7.0])
    grids = ImageGrids([image], index, x0, y0, np.full(3, factor), SIDE)
    ra, dec = grids.to_sky(np.arange(3), np.array([0.0, 5.0]), np.array([0.0, 9.0]))
    block = (factor - 1) / 2
    for row in (0, 2):
        expected = image.to_sky(
            x0[row] + block + factor * np.array([0, 5]), y0[row] + block + factor * np.array([0, 9])
        )
        np.testing.assert_allclose((ra[row], dec[row]), expected, atol=1e-12)
        wcs = astropy_wcs(StampSky(grids, row, HeaderFacts()))
        found = wcs.pixel_to_world([0, 5], [0, 9])
        assert found.separation(SkyCoord(*expected, unit="deg")).max() < 1e-6 * u.arcsec
        x, y = grids.to_pixel(row, ra[row], dec[row])
        np.testing.assert_allclose((x, y), ([0, 5], [0, 9]), atol=1e-7)
    assert np.isnan(ra[1]).all()
    assert grids.cards(1) is None
    np.testing.assert_allclose(grids.pixel_scale_arcsec, [1.5 * factor, np.nan, 1.5 * factor])
    steps = grids.steps_arcsec(np.array([0, 2]))
    np.testing.assert_allclose(np.abs(np.linalg.det(steps)), (1.5 * factor) ** 2, rtol=0.4)


def test_a_grid_can_be_pickled_and_taken():
    """Cutouts travel between processes with their WCS."""
    grids = random_grids()
    sky = pickle.loads(pickle.dumps(StampSky(grids, 50, HeaderFacts(unit="Jy/beam"))))
    assert sky.facts.unit == "Jy/beam"
    assert sky.beam is None
    np.testing.assert_array_equal(sky.to_sky(3, 4), StampSky(grids, 50, HeaderFacts()).to_sky(3, 4))
    np.testing.assert_allclose(
        sky.to_pixel(*sky.to_sky([3, 9], [4, 2])), [[3, 9], [4, 2]], atol=1e-8
    )
    assert len(grids.take(np.array([3, 1]))) == 2
