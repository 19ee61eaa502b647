"""Deal groups of sources out to splits, so that each class keeps its shares.

>>> quotas = share_out(np.array([4, 2]), np.array([[0.5, 0.5], [0.5, 0.5]]))
>>> quotas.tolist()
[[2, 1], [2, 1]]
>>> groups, codes = np.array([0, 0, 1, 2, 3, 4]), np.array([0, 0, 0, 0, 1, 1])
>>> deal_groups(groups, codes, quotas, np.arange(6)).tolist()
[0, 0, 1, 1, 0, 1]
"""

from __future__ import annotations

import numpy as np

from mingolotss.model import Floats, Ints

__all__ = ["TOLERANCE", "deal_groups", "share_out"]


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
    # exactly.
    remaining = quotas.copy()
    weights = np.maximum(quotas, 1)
    split_of = np.full(len(codes), -1, np.int64)
    for rows in _groups_of_several(groups, ranks):
        classes, counts = np.unique(codes[rows], return_counts=True)
        free = remaining[:, classes]
        excess = np.maximum(counts - np.maximum(free, 0), 0).sum(axis=1)
        lack = (counts * free / weights[:, classes]).sum(axis=1)
        split_of[rows] = split = int(np.lexsort((-lack, excess))[0])
        remaining[split, classes] -= counts
    for code in range(remaining.shape[1]):
        rows = np.flatnonzero((codes == code) & (split_of < 0))
        rows = rows[np.argsort(ranks[rows], kind="stable")]
        split_of[rows] = np.repeat(np.arange(len(quotas)), _fill(remaining[:, code], len(rows)))
    return split_of


def _groups_of_several(groups: Ints, ranks: Ints) -> list[Ints]:
    """Return the members of each group of several, the largest first, then by their ranks."""
    sizes = np.bincount(groups, minlength=1)
    rows = np.flatnonzero(sizes[groups] > 1)
    if not len(rows):
        return []
    first = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(first, groups[rows], ranks[rows])
    rows = rows[np.lexsort((groups[rows], first[groups[rows]], -sizes[groups[rows]]))]
    ends = np.flatnonzero(np.diff(groups[rows])) + 1
    return np.split(rows, ends)


def _fill(remaining: Ints, count: int) -> Ints:
    """Return how many of `count` single sources each split gets, in sum exactly `count`."""
    sources = np.maximum(remaining, 0)
    # If a group has overfilled a split, the splits that lack most get fewer.
    while (excess := int(sources.sum()) - count) > 0:
        largest = np.argsort(-sources, kind="stable")[: min(excess, int((sources > 0).sum()))]
        sources[largest] -= 1
    sources[0] += -excess
    return sources
