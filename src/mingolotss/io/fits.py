"""One FITS image in, as pixels and a place on the sky.

A plain file (a float image in the primary HDU, nothing scaled) is read by looking at its bytes:
30 us for 240 x 240 where `astropy.io.fits` takes 400 (2 cores, median). Everything else, scaled
integers, images in an extension, fpack'd or gzip'd files, goes through astropy; the tests hold
the two together. What comes back is always floating point, two-dimensional, NaN where blank.

>>> read_image(b"<html>not found</html>", path="x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ImageError: read x.fits: an HTML page, not a FITS file; fetch it again
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import mmap
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from mingolotss.errors import ImageError, NoWCSError, TruncatedFileError
from mingolotss.model import FloatImage
from mingolotss.sky.wcs import SkyWCS

__all__ = [
    "BLOCK",
    "FitsImage",
    "PlainLayout",
    "check_counts",
    "plain_layout",
    "read_image",
    "translated",
]

BLOCK = 2880
_CARD = 80
_MAX_HEADER = 64 * BLOCK * 4
_MAX_BYTES = 2**31
_GZIP = b"\x1f\x8b"
_FLOATS: dict[int, np.dtype[Any]] = {-32: np.dtype(">f4"), -64: np.dtype(">f8")}
_MAX_AXES = 999  # FITS standard 4.0, section 4.4.1.1; also its limit for the columns of a table
_MANY = re.compile(rb"(?:Z?NAXIS {2,3}|TFIELDS )= *\+?(\d{4,})")
_MOST_PACKED = 1100  # to one: no tile compression of FITS packs tighter (deflate 1032)


def _cfitsio_errors() -> tuple[type[Exception], ...]:
    """Return what astropy's decompressor raises; its module moved between versions."""
    for name in ("hdu.compressed._compression", "_tiled_compression._compression"):
        try:
            return (import_module(f"astropy.io.fits.{name}").CfitsioException,)
        except (ImportError, AttributeError):
            continue
    return ()


_FOREIGN: tuple[type[Exception], ...] = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, RuntimeError,
    AssertionError, ArithmeticError, MemoryError, struct.error, zlib.error, fits.VerifyError,
    *_cfitsio_errors(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FitsImage:
    """What one file holds.

    Attributes
    ----------
    data : float array, shape (ny, nx)
        In the file's unit (Jy/beam for the surveys here); may be big-endian and read-only.
    header : bytes
        The cards of the HDU that the image is in.
    path : str
    sha256 : str
        Of the file.
    """

    data: FloatImage
    header: bytes
    path: str
    sha256: str

    def wcs(self) -> SkyWCS:
        """Return the place on the sky; NoWCSError if the header has none."""
        if b"CTYPE1" not in self.header:
            raise NoWCSError(
                f"read {self.path}: the header has no WCS (no CTYPE1); its place is unknown",
                path=self.path,
            )
        return SkyWCS.from_header(self.header, path=self.path)


@dataclass(frozen=True, slots=True)
class PlainLayout:
    """Where the pixels of a plain FITS file are: byte `offset`, `dtype`, `shape` (ny, nx)."""

    header: bytes
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int]

    @property
    def end(self) -> int:
        """Return the byte after the last pixel."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_image(source: Path | bytes, *, path: str = "") -> FitsImage:
    """Read the first two-dimensional image of a FITS file.

    Parameters
    ----------
    source : Path or bytes
        The file, or its content.
    path : str
        The name for messages, when `source` is bytes.

    Raises
    ------
    TruncatedFileError
        The file ends before its data do.
    ImageError
        It is no FITS file, or holds no such image. The line says what it is instead.
    """
    if isinstance(source, Path):
        path = path or str(source)
        try:
            raw: bytes | memoryview = _content(source)
        except OSError as error:
            raise ImageError(f"read {path}: {error.strerror}", path=path) from error
    else:
        raw = source
    digest = hashlib.sha256(raw).hexdigest()
    if raw[:2] == _GZIP:
        raw = _gunzip(raw, path)
    layout = plain_layout(raw, path)
    if layout is None:
        data, header = _by_astropy(raw, path)
    else:
        _check_length(len(raw), layout, path)
        data = np.frombuffer(raw, layout.dtype, math.prod(layout.shape), layout.offset)
        data, header = data.reshape(layout.shape), layout.header
    if min(data.shape) < 2:
        raise ImageError(
            f"read {path}: {data.shape[1]} x {data.shape[0]} pixels, which is how archives answer "
            "for a place outside the image",
            path=path,
        )
    return FitsImage(data, header, path, digest)


def _content(path: Path) -> memoryview:
    """Map a file into memory; read one that cannot be mapped.

    To hash 230 kB takes 180 us so, 250 with a copy of them in new memory (2 cores, median).
    """
    with path.open("rb", buffering=0) as stream:
        try:
            return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # an empty file, or a file system that cannot
            return memoryview(stream.read())


def plain_layout(raw: bytes | memoryview, path: str = "") -> PlainLayout | None:
    """Find the pixels of a plain FITS file from its first bytes, or None if it is not plain.

    Parameters
    ----------
    raw : bytes
        At least the whole primary header.

    Raises
    ------
    ImageError
        It is not FITS at all, or has no end of header.
    """
    _check_magic(bytes(raw[:_CARD]), path)
    end = _header_end(raw, path)
    header = bytes(raw[:end])
    cards = _cards(header)
    dtype: np.dtype[Any] | None = _FLOATS.get(_integer(cards, b"BITPIX", 0))
    naxis = min(_integer(cards, b"NAXIS", 0), _MAX_AXES)
    axes = [_integer(cards, b"NAXIS%d" % i, 0) for i in range(1, naxis + 1)]
    if dtype is None or len(axes) < 2 or min(axes) < 1 or max(axes[2:], default=1) > 1:
        return None
    usual = ((b"BSCALE", 1), (b"BZERO", 0), (b"PCOUNT", 0), (b"GCOUNT", 1))
    if any(_number(cards, key, value) != value for key, value in usual):
        return None
    return PlainLayout(header, end, dtype, (axes[1], axes[0]))


def _check_magic(start: bytes, path: str) -> None:
    if start.startswith(b"SIMPLE  ="):
        return
    text = start.lstrip().lower()
    if not start:
        found = "an empty file"
    elif text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        found = "an HTML page, not a FITS file"
    elif text.startswith(b"<"):
        found = "an XML document, not a FITS file"
    else:
        found = f"not a FITS file (it begins with {start[:12]!r})"
    raise ImageError(f"read {path}: {found}; fetch it again", path=path)


def _header_end(raw: bytes | memoryview, path: str) -> int:
    """Return the length of the primary header, whole blocks."""
    for start in range(0, min(len(raw), _MAX_HEADER), BLOCK):
        block = bytes(raw[start : start + BLOCK])
        at = block.find(b"END" + b" " * (_CARD - 3))
        while at >= 0:
            if at % _CARD == 0:
                return start + BLOCK
            at = block.find(b"END" + b" " * (_CARD - 3), at + 1)
    raise TruncatedFileError(
        f"read {path}: {len(raw)} bytes without the end of a FITS header; fetch it again", path=path
    )


def _cards(header: bytes) -> dict[bytes, bytes]:
    """Return the values of the cards as written, without comments; the first one counts."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(header), _CARD):
        if header[start + 8 : start + 10] == b"= ":
            key = header[start : start + 8].rstrip()
            value = header[start + 10 : start + _CARD]
            found.setdefault(key, value.partition(b"/")[0].strip())
    return found


def _integer(cards: dict[bytes, bytes], key: bytes, default: int) -> int:
    try:
        return int(cards[key])
    except (KeyError, ValueError):
        return default


def _number(cards: dict[bytes, bytes], key: bytes, default: float) -> float:
    try:
        return float(cards.get(key, default))
    except ValueError:
        return math.nan


def _check_length(length: int, layout: PlainLayout, path: str) -> None:
    if length < layout.end:
        raise TruncatedFileError(
            f"read {path}: {length} of {layout.end} bytes, the file is cut short; fetch it again",
            path=path,
        )


def _gunzip(raw: bytes | memoryview, path: str) -> bytes:
    """Unpack a gzip'd file, at most the bytes of the largest image allowed."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TruncatedFileError(
            f"read {path}: the gzip stream is damaged ({error}); fetch it again", path=path
        ) from error
    if len(data) > _MAX_BYTES:
        raise ImageError(f"read {path}: unpacks to more than 2 GiB; refused", path=path)
    return data


def check_counts(raw: bytes | memoryview, path: str) -> None:
    """Refuse headers with more axes or columns than FITS has: reading them would take forever.

    Raises
    ------
    ImageError
        The line says how many.
    """
    if many := _MANY.search(raw):
        raise ImageError(
            f"read {path}: damaged ({many[1].decode()} axes or columns, FITS has at most "
            f"{_MAX_AXES}); fetch it again",
            path=path,
        )


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn whatever astropy raises on a damaged file into an ImageError of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _FOREIGN as error:
        short = "buffer is too small" in str(error) or "truncated" in str(error).lower()
        kind = TruncatedFileError if short else ImageError
        what = "the file is cut short" if short else f"damaged ({_line(error)})"
        raise kind(f"read {path}: {what}; fetch it again", path=path) from error


def _by_astropy(raw: bytes | memoryview, path: str) -> tuple[FloatImage, bytes]:
    check_counts(raw, path)
    with translated(path), fits.open(io.BytesIO(raw)) as hdus:
        for hdu in hdus:
            if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2:
                return _pixels(hdu, len(raw), path), hdu.header.tostring().encode("ascii")
    raise ImageError(f"read {path}: a FITS file without an image in it", path=path)


def _pixels(hdu: Any, length: int, path: str) -> FloatImage:
    """Return an HDU's image as floats, two axes, NaN where blank."""
    size = math.prod(hdu.shape) * abs(hdu.header["BITPIX"]) // 8
    most = length * _MOST_PACKED if isinstance(hdu, fits.CompImageHDU) else length
    if min(hdu.shape) < 1 or size > min(most, _MAX_BYTES):
        raise TruncatedFileError(
            f"read {path}: {length} bytes for an image of {' x '.join(map(str, hdu.shape))}; "
            "fetch it again",
            path=path,
        )
    data = np.squeeze(hdu.data) if min(hdu.shape) == 1 and len(hdu.shape) > 2 else hdu.data
    if data.ndim != 2:
        raise ImageError(
            f"read {path}: an image of shape {hdu.shape}; one plane is needed, give a file for "
            "each plane",
            path=path,
        )
    if data.dtype.kind == "f":
        return np.asarray(data)
    return np.asarray(data, np.float32 if data.dtype.itemsize <= 2 else np.float64)


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
