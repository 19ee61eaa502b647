"""What is shown of one candidate: its pictures, what is drawn over them, its pixels."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mingolotss.candidates.selection import source_pixels
from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.png import encode_png
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline.stamp_windows import noise_of
from mingolotss.pipeline.stamps import preview
from mingolotss.qa.report import cutout_view
from mingolotss.qa.report.build_view import Offer
from mingolotss.qa.report.stamp_store import coloured
from mingolotss.qa.review.state import View

__all__ = ["Look", "Looks"]

_WIDEST = 1200  # pixels of a picture on a side


@dataclass(frozen=True)
class Look:
    """One candidate as the page shows it.

    Attributes
    ----------
    offer : Offer
    missing : str
        Why there are no pixels, "" if there are.
    overlay : Overlay or None
    scales : dict
        For each picture, the brightness at the ends of its colours, Jy/beam.
    grid : str
        JSON of the sky over the picture, for the pointer.
    header : str
    """

    offer: Offer
    missing: str = ""
    overlay: cutout_view.Overlay | None = None
    scales: dict[str, tuple[float, float]] | None = None
    grid: str = ""
    header: str = ""
    has_rms: bool = False


class Looks:
    """Makes what is shown of candidates from their cutouts."""

    def look(self, view: View, row: int, offer: Offer) -> Look:
        """Return one candidate, or why it cannot be shown."""
        contents, source = view.contents, view.contents.source(row)
        try:
            cutout = view.cutouts.get(source, offer.candidate)
            drawn = cutout_view.overlay(cutout, source, contents.recipe)
        except (ImageError, ServiceError) as error:
            return Look(offer, missing=str(error))
        noise = cutout_view.noise_level(cutout, contents.recipe)
        scales = {
            kind: cutout_view.stretch(cutout.image, kind, noise)[1:]
            for kind in cutout_view.STRETCHES
        }
        rms = noise_of(cutout, contents.recipe.noise)
        seen = rms[np.isfinite(rms)]
        scales["rms"] = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
        grid = json.dumps(cutout_view.sky_grid(cutout))
        has_rms = cutout.rms is not None
        return Look(offer, "", drawn, scales, grid, cutout.wcs.header, has_rms)

    def picture(self, view: View, row: int, candidate: Candidate, kind: str) -> bytes | None:
        """Return one picture of a candidate, or its pixels; None for a kind that is not known."""
        made: dict[str, Callable[[Cutout], bytes]] = {
            "rms.png": lambda cutout: _rms(cutout, view),
            "stamp.png": lambda cutout: _stamp(cutout, view, row),
            "pixels": _pixels,
        }
        stretches = {f"{name}.png": name for name in cutout_view.STRETCHES}
        if kind not in made and kind not in stretches:
            return None
        cutout = view.cutouts.get(view.contents.source(row), candidate)
        return made[kind](cutout) if kind in made else _image(cutout, view, stretches[kind])


def _image(cutout: Cutout, view: View, kind: str) -> bytes:
    noise = cutout_view.noise_level(cutout, view.contents.recipe)
    shown = cutout_view.stretch(cutout.image[:: _step(cutout), :: _step(cutout)], kind, noise)[0]
    return cutout_view.colour_png(shown)


def _rms(cutout: Cutout, view: View) -> bytes:
    rms = noise_of(cutout, view.contents.recipe.noise)
    data = np.broadcast_to(rms, cutout.image.shape)[:: _step(cutout), :: _step(cutout)]
    seen = np.isfinite(data)
    low, high = (float(data[seen].min()), float(data[seen].max())) if seen.any() else (0.0, 0.0)
    span = high - low or 1.0
    level = np.where(seen, 1 + np.nan_to_num((data - low) / span) * 254, 0)
    return cutout_view.colour_png(level.astype(np.uint8), "viridis")


def _stamp(cutout: Cutout, view: View, row: int) -> bytes:
    source, recipe = view.contents.source(row), view.contents.recipe
    place = source_pixels([cutout], np.array([source.ra]), np.array([source.dec]))[0]
    stamp = preview(cutout, place, recipe)
    if recipe.stamp.kind == "uint8":
        return coloured(encode_png(stamp.astype(np.uint8, copy=False)))
    flux = np.nan_to_num(stamp.astype(np.float32, copy=False))
    top = float(stamp.max()) or 1.0
    return coloured(encode_png((np.clip(flux / top, 0, 1) * 255).astype(np.uint8)))


def _pixels(cutout: Cutout) -> bytes:
    """Return nx, ny, whether there is an rms map; then image and rms map, float32, row 0 first."""
    ny, nx = cutout.image.shape
    parts = [struct.pack("<III", nx, ny, cutout.rms is not None)]
    parts += [
        np.ascontiguousarray(plane, "<f4").tobytes()
        for plane in (cutout.image, cutout.rms)
        if plane is not None
    ]
    return b"".join(parts)


def _step(cutout: Cutout) -> int:
    return max(1, math.ceil(int(max(cutout.image.shape)) / _WIDEST))
