"""Many squares of one mosaic as windows of a few arrays, which hold it whole or in part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.model import Bools, Cutout, Ints
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.copied_mosaic import CopiedImage, CopiedMosaic
from mingolotss.service.local.mosaic_file import MappedMosaic, MosaicFile

__all__ = ["FEWEST", "Boxes", "WindowGroup", "window_groups"]

_InParts = MappedMosaic | CompressedMosaic | CopiedImage

FEWEST = 4  # squares in a part of a mosaic; fewer are cut one by one, and keep no other pixels


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
    is_mapped : bool
        Its pixels are in a mapped file, and take no memory.
    """

    members: Ints
    plane: Cutout
    fully_observed: Bools
    is_part: bool
    is_mapped: bool


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
    is_part = any(not isinstance(one, MappedMosaic) for one in maps)
    is_mapped = all(isinstance(one, MappedMosaic | CopiedMosaic) for one in maps)
    # Squares over the edge are decoded with the others, and cut out of what was decoded later.
    boxes = Boxes.of(mosaic.shape, y0, x0, side)
    on_mosaic = (boxes.y0 < boxes.y1) & (boxes.x0 < boxes.x1)
    is_inside = (boxes.y1 - boxes.y0 == side) & (boxes.x1 - boxes.x0 == side)
    for members in _groups(np.flatnonzero(on_mosaic), boxes, maps, FEWEST if is_part else 1):
        parts = [one.part(*boxes.take(members)) for one in maps]
        usable = np.logical_and.reduce([is_inside[members], *(part.usable for part in parts)])
        if not usable.any():
            continue
        # The arrays of image and rms map may begin and end at different tiles.
        top, left = max(part.y0 for part in parts), max(part.x0 for part in parts)
        bottom = min(part.y0 + part.pixels.shape[0] for part in parts)
        right = min(part.x0 + part.pixels.shape[1] for part in parts)
        image, *rms = (part.inside(top, bottom, left, right) for part in parts)
        plane = Cutout(image, rms[0] if rms else None, mosaic.wcs, (left, top))
        taken = members[usable]
        observed = parts[0].fully_observed(y0[taken], x0[taken], side)
        yield WindowGroup(taken, plane, observed, is_part, is_mapped)


class Boxes(NamedTuple):
    """Rows y0 to y1 and columns x0 to x1 of n rectangles, ends excluded."""

    y0: Ints
    y1: Ints
    x0: Ints
    x1: Ints

    @classmethod
    def of(cls, shape: tuple[int, int], y0: Ints, x0: Ints, side: int) -> Boxes:
        """Return the parts of n squares that are on an image; empty ones end before they begin."""
        ny, nx = shape
        return cls(y0.clip(0), (y0 + side).clip(max=ny), x0.clip(0), (x0 + side).clip(max=nx))

    @classmethod
    def on(cls, shape: tuple[int, int], y0: Ints, x0: Ints, side: int) -> Boxes:
        """Return the same, without the squares that are not on the image."""
        boxes = cls.of(shape, y0, x0, side)
        return boxes.take(np.flatnonzero((boxes.y0 < boxes.y1) & (boxes.x0 < boxes.x1)))

    def take(self, members: Ints) -> Boxes:
        """Return some of them."""
        return Boxes(*(column[members] for column in self))


def _groups(members: Ints, boxes: Boxes, maps: Sequence[_InParts], fewest: int) -> Iterator[Ints]:
    """Yield groups of boxes that are close enough together for one array; leave out small ones."""
    # A group that spans too much is divided in the middle of the longer side of what it spans.
    if len(members) < fewest:
        return
    y0, y1, x0, x1 = boxes.take(members)
    whole = int(y0.min()), int(y1.max()), int(x0.min()), int(x1.max())
    if all(one.can_part(*whole) for one in maps):
        yield members
        return
    corner = y0 if whole[1] - whole[0] >= whole[3] - whole[2] else x0
    order = np.argsort(corner, kind="stable")
    for half in np.array_split(order, 2):
        if len(half) < len(members):
            yield from _groups(members[half], boxes, maps, fewest)
