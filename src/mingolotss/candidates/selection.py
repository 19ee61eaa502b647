"""Which field wins, and why.

MeasuredCandidate from every candidate: the *separation*, from the catalogue position to the sky
position
of the cutout's pixel (nx // 2, ny // 2), and the *percent NaN* of the whole cutout. `choose`
then follows the four cases of the MingoLoTSS description; a person's word in ``decisions.csv``
goes before them all.

>>> near = MeasuredCandidate("P1", separation_arcsec=1.0, percent_nan=9.0)
>>> clean = MeasuredCandidate("P2", separation_arcsec=40.0, percent_nan=0.0)
>>> choose([near, clean])
Choice(index=0, case=4, undecided=True, decided_by='')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.errors import DecisionError
from mingolotss.model import Cutout
from mingolotss.sky.angles import Floats, separation_arcsec

__all__ = ["Choice", "MeasuredCandidate", "Place", "choose", "locate", "places"]


class Place(NamedTuple):
    """Where a source is in a cutout: x, y in pixels from 0; separation of the middle pixel."""

    x: float
    y: float
    separation_arcsec: float


class MeasuredCandidate(NamedTuple):
    """What the choice depends on, for one candidate."""

    field: str
    separation_arcsec: float
    percent_nan: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidate, and by which rule.

    Attributes
    ----------
    index : int
        Place in the list given to `choose`.
    case : int
        0: there was one; 1 to 4 as in the description of `choose`.
    undecided : bool
        Case 4 without a decision: the nearest was taken, and a person should look.
    decided_by : str
        Who decided, "" for the rules.
    """

    index: int
    case: int
    undecided: bool = False
    decided_by: str = ""


_ONLY = Choice(0, case=0)


def places(cutouts: Sequence[Cutout], ra: Floats, dec: Floats) -> list[Place]:
    """Measure where sources are in their cutouts.

    Parameters
    ----------
    cutouts : sequence of Cutout
    ra, dec : float64 array, shape (n,), deg, ICRS
        Position of the source of each cutout.
    """
    columns = locate(CutoutArray.of(cutouts), ra, dec)
    return [Place(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def locate(boxes: CutoutArray, ra: Floats, dec: Floats) -> tuple[Floats, Floats, Floats]:
    """Measure where sources are in their cutouts; images that share a WCS go together.

    Parameters
    ----------
    boxes : CutoutArray
    ra, dec : float64 array, shape (n,), deg, ICRS

    Returns
    -------
    x, y, separation_arcsec : float64 array, shape (n,)
        As `Place` has them; NaN where there is no cutout.
    """
    groups: dict[int, list[int]] = {}
    for index, which in enumerate(boxes.which.tolist()):
        if which >= 0:
            groups.setdefault(id(boxes.planes[which].wcs), []).append(index)
    corner = boxes.each((plane.origin for plane in boxes.planes), (0, 0), float).T
    corner += boxes.x0, boxes.y0
    middle = np.stack([corner[0] + boxes.nx // 2, corner[1] + boxes.ny // 2])
    pixel, sky = np.full((2, *corner.shape), np.nan)
    for members in groups.values():
        wcs = boxes.planes[boxes.which[members[0]]].wcs
        pixel[:, members] = wcs.to_pixel(ra[members], dec[members])
        sky[:, members] = wcs.to_sky(*middle[:, members])
    x, y = pixel - corner
    return x, y, separation_arcsec(ra, dec, *sky)


def choose(
    candidates: Sequence[MeasuredCandidate],
    decision: Decision | None = None,
    *,
    near_arcsec: float = 15.0,
) -> Choice:
    """Choose among the usable candidates of one source.

    One candidate is taken. Of several, the nearest is the one of smallest separation (ties: by
    field name), and

    1. if no candidate has any NaN, it is the nearest;
    2. if the nearest also has the least NaN, it is the nearest;
    3. if every separation is below `near_arcsec`, it is the one with the least NaN;
    4. otherwise the decision decides; without one it is the nearest, flagged undecided.

    Parameters
    ----------
    candidates : sequence of MeasuredCandidate
        At least one.
    decision : Decision, optional
        A person's word on this source; it holds in every case.
    near_arcsec : float

    Raises
    ------
    DecisionError
        The decision names a field that is not on offer.
    """
    if len(candidates) == 1 and decision is None:
        return _ONLY
    nearest = min(range(len(candidates)), key=lambda i: _nearness(candidates[i]))
    case = _case(candidates, nearest, near_arcsec)
    if decision is not None and decision.verdict == "accept":
        return Choice(_named(candidates, decision), case, decided_by=decision.by or DECISIONS_NAME)
    if case == 3:
        least = min(
            range(len(candidates)),
            key=lambda i: (candidates[i].percent_nan, *_nearness(candidates[i])),
        )
        return Choice(least, case)
    return Choice(nearest, case, undecided=case == 4)


def _nearness(candidate: MeasuredCandidate) -> tuple[float, str]:
    return candidate.separation_arcsec, candidate.field


def _case(candidates: Sequence[MeasuredCandidate], nearest: int, near_arcsec: float) -> int:
    if len(candidates) == 1:
        return 0
    if all(candidate.percent_nan == 0 for candidate in candidates):
        return 1
    if candidates[nearest].percent_nan == min(c.percent_nan for c in candidates):
        return 2
    if all(candidate.separation_arcsec < near_arcsec for candidate in candidates):
        return 3
    return 4


def _named(candidates: Sequence[MeasuredCandidate], decision: Decision) -> int:
    for index, candidate in enumerate(candidates):
        if candidate.field == decision.field:
            return index
    fields = ", ".join(candidate.field for candidate in candidates)
    raise DecisionError(
        f"apply decisions.csv to {decision.source}: field {decision.field!r} has no usable image "
        f"of it; on offer: {fields}. Correct the row or remove it"
    )
