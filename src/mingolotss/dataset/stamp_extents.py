"""How large the stamps of a recipe are on the sky, and which part of them a mask leaves.

>>> from mingolotss.recipe.load import load_recipe
>>> stamp_extent(load_recipe("mingolotss"))
StampExtent(shape='circle', pixels=150.0)
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa

from mingolotss.io.arrow_values import array_of, fill_null, numpy_of
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.steps import MASK_RADIUS
from mingolotss.sky.stamp_regions import Shape, StampRegions

__all__ = ["PLACE_COLUMNS", "StampExtent", "stamp_extent", "stamp_regions"]

PLACE_COLUMNS = ("wcs", "crpix1", "crpix2", "separation_arcsec", "recentred")
"""What the place of a stamp needs of a manifest, beside the position of its source."""


class StampExtent(NamedTuple):
    """The part of a stamp that has pixels of the image.

    Attributes
    ----------
    shape : {"circle", "square"}
    pixels : float
        Its diameter or its side, in pixels of the stamp.
    """

    shape: Shape
    pixels: float


def stamp_extent(recipe: Recipe) -> StampExtent:
    """Return the shape and the size of a recipe's stamps: of the largest of its channels.

    Parameters
    ----------
    recipe : Recipe
    """
    if recipe.channels:
        extents = [stamp_extent(recipe.of_channel(channel)) for channel in recipe.channels]
        return max(extents, key=lambda extent: (extent.shape == "square", extent.pixels))
    # A disc that is wider than the stamp leaves parts of its corners, and so counts as a square. A
    # mask before the step `bin` is in pixels of the image, whose number in a pixel of the stamp
    # differs from image to image: such a stamp counts as a whole square too.
    shape: Shape = "square"
    pixels = float(recipe.stamp.pixels)
    for name, settings in recipe.step_list:
        if name == "bin":
            shape, pixels = "square", float(recipe.stamp.pixels)
        if name == "mask":
            diameter = 2 * float(cast("float", settings.get("radius", MASK_RADIUS)))
            if diameter <= pixels:
                shape, pixels = "circle", diameter
    return StampExtent(shape, pixels)


def stamp_regions(table: pa.Table, recipe: Recipe) -> StampRegions:
    """Return the regions of stamps on the sky, by the true size of their pixels.

    Parameters
    ----------
    table : Table
        The columns ``ra``, ``dec`` and ``pixel_scale_arcsec`` of a manifest. With `PLACE_COLUMNS`,
        squares are turned as the images are, and a stamp that does not have its source in the
        centre is where its image is.
    recipe : Recipe
    """
    ra, dec, scale = (
        np.asarray(numpy_of(table[name]), float) for name in ("ra", "dec", "pixel_scale_arcsec")
    )
    shape, pixels = stamp_extent(recipe)
    if not set(PLACE_COLUMNS) <= set(table.column_names):
        return StampRegions(ra, dec, pixels * scale, shape)
    # By more than the rounding to whole pixels.
    separation = np.asarray(numpy_of(table["separation_arcsec"]), float)
    recentred = numpy_of(fill_null(table["recentred"], False))
    is_off = ~recentred & (separation > scale)
    rows = np.flatnonzero(is_off | (shape == "square"))
    # A disc is around the pixel of the source, number side // 2 from 0.
    side = recipe.stamp.pixels
    centre = (side + 1) / 2 if shape == "square" else side // 2 + 1
    from mingolotss.dataset.stamp_places import stamp_places  # all of WCS, which few callers need

    places = stamp_places(table.take(array_of(rows)), centre)
    moved = is_off[rows] & np.isfinite(places.ra) & np.isfinite(places.dec)
    ra, dec = ra.copy(), dec.copy()
    ra[rows[moved]], dec[rows[moved]] = places.ra[moved], places.dec[moved]
    return StampRegions(
        ra, dec, pixels * scale, shape, places.angle_deg if shape == "square" else None
    )
