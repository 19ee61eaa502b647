"""The cutouts of recentred sources as the build read them, for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mingolotss.errors import ImageError, ServiceError
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.colours import as_webp, contrast_of, finite_range, stretch
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.qa.report.cutout_view import Overlay, noise_level, overlay
from mingolotss.qa.report.formatting import data_url

__all__ = ["BeforeRecentring", "draw_before_recentring"]

_MAX_SIDE = 320  # pixels of a picture


@dataclass(frozen=True)
class BeforeRecentring:
    """The cutout of a recentred source.

    Attributes
    ----------
    problem : str
        Why the cutout cannot be shown; "" if it can.
    picture : str
        Address of the picture.
    overlay : Overlay or None
        What to draw over it.
    """

    problem: str = ""
    picture: str = ""
    overlay: Overlay | None = None


def draw_before_recentring(build: BuildView, rows: Sequence[int]) -> list[BeforeRecentring]:
    """Draw the cutouts of recentred sources, two at a time."""
    cutouts = CutoutCache(build)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda row: _draw(build, cutouts, row), rows))


def _draw(build: BuildView, cutouts: CutoutCache, row: int) -> BeforeRecentring:
    source, field = build.source(row), build.record(row)["field"]
    candidates = [entry.candidate for entry in build.candidate_rows(row)]
    candidate = next((image for image in candidates if image.field == field), None)
    if candidate is None:
        return BeforeRecentring("candidates.parquet does not list its image.")
    try:
        cutout = cutouts.get(source, candidate)
        lines = overlay(cutout, source, build.reference_recipe, contour=False)
    except (ImageError, ServiceError) as error:
        return BeforeRecentring(str(error))
    step = max(1, math.ceil(max(cutout.image.shape) / _MAX_SIDE))
    contrast = contrast_of(
        noise_level(cutout, build.reference_recipe), finite_range(cutout.image)[1]
    )
    indices = stretch(cutout.image[::step, ::step], "asinh", contrast)
    return BeforeRecentring("", data_url("webp", as_webp(indices)), lines)
