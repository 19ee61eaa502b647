"""The columns of the manifest that only recipes with resampled stamps or a common beam have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.manifest import STAMP_BEAM_COLUMNS, recipe_columns
from mingolotss.model import Floats, Ints
from mingolotss.pipeline.common_beam import beam_of
from mingolotss.pipeline.prepare import Prepared
from mingolotss.recipe.model import Recipe
from mingolotss.sky.beams import beam_of_covariance
from mingolotss.sky.header_facts import header_facts
from mingolotss.sky.stamp_grid import TangentGrids

__all__ = ["prepared_columns", "stamp_beams"]


def prepared_columns(
    prepared: Prepared, chosen: Ints, recipe: Recipe
) -> dict[str, npt.NDArray[np.generic]]:
    """Return these columns of n sources; NaN and None where a value is not known.

    Parameters
    ----------
    prepared : Prepared
    chosen : int64 array, shape (n,)
        The cutout of each source, -1 for a rejected one.
    recipe : Recipe
    """
    if not set(STAMP_BEAM_COLUMNS).intersection(recipe_columns(recipe)):
        return {}
    columns: dict[str, npt.NDArray[np.generic]] = dict(
        zip(STAMP_BEAM_COLUMNS, stamp_beams(prepared, chosen, recipe).T, strict=True)
    )
    grids = prepared.grids
    if recipe.stamp.resampling and isinstance(grids, TangentGrids):
        has_stamp = chosen >= 0
        sizes = grids.pixel_scale_arcsec * grids.side
        columns["stamp_size_arcsec"] = np.where(has_stamp, sizes, np.nan)
        columns["rotation_deg"] = np.where(has_stamp, grids.angle_deg, np.nan)
        methods = np.full(len(chosen), None, object)
        methods[has_stamp] = recipe.stamp.resampling
        columns["resampling"] = methods
    return columns


def stamp_beams(prepared: Prepared, chosen: Ints, recipe: Recipe) -> Floats:
    """Return the axes (arcsec) and the angle (deg) of the beam of each stamp, shape (n, 3)."""
    cutouts, common = prepared.measured.cutouts, recipe.beam.beam
    beams = np.full((len(chosen), 3), np.nan)
    if common is not None and prepared.broadening is None:
        beams[chosen >= 0] = common
        return beams
    for row in np.flatnonzero(chosen >= 0).tolist():
        plane = cutouts.planes[cutouts.plane_index[chosen[row]]]
        beam = common or beam_of(header_facts(plane.wcs))
        if beam is None:
            continue
        if prepared.broadening is not None:
            beam = beam_of_covariance(beam.covariance + prepared.broadening[row])
        beams[row] = beam
    return beams
