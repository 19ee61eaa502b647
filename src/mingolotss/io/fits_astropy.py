"""FITS files that are not plain, read with astropy: scaled, compressed, or in an extension.

Whatever astropy raises for a damaged file becomes an `ImageError` of one line.

>>> check_counts(b"NAXIS   =               100000", "x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ImageError: read x.fits: damaged (100000 axes or columns, FITS has at most \
999); fetch it again
"""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import numpy as np
from astropy.io import fits

from mingolotss.errors import ImageError, TruncatedFileError
from mingolotss.io.error_text import first_line
from mingolotss.model import FloatImage
from mingolotss.sky.fits_header import MAX_AXES

__all__ = ["check_counts", "read_with_astropy", "translate_astropy_errors"]

_COUNT_OF_FOUR_DIGITS = re.compile(rb"(?:Z?NAXIS {2,3}|TFIELDS )= *\+?(\d{4,})")
_MAX_COMPRESSION_FACTOR = 1100  # no tile compression of FITS exceeds it (deflate: 1032)


def _cfitsio_errors() -> tuple[type[Exception], ...]:
    """Return the exception of astropy's decompressor; its module differs between versions."""
    for name in ("hdu.compressed._compression", "_tiled_compression._compression"):
        try:
            return (import_module(f"astropy.io.fits.{name}").CfitsioException,)
        except (ImportError, AttributeError):
            continue
    return ()


_ASTROPY_ERRORS: tuple[type[Exception], ...] = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, RuntimeError,
    AssertionError, ArithmeticError, MemoryError, struct.error, zlib.error, fits.VerifyError,
    *_cfitsio_errors(),
)  # fmt: skip


def check_counts(raw: bytes | memoryview, path: str) -> None:
    """Refuse headers with more axes or columns than FITS allows: astropy would read for hours.

    Raises
    ------
    ImageError
        The message gives the number.
    """
    if match := _COUNT_OF_FOUR_DIGITS.search(raw):
        raise ImageError(
            f"read {path}: damaged ({match[1].decode()} axes or columns, FITS has at most "
            f"{MAX_AXES}); fetch it again",
            path=path,
        )


@contextmanager
def translate_astropy_errors(path: str) -> Iterator[None]:
    """Turn the exceptions of astropy for a damaged file into an ImageError of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _ASTROPY_ERRORS as error:
        # astropy has no exception of its own for a file that ends early. "buffer is too small" is
        # numpy's message for an array in too few bytes; astropy itself says "truncated".
        is_short = "buffer is too small" in str(error) or "truncated" in str(error).lower()
        kind = TruncatedFileError if is_short else ImageError
        problem = "the file is cut short" if is_short else f"damaged ({first_line(error)})"
        raise kind(f"read {path}: {problem}; fetch it again", path=path) from error


def read_with_astropy(
    raw: bytes | memoryview, path: str, *, max_bytes: int
) -> tuple[FloatImage, bytes]:
    """Read the first image with two or more axes.

    Parameters
    ----------
    raw : bytes
        The whole file.
    path : str
        The name for messages.
    max_bytes : int
        The largest image that is read.

    Returns
    -------
    data : float array, shape (ny, nx)
        NaN where blank.
    header : bytes
        The cards of the HDU.

    Raises
    ------
    ImageError
        The file is damaged, has no image, or has an image of several planes.
    TruncatedFileError
        The file ends before its data do.
    """
    check_counts(raw, path)
    with translate_astropy_errors(path), fits.open(io.BytesIO(raw)) as hdus:
        for hdu in hdus:
            if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2:
                data = _pixels(hdu, len(raw), max_bytes, path)
                return data, hdu.header.tostring().encode("ascii")
    raise ImageError(f"read {path}: a FITS file without an image in it", path=path)


def _pixels(
    hdu: fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU, length: int, max_bytes: int, path: str
) -> FloatImage:
    """Return the image of an HDU as floats with two axes, NaN where blank."""
    # A damaged header can announce any size, and astropy would allocate it. No image is larger than
    # its file, or for tile compression than the file times the largest possible compression.
    size = math.prod(hdu.shape) * abs(hdu.header["BITPIX"]) // 8
    shape = " x ".join(map(str, hdu.shape))
    if min(hdu.shape) < 1:
        raise ImageError(f"read {path}: an image of {shape} has no pixels", path=path)
    is_compressed = isinstance(hdu, fits.CompImageHDU)
    if size > length * (_MAX_COMPRESSION_FACTOR if is_compressed else 1):
        raise TruncatedFileError(
            f"read {path}: {length} bytes for an image of {shape}; fetch it again", path=path
        )
    if size > max_bytes:
        raise ImageError(
            f"read {path}: an image of {shape} has {size} bytes, over the limit of {max_bytes} "
            "bytes; cut it into smaller images, or use the service mosaics",
            path=path,
        )
    data = np.squeeze(hdu.data) if min(hdu.shape) == 1 and len(hdu.shape) > 2 else hdu.data
    if data.ndim != 2:
        raise ImageError(
            f"read {path}: an image of shape {hdu.shape}; one plane is needed, give a file for "
            "each plane",
            path=path,
        )
    # float32 has a mantissa of 24 bits: integers of 8 and 16 bits are exact in it, larger ones need
    # float64.
    if data.dtype.kind == "f":
        return np.asarray(data)
    return np.asarray(data, np.float32 if data.dtype.itemsize <= 2 else np.float64)
