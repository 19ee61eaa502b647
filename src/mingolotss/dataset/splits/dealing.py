"""Deal groups of sources out to splits, so that each class keeps its shares.

>>> quotas = share_out(np.array([4, 2]), np.array([[0.5, 0.5], [0.5, 0.5]]))
>>> quotas.tolist()
[[2, 1], [2, 1]]
>>> groups, codes = np.array([0, 0, 1, 2, 3, 4]), np.array([0, 0, 0, 0, 1, 1])
>>> deal_groups(groups, codes, quotas, np.arange(6)).tolist()
[0, 0, 1, 1, 0, 1]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from mingolotss.model import Floats, Ints

__all__ = ["TOLERANCE", "Members", "deal_groups", "groups_of_several", "share_out"]


TOLERANCE = 0.02
"""The part of all sources by which a split may be too large or too small."""


def share_out(counts: Ints, shares: Floats) -> Ints:
    """Divide each class into whole sources by the largest remainder.

    Parameters
    ----------
    counts : int array, shape (classes,)
    shares : float array, shape (splits, classes)
        In sum 1 for each class.

    Returns
    -------
    int64 array, shape (splits, classes)
        Within one source of the exact numbers, in the sum of the classes too; but a split that has
        a share of a class gets one of its sources, as long as there are enough.
    """
    # Largest remainder: each quota is rounded down, and the sources that remain go to the splits
    # that lost most, in this class and in those before it. In floating point 0.29 * 100 is just
    # below 29; the 1e-9 keeps it at 29.
    exact = shares * counts
    quotas: Ints = np.floor(exact + 1e-9).astype(np.int64)
    lost = np.zeros(len(shares))
    for code, remainder in enumerate(counts - quotas.sum(axis=0)):
        quota = quotas[:, code]
        lacking = exact[:, code] - quota
        first = np.lexsort((-(lost + lacking), (quota > 0) | (exact[:, code] <= 0)))
        quota[first[:remainder]] += 1
        for split in np.flatnonzero((quota == 0) & (exact[:, code] > 0)).tolist():
            if quota.max() > 1:
                quota[np.argmax(quota)] -= 1
                quota[split] = 1
        lost += exact[:, code] - quota
    return quotas


def deal_groups(groups: Ints, codes: Ints, quotas: Ints, ranks: Ints) -> Ints:
    """Deal out whole groups, so that each class is as near to its quotas as they allow.

    Parameters
    ----------
    groups, codes : int array, shape (n,)
        The group and the class of each source, both numbered from 0.
    quotas : int array, shape (splits, classes)
        The number of sources that each split should get, for each class in sum at least the number
        of its sources. A number below 0 stands for a split that has too many already.
    ranks : int array, shape (n,)
        The order in which sources are dealt out.

    Returns
    -------
    int64 array, shape (n,)
        The number of each source's split.
    """
    # Groups of several sources are dealt out first, the largest first, each to the split whose
    # quotas it exceeds least, and among these to the one that lacks most of its classes relative to
    # its quota. The single sources, nearly all of a catalogue, then fill what remains of the quotas
    # exactly. A million sources can have 300,000 groups of two or three, for which plain numbers
    # are seven times as fast as arrays.
    remaining: list[list[int]] = quotas.tolist()
    weights = np.maximum(quotas, 1).tolist()
    several = groups_of_several(groups, ranks)
    chosen = []
    for parts in _compositions(several, codes):
        best = min(
            range(len(remaining)),
            key=lambda split: _misfit(parts, remaining[split], weights[split]),
        )
        for code, count in parts:
            remaining[best][code] -= count
        chosen.append(best)
    split_of = np.full(len(codes), -1, np.int64)
    split_of[several.rows] = np.array(chosen, np.int64)[several.numbers]
    for code in range(quotas.shape[1]):
        rows = np.flatnonzero((codes == code) & (split_of < 0))
        rows = rows[np.argsort(ranks[rows], kind="stable")]
        lacking = np.array([of_split[code] for of_split in remaining], np.int64)
        split_of[rows] = np.repeat(np.arange(len(quotas)), _fill(lacking, len(rows)))
    return split_of


def _misfit(
    parts: Sequence[tuple[int, int]], remaining: Sequence[int], weights: Sequence[int]
) -> tuple[int, float]:
    """Return how badly a group suits a split; the smallest is the best."""
    excess, lack = 0, 0.0
    for code, count in parts:
        free = remaining[code]
        excess += max(count - max(free, 0), 0)
        lack += count * free / weights[code]
    return excess, -lack


class Members(NamedTuple):
    """The sources of groups, group by group: their rows and the numbers of their groups."""

    rows: Ints
    numbers: Ints


def groups_of_several(groups: Ints, ranks: Ints) -> Members:
    """Return the members of each group of several, the largest first, then by their ranks."""
    sizes = np.bincount(groups, minlength=1)
    rows = np.flatnonzero(sizes[groups] > 1)
    first = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(first, groups[rows], ranks[rows])
    rows = rows[np.lexsort((groups[rows], first[groups[rows]], -sizes[groups[rows]]))]
    return Members(rows, np.cumsum(np.diff(groups[rows], prepend=groups[rows[:1]]) != 0))


def _compositions(several: Members, codes: Ints) -> Iterator[list[tuple[int, int]]]:
    """Yield the classes of each group, with the number of its sources in each."""
    classes = int(codes.max(initial=0)) + 1
    cells, counts = np.unique(several.numbers * classes + codes[several.rows], return_counts=True)
    numbers, members = np.divmod(cells, classes)
    pairs = zip(numbers.tolist(), members.tolist(), counts.tolist(), strict=True)
    for _, cell in groupby(pairs, key=itemgetter(0)):
        yield [(code, count) for _, code, count in cell]


def _fill(remaining: Ints, count: int) -> Ints:
    """Return how many of `count` single sources each split gets, in sum exactly `count`."""
    sources = np.maximum(remaining, 0)
    # If a group has overfilled a split, the splits that lack most get fewer: one source of each at
    # a time, and as many rounds at once as all of them have sources for.
    while (excess := int(sources.sum()) - count) > 0:
        positive = sources > 0
        rounds = min(int(sources[positive].min()), excess // int(positive.sum()))
        if rounds:
            sources[positive] -= rounds
            continue
        largest = np.argsort(-sources, kind="stable")[: min(excess, int((sources > 0).sum()))]
        sources[largest] -= 1
    sources[0] += -excess
    return sources
