"""Splits on random skies: no pair across, shares that hold or regions of sky, nobody lost."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.dataset.splits import SplitPlan, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.dataset.splits.dealing import TOLERANCE

CENTRES = [(0.0, 0.0), (359.99, 40.0), (120.0, 89.9), (10.0, -89.99), (200.0, 52.0)]
PLANS = [
    "stratified:seed=1",
    "stratified:train=0.7,val=0.1,test=0.2,seed=2",
    "k-fold:folds=3,seed=3",
    "blocks:seed=4",
    "blocks:folds=4,seed=5",
]


def sky(rng, centre, width_deg, count):
    """Return positions around a centre, a third of them in clumps."""
    radius = width_deg / 2 * np.sqrt(rng.random(count))
    clumped = rng.random(count) < 1 / 3
    radius[clumped] = np.round(radius[clumped] / width_deg * 4) / 4 * width_deg
    angle = np.where(clumped, rng.integers(0, 6, count) * 60.0, rng.uniform(0, 360, count))
    radius += rng.normal(0, 0.01, count) * width_deg
    place = SkyCoord(*centre, unit="deg").directional_offset_by(
        angle * u.deg, np.abs(radius) * u.deg
    )
    return place.ra.deg, place.dec.deg


def overlapping(ra, dec, extent, shape):
    """Return the full matrix of stamps that share pixels, by astropy; squares in any position."""
    coordinates = SkyCoord(ra, dec, unit="deg")
    separation = coordinates[:, None].separation(coordinates[None, :]).arcsec
    reach = (extent[:, None] + extent[None, :]) / 2
    if shape == "square":
        reach = reach * np.sqrt(2)
    return (separation < reach) & ~np.eye(len(ra), dtype=bool)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    centre=st.sampled_from(CENTRES),
    width_deg=st.sampled_from([0.5, 3.0, 20.0]),
    count=st.integers(3, 300),
    extents=st.sampled_from([(225.0,), (2250.0,), (225.0, 2250.0), (60.0, 225.0, 900.0)]),
    shape=st.sampled_from(["circle", "square"]),
    text=st.sampled_from(PLANS),
)
def test_no_pair_is_across_and_shares_hold(seed, centre, width_deg, count, extents, shape, text):
    """At the poles, across RA 0, in crowds and in empty fields, with stamps of several sizes."""
    rng = np.random.default_rng(seed)
    ra, dec = sky(rng, centre, width_deg, count)
    extent = rng.choice(extents, count)
    labels = rng.integers(-1, 3, count)
    names = tuple(f"s{index}" for index in range(count))
    sources = SplitSources(names, labels, ra, dec, extent, shape)
    plan = SplitPlan.parse(text)
    result = assign_splits(plan, sources)
    kept = ~result.is_left_out
    across = overlapping(ra, dec, extent, shape) & (result.names[:, None] != result.names[None, :])
    assert not (across & kept[:, None] & kept[None, :]).any()
    assert result.pairs_across == 0
    # Whoever is left out would have shared pixels with somebody of another split.
    assert (result.reasons[~kept] != "").all()
    assert (result.reasons[kept] == "").all()
    assert overlapping(ra, dec, extent, shape)[~kept].any(axis=1).all()
    assert set(result.names[kept]) <= set(plan.targets)
    if result.plan.kind == "blocks":
        assert bool(result.change) == (plan.kind != "blocks")
        return
    assert kept.all()
    assert result.plan == plan
    if not result.missing:
        # Quotas are rounded for each class, of which there are four.
        for name, share in plan.targets.items():
            off = abs(int((result.names == name).sum()) - share * count)
            assert off <= TOLERANCE * count + 4


def line_of_sky(count=100, extent=900.0):
    """Return sources along the equator, 3.6 deg apart, without a label."""
    ra = np.arange(count) * 360 / count
    names = tuple(f"s{index}" for index in range(count))
    labels = np.full(count, -1)
    return SplitSources(names, labels, ra, np.zeros(count), np.full(count, extent))


@pytest.mark.slow
def test_a_buffer_keeps_sources_of_different_splits_apart():
    """Two cuts through the line: at each of them, one source on one side is in the way."""
    sources = line_of_sky()
    without = assign_splits(SplitPlan.parse("blocks:seed=1"), sources)
    result = assign_splits(SplitPlan.parse(f"blocks:seed=1,buffer={5 * 3600}"), sources)
    assert not without.is_left_out.any()
    assert result.is_left_out.sum() == 2
    assert all("is in the buffer to sources of" in text for text in result.reasons if text)
    beside = result.names[:-1], result.names[1:]
    assert not ((beside[0] != beside[1]) & (beside[0] != "") & (beside[1] != "")).any()


def test_a_reach_takes_the_place_of_the_stamps():
    """Stamps of 20 deg that would all be one chain, and the other way round."""
    wide = line_of_sky(extent=20 * 3600.0)
    assert assign_splits(SplitPlan.parse("stratified"), wide).plan.kind == "blocks"
    narrow = assign_splits(SplitPlan.parse("stratified:reach=3600"), wide)
    assert (narrow.plan.kind, narrow.is_left_out.any()) == ("stratified", False)
    assert narrow.pairs_across > 100  # of the true stamps
    assert narrow.lines()[-1].startswith("warning: split: ")
    as_wide = assign_splits(SplitPlan.parse(f"stratified:reach={20 * 3600}"), line_of_sky())
    assert as_wide.plan.text == "blocks:train=0.8,test=0.2,seed=0,reach=72000"
    assert as_wide.is_left_out.any()


def test_sources_without_a_place_fill_the_shares_and_are_counted():
    sources = line_of_sky(extent=20 * 3600.0)
    sources.ra[:40] = np.nan
    for text in ("stratified", "blocks", "k-fold:folds=4"):
        result = assign_splits(SplitPlan.parse(text), sources)
        assert not result.is_left_out[:40].any()
        assert result.pairs_across == 0
        note = "split: 40 of 100 sources have no known position or size on the sky, and could not"
        assert any(line.startswith(note) for line in result.lines())


@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize("text", PLANS)
def test_a_crowd_that_nothing_can_divide_stays_whole(count, text):
    """All at one place: nobody is left out for an empty split, and a warning names it."""
    names = tuple(f"s{index}" for index in range(count))
    zeros = np.zeros(count)
    sources = SplitSources(names, np.zeros(count, int), zeros, zeros, np.full(count, 225.0))
    result = assign_splits(SplitPlan.parse(text), sources)
    assert not result.is_left_out.any()
    assert len(set(result.names.tolist())) <= 1
    warnings = [line for line in result.lines() if line.startswith("warning: split ")]
    assert len(warnings) == (len(result.splits) - 1 if count else 0)
