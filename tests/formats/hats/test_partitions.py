"""Partitions and margins of a HATS collection, against astropy."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy_healpix import boundaries_lonlat

from mingolotss.formats.hats.partitions import (
    HIGHEST_ORDER,
    Partition,
    PartitionPlan,
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


def test_gaps_and_partitions_cover_the_sky_once():
    """The gaps are as few pixels as possible: no four of them make a larger one."""
    rng = np.random.default_rng(3)
    index = healpix_index(rng.normal(0, 20, 500) % 360, rng.uniform(-90, 90, 500))
    plan = choose_partitions(index, 20)
    sky = plan.with_gaps()
    assert sky.partitions[0].start == 0
    assert all(a.stop == b.start for a, b in zip(sky, sky.partitions[1:], strict=False))
    assert sky.partitions[-1].stop == 12 << 58
    assert set(plan) <= set(sky)
    siblings = Counter((gap.order, gap.pixel // 4) for gap in set(sky) - set(plan) if gap.order)
    assert max(siblings.values()) == 3
    assert PartitionPlan(()).with_gaps().partitions == tuple(Partition(0, i) for i in range(12))


PLACES = {
    "equator": (0.0, 0.0),
    "RA 0": (359.9999, 31.0),
    "north pole": (359.999, 89.999),
    "south pole": (210.0, -90.0),
    "corner of three base pixels": (45.0, 41.8103149),
    "edge of a polar base pixel": (90.0, 75.0),
    "corner of four base pixels": (45.0, 0.0),
}


@pytest.mark.parametrize("radius", [6.0, 10.0, 70.0])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_margin_has_every_source_near_another_partition(place, radius):
    """A position within the radius of a source is in its partition, or has it in the margin.

    The positions are those of another catalogue, which also lie between the partitions.
    """
    rng = np.random.default_rng(2)
    n, around = 3000, SkyCoord(*place, unit="deg")
    source = offset_by(around, rng, radius * 10 ** rng.uniform(0, 3.5, n))
    other = offset_by(source, rng, 0.999 * radius * np.sqrt(rng.uniform(0, 1, n)))
    # Every other partition is left out, with its sources, so that there are gaps everywhere.
    all_partitions = choose_partitions(healpix_index(source.ra.deg, source.dec.deg), 20)
    plan = PartitionPlan(all_partitions.partitions[::2])
    remain = plan.find(healpix_index(source.ra.deg, source.dec.deg)) >= 0
    source, other = source[remain], other[remain]
    index, sky = healpix_index(source.ra.deg, source.dec.deg), plan.with_gaps()
    rows, numbers = margin_pairs(source.ra.deg, source.dec.deg, sky, radius)
    margin = set(zip(rows.tolist(), numbers.tolist(), strict=True))
    assert len(margin) == len(rows)
    assert np.lexsort((rows, numbers)).tolist() == list(range(len(rows)))
    own, there = sky.find(index), sky.find(healpix_index(other.ra.deg, other.dec.deg))
    apart = np.flatnonzero(own != there)
    assert len(apart) > 50
    assert {(int(row), int(there[row])) for row in apart} <= margin
    assert (own[rows] != numbers).all()
    gaps = {number for number in there[apart] if sky.partitions[number] not in set(plan)}
    assert gaps


def offset_by(place, rng, arcsec):
    """Return positions in random directions from one place or several."""
    return place.directional_offset_by(
        rng.uniform(0, 360, len(arcsec)) * units.deg, arcsec * units.arcsec
    )


@pytest.mark.parametrize("radius", [1.0, 30.0])
def test_the_margin_holds_no_source_that_is_far_away(radius):
    """Each source in a margin is within six radii of the partition, by the points of its edge."""
    rng = np.random.default_rng(4)
    ra, dec = rng.normal(45, 0.1, 1000), rng.normal(41.8, 0.1, 1000)
    plan = choose_partitions(healpix_index(ra, dec), 100).with_gaps()
    rows, numbers = margin_pairs(ra, dec, plan, radius)
    assert len(rows) > 10
    for row, number in zip(rows[::5], numbers[::5], strict=True):
        order, pixel = plan.partitions[number]
        source = SkyCoord(ra[row], dec[row], unit="deg")
        edge = boundaries_lonlat(pixel, 1 << max(16 - order, 4), 1 << order, order="nested")
        distances = source.separation(SkyCoord(*edge)).arcsec
        assert distances.min() < 6 * radius
