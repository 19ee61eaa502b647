"""Pairs of stamps that share pixels, compared with all separations as astropy computes them."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from mingolotss.dataset.overlapping_stamps import find_overlapping_stamps
from mingolotss.sky import cube_grid
from mingolotss.sky.stamp_regions import StampRegions


def expected(ra, dec, width, split):
    """Every pair, from the full matrix of separations."""
    sky = SkyCoord(ra * u.deg, dec * u.deg)
    arcsec = sky[:, None].separation(sky[None, :]).arcsec
    first, second = np.triu_indices(len(ra), 1)
    sep = arcsec[first, second]
    shared = sep < (width[first] + width[second]) / 2
    inside = sep < np.maximum(width[first], width[second]) / 2
    crowded = ((arcsec < width[:, None] / 2) & ~np.eye(len(ra), dtype=bool)).any(axis=1)
    order = np.argsort(sep[inside])
    return (
        int(shared.sum()), int(inside.sum()), int((shared & (split[first] != split[second])).sum()),
        crowded, np.column_stack([first, second])[inside][order],
    )  # fmt: skip


@pytest.mark.parametrize("centre", [(0.0, 0.0), (359.99, 40.0), (120.0, 89.97), (10.0, -89.99)])
@pytest.mark.parametrize("block", [7, 2**20])
def test_pairs_are_those_of_all_separations(monkeypatch, centre, block):
    """Across RA 0, at the poles, with stamps of two widths, and in blocks of any size."""
    monkeypatch.setattr(cube_grid, "_BLOCK", block)
    rng = np.random.default_rng(3)
    n = 150
    near = SkyCoord(*centre, unit="deg").directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, rng.uniform(0, 0.2, n) * u.deg
    )
    ra, dec = near.ra.deg, near.dec.deg
    width, split = np.where(np.arange(n) % 3, 225.0, 60.0), np.arange(n) % 2
    pairs = find_overlapping_stamps(StampRegions(ra, dec, width), split=split, most=10_000)
    total, inside, apart, crowded, nearest = expected(ra, dec, width, split)
    assert (pairs.checked, pairs.total, pairs.inside, pairs.apart) == (n, total, inside, apart)
    assert total > inside > 0
    assert np.array_equal(pairs.crowded, crowded)
    assert np.array_equal(pairs.nearest, nearest)


def test_only_the_nearest_are_listed_and_all_are_counted():
    ra = np.full(60, 10.0)
    dec = 20 + np.arange(60) ** 2 / 3600
    few, all_of_them = (
        find_overlapping_stamps(StampRegions(ra, dec, np.full(60, 225.0)), most=m) for m in (5, 999)
    )
    assert len(few.nearest) == 5
    assert few.total == all_of_them.total
    assert np.array_equal(few.nearest, all_of_them.nearest[:5])


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_stamp_without_position_or_width_is_in_no_pair(column):
    columns = [np.full(3, 10.0), np.full(3, 20.0), np.full(3, 225.0)]
    columns[column][1] = np.nan
    pairs = find_overlapping_stamps(StampRegions(*columns))
    assert (pairs.checked, pairs.total, pairs.nearest.tolist()) == (2, 1, [[0, 2]])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_stamps_have_no_pair(count):
    stamps = StampRegions(np.zeros(count), np.zeros(count), np.full(count, 9.0))
    pairs = find_overlapping_stamps(stamps)
    assert (pairs.checked, pairs.total, pairs.inside, pairs.crowded.any()) == (count, 0, 0, False)
