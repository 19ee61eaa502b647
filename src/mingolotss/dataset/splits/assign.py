"""Assign sources to splits: the one entry for every kind of plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from mingolotss.dataset.splits.blocks import assign_blocks
from mingolotss.dataset.splits.earlier import assign_like
from mingolotss.dataset.splits.grouped import assign_groups
from mingolotss.dataset.splits.listed import assign_column, assign_listed
from mingolotss.dataset.splits.order import seeded_ranks
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.record import SplitRecord
from mingolotss.dataset.splits.result import Assignment, SplitResult, describe_assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.errors import InputError

__all__ = ["assign_splits"]

_SEEDED_WAYS: Mapping[str, Callable[[SplitPlan, SplitSources], Assignment]] = {
    "stratified": assign_groups,
    "k-fold": assign_groups,
    "blocks": assign_blocks,
}


_RECORDED_WAYS: Mapping[str, Callable[[SplitPlan, SplitSources, SplitRecord], Assignment]] = {
    "file": assign_listed,
    "like": assign_like,
}


def assign_splits(
    plan: SplitPlan, sources: SplitSources, record: SplitRecord | None = None
) -> SplitResult:
    """Assign each source to a split, or leave it out with a reason.

    The same plan always gives the same split of the same sources.

    Parameters
    ----------
    plan : SplitPlan
    sources : SplitSources
    record : SplitRecord, optional
        What the list or the dataset of a plan "file" or "like" has; `read_split_record` of
        ``formats.split_records`` reads it.

    Raises
    ------
    InputError
        The plan is "published", which follows the batches and not the sources; the record of a
        list or dataset is missing; or the sources cannot be assigned as it has them.
    """
    if plan.kind in _RECORDED_WAYS:
        if record is None:
            raise InputError(f"split {plan.text!r}: the splits of {plan.argument} were not read")
        assignment = _RECORDED_WAYS[plan.kind](plan, sources, record)
        return describe_assignment(assignment, sources)
    if plan.kind == "column":
        return describe_assignment(assign_column(plan, sources), sources)
    if plan.kind not in _SEEDED_WAYS:
        raise InputError(f"split {plan.kind!r} follows the batches; it cannot be assigned")
    return describe_assignment(_in_seeded_order(plan, sources), sources)


def _in_seeded_order(plan: SplitPlan, sources: SplitSources) -> Assignment:
    """Assign sources in the order of their hashes, whatever their rows are."""
    ranks = seeded_ranks(sources, plan.seed)
    order = np.empty_like(ranks)
    order[ranks] = np.arange(len(ranks))
    assignment = _SEEDED_WAYS[plan.kind](plan, replace(sources, table=None).take(order))
    reasons = assignment.reasons
    return replace(
        assignment,
        names=assignment.names[ranks],
        reasons=None if reasons is None else reasons[ranks],
    )
