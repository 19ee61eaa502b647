"""Memory for the pixels of batches: that of an earlier batch to which nobody refers any more.

A new array of some megabytes costs as much as the conversion of its pixels: the system hands over
its memory page by page, each filled with zeros, and takes it back with the array. An array that is
made here returns its memory to the next one when it is freed, which is when no tensor, array or
view of it is left. A batch that is kept keeps its memory.

>>> make = ReusedMemory()
>>> batch = make((64, 150, 150), np.dtype(np.float32))
>>> place, view = batch.ctypes.data, batch[3:5].T
>>> del batch
>>> other = make((64, 150, 150), np.dtype(np.float32))
>>> other.ctypes.data == place
False
>>> del view
>>> make((60, 150, 150), np.dtype(np.float32)).ctypes.data == place
True
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ReusedMemory"]

_LEAST_BYTES = 1 << 18  # the C library itself reuses the memory of smaller arrays
_MOST_BYTES = 1 << 27  # memory of larger arrays is given back to the system
_BLOCKS = 4  # that wait: images and masks of the batch in use and of the next one


class ReusedMemory:
    """Makes arrays with any content; a copy in another process begins with no memory."""

    def __init__(self) -> None:
        self._free: deque[npt.NDArray[np.uint8]] = deque(maxlen=_BLOCKS)

    def __reduce__(self) -> tuple[type[ReusedMemory], tuple[()]]:
        return ReusedMemory, ()

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return an array whose content is arbitrary, and whose memory no other array has."""
        count = math.prod(shape)
        if not _LEAST_BYTES <= count * dtype.itemsize <= _MOST_BYTES:
            return np.empty(shape, dtype)
        block = self._block(count * dtype.itemsize)
        # A view of a view refers to the array that is no view itself. This array is of a memoryview
        # and not of `block`, so that all its views refer to it, and it is freed after all of them.
        array = np.frombuffer(block.data, dtype, count)
        weakref.finalize(array, self._free.append, block).atexit = False
        return array.reshape(shape)

    def _block(self, size: int) -> npt.NDArray[np.uint8]:
        """Take a block that is large enough, and not much too large, or make one."""
        # Threads may do this at the same time: each call of a deque is atomic, and a block is in
        # it once.
        for _ in range(_BLOCKS):
            try:
                block = self._free.pop()
            except IndexError:
                break
            if size <= block.nbytes <= 2 * size:
                return block
            self._free.appendleft(block)
        return np.empty(size, np.uint8)
