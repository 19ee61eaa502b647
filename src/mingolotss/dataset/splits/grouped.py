"""Splits by groups: stratified and k-fold, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split.
"""

from __future__ import annotations

import numpy as np

from mingolotss.dataset.splits.dealing import deal_groups, rank_sources, share_out
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources

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
    counts = np.bincount(codes)
    shares = np.tile(np.array([*plan.targets.values()])[:, None], (1, len(counts)))
    ranks = rank_sources(sources.names, plan.seed)
    numbers = deal_groups(groups, codes, share_out(counts, shares), ranks)
    return Assignment(plan, np.array(list(plan.targets))[numbers])
