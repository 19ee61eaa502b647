"""Stamps of a further channel that are whole pixels of its image, as those of the reference are.

An image has the grid of a stamp if every pixel of the stamp is one of its pixels, or a block of
them: the same projection, reference position and pixels, with the reference pixel moved by whole
numbers. Its stamp is then a window, the same bits and no copy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.model import Bools, Ints
from mingolotss.pipeline.stamp_windows import StampBoxes
from mingolotss.sky.stamp_grid import StampGrids

__all__ = ["AlignedWindows", "aligned_windows"]

_TOLERANCE = 1e-3  # px between the pixels of an image and those of a grid that count as the same


class AlignedWindows(NamedTuple):
    """Where n stamps lie in the cutouts of a further channel.

    Attributes
    ----------
    boxes : StampBoxes
        Only those of aligned stamps have a meaning.
    is_aligned : bool array, shape (n,)
    """

    boxes: StampBoxes
    is_aligned: Bools


def aligned_windows(
    grids: StampGrids, factor: Ints, cutouts: CutoutArray, chosen: Ints
) -> AlignedWindows:
    """Find the stamps whose pixels are whole pixels of their image.

    Parameters
    ----------
    grids : StampGrids
        Of n stamps.
    factor : int64 array, shape (n,)
        Pixels of the image, along an axis, for each pixel of the stamp.
    cutouts : CutoutArray
        Of the channel.
    chosen : int64 array, shape (n,)
        The cutout of each stamp, -1 for a source without one.
    """
    # The corners and the middle of each stamp are taken to the sky and to the pixels of the
    # channel's image, all those of one image in one call of its WCS. If all five are moved by one
    # whole number, so are all pixels: a projection is smooth, and the scale of a stamp of 150
    # pixels would have to agree to 1e-5 by accident.
    n, last = len(chosen), grids.side - 1
    x = np.array([0.0, last, 0.0, last, last // 2])
    y = np.array([0.0, 0.0, last, last, last // 2])
    rows = np.flatnonzero(chosen >= 0)
    plane_index = cutouts.plane_index[chosen[rows]]
    ra, dec = grids.to_sky(rows, x, y)
    pixel = np.full((2, len(rows), len(x)), np.nan)
    known = np.isfinite(ra).all(axis=1)
    groups: dict[int, list[int]] = {}
    for index, plane in enumerate(cutouts.planes):
        groups.setdefault(id(plane.wcs), []).append(index)
    group_of = np.zeros(len(cutouts.planes), np.int64)
    for number, planes in enumerate(groups.values()):
        group_of[planes] = number
    group_index = group_of[plane_index]
    for number, planes in enumerate(groups.values()):
        members = known & (group_index == number)
        if members.any():
            wcs = cutouts.planes[planes[0]].wcs
            pixel[:, members] = wcs.to_pixel(ra[members], dec[members])
    # Of a block of pixels, the first is half of the others before the middle.
    start = pixel - factor[rows, None] * np.stack([x, y])[:, None] - (factor[rows, None] - 1) / 2
    whole = np.round(start[:, :, -1])
    is_aligned = np.zeros(n, bool)
    with np.errstate(invalid="ignore"):
        is_aligned[rows] = (np.abs(start - whole[:, :, None]) < _TOLERANCE).all(axis=(0, 2))
    origins = cutouts.per_cutout((plane.origin for plane in cutouts.planes), (0, 0), np.int64)
    x0, y0 = np.zeros(n, np.int64), np.zeros(n, np.int64)
    aligned = np.flatnonzero(is_aligned)
    first = whole[:, is_aligned[rows]].astype(np.int64)
    indices = chosen[aligned]
    x0[aligned] = first[0] - origins[indices, 0] - cutouts.x0[indices]
    y0[aligned] = first[1] - origins[indices, 1] - cutouts.y0[indices]
    side = factor * grids.side
    return AlignedWindows(StampBoxes(y0, x0, side, np.zeros(n, bool)), is_aligned)
