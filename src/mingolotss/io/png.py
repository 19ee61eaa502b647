"""Read and write stamps as 8-bit PNG files (ISO/IEC 15948): grey, or three channels as RGB.

Row 0 of the array is the top row of the PNG, as in the images of the original dataset. A PNG that
mingolotss wrote has no row filters, so that inflating is all the decoding it needs; any other PNG
is read with Pillow.

>>> image = np.arange(12, dtype=np.uint8).reshape(3, 4)
>>> decode_png(encode_png(image), "x.png")
array([[ 0,  1,  2,  3],
       [ 4,  5,  6,  7],
       [ 8,  9, 10, 11]], dtype=uint8)
"""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from zlib_ng import zlib_ng

from mingolotss.errors import DatasetError
from mingolotss.io.error_text import first_line
from mingolotss.io.files import write_files

__all__ = [
    "MAX_SIDE",
    "PNG_CHANNELS",
    "Allocate",
    "common_size",
    "decode_png",
    "decode_pngs",
    "encode_png",
    "encode_rows",
    "encode_stack",
    "write_pngs",
]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33  # the signature and the IHDR chunk
# The fields of the IHDR chunk follow the signature (8 bytes), its length (4) and its type (4):
# width (from byte 16), height (20), bit depth (24), colour type (25), compression (26), filter (27)
# and interlace (28).
_INTERLACE_BYTE = 28
PNG_CHANNELS = (1, 3)
"""Numbers of channels that a PNG file holds: grey, and red, green and blue."""
_COLOUR = {1: 0, 3: 2}  # colour type of each number of channels
_MODE = {1: "L", 3: "RGB"}  # of Pillow
_WORD = {1: "8-bit grey", 3: "8-bit RGB"}
_INFLATE_ERRORS = (zlib.error, cast("type[Exception]", zlib_ng.error))
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], npt.NDArray[Any]]
"""Makes an array of a shape and a type, as ``numpy.empty`` does."""
MAX_SIDE = 4096
"""Pixels on a side: a stamp has 150, and a damaged PNG of a few kB can claim 2**31."""
# zlib-ng at level 1 takes 15 µs for a stamp, zlib 75 and Pillow 370 (2 cores, median of 240); the
# files are 8 % larger.
_LEVEL = 1
_BLOCK_BYTES = 1 << 18  # of pixels that are decoded at once, which stay in the cache


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return an image as a PNG file: grey, or RGB for three channels.

    Parameters
    ----------
    image : uint8 array, shape (ny, nx), (1, ny, nx) or (3, ny, nx)
    """
    planes = image if image.ndim == 3 else image[None]
    count, ny, nx = planes.shape
    rows = np.zeros((ny, 1 + count * nx), np.uint8)  # each begins with its filter; 0 is none
    for channel, plane in enumerate(planes):
        rows[:, 1 + channel :: count] = plane
    return encode_rows(rows, count)


def encode_rows(rows: npt.NDArray[np.uint8], channels: int = 1) -> bytes:
    """Return an image as a PNG file, given rows that already begin with their filter byte.

    Parameters
    ----------
    rows : uint8 array, shape (ny, 1 + channels * nx)
        The channels of a pixel are neighbours.
    channels : {1, 3}
    """
    (encoded,) = encode_stack(rows[None], channels)
    return encoded


def encode_stack(rows: npt.NDArray[np.uint8], channels: int = 1) -> list[bytes]:
    """Return images of one size as PNG files, as `encode_rows` does.

    Parameters
    ----------
    rows : uint8 array, shape (n, ny, 1 + channels * nx)
    channels : {1, 3}
    """
    # What all files have in common is made once; two calls of zlib-ng are left for each.
    _, ny, nbytes = rows.shape
    start = _header(ny, (nbytes - 1) // channels, channels)
    compress, crc32, join = zlib_ng.compress, zlib_ng.crc32, b"".join
    files = []
    for image in rows:
        data = compress(image, _LEVEL)
        check = crc32(data, _IDAT_CHECK).to_bytes(4)
        files.append(join((start, len(data).to_bytes(4), _IDAT, data, check, _END)))
    return files


def write_pngs(folder: Path, names: Sequence[str], files: Sequence[bytes]) -> None:
    """Write encoded images into a folder, each complete or not at all."""
    write_files(folder, zip(names, files, strict=True))


def decode_png(png: bytes, name: str, channels: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode one 8-bit PNG.

    Parameters
    ----------
    png : bytes
    name : str
        The name for error messages.
    channels : {None, 1, 3}
        Grey for 1, RGB for 3. None is grey without an axis of channels.

    Returns
    -------
    uint8 array, shape (ny, nx) or (channels, ny, nx)

    Raises
    ------
    DatasetError
        The bytes are no PNG or are cut short, or the image is of another kind or has more than
        4096 px on a side.
    """
    count = channels or 1
    size = _size(png, name, count)
    rows = _decode_unfiltered(png, size, count)
    if rows is None:
        rows = _decode_with_pillow(png, name, size, count)
    return rows if channels is None else rows.reshape(*size, count).transpose(2, 0, 1)


def decode_pngs(
    pngs: Sequence[bytes],
    names: Sequence[str],
    channels: int | None = None,
    allocate: Allocate = np.empty,
) -> npt.NDArray[np.uint8]:
    """Decode PNGs of one size into one array.

    Parameters
    ----------
    pngs : sequence of bytes
    names : sequence of str
        As many names, for error messages.
    channels : {None, 1, 3}
        As for `decode_png`.
    allocate : callable
        Makes the array of the result, ``allocate(shape, dtype)``.

    Returns
    -------
    uint8 array, shape (n, ny, nx) or (n, channels, ny, nx)

    Raises
    ------
    DatasetError
        As for `decode_png`, or a PNG has another size than those before it.
    """
    axes = () if channels is None else (channels,)
    ny, nx = common_size(pngs, names, channels or 1)
    stack: npt.NDArray[np.uint8] = allocate((len(pngs), *axes, ny, nx), np.dtype(np.uint8))
    # The channels of a pixel are neighbours in a PNG, and the pixels of a channel in an array.
    images = stack[..., None] if channels is None else stack.transpose(0, 2, 3, 1)
    step = max(_BLOCK_BYTES // max(ny * nx * images.shape[-1], 1), 1)
    for start in range(0, len(pngs), step):
        block = slice(start, start + step)
        _decode_into(images[block], pngs[block], names[block])
    return stack


def _decode_into(
    images: npt.NDArray[np.uint8], pngs: Sequence[bytes], names: Sequence[str]
) -> None:
    """Decode PNGs, whose headers were checked, into an array of shape (n, ny, nx, channels)."""
    # To handle the rows of each image in numpy takes as long as to inflate a small one. They are
    # therefore joined, and the filters of all are looked at together: an image of 64 x 64 pixels
    # takes 6 to 12 us instead of 12 to 18 (one core). An image that cannot be inflated so has a
    # filter in its place, and is read with Pillow as one with filters is.
    _, ny, nx, channels = images.shape
    nbytes = ny * (1 + nx * channels)
    raw = b"".join([_inflate(png, (ny, nx), channels) or b"\1" * nbytes for png in pngs])
    rows = np.frombuffer(raw, np.uint8).reshape(len(pngs), ny, 1 + nx * channels)
    images[:] = rows[:, :, 1:].reshape(images.shape)
    for index in np.flatnonzero(rows[:, :, 0].any(axis=1)).tolist():
        decoded = _decode_with_pillow(pngs[index], names[index], (ny, nx), channels)
        images[index] = decoded.reshape(ny, nx, channels)


def common_size(pngs: Sequence[bytes], names: Sequence[str], channels: int = 1) -> tuple[int, int]:
    """Return the height and width of PNGs of one size, from their headers.

    Without any PNG the size is (0, 0).

    Raises
    ------
    DatasetError
        One is no 8-bit PNG of this number of channels, or has another size than those before it.
    """
    if not pngs:
        return 0, 0
    first = _size(pngs[0], names[0], channels)
    header = pngs[0][:_HEADER_BYTES]
    for index, png in enumerate(pngs):
        if png[:_HEADER_BYTES] == header:
            continue
        size = _size(png, names[index], channels)
        if size != first:
            raise DatasetError(
                f"read {names[index]}: {_format_shape(size)} pixels where the images before it "
                f"have {_format_shape(first)}; fetch or build the dataset again"
            )
    return first


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


def _size(png: bytes, name: str, channels: int) -> tuple[int, int]:
    """Read height and width (PNG specification, third edition, section 11.2.1)."""
    if len(png) < _HEADER_BYTES or png[:8] != _SIGNATURE or png[12:16] != b"IHDR":
        raise DatasetError(f"read {name}: not a PNG ({len(png)} bytes); fetch or build it again")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    allowed = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE
    if (depth, colour) != (8, _COLOUR[channels]) or not allowed:
        raise DatasetError(
            f"read {name}: a stamp is {_WORD[channels]}, at most {MAX_SIDE} px on a side; this is "
            f"{width} x {height}, {depth}-bit, colour type {colour}; fetch or build it again"
        )
    return height, width


def _read_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the data of every chunk, without checking the checksums."""
    # A chunk is the length of its data (4 bytes), a type (4), the data and a checksum (4); the
    # first one follows the signature (PNG specification, section 5.3).
    start = len(_SIGNATURE)
    while start + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, start)
        yield png[start + 4 : start + 8], png[start + 8 : start + 8 + length]
        start += 12 + length


def _image_data(png: bytes) -> bytes | memoryview:
    """Return the compressed rows of a PNG."""
    # A PNG that mingolotss wrote has one chunk of them between the header and the chunk IEND, which
    # is 12 bytes. To look for it in the list of all chunks takes longer than to inflate it.
    start, rest = _HEADER_BYTES + 8, len(png) - _HEADER_BYTES - 24
    if png[_HEADER_BYTES:start] == max(rest, 0).to_bytes(4) + b"IDAT":
        return memoryview(png)[start : start + rest]
    return b"".join(body for kind, body in _read_chunks(png) if kind == b"IDAT")


def _inflate(png: bytes, size: tuple[int, int], channels: int) -> bytes | None:
    """Return the rows, each after its filter; None if they are interlaced or incomplete."""
    nbytes = size[0] * (1 + size[1] * channels)
    if png[_INTERLACE_BYTE]:
        return None
    inflater = zlib_ng.decompressobj()
    try:
        raw: bytes = inflater.decompress(_image_data(png), nbytes + 1)
    except _INFLATE_ERRORS:
        return None
    # zlib checks its checksum at eof
    return raw if len(raw) == nbytes and inflater.eof else None


def _decode_unfiltered(
    png: bytes, size: tuple[int, int], channels: int
) -> npt.NDArray[np.uint8] | None:
    """Inflate the rows; return None if they are interlaced, filtered or incomplete."""
    raw = _inflate(png, size, channels)
    if raw is None:
        return None
    rows = np.frombuffer(raw, np.uint8).reshape(size[0], -1)
    return None if rows[:, 0].any() else rows[:, 1:]


def _decode_with_pillow(
    png: bytes, name: str, size: tuple[int, int], channels: int
) -> npt.NDArray[np.uint8]:
    from PIL import Image  # only needed for PNGs of other programs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # A second header may claim another size; `open` decodes nothing yet.
            with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
                if (image.height, image.width) != size or image.mode != _MODE[channels]:
                    raise ValueError(f"a second header, {image.mode} of {image.size}")  # noqa: TRY301
                return np.asarray(image, np.uint8).reshape(size[0], -1)
    except Exception as error:  # of a library that parses bytes of any origin
        raise DatasetError(
            f"read {name}: a broken PNG ({first_line(error)}); fetch or build it again"
        ) from error


@functools.lru_cache(maxsize=16)
def _header(ny: int, nx: int, channels: int) -> bytes:
    """Return what precedes the pixels: the signature and the header chunk."""
    fields = struct.pack(">IIBBBBB", nx, ny, 8, _COLOUR[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", fields)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk: length, type, data, checksum of type and data."""
    return b"".join(
        (len(data).to_bytes(4), kind, data, zlib_ng.crc32(data, zlib_ng.crc32(kind)).to_bytes(4))
    )


_IDAT = b"IDAT"
_IDAT_CHECK = zlib_ng.crc32(_IDAT)
_END = _chunk(b"IEND", b"")
