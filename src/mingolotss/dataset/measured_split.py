"""The splits of a finished dataset: shares of each class, who is left out, and pairs across splits.

A build is planned with the expected size of its stamps; here the pixel scales that were measured
decide which stamps share pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from mingolotss.dataset.label_columns import VECTOR_COLUMNS
from mingolotss.dataset.manifest import recipe_columns, vectors_of_rows
from mingolotss.dataset.splits import SplitPlan, SplitResult, SplitSources
from mingolotss.dataset.splits.result import Assignment, describe_assignment
from mingolotss.dataset.stamp_extents import PLACE_COLUMNS, stamp_regions
from mingolotss.errors import InputError
from mingolotss.io.arrow_values import fill_null, numpy_of
from mingolotss.recipe.model import Recipe
from mingolotss.sky.stamp_regions import StampRegions

__all__ = ["MAX_COUNTED", "measured_columns", "measured_split"]

MAX_COUNTED = 50_000
"""All overlapping pairs are counted for at most this many records.

A deep survey has a hundred pairs for every source, and counting them would take long. The pairs
across splits are few, and are counted in any case.
"""
_COLUMNS = (
    "label", "ra", "dec", "pixel_scale_arcsec", "split", "status", *PLACE_COLUMNS,
)  # fmt: skip


def measured_columns(recipe: Recipe) -> list[str]:
    """Return the columns of the manifest that `measured_split` needs."""
    of_recipe = recipe_columns(recipe)
    return [*_COLUMNS, *(name for name in VECTOR_COLUMNS.names if name in of_recipe)]


def measured_split(
    written: pa.Table,
    recipe: Recipe,
    plan: str,
    classes: tuple[str, ...],
    *,
    change: str = "",
    reasons: Sequence[str] | None = None,
    with_pairs: bool = True,
) -> SplitResult:
    """Describe the splits of the written records of a dataset.

    Parameters
    ----------
    written : Table
        Their columns `measured_columns` of the manifest.
    recipe : Recipe
    plan : str
        The plan by which they were split.
    classes : tuple of str
        The name of each label.
    change : str
        Why it is not the plan that was asked for.
    reasons : sequence of str, optional
        Why each record is in no split, "" for the others.
    with_pairs : bool
        Whether to count the pairs across splits. Those of squares are not counted if `written` has
        more than `MAX_COUNTED` records and not their WCS.
    """
    nothing = np.full(len(written), np.nan)
    stamps = (
        stamp_regions(written, recipe) if with_pairs else StampRegions(nothing, nothing, nothing)
    )
    is_exact = stamps.shape == "circle" or stamps.angle_deg is not None
    is_counted = is_exact or len(written) <= MAX_COUNTED
    sources = SplitSources(
        names=("",) * len(written),
        labels=numpy_of(fill_null(written["label"], -1)).astype(np.int64),
        ra=stamps.ra,
        dec=stamps.dec,
        extent_arcsec=stamps.extent_arcsec if is_counted else nothing,
        shape=stamps.shape,
        angle_deg=stamps.angle_deg,
        classes=classes,
        vectors=vectors_of_rows(written, len(classes)),
    )
    names = np.array(fill_null(written["split"], "").to_pylist(), dtype=str)
    why = None if reasons is None else np.array([*reasons], dtype=str)
    parsed = _known_plan(plan)
    by_pixels = Assignment(replace(parsed, reach_arcsec=None), names, why, change)
    return replace(describe_assignment(by_pixels, sources), plan=parsed)


def _known_plan(text: str) -> SplitPlan:
    """Return a plan; that of a later version counts as an order."""
    try:
        return SplitPlan.parse(text)
    except InputError:
        return SplitPlan("catalogue-order")
