"""The second stage of a part: choose a candidate for each source, or reject the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.candidates.selection import MeasuredCandidate, choose
from mingolotss.candidates.status import CandidateStatus, StatusArray
from mingolotss.model import Bools, Ints, Objects
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.measure import Measured
from mingolotss.recipe.model import ChooseSettings

__all__ = ["Choices", "Rejection", "choose_candidates"]


class Rejection(NamedTuple):
    """Why a source has no stamp: the stage that rejected it, and the reason in one line.

    The stages are ``search``, ``fetch``, ``validate``, ``choose`` and ``stamp``.
    """

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The choice for each of n sources among m candidates.

    Attributes
    ----------
    chosen : int64 array, shape (n,)
        The chosen candidate; -1 where the source is rejected.
    case, undecided, decided_by : array, shape (n,)
        As `mingolotss.candidates.selection.Choice` has them.
    status : int8 array, shape (m,)
        The `CandidateStatus` of each candidate after the choice.
    rejections : dict of int to Rejection
        The rejected sources.
    """

    chosen: Ints
    case: npt.NDArray[np.int8]
    undecided: Bools
    decided_by: Objects
    status: StatusArray
    rejections: dict[int, Rejection]


def choose_candidates(
    chunk: Chunk,
    measured: Measured,
    decisions: Mapping[str, Decision],
    unanswered: Mapping[str, str],
    settings: ChooseSettings,
) -> Choices:
    """Choose among the usable candidates of every source.

    Parameters
    ----------
    chunk : Chunk
    measured : Measured
        Of its candidates.
    decisions : mapping of str to Decision
        By the name of the source.
    unanswered : mapping of str to str
        The sources for which the search failed, with the reason.
    settings : ChooseSettings
    """
    n, usable = len(chunk), measured.status == CandidateStatus.USABLE
    choices = Choices(
        chosen=np.full(n, -1),
        case=np.zeros(n, np.int8),
        undecided=np.zeros(n, bool),
        decided_by=np.full(n, None),
        status=measured.status.copy(),
        rejections={},
    )
    # Most sources have one usable candidate and no decision: these are chosen all at once. Only
    # the others are compared one by one.
    single = np.bincount(chunk.source_index[usable], minlength=n) == 1
    if decisions or unanswered:
        single &= [name not in decisions and name not in unanswered for name in chunk.names]
    only = np.flatnonzero(usable & single[chunk.source_index])
    choices.chosen[chunk.source_index[only]] = only
    choices.status[only] = CandidateStatus.CHOSEN
    for row in np.flatnonzero(~single).tolist():
        name = chunk.names[row]
        if name in unanswered:
            choices.rejections[row] = Rejection("search", unanswered[name])
        else:
            _choose_one(chunk, row, measured, choices, decisions.get(name), settings)
    return choices


def _choose_one(
    chunk: Chunk,
    row: int,
    measured: Measured,
    choices: Choices,
    decision: Decision | None,
    settings: ChooseSettings,
) -> None:
    """Choose among the usable candidates of one source, or reject it."""
    candidates = range(*chunk.starts[row : row + 2].tolist())
    usable = [one for one in candidates if measured.status[one] == CandidateStatus.USABLE]
    if not usable or (decision is not None and decision.verdict == "reject"):
        choices.rejections[row] = _rejection(chunk, measured, candidates, usable, decision)
        return
    choice = choose(
        [
            MeasuredCandidate(
                chunk.field(one),
                float(measured.separation_arcsec[one]),
                float(measured.percent_nan[one]),
            )
            for one in usable
        ],
        decision,
        near_arcsec=settings.near_arcsec,
    )
    choices.status[usable] = CandidateStatus.NOT_CHOSEN
    choices.status[usable[choice.index]] = CandidateStatus.CHOSEN
    choices.chosen[row] = usable[choice.index]
    choices.case[row], choices.undecided[row] = choice.case, choice.undecided
    choices.decided_by[row] = choice.decided_by or None


def _rejection(
    chunk: Chunk,
    measured: Measured,
    candidates: range,
    usable: list[int],
    decision: Decision | None,
) -> Rejection:
    """Return why a source is rejected that has no usable candidate, or that a person rejected."""
    if not candidates:
        return Rejection("search", "no image holds the position")
    if not usable:
        failed = measured.status[candidates.start : candidates.stop] == CandidateStatus.FETCH_FAILED
        reasons = (f"{chunk.field(one) or 'image'}: {measured.reasons[one]}" for one in candidates)
        return Rejection("fetch" if failed.all() else "validate", "; ".join(reasons))
    by, note = (decision.by, decision.note) if decision is not None else ("", "")
    return Rejection("choose", f"rejected by {by or DECISIONS_NAME}{f': {note}' if note else ''}")
