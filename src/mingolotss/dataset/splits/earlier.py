"""Splits that hold: every source stays in the split that it had in an earlier dataset.

What was in the test set of another dataset, or of an earlier build of this one, stays there, in
whatever order and company the catalogue has it. New sources are dealt out so that each class keeps
its shares, and none of them shares pixels with sources of two splits.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mingolotss.dataset.split_names import in_order
from mingolotss.dataset.splits.allotment import NEW, OUT, allot
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.matching import Matches, match_sources
from mingolotss.dataset.splits.order import seeded_ranks
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.record import SplitRecord
from mingolotss.dataset.splits.result import Assignment, SplitResult, describe_assignment
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.dataset.splits.strata import Strata
from mingolotss.errors import InputError
from mingolotss.io.summaries import count_text
from mingolotss.model import Bools, Ints
from mingolotss.sky.neighbours import connected_groups
from mingolotss.sky.stamp_regions import StampRegions

__all__ = ["assign_like", "keep_splits"]

_SHOWN = 3


def keep_splits(earlier: SplitRecord, sources: SplitSources, plan: SplitPlan) -> SplitResult:
    """Assign sources to the splits that they had earlier, and deal out the new ones.

    Adding rows to a catalogue and sorting it moves no source of the earlier dataset.

    Parameters
    ----------
    earlier : SplitRecord
        The splits of another dataset, or of an earlier build of this one. What was left out there
        is left out again.
    sources : SplitSources
    plan : SplitPlan
        Its shares, seed and reach are those by which new sources are dealt out. A plan without
        shares keeps those that each class has among the sources of `earlier`.

    Returns
    -------
    SplitResult
        A new source that shares pixels with earlier sources of one split is in this split, and one
        that shares pixels with those of two splits is left out, also if the earlier sources are not
        among `sources`. Pairs of earlier sources that are on two sides stay there and are counted.

    Raises
    ------
    InputError
        `earlier` has no split, or a name in several.
    """
    return describe_assignment(assign_like(plan, sources, earlier), sources)


def assign_like(plan: SplitPlan, sources: SplitSources, earlier: SplitRecord) -> Assignment:
    """Assign sources as `keep_splits` does."""
    earlier = earlier.unique()
    splits = in_order({*earlier.split_names, *(plan.targets if plan.has_shares else ())})
    if not earlier.split_names:
        raise InputError(f"split like {earlier.origin}: none of its sources is in a split")
    number = {name: index for index, name in enumerate(splits)} | {"": OUT}
    matches = match_sources(earlier, sources)
    in_record = np.array([*(number[split] for split in earlier.splits), NEW], np.int64)
    split_of = in_record[matches.rows]
    reasons = {
        int(row): earlier.reason(int(matches.rows[row])) or f"left out in {earlier.origin}"
        for row in np.flatnonzero(split_of == OUT)
    }
    for row, (first, second) in matches.disputed.items():
        split_of[row] = OUT
        reasons[row] = f"at the position of {first!r} and {second!r}, which are in different splits"
    kept = split_of.copy()
    ranks = seeded_ranks(sources, plan.seed)
    absent = _absent(earlier, matches)
    with_absent = np.append(split_of, in_record[absent])
    neighbours = _neighbours_of_new(_regions(plan, sources, earlier, absent), with_absent)
    reasons |= _join_neighbours(with_absent, ranks, neighbours, splits)
    split_of = with_absent[: len(sources)]
    strata = sources.strata
    goals = _goals(plan, splits, earlier, strata, kept, split_of != OUT)
    split_of = _deal(split_of, ranks, neighbours, strata, goals)
    names = np.array([*splits, "", ""])[split_of]
    return Assignment(
        replace(plan, argument=earlier.origin) if plan.kind == "like" else plan,
        names,
        np.array([reasons.get(row, "") for row in range(len(sources))]),
        notes=tuple(_notes(earlier, matches, kept, split_of, splits)),
        origin=earlier.source,
    )


def _absent(earlier: SplitRecord, matches: Matches) -> Ints:
    """Return the rows of earlier sources that are not here, in a split and at a known position."""
    is_absent = np.array([split != "" for split in earlier.splits], bool)
    is_absent[matches.rows[matches.rows >= 0]] = False
    if not len(earlier.ra):
        return np.empty(0, np.int64)
    return np.flatnonzero(is_absent & np.isfinite(earlier.ra) & np.isfinite(earlier.dec))


def _regions(
    plan: SplitPlan, sources: SplitSources, earlier: SplitRecord, absent: Ints
) -> StampRegions:
    """Return the stamps of all sources, and after them those of earlier sources not here.

    The latter are taken to be as large as the median of the others.
    """
    own = sources.regions(plan.reach_arcsec)
    if not len(absent) or not own.known.any():
        absent = absent[:0]
    size = np.full(len(absent), np.nanmedian(own.extent_arcsec) if len(absent) else np.nan)
    return StampRegions(
        np.append(own.ra, earlier.ra[absent]),
        np.append(own.dec, earlier.dec[absent]),
        np.append(own.extent_arcsec, size),
        own.shape,
        None if own.angle_deg is None else np.append(own.angle_deg, np.full(len(absent), np.nan)),
    )


def _neighbours_of_new(regions: StampRegions, split_of: Ints) -> dict[int, list[int]]:
    """Return the stamps that share pixels with each new source; those left out have none."""
    neighbours: dict[int, list[int]] = {}
    for first, second in regions.pairs():
        counts = ((split_of[first] == NEW) | (split_of[second] == NEW)) & (
            (split_of[first] != OUT) & (split_of[second] != OUT)
        )
        for one, other in zip(first[counts].tolist(), second[counts].tolist(), strict=True):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    return {row: near for row, near in neighbours.items() if split_of[row] == NEW}


def _join_neighbours(
    split_of: Ints, ranks: Ints, neighbours: Mapping[int, Sequence[int]], splits: Sequence[str]
) -> dict[int, str]:
    """Put new sources into the split of their neighbours; return why the others are left out.

    `split_of` is changed in its place.
    """
    # Strategy: the splits spread from the earlier sources along the pairs of sources that share
    # pixels, one step at a time and in a fixed order within a step. A source that is reached from
    # two splits is left out, and the splits do not spread across it.
    reasons: dict[int, str] = {}
    steps = [
        (1, int(ranks[row]), row)
        for row, near in neighbours.items()
        if any(split_of[other] >= 0 for other in near)
    ]
    heapq.heapify(steps)
    reached = {row for _, _, row in steps}
    while steps:
        step, _, row = heapq.heappop(steps)
        near = neighbours[row]
        touched = sorted({int(split_of[other]) for other in near if split_of[other] >= 0})
        if len(touched) > 1:
            split_of[row] = OUT
            listed = " and ".join(splits[number] for number in touched)
            reasons[row] = f"shares pixels with sources of {listed}"
            continue
        split_of[row] = touched[0]
        for other in near:
            if split_of[other] == NEW and other not in reached:
                reached.add(other)
                heapq.heappush(steps, (step + 1, int(ranks[other]), other))
    return reasons


def _goals(
    plan: SplitPlan,
    splits: Sequence[str],
    earlier: SplitRecord,
    strata: Strata,
    kept: Ints,
    counted: Bools,
) -> Goals:
    """Return the goals by the shares of the plan, or by those of each class among earlier sources.

    A class that is missing from a split there, or that is new, gets the shares of all together.
    """
    if plan.has_shares:
        targets = np.array([plan.targets.get(name, 0.0) for name in splits])
        return Goals.of(strata, targets, counted=counted)
    total = np.array([earlier.splits.count(name) for name in splits], float)
    counts = strata.counts(kept, len(splits))
    counts = np.where((counts > 0).all(axis=0), counts, total[:, None])
    return Goals.of(strata, total / total.sum(), counts / counts.sum(axis=0), counted)


def _deal(
    split_of: Ints,
    ranks: Ints,
    neighbours: Mapping[int, Sequence[int]],
    strata: Strata,
    goals: Goals,
) -> Ints:
    """Return the splits with the new sources dealt out, groups that share pixels as a whole."""
    rows = np.flatnonzero(split_of == NEW)
    place = {row: index for index, row in enumerate(rows.tolist())}
    pairs = np.array(
        [
            (place[row], place[other])
            for row in place
            for other in neighbours.get(row, ())
            if other in place
        ],
        np.int64,
    ).reshape(-1, 2)
    groups = connected_groups(len(rows), [(pairs[:, 0], pairs[:, 1])])
    return allot(strata, split_of, goals, groups, ranks[rows])


def _notes(
    earlier: SplitRecord, matches: Matches, kept: Ints, split_of: Ints, splits: Sequence[str]
) -> list[str]:
    """Describe for the terminal how many sources were kept and dealt out."""
    new = kept == NEW
    count, by_position = int((kept >= 0).sum()), int((matches.by_position & (kept >= 0)).sum())
    text = f"split: {count_text(count, 'source')} in the same split as in {earlier.origin}"
    if by_position:
        text += f" ({by_position:,} found by position)"
    lines = [*earlier.notices, text]
    if new.any():
        dealt = ", ".join(
            f"{name} {int((new & (split_of == index)).sum()):,}"
            for index, name in enumerate(splits)
        )
        lines.append(f"split: {count_text(int(new.sum()), 'new source')}: {dealt}")
    absent = len(earlier) - len(set(matches.rows.tolist()) - {-1})
    if absent:
        total = count_text(len(earlier), "source")
        lines.append(f"split: {absent:,} of {total} of {earlier.origin} not here")
    if matches.elsewhere:
        names = ", ".join(map(repr, matches.elsewhere[:_SHOWN]))
        lines.append(
            f"warning: {count_text(len(matches.elsewhere), 'source')} with the name of another one "
            f"in {earlier.origin}, at another position: {names}"
            f"{', ...' * (len(matches.elsewhere) > _SHOWN)}"
        )
    return lines
