"""Regions of stamps: circles against astropy's separations, squares against their own pixels."""

from __future__ import annotations

import time

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.sky import cube_grid
from mingolotss.sky.stamp_regions import StampRegions

CENTRES = [(0.0, 0.0), (359.99, 40.0), (120.0, 89.95), (10.0, -89.99), (200.0, 52.0)]


def sky(rng, centre, radius_deg, count):
    place = SkyCoord(*centre, unit="deg").directional_offset_by(
        rng.uniform(0, 360, count) * u.deg, radius_deg * np.sqrt(rng.random(count)) * u.deg
    )
    return place.ra.deg, place.dec.deg


def pairs_of(stamps, code=None):
    return sorted(
        (int(a), int(b))
        for one, other in stamps.pairs(code)
        for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    centre=st.sampled_from(CENTRES),
    extents=st.sampled_from(
        [(225.0,), (225.0, 2250.0), (1.0, 60.0, 900.0, 7200.0), (0.0, 300.0), (400000.0, 900.0)]
    ),
    block=st.sampled_from([7, 2**20]),
)
def test_circles_of_many_sizes_are_those_of_all_separations(seed, centre, extents, block):
    rng = np.random.default_rng(seed)
    ra, dec = sky(rng, centre, 1.0, 80)
    extent = rng.choice(extents, 80)
    extent[rng.random(80) < 0.05] = np.nan
    code = rng.integers(0, 2, 80)
    coordinates = SkyCoord(ra, dec, unit="deg")
    near = coordinates[:, None].separation(coordinates[None, :]).arcsec
    shared = np.triu(near < (extent[:, None] + extent) / 2, 1)
    expected = [tuple(pair) for pair in np.argwhere(shared).tolist()]
    stamps = StampRegions(ra, dec, extent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cube_grid, "_BLOCK", block)
        assert pairs_of(stamps) == expected
        for one in (code, 1 - code, rng.integers(0, 3, 80), np.zeros(80, int)):  # what it keeps
            assert pairs_of(stamps, one) == [(a, b) for a, b in expected if one[a] != one[b]]
        groups = stamps.groups()
    assert stamps.share_pixels(*np.triu_indices(80, 1)).sum() == len(expected)
    reached = shared | shared.T | np.eye(80, dtype=bool)
    for _ in range(7):
        reached = reached @ reached
    assert np.array_equal(groups[:, None] == groups, reached)


def pixel_overlap(first, second, side):
    """Return whether a point of one square stamp lies on the other, by their WCS in astropy."""
    grid = np.linspace(-0.5, side - 0.5, 41)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    inside = False
    for one, other in ((first, second), (second, first)):
        px, py = other.all_world2pix(*one.all_pix2world(x, y, 0), 0)
        middle = (side - 1) / 2
        inside |= bool(np.any(np.maximum(np.abs(px - middle), np.abs(py - middle)) <= side / 2))
    return inside


def stamp_wcs(ra, dec, side, scale_arcsec, angle_deg):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = ra, dec
    wcs.wcs.crpix = (side + 1) / 2, (side + 1) / 2
    turn, step = np.radians(angle_deg), scale_arcsec / 3600
    # The columns point to the position angle: (east, north) = (sin, cos).
    wcs.wcs.cd = [
        [-step * np.cos(turn), step * np.sin(turn)], [step * np.sin(turn), step * np.cos(turn)],
    ]  # fmt: skip
    return wcs


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("turned", [False, True])
def test_squares_share_pixels_as_their_own_wcs_says(centre, turned):
    """North up and turned by any angle, of two sizes, also at the poles."""
    rng = np.random.default_rng(3)
    count = 16
    ra, dec = sky(rng, centre, 0.1, count)
    scale = rng.choice([1.5, 3.0], count)
    angle = rng.uniform(0, 360, count) if turned else np.zeros(count)
    side = 100
    images = [stamp_wcs(*args) for args in zip(ra, dec, [side] * count, scale, angle, strict=True)]
    smaller, exact, larger = (
        StampRegions(ra, dec, factor * side * scale, "square", angle)
        for factor in (0.93, 1.0, 1.001)
    )
    first, second = np.triu_indices(count, 1)
    true = np.array(
        [pixel_overlap(images[a], images[b], side) for a, b in zip(first, second, strict=True)]
    )
    # The points are 2.5 pixels apart, so a corner that reaches in by less can be missed.
    assert (~true | larger.share_pixels(first, second)).all()
    assert (~smaller.share_pixels(first, second) | true).all()
    assert 20 < true.sum() < len(true) - 20
    listed = exact.share_pixels(first, second)
    assert pairs_of(exact) == [
        (int(a), int(b)) for a, b in zip(first[listed], second[listed], strict=True)
    ]
    around = StampRegions(ra, dec, side * scale, "square")
    assert (~listed | around.share_pixels(first, second)).all()
    assert around.share_pixels(first, second).sum() > listed.sum()


@pytest.mark.slow
def test_a_million_stamps_of_two_sizes_take_seconds():
    """A few wide stamps do not slow the search for all others; a crowd is no slower."""
    rng = np.random.default_rng(1)
    n = 1_000_000
    ra, dec = rng.uniform(0, 75, n), rng.uniform(0, 75, n)
    for extent in (np.where(rng.random(n) < 0.01, 2250.0, 225.0), np.full(n, 2250.0)):
        start = time.process_time()
        groups = StampRegions(ra, dec, extent).groups()
        assert time.process_time() - start < 60
        assert np.bincount(groups).max() > 1000
