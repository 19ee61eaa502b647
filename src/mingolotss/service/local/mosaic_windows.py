"""Many squares of one mosaic as windows of a few arrays, which hold it whole or in part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mingolotss.model import Bools, Cutout, Ints
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.mosaic_file import MappedMosaic, MosaicFile

__all__ = ["WindowGroup", "window_groups"]

_FEWEST = 4  # squares in a part of a mosaic; fewer are cut one by one, and keep no other pixels


class WindowGroup(NamedTuple):
    """Squares that are windows of one array.

    Attributes
    ----------
    members : int64 array, shape (m,)
        Which squares.
    plane : Cutout
        The array, with its place in the mosaic.
    fully_observed : bool array, shape (m,)
        Which of them are known to be finite throughout and not all 0.
    is_part : bool
        The plane is not the whole mosaic, and may have other pixels between the squares.
    """

    members: Ints
    plane: Cutout
    fully_observed: Bools
    is_part: bool


def window_groups(
    mosaic: MosaicFile, rms_map: MosaicFile | None, y0: Ints, x0: Ints, side: int
) -> Iterator[WindowGroup]:
    """Yield the squares that are windows of arrays; the others have to be cut one by one.

    Parameters
    ----------
    mosaic, rms_map : MosaicFile
        Of one shape.
    y0, x0 : int64 array, shape (n,), px
        First row and first column of each square; may lie outside.
    side : int, px
    """
    if not isinstance(mosaic, _InParts) or not isinstance(rms_map, _InParts | None):
        return
    maps = [mosaic] if rms_map is None else [mosaic, rms_map]
    block = min(one.block_side(side) for one in maps)
    if not block:
        return
    (ny, nx), is_part = mosaic.shape, any(isinstance(one, CompressedMosaic) for one in maps)
    # Squares over the edge are decoded with the others, and cut out of what was decoded later.
    on_mosaic = np.flatnonzero((y0 > -side) & (x0 > -side) & (y0 < ny) & (x0 < nx))
    rows, columns = y0.clip(0)[on_mosaic] // block, x0.clip(0)[on_mosaic] // block
    _, group_of = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
    for group in range(int(group_of.max(initial=-1)) + 1):
        members = on_mosaic[group_of.ravel() == group]
        if is_part and len(members) < _FEWEST:
            continue
        top, left = y0[members], x0[members]
        boxes = top.clip(0), (top + side).clip(max=ny), left.clip(0), (left + side).clip(max=nx)
        parts = [one.part(*boxes) for one in maps]
        inside = (top >= 0) & (left >= 0) & (top + side <= ny) & (left + side <= nx)
        usable = np.logical_and.reduce([inside, *(part.usable for part in parts)])
        if not usable.any():
            continue
        # The arrays of image and rms map may begin and end at different tiles.
        first = max(part.y0 for part in parts), max(part.x0 for part in parts)
        last = (
            min(part.y0 + part.pixels.shape[0] for part in parts),
            min(part.x0 + part.pixels.shape[1] for part in parts),
        )
        image, *rms = (part.inside(first[0], last[0], first[1], last[1]) for part in parts)
        plane = Cutout(image, rms[0] if rms else None, mosaic.wcs, (first[1], first[0]))
        observed = parts[0].fully_observed(top[usable], left[usable], side)
        yield WindowGroup(members[usable], plane, observed, is_part)


_InParts = MappedMosaic | CompressedMosaic
