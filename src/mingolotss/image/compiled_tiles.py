"""The call of the compiled kernel that decodes tiles of compressed images, ``_kernel/tiles.h``.

The bytes of a tile come from outside and may be anything: the kernel reads none beyond their end,
and says what is wrong with them. cfitsio, which astropy uses, reads on until the process ends.

>>> len(random_numbers()), round(float(random_numbers()[-1]) * (2**31 - 1), -4)
(10000, 1043620000.0)
"""

from __future__ import annotations

import ctypes
import enum
import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.image.kernel_library import N_RANDOM, Tile, Tiling, call_kernel

__all__ = ["PROBLEMS", "TILE", "Method", "RiceSettings", "decode_tiles", "random_numbers"]

TILE = np.dtype(Tile)
_TYPES = [np.dtype(code) for code in ("u1", "i2", "i4", "f4", "f8")]  # of planes
PROBLEMS = (
    "",
    "its data end before its last pixel",
    "unused bytes at the end of its data",
    "a code that RICE does not have",
)  # what is wrong with a tile, by the number in its field ``problem``


class Method(enum.IntEnum):
    """How the integers of tiles become pixels (FITS standard 4.0, section 10.2)."""

    INTEGERS = 0
    NO_DITHER = 1
    SUBTRACTIVE_DITHER_1 = 2
    SUBTRACTIVE_DITHER_2 = 3


class RiceSettings(NamedTuple):
    """BYTEPIX and BLOCKSIZE of RICE; 0 bytes for tiles of int32 that are not compressed."""

    pixel_bytes: int
    block: int


def decode_tiles(
    heap: memoryview | npt.NDArray[Any],
    tiles: npt.NDArray[np.void],
    plane: npt.NDArray[Any],
    settings: RiceSettings,
    method: Method,
    *,
    has_blank: bool,
    lanes: int = 16,
) -> None:
    """Decode tiles into their places of a part of an image.

    Parameters
    ----------
    heap : bytes-like
        Where the bytes of the tiles are.
    tiles : array of `TILE`, shape (n,)
        Their field ``problem`` receives an index of `PROBLEMS`. The pixels of a tile with a problem
        are left as they were.
    plane : array, shape (ny, nx), C-contiguous, native byte order
        uint8, int16 or int32 for integers, which are converted as C does, and float32 or float64
        for quantised pixels.
    settings : RiceSettings
    method : Method
    has_blank : bool
        Whether the field ``blank`` of the tiles is the integer of undefined pixels, which become
        NaN. Integers are not compared.
    lanes : int
        The widest vector to use, as for `mingolotss.image.compiled.grey_stamps`.

    Raises
    ------
    RuntimeError
        The kernel is not available, or a tile is not in the heap or in the plane.
    ValueError
        The kernel cannot write this plane.
    """
    if plane.dtype not in _TYPES or not (plane.flags.c_contiguous and plane.flags.writeable):
        raise ValueError(f"the kernel writes no plane of {plane.dtype} with this layout")
    if not len(tiles):
        return
    raw = np.frombuffer(heap, np.uint8) if len(heap) else np.zeros(1, np.uint8)
    workspace = np.empty(int((tiles["height"] * tiles["width"]).max()), np.int32)
    size = -plane.itemsize if plane.dtype.kind == "f" else plane.itemsize
    tiling = Tiling(
        raw.ctypes.data, len(raw), tiles.ctypes.data, len(tiles), settings.pixel_bytes,
        settings.block, method, has_blank, random_numbers().ctypes.data, plane.ctypes.data, size,
        *plane.shape, workspace.ctypes.data, workspace.size,
    )  # fmt: skip
    call_kernel("mingolotss_tiles", ctypes.byref(tiling), lanes)


@functools.cache
def random_numbers() -> npt.NDArray[np.float32]:
    """Return the random numbers for dithered tiles (FITS standard 4.0, appendix I)."""
    numbers, seed = [], 1
    for _ in range(N_RANDOM):
        seed = 16807 * seed % (2**31 - 1)
        numbers.append(seed / (2**31 - 1))
    return np.array(numbers, np.float32)
