"""One mosaic: its place on the sky, and boxes of its pixels without reading the rest.

A plain FITS file on disk is memory-mapped. An fpack'd one is read tile by tile through astropy;
any other address is opened through fsspec and only the rows under a box are read.

>>> import tempfile
>>> from mingolotss.sky.wcs import simple_header
"""

from __future__ import annotations

import contextlib
import functools
import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from mingolotss.errors import ImageError, ServiceUnavailableError, TruncatedFileError
from mingolotss.image.coverage import CoverageMap
from mingolotss.io.fits import (
    BLOCK,
    FitsImage,
    PlainLayout,
    check_counts,
    plain_layout,
    translated,
)
from mingolotss.model import Bools, FloatImage, Ints
from mingolotss.sky.wcs import SkyWCS

__all__ = ["MappedMosaic", "MosaicFile", "is_remote", "open_mosaic"]

_HEADS = (16 * BLOCK, 256 * BLOCK)  # the second for headers with a long HISTORY


class MosaicFile(Protocol):
    """A mosaic's shape (ny, nx), its WCS, and any box of its pixels."""

    shape: tuple[int, int]
    wcs: SkyWCS

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return rows y0 to y1 and columns x0 to x1 (ends left out), all inside the mosaic."""


def is_remote(address: str) -> bool:
    """Return whether an address is for fsspec rather than a path on this machine."""
    return "://" in address and not address.startswith("file://")


def open_mosaic(address: str) -> MosaicFile:
    """Open a mosaic at a path or an fsspec address.

    Raises
    ------
    ImageError
        It is not there, not FITS, or holds no image with a place on the sky.
    ServiceUnavailableError
        A remote address does not answer.
    """
    if is_remote(address):
        return _Remote(address)
    path = Path(address.removeprefix("file://"))
    try:
        state = path.stat()
    except OSError as error:
        raise ImageError(f"open {path}: {error.strerror}", path=str(path)) from error
    return _open_file(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=128)
def _open_file(path: Path, _size: int, _mtime_ns: int) -> MosaicFile:
    """Open a mosaic of this machine once a process, whichever partition asks, until it changes."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEADS[-1])
        layout = plain_layout(head, str(path))
        if layout is not None:
            return MappedMosaic(path, layout)
        check_counts(head, str(path))
        return _Tiled(path)
    except OSError as error:
        raise ImageError(f"open {path}: {error.strerror}", path=str(path)) from error


class MappedMosaic:
    """A plain file, memory-mapped: a box is a view, nothing is read until it is looked at.

    Attributes
    ----------
    pixels : float array, shape (ny, nx), Jy/beam
        All of it.
    """

    def __init__(self, path: Path, layout: PlainLayout) -> None:
        size = path.stat().st_size
        if size < layout.end:
            raise TruncatedFileError(
                f"open {path}: {size} of {layout.end} bytes, the file is cut short; fetch it again",
                path=str(path),
            )
        self.shape = layout.shape
        self.wcs = FitsImage(np.empty((2, 2)), layout.header, str(path), "").wcs()
        mapped = np.memmap(path, layout.dtype, "r", layout.offset, layout.shape)
        self.pixels: FloatImage = mapped.view(np.ndarray)
        self._coverage = CoverageMap(self.pixels)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return rows y0 to y1 and columns x0 to x1 (ends left out), all inside the mosaic."""
        return self.pixels[y0:y1, x0:x1]

    def fully_observed(self, y0: Ints, x0: Ints, side: int) -> Bools:
        """Return which square boxes are known to be finite and not all 0; False means unknown."""
        return self._coverage.is_covered(y0, x0, side)


class _Tiled:
    """An fpack'd file, or any other that astropy reads in sections."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with translated(str(path)):
            self._hdus = fits.open(path, memmap=True)
            images = (
                hdu for hdu in self._hdus
                if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2
            )  # fmt: skip
            self._hdu: Any = next(images, None)
            if self._hdu is not None and min(self._hdu.shape) < 1:
                raise ValueError(f"an image of shape {self._hdu.shape}")
            header = b"" if self._hdu is None else self._hdu.header.tostring().encode("ascii")
        if self._hdu is None:
            raise ImageError(f"open {path}: a FITS file without an image", path=str(path))
        *planes, ny, nx = self._hdu.shape
        if max(planes, default=1) > 1:
            raise ImageError(
                f"open {path}: an image of shape {self._hdu.shape}; one plane is needed",
                path=str(path),
            )
        self.shape, self._planes = (ny, nx), len(planes)
        self.wcs = FitsImage(np.empty((2, 2)), header, str(path), "").wcs()

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        where: tuple[Any, ...] = (0,) * self._planes
        with translated(str(self._path)), self._lock:
            data = np.asarray(self._hdu.section[(*where, slice(y0, y1), slice(x0, x1))])
        if data.dtype.kind == "f":
            return data
        return data.astype(np.float32 if data.dtype.itemsize <= 2 else np.float64)


class _Remote:
    """A plain file at any fsspec address: the rows under a box are read, one range for them all."""

    def __init__(self, address: str) -> None:
        import fsspec

        self._address = address
        with _translated(address):
            self._system, self._path = fsspec.core.url_to_fs(address)
            layout = self._find_layout()
            if layout is None:
                raise ImageError(
                    f"open {address}: only plain FITS images are read from afar, this one is "
                    "scaled, packed or in an extension; copy it here first",
                    path=address,
                )
        self._layout, self.shape = layout, layout.shape
        self.wcs = FitsImage(np.empty((2, 2)), layout.header, address, "").wcs()

    def _find_layout(self) -> PlainLayout | None:
        """Read the first blocks, more of them where the header goes on."""
        head = self._system.cat_file(self._path, start=0, end=_HEADS[0])
        try:
            return plain_layout(head, self._address)
        except TruncatedFileError:
            if len(head) < _HEADS[0]:
                raise
        head = self._system.cat_file(self._path, start=0, end=_HEADS[1])
        return plain_layout(head, self._address)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        layout, nx = self._layout, self.shape[1]
        size = layout.dtype.itemsize
        starts = [layout.offset + (y * nx + x0) * size for y in range(y0, y1)]
        length = (x1 - x0) * size
        with _translated(self._address):
            rows = self._system.cat_ranges(
                [self._path] * len(starts), starts, [start + length for start in starts],
                max_gap=None,
            )  # fmt: skip
        raw = b"".join(rows)
        if len(raw) != length * len(starts):
            raise TruncatedFileError(
                f"read {self._address}: {len(raw)} of {length * len(starts)} bytes of a cutout",
                path=self._address,
            )
        return np.frombuffer(raw, layout.dtype).reshape(y1 - y0, x1 - x0)


@contextlib.contextmanager
def _translated(address: str) -> Any:
    """Turn what fsspec's backends raise into errors of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"open {address}: there is no such file", path=address) from error
    except (OSError, ValueError, TimeoutError) as error:
        raise ServiceUnavailableError(f"read {address}: {error}", url=address) from error
    except ImportError as error:
        raise ImageError(f"open {address}: {error}", path=address) from error
