"""Divide sources into folds so that no model predicts a source that it has seen a part of.

Sources whose stamps share pixels are dealt out together, as in every other split (``splits``). What
remains across folds is left out of the training: a pair that shares pixels where the groups are too
large to be kept whole, and images of one name or of the same pixels.

>>> sources = SplitSources(
...     names=tuple("abcdef"), labels=np.array([0, 0, 0, 1, 1, 1]),
...     ra=np.arange(6.0), dec=np.zeros(6), extent_arcsec=np.full(6, 200.0),
... )
>>> folds = make_folds(sources, count=3, seed=0, copies=(np.array([0, 1, 2, 3, 4, 0]),))
>>> np.bincount(folds.number).tolist()
[2, 2, 2]
>>> bool(folds.training(int(folds.number[0]))[5])  # the copy of the first
False
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.dataset.splits import SplitPlan, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.model import Bools, Ints

__all__ = ["Folds", "make_folds"]


@dataclass(frozen=True, slots=True)
class Folds:
    """The fold of each source, and which sources a model may not be trained with.

    Attributes
    ----------
    number : int64 array, shape (n,)
        From 0. A source is predicted by the model of its fold.
    count : int
    related : int64 array, shape (pairs, 2)
        Sources of different folds that share pixels.
    copies : sequence of int64 array, shape (n,)
        Equal numbers stand for images of one source: those of one name, for example.
    """

    number: Ints
    count: int
    related: Ints
    copies: Sequence[Ints] = ()

    def predicted(self, fold: int) -> Bools:
        """Return which sources the model of a fold predicts, shape (n,)."""
        is_predicted: Bools = self.number == fold
        return is_predicted

    def training(self, fold: int) -> Bools:
        """Return which sources the model of a fold is trained with, shape (n,)."""
        predicted = self.predicted(fold)
        used = ~predicted
        for first, second in (self.related.T, self.related.T[::-1]):
            used[first[predicted[second]]] = False
        for codes in self.copies:
            used &= ~np.isin(codes, codes[predicted])
        return used


def make_folds(
    sources: SplitSources, *, count: int, seed: int, copies: Sequence[Ints] = ()
) -> Folds:
    """Divide sources into folds in which each class has its share.

    Parameters
    ----------
    sources : SplitSources
    count : int
        Number of folds, at least 2.
    seed : int
        The same seed gives the same folds of the same sources.
    copies : sequence of int array, shape (n,)
        As for `Folds`.
    """
    plan = SplitPlan("k-fold", folds=count, seed=seed)
    names = assign_splits(plan, sources).names
    number_of = {name: number for number, name in enumerate(plan.targets)}
    number = np.array([number_of.get(name, -1) for name in names.tolist()], np.int64)
    # In a crowded sky, regions take the place of groups, and sources at their borders are in none.
    # They are dealt out as well, and their neighbours in other folds are left out of the training.
    border = np.flatnonzero(number < 0)
    number[border] = np.arange(len(border)) % count
    pairs = [np.column_stack(pair) for pair in sources.regions().pairs(code=number)]
    related = np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)
    return Folds(number, count, related, tuple(copies))
