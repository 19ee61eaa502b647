"""One candidate on the page of a source: its pictures, the lines over them, and its pixels."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mingolotss.candidates.selection import source_pixel
from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.png import encode_png
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline.stamp_windows import noise_of
from mingolotss.pipeline.stamps import stamp_of_cutout
from mingolotss.qa.report.build_view import CandidateRow
from mingolotss.qa.report.colours import STRETCHES, as_png, coloured, full_range, stretch
from mingolotss.qa.report.cutout_view import Overlay, noise_level, overlay, sky_grid
from mingolotss.qa.review.state import Snapshot

__all__ = ["CandidateView", "candidate_picture", "view_candidate"]

_MAX_SIDE = 1200  # pixels of a picture


@dataclass(frozen=True)
class CandidateView:
    """One candidate as the page shows it.

    Attributes
    ----------
    row : CandidateRow
    problem : str
        Why there are no pixels; "" if there are.
    overlay : Overlay or None
    scales : dict of str to (float, float)
        For each picture, the brightness at the ends of its colours, Jy/beam.
    grid : str
        JSON of the sky coordinates over the picture, for the pointer.
    header : str
        The FITS header.
    has_rms : bool
        Whether the image has an rms map; otherwise the noise is estimated.
    """

    row: CandidateRow
    problem: str = ""
    overlay: Overlay | None = None
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    grid: str = ""
    header: str = ""
    has_rms: bool = False


def view_candidate(snapshot: Snapshot, row: int, candidate: CandidateRow) -> CandidateView:
    """Return one candidate of the source in `row`, or why it cannot be shown."""
    build, source = snapshot.build, snapshot.build.source(row)
    try:
        cutout = snapshot.cutouts.get(source, candidate.candidate)
        lines = overlay(cutout, source, build.recipe)
    except (ImageError, ServiceError) as error:
        return CandidateView(candidate, problem=str(error))
    noise = noise_level(cutout, build.recipe)
    scales = {kind: stretch(cutout.image, kind, noise)[1:] for kind in STRETCHES}
    scales["rms"] = full_range(noise_of(cutout, build.recipe.noise))[1:]
    return CandidateView(
        candidate,
        overlay=lines,
        scales=scales,
        grid=json.dumps(sky_grid(cutout)),
        header=cutout.wcs.header,
        has_rms=cutout.rms is not None,
    )


def candidate_picture(
    snapshot: Snapshot, row: int, candidate: Candidate, kind: str
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

    Returns
    -------
    bytes or None
        None for an unknown kind.
    """
    pictures: dict[str, Callable[[Cutout], bytes]] = {
        "rms.png": lambda cutout: _rms(cutout, snapshot),
        "stamp.png": lambda cutout: _stamp(cutout, snapshot, row),
        "pixels": _pixels,
    }
    name = kind.removesuffix(".png")
    if kind not in pictures and (kind == name or name not in STRETCHES):
        return None
    cutout = snapshot.cutouts.get(snapshot.build.source(row), candidate)
    return pictures[kind](cutout) if kind in pictures else _image(cutout, snapshot, name)


def _image(cutout: Cutout, snapshot: Snapshot, kind: str) -> bytes:
    noise, step = noise_level(cutout, snapshot.build.recipe), _step(cutout)
    return as_png(stretch(cutout.image[::step, ::step], kind, noise)[0])


def _rms(cutout: Cutout, snapshot: Snapshot) -> bytes:
    noise, step = noise_of(cutout, snapshot.build.recipe.noise), _step(cutout)
    shown = np.broadcast_to(noise, cutout.image.shape)[::step, ::step]
    return as_png(full_range(shown)[0], "viridis")


def _stamp(cutout: Cutout, snapshot: Snapshot, row: int) -> bytes:
    """Return the stamp that this candidate would give."""
    source, recipe = snapshot.build.source(row), snapshot.build.recipe
    pixel = source_pixel(cutout, source.ra, source.dec)
    stamp = stamp_of_cutout(cutout, pixel, recipe)
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


def _step(cutout: Cutout) -> int:
    """Return the step between the pixels that are shown, so that a picture is not too large."""
    return max(1, math.ceil(int(max(cutout.image.shape)) / _MAX_SIDE))
