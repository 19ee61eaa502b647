"""What a recipe demands of the images, compared with what a service has, before pixels are read.

A recipe that no image of a service can satisfy is refused when it is planned, in one line. Where
some images cannot be used, one line says how many, and their sources are rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.errors import ImageError, RecipeError
from mingolotss.model import Floats
from mingolotss.pipeline.planned_extents import image_scales
from mingolotss.pipeline.stamp_windows import averaging_factor
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService, survey_facts

__all__ = ["check_images"]


def check_images(
    recipe: Recipe, candidates: CandidateTable, service: ImageService
) -> tuple[str, ...]:
    """Refuse a recipe that no image can satisfy.

    Parameters
    ----------
    recipe : Recipe
    candidates : CandidateTable
        The images of each source.
    service : ImageService
        Where they come from.

    Returns
    -------
    tuple of str
        A line for each kind of images that cannot be used beside others that can, and one if the
        cutouts that are asked for are smaller than the stamps.

    Raises
    ------
    RecipeError
        None can be used.
    """
    notices: tuple[str, ...] = ()
    if recipe.stamp.pixel_arcsec and not recipe.stamp.resampling:  # others read no headers here
        notices = _check_pixels(recipe, image_scales(candidates, service))
    return notices + _check_size(recipe, survey_facts(service).pixel_scale_arcsec)


def _check_size(recipe: Recipe, scale_arcsec: float) -> tuple[str, ...]:
    """Compare the cutouts that are asked for with the stamps, where the service knows its pixels.

    The cutouts of resampled stamps have the size that these need.
    """
    if not scale_arcsec > 0 or recipe.stamp.resampling:
        return ()
    arcmin = recipe.stamp.pixels * (recipe.stamp.pixel_arcsec or scale_arcsec) / 60
    if recipe.images.size_arcmin >= arcmin * (1 - 1e-9):
        return ()
    line = (
        f"the cutouts of images.size_arcmin = {recipe.images.size_arcmin:g} are smaller than the "
        f"stamps of {recipe.stamp.pixels} pixels, {arcmin:.3g} arcmin with the pixels of this "
        "service: the rest of a stamp has no data; set images.size_arcmin or stamp.pixels"
    )
    return (line,)


def _check_pixels(recipe: Recipe, scales: Floats) -> tuple[str, ...]:
    """Compare the size of a pixel of the stamps with those of the images, arcsec."""
    known = scales[np.isfinite(scales)]
    reasons: Counter[str] = Counter()
    for scale, count in zip(*np.unique(known.round(6), return_counts=True), strict=True):
        try:
            averaging_factor(recipe.stamp, float(scale))
        except ImageError as error:
            reasons[str(error)] += int(count)
    return _refuse_or_note(recipe, reasons, len(known))


def _refuse_or_note(recipe: Recipe, reasons: Counter[str], total: int) -> tuple[str, ...]:
    """Raise an error if all images have a reason; return a line for each reason otherwise."""
    lines: Sequence[tuple[str, int]] = reasons.most_common()
    if lines and sum(reasons.values()) == total:
        more = f" (and {len(lines) - 1} other sizes of pixels)" if len(lines) > 1 else ""
        raise RecipeError(f"make the stamps of the recipe {recipe.name}: {lines[0][0]}{more}")
    return tuple(
        f"{count:,} of {total:,} images cannot be used, and sources on them alone are rejected: "
        f"{reason}"
        for reason, count in lines
    )
