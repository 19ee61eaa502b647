"""Which sources get a stamp, and how large their cutouts must be, before any pixel is read.

A resampled stamp needs the pixels that its own are computed from: it may be turned against the
image, and larger than `images.size_arcmin` of the recipe. The cutouts of a build have one size.

>>> from mingolotss.recipe.model import parse_recipe
>>> stamp = {"pixels": 100, "pixel_arcsec": 6.0, "resample": "exact"}
>>> recipe = parse_recipe({"name": "mine", "stamp": stamp}, "mine.toml")
>>> round(least_cutout_deg(recipe) * 60, 2)
14.94
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import catalogue_columns
from mingolotss.model import Bools
from mingolotss.pipeline.stamp_geometry import StampGeometry, stamp_geometry
from mingolotss.recipe.beam_settings import LARGEST
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.stamp_sizes import LARGEST_STAMP_DEG

__all__ = ["PlannedStamps", "least_cutout_deg", "plan_stamps", "recorded_stamp_deg"]

_MARGIN_PIXELS = 8  # of the stamp, on both sides together: what the kernel of a pixel reaches
_MARGIN_BEAMS = 3.4  # twice 4 standard deviations of a Gaussian


class PlannedStamps(NamedTuple):
    """The stamps of n sources, as far as recipe and catalogue say.

    Attributes
    ----------
    stamp_deg : float, deg
        Side of the cutouts that they need at least; 0 if those of the recipe are right.
    is_impossible : bool array, shape (n,)
        The stamp of a source has no size or no orientation.
    notices : tuple of str
        A line for the user if there are such sources.
    """

    stamp_deg: float
    is_impossible: Bools
    notices: tuple[str, ...]


def plan_stamps(recipe: Recipe, catalogue: Catalogue) -> PlannedStamps:
    """Plan the stamps of all sources.

    Raises
    ------
    CatalogueError
        As `mingolotss.pipeline.stamp_geometry.stamp_geometry`.
    """
    if not recipe.stamp.resampling:
        return PlannedStamps(0.0, np.zeros(len(catalogue), bool), ())
    geometry = stamp_geometry(recipe, catalogue)
    return PlannedStamps(
        least_cutout_deg(recipe, geometry), geometry.problems != "", geometry.notices
    )


def recorded_stamp_deg(recipe: Recipe, manifest: pa.Table) -> float:
    """Return the side of the cutouts that the stamps of a build need at least, as it was planned.

    Parameters
    ----------
    recipe : Recipe
        Of the reference channel of the build.
    manifest : pyarrow.Table
        All rows, also those that were rejected, which the plan counted too: the columns
        ``source``, ``ra`` and ``dec``, and those of the catalogue that the stamps need.

    Raises
    ------
    CatalogueError
        As `plan_stamps`.
    """
    if not recipe.stamp.resampling:
        return 0.0
    ra, dec = (manifest[name].to_numpy() for name in ("ra", "dec"))
    kept = catalogue_columns(manifest) if recipe.stamp.columns else None
    sources = Catalogue.from_columns(manifest["source"].to_pylist(), ra, dec, kept=kept)
    return plan_stamps(recipe, sources).stamp_deg


def least_cutout_deg(recipe: Recipe, geometry: StampGeometry | None = None) -> float:
    """Return the side of the cutouts that resampled stamps need at least, deg; 0 for others.

    Parameters
    ----------
    recipe : Recipe
    geometry : StampGeometry, optional
        Of all sources; without it, what the recipe alone says counts.
    """
    if not recipe.stamp.resampling:
        return 0.0
    scale = recipe.stamp.pixel_arcsec
    size = recipe.stamp.parsed_size
    if geometry is not None:
        scale = float(np.fmax.reduce(geometry.pixel_scale_arcsec, initial=scale))
    elif size is not None and size.kind == "angle":
        scale = size.value / recipe.stamp.pixels
    # The axes of an image can point anywhere, so that each square counts as one that is turned.
    side = (recipe.stamp.pixels * math.sqrt(2) + _MARGIN_PIXELS) * scale
    # The largest beam of the images is not known before they have been found. It does not count
    # where a finished build records it either: cutouts that are read again have the same size.
    common = None if recipe.beam.common == LARGEST else recipe.beam.beam
    if common is not None and scale:
        side += _MARGIN_BEAMS * common.major_arcsec
    return min(side / 3600, LARGEST_STAMP_DEG)
