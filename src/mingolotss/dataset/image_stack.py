"""A stack of images that lies in several files, opened without reading it.

Five batches are five memory maps. Joining them would copy 130 MB before the first image is seen;
this looks like the joined array and copies what is asked for.

>>> pieces = [np.full((2, 1, 1), 1, np.uint8), np.full((3, 1, 1), 2, np.uint8)]
>>> stack = Stack(pieces)
>>> stack.shape, stack[1].item(), stack.gather([4, 0]).ravel().tolist()
((5, 1, 1), 1, [2, 1])
>>> np.asarray(stack.select([0, 2, 3])).ravel().tolist()
[1, 2, 2]
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import DatasetError

__all__ = ["Stack"]


class Stack:
    """Images of one shape in several arrays, in order, or some of them.

    Parameters
    ----------
    pieces : sequence of array or LazyImages, shape (n_i, ny, nx)
    rows : sequence of int, optional
        Which images of all the pieces together; all of them if not given.

    Raises
    ------
    DatasetError
        The pieces differ in image shape or type.
    """

    def __init__(self, pieces: Sequence[Any], rows: Sequence[int] | None = None) -> None:
        full = [piece for piece in pieces if len(piece)] or list(pieces[:1])
        kinds = {(piece.shape[1:], piece.dtype.name) for piece in full}
        if len(kinds) > 1:
            raise DatasetError(f"read a dataset: images of several kinds, {sorted(kinds)}")
        self._pieces = full
        ends = np.cumsum([0, *map(len, full)])
        self._starts: list[int] = ends.tolist()
        self._rows = range(self._starts[-1]) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of the joined array."""
        ny, nx = self._pieces[0].shape[1:]
        return (len(self._rows), ny, nx)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the type of the joined array."""
        kind: np.dtype[Any] = self._pieces[0].dtype
        return kind

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return one image, shape (ny, nx): a view."""
        row = self._rows[index]
        piece = bisect_right(self._starts, row) - 1
        image: NDArray[Any] = self._pieces[piece][row - self._starts[piece]]
        return image

    def gather(self, indices: Sequence[int], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the images at `indices` as one array, shape (k, ny, nx): a copy, in `out`."""
        if out is None:
            out = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for place, index in enumerate(indices):
            out[place] = self[index]
        return out

    def select(self, chosen: Sequence[int]) -> Stack:
        """Return the stack of the images at `chosen`, still without reading them."""
        return Stack(self._pieces, [self._rows[index] for index in chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if len(self._pieces) == 1 and isinstance(self._rows, range) and not copy:
            return np.asarray(self._pieces[0]).astype(dtype or self.dtype, copy=False)
        return self.gather(range(len(self))).astype(dtype or self.dtype, copy=False)
