"""Decode the stamps' PNGs fast, and refuse those that are something else.

A stamp is an 8-bit grey PNG. Those that mingolotss writes have no row filters, so inflating is
all there is to decode; any other goes through Pillow.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(file, "PNG")
>>> decode(file.getvalue(), "x.png")
array([[ 0,  1,  2,  3],
       [ 4,  5,  6,  7],
       [ 8,  9, 10, 11]], dtype=uint8)
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from mingolotss.errors import DatasetError

__all__ = ["common_size", "decode", "decode_all"]

_HEAD = b"\x89PNG\r\n\x1a\n"
_INFLATE_ERRORS: tuple[Any, ...] = (zlib.error, zlib_ng.error)
_LARGEST = 4096  # px on a side: a stamp is 150, and a PNG of a few kB can claim 2**31


def decode(png: bytes, name: str) -> NDArray[np.uint8]:
    """Decode one 8-bit grey PNG.

    Parameters
    ----------
    png : bytes
    name : str
        What to call it in an error.

    Returns
    -------
    uint8 array, shape (ny, nx)

    Raises
    ------
    DatasetError
        It is no PNG, is cut short, is not 8-bit grey, or is more than 4096 px on a side.
    """
    size = _size(png, name)
    rows = _unfiltered(png, size)
    return _pillow(png, name) if rows is None else rows


def decode_all(pngs: Sequence[bytes], names: Sequence[str]) -> NDArray[np.uint8]:
    """Decode PNGs of one size into one array, shape (n, ny, nx)."""
    stack: NDArray[np.uint8] = np.empty((len(pngs), *common_size(pngs, names)), np.uint8)
    for index, (png, name) in enumerate(zip(pngs, names, strict=True)):
        stack[index] = decode(png, name)
    return stack


def common_size(pngs: Sequence[bytes], names: Sequence[str]) -> tuple[int, int]:
    """Return the height and width of PNGs, from their headers; (0, 0) of none.

    Raises
    ------
    DatasetError
        One is no 8-bit grey PNG, or of another size than those before it.
    """
    first = (0, 0)
    for index, (png, name) in enumerate(zip(pngs, names, strict=True)):
        size = _size(png, name)
        first = first if index else size
        if size != first:
            raise DatasetError(
                f"read {name}: {_shape(size)} pixels where the images before it have "
                f"{_shape(first)}; fetch or build the dataset again"
            )
    return first


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


def _size(png: bytes, name: str) -> tuple[int, int]:
    """Read height and width (PNG specification, third edition, section 11.2.1)."""
    if len(png) < 33 or png[:8] != _HEAD or png[12:16] != b"IHDR":
        raise DatasetError(f"read {name}: not a PNG ({len(png)} bytes); fetch or build it again")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    if (depth, colour) != (8, 0) or not 0 < width <= _LARGEST or not 0 < height <= _LARGEST:
        raise DatasetError(
            f"read {name}: a stamp is 8-bit grey, at most {_LARGEST} px on a side; this is "
            f"{width} x {height}, {depth}-bit, colour type {colour}; fetch or build it again"
        )
    return height, width


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(png: bytes, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Inflate the rows; None if they are interlaced, filtered or not all there."""
    ny, nx = size
    data = b"".join(body for kind, body in _chunks(png) if kind == b"IDAT")
    if png[28]:
        return None
    inflater = zlib_ng.decompressobj()
    try:
        raw = inflater.decompress(data, ny * (nx + 1) + 1)
    except _INFLATE_ERRORS:
        return None
    if len(raw) != ny * (nx + 1) or not inflater.eof:  # at eof the sum has been checked
        return None
    rows = np.frombuffer(raw, np.uint8).reshape(ny, nx + 1)
    return None if rows[:, 0].any() else rows[:, 1:]


def _pillow(png: bytes, name: str) -> NDArray[np.uint8]:
    from PIL import Image  # only foreign PNGs need it

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            warnings.simplefilter("error")
            return np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError, Warning) as error:
        raise DatasetError(
            f"read {name}: a broken PNG ({error}); fetch or build it again"
        ) from error
