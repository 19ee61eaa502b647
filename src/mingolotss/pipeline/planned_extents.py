"""How large the stamps of a build will be on the sky, before any pixel is read.

It is the size of the stamp in pixels times the size of a pixel, which the recipe states, a column
of the catalogue, the headers of the images, or the service. Where none is known yet, for images
that have not been downloaded, the stamp counts as large as the cutout that is asked for, which is
an upper bound in all usual recipes.
"""

from __future__ import annotations

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.stamp_extents import stamp_extent
from mingolotss.model import Floats
from mingolotss.pipeline.stamp_geometry import stamp_geometry
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService, ScaleService, survey_facts

__all__ = ["image_scales", "planned_extents"]

_MAX_HEADERS = 2000  # of cutouts in a folder: two seconds


def planned_extents(
    recipe: Recipe, catalogue: Catalogue, candidates: CandidateTable, service: ImageService
) -> Floats:
    """Return the side or the diameter of the stamp of each source.

    Parameters
    ----------
    recipe : Recipe
    catalogue : Catalogue
    candidates : CandidateTable
        The images of each source; of several, the largest pixels count.
    service : ImageService
        Where the images come from.

    Returns
    -------
    float64 array, shape (n,), arcsec
        NaN for a source that gets no stamp.
    """
    pixels, bound = stamp_extent(recipe).pixels, recipe.reference_recipe.images.size_arcmin * 60
    if recipe.stamp.pixel_arcsec:
        return np.full(len(candidates), pixels * recipe.stamp.pixel_arcsec)
    if recipe.stamp.size:
        extents: Floats = pixels * stamp_geometry(recipe, catalogue).pixel_scale_arcsec
        return extents
    extents = pixels * _largest_scales(candidates, image_scales(candidates, service))
    return np.where(np.isfinite(extents), extents, bound)


def image_scales(candidates: CandidateTable, service: ImageService) -> Floats:
    """Return the pixel scale of every image, arcsec; NaN where it is not known."""
    # A folder has a file for every source. Of many, as many are read as are spread over all of
    # them, and the largest of their pixels count for the others: cutouts of one size, as a rule.
    count = len(candidates.images)
    stated = survey_facts(service).pixel_scale_arcsec
    if not isinstance(service, ScaleService) or not count:
        return np.full(count, stated)
    indices = np.unique(np.linspace(0, count - 1, min(count, _MAX_HEADERS)).astype(int))
    addresses = [candidates.images[index][1] for index in indices.tolist()]
    known = np.array(service.pixel_scales_arcsec(addresses), float)
    largest = np.fmax.reduce(known, initial=np.nan)
    scales = np.full(count, largest if np.isnan(stated) else stated)
    scales[indices] = np.where(np.isfinite(known), known, stated)
    return scales


def _largest_scales(candidates: CandidateTable, scales: Floats) -> Floats:
    """Return the largest pixel scale of each source's images; of one without, of all images."""
    # `reduceat` needs a first entry for each source, so those without images are left out.
    largest = np.full(len(candidates), np.fmax.reduce(scales, initial=np.nan))
    has_image = candidates.counts > 0
    starts = candidates.starts[:-1][has_image]
    if starts.size:
        largest[has_image] = np.fmax.reduceat(scales[candidates.image_index], starts)
    return largest
