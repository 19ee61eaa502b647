"""Tags keep their shares: against the procedure written plainly, and against another library."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.splits import SplitPlan, SplitRecord, SplitSources
from mingolotss.dataset.splits.allotment import NEW, OUT, allot
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.dataset.splits.earlier import keep_splits
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.iterative import _PAIR, _PAIR_OF_TIES
from mingolotss.dataset.splits.strata import Strata
from mingolotss.sky.neighbours import overlaps

NAMES = tuple("abcdefghijklmnopqrst")
PLANS = ["stratified", "stratified:train=0.7,val=0.1,test=0.2,seed=5", "k-fold:folds=5,seed=2"]


def random_tags(rng, count, classes=6, *, unlabelled=0.0):
    """Return tags of which some are rare, and some occur together."""
    shares = np.geomspace(0.6, 0.03, classes)
    tags = (rng.random((count, classes)) < shares).astype(np.int8)
    tags[:, -1] |= tags[:, 0] & (rng.random(count) < 0.1)
    tags[rng.random(count) < unlabelled] = -1
    return tags


def make_sources(tags, ra, dec, extent=225.0):
    names = tuple(f"s{row}" for row in range(len(tags)))
    return SplitSources(
        names, np.full(len(tags), -1), ra, dec, np.full(len(tags), extent),
        classes=NAMES[: tags.shape[1]], vectors=LabelVectors.of_tags(tags),
    )  # fmt: skip


def far_apart(count):
    return np.arange(count) * 360 / count, np.zeros(count)


def deviations(names, tags, plan, least):
    """Return how far the share of each tag with `least` sources is from the goal, at most."""
    worst = []
    for tag in range(tags.shape[1]):
        own = tags[:, tag] == 1
        kept = own & (names != "")
        if own.sum() >= least:
            worst += [abs((names[kept] == s).mean() - goal) for s, goal in plan.targets.items()]
    return worst


def plain_deal(strata, split_of, goals, groups, ranks):
    """Deal sources out by the sums of all squared deviations, computed anew for every choice."""
    members = strata.members
    pairs = [
        (i, j)
        for i in range(members.shape[1])
        for j in range(i + 1, members.shape[1])
        if (members[:, i] & members[:, j]).any()
    ]
    columns = np.column_stack(
        [members, np.ones(len(members), int), *(members[:, i] & members[:, j] for i, j in pairs)]
    )
    of_source, width = columns[strata.codes].astype(float), members.shape[1]
    total = of_source[split_of >= NEW].sum(axis=0)
    exact = goals.of_all[:, None] * total
    exact[:, :width] = goals.exact
    goal = exact.copy()
    goal[:, :width], goal[:, width] = goals.strata, goals.sizes
    splits, has = len(goals.sizes), np.zeros_like(exact)
    for split in range(splits):
        has[split] = of_source[split_of == split].sum(axis=0)

    def best(rows, pair, first=0):
        weights = np.where(np.arange(len(total)) > width, pair, 1.0) / np.maximum(exact, 1e-3)
        cost = []
        for split in range(splits):
            after = has.copy()
            after[split] += of_source[rows].sum(axis=0)
            cost.append(float((weights * (goal - after) ** 2).sum()))
        order = [first, *(split for split in range(splits) if split != first)]
        chosen = min(order, key=lambda split: round(cost[split], 7))
        has[chosen] += of_source[rows].sum(axis=0)
        return chosen

    new = np.flatnonzero(split_of == NEW)
    in_split = np.array(split_of)
    sizes = np.bincount(groups)
    first = [ranks[groups == group].min(initial=len(ranks)) for group in range(len(sizes))]
    for group in sorted(np.flatnonzero(sizes > 1), key=lambda one: (-sizes[one], first[one])):
        in_split[new[groups == group]] = best(new[groups == group], _PAIR)
    single = [row for row, size in zip(new, sizes[groups], strict=True) if size == 1]
    counts = members[strata.codes[single]].sum(axis=0) if single else np.zeros(width, int)
    place = np.argsort(np.argsort(counts, kind="stable"))
    rank_of = dict(zip(new.tolist(), ranks.tolist(), strict=True))
    order = sorted(
        map(int, single),
        key=lambda row: (min(place[np.flatnonzero(members[strata.codes[row]])]), rank_of[row]),
    )
    for row in order:
        in_split[row] = best([row], _PAIR)
    for _ in range(3):
        if (np.abs(goal - has)[:, :width] < 1).all():
            break
        for row in order:
            has[in_split[row]] -= of_source[row]
            in_split[row] = best([row], _PAIR_OF_TIES, in_split[row])
    return in_split


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_procedure_written_plainly(seed):
    """Groups, sources that have a split already, sources left out, unlabelled ones, no tags."""
    rng = np.random.default_rng(seed)
    count = int(rng.choice([3, 20, 60]))
    tags = random_tags(rng, count, 4, unlabelled=0.1)
    strata = Strata.of_tags(LabelVectors.of_tags(tags), NAMES)
    split_of = rng.choice([NEW, OUT, 0, 1], count, p=[0.7, 0.1, 0.1, 0.1])
    new = int((split_of == NEW).sum())
    groups = np.unique(rng.integers(0, max(new, 1), new), return_inverse=True)[1]
    shares = np.array([[0.5, 0.5], [0.7, 0.1, 0.2]][seed % 2])
    goals = Goals.of(strata, shares, counted=split_of != OUT)
    ranks = rng.permutation(new)
    dealt = allot(strata, split_of, goals, groups, ranks)
    assert dealt.tolist() == plain_deal(strata, split_of, goals, groups, ranks).tolist()


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize("seed", range(3))
def test_tags_and_pairs_keep_their_shares_as_those_of_another_library_or_better(seed, folds):
    """iterative-stratification is the published procedure, which does not look at pairs."""
    library = pytest.importorskip("iterstrat.ml_stratifiers")
    rng = np.random.default_rng(seed)
    tags = random_tags(rng, 1500, 8)
    ra, dec = far_apart(len(tags))
    plan = SplitPlan("k-fold", folds=folds, seed=seed)
    own = assign_splits(plan, make_sources(tags, ra, dec)).names
    other = np.empty(len(tags), object)
    stratifier = library.MultilabelStratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(stratifier.split(tags, tags)):
        other[rows] = f"fold-{fold}"
    first, second = np.triu_indices(tags.shape[1], 1)
    pairs = (tags[:, first] & tags[:, second]).astype(np.int8)
    assert max(deviations(own, tags, plan, 1)) <= max(deviations(other, tags, plan, 1)) + 1e-12
    ours, theirs = (np.mean(deviations(n, pairs, plan, 20)) for n in (own, other))
    assert ours < 0.7 * theirs
    sizes = np.unique(own, return_counts=True)[1]
    assert np.ptp(sizes) <= 4


@pytest.mark.parametrize("text", PLANS)
def test_each_tag_has_its_goal_in_whole_sources(text):
    """Of single sources, each tag can have exactly the number nearest to its share."""
    rng = np.random.default_rng(4)
    tags = random_tags(rng, 2000, 12, unlabelled=0.05)
    plan = SplitPlan.parse(text)
    result = assign_splits(plan, make_sources(tags, *far_apart(len(tags))))
    assert result.kind == "tags"
    assert result.classes == (*NAMES[:12], "no tag", "no label")
    counts = np.array([[((tags[:, t] == 1) & (result.names == s)).sum() for s in result.splits]
                       for t in range(12)])  # fmt: skip
    np.testing.assert_array_equal(result.counts[:12], counts)
    goals = np.array([*plan.targets.values()])
    totals = result.counts.sum(axis=1)
    assert np.abs(result.counts - totals[:, None] * goals).max() < 1.5
    assert (result.counts[totals >= len(goals)] > 0).all()
    assert result.sizes.sum() == len(tags)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 150), st.sampled_from([0.3, 2.0, 30.0]),
       st.sampled_from([*PLANS, "blocks:train=0.8,test=0.2"]))  # fmt: skip
def test_no_pair_is_across_and_the_order_of_rows_moves_nobody(seed, count, width, text):
    rng = np.random.default_rng(seed)
    tags = random_tags(rng, count, unlabelled=0.1)
    ra, dec = (359 + rng.uniform(0, width, count)) % 360, rng.uniform(0, width, count)
    sources, plan = make_sources(tags, ra, dec), SplitPlan.parse(text)
    result = assign_splits(plan, sources)
    assert result.pairs_across == 0
    pairs = overlaps(ra, dec, 225.0)
    first, second = result.names[pairs[:, 0]], result.names[pairs[:, 1]]
    assert ((first == second) | (first == "") | (second == "")).all()
    order = rng.permutation(count)
    again = assign_splits(plan, sources.take(order))
    assert again.names.tolist() == result.names[order].tolist()
    assert again.table() == result.table()


def test_new_sources_keep_the_shares_of_each_tag():
    """Earlier sources stay, whether the plan has shares of its own or takes the earlier ones."""
    rng = np.random.default_rng(0)
    tags = random_tags(rng, 1200)
    sources = make_sources(tags, *far_apart(len(tags)))
    plan = SplitPlan.parse("stratified:train=0.7,val=0.1,test=0.2")
    old = rng.permutation(len(tags))[:500]
    before = assign_splits(plan, sources.take(old))
    record = SplitRecord(
        tuple(sources.names[row] for row in old), tuple(before.names.tolist()), origin="earlier"
    )
    for text in ("like:earlier,seed=3", plan.text):
        result = keep_splits(record, sources, SplitPlan.parse(text))
        assert result.names[old].tolist() == before.names.tolist()
        assert max(deviations(result.names, tags, plan, 100)) < 0.01
        assert abs(result.sizes / len(tags) - [0.7, 0.1, 0.2]).max() < 0.005


def test_a_tag_of_one_source_that_is_in_no_split_is_named():
    """The lines speak of tags, and a share of the sources without any."""
    tags = np.array([[1, 0]] * 8 + [[0, 1]] + [[0, 0]] * 3 + [[-1, -1]], np.int8)
    result = assign_splits(SplitPlan.parse("stratified:train=0.5,test=0.5"),
                           make_sources(tags, *far_apart(13)))  # fmt: skip
    header, rows = result.table()
    assert header == ["tag", "train", "test"]
    assert [row[0] for row in rows] == ["a", "b", "no tag", "no label", "all"]
    assert rows[0][1:] == ["4 (50.0%)", "4 (50.0%)"]
    warnings = [line for line in result.lines() if line.startswith("warning: ")]
    assert any("no image with the tag" in line and "'b'" in line for line in warnings)
    assert not any("class" in line for line in result.lines())


@pytest.mark.parametrize("text", PLANS)
def test_regions_do_not_take_the_place_of_groups_that_are_not_there(text):
    """Few sources with many rare tags miss the goals on their own account."""
    tags = random_tags(np.random.default_rng(0), 40, 20)
    result = assign_splits(SplitPlan.parse(text), make_sources(tags, *far_apart(40)))
    assert (result.plan.kind, result.change) == (SplitPlan.parse(text).kind, "")


def test_a_group_that_is_too_large_gives_way_to_regions():
    rng = np.random.default_rng(0)
    tags = random_tags(rng, 300)
    ra = np.concatenate([np.linspace(0, 10, 240), np.linspace(100, 300, 60)])
    sources = make_sources(tags, ra, np.zeros(300), 300.0)
    result = assign_splits(SplitPlan.parse("stratified:train=0.6,test=0.4"), sources)
    assert result.plan.kind == "blocks"
    assert "would have 80.0% of the sources and not 60.0%" in result.change
    assert result.pairs_across == 0
    assert 0 < result.is_left_out.sum() < 5


def test_votes_are_split_by_the_class_with_the_most_votes():
    """A source without votes is another thing than one whose votes are tied or few."""
    rng = np.random.default_rng(1)
    fractions = rng.multinomial(7, [0.5, 0.3, 0.2], 900) / 7
    fractions[:40] = np.nan
    vectors = LabelVectors.of_votes(fractions, np.full(900, 7))
    labels = vectors.single_labels(0.5).astype(np.int64)
    ra, dec = far_apart(900)
    sources = SplitSources(
        tuple(f"s{row}" for row in range(900)), labels, ra, dec, np.full(900, 225.0),
        classes=NAMES[:3], vectors=vectors,
    )  # fmt: skip
    result = assign_splits(SplitPlan.parse("k-fold:folds=3"), sources)
    assert (result.kind, result.classes) == (
        "votes",
        ("no votes", "no single class", "a", "b", "c"),
    )
    undecided = int((labels < 0).sum()) - 40
    totals = [40, undecided, *(int((labels == label).sum()) for label in range(3))]
    assert result.counts.sum(axis=1).tolist() == totals
    assert np.ptp(result.counts, axis=1).max() <= 1


@pytest.mark.slow
def test_a_hundred_thousand_sources_take_seconds():
    rng = np.random.default_rng(2)
    tags = random_tags(rng, 100_000, 20)
    ra, dec = rng.uniform(0, 360, len(tags)), np.degrees(np.arcsin(rng.uniform(-1, 1, len(tags))))
    begin = time.process_time()
    plan = SplitPlan.parse("stratified:train=0.7,val=0.1,test=0.2")
    result = assign_splits(plan, make_sources(tags, ra, dec))
    assert time.process_time() - begin < 30
    assert max(deviations(result.names, tags, plan, 100)) < 0.01
