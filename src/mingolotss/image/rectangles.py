"""Many rectangles on one grid of squares, all at once: their union, and counts inside of each.

>>> low, high = np.array([0, 1]), np.array([2, 3])
>>> union_of_rectangles((3, 3), low, high, low, high).astype(int).tolist()
[[1, 1, 0], [1, 1, 1], [0, 1, 1]]
>>> count_in_rectangles(np.eye(3, dtype=bool), low, high, low, high).tolist()
[2, 2]
>>> list(rectangles_over(np.array([[True, True, False], [True, True, True]])))
[(0, 1, 0, 2), (1, 2, 0, 3)]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mingolotss.model import Bools, Ints

__all__ = ["count_in_rectangles", "rectangles_over", "union_of_rectangles"]


def union_of_rectangles(
    shape: tuple[int, ...], top: Ints, bottom: Ints, left: Ints, right: Ints
) -> Bools:
    """Return which squares lie in any of several rectangles (ends left out)."""
    # A difference array: each rectangle adds +1 or -1 at its four corners, and the cumulative sum
    # along both axes is then the number of rectangles over each square. The cost is one addition a
    # corner, whatever the size of the rectangles; integers make it exact.
    steps = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
    for y, x, step in ((top, left, 1), (bottom, right, 1), (top, right, -1), (bottom, left, -1)):
        np.add.at(steps, (y, x), step)
    union: Bools = steps.cumsum(0).cumsum(1)[:-1, :-1] > 0
    return union


def count_in_rectangles(squares: Bools, top: Ints, bottom: Ints, left: Ints, right: Ints) -> Ints:
    """Return how many squares of each rectangle are set."""
    # A summed-area table: sums[y, x] counts the squares above and to the left of (y, x), so each
    # rectangle is four look-ups, whatever its size.
    sums = np.zeros((squares.shape[0] + 1, squares.shape[1] + 1), np.int64)
    sums[1:, 1:] = squares.cumsum(0).cumsum(1)
    counts: Ints = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return counts


def rectangles_over(squares: Bools) -> Iterator[tuple[int, int, int, int]]:
    """Give rectangles (top, bottom, left, right) that cover the squares set, each once."""
    # Each row is split into runs of set squares; a run of the same columns as one in the row above
    # extends its rectangle. Few, large rectangles: each is one call of the compiled kernel.
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
