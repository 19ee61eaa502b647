"""Splits by groups: stratified and k-fold, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split. Where the
groups are too large for the shares, regions of sky take their place (``blocks.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mingolotss.dataset.splits.allotment import NEW, allot
from mingolotss.dataset.splits.blocks import assign_blocks
from mingolotss.dataset.splits.dealing import TOLERANCE
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.model import Bools, Ints

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
    every = np.arange(len(sources))
    split_of = allot(strata, new, goals, groups, every)
    dealt = Assignment(plan, np.array(names)[split_of])
    counts, sizes = strata.counts(split_of, len(names)), np.bincount(split_of, minlength=len(names))
    faults = _Faults.of(counts, sizes, goals.strata > 0, goals.sizes)
    if faults and not strata.is_exclusive:
        # A few sources with many tags can miss the goals without any group: these are not to blame.
        alone = allot(strata, new, goals, every, every)
        in_reach = np.bincount(alone, minlength=len(names))
        faults = _Faults.of(counts, sizes, strata.counts(alone, len(names)) > 0, in_reach)
    if faults.too_uneven:
        share, goal = sizes[faults.worst] / len(sources), shares[faults.worst]
        reason = f"{names[faults.worst]} would have {share:.1%} of the sources and not {goal:.1%}"
    elif faults.missing.any():
        split, stratum = np.argwhere(faults.missing)[0].tolist()
        reason = f"{names[split]} would have no source {strata.phrase(stratum)}"
    else:
        return dealt
    blocks = _in_blocks(plan, sources, reason)
    number = {name: index for index, name in enumerate([*names, ""])} | {"": -1}
    in_blocks = np.array([number[name] for name in blocks.names.tolist()], np.int64)
    # Of a few sources in a crowd, regions can leave nobody in a split: then they are no better.
    lacking = (strata.counts(in_blocks, len(names)) == 0) & faults.wanted
    in_regions = strata.cells(in_blocks, len(names)).sum(axis=1)
    empty, was_empty = (int((size == 0).sum()) for size in (in_regions, sizes))
    if empty > was_empty or (empty and empty == was_empty):
        return dealt
    return blocks if faults.too_uneven or lacking.sum() < faults.missing.sum() else dealt


@dataclass(frozen=True, slots=True)
class _Faults:
    """What is wrong with a split in groups.

    Attributes
    ----------
    wanted, missing : bool array, shape (splits, strata)
        Which classes or tags a split should have, and which of these it has not.
    worst : int
        The split whose size is farthest from its goal.
    too_uneven : bool
        Whether that is too far.
    """

    wanted: Bools
    missing: Bools
    worst: int
    too_uneven: bool

    @classmethod
    def of(cls, counts: Ints, sizes: Ints, wanted: Bools, goals: Ints) -> Self:
        """Compare the numbers of sources with the goals."""
        excess = np.abs(sizes - goals)
        worst = int(np.argmax(excess))
        too_uneven = bool(excess[worst] > TOLERANCE * sizes.sum())
        return cls(wanted, (counts == 0) & wanted, worst, too_uneven)

    def __bool__(self) -> bool:
        return self.too_uneven or bool(self.missing.any())


def _in_blocks(plan: SplitPlan, sources: SplitSources, reason: str) -> Assignment:
    blocks = replace(plan, kind="blocks")
    change = (
        f"groups of sources that share pixels are too large for {plan.text}: {reason}; regions of "
        f"sky are used instead, {blocks.text}"
    )
    return replace(assign_blocks(blocks, sources), change=change)
