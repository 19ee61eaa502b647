"""The layout of FITS files: which HDU has the image, and where its pixels are.

Only headers are read. The pixels of an image without compression are at a fixed offset, in primary
HDU and extensions alike; those of a tile-compressed image are read by
`mingolotss.io.fits_compressed`.

>>> from mingolotss.sky.fits_header import format_card, pad_to_block
>>> from mingolotss.sky.wcs import simple_header
>>> cards = format_card("SIMPLE", "T") + format_card("BITPIX", -32)
>>> header = cards + simple_header(10.0, 20.0, shape=(240, 250), scale_arcsec=1.5)
>>> layout = find_image(pad_to_block(header, b" "))
>>> layout.offset, layout.shape, layout.end
(2880, (240, 250), 242880)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError, TruncatedFileError
from mingolotss.io.file_kinds import kind_of_bytes
from mingolotss.io.fits_scaling import PixelScaling
from mingolotss.sky.fits_header import (
    BLOCK,
    CARD,
    MAX_AXES,
    card_values,
    data_offset,
    real_value,
    whole_value,
)
from mingolotss.sky.similar_headers import MAX_KINDS, split_header

__all__ = ["MAX_HEADER_BYTES", "ImageLayout", "data_bytes", "find_image", "find_table_image"]

CardValues = Mapping[bytes, bytes]

MAX_HEADER_BYTES = 1000 * BLOCK  # room for a long HISTORY; ends the search in a file without END
_PIXEL_TYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype("u1"), 16: np.dtype(">i2"), 32: np.dtype(">i4"), 64: np.dtype(">i8"),
    -32: np.dtype(">f4"), -64: np.dtype(">f8"),
}  # fmt: skip
_MOST_BYTES = 1 << 62  # more than any file has
_MOST_UNITS = 10_000  # HDUs before that of the image, 0.2 s; the files of HST have hundreds
_NO_BLANK = -(1 << 70)  # no integer of FITS
_IMAGE_EXTENSIONS = {b"IMAGE", b"IUEIMAGE"}  # the second is of the IUE archive, before IMAGE


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """Where the pixels of an image are, and how they become physical values.

    Attributes
    ----------
    header : bytes
        The header of the image's HDU as it is in the file, whole blocks.
    start, offset : int
        The first byte of the header and of the data.
    end : int
        The byte after the last pixel or, of compressed tiles, after the data of the HDU.
    dtype : numpy.dtype
        The type of the stored numbers; big-endian.
    shape : tuple of int
        (ny, nx).
    axes : tuple of int
        The numbers of the header's axes that are x and y, from 1.
    n_axes : int
        The number of the header's axes; those that are not in `axes` have length 1.
    scaling : PixelScaling
    is_compressed : bool
        The pixels are in compressed tiles (section 10.1), and not in rows.
    """

    header: bytes
    start: int
    offset: int
    end: int
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    axes: tuple[int, int]
    n_axes: int
    scaling: PixelScaling
    is_compressed: bool

    @property
    def is_plain(self) -> bool:
        """Return whether the physical values are in the file as floats, row by row."""
        return not self.is_compressed and self.dtype.kind == "f" and self.scaling.is_linear_identity

    def stored_pixels(self, raw: bytes | memoryview) -> npt.NDArray[Any]:
        """Return the stored numbers, shape (ny, nx), of an uncompressed image in a whole file."""
        values = np.frombuffer(raw, self.dtype, math.prod(self.shape), self.offset)
        return values.reshape(self.shape)

    def require_whole(self, length: int, attempt: str, path: str) -> None:
        """Raise an error if a file of `length` bytes ends before the image.

        Raises
        ------
        TruncatedFileError
            The message begins with `attempt`.
        """
        if length < self.end:
            raise TruncatedFileError(
                f"{attempt} {path}: {length} of {self.end} bytes, the file is cut short; "
                "fetch it again",
                path=path,
            )


def find_image(raw: bytes | memoryview, path: str = "") -> ImageLayout:
    """Find the first image with two or more axes.

    Parameters
    ----------
    raw : bytes
        A file, or its beginning with at least the headers up to that of the image.
    path : str
        The name for messages.

    Raises
    ------
    ImageError
        The bytes are no FITS file, or have no image of one plane.
    TruncatedFileError
        The bytes end before the header of an image does.
    """
    _require_fits_signature(raw, path)
    return _find_similar(raw) or _search(raw, path)


def _find_similar(raw: bytes | memoryview) -> ImageLayout | None:
    """Return the layout of an image in the first HDU, if that of a similar header tells it."""
    offset = data_offset(raw, max_bytes=MAX_HEADER_BYTES)
    header = bytes(raw[: offset or 0])
    split = split_header(header)
    layout = _layout_of_rest(split.rest) if split.starts else None
    return None if layout is None else replace(layout, header=header)


@lru_cache(maxsize=MAX_KINDS)
def _layout_of_rest(rest: bytes) -> ImageLayout | None:
    """Return the layout of an image by a header without its reference position; None if none."""
    try:
        return _search(rest, "")
    except ImageError:
        return None


def _search(raw: bytes | memoryview, path: str) -> ImageLayout:
    """Find the first image with two or more axes in all HDUs."""
    without_pixels = ""
    for start, header, values in _hdus(raw, "image", path):
        prefix = _image_prefix(values)
        if prefix is not None:
            lengths = _axis_lengths(values, prefix, path)
            if len(lengths) >= 2 and 0 not in lengths:
                return _layout(header, values, prefix, lengths, start, path)
            if len(lengths) >= 2 and not without_pixels:
                shape = " x ".join(map(str, lengths))
                without_pixels = f"an image of {shape} has no pixels"
        if values.get(b"GROUPS") == b"T":
            without_pixels = "random groups (visibilities) and no image"
    problem = without_pixels or "a FITS file without an image in it"
    raise ImageError(f"read {path}: {problem}", path=path)


def find_table_image(
    raw: bytes | memoryview, name: str, version: float, n_axes: int, path: str = ""
) -> ImageLayout | None:
    """Find an image extension that is a table of numbers; None if there is none.

    Parameters
    ----------
    raw : bytes
        A whole FITS file.
    name, version
        EXTNAME, in capitals, and EXTVER.
    n_axes : int
        1 or 2; with 1, the layout has one row.
    path : str
        The name for messages.

    Raises
    ------
    ImageError
        The extension has other axes, or the file is damaged before it.
    """
    for start, header, values in _hdus(raw, f"table {name} {version:g}", path):
        prefix = _image_prefix(values)
        extname = values.get(b"EXTNAME", b"").strip(b"' ").upper()
        if prefix is None or extname != name.encode():
            continue
        if real_value(values, b"EXTVER", 1.0) != version:
            continue
        lengths = _axis_lengths(values, prefix, path)
        if len(lengths) != n_axes or 0 in lengths:
            shape = " x ".join(map(str, lengths)) or "no axes"
            raise ImageError(
                f"read {path}: the table {name} {version:g} has {shape}, not {n_axes} axes",
                path=path,
            )
        return _layout(header, values, prefix, [*lengths, 1][:2], start, path)
    return None


def _hdus(
    raw: bytes | memoryview, sought: str, path: str
) -> Iterator[tuple[int, bytes, CardValues]]:
    """Yield the start, the header and its values of each HDU."""
    start, n_units = 0, 0
    while start < len(raw) and (start == 0 or bytes(raw[start : start + 8]) == b"XTENSION"):
        offset = data_offset(raw, start, max_bytes=MAX_HEADER_BYTES)
        if offset is None:
            raise _no_end(len(raw) - start, path)
        header = bytes(raw[start:offset])
        values = card_values(header)
        yield start, header, values
        start = offset - _data_bytes_or_raise(values, path) // -BLOCK * BLOCK  # rounded up
        n_units += 1
        if n_units > _MOST_UNITS:
            raise ImageError(
                f"read {path}: no {sought} in its first {_MOST_UNITS} parts (HDUs); it is damaged, "
                "or has to be divided",
                path=path,
            )
    if start > len(raw):
        raise TruncatedFileError(
            f"read {path}: {len(raw)} bytes, and no {sought} before byte {start}, where the next "
            "part of the file begins; fetch it again",
            path=path,
        )


def data_bytes(values: CardValues) -> int | None:
    """Return the length of the data of an HDU, or None if its header does not give one.

    Parameters
    ----------
    values : mapping of bytes to bytes
        The values of the header, by keyword.
    """
    naxis = whole_value(values, b"NAXIS", -1)
    if not 0 <= naxis <= MAX_AXES or b"BITPIX" not in values:
        return None
    # The size of the data is |BITPIX| GCOUNT (PCOUNT + NAXIS1 NAXIS2 ...) bits (FITS standard 4.0,
    # sections 4.4.1.2 and 6.1): one formula for images, tables and random groups.
    axes = [max(whole_value(values, b"NAXIS%d" % i, 0), 0) for i in range(1, naxis + 1)]
    if values.get(b"GROUPS") == b"T" and axes[:1] == [0]:
        axes = axes[1:]  # random groups: the first axis is a mark
    pixels = math.prod(axes) if axes else 0
    groups = max(whole_value(values, b"GCOUNT", 1), 0)
    parameters = max(whole_value(values, b"PCOUNT", 0), 0)
    length = abs(whole_value(values, b"BITPIX", 0)) // 8 * groups * (parameters + pixels)
    return min(length, _MOST_BYTES)  # the product of 999 axes has thousands of digits


def _data_bytes_or_raise(values: CardValues, path: str) -> int:
    length = data_bytes(values)
    if length is None:
        raise ImageError(
            f"read {path}: damaged (a header without BITPIX, or without NAXIS from 0 to "
            f"{MAX_AXES}); fetch it again",
            path=path,
        )
    return length


def _no_end(length: int, path: str) -> ImageError:
    if length >= MAX_HEADER_BYTES:
        return ImageError(
            f"read {path}: the header has no END in {MAX_HEADER_BYTES // BLOCK} blocks of {BLOCK} "
            "bytes; the file is damaged",
            path=path,
        )
    return TruncatedFileError(
        f"read {path}: {length} bytes without the end of a FITS header (the card END); fetch it "
        "again",
        path=path,
    )


def _image_prefix(values: CardValues) -> bytes | None:
    """Return what stands before BITPIX and NAXISn in the header of an image; None for others."""
    extension = values.get(b"XTENSION")
    if extension is None or extension.strip(b"' ") in _IMAGE_EXTENSIONS:
        return b""
    if values.get(b"ZIMAGE") == b"T" and extension.strip(b"' ") == b"BINTABLE":
        return b"Z"  # tile compression keeps the image's own values so (section 10.1.1)
    return None


def _axis_lengths(values: CardValues, prefix: bytes, path: str) -> list[int]:
    n_axes = whole_value(values, prefix + b"NAXIS", -1)
    if not 0 <= n_axes <= MAX_AXES:
        raise ImageError(
            f"read {path}: damaged ({n_axes} axes, FITS has at most {MAX_AXES}); fetch it again",
            path=path,
        )
    lengths = [whole_value(values, prefix + b"NAXIS%d" % i, -1) for i in range(1, n_axes + 1)]
    if min(lengths, default=0) < 0:
        number = 1 + next(i for i, n in enumerate(lengths) if n < 0)
        raise ImageError(
            f"read {path}: damaged ({prefix.decode()}NAXIS{number} gives no length); fetch it "
            "again",
            path=path,
        )
    return lengths


def _layout(
    header: bytes,
    values: CardValues,
    prefix: bytes,
    lengths: list[int],
    start: int,
    path: str,
) -> ImageLayout:
    """Return the layout of an image whose header begins at `start`."""
    bitpix = whole_value(values, prefix + b"BITPIX", 0)
    dtype = _PIXEL_TYPES.get(bitpix)
    if dtype is None:
        raise ImageError(
            f"read {path}: damaged (BITPIX = {bitpix}, FITS has 8, 16, 32, 64, -32 and -64); "
            "fetch it again",
            path=path,
        )
    axes = _image_axes(lengths, path)
    # The first axis varies fastest (section 3.3.2), which gives the shape (NAXIS2, NAXIS1).
    shape = lengths[axes[1] - 1], lengths[axes[0] - 1]
    scaling = _scaling(values, dtype, path)
    offset, is_compressed = start + len(header), prefix == b"Z"
    end = offset + (
        _data_bytes_or_raise(values, path) if is_compressed else math.prod(shape) * dtype.itemsize
    )
    return ImageLayout(
        header, start, offset, end, dtype, shape, axes, len(lengths), scaling, is_compressed
    )


def _image_axes(lengths: list[int], path: str) -> tuple[int, int]:
    """Return the numbers of the axes of the one plane of an image, from 1."""
    # Radio images often have degenerate axes (FREQ, STOKES). With length 1 they do not change the
    # layout, wherever they are among the axes. Whether the plane is on the sky, the WCS says.
    long_axes = [i for i, length in enumerate(lengths, 1) if length > 1]
    axes = (1, 2) if max(long_axes, default=1) <= 2 else tuple(long_axes)
    if len(axes) != 2:
        shape = str(tuple(reversed(lengths)))
        shown = shape if len(shape) < 80 else f"{len(lengths)} axes"
        raise ImageError(
            f"read {path}: an image of shape {shown}; one plane is needed, give a file for each "
            "plane",
            path=path,
        )
    return axes[0], axes[1]


def _scaling(values: CardValues, dtype: np.dtype[Any], path: str) -> PixelScaling:
    scale, zero = real_value(values, b"BSCALE", 1.0), real_value(values, b"BZERO", 0.0)
    if not (math.isfinite(scale) and math.isfinite(zero)):
        raise ImageError(
            f"read {path}: damaged (BSCALE or BZERO is not a number); fetch it again", path=path
        )
    # ZBLANK is BLANK for the integers inside compressed tiles (section 10.1.3). One that is no
    # integer has no meaning.
    keywords = (b"BLANK", b"ZBLANK") if dtype.kind != "f" else ()
    blanks = tuple(
        blank for key in keywords if (blank := whole_value(values, key, _NO_BLANK)) != _NO_BLANK
    )
    return PixelScaling(scale, zero, blanks)


def _require_fits_signature(raw: bytes | memoryview, path: str) -> None:
    """Raise an error that says what the file is if its first bytes are not those of FITS."""
    if bytes(raw[:CARD]).startswith(b"SIMPLE  ="):
        return
    start = bytes(raw[:BLOCK])
    if start.startswith(b"XTENSION"):
        kind = "a FITS extension without the primary header before it"
        raise ImageError(f"read {path}: {kind}", path=path)
    other = kind_of_bytes(start)
    if other.remedy:
        raise ImageError(f"read {path}: {other.name}; {other.remedy}", path=path)
    raise ImageError(f"read {path}: {other.name}, not a FITS file; fetch it again", path=path)
