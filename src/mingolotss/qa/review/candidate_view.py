"""The candidates of one source on its page: pictures, lines over them, pixels, and a common scale.

All candidates of a source are shown at one scale: the same width on the sky with the source in the
middle, and the same brightness at the ends of the colours.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.candidates.selection import source_pixel
from mingolotss.candidates.status import CandidateStatus
from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.png import encode_png
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.pipeline.stamp_geometry import StampPlace
from mingolotss.pipeline.stamp_windows import noise_of
from mingolotss.pipeline.stamps import stamp_of_cutout
from mingolotss.qa.report.build_view import CandidateRow
from mingolotss.qa.report.colours import (
    STRETCHES,
    Contrast,
    as_png,
    coloured,
    contrast_of,
    finite_range,
    scale_linearly,
    stretch,
)
from mingolotss.qa.report.cutout_view import Overlay, noise_level, overlay, sky_grid
from mingolotss.qa.review.brightness import Brightness, brightness_of
from mingolotss.qa.review.state import Snapshot
from mingolotss.recipe.model import Recipe
from mingolotss.sky.header_facts import header_facts

__all__ = [
    "CandidateView",
    "Scale",
    "SourceView",
    "candidate_picture",
    "view_source",
]

_MAX_SIDE = 1200  # pixels of a picture


@dataclass(frozen=True)
class CandidateView:
    """One candidate as the page shows it.

    Attributes
    ----------
    row : CandidateRow
    index : int
        Its place among all candidates of the source, as in the addresses of its pictures.
    problem : str
        Why there are no pixels; "" if there are.
    overlay : Overlay or None
    noise, peak : float, Jy/beam
        Median noise, and the brightest pixel where the stamp is; 0 and NaN if not known.
    noise_range : (float, float), Jy/beam
        The smallest and the largest noise.
    grid : str
        JSON of the sky coordinates over the picture, for the pointer.
    header : str
        The FITS header.
    unit : str or None
        Of the pixels, by the header.
    has_rms : bool
        Whether the image has an rms map; otherwise the noise is estimated.
    """

    row: CandidateRow
    index: int
    problem: str = ""
    overlay: Overlay | None = None
    noise: float = 0.0
    peak: float = math.nan
    noise_range: tuple[float, float] = (0.0, 0.0)
    grid: str = ""
    header: str = ""
    unit: str | None = None
    has_rms: bool = False


@dataclass(frozen=True)
class Scale:
    """The scale that all candidates of a source are shown at.

    Attributes
    ----------
    arcsec, stamp_arcsec : float
        The width of the pictures and of the stamps, the source in the middle.
    contrast, noise_contrast : Contrast
        Of the pictures of the image, and of those of the noise.
    brightness : Brightness
        The unit in which the page gives both.
    """

    arcsec: float
    stamp_arcsec: float
    contrast: Contrast
    noise_contrast: Contrast
    brightness: Brightness


@dataclass(frozen=True)
class SourceView:
    """All candidates of a source, and their scale; without pixels there is none."""

    candidates: Sequence[CandidateView]
    scale: Scale | None


def view_source(snapshot: Snapshot, row: int, *, only_chosen: bool = False) -> SourceView:
    """Return the candidates of the source in `row` as its page shows them.

    Parameters
    ----------
    snapshot : Snapshot
    row : int
    only_chosen : bool
        Whether to leave out those that the stamp in the dataset was not made from.
    """
    views = [
        _view_candidate(snapshot, row, index, candidate)
        for index, candidate in enumerate(snapshot.build.candidate_rows(row))
        if not only_chosen or candidate.status is CandidateStatus.CHOSEN
    ]
    return SourceView(views, _scale([view for view in views if view.overlay is not None]))


def _view_candidate(
    snapshot: Snapshot, row: int, index: int, candidate: CandidateRow
) -> CandidateView:
    """Return one candidate, or why it cannot be shown."""
    build, source = snapshot.build, snapshot.build.source(row)
    try:
        cutout = snapshot.cutouts.get(source, candidate.candidate)
        lines = overlay(cutout, source, build.reference_recipe, place=build.stamp_place(row))
        noise = noise_of(cutout, build.reference_recipe.noise)
    except (ImageError, ServiceError) as error:
        return CandidateView(candidate, index, problem=str(error))
    return CandidateView(
        candidate,
        index,
        overlay=lines,
        noise=noise_level(cutout, build.reference_recipe),
        peak=_peak(cutout, lines),
        noise_range=finite_range(noise),
        grid=_json(sky_grid(cutout)),
        header=cutout.wcs.header,
        unit=header_facts(cutout.wcs).unit,
        has_rms=cutout.rms is not None,
    )


def _json(grid: list[list[list[float]]]) -> str:
    """Return JSON, which has no NaN: positions off the projection are null."""
    return json.dumps(
        [[vector if math.isfinite(vector[0]) else None for vector in row] for row in grid]
    )


def _peak(cutout: Cutout, lines: Overlay) -> float:
    """Return the brightest pixel where the stamp is, or NaN."""
    # The whole cutout often has a brighter neighbour, beside which the source would be dark.
    x, y, side = (int(value) for value in lines.box)
    rows = slice(max(0, lines.ny - y - side), max(0, lines.ny - y))
    inside = cutout.image[rows, max(0, x) : max(0, x + side)]
    return finite_range(inside)[1] if np.isfinite(inside).any() else math.nan


def _scale(views: Sequence[CandidateView]) -> Scale | None:
    """Return the scale at which candidates can be compared."""
    overlays = [view.overlay for view in views if view.overlay is not None]
    if not overlays:
        return None
    stamps = max(_reach(lines) * lines.pixel_arcsec for lines in overlays)
    cutouts = min(max(lines.nx, lines.ny) * lines.pixel_arcsec for lines in overlays)
    noises = [view.noise for view in views if view.noise > 0]
    peaks = [view.peak for view in views if math.isfinite(view.peak)]
    low, high = zip(*(view.noise_range for view in views), strict=True)
    return Scale(
        arcsec=max(*(lines.outline_width * lines.pixel_arcsec for lines in overlays), cutouts),
        stamp_arcsec=stamps,
        # With the least noise, every candidate shows its own.
        contrast=contrast_of(min(noises, default=0.0), max(peaks, default=math.nan)),
        noise_contrast=_noise_contrast(min(low), max(high)),
        brightness=brightness_of(view.unit for view in views),
    )


def _noise_contrast(low: float, high: float) -> Contrast:
    """Return the contrast of maps of the noise; constant maps have the middle colour."""
    if high - low <= 1e-3 * abs(high):
        low, high = sorted((0.0, 2 * high or 1.0))
    return Contrast(1.0, low, high)


def _reach(lines: Overlay) -> float:
    """Return the width in pixels of a square around the source that contains the stamp."""
    x, y, side = lines.box
    return 2 * max(lines.x - x, x + side - lines.x, lines.y - y, y + side - lines.y)


def candidate_picture(
    snapshot: Snapshot, row: int, candidate: Candidate, kind: str, contrast: Contrast | None
) -> bytes | None:
    """Return one picture of a candidate, or its pixels.

    Parameters
    ----------
    snapshot : Snapshot
    row : int
        The row of the source.
    candidate : Candidate
    kind : str
        ``linear.png``, ``asinh.png``, ``log.png``, ``rms.png``, ``stamp.png`` or ``pixels``.
    contrast : Contrast or None
        Not used by ``stamp.png`` and ``pixels``.

    Returns
    -------
    bytes or None
        None for an unknown kind, and for a picture without its contrast.
    """
    source, recipe = snapshot.build.source(row), snapshot.build.reference_recipe
    name = kind.removesuffix(".png")
    if kind == "pixels":
        return _pixels(snapshot.cutouts.get(source, candidate))
    if kind == "stamp.png":
        place = snapshot.build.stamp_place(row)
        return _stamp(snapshot.cutouts.get(source, candidate), source, recipe, place)
    if kind == name or name not in {*STRETCHES, "rms"} or contrast is None:
        return None
    cutout = snapshot.cutouts.get(source, candidate)
    step = max(1, math.ceil(int(max(cutout.image.shape)) / _MAX_SIDE))
    if name == "rms":
        noise = np.broadcast_to(noise_of(cutout, recipe.noise), cutout.image.shape)
        shown = noise[::step, ::step]
        return as_png(scale_linearly(shown, contrast.low, contrast.high), "viridis")
    return as_png(stretch(cutout.image[::step, ::step], name, contrast))


def _stamp(cutout: Cutout, source: Source, recipe: Recipe, place: StampPlace) -> bytes:
    """Return the stamp that this candidate would give."""
    recipe = recipe.without_mask_steps()  # the mask is of the stamp of the chosen image alone
    stamp = stamp_of_cutout(cutout, source_pixel(cutout, source.ra, source.dec), recipe, place)
    if recipe.stamp.kind == "uint8":
        return coloured(encode_png(stamp.astype(np.uint8, copy=False)))
    flux = np.nan_to_num(stamp.astype(np.float32, copy=False))
    top = float(stamp.max()) or 1.0
    return coloured(encode_png((np.clip(flux / top, 0, 1) * 255).astype(np.uint8)))


def _pixels(cutout: Cutout) -> bytes:
    """Return nx, ny, has_rms as uint32, then image and rms map as float32, FITS row 0 first."""
    ny, nx = cutout.image.shape
    planes = [plane for plane in (cutout.image, cutout.rms) if plane is not None]
    header = struct.pack("<III", nx, ny, cutout.rms is not None)
    return header + b"".join(np.ascontiguousarray(plane, "<f4").tobytes() for plane in planes)
