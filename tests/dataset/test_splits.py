"""Splits: nothing that shares pixels is on both sides, classes keep their shares, seeds decide."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.dataset.splits import SplitPlan, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.errors import InputError
from mingolotss.formats.batches import batch_of_rows
from mingolotss.sky.neighbours import overlaps
from mingolotss.sky.stamp_regions import StampRegions

SHARED = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[3] / "shared"))
STAMP_ARCSEC = 225.0  # 150 pixels of 1.5 arcsec
CATALOGUE = SHARED / "data/Mingo19_LoMorph_Cat.fits"
needs_catalogue = pytest.mark.skipif(
    not CATALOGUE.exists(), reason=f"needs the real catalogue, {CATALOGUE}"
)
CLASSES = {
    ("FR1",): 0, ("FR1", "NAT"): 1, ("FR1", "WAT"): 2, ("FR1", "Small"): 3, ("FR2",): 4,
    ("FR2", "Small"): 5, ("D-D",): 6, ("Indeterminate",): 7, ("Indeterminate", "Small"): 8,
    ("Small",): 9,
}  # fmt: skip


def assign(plan, labels, ra, dec, extent=STAMP_ARCSEC):
    """Return the split of each source, all of which have stamps of one size."""
    names = tuple(f"s{index}" for index in range(len(ra)))
    return assign_splits(plan, SplitSources(names, labels, ra, dec, np.full(len(ra), extent))).names


@pytest.fixture(scope="module")
def real():
    table = Table.read(CATALOGUE)
    flags = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
    on = np.array([np.char.strip(np.asarray(table[f]).astype(str)) for f in flags])
    on = np.isin(np.char.lower(on), ["true", "1", "1.0", "t"])
    order = ("FR1", "FR2", "D-D", "Indeterminate", "NAT", "WAT", "Small")
    sets = [tuple(f for f in order if column[flags.index(f)]) for column in on.T]
    labels = np.array([CLASSES[found] for found in sets])
    return labels, np.asarray(table["RA"], float), np.asarray(table["DEC"], float)


def brute(ra, dec, reach):
    """List close pairs by comparing everybody with everybody, with astropy's separation."""
    sky = SkyCoord(ra, dec, unit="deg")
    apart = sky[:, None].separation(sky[None, :]).arcsec
    return [list(pair) for pair in np.argwhere(np.triu(apart < reach, 1)).tolist()]


@settings(max_examples=30)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.0, 89.9, -89.99, 52.0]),
    st.sampled_from([60, 225, 9e3]),
)
def test_pairs_are_those_of_brute_force(seed, dec, reach):
    """At the equator, at the poles, across ra 0."""
    rng = np.random.default_rng(seed)
    ra, decs = rng.normal(0, 1, 60) % 360, np.clip(dec + rng.normal(0, 0.3, 60), -90, 90)
    assert overlaps(ra, decs, reach).tolist() == brute(ra, decs, reach)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from([1e-4, 2e-3, 0.1, 0.3, 5.0, 3e3, 2e5, 5e5]))
def test_pairs_are_found_at_every_reach(seed, reach):
    """From far below an arcsec, where cubes have huge numbers, to most of the sky."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-0.98, 0.98)))
    step = reach / 3600 / 3
    ra = (ra + rng.normal(0, step, 40) / np.cos(np.radians(dec))) % 360
    dec = np.clip(dec + rng.normal(0, step, 40), -90, 90)
    assert overlaps(ra, dec, reach).tolist() == brute(ra, dec, reach)


def test_groups_are_chains():
    """Two sources are in one group exactly if a chain of overlaps joins them."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(10, 11, 300), rng.uniform(0, 1, 300)
    groups = StampRegions(ra, dec, np.full(300, 150.0)).groups()
    reached = {index: {index} for index in range(300)}
    for _ in range(300):
        before = sum(map(len, reached.values()))
        for left, right in overlaps(ra, dec, 150).tolist():
            both = reached[left] | reached[right]
            reached[left] = reached[right] = both
        if sum(map(len, reached.values())) == before:
            break
    for index in range(300):
        assert set(np.flatnonzero(groups == groups[index])) == reached[index]
    assert len(np.unique(groups)) < 300


def leaks(names, ra, dec, reach=STAMP_ARCSEC):
    """Count the pairs that share pixels and stand on different sides."""
    pairs = overlaps(ra, dec, reach)
    return int((names[pairs[:, 0]] != names[pairs[:, 1]]).sum())


@pytest.mark.slow
@needs_catalogue
def test_the_real_catalogue_has_the_pairs_of_the_design(real):
    """221 pairs with one source in the other's stamp (112.5 arcsec), 672 that share pixels."""
    _, ra, dec = real
    assert len(overlaps(ra, dec, STAMP_ARCSEC / 2)) == 221
    assert len(overlaps(ra, dec, STAMP_ARCSEC)) == 672
    assert len(overlaps(ra, dec, STAMP_ARCSEC)) == len(brute(ra, dec, STAMP_ARCSEC))


@needs_catalogue
@pytest.mark.parametrize(
    "text", ["stratified", "stratified:train=0.7,val=0.1,test=0.2,seed=5", "k-fold:folds=10,seed=2"]
)
def test_a_naive_split_of_the_real_catalogue_leaks_and_ours_does_not(real, text):
    """The same shares dealt out at random leak hundreds of pairs; grouped, none."""
    labels, ra, dec = real
    plan = SplitPlan.parse(text)
    names = assign(plan, labels, ra, dec)
    naive = np.random.default_rng(0).permutation(names)
    assert leaks(names, ra, dec) == 0
    assert leaks(naive, ra, dec) > 100
    for label in range(10):
        for name, share in plan.targets.items():
            got = ((labels == label) & (names == name)).sum()
            assert abs(got - share * (labels == label).sum()) < 1.5, (label, name, got)


@needs_catalogue
def test_the_published_split_has_the_published_test_set(real):
    """805 sources, 180 FRI and 66 FRII (labels 0 to 2, and 4)."""
    labels, ra, dec = real
    split = batch_of_rows(5805, train=5, rows=1000, total=5805) == 5
    test = labels[split]
    # The catalogue is in order of right ascension, so the test set is one end of the sky.
    assert leaks(split, ra, dec) == 0
    assert (len(test), np.isin(test, (0, 1, 2)).sum(), (test == 4).sum()) == (805, 180, 66)


def test_the_seed_decides_and_nothing_else():
    """Same seed, same split; another seed, another; the order of columns does not matter."""
    rng = np.random.default_rng(0)
    labels, ra, dec = rng.integers(0, 4, 400), rng.uniform(0, 90, 400), rng.uniform(0, 50, 400)
    first = assign(SplitPlan.parse("stratified:seed=1"), labels, ra, dec)
    assert (first == assign(SplitPlan.parse("stratified:seed=1"), labels, ra, dec)).all()
    assert (first != assign(SplitPlan.parse("stratified:seed=2"), labels, ra, dec)).any()


@pytest.mark.parametrize(
    "text",
    [
        "published",
        "stratified:train=0.7,val=0.1,test=0.2,seed=5,reach=225",
        "k-fold:folds=3,seed=9,reach=60",
    ],
)
def test_a_plan_is_recorded_as_it_is_read(text):
    """What the manifest records makes the same split again."""
    assert SplitPlan.parse(text).text == text
    assert SplitPlan.parse(SplitPlan.parse(text).text) == SplitPlan.parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("random", "no kind 'random'; there are published, catalogue-order, stratified, k-fold"),
        ("stratified:train=0.8,test=0.8", "sum to 1, not 1.6"),
        ("stratified:train=1.5,test=-0.5", "above 0"),
        ("k-fold:folds=1", "folds of 2 or more"),
        ("k-fold:train=0.5", "k-fold takes no train"),
        ("stratified:train=half", "'half' is no number"),
    ],
)
def test_a_wrong_plan_is_one_line(text, found):
    """The line repeats what was given."""
    with pytest.raises(InputError, match=found):
        SplitPlan.parse(text)


WIDE = 2250.0  # 37.5 arcmin: the stamps of mingolotss-wide, and of 150 pixels of NVSS
PLANS = ["stratified", "stratified:train=0.8,test=0.2,seed=7", "k-fold:folds=5", "blocks:seed=2"]


@needs_catalogue
@pytest.mark.parametrize("text", PLANS)
def test_wide_stamps_of_the_real_catalogue_are_split_by_regions(real, text):
    """All are one group: 0 pairs across, at most 4 % left out, every class in every split."""
    labels, ra, dec = real
    names = tuple(f"s{index}" for index in range(len(ra)))
    sources = SplitSources(names, labels, ra, dec, np.full(len(ra), WIDE))
    result = assign_splits(SplitPlan.parse(text), sources)
    pairs = overlaps(ra, dec, WIDE)
    first, second = result.names[pairs[:, 0]], result.names[pairs[:, 1]]
    assert len(pairs) == 48_996
    assert not ((first != second) & (first != "") & (second != "")).any()
    assert result.plan.kind == "blocks"
    assert result.is_left_out.mean() <= 0.04
    assert result.missing == []
    for name, share in result.plan.targets.items():
        kept = result.names[~result.is_left_out]
        assert abs((kept == name).mean() - share) < 0.02


@pytest.mark.skipif(
    not (SHARED / "data/frdeep/published.csv").exists(), reason="needs the list of FR-DEEP"
)
@pytest.mark.parametrize("text", PLANS)
@pytest.mark.parametrize("shape", ["circle", "square"])
def test_stamps_of_nvss_are_split_by_their_own_size(text, shape):
    """The list of FR-DEEP: groups of 225 arcsec left 37 to 102 of these 132 pairs across."""
    table = Table.read(SHARED / "data/frdeep/published.csv")
    ra, dec = np.asarray(table["ra"], float), np.asarray(table["dec"], float)
    names = tuple(map(str, table["name"]))
    sources = SplitSources(
        names, np.asarray(table["label"], int), ra, dec, np.full(len(ra), WIDE), shape,
        angle_deg=np.zeros(len(ra)),
    )  # fmt: skip
    result = assign_splits(SplitPlan.parse(text), sources)
    pairs = overlaps(ra, dec, WIDE)
    first, second = result.names[pairs[:, 0]], result.names[pairs[:, 1]]
    assert len(pairs) == 132
    assert not ((first != second) & (first != "") & (second != "")).any()
    assert result.is_left_out.mean() < 0.02


@pytest.mark.slow
@settings(max_examples=10)
@given(
    st.integers(0, 10**6), st.sampled_from([225.0, 9000.0]), st.sampled_from(["stratified", *PLANS])
)
def test_the_order_of_the_rows_moves_nobody(seed, extent, text):
    """Groups and regions alike: the split of a source follows its name and its position."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(150, 160, 150), rng.uniform(30, 40, 150)
    names = tuple(f"s{index}" for index in range(150))
    sources = SplitSources(names, rng.integers(-1, 3, 150), ra, dec, np.full(150, extent))
    plan = SplitPlan.parse(text)
    result = assign_splits(plan, sources)
    order = rng.permutation(150)
    again = assign_splits(plan, sources.take(order))
    assert again.names.tolist() == result.names[order].tolist()
    assert again.reasons.tolist() == result.reasons[order].tolist()


@pytest.mark.slow
def test_a_million_sources_are_split_in_a_minute():
    """Over the whole sky, one in a hundred ten times as wide as the others; and in regions."""
    rng = np.random.default_rng(0)
    n = 1_000_000
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    names = tuple(map(str, range(n)))
    labels = rng.integers(0, 10, n)
    for extent in (np.where(rng.random(n) < 0.01, WIDE, STAMP_ARCSEC), np.full(n, WIDE)):
        start = time.process_time()
        result = assign_splits(
            SplitPlan.parse("stratified"), SplitSources(names, labels, ra, dec, extent)
        )
        assert time.process_time() - start < 60
        assert result.pairs_across == 0
        assert result.is_left_out.mean() < 0.01
