"""Splits by groups: stratified and k-fold, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split. Where the
groups are too large for the shares, regions of sky take their place (``blocks.py``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mingolotss.dataset.splits.blocks import assign_blocks
from mingolotss.dataset.splits.dealing import TOLERANCE, deal_groups, share_out
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.model import Ints

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
    codes, names = sources.class_codes, [*plan.targets]
    shares = np.array([*plan.targets.values()])
    classes = int(codes.max(initial=0)) + 1
    quotas = share_out(np.bincount(codes, minlength=1), np.tile(shares[:, None], (1, classes)))
    split_of = deal_groups(groups, codes, quotas, np.arange(len(sources)))
    dealt = Assignment(plan, np.array(names)[split_of])
    counts = _counts(split_of, codes, quotas.shape)
    excess = counts.sum(axis=1) - quotas.sum(axis=1)
    missing = (counts == 0) & (quotas > 0)
    worst = int(np.argmax(np.abs(excess)))
    too_uneven = bool(np.abs(excess[worst]) > TOLERANCE * len(sources))
    if too_uneven:
        share, goal = counts[worst].sum() / len(sources), shares[worst]
        reason = f"{names[worst]} would have {share:.1%} of the sources and not {goal:.1%}"
    elif missing.any():
        split, code = np.argwhere(missing)[0].tolist()
        label = int(sources.labels[np.argmax(codes == code)])
        reason = f"{names[split]} would have no source of class {sources.class_name(label)!r}"
    else:
        return dealt
    blocks = _in_blocks(plan, sources, reason)
    number = {name: index for index, name in enumerate([*names, ""])} | {"": -1}
    in_blocks = np.array([number[name] for name in blocks.names.tolist()], np.int64)
    in_regions = _counts(in_blocks, codes, quotas.shape)
    # Of a few sources in a crowd, regions can leave nobody in a split: then they are no better.
    lacking = (in_regions == 0) & (quotas > 0)
    empty, was_empty = (int((part.sum(axis=1) == 0).sum()) for part in (in_regions, counts))
    if empty > was_empty or (empty and empty == was_empty):
        return dealt
    return blocks if too_uneven or lacking.sum() < missing.sum() else dealt


def _counts(split_of: Ints, codes: Ints, shape: tuple[int, ...]) -> Ints:
    counts = np.zeros(shape, np.int64)
    kept = split_of >= 0
    np.add.at(counts, (split_of[kept], codes[kept]), 1)
    return counts


def _in_blocks(plan: SplitPlan, sources: SplitSources, reason: str) -> Assignment:
    blocks = replace(plan, kind="blocks")
    change = (
        f"groups of sources that share pixels are too large for {plan.text}: {reason}; regions of "
        f"sky are used instead, {blocks.text}"
    )
    return replace(assign_blocks(blocks, sources), change=change)
