"""The sky map of the report: where the sources with a stamp are, and the rejected ones.

The projection is equal-area and follows the sources: zenithal (ZEA) around their centre, so that
neither right ascension 0 nor a pole is an edge, or Mollweide (MOL) if they are all over the sky
(Calabretta & Greisen 2002, A&A 395, 1077). astropy draws the graticule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.visualization.wcsaxes import WCSAxes
from astropy.visualization.wcsaxes.frame import EllipticalFrame
from astropy.wcs import WCS
from matplotlib.figure import Figure

from mingolotss.model import Bools, Floats
from mingolotss.qa.report.plotting import (
    FILL,
    INK,
    MARK,
    MAX_POINTS,
    PALE,
    SOFT,
    cell_colours,
    count_in_cells,
    draw_points,
    empty_figure,
)
from mingolotss.sky.angles import unit_vectors

__all__ = ["SkyMap", "draw_sky"]

_CELLS = 60  # along the longer side, where there are too many sources for points
_PIXEL_DEG = 0.01  # the unit of the map's coordinates
_WIDEST_DEG = 100.0  # distance from the centre, in the zenithal projection
_NARROWEST = 20.0  # side of a map, also of a single source, pixels
_MOLLWEIDE = np.degrees(2 * np.sqrt(2)) / _PIXEL_DEG  # half of its width, pixels
_SPACINGS_DEG = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 60)
_LINES = 5  # of the graticule, about, across the map


@dataclass(frozen=True, slots=True)
class SkyMap:
    """A map of sources.

    Attributes
    ----------
    figure : Figure
    cell_deg2 : float
        Area of the cells in which sources are counted; 0 where each source is drawn.
    most : int
        Number of stamps in the cell with the most.
    """

    figure: Figure
    cell_deg2: float
    most: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A projection and the part of it that is drawn, x0, x1, y0, y1 in pixels."""

    wcs: WCS
    box: tuple[float, float, float, float]
    centre_dec: float
    has_pole: bool
    is_whole_sky: bool

    @property
    def height_inches(self) -> float:
        """The height of a figure that the map fills, with its labels."""
        x0, x1, y0, y1 = self.box
        return min(1.1 + 3.9 * (y1 - y0) / (x1 - x0), 3.8)


def draw_sky(ra: Floats, dec: Floats, rejected: Bools) -> SkyMap:
    """Draw a map of sources.

    Parameters
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
        Finite; n > 0.
    rejected : bool array, shape (n,)
    """
    frame = _frame_around(ra, dec)
    figure = empty_figure(2.9 if frame.is_whole_sky else frame.height_inches)
    shape = {"frame_class": EllipticalFrame} if frame.is_whole_sky else {}
    axes: WCSAxes = figure.add_subplot(projection=frame.wcs, facecolor="none", **shape)
    x, y = frame.wcs.all_world2pix(ra, dec, 0)
    most, side = 0, 0.0
    if len(ra) <= MAX_POINTS:
        draw_points(axes, x[~rejected], y[~rejected])
        axes.plot(x[rejected], y[rejected], "x", color=MARK, markersize=4.5, markeredgewidth=1.2)
    else:
        most, side = _draw_cells(axes, x, y, rejected, frame)
    _draw_graticule(axes, frame)
    x0, x1, y0, y1 = frame.box
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, y1)
    axes.set_aspect("equal")
    number = int(rejected.sum())
    written_mark, rejected_mark = ("blue", "orange") if side else ("dots", "crosses")
    for line, colour, text in (
        (28, FILL, f"{written_mark}: {len(ra) - number:,} with a stamp"),
        (17, MARK, f"{rejected_mark}: {number:,} rejected"),
    ):
        axes.annotate(
            text, (0, 1), (0, line), xycoords="axes fraction", textcoords="offset points",
            color=colour, fontsize=8, annotation_clip=False,
        )  # fmt: skip
    return SkyMap(figure, (side * _PIXEL_DEG) ** 2, most)


def _frame_around(ra: Floats, dec: Floats) -> _Frame:
    """Return the projection for sources, centred on them."""
    vectors = unit_vectors(ra, dec)
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    centre = mean / length if length > 1e-3 else np.array([-1.0, 0.0, 0.0])
    centre_ra = float(np.degrees(np.arctan2(centre[1], centre[0])) % 360)
    centre_dec = float(np.degrees(np.arcsin(np.clip(centre[2], -1, 1))))
    farthest = float(np.degrees(np.arccos(np.clip((vectors @ centre).min(), -1, 1))))
    if farthest > _WIDEST_DEG:
        half = _MOLLWEIDE * 1.001
        return _Frame(
            _wcs("MOL", round(centre_ra), 0.0), (-half, half, -half / 2, half / 2), 0.0,
            has_pole=False, is_whole_sky=True,
        )  # fmt: skip
    wcs = _wcs("ZEA", centre_ra, centre_dec)
    x, y = wcs.all_world2pix(ra, dec, 0)
    x0, x1 = _padded(x)
    y0, y1 = _padded(y)
    # A strip of sky would make a map too low or too narrow for its labels.
    width, height = max(x1 - x0, (y1 - y0) * 0.8), max(y1 - y0, (x1 - x0) * 0.5)
    x0, x1 = (x0 + x1 - width) / 2, (x0 + x1 + width) / 2
    y0, y1 = (y0 + y1 - height) / 2, (y0 + y1 + height) / 2
    pole = wcs.all_world2pix([0.0], [90.0 if centre_dec > 0 else -90.0], 0)
    has_pole = x0 < float(pole[0][0]) < x1 and y0 < float(pole[1][0]) < y1
    return _Frame(wcs, (x0, x1, y0, y1), centre_dec, has_pole=has_pole, is_whole_sky=False)


def _wcs(projection: str, ra: float, dec: float) -> WCS:
    """Return a WCS whose reference pixel is (0, 0), counted from 0."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = f"RA---{projection}", f"DEC--{projection}"
    wcs.wcs.crval = ra, dec
    wcs.wcs.cdelt = -_PIXEL_DEG, _PIXEL_DEG
    wcs.wcs.crpix = 1.0, 1.0
    wcs.wcs.radesys = "ICRS"
    return wcs


def _padded(values: Floats) -> tuple[float, float]:
    """Return the ends of an axis around values."""
    low, high = float(values.min()), float(values.max())
    half = max((high - low) * 0.54, _NARROWEST / 2)
    return (low + high) / 2 - half, (low + high) / 2 + half


def _draw_cells(
    axes: WCSAxes, x: Floats, y: Floats, rejected: Bools, frame: _Frame
) -> tuple[int, float]:
    """Draw the number of sources in each cell; return the largest of stamps, and the cell's side.

    Rejected sources fill a cell without stamps, and the middle of a cell with stamps.
    """
    written, side = count_in_cells(x[~rejected], y[~rejected], frame.box, _CELLS)
    others, _ = count_in_cells(x[rejected], y[rejected], frame.box, _CELLS)
    picture = np.repeat(np.repeat(cell_colours(written, FILL), 3, axis=0), 3, axis=1)
    marks = cell_colours(others, MARK)
    only = np.repeat(np.repeat((written == 0) & (others > 0), 3, axis=0), 3, axis=1)
    picture[only] = np.repeat(np.repeat(marks, 3, axis=0), 3, axis=1)[only]
    middle = picture[1::3, 1::3]
    middle[others > 0] = marks[others > 0]
    x0, _, y0, _ = frame.box
    ny, nx = written.shape
    axes.imshow(
        picture, extent=(x0, x0 + nx * side, y0, y0 + ny * side), origin="lower",
        interpolation="nearest",
    )  # fmt: skip
    return int(written.max()), side


def _draw_graticule(axes: WCSAxes, frame: _Frame) -> None:
    """Draw lines of right ascension and declination with their values in degrees."""
    lon, lat = axes.coords
    x0, x1, y0, y1 = frame.box
    spacing = _spacing((y1 - y0) * _PIXEL_DEG / _LINES)
    shrink = max(float(np.cos(np.radians(frame.centre_dec))), 0.1)
    ra_spacing = 45 if frame.has_pole else _spacing((x1 - x0) * _PIXEL_DEG / shrink / _LINES)
    for axis, step, name in (
        (lon, ra_spacing, "right ascension (deg, ICRS)"),
        (lat, spacing, "declination (deg, ICRS)"),
    ):
        axis.set_ticks(spacing=step * u.deg)
        axis.set_format_unit(u.deg, decimal=True)
        axis.set_ticklabel(size=8, color=INK, exclude_overlapping=not frame.is_whole_sky)
        axis.set_ticks_visible(False)
        axis.set_axislabel(name, color=INK)
        axis.grid(color=PALE, linewidth=0.5)
    axes.coords.frame.set_color(SOFT)
    axes.coords.frame.set_linewidth(0.8)
    if frame.is_whole_sky:
        lon.set_axislabel("")
        lat.set_axislabel("")
        for dec in (-60, -30, 30, 60):
            x, y = frame.wcs.all_world2pix(frame.wcs.wcs.crval[0] + 179.99, dec, 0)
            axes.annotate(
                f"{dec}°", (float(x), float(y)), (-3, 0), textcoords="offset points", fontsize=8,
                color=INK, ha="right", va="center", annotation_clip=False,
            )  # fmt: skip
        axes.annotate(
            "right ascension and declination (deg, ICRS)", (0.5, 0), (0, -8), ha="center", va="top",
            xycoords="axes fraction", textcoords="offset points", annotation_clip=False,
        )  # fmt: skip
        return
    lon.set_axislabel_position("b")
    lat.set_axislabel_position("l")
    lon.set_ticklabel_position("b")
    lat.set_ticklabel_position("l")
    if frame.has_pole:
        # Lines of right ascension leave the map on all sides, and circles of declination may not.
        lon.set_ticklabel_position("lbrt")
        lat.set_ticklabel_visible(False)
        lat.set_axislabel("")
        _name_circles(axes, frame, spacing)


def _name_circles(axes: WCSAxes, frame: _Frame, spacing: float) -> None:
    """Write the declination on each circle around a pole."""
    sign = 1 if frame.centre_dec > 0 else -1
    x0, x1, y0, y1 = frame.box
    for step in range(1, int(180 / spacing)):
        dec = sign * (90 - step * spacing)
        x, y = (float(value) for value in frame.wcs.all_world2pix(22.5, dec, 0))
        if x0 < x < x1 and y0 < y < y1:
            axes.text(x, y, f"{dec:g}°", fontsize=7, color=INK, ha="center", va="center")


def _spacing(least: float) -> float:
    return next((step for step in _SPACINGS_DEG if step >= least), _SPACINGS_DEG[-1])
