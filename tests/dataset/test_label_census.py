"""Tags and votes are counted as a loop over the sources counts them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_census import count_tags, count_votes

CLASSES = tuple(f"tag {number}" for number in range(20))


@pytest.fixture
def sets():
    """Sets of tags of 3,000 sources; None for an unlabelled one."""
    rng = np.random.default_rng(5)
    chances = np.geomspace(0.6, 0.002, len(CLASSES))
    rows = [frozenset(np.flatnonzero(rng.random(len(CLASSES)) < chances)) for _ in range(3000)]
    return [None if rng.random() < 0.03 else row for row in rows]


def as_values(sets):
    values = np.zeros((len(sets), len(CLASSES)), np.int8)
    for row, tags in enumerate(sets):
        values[row, list(tags or ())] = 1
        if tags is None:
            values[row] = -1
    return LabelVectors.of_tags(values)


def test_every_number_of_tags_is_that_of_a_loop(sets):
    census = count_tags(as_values(sets), CLASSES)
    known = [tags for tags in sets if tags is not None]
    assert (census.total, census.unlabelled) == (3000, sets.count(None))
    assert census.labelled == len(known)
    for one in range(len(CLASSES)):
        for other in range(len(CLASSES)):
            assert census.both[one, other] == sum({one, other} <= tags for tags in known)
    lengths = Counter(map(len, known))
    assert census.numbers.tolist() == [lengths[n] for n in range(max(lengths) + 1)]
    assert dict(census.combinations) == {
        tuple(sorted(tags)): count for tags, count in Counter(known).items()
    }
    order = [(-count, labels) for labels, count in census.combinations]
    assert order == sorted(order)
    assert census.mean_number == pytest.approx(np.mean([len(tags) for tags in known]))
    assert census.shares[0] == sum(0 in tags for tags in known) / len(known)


@pytest.mark.parametrize("values", [np.zeros((0, 20), np.int8), np.full((4, 20), -1, np.int8)])
def test_a_dataset_without_any_known_tag_has_counts_of_0(values):
    census = count_tags(LabelVectors.of_tags(values), CLASSES)
    assert (census.labelled, census.unlabelled) == (0, len(values))
    assert not census.both.any()
    assert census.combinations == []
    assert census.mean_number == 0
    assert census.shares.tolist() == [0.0] * 20


def test_a_source_without_tags_is_no_unlabelled_one():
    census = count_tags(LabelVectors.of_tags(np.zeros((7, 20))), CLASSES)
    assert (census.labelled, census.unlabelled) == (7, 0)
    assert census.numbers.tolist() == [7]
    assert census.combinations == [((), 7)]


def test_every_source_of_votes_has_a_class_or_one_reason():
    fractions = np.array([
        [0.7, 0.2, 0.1], [0.1, 0.1, 0.8],  # a clear class
        [0.4, 0.4, 0.2], [0.5, 0.5, 0.0],  # a tie
        [0.45, 0.3, 0.25],  # below the least fraction
        [np.nan] * 3,
    ])  # fmt: skip
    totals = np.array([10.0, 40.0, 10.0, np.nan, 20.0, np.nan])
    vectors = LabelVectors.of_votes(fractions, totals)
    labels = vectors.single_labels(least_fraction=0.5)
    assert labels.tolist() == [0, 2, -1, -1, -1, -1]
    census = count_votes(vectors, labels, ("A", "B", "C"))
    assert census.counts.tolist() == [1, 0, 1]
    assert (census.tied, census.below, census.unlabelled) == (2, 1, 1)
    assert census.without_class == 4 == census.tied + census.below + census.unlabelled
    assert census.largest.tolist() == [0.7, 0.8, 0.4, 0.5, 0.45]
    assert census.numbers.tolist() == [10, 40, 10, 20]
    assert census.means == pytest.approx(np.nanmean(fractions, axis=0))


def test_votes_of_nobody_are_counted_without_a_warning():
    nothing = LabelVectors.of_votes(np.full((3, 2), np.nan), np.full(3, np.nan))
    census = count_votes(nothing, nothing.single_labels(), ("A", "B"))
    assert (census.labelled, census.without_class) == (0, 3)
    assert census.means.tolist() == [0, 0]
    assert census.largest.size == census.numbers.size == 0
