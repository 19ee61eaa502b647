"""What resampling adds to the beams of a build, before any pixel is read.

The common beam is that of the stamps after resampling, so that the largest beam of all images has
to leave room for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.image.resample import kernel_covariance
from mingolotss.model import Floats
from mingolotss.pipeline.planned_extents import image_scales
from mingolotss.pipeline.stamp_geometry import stamp_geometry
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import ImageService

__all__ = ["Broadening", "planned_broadening"]

_SAME_SCALE = 1e-4  # pixels that differ by less can be on one grid


class Broadening(NamedTuple):
    """The least and the largest variance that resampling adds to a beam on each axis, arcsec^2."""

    least: float = 0.0
    largest: float = 0.0


def planned_broadening(
    catalogue: Catalogue, channels: Sequence[tuple[ImageService, CandidateTable, Recipe]]
) -> list[Broadening]:
    """Return what resampling adds to the beams of each channel, as far as pixel scales say.

    Parameters
    ----------
    catalogue : Catalogue
    channels : sequence of (ImageService, CandidateTable, Recipe)
        The reference first. An image of a further channel with pixels of the size of the grid is
        taken to be on the grid.
    """
    _, _, reference = channels[0]
    scales = [_known(image_scales(candidates, service)) for service, candidates, _ in channels]
    grid = scales[0]
    if reference.stamp.resampling:
        own = stamp_geometry(reference, catalogue).pixel_scale_arcsec
        grid = _known(own) if np.isfinite(own).any() else grid
    elif reference.stamp.pixel_arcsec:
        grid = np.array([reference.stamp.pixel_arcsec])
    return [
        _broadening(grid, own, reference.stamp.resampling, is_reference=number == 0)
        for number, own in enumerate(scales)
    ]


def _broadening(grid: Floats, images: Floats, method: str, *, is_reference: bool) -> Broadening:
    if not grid.size or not images.size or (is_reference and not method):
        return Broadening()
    if not method and np.allclose(images, grid[0], rtol=_SAME_SCALE, atol=0):
        return Broadening()
    least, largest = (
        _variance(float(choose(grid)), float(choose(images)), method) for choose in (np.min, np.max)
    )
    return Broadening(least, largest)


def _variance(stamp_arcsec: float, image_arcsec: float, method: str) -> float:
    jacobian = np.eye(2) * stamp_arcsec / image_arcsec
    kernel = kernel_covariance(jacobian, "exact" if method == "exact" else "adaptive")
    return float(kernel[0, 0]) * image_arcsec**2


def _known(scales: Floats) -> Floats:
    return scales[np.isfinite(scales) & (scales > 0)]
