"""Assign sources to splits: the one entry for every kind of plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mingolotss.dataset.splits.grouped import assign_groups
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment, SplitResult, describe_assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.errors import InputError

__all__ = ["assign_splits"]

_WAYS: Mapping[str, Callable[[SplitPlan, SplitSources], Assignment]] = {
    "stratified": assign_groups,
    "k-fold": assign_groups,
}


def assign_splits(plan: SplitPlan, sources: SplitSources) -> SplitResult:
    """Assign each source to a split, or leave it out with a reason.

    The same plan always gives the same split of the same sources.

    Parameters
    ----------
    plan : SplitPlan
    sources : SplitSources

    Raises
    ------
    InputError
        The plan is "published", which follows the batches and not the sources.
    """
    if plan.kind not in _WAYS:
        raise InputError(f"split {plan.kind!r} follows the batches; it cannot be assigned")
    return describe_assignment(_WAYS[plan.kind](plan, sources), sources)
