"""Pairs of stamps that share pixels: how many there are, and the nearest.

A stamp counts as a disc as wide as the stamp, since the masks of most recipes are discs.

>>> pairs = find_overlapping_stamps([10.0, 10.0, 40.0], [50.0, 50.02, 50.0], [225.0] * 3)
>>> pairs.total, pairs.inside, pairs.nearest.tolist(), pairs.separation_arcsec.round().tolist()
(1, 1, [[0, 1]], [72.0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.model import Bools, Floats, Ints
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlap_blocks

__all__ = ["OverlappingStamps", "find_overlapping_stamps", "overlaps_of_table"]


@dataclass(frozen=True, slots=True)
class OverlappingStamps:
    """The pairs of stamps that share pixels.

    Attributes
    ----------
    checked : int
        Number of stamps whose position and width are known.
    total : int
        Number of pairs: their sources are closer than the width of a stamp.
    inside : int
        Number of pairs in which a source is in the stamp of the other: closer than half the width.
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
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    width_arcsec: npt.ArrayLike,
    *,
    split: npt.ArrayLike | None = None,
    most: int = 200,
) -> OverlappingStamps:
    """Find the pairs of stamps that share pixels, in memory that does not grow with their number.

    Parameters
    ----------
    ra, dec : float array, shape (n,), deg, ICRS
    width_arcsec : float array, shape (n,)
        Width of each stamp. A stamp is left out if this or its position is NaN.
    split : int array, shape (n,), optional
        A number for the split of each stamp; all are in one by default.
    most : int
        Number of pairs to list.
    """
    ra, dec, width = (np.asarray(values, float) for values in (ra, dec, width_arcsec))
    splits = np.zeros(ra.shape, np.int64) if split is None else np.asarray(split)
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec) & np.isfinite(width))
    crowded = np.zeros(ra.shape, bool)
    total = inside = apart = 0
    nearest, nearest_arcsec = np.empty((0, 2), np.int64), np.empty(0)
    widest = float(width[known].max()) if known.size else 0.0
    for one, other in overlap_blocks(ra[known], dec[known], widest):
        first, second = known[np.minimum(one, other)], known[np.maximum(one, other)]
        arcsec = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
        shared = arcsec < (width[first] + width[second]) / 2
        total += int(shared.sum())
        apart += int((shared & (splits[first] != splits[second])).sum())
        crowded[first[arcsec < width[first] / 2]] = True
        crowded[second[arcsec < width[second] / 2]] = True
        is_inside = arcsec < np.maximum(width[first], width[second]) / 2
        inside += int(is_inside.sum())
        # Of each block, only the nearest pairs so far are kept.
        pairs = np.column_stack([first[is_inside], second[is_inside]])
        nearest = np.concatenate([nearest, pairs])
        nearest_arcsec = np.concatenate([nearest_arcsec, arcsec[is_inside]])
        order = np.lexsort((nearest[:, 1], nearest[:, 0], nearest_arcsec))[:most]
        nearest, nearest_arcsec = nearest[order], nearest_arcsec[order]
    return OverlappingStamps(known.size, total, inside, apart, crowded, nearest, nearest_arcsec)


def overlaps_of_table(written: pa.Table, pixels: int, most: int = 200) -> OverlappingStamps:
    """Find the overlapping stamps among written rows of a manifest.

    Parameters
    ----------
    written : Table
        The columns ``ra``, ``dec``, ``pixel_scale_arcsec`` and ``split``.
    pixels : int
        Pixels on a side of a stamp.
    most : int
        Number of pairs to list.
    """
    ra, dec, scale = (
        np.asarray(written[name].to_numpy(), float) for name in ("ra", "dec", "pixel_scale_arcsec")
    )
    # The names of splits are compared as numbers: the dictionary encoding gives each name an index.
    codes = written["split"].combine_chunks().dictionary_encode().indices
    split = codes.fill_null(-1).to_numpy(zero_copy_only=False)
    return find_overlapping_stamps(ra, dec, pixels * scale, split=split, most=most)
