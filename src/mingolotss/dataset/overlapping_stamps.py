"""Pairs of stamps that share pixels: how many there are, and the nearest.

>>> stamps = StampRegions([10.0, 10.0, 40.0], [50.0, 50.02, 50.0], [225.0] * 3)
>>> pairs = find_overlapping_stamps(stamps)
>>> pairs.total, pairs.inside, pairs.nearest.tolist(), pairs.separation_arcsec.round().tolist()
(1, 1, [[0, 1]], [72.0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.dataset.stamp_extents import stamp_regions
from mingolotss.io.arrow_values import fill_null, numpy_of
from mingolotss.model import Bools, Floats, Ints
from mingolotss.recipe.model import Recipe
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.stamp_regions import StampRegions

__all__ = ["OverlappingStamps", "find_overlapping_stamps", "overlaps_of_table"]


@dataclass(frozen=True, slots=True)
class OverlappingStamps:
    """The pairs of stamps that share pixels.

    Attributes
    ----------
    checked : int
        Number of stamps whose position and width are known.
    total : int
        Number of pairs.
    inside : int
        Number of pairs in which a source is in the stamp of the other: closer than half its extent.
    apart : int
        Number of pairs whose stamps are in different splits.
    crowded : bool array, shape (n,)
        Whether another source is in the stamp.
    nearest : int64 array, shape (k, 2)
        The pairs of `inside` with the smallest separations, nearest first.
    separation_arcsec : float64 array, shape (k,)
    """

    checked: int
    total: int
    inside: int
    apart: int
    crowded: Bools
    nearest: Ints
    separation_arcsec: Floats


def find_overlapping_stamps(
    stamps: StampRegions, *, split: npt.ArrayLike | None = None, most: int = 200
) -> OverlappingStamps:
    """Find the pairs of stamps that share pixels, in memory that does not grow with their number.

    Parameters
    ----------
    stamps : StampRegions
        n stamps. One whose position or extent is NaN is left out.
    split : int array, shape (n,), optional
        A number for the split of each stamp, negative for one in no split; all are in one by
        default.
    most : int
        Number of pairs to list.
    """
    splits = np.zeros(len(stamps), np.int64) if split is None else np.asarray(split)
    ra, dec, extent = stamps.ra, stamps.dec, stamps.extent_arcsec
    crowded = np.zeros(len(stamps), bool)
    total = inside = apart = 0
    nearest, nearest_arcsec = np.empty((0, 2), np.int64), np.empty(0)
    for first, second in stamps.pairs():
        arcsec = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
        total += len(first)
        in_splits = (splits[first] >= 0) & (splits[second] >= 0)
        apart += int((in_splits & (splits[first] != splits[second])).sum())
        crowded[first[arcsec < extent[first] / 2]] = True
        crowded[second[arcsec < extent[second] / 2]] = True
        is_inside = arcsec < np.maximum(extent[first], extent[second]) / 2
        inside += int(is_inside.sum())
        if not most:
            continue
        # Of each block, only the nearest pairs so far are kept.
        pairs = np.column_stack([first[is_inside], second[is_inside]])
        nearest = np.concatenate([nearest, pairs])
        nearest_arcsec = np.concatenate([nearest_arcsec, arcsec[is_inside]])
        order = np.lexsort((nearest[:, 1], nearest[:, 0], nearest_arcsec))[:most]
        nearest, nearest_arcsec = nearest[order], nearest_arcsec[order]
    checked = int(stamps.known.sum())
    return OverlappingStamps(checked, total, inside, apart, crowded, nearest, nearest_arcsec)


def overlaps_of_table(written: pa.Table, recipe: Recipe, most: int = 200) -> OverlappingStamps:
    """Find the overlapping stamps among written rows of a manifest.

    Parameters
    ----------
    written : Table
        The columns ``ra``, ``dec``, ``pixel_scale_arcsec`` and ``split``.
    recipe : Recipe
    most : int
        Number of pairs to list.
    """
    # The names of splits are compared as numbers: the dictionary encoding gives each name an index.
    codes = written["split"].combine_chunks().dictionary_encode().indices
    split = numpy_of(fill_null(codes, -1))
    return find_overlapping_stamps(stamp_regions(written, recipe), split=split, most=most)
