"""Splits that hold: rows that are added or sorted move no source of the earlier dataset."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.dataset.splits import SplitPlan, SplitRecord, SplitSources
from mingolotss.dataset.splits.earlier import keep_splits
from mingolotss.dataset.splits.matching import SAME_ARCSEC
from mingolotss.errors import InputError

LIKE = SplitPlan.parse("like:earlier,seed=3")


def make_sky(count, seed=0, *, width_deg=2.0, extent=225.0, prefix="s"):
    """Return sources in a small field, in which many stamps share pixels."""
    rng = np.random.default_rng(seed)
    return SplitSources(
        names=tuple(f"{prefix}{row}" for row in range(count)),
        labels=rng.choice(4, count, p=[0.6, 0.25, 0.1, 0.05]),
        ra=(359 + rng.uniform(0, width_deg, count) / np.cos(np.radians(52))) % 360,
        dec=52 + rng.uniform(0, width_deg, count),
        extent_arcsec=np.full(count, extent),
    )


def take(sources, rows, names=None):
    return SplitSources(
        names=tuple(sources.names[row] for row in rows) if names is None else tuple(names),
        labels=sources.labels[rows],
        ra=sources.ra[rows],
        dec=sources.dec[rows],
        extent_arcsec=sources.extent_arcsec[rows],
        shape=sources.shape,
    )


def record_of(sources, splits, **changes):
    fields = {"names": sources.names, "ra": sources.ra, "dec": sources.dec, **changes}
    return SplitRecord(splits=tuple(splits), origin="earlier", **fields)


def pairs_across(sources, splits):
    """List the pairs that share pixels in two splits, by astropy's separations."""
    sky = SkyCoord(sources.ra, sources.dec, unit="deg")
    reach = (sources.extent_arcsec[:, None] + sources.extent_arcsec) / 2
    close = np.triu(sky[:, None].separation(sky[None, :]).arcsec < reach, 1)
    return [
        (i, j)
        for i, j in np.argwhere(close)
        if "" not in (a := {splits[i], splits[j]}) and len(a) > 1
    ]


@settings(max_examples=40)
@given(
    st.integers(0, 10_000), st.integers(1, 150), st.integers(0, 150),
    st.sampled_from([0.0, 60.0, 225.0, 2250.0]),
)  # fmt: skip
def test_rows_that_are_added_and_sorted_move_nobody(seed, before, added, extent):
    """Whoever was in a split stays there, and no new source shares pixels with two splits."""
    rng = np.random.default_rng(seed)
    sky = make_sky(before + added, seed, extent=extent)
    earlier_rows = rng.permutation(before + added)[:before]
    earlier = take(sky, earlier_rows)
    splits = rng.choice(["train", "test", "val"], before).tolist()
    order = rng.permutation(before + added)
    later = take(sky, order)
    result = keep_splits(record_of(earlier, splits), later, LIKE)
    split_of = dict(zip(later.names, result.names.tolist(), strict=True))
    assert {name: split_of[name] for name in earlier.names} == dict(
        zip(earlier.names, splits, strict=True)
    )
    new = set(later.names) - set(earlier.names)
    assert not [
        (i, j)
        for i, j in pairs_across(later, result.names.tolist())
        if {later.names[i], later.names[j]} & new
    ]
    for name, split, reason in zip(later.names, result.names, result.reasons, strict=True):
        assert bool(split) != bool(reason), (name, split, reason)
    # The order of the rows does not decide about the new sources either.
    again = keep_splits(record_of(earlier, splits), sky, LIKE)
    assert dict(zip(sky.names, again.names.tolist(), strict=True)) == split_of


def test_new_sources_keep_the_shares_of_each_class():
    """Whole sources come as near to the shares as they can, for classes of different shares."""
    sky = make_sky(3000, 1, width_deg=60)
    rng = np.random.default_rng(2)
    share = np.array([0.8, 0.6, 0.9, 0.5])[sky.labels[:1500]]
    splits = np.where(rng.uniform(size=1500) < share, "train", "test").tolist()
    splits[:2] = ["train", "test"]
    earlier = take(sky, np.arange(1500))
    result = keep_splits(record_of(earlier, splits), sky, LIKE)
    for label in range(4):
        old = np.array(splits)[earlier.labels == label] == "test"
        now = result.names[sky.labels == label] == "test"
        assert abs(now.mean() - old.mean()) < 1.5 / len(now)


def test_the_plan_of_a_build_decides_about_its_new_sources():
    """A build that is repeated deals out by its own shares, whatever shares the first rows have."""
    sky = make_sky(1000, 3, width_deg=60)
    earlier = take(sky, np.arange(100))
    plan = SplitPlan.parse("stratified:train=0.5,test=0.5,seed=1")
    result = keep_splits(record_of(earlier, ["train"] * 90 + ["test"] * 10), sky, plan)
    assert np.bincount(sky.labels[result.names == "test"]).tolist() == pytest.approx(
        (np.bincount(sky.labels) / 2).tolist(), abs=1
    )
    assert result.plan == plan


def test_a_class_that_is_new_gets_the_shares_of_all():
    """It has no shares of its own, and is in every split."""
    sky = make_sky(400, 4, width_deg=60)
    labels = np.where(np.arange(400) < 300, 0, 1)
    later = SplitSources(sky.names, labels, sky.ra, sky.dec, sky.extent_arcsec)
    splits = (["train"] * 4 + ["test"]) * 60
    result = keep_splits(record_of(take(later, np.arange(300)), splits), later, LIKE)
    assert np.unique(result.names[300:], return_counts=True)[1].tolist() == [20, 80]


def test_a_source_between_two_splits_is_left_out_and_listed():
    """It shares pixels with a source of train and with one of test; its neighbour joins test."""
    names = ("a", "b", "between", "beside b", "far")
    ra = np.array([10.0, 10.1, 10.05, 10.14, 40])
    sources = SplitSources(names, np.zeros(5, int), ra, np.zeros(5), np.full(5, 200.0))
    earlier = record_of(take(sources, [0, 1]), ["train", "test"])
    result = keep_splits(earlier, sources, LIKE)
    assert result.names[:4].tolist() == ["train", "test", "", "test"]
    assert result.names[4] in ("train", "test")
    assert result.reasons.tolist() == [
        "",
        "",
        "shares pixels with sources of train and test",
        "",
        "",
    ]
    assert result.pairs_across == 0
    assert (
        "split: 1 of 5 sources left out (20.0%): shares pixels with sources of train and test"
        in result.lines()
    )


def test_a_chain_of_new_sources_between_two_splits_is_cut_once():
    """The splits spread from both ends, and one source in the middle is left out."""
    ra = 10 + np.arange(7) * 0.05
    names = tuple("abcdefg")
    sources = SplitSources(names, np.zeros(7, int), ra, np.zeros(7), np.full(7, 200.0))
    earlier = record_of(take(sources, [0, 6]), ["train", "test"])
    result = keep_splits(earlier, sources, LIKE)
    assert result.names.tolist() == ["train"] * 3 + [""] + ["test"] * 3


def test_earlier_sources_that_are_not_here_count_too():
    """Another catalogue has the same galaxy 10 arcsec away: it stays out of the training set."""
    sky = make_sky(200, 7, width_deg=30)
    splits = ["test" if row % 4 == 0 else "train" for row in range(200)]
    shifted = SkyCoord(sky.ra, sky.dec, unit="deg").directional_offset_by(0 * u.deg, 10 * u.arcsec)
    other = SplitSources(
        tuple(f"J{row}" for row in range(200)), sky.labels, shifted.ra.deg, shifted.dec.deg,
        sky.extent_arcsec,
    )  # fmt: skip
    result = keep_splits(record_of(sky, splits), other, LIKE)
    alone = [row for row in range(200) if not result.reasons[row]]
    assert len(alone) > 180
    assert [result.names[row] for row in alone] == [splits[row] for row in alone]
    unknown = record_of(sky, splits, ra=np.empty(0), dec=np.empty(0))
    assert keep_splits(unknown, other, LIKE).names.tolist() != splits


def test_new_sources_of_a_k_fold_split_are_dealt_to_its_folds():
    sky = make_sky(500, 8, width_deg=60)
    plan = SplitPlan.parse("k-fold:folds=5,seed=1")
    splits = [f"fold-{row % 5}" for row in range(100)]
    result = keep_splits(record_of(take(sky, np.arange(100)), splits), sky, plan)
    assert result.names[:100].tolist() == splits
    assert set(result.names[100:].tolist()) - {""} == {f"fold-{fold}" for fold in range(5)}
    assert any("new sources: fold-0 " in line for line in result.lines())


def test_what_was_left_out_stays_left_out_with_its_reason():
    sky = make_sky(4, width_deg=60)
    earlier = record_of(sky, ["train", "", "test", ""], reasons=("", "in the buffer", "", ""))
    result = keep_splits(earlier, sky, LIKE)
    assert result.names.tolist() == ["train", "", "test", ""]
    assert result.reasons.tolist() == ["", "in the buffer", "", "left out in earlier"]


@pytest.mark.parametrize(("arcsec", "is_same"), [(0.0, True), (1.0, True), (3.0, False)])
def test_sources_are_known_by_their_position_where_names_differ(arcsec, is_same):
    """An arcsecond is the same source; the nearest counts."""
    sky = make_sky(60, 5, width_deg=30)
    splits = ["test" if row % 3 == 0 else "train" for row in range(60)]
    places = SkyCoord(sky.ra, sky.dec, unit="deg").directional_offset_by(
        77 * u.deg, arcsec * u.arcsec
    )
    renamed = SplitSources(
        tuple(f"J{row}" for row in range(60)), sky.labels, places.ra.deg, places.dec.deg,
        np.full(60, 0.1),
    )  # fmt: skip
    result = keep_splits(record_of(sky, splits), renamed, LIKE)
    assert (result.names.tolist() == splits) == is_same
    assert any("60 found by position" in line for line in result.lines()) == is_same
    assert SAME_ARCSEC == 1.5


def test_equal_names_at_other_places_are_other_sources():
    """Two surveys call their sources 0, 1, 2...; positions tell them apart, and a line says so."""
    sky = make_sky(50, 6, prefix="", width_deg=30)
    shifted = SplitSources(
        sky.names, sky.labels, np.roll(sky.ra, 1), np.roll(sky.dec, 1), sky.extent_arcsec
    )
    splits = ["test" if row % 2 else "train" for row in range(50)]
    result = keep_splits(record_of(sky, splits), shifted, LIKE)
    assert result.names.tolist() == [splits[row - 1] for row in range(50)]
    assert any("at another position" in line for line in result.lines())


def test_one_place_on_the_sky_in_two_splits_is_left_out():
    """NGC 5782 is in train and, by another name, in test: a third name of it is in neither."""
    names = ("NGC 5782", "SDSS J145555.27+115141.4", "other")
    ra, dec = np.array([223.98, 223.98, 10.0]), np.array([11.86, 11.86, 0])
    earlier = SplitRecord(names, ("train", "test", "train"), "frdeep", ra=ra, dec=dec)
    sources = SplitSources(
        ("J1455+1151", "NGC 5782"), np.zeros(2, int), ra[:2], dec[:2], np.full(2, 270.0)
    )
    result = keep_splits(earlier, sources, LIKE)
    assert result.names.tolist() == ["", "train"]
    assert result.reasons[0] == (
        "at the position of 'NGC 5782' and 'SDSS J145555.27+115141.4', which are in different "
        "splits"
    )


def test_earlier_sources_that_share_pixels_on_two_sides_are_counted_and_not_moved():
    sources = SplitSources(
        ("a", "b"), np.zeros(2, int), np.array([10, 10.01]), np.zeros(2), np.full(2, 225.0)
    )
    result = keep_splits(record_of(sources, ["train", "test"]), sources, LIKE)
    assert result.names.tolist() == ["train", "test"]
    assert result.pairs_across == 1
    assert any(line.startswith("warning: split: 1 pair") for line in result.lines())


def test_a_dataset_without_splits_is_an_error():
    sky = make_sky(3)
    with pytest.raises(InputError, match="split like earlier: none of its sources is in a split"):
        keep_splits(record_of(sky, ["", "", ""]), sky, LIKE)


def test_a_dataset_that_has_a_name_in_two_splits_is_an_error():
    sky = make_sky(2)
    record = SplitRecord(("s0", "s0", "s1"), ("train", "test", "train"), "earlier")
    with pytest.raises(InputError, match="1 name has several splits: 's0' in train and test"):
        keep_splits(record, sky, LIKE)
