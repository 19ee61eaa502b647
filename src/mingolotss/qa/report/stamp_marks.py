"""What is drawn over the picture of a stamp: a scale bar, the beam and the directions of the sky.

The beam is that of the stamp, after any convolution, and drawn where it is known. North and east
are drawn where north is not up or east is not left.

Everything is in units of `UNITS` to the side of a stamp, whatever its number of pixels, since
browsers draw no letters that are smaller than a unit. Most stamps of a build have the same marks,
so the page has them once and refers to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mingolotss.errors import NoWCSError
from mingolotss.qa.manifest_row import ManifestRow, stamp_beam
from mingolotss.qa.report.scale_bars import longest_bar
from mingolotss.sky.angles import offset_position
from mingolotss.sky.wcs import SkyWCS

__all__ = ["UNITS", "Compass", "MarkTable", "StampMarks", "compass_of", "scale_bar"]

UNITS = 150
"""The side of a stamp in the units of its marks."""

_LARGEST_BEAM = 0.5  # of the stamp; a larger one is not drawn
_STEP_ARCSEC = 10
_ROUND = 1.02  # ratio of the axes of a beam that needs no angle
_TURNED = 5.0  # deg from the usual orientation; a stamp that is turned by more has a compass


class Compass(NamedTuple):
    """The directions of north and east in a picture, clockwise from the x axis, deg."""

    north: float
    east: float


@dataclass(frozen=True, slots=True)
class StampMarks:
    """The marks of one stamp.

    Attributes
    ----------
    bar : float
        Length of the scale bar; 0 for none, in a plane beside one that has it.
    label : str
        Its length in arcsec.
    beam : tuple of float, or None
        Semi-axes of the beam's ellipse, and the angle of the first, clockwise from the x axis
        (deg). None if it is not known.
    compass : Compass or None
        None if north is up and east is left.
    """

    bar: float
    label: str
    beam: tuple[float, float, float] | None
    compass: Compass | None = None


class MarkTable:
    """The different marks of the stamps in a page.

    Parameters
    ----------
    records : sequence of ManifestRow
        The stamps.
    side : int, px
    """

    def __init__(self, records: Sequence[ManifestRow], side: int) -> None:
        self._side = side
        self._numbers: dict[StampMarks, int] = {}
        self._of_row: dict[tuple[int, int | None], int] = {}
        for record in records:
            if (marks := _marks(record, side)) is not None:
                self._add(record["row"], None, marks)

    def add_plane(
        self, record: ManifestRow, plane: int, beam: tuple[float, float, float], *, is_first: bool
    ) -> None:
        """Add one plane of a stamp, which has its own beam; only the first has the other marks.

        Parameters
        ----------
        record : ManifestRow
        plane : int
        beam : tuple of float
            Major axis, minor axis (FWHM, arcsec) and angle (deg); NaN is not known.
        is_first : bool
            Whether it is the first in the page.
        """
        marks = _marks(record, self._side)
        if marks is None:
            return
        scale = record["pixel_scale_arcsec"] * self._side / UNITS
        ellipse = _ellipse(beam, record, scale)
        marks = replace(marks, beam=ellipse) if is_first else StampMarks(0.0, "", ellipse)
        if is_first or ellipse is not None:
            self._add(record["row"], plane, marks)

    def _add(self, row: int, plane: int | None, marks: StampMarks) -> None:
        self._of_row[row, plane] = self._numbers.setdefault(marks, len(self._numbers))

    @property
    def all(self) -> list[StampMarks]:
        """The marks, by number."""
        return list(self._numbers)

    def number(self, row: int, plane: int | None = None) -> int | None:
        """Return the number of the marks of a row or of one of its planes, None if it has none."""
        return self._of_row.get((row, plane))


def scale_bar(pixel_arcsec: float, side: int) -> tuple[float, str] | None:
    """Return length in pixels and label of a bar that a stamp has room for.

    >>> scale_bar(1.5, 150)
    (20.0, '30″')
    """
    if not (math.isfinite(pixel_arcsec) and pixel_arcsec > 0):
        return None
    length = longest_bar(side * pixel_arcsec)
    return None if length is None else (length / pixel_arcsec, f"{length:g}″")


def _marks(record: ManifestRow, side: int) -> StampMarks | None:
    scale = record["pixel_scale_arcsec"]
    bar = scale_bar(scale, side) if scale is not None else None
    if bar is None:
        return None
    beam = _ellipse(stamp_beam(record), record, scale * side / UNITS)
    return StampMarks(round(bar[0] * UNITS / side, 2), bar[1], beam, compass_of(record))


def _ellipse(
    beam: tuple[float, float, float], record: ManifestRow, scale: float
) -> tuple[float, float, float] | None:
    """Return the ellipse of the beam where a unit is `scale` arcsec; None if it is not known."""
    major, minor, pa = beam
    if not 0 < minor <= major <= _LARGEST_BEAM * UNITS * scale:
        return None
    axes = round(major / 2 / scale, 2), round(minor / 2 / scale, 2)
    if major <= _ROUND * minor:
        return *axes, 0.0
    angle = _direction(record, pa) if math.isfinite(pa) else None
    return None if angle is None else (*axes, float(round(angle)))


def compass_of(record: ManifestRow) -> Compass | None:
    """Return the directions of the sky in a stamp that is turned or mirrored, to a degree.

    None if it has the usual orientation, or if its orientation is not known.
    """
    north, east = _direction(record, 0.0), _direction(record, 90.0)
    if north is None or east is None:
        return None
    is_usual = all(
        abs((angle - usual + 180) % 360 - 180) <= _TURNED
        for angle, usual in ((north, -90.0), (east, 180.0))
    )
    return None if is_usual else Compass(float(round(north)), float(round(east)))


def _direction(record: ManifestRow, pa: float) -> float | None:
    """Return the direction of a position angle in the picture, clockwise from the x axis, deg.

    It is that to a point near the source, by the WCS of the stamp, so it holds for every rotation,
    and for images with east to the right.
    """
    if not record["wcs"]:
        return None
    cards = [
        *record["wcs"].splitlines(),
        *(f"{name.upper():8}= {record[name]!r:>20}" for name in ("crpix1", "crpix2")),
    ]
    header = b"".join(card.encode("ascii", "replace")[:80].ljust(80) for card in cards)
    try:
        wcs = SkyWCS.from_header(header)
    except NoWCSError:
        return None
    ra, dec = record["ra"], record["dec"]
    near_ra, near_dec = offset_position(ra, dec, pa, _STEP_ARCSEC)
    (x0, x1), (y0, y1) = wcs.to_pixel([ra, near_ra], [dec, near_dec])
    angle = math.degrees(math.atan2(-(y1 - y0), x1 - x0))
    return angle if math.isfinite(angle) else None
