"""Square windows of images, stored as arrays: the pixels that stamps are made of.

The steps of a recipe need numpy arrays and the compiled kernel needs addresses in memory.
`WindowArray` provides both and copies no pixels.

>>> image = np.arange(100, dtype=np.float32).reshape(10, 10)
>>> y, x = np.array([0, 5]), np.array([1, 2])
>>> windows = WindowArray([image], np.array([0, 0]), y=y, x=x, side=2)
>>> windows[1].tolist(), windows.memory_layout[1, 0] - windows.memory_layout[0, 0]
([[52.0, 53.0], [62.0, 63.0]], np.int64(204))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.image.lazy_sequence import LazySequence
from mingolotss.model import FloatImage, Ints

__all__ = ["WindowArray", "memory_layout"]


def memory_layout(images: Sequence[FloatImage]) -> Ints:
    """Return where images are in memory, as ``struct window`` of the compiled kernel stores it.

    Parameters
    ----------
    images : sequence of float array, shape (ny, nx)

    Returns
    -------
    int64 array, shape (n, 3)
        The address of the first pixel, the bytes from a row to the next, and 1 if the pixels have
        the other byte order than this machine, else 0.
    """
    rows = [(image.ctypes.data, image.strides[0], not image.dtype.isnative) for image in images]
    return np.array(rows, np.int64).reshape(-1, 3)


class WindowArray(LazySequence[FloatImage]):
    """Windows of one size.

    Attributes
    ----------
    planes : sequence of float array, shape (ny, nx)
        The images, any byte order. The pixels of a row are adjacent in memory.
    which : int64 array, shape (n,)
        The plane of each window.
    y, x : int64 array, shape (n,), px
        First row and column of each window in its plane.
    side : int, px
    memory_layout : int64 array, shape (n, 3)
        The function `memory_layout` of each window.

    Raises
    ------
    ValueError
        A window leaves its plane, or the pixels of a row of its plane are not adjacent. The
        compiled kernel would read memory that is not the window's.
    """

    __slots__ = ("memory_layout", "planes", "side", "which", "x", "y")

    def __init__(
        self, planes: Sequence[FloatImage], which: Ints, *, y: Ints, x: Ints, side: int
    ) -> None:
        self.planes, self.which, self.y, self.x, self.side = planes, which, y, x, side
        self.memory_layout = memory_layout(planes)[which]
        if not y.shape == x.shape == which.shape or side < 1:
            raise ValueError("a window needs a plane, a row, a column and a side")
        # One row of numbers a plane, spread over its windows: the checks are a few array
        # operations, however many windows there are. No window fits a plane whose rows are not
        # contiguous.
        limits = [
            (ny - side, nx - side if plane.strides[1] == plane.itemsize else -1, plane.itemsize)
            for plane in planes
            for ny, nx in (plane.shape,)
        ]
        columns = np.array(limits, np.int64).reshape(-1, 3).T
        last_y, last_x, itemsize = (column[which] for column in columns)
        if not ((which >= 0) & (y >= 0) & (x >= 0) & (y <= last_y) & (x <= last_x)).all():
            raise ValueError(
                f"a window of {side} x {side} pixels leaves its plane, or the plane's rows are not "
                "contiguous"
            )
        self.memory_layout[:, 0] += y * self.memory_layout[:, 1] + x * itemsize

    @classmethod
    def of(cls, images: Sequence[FloatImage]) -> WindowArray:
        """Make windows that are whole images, square and of one size."""
        corner = np.zeros(len(images), np.int64)
        return cls(images, np.arange(len(images)), y=corner, x=corner, side=len(images[0]))

    def __len__(self) -> int:
        return len(self.which)

    def item(self, index: int) -> FloatImage:
        """Return one window, a view."""
        which, y, x = int(self.which[index]), int(self.y[index]), int(self.x[index])
        return self.planes[which][y : y + self.side, x : x + self.side]
