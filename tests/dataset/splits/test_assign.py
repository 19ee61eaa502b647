"""Splits on random skies: no pair across, shares that hold or regions of sky, nobody lost."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.dataset.splits import SplitPlan, SplitSources, assign_splits
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


@settings(deadline=None, max_examples=60)
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
