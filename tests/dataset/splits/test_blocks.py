"""Regions of sky: all ways to cut at once are those of one after another, to the last bit."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.dataset.splits import blocks
from mingolotss.dataset.splits.border import thin_border
from mingolotss.dataset.splits.dealing import TOLERANCE, _fill
from mingolotss.dataset.splits.sky_orders import sky_orders
from mingolotss.dataset.splits.strata import Strata
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.stamp_regions import StampRegions


def plain_cost(goal, cells, lost):
    """Return the cost of one split, as arrays of this split alone give it."""
    counts, sizes = cells @ goal.members, cells.sum(axis=1)
    missing = (counts == 0) & (goal.totals >= len(goal.shares))
    dealt = np.maximum(counts.sum(axis=0), 1)
    misplaced = np.abs(counts / dealt - goal.shares[:, None]).sum(axis=0) / 2
    worst = np.abs(sizes / max(int(sizes.sum()), 1) - goal.shares).max()
    parts = float(lost / max(goal.sources, 1) + misplaced.mean())
    return int(missing.sum()), max(float(worst) - TOLERANCE, 0.0), parts


def plain_strips(shares, strips, rng, begin):
    splits = np.tile(rng.permutation(len(shares)), strips)
    ends = np.cumsum(shares[splits] / strips)
    first = int(np.searchsorted(ends[:-1], begin, "right"))
    if begin > 0:
        splits = np.concatenate([splits[first:], splits[: first + 1]])
        ends = np.concatenate([ends[first:], 1 + ends[: first + 1]]) - begin
    ends[-1] = 1.0
    return splits, ends


def plain_ways(number, order, codes, goal, rng):
    """Cut the sky in one way after another, and count the stamps of each way by themselves."""
    n, width = len(codes), len(goal.members)
    shifts = np.arange(-blocks._SHIFTS, blocks._SHIFTS + 1)
    steps = shifts / blocks._SHIFTS * blocks._SHIFT * n / 2
    ways = []
    for strips, offset in product(blocks._STRIPS, range(blocks._OFFSETS)):
        begin = rng.random() if offset else 0.0
        splits, ends = plain_strips(goal.shares, strips, rng, begin)
        cuts = []
        for end in ends[:-1]:
            places = np.round(end * n + steps / strips).astype(np.int64)
            angles = order.cuts_at(places)
            crossed = [
                int((order.low < angle).sum() - (order.high <= angle).sum()) for angle in angles
            ]
            best = np.argmin(np.array(crossed) + np.abs(steps) / n)
            cuts.append((angles[best], crossed[best]))
        lost = sum(crossed for _, crossed in cuts)
        lost += order.at_start if splits[0] != splits[-1] else 0
        angles = np.maximum.accumulate([angle for angle, _ in cuts]) if cuts else np.empty(0)
        strip = np.searchsorted(angles, order.key, "right")
        cells = np.zeros((len(goal.shares), width), np.int64)
        np.add.at(cells, (splits[strip], codes), 1)
        cost = plain_cost(goal, cells, lost)
        ways.append((cost, number, tuple(splits.tolist()), tuple(angles.tolist())))
    return ways


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([1, 2, 7, 60]),
    splits=st.sampled_from([1, 2, 3, 9]),
    labels=st.sampled_from([1, 2, 6, 30]),
    step=st.sampled_from([0.0, 0.25]),
)
def test_all_ways_at_once_are_those_of_one_by_one(seed, count, splits, labels, step):
    """With one split or many, one class or many, and many stamps at one angle."""
    rng = np.random.default_rng(seed)
    ra, dec = 20 * rng.random(count), 20 * rng.random(count)
    if step:
        ra, dec = (np.round(angle / step) * step for angle in (ra, dec))
    radius = np.radians(rng.choice([0.03, 0.3], count))
    strata = Strata.of_labels(rng.integers(0, labels, count), ())
    goal = blocks._Goal.of(rng.dirichlet(np.full(splits, 3.0)), strata)
    points = unit_vectors(ra, dec)
    for number, (_, order) in enumerate(islice(sky_orders(points, radius, rng, 0), 2)):
        codes = strata.codes[order.rows]
        expected = plain_ways(number, order, codes, goal, np.random.default_rng(seed))
        ways = blocks._ways_to_cut(number, order, codes, goal, np.random.default_rng(seed))
        assert ways == expected


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), axes=st.integers(0, 3))
def test_stamps_are_in_order_of_the_angle_of_their_cutting(seed, axes):
    rng = np.random.default_rng(seed)
    points = unit_vectors(rng.uniform(-40, 40, 200), rng.uniform(-90, 90, 200))
    radius = np.radians(rng.uniform(0, 2, 200))
    for cutting, order in sky_orders(points, radius, rng, axes):
        angle = cutting.angle(points)
        width = radius if cutting.start is None else cutting.width(points, radius)
        assert sorted(order.rows.tolist()) == [*range(200)]
        assert np.array_equal(order.key, np.sort(angle))
        assert np.array_equal(order.key, angle[order.rows])
        assert np.array_equal(order.low, np.sort(angle - width))
        assert np.array_equal(order.high, np.sort(angle + width))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([0, 1, 5, 60, 300]),
    extents=st.sampled_from([(300.0,), (60.0, 900.0), (300.0, np.nan)]),
)
def test_a_border_has_one_of_each_pair_and_its_reasons(seed, count, extents):
    """Without those that are left out, no pair of two splits overlaps; and nobody is too many."""
    rng = np.random.default_rng(seed)
    ra, dec = 10 + rng.random(count), rng.random(count)
    regions = [
        StampRegions(ra, dec, rng.choice(extents, count)),
        StampRegions(ra, dec, np.full(count, 100.0)),
    ]
    split_of = rng.integers(0, 3, count)
    pairs = {
        (int(a), int(b))
        for stamps in regions
        for first, second in stamps.pairs()
        for a, b in zip(first, second, strict=True)
        if split_of[a] != split_of[b]
    }
    border = thin_border(regions, split_of)
    assert list(border) == sorted(border)
    assert all(a in border or b in border for a, b in pairs)
    partners = {row: {b if a == row else a for a, b in pairs if row in (a, b)} for row in border}
    assert border == {row: {int(split_of[one]) for one in partners[row]} for row in border}
    assert all(not others <= {*border} for others in partners.values())


@pytest.mark.parametrize("seed", range(40))
def test_single_sources_fill_what_remains_as_one_by_one(seed):
    """Quotas that groups have exceeded: the splits that lack most lose one source at a time."""
    rng = np.random.default_rng(seed)
    remaining = rng.integers(-5, 200, rng.integers(1, 6))
    lacking = int(np.maximum(remaining, 0).sum())
    count = int(rng.integers(0, lacking + 1))
    expected = np.maximum(remaining, 0)
    while (excess := int(expected.sum()) - count) > 0:
        largest = np.argsort(-expected, kind="stable")
        expected[largest[: min(excess, int((expected > 0).sum()))]] -= 1
    assert _fill(remaining, count).tolist() == expected.tolist()
