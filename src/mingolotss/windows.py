"""Square windows of images, as columns: what stamps are made of.

The steps of a recipe want arrays, the compiled loops want to know where pixels are in memory;
`Windows` is both, and copies nothing.

>>> image = np.arange(100, dtype=np.float32).reshape(10, 10)
>>> windows = Windows([image], np.array([0, 0]), y=np.array([0, 5]), x=np.array([1, 2]), side=2)
>>> windows[1].tolist(), windows.addresses[1, 0] - windows.addresses[0, 0]
([[52.0, 53.0], [62.0, 63.0]], np.int64(204))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.columns import Columns
from mingolotss.model import FloatImage, Ints

__all__ = ["Windows", "addresses"]


def addresses(images: Sequence[FloatImage]) -> Ints:
    """Return where images are in memory, as ``struct window`` of ``compiled/kernel.c`` has it.

    Returns
    -------
    int64 array, shape (n, 3)
        The address of the first pixel, the bytes from a row to the next, and whether the bytes of
        a pixel are in the other order than this machine's.
    """
    told = [(one.ctypes.data, one.strides[0], not one.dtype.isnative) for one in images]
    return np.array(told, np.int64).reshape(-1, 3)


class Windows(Columns[FloatImage]):
    """Windows of one size.

    Attributes
    ----------
    planes : sequence of float array, shape (ny, nx)
        The images, each with its pixels side by side in rows; any byte order.
    which : int64 array, shape (n,)
        The plane of each window.
    y, x : int64 array, shape (n,), px
        Its first row and column there; it lies inside.
    side : int, px
    addresses : int64 array, shape (n, 3)
        What `addresses` says of it.
    """

    __slots__ = ("addresses", "planes", "side", "which", "x", "y")

    def __init__(
        self, planes: Sequence[FloatImage], which: Ints, *, y: Ints, x: Ints, side: int
    ) -> None:
        self.planes, self.which, self.y, self.x, self.side = planes, which, y, x, side
        right = np.array([one.itemsize for one in planes], np.int64)[which]
        self.addresses = addresses(planes)[which]
        self.addresses[:, 0] += y * self.addresses[:, 1] + x * right

    @classmethod
    def of(cls, images: Sequence[FloatImage]) -> Windows:
        """Make columns of images of one size, square."""
        corner = np.zeros(len(images), np.int64)
        return cls(images, np.arange(len(images)), y=corner, x=corner, side=len(images[0]))

    def __len__(self) -> int:
        return len(self.which)

    def item(self, index: int) -> FloatImage:
        """Return one window, a view."""
        which, y, x = int(self.which[index]), int(self.y[index]), int(self.x[index])
        return self.planes[which][y : y + self.side, x : x + self.side]
