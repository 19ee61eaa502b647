"""The calls of the compiled kernel that make float32 images of grey ones, ``_kernel/unit_range.h``.

It gathers images that lie anywhere in memory and converts them meanwhile: 3.5 µs of the processor
for an image of 150 x 150 pixels, where numpy takes 6.5 to gather and then divide.

>>> levels, pieces = np.zeros((2, 3), np.float32), list(np.uint8([[[0, 51, 255]], [[0, 0, 0]]]))
>>> is_done = gather(pieces, [1, 0], levels)
>>> levels[is_done:].astype(float).round(3).tolist() if is_done else "compiled kernel not available"
[[0.0, 0.2, 1.0]]
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from mingolotss.image.kernel_library import available, call_kernel

__all__ = ["convert", "gather"]


def gather(
    pieces: Sequence[object], rows: Sequence[int], out: npt.NDArray[Any], *, lanes: int = 16
) -> bool:
    """Write images as float32 from 0 to 1: each pixel divided by 255, as float32 is divided.

    Parameters
    ----------
    pieces : sequence of array, shape (n_i, ...)
        Images of one shape in several arrays.
    rows : sequence of int, length k
        Which images of all the pieces together.
    out : array, shape (k, ...)
    lanes : int
        The widest vector to use, as for `mingolotss.image.compiled.grey_stamps`.

    Returns
    -------
    bool
        False, and nothing is done, if the kernel is not available or cannot read the pieces or
        write `out`: it reads uint8 and writes float32, both in C order.

    Raises
    ------
    IndexError
        There is no such image.
    ValueError
        The images are of another shape or number than `out`.
    """
    arrays = [piece for piece in pieces if _is_grey(piece)]
    if len(arrays) < len(pieces) or not _is_writable(out):
        return False
    if {piece.shape[1:] for piece in arrays} != {out.shape[1:]} or len(rows) != len(out):
        shapes = [piece.shape for piece in arrays]
        raise ValueError(f"gather {len(rows)} images of {shapes} into an array of {out.shape}")
    starts = np.cumsum([0, *map(len, arrays)])
    places = np.array(rows, np.int64)
    if not len(places):
        return True
    if places.min() < 0 or places.max() >= starts[-1]:
        raise IndexError(f"gather images {places.min()} to {places.max()} of {starts[-1]}")
    size = out[0].size
    firsts = np.array([piece.ctypes.data for piece in arrays], np.int64)
    which = np.searchsorted(starts, places, "right") - 1
    addresses = (firsts - starts[:-1] * size)[which] + places * size
    call_kernel(
        "mingolotss_unit_range", addresses.ctypes.data, len(addresses), size, out.ctypes.data,
        out.size, lanes,
    )  # fmt: skip
    return True


def convert(images: npt.NDArray[Any], out: npt.NDArray[Any], *, lanes: int = 16) -> bool:
    """Write all images of one array as `gather` does.

    Parameters
    ----------
    images, out : array, shape (...)
    lanes : int

    Returns
    -------
    bool
        As for `gather`.

    Raises
    ------
    ValueError
        The images are of another shape than `out`.
    """
    if not _is_grey(images) or not _is_writable(out):
        return False
    if images.shape != out.shape:
        raise ValueError(f"convert images of {images.shape} into an array of {out.shape}")
    address = ctypes.c_int64(images.ctypes.data)
    call_kernel(
        "mingolotss_unit_range", ctypes.byref(address), 1, images.size, out.ctypes.data, out.size,
        lanes,
    )  # fmt: skip
    return True


def _is_grey(images: object) -> TypeGuard[npt.NDArray[np.uint8]]:
    return isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.flags.c_contiguous


def _is_writable(out: npt.NDArray[Any]) -> bool:
    return available() and out.dtype == np.float32 and out.flags.carray
