"""Splits by groups: stratified and k-fold, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split.
"""

from __future__ import annotations

import numpy as np

from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.model import Ints

__all__ = ["assign_groups"]


def assign_groups(plan: SplitPlan, sources: SplitSources) -> Assignment:
    """Assign whole groups of sources that share pixels.

    Parameters
    ----------
    plan : SplitPlan
        Of the kind "stratified" or "k-fold".
    sources : SplitSources
    """
    groups = sources.regions(plan.reach_arcsec).groups()
    codes = np.unique(sources.labels, return_inverse=True)[1].reshape(len(sources))
    rng = np.random.default_rng(plan.seed)
    numbers = _assign(groups, codes, list(plan.targets.values()), rng)
    return Assignment(plan, np.array(list(plan.targets))[numbers])


def _assign(groups: Ints, codes: Ints, shares: list[float], rng: np.random.Generator) -> Ints:
    """Assign groups to splits so that each class is as near to its shares as whole groups allow.

    Parameters
    ----------
    groups, codes : int array, shape (n,)
        The group and the class of each source, both numbered from 0.
    shares : list of float
        The share of each split.

    Returns
    -------
    int64 array, shape (n,)
        The number of each source's split.
    """
    # Each split has a quota of sources of each class. Groups of several sources are assigned first,
    # the largest first, each to the split that lacks most of its classes relative to its share. The
    # single sources, nearly all of a catalogue, then fill what remains of the quotas exactly.
    remaining = _quotas(np.bincount(codes), shares)
    split_of = np.full(len(codes), -1, np.int64)
    sizes = np.bincount(groups, minlength=1)
    order = rng.permutation(np.flatnonzero(sizes > 1))
    members = _members(groups)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        rows = members[group]
        lack = remaining[:, codes[rows]].sum(axis=1) / np.asarray(shares)
        split_of[rows] = split = int(np.argmax(lack))
        np.subtract.at(remaining[split], codes[rows], 1)
    for code in range(remaining.shape[1]):
        rows = rng.permutation(np.flatnonzero((codes == code) & (split_of < 0)))
        split_of[rows] = np.repeat(np.arange(len(shares)), _fill(remaining[:, code], len(rows)))
    return split_of


def _members(groups: Ints) -> list[Ints]:
    """Return the sources of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups, minlength=1))[:-1])


def _quotas(counts: Ints, shares: list[float]) -> Ints:
    """Divide each class into whole sources by the largest remainder; shape (splits, classes)."""
    # Largest remainder: each quota is rounded down, and the sources that remain go to the splits
    # that lost most. In floating point 0.29 * 100 is just below 29; the 1e-9 keeps it at 29.
    exact = np.outer(shares, counts)
    quotas = np.floor(exact + 1e-9).astype(np.int64)
    for code, remainder in enumerate(counts - quotas.sum(axis=0)):
        quotas[np.argsort(quotas[:, code] - exact[:, code], kind="stable")[:remainder], code] += 1
    return quotas


def _fill(remaining: Ints, count: int) -> Ints:
    """Return how many of `count` single sources each split gets, in sum exactly `count`."""
    sources = np.maximum(remaining, 0)
    # If a group has overfilled a split, the splits that lack most get fewer.
    while (excess := int(sources.sum()) - count) > 0:
        largest = np.argsort(-sources, kind="stable")[: min(excess, int((sources > 0).sum()))]
        sources[largest] -= 1
    sources[0] += -excess
    return sources
