"""The choice between the candidates of one source.

Two quantities of each candidate decide: the *separation* between the catalogue position and the
sky position of the cutout's pixel (nx // 2, ny // 2), and the *percent NaN* of the whole cutout.
`choose` applies the four cases of the MingoLoTSS description to them; a decision in
``decisions.csv`` takes precedence over every rule.

>>> near = MeasuredCandidate("P1", separation_arcsec=1.0, percent_nan=9.0)
>>> complete = MeasuredCandidate("P2", separation_arcsec=40.0, percent_nan=0.0)
>>> choose([near, complete])
Choice(index=0, case=4, undecided=True, decided_by='')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.decisions import DECISIONS_NAME, Decision
from mingolotss.errors import DecisionError, ImageError
from mingolotss.model import Bools, Cutout, Sky
from mingolotss.sky.angles import Floats, separation_arcsec
from mingolotss.sky.footprint import (
    SAME_PIXELS,
    is_other_position,
    on_array,
    outside_reason,
    projection_error_arcsec,
)

__all__ = [
    "Choice",
    "MeasuredCandidate",
    "SourcePixel",
    "SourcePixels",
    "choose",
    "locate_sources",
    "source_pixel",
]


class SourcePixel(NamedTuple):
    """Where a source lies in a cutout.

    Attributes
    ----------
    x, y : float, px
        Position of the source, from 0.
    separation_arcsec : float
        From the source to the pixel (nx // 2, ny // 2).
    """

    x: float
    y: float
    separation_arcsec: float


class MeasuredCandidate(NamedTuple):
    """The quantities that the choice depends on, for one candidate."""

    field: str
    separation_arcsec: float
    percent_nan: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, and the rule that chose it.

    Attributes
    ----------
    index : int
        Index into the list given to `choose`.
    case : int
        0 for a single candidate; 1 to 4 as in the description of `choose`.
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


class SourcePixels(NamedTuple):
    """Where n sources lie in their cutouts: the columns of `SourcePixel`, shape (n,) each.

    Attributes
    ----------
    x, y, separation_arcsec : float64 array
        NaN where there is no cutout.
    on_image : bool array
        The source is on its cutout, by the test of `mingolotss.sky.footprint`.
    """

    x: Floats
    y: Floats
    separation_arcsec: Floats
    on_image: Bools


def source_pixel(cutout: Cutout, ra: float, dec: float) -> SourcePixel:
    """Compute where one source lies in a cutout; `ra` and `dec` in deg, ICRS.

    Raises
    ------
    ImageError
        The source is not on the cutout, or image and rms map differ in shape.
    """
    cutouts = CutoutArray.from_outcomes([cutout])
    if cutouts.errors:
        raise cutouts.errors[0]
    pixels = locate_sources(cutouts, np.array([ra]), np.array([dec]))
    if not pixels.on_image[0]:
        shape = cutout.image.shape
        raise ImageError(outside_reason(cutout.wcs, shape, ra, dec, origin=cutout.origin))
    return SourcePixel(*(float(column[0]) for column in pixels[:3]))


def locate_sources(cutouts: CutoutArray, ra: Floats, dec: Floats) -> SourcePixels:
    """Compute where sources lie in their cutouts.

    Parameters
    ----------
    cutouts : CutoutArray
    ra, dec : float64 array, shape (n,), deg, ICRS
        Position of the source of each cutout.
    """
    # Many cutouts share one WCS object, and a call of the WCS costs more than its arithmetic: group
    # the cutouts by WCS and transform the sources of each group in one call. A second call goes
    # back to the sky, from the middle pixels, which the separations are measured from, and from the
    # pixels of the sources, which must have the positions of the sources.
    groups: dict[int, tuple[Sky, list[int]]] = {}
    for index, plane_index in enumerate(cutouts.plane_index.tolist()):
        if plane_index >= 0:
            wcs = cutouts.planes[plane_index].wcs
            groups.setdefault(id(wcs), (wcs, []))[1].append(index)
    # `corner` and `middle` are pixels of the whole image, which the WCS belongs to; a cutout begins
    # at `origin` of its plane plus its window.
    corner = cutouts.per_cutout((plane.origin for plane in cutouts.planes), (0, 0), float).T
    corner += cutouts.x0, cutouts.y0
    middle = np.stack([corner[0] + cutouts.nx // 2, corner[1] + cutouts.ny // 2])
    pixel = np.full(corner.shape, np.nan)
    for wcs, members in groups.values():
        pixel[:, members] = wcs.to_pixel(ra[members], dec[members])
    # The columns of `both` are the middle pixels, then those of the sources, or the middle ones
    # again where a source has no pixel: tables of distortions have no place for NaN.
    n = len(cutouts)
    both = np.concatenate([middle, np.where(np.isfinite(pixel), pixel, middle)], axis=1)
    sky = np.full(both.shape, np.nan)
    for wcs, members in groups.values():
        columns = members + [n + index for index in members]
        sky[:, columns] = wcs.to_sky(*both[:, columns])
    (middle_ra, pixel_ra), (middle_dec, pixel_dec) = sky.reshape(2, 2, n)
    x, y = pixel - corner
    scale = cutouts.per_cutout((plane.wcs.pixel_scale_arcsec for plane in cutouts.planes), np.nan)
    on_image = on_array(x, y, cutouts.ny, cutouts.nx)
    other = on_image & is_other_position(ra, dec, pixel_ra, pixel_dec, SAME_PIXELS * scale)
    for index in np.flatnonzero(other).tolist():
        error = projection_error_arcsec(cutouts.planes[cutouts.plane_index[index]].wcs)
        one = slice(index, index + 1)
        positions = ra[one], dec[one], pixel_ra[one], pixel_dec[one]
        on_image[one] = ~is_other_position(*positions, error)
    separation = separation_arcsec(ra, dec, middle_ra, middle_dec)
    # The middle of an image may be off its projection, between two faces of a cube: the separation
    # is then that of the pixels.
    off = on_image & np.isnan(separation)
    if off.any():
        pixels = np.hypot(*(pixel - middle)[:, off])
        separation[off] = pixels * scale[off]
    return SourcePixels(x, y, separation, on_image)


def choose(
    candidates: Sequence[MeasuredCandidate],
    decision: Decision | None = None,
    *,
    near_arcsec: float = 15.0,
) -> Choice:
    """Choose among the usable candidates of one source.

    A single candidate is taken. Of several, the nearest is the one with the smallest separation
    (ties: by field name), and

    1. if no candidate has any NaN, it is the nearest;
    2. if the nearest also has the least NaN, it is the nearest;
    3. if every separation is below `near_arcsec`, it is the one with the least NaN;
    4. otherwise the decision decides; without one it is the nearest, flagged undecided.

    Parameters
    ----------
    candidates : sequence of MeasuredCandidate
        At least one.
    decision : Decision, optional
        The decision of a person on this source; it applies in every case.
    near_arcsec : float

    Raises
    ------
    DecisionError
        The decision names a field that none of the candidates has.
    """
    if len(candidates) == 1 and decision is None:
        return _ONLY
    # The case is determined even if a decision overrides the rules: the manifest reports both.
    nearest = min(range(len(candidates)), key=lambda i: _nearness(candidates[i]))
    case = _case(candidates, nearest, near_arcsec)
    if decision is not None and decision.verdict == "accept":
        index = _index_of_field(candidates, decision)
        return Choice(index, case, decided_by=decision.by or DECISIONS_NAME)
    if case == 3:
        least_nan = min(
            range(len(candidates)),
            key=lambda i: (candidates[i].percent_nan, *_nearness(candidates[i])),
        )
        return Choice(least_nan, case)
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


def _index_of_field(candidates: Sequence[MeasuredCandidate], decision: Decision) -> int:
    for index, candidate in enumerate(candidates):
        if candidate.field == decision.field:
            return index
    fields = ", ".join(candidate.field for candidate in candidates)
    raise DecisionError(
        f"apply decisions.csv to {decision.source}: field {decision.field!r} has no usable image "
        f"of it; usable: {fields}. Correct the row or remove it"
    )
