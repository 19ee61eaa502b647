"""No model has seen a part of what it predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.splits import SplitSources
from mingolotss.qa.suspects.folds import make_folds


def make_sources(ra, dec, extent_arcsec=225.0, labels=None):
    n = len(ra)
    labels = np.arange(n) % 2 if labels is None else labels
    names = tuple(f"S{row}" for row in range(n))
    return SplitSources(names, labels, np.array(ra), np.array(dec), np.full(n, extent_arcsec))


def overlapping(sources):
    """Return all pairs that share pixels, by their separations: circles of equal size."""
    cos = np.cos(np.radians(sources.dec.mean()))
    dx = (sources.ra[:, None] - sources.ra) * cos
    dy = sources.dec[:, None] - sources.dec
    near = np.hypot(dx, dy) * 3600 < sources.extent_arcsec[0]
    return np.argwhere(np.triu(near, 1))


@pytest.mark.parametrize("width_deg", [20.0, 1.0, 0.2])
def test_no_training_source_shares_pixels_with_a_predicted_one(width_deg):
    """In an empty sky, in one with groups, and in one where every stamp overlaps others."""
    rng = np.random.default_rng(2)
    ra, dec = 180 + rng.uniform(0, width_deg, 300), 10 + rng.uniform(0, width_deg, 300)
    sources = make_sources(ra, dec)
    folds = make_folds(sources, count=5, seed=1)
    pairs = overlapping(sources)
    assert (np.bincount(folds.number, minlength=5) > 0).all()
    for fold in range(5):
        predicted, used = folds.predicted(fold), folds.training(fold)
        assert not (predicted & used).any()
        for first, second in (pairs.T, pairs.T[::-1]):
            assert not (predicted[first] & used[second]).any()
        alone = np.setdiff1d(np.arange(300), pairs)
        assert (used | predicted)[alone].all()  # nothing else is left out


def test_every_class_is_in_every_fold():
    """Ten sources of one class among a hundred are two in each fold."""
    labels = np.repeat([0, 1], [10, 90])
    sources = make_sources(np.arange(100.0), np.zeros(100), labels=labels)
    folds = make_folds(sources, count=5, seed=0)
    assert np.bincount(folds.number[labels == 0]).tolist() == [2] * 5


def test_every_tag_is_in_every_fold():
    """Ten sources have a tag beside another one: two of them are in each fold."""
    tags = np.zeros((100, 2), np.int8)
    tags[:, 1], tags[::10, 0] = 1, 1
    sources = make_sources(np.arange(100.0), np.zeros(100), labels=np.full(100, -1))
    sources = replace(sources, vectors=LabelVectors.of_tags(tags), classes=("rare", "usual"))
    folds = make_folds(sources, count=5, seed=0)
    assert np.bincount(folds.number[::10]).tolist() == [2] * 5


def test_copies_are_not_on_both_sides():
    """Images of one name or of the same pixels, wherever their positions are."""
    codes = np.arange(40)
    codes[[3, 17, 25]] = 3
    sources = make_sources(np.arange(40.0), np.zeros(40))
    folds = make_folds(sources, count=4, seed=0, copies=[codes])
    for row in (3, 17, 25):
        assert not folds.training(int(folds.number[row]))[[3, 17, 25]].any()
    assert sum(folds.training(fold).sum() for fold in range(4)) >= 3 * 40 - 6


def test_the_same_seed_gives_the_same_folds_in_any_order():
    """The names decide, not the rows."""
    sources = make_sources(np.arange(30.0), np.zeros(30), labels=np.zeros(30, int))
    order = np.random.default_rng(0).permutation(30)
    first = make_folds(sources, count=3, seed=7).number
    assert np.array_equal(make_folds(sources.take(order), count=3, seed=7).number, first[order])
    assert not np.array_equal(make_folds(sources, count=3, seed=8).number, first)
