"""Where a mosaic has no gap, found square by square as cutouts ask, and kept.

>>> pixels = np.ones((256, 256), np.float32); pixels[10, 200] = np.nan
>>> corners = np.array([[0, 0], [0, 100], [100, 100]])
>>> CleanMap(pixels).holds(corners[:, 0], corners[:, 1], 150).tolist()
[True, False, True]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mingolotss.kernel import SQUARE, clean_squares, takes
from mingolotss.model import Bools, FloatImage, Ints

__all__ = ["CleanMap"]

_CLEAN, _NOT = 1, -1


class CleanMap:
    """Which squares of 64 x 64 pixels are finite throughout and not all 0.

    The cutouts of a survey overlap many times over, and lie together in a chunk: to count the NaN
    of each anew takes 60 us, mostly waiting for memory; to ask here takes 1 to 2 a cutout once the
    squares are known, for a chunk of 256 on a mosaic of 8,000 x 8,000 (2 cores, median).

    Parameters
    ----------
    pixels : float array, shape (ny, nx)
        Any byte order; it is read where squares are first asked for.
    """

    def __init__(self, pixels: FloatImage) -> None:
        self._pixels = pixels
        self._known = np.zeros([n // SQUARE for n in pixels.shape], np.int8)

    def holds(self, y0: Ints, x0: Ints, side: int) -> Bools:
        """Return whether each box is known to be finite and not all 0.

        Parameters
        ----------
        y0, x0 : int64 array, shape (n,)
            First row and column of the boxes, all of them inside the image.
        side : int

        Returns
        -------
        bool array, shape (n,)
            False says nothing: the box may be too small to hold a whole square, or reach past the
            last one.
        """
        found = np.zeros(len(y0), bool)
        high, wide = self._known.shape
        ends = -(-(y0 + side) // SQUARE), -(-(x0 + side) // SQUARE)
        asked = (ends[0] <= high) & (ends[1] <= wide)
        if side < 2 * SQUARE or not asked.any():
            return found
        top, left = y0[asked] // SQUARE, x0[asked] // SQUARE
        bottom, right = (end[asked] for end in ends)
        low_y, low_x = int(top.min()), int(left.min())
        part = self._known[low_y : bottom.max(), low_x : right.max()]
        corners = top - low_y, bottom - low_y, left - low_x, right - low_x
        for upper, lower, first, last in _rectangles(_covered(part.shape, *corners) & (part == 0)):
            self._look(upper + low_y, lower + low_y, first + low_x, last + low_x)
        found[asked] = _count(part != _CLEAN, *corners) == 0
        return found

    def _look(self, top: int, bottom: int, left: int, right: int) -> None:
        """Read a rectangle of squares and note what they are."""
        box = self._pixels[top * SQUARE : bottom * SQUARE, left * SQUARE : right * SQUARE]
        clean = clean_squares(box) if takes(box) else _clean(box)
        self._known[top:bottom, left:right] = np.where(clean, _CLEAN, _NOT)


def _clean(box: FloatImage) -> Bools:
    """Return what `mingolotss.kernel.clean_squares` does, of any type of float."""
    high, wide = (n // SQUARE for n in box.shape)
    # Rows are put together first: five times sooner than whole squares at once.
    finite = np.isfinite(box).reshape(high, SQUARE, wide * SQUARE).all(1)
    some = (box != 0).reshape(high, SQUARE, wide * SQUARE).any(1)
    clean = finite.reshape(high, wide, SQUARE).all(2) & some.reshape(high, wide, SQUARE).any(2)
    return np.asarray(clean)


def _covered(shape: tuple[int, ...], top: Ints, bottom: Ints, left: Ints, right: Ints) -> Bools:
    """Return which squares lie in any of some rectangles, from the steps at their corners."""
    steps = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
    for y, x, step in ((top, left, 1), (bottom, right, 1), (top, right, -1), (bottom, left, -1)):
        np.add.at(steps, (y, x), step)
    covered: Bools = steps.cumsum(0).cumsum(1)[:-1, :-1] > 0
    return covered


def _count(squares: Bools, top: Ints, bottom: Ints, left: Ints, right: Ints) -> Ints:
    """Return how many squares of each rectangle are set, from a table of sums."""
    sums = np.zeros((squares.shape[0] + 1, squares.shape[1] + 1), np.int64)
    sums[1:, 1:] = squares.cumsum(0).cumsum(1)
    counts: Ints = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return counts


def _rectangles(squares: Bools) -> Iterator[tuple[int, int, int, int]]:
    """Give rectangles (top, bottom, left, right) that cover the squares set, each once."""
    edges = np.diff(np.pad(squares, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, lefts = np.nonzero(edges == 1)
    rights = np.nonzero(edges == -1)[1]
    growing: dict[tuple[int, int], tuple[int, int]] = {}  # run of columns: first and next row
    for row, left, right in zip(rows.tolist(), lefts.tolist(), rights.tolist(), strict=True):
        top, end = growing.pop((left, right), (row, row))
        if end < row:
            yield top, end, left, right
            top = row
        growing[left, right] = top, row + 1
    for (left, right), (top, end) in growing.items():
        yield top, end, left, right
