"""Partitions and margins of a HATS collection, against astropy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from mingolotss.formats.hats.partitions import (
    HIGHEST_ORDER,
    Partition,
    choose_partitions,
    healpix_index,
    margin_pairs,
)


def test_partitions_cover_every_source_once_and_are_as_small_as_their_sources_allow():
    rng = np.random.default_rng(1)
    ra = np.concatenate([rng.uniform(0, 360, 2000), rng.normal(180, 0.5, 2000)]) % 360
    dec = np.concatenate(
        [np.rad2deg(np.arcsin(rng.uniform(-1, 1, 2000))), rng.normal(0, 0.5, 2000)]
    )
    index = healpix_index(ra, dec)
    plan = choose_partitions(index, 100)
    number = plan.find(index)
    assert number.min() == 0
    assert np.bincount(number, minlength=len(plan)).min() >= 1
    assert np.bincount(number).max() <= 100
    ranges = [(partition.start, partition.stop) for partition in plan]
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ranges))
    for i, partition in enumerate(plan):  # its sources are in two of its four children
        children = index[number == i] >> 2 * (28 - partition.order)
        assert partition.order == HIGHEST_ORDER or len(np.unique(children)) > 1


def test_sources_at_one_place_stay_together():
    index = healpix_index(np.full(50, 12.5), np.full(50, -80.0))
    (partition,) = choose_partitions(index, 10)
    assert partition == Partition(HIGHEST_ORDER, int(index[0]) >> 2 * (29 - HIGHEST_ORDER))


@pytest.mark.parametrize("place", [(0.0, 0.0), (45.0, 41.8), (359.999, 89.999), (210.0, -90.0)])
def test_the_margin_has_every_source_near_another_partition(place):
    """Two sources closer than the radius are in one partition, or in each other's margin."""
    rng = np.random.default_rng(2)
    centre = SkyCoord(*place, unit="deg")
    around = centre.directional_offset_by(
        rng.uniform(0, 360, 1500) * units.deg, 200 * np.sqrt(rng.uniform(0, 1, 1500)) * units.arcsec
    )
    ra, dec = around.ra.deg, around.dec.deg
    plan = choose_partitions(healpix_index(ra, dec), 20)
    number = plan.find(healpix_index(ra, dec))
    rows, near = margin_pairs(ra, dec, plan, 10.0)
    margin = set(zip(rows.tolist(), near.tolist(), strict=True))
    first, second, _, _ = around.search_around_sky(around, 10 * units.arcsec)
    apart = number[first] != number[second]
    assert apart.sum() > 20
    assert {
        (int(i), int(number[j])) for i, j in zip(first[apart], second[apart], strict=True)
    } <= margin
    assert all(number[row] != partition for row, partition in margin)
