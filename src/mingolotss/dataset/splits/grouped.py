"""Splits by groups: stratified and k-fold, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split. Where the
groups are too large for the shares, regions of sky take their place (``blocks.py``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mingolotss.dataset.splits.allotment import NEW, allot
from mingolotss.dataset.splits.blocks import assign_blocks
from mingolotss.dataset.splits.dealing import TOLERANCE
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources

__all__ = ["assign_groups"]


def assign_groups(plan: SplitPlan, sources: SplitSources) -> Assignment:
    """Assign whole groups of sources that share pixels, or regions of sky where that cannot work.

    Parameters
    ----------
    plan : SplitPlan
        Of the kind "stratified" or "k-fold".
    sources : SplitSources
        In the order in which they are dealt out.
    """
    groups = sources.regions(plan.reach_arcsec).groups()
    strata, names = sources.strata, [*plan.targets]
    shares, new = np.array([*plan.targets.values()]), np.full(len(sources), NEW)
    goals = Goals.of(strata, shares)
    split_of = allot(strata, new, goals, groups, np.arange(len(sources)))
    dealt = Assignment(plan, np.array(names)[split_of])
    counts, sizes = strata.counts(split_of, len(names)), np.bincount(split_of, minlength=len(names))
    excess = sizes - goals.sizes
    missing = (counts == 0) & (goals.strata > 0)
    worst = int(np.argmax(np.abs(excess)))
    too_uneven = bool(np.abs(excess[worst]) > TOLERANCE * len(sources))
    if too_uneven:
        share, goal = sizes[worst] / len(sources), shares[worst]
        reason = f"{names[worst]} would have {share:.1%} of the sources and not {goal:.1%}"
    elif missing.any():
        split, stratum = np.argwhere(missing)[0].tolist()
        reason = f"{names[split]} would have no source {strata.phrase(stratum)}"
    else:
        return dealt
    blocks = _in_blocks(plan, sources, reason)
    number = {name: index for index, name in enumerate([*names, ""])} | {"": -1}
    in_blocks = np.array([number[name] for name in blocks.names.tolist()], np.int64)
    # Of a few sources in a crowd, regions can leave nobody in a split: then they are no better.
    lacking = (strata.counts(in_blocks, len(names)) == 0) & (goals.strata > 0)
    in_regions = strata.cells(in_blocks, len(names)).sum(axis=1)
    empty, was_empty = (int((size == 0).sum()) for size in (in_regions, sizes))
    if empty > was_empty or (empty and empty == was_empty):
        return dealt
    return blocks if too_uneven or lacking.sum() < missing.sum() else dealt


def _in_blocks(plan: SplitPlan, sources: SplitSources, reason: str) -> Assignment:
    blocks = replace(plan, kind="blocks")
    change = (
        f"groups of sources that share pixels are too large for {plan.text}: {reason}; regions of "
        f"sky are used instead, {blocks.text}"
    )
    return replace(assign_blocks(blocks, sources), change=change)
