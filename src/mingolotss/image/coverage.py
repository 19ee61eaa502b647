"""Which parts of a mosaic are observed throughout: searched on demand, and remembered.

>>> pixels = np.ones((256, 256), np.float32); pixels[10, 200] = np.nan
>>> corners = np.array([[0, 0], [0, 100], [100, 100]])
>>> CoverageMap(pixels).is_covered(corners[:, 0], corners[:, 1], 150).tolist()
[True, False, True]
"""

from __future__ import annotations

import numpy as np

from mingolotss.image.compiled import fully_observed_squares, supports
from mingolotss.image.kernel_library import SQUARE
from mingolotss.image.rectangles import count_in_rectangles, rectangles_over, union_of_rectangles
from mingolotss.model import Bools, FloatImage, Ints

__all__ = ["CoverageMap"]

_UNKNOWN, _OBSERVED, _INCOMPLETE = 0, 1, -1


class CoverageMap:
    """Which squares of 64 x 64 pixels are fully observed: every pixel finite, not all of them 0.

    The cutouts of a survey overlap many times over, and the cutouts of one chunk lie close
    together. Counting the NaN of each cutout takes 60 µs, most of it waiting for memory; a query
    here takes 1 to 2 µs a cutout once the squares are known, for a chunk of 256 on a mosaic of
    8,000 x 8,000 (2 cores, median).

    Parameters
    ----------
    pixels : float array, shape (ny, nx)
        Any byte order. A square is read when a query first needs it.
    """

    def __init__(self, pixels: FloatImage) -> None:
        self._pixels = pixels
        self._squares = np.full([n // SQUARE for n in pixels.shape], _UNKNOWN, np.int8)

    def is_covered(self, y0: Ints, x0: Ints, side: int) -> Bools:
        """Return whether each box is known to be fully observed.

        Parameters
        ----------
        y0, x0 : int64 array, shape (n,)
            First row and column of the boxes, all of them inside the image.
        side : int

        Returns
        -------
        bool array, shape (n,)
            True is certain. False means unknown: the box may be too small to contain a whole
            square, or reach past the last square.
        """
        # A box is covered if every square that it touches is fully observed. All boxes are handled
        # together, on the part of the map that they span: mark the squares that any box touches,
        # read those that are still unknown, rectangle by rectangle, then count for each box the
        # squares that are not observed. The cost is by square and by box, never by pixel. Every
        # pixel of a covered box is finite, and a box of two squares or more contains a whole one,
        # which is not all 0: True is therefore exact.
        covered = np.zeros(len(y0), bool)
        high, wide = self._squares.shape
        ends = -(-(y0 + side) // SQUARE), -(-(x0 + side) // SQUARE)  # rounded up
        on_map = (ends[0] <= high) & (ends[1] <= wide)
        if side < 2 * SQUARE or not on_map.any():
            return covered
        top, left = y0[on_map] // SQUARE, x0[on_map] // SQUARE
        bottom, right = (end[on_map] for end in ends)
        low_y, low_x = int(top.min()), int(left.min())
        part = self._squares[low_y : bottom.max(), low_x : right.max()]
        corners = top - low_y, bottom - low_y, left - low_x, right - low_x
        unknown = union_of_rectangles(part.shape, *corners) & (part == _UNKNOWN)
        for upper, lower, first, last in rectangles_over(unknown):
            self._search(upper + low_y, lower + low_y, first + low_x, last + low_x)
        covered[on_map] = count_in_rectangles(part != _OBSERVED, *corners) == 0
        return covered

    def _search(self, top: int, bottom: int, left: int, right: int) -> None:
        """Read a rectangle of squares and remember which are fully observed."""
        box = self._pixels[top * SQUARE : bottom * SQUARE, left * SQUARE : right * SQUARE]
        observed = fully_observed_squares(box) if supports(box) else _by_numpy(box)
        self._squares[top:bottom, left:right] = np.where(observed, _OBSERVED, _INCOMPLETE)


def _by_numpy(box: FloatImage) -> Bools:
    """Return `mingolotss.image.compiled.fully_observed_squares`, for any type of float."""
    high, wide = (n // SQUARE for n in box.shape)
    # The rows of a square are combined first, then its columns: five times faster than reducing
    # both axes at once.
    finite = np.isfinite(box).reshape(high, SQUARE, wide * SQUARE).all(1)
    nonzero = (box != 0).reshape(high, SQUARE, wide * SQUARE).any(1)
    observed = finite.reshape(high, wide, SQUARE).all(2) & nonzero.reshape(high, wide, SQUARE).any(
        2
    )
    return np.asarray(observed)
