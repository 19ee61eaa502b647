"""Choose a candidate for each source of a chunk, or reject the source.

The rules of the choice are in `mingolotss.candidates.selection`; here they are applied to all
sources of a chunk, most of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.candidates.selection import Choice, MeasuredCandidate, choose
from mingolotss.candidates.status import CandidateStatus, StatusArray
from mingolotss.model import Bools, Ints, Objects
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import MeasuredCandidates
from mingolotss.recipe.model import ChooseSettings

__all__ = ["Choices", "Rejection", "Stage", "choose_candidates"]

Stage = Literal["search", "fetch", "validate", "choose", "stamp"]
"""The stage that rejected a source, as the manifest names it: in the order of processing."""


class Rejection(NamedTuple):
    """Why a source has no stamp: the stage that rejected it, and the reason in one line."""

    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The choice for each of n sources among m candidates.

    Attributes
    ----------
    chosen : int64 array, shape (n,)
        Index of the chosen candidate among all m; -1 where the source is rejected.
    case : int8 array, shape (n,)
        0 for a single candidate; 1 to 4 as in `mingolotss.candidates.selection.choose`.
    undecided : bool array, shape (n,)
        Case 4 without a decision: a person should look.
    decided_by : object array of str or None, shape (n,)
        Who decided; None for the rules.
    status : int8 array, shape (m,)
        The `CandidateStatus` of each candidate after the choice.
    rejections : dict of int to Rejection
        The rejected sources, by their index among the n.
    """

    chosen: Ints
    case: npt.NDArray[np.int8]
    undecided: Bools
    decided_by: Objects
    status: StatusArray
    rejections: dict[int, Rejection]


def choose_candidates(
    chunk: Chunk,
    measured: MeasuredCandidates,
    decisions: Mapping[str, Decision],
    search_errors: Mapping[str, str],
    settings: ChooseSettings,
) -> Choices:
    """Choose among the usable candidates of every source.

    Parameters
    ----------
    chunk : Chunk
        n sources.
    measured : MeasuredCandidates
        Their m candidates.
    decisions : mapping of str to Decision
        By the name of the source.
    search_errors : mapping of str to str
        The reason for each source whose search failed, by its name.
    settings : ChooseSettings

    Raises
    ------
    DecisionError
        A decision names a field whose image cannot be used.
    """
    n, usable = len(chunk), measured.status == CandidateStatus.USABLE
    chosen, status = np.full(n, -1), measured.status.copy()
    case, undecided, decided_by = np.zeros(n, np.int8), np.zeros(n, bool), np.full(n, None)
    rejections: dict[int, Rejection] = {}
    # Most sources have one usable candidate and no decision: these are chosen all at once. Only
    # the others are compared one by one.
    single = np.bincount(chunk.source_index[usable], minlength=n) == 1
    if decisions or search_errors:
        single &= [name not in decisions and name not in search_errors for name in chunk.names]
    single_candidates = np.flatnonzero(usable & single[chunk.source_index])
    chosen[chunk.source_index[single_candidates]] = single_candidates
    status[single_candidates] = CandidateStatus.CHOSEN
    for row in np.flatnonzero(~single).tolist():
        name = chunk.names[row]
        if name in search_errors:
            rejections[row] = Rejection("search", search_errors[name])
            continue
        decision = decisions.get(name)
        candidates = range(*chunk.starts[row : row + 2].tolist())
        usable_candidates = [index for index in candidates if usable[index]]
        if not usable_candidates or (decision is not None and decision.verdict == "reject"):
            rejections[row] = _rejection(chunk, measured, candidates, usable_candidates, decision)
            continue
        choice = _choose_one(chunk, measured, usable_candidates, decision, settings)
        status[usable_candidates] = CandidateStatus.NOT_CHOSEN
        chosen[row] = usable_candidates[choice.index]
        status[chosen[row]] = CandidateStatus.CHOSEN
        case[row], undecided[row] = choice.case, choice.undecided
        decided_by[row] = choice.decided_by or None
    return Choices(chosen, case, undecided, decided_by, status, rejections)


def _choose_one(
    chunk: Chunk,
    measured: MeasuredCandidates,
    usable: list[int],
    decision: Decision | None,
    settings: ChooseSettings,
) -> Choice:
    """Choose among the usable candidates of one source, indices among all m."""
    return choose(
        [
            MeasuredCandidate(
                chunk.field(index),
                float(measured.separation_arcsec[index]),
                float(measured.percent_nan[index]),
            )
            for index in usable
        ],
        decision,
        near_arcsec=settings.near_arcsec,
    )


def _rejection(
    chunk: Chunk,
    measured: MeasuredCandidates,
    candidates: range,
    usable: list[int],
    decision: Decision | None,
) -> Rejection:
    """Return why a source is rejected that has no usable candidate, or that a person rejected."""
    if not candidates:
        return Rejection("search", "no image holds the position")
    if not usable:
        failed = measured.status[candidates.start : candidates.stop] == CandidateStatus.FETCH_FAILED
        reasons = (f"{chunk.field(i) or 'image'}: {measured.reasons[i]}" for i in candidates)
        return Rejection("fetch" if failed.all() else "validate", "; ".join(reasons))
    by, note = (decision.by, decision.note) if decision is not None else ("", "")
    return Rejection("choose", f"rejected by {by or DECISIONS_NAME}{f': {note}' if note else ''}")
