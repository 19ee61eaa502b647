"""Deal groups of sources out to splits, so that each class keeps its shares.

>>> quotas = share_out(np.array([4, 2]), np.array([[0.5, 0.5], [0.5, 0.5]]))
>>> quotas.tolist()
[[2, 1], [2, 1]]
>>> groups, codes = np.array([0, 0, 1, 2, 3, 4]), np.array([0, 0, 0, 0, 1, 1])
>>> deal_groups(groups, codes, quotas, np.arange(6)).tolist()
[0, 0, 1, 1, 0, 1]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from mingolotss.model import Floats, Ints

__all__ = ["deal_groups", "rank_sources", "share_out"]


def rank_sources(names: Sequence[str], seed: int) -> Ints:
    """Return the place of each source in a random order that depends on names and seed alone.

    Sorting a catalogue does not change it, and rows that are added change no two places among
    themselves.
    """
    keys = [
        hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for name in names
    ]
    ranks = np.empty(len(names), np.int64)
    ranks[sorted(range(len(names)), key=lambda row: (keys[row], names[row]))] = np.arange(
        len(names)
    )
    return ranks


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
    """
    # Largest remainder: each quota is rounded down, and the sources that remain go to the splits
    # that lost most. In floating point 0.29 * 100 is just below 29; the 1e-9 keeps it at 29.
    exact = shares * counts
    quotas: Ints = np.floor(exact + 1e-9).astype(np.int64)
    for code, remainder in enumerate(counts - quotas.sum(axis=0)):
        quotas[np.argsort(quotas[:, code] - exact[:, code], kind="stable")[:remainder], code] += 1
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
    # Groups of several sources are dealt out first, the largest first, each to the split that lacks
    # most of its classes relative to its quota. The single sources, nearly all of a catalogue, then
    # fill what remains of the quotas exactly.
    remaining = quotas.copy()
    weights = np.maximum(quotas, 1)
    split_of = np.full(len(codes), -1, np.int64)
    members = [rows for rows in _members(groups) if len(rows) > 1]
    for rows in sorted(members, key=lambda rows: (-len(rows), int(ranks[rows].min()))):
        lack = (remaining[:, codes[rows]] / weights[:, codes[rows]]).sum(axis=1)
        split_of[rows] = split = int(np.argmax(lack))
        np.subtract.at(remaining[split], codes[rows], 1)
    for code in range(remaining.shape[1]):
        rows = np.flatnonzero((codes == code) & (split_of < 0))
        rows = rows[np.argsort(ranks[rows], kind="stable")]
        split_of[rows] = np.repeat(np.arange(len(quotas)), _fill(remaining[:, code], len(rows)))
    return split_of


def _members(groups: Ints) -> list[Ints]:
    """Return the sources of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups, minlength=1))[:-1])


def _fill(remaining: Ints, count: int) -> Ints:
    """Return how many of `count` single sources each split gets, in sum exactly `count`."""
    sources = np.maximum(remaining, 0)
    # If a group has overfilled a split, the splits that lack most get fewer.
    while (excess := int(sources.sum()) - count) > 0:
        largest = np.argsort(-sources, kind="stable")[: min(excess, int((sources > 0).sum()))]
        sources[largest] -= 1
    sources[0] += -excess
    return sources
