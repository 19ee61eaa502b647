"""Deal sources with any number of tags out to splits, so that each tag keeps its shares.

This is iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, ECML PKDD, LNCS 6913, 145):
the sources of the rarest tags are dealt out first, while all splits still lack some, and each goes
to the split that lacks most of what it has. Pairs of tags count too, less than the tags themselves,
so that tags that occur together also do so in each split (Szymanski & Kajdanowicz 2017, PMLR 74,
22).

It differs from the published procedure in two ways. All tags of a source, and the size of the
splits, decide together, where there one tag decides and the others break ties: a source goes where
it lowers the sum of the squared deviations from the goals most, relative to the goals. And groups
of sources that stay together come first, the largest before the others.

>>> from mingolotss.catalogue.label_vectors import LabelVectors
>>> tags = LabelVectors.of_tags([[1, 0], [1, 1], [0, 1], [1, 1], [0, 1], [1, 0]])
>>> strata = Strata.of_tags(tags, ("FRI", "NAT"))
>>> goals, alone = Goals.of(strata, np.array([0.5, 0.5])), np.arange(6)
>>> split_of = deal_tags(strata, np.full(6, -1), goals, alone, alone)
>>> strata.counts(split_of, 2).tolist(), split_of[1] == split_of[3]
([[2, 2], [2, 2]], np.False_)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from operator import itemgetter

import numpy as np

from mingolotss.dataset.splits.dealing import groups_of_several
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.strata import Strata
from mingolotss.model import Floats, Ints

__all__ = ["deal_tags"]

_PAIR = 0.2  # the weight of a pair of tags beside that of a tag and of the size of a split
_PAIR_OF_TIES = 0.002  # the same when all sources are dealt out, and some are moved
_SWEEPS = 3
_ROUNDING = 1e-12  # of gains, which are sums of a few floats
_LEAST_GOAL = 1e-3  # sources; a split without a share of a tag gets none of it


def deal_tags(strata: Strata, split_of: Ints, goals: Goals, groups: Ints, ranks: Ints) -> Ints:
    """Return the splits of the sources that have none yet.

    Parameters
    ----------
    strata : Strata
    split_of : int array, shape (n,)
        The split of each source: -1 for those to deal out, and -2 for those that are left out.
    goals : Goals
    groups, ranks : int array, shape (sources to deal out,)
        The group of each, numbered from 0, and the order in which they are dealt out.

    Returns
    -------
    int64 array, shape (sources to deal out,)
    """
    # Strategy: what a split lacks of each column (a tag, the size, or a pair of tags) is a plain
    # number in a list, as is the weight of a deviation. A source that is alone can still move when
    # all have been dealt out: pairs of tags then count so little that they only decide between
    # splits that are equally good for the tags.
    columns = _Columns.of(strata.members)
    table = _Lacks.of(strata, split_of, goals, columns)
    codes = strata.codes[split_of == -1]
    dealt = np.full(len(codes), -1, np.int64)
    several = groups_of_several(groups, ranks)
    pairs = zip(several.numbers.tolist(), codes[several.rows].tolist(), strict=True)
    chosen = [
        table.deal(columns.of_group([code for _, code in group]))
        for _, group in groupby(pairs, key=itemgetter(0))
    ]
    dealt[several.rows] = np.array(chosen, np.int64)[several.numbers]
    single = np.flatnonzero(dealt < 0)
    rarest = _rarest(strata.members, np.bincount(codes[single], minlength=len(strata.members)))
    order = single[np.lexsort((ranks[single], rarest[codes[single]]))]
    parts = [[(column, 1) for column in own] for own in columns.of_combination]
    of_single = codes[order].tolist()
    in_split = [table.deal(parts[code]) for code in of_single]
    table = table.with_weights(goals, _PAIR_OF_TIES)
    for _ in range(_SWEEPS):
        if table.is_reached(strata.members.shape[1]):
            break
        in_split = [
            table.move(parts[code], split) for code, split in zip(of_single, in_split, strict=True)
        ]
    dealt[order] = in_split
    return dealt


@dataclass(frozen=True, slots=True)
class _Lacks:
    """What the splits lack, which changes as sources are dealt out.

    Attributes
    ----------
    lacking : list of list of float
        The number of sources that each split lacks of each column.
    weights : list of list of float
        The weight of a squared deviation.
    exact : float array, shape (splits, columns)
        The goals by which deviations are weighed.
    """

    lacking: list[list[float]]
    weights: list[list[float]]
    exact: Floats

    @classmethod
    def of(cls, strata: Strata, split_of: Ints, goals: Goals, columns: _Columns) -> _Lacks:
        """Return what splits lack beside the sources that they have."""
        width, owners = strata.members.shape[1], columns.of_combination
        cells = np.concatenate([np.array(own, np.int64) for own in owners])
        combinations_of_cells = np.repeat(np.arange(len(owners)), [*map(len, owners)])

        def counted(of_combination: Ints) -> Floats:
            weights = of_combination[combinations_of_cells].astype(float)
            sums: Floats = np.bincount(cells, weights, columns.count).astype(float)
            return sums

        counts = np.array([counted(row) for row in strata.cells(split_of, len(goals.sizes))])
        totals = counted(np.bincount(strata.codes[split_of >= -1], minlength=len(owners)))
        exact = goals.of_all[:, None] * totals
        exact[:, :width] = goals.exact
        goal = exact.copy()
        goal[:, :width], goal[:, width] = goals.strata, goals.sizes
        return cls((goal - counts).tolist(), [], exact).with_weights(goals, _PAIR)

    def with_weights(self, goals: Goals, pair: float) -> _Lacks:
        """Return the same with another weight of pairs of tags."""
        weights = np.full(self.exact.shape[1], pair)
        weights[: goals.strata.shape[1] + 1] = 1.0
        relative = weights / np.maximum(self.exact, _LEAST_GOAL)
        return replace(self, weights=relative.tolist())

    def is_reached(self, columns: int) -> bool:
        """Return whether no split lacks a source of the first columns, or has one too many."""
        return all(abs(lack) < 1 for row in self.lacking for lack in row[:columns])

    def deal(self, parts: Sequence[tuple[int, int]], best: int = 0) -> int:
        """Give sources to the split that they suit best, which is returned.

        Parameters
        ----------
        parts : sequence of (int, int)
            The columns, and the number of sources in each.
        best : int
            The split that is taken if no other is better.
        """
        # This loop runs for every source: a call for each split would take twice as long.
        best_gain = -math.inf
        for split in (best, *range(best), *range(best + 1, len(self.lacking))):
            lack, weight, gain = self.lacking[split], self.weights[split], 0.0
            for column, count in parts:
                gain += weight[column] * count * (2 * lack[column] - count)
            if gain > best_gain + _ROUNDING:
                best, best_gain = split, gain
        lack = self.lacking[best]
        for column, count in parts:
            lack[column] -= count
        return best

    def move(self, parts: Sequence[tuple[int, int]], split: int) -> int:
        """Take sources out of a split, and deal them out again."""
        lack = self.lacking[split]
        for column, count in parts:
            lack[column] += count
        return self.deal(parts, split)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is counted of each combination: its strata, all sources, and pairs of strata.

    Attributes
    ----------
    of_combination : list of tuple of int
        The strata have the numbers from 0, all sources the next one, and pairs those that follow.
    count : int
    """

    of_combination: list[tuple[int, ...]]
    count: int

    @classmethod
    def of(cls, members: Ints) -> _Columns:
        """Number the columns of combinations of strata."""
        every = members.shape[1]
        number: dict[tuple[int, int], int] = {}
        columns = []
        for row in members:
            own = np.flatnonzero(row).tolist()
            pairs = [
                number.setdefault(pair, every + 1 + len(number)) for pair in combinations(own, 2)
            ]
            columns.append((*own, every, *pairs))
        return cls(columns, every + 1 + len(number))

    def of_group(self, codes: Sequence[int]) -> list[tuple[int, int]]:
        """Return the columns of a group of sources, and how many of them each has."""
        counts = Counter(column for code in codes for column in self.of_combination[code])
        return sorted(counts.items())


def _rarest(members: Ints, counts: Ints) -> Ints:
    """Return the place of the rarest stratum of each combination, the rarest of all first."""
    totals = counts @ members
    place = np.empty(len(totals), np.int64)
    place[np.argsort(totals, kind="stable")] = np.arange(len(totals))
    rarest: Ints = np.where(members > 0, place, len(totals)).min(axis=1)
    return rarest
