"""The layout of plain FITS files: where their pixels are, from the first bytes alone.

A plain file has one float image in its primary HDU, without scaling.

>>> from mingolotss.sky.fits_header import format_card, pad_to_block
>>> from mingolotss.sky.wcs import simple_header
>>> cards = format_card("SIMPLE", "T") + format_card("BITPIX", -32)
>>> header = cards + simple_header(10.0, 20.0, shape=(240, 250), scale_arcsec=1.5)
>>> layout = find_plain_layout(pad_to_block(header, b" "))
>>> layout.offset, layout.shape, layout.end
(2880, (240, 250), 242880)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mingolotss.errors import ImageError, TruncatedFileError
from mingolotss.sky.fits_header import (
    BLOCK,
    CARD,
    MAX_AXES,
    card_values,
    data_offset,
    real_value,
    whole_value,
)

__all__ = ["MAX_HEADER_BYTES", "PlainLayout", "find_plain_layout"]

FloatType = np.dtype[np.floating[Any]]

MAX_HEADER_BYTES = 256 * BLOCK  # room for a long HISTORY
_FLOAT_TYPES: dict[int, FloatType] = {-32: np.dtype(">f4"), -64: np.dtype(">f8")}
_PLAIN_VALUES = ((b"BSCALE", 1), (b"BZERO", 0), (b"PCOUNT", 0), (b"GCOUNT", 1))


@dataclass(frozen=True, slots=True)
class PlainLayout:
    """Where the pixels of a plain FITS file are.

    Attributes
    ----------
    header : bytes
        The primary header, whole blocks.
    offset : int
        The first byte of the pixels.
    dtype : numpy.dtype
        Big-endian float32 or float64.
    shape : tuple of int
        (ny, nx).
    """

    header: bytes
    offset: int
    dtype: FloatType
    shape: tuple[int, int]

    @property
    def end(self) -> int:
        """Return the byte after the last pixel."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def find_plain_layout(raw: bytes | memoryview, path: str = "") -> PlainLayout | None:
    """Find the pixels of a plain FITS file, or return None if the file is not plain.

    Parameters
    ----------
    raw : bytes
        At least the whole primary header.
    path : str
        The name for messages.

    Raises
    ------
    ImageError
        The bytes are no FITS file.
    TruncatedFileError
        The header has no end.
    """
    _require_fits_signature(bytes(raw[:CARD]), path)
    header_end = data_offset(raw, max_bytes=MAX_HEADER_BYTES)
    if header_end is None:
        raise TruncatedFileError(
            f"read {path}: {len(raw)} bytes without the end of a FITS header; fetch it again",
            path=path,
        )
    # Radio images often have degenerate third and fourth axes (FREQ, STOKES); with length 1 they do
    # not change the layout. The first axis varies fastest (FITS standard 4.0, section 3.3.2), which
    # gives the shape (NAXIS2, NAXIS1). With scaling or groups the pixels are not the values:
    # astropy reads those files.
    header = bytes(raw[:header_end])
    values = card_values(header)
    dtype = _FLOAT_TYPES.get(whole_value(values, b"BITPIX", 0))
    naxis = min(whole_value(values, b"NAXIS", 0), MAX_AXES)
    axes = [whole_value(values, b"NAXIS%d" % i, 0) for i in range(1, naxis + 1)]
    if dtype is None or len(axes) < 2 or min(axes) < 1 or max(axes[2:], default=1) > 1:
        return None
    if any(real_value(values, key, value) != value for key, value in _PLAIN_VALUES):
        return None
    return PlainLayout(header, header_end, dtype, (axes[1], axes[0]))


def _require_fits_signature(start: bytes, path: str) -> None:
    """Raise an error that says what the file is if its first bytes are not those of FITS."""
    if start.startswith(b"SIMPLE  ="):
        return
    text = start.lstrip().lower()
    if not start:
        kind = "an empty file"
    elif text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        kind = "an HTML page, not a FITS file"
    elif text.startswith(b"<"):
        kind = "an XML document, not a FITS file"
    else:
        kind = f"not a FITS file (it begins with {start[:12]!r})"
    raise ImageError(f"read {path}: {kind}; fetch it again", path=path)
