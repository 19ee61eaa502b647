"""FITS mosaics on this machine: any rectangle of their pixels, without reading the rest.

A plain FITS file is memory-mapped (`MappedMosaic`). A compressed one (fpack) or any other that
astropy can read in sections is a `TiledMosaic`. Mosaics at an address are in
`mingolotss.service.remote_mosaic`.

>>> open_mosaic("no-such-mosaic.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ImageError: open no-such-mosaic.fits: No such file or directory
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Protocol

import numpy as np
from astropy.io import fits

from mingolotss.errors import ImageError, TruncatedFileError
from mingolotss.image.coverage import CoverageMap
from mingolotss.io.fits_astropy import check_counts, translate_astropy_errors
from mingolotss.io.fits_layout import MAX_HEADER_BYTES, PlainLayout, find_plain_layout
from mingolotss.model import Bools, FloatImage, Floats, Ints
from mingolotss.sky.wcs import SkyWCS

__all__ = ["MappedMosaic", "MosaicFile", "TiledMosaic", "on_array", "open_mosaic"]


class MosaicFile(Protocol):
    """One mosaic, on this machine or remote.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    wcs : SkyWCS
    """

    shape: tuple[int, int]
    wcs: SkyWCS

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return the rows y0 to y1 and the columns x0 to x1 (ends excluded).

        The rectangle must be inside the mosaic.
        """


def on_array(mosaic: MosaicFile, x: Floats, y: Floats) -> Bools:
    """Return which pixel positions are on the array of a mosaic, to the edges of its pixels.

    Parameters
    ----------
    mosaic : MosaicFile
    x, y : float64 array, px from 0
        NaN is not on the array.
    """
    ny, nx = mosaic.shape
    with np.errstate(invalid="ignore"):
        inside: Bools = (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)
    return inside


def open_mosaic(path: str) -> MosaicFile:
    """Open a mosaic on this machine.

    Parameters
    ----------
    path : str
        A path or a ``file://`` address.

    Raises
    ------
    ImageError
        There is no such file, it is not FITS, or it has no image with a WCS.
    """
    file = Path(path.removeprefix("file://"))
    try:
        status = file.stat()
    except OSError as error:
        raise ImageError(f"open {file}: {error.strerror}", path=str(file)) from error
    return _open_file(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=128)
def _open_file(path: Path, _size: int, _mtime_ns: int) -> MosaicFile:
    """Open a mosaic once in a process, for all parts of a build, until the file changes."""
    # Size and time of the file are part of the cache key: a file that was replaced is opened again.
    try:
        with path.open("rb") as stream:
            start = stream.read(MAX_HEADER_BYTES)
        layout = find_plain_layout(start, str(path))
        if layout is not None:
            return MappedMosaic(path, layout)
        check_counts(start, str(path))
        return TiledMosaic(path)
    except OSError as error:
        raise ImageError(f"open {path}: {error.strerror}", path=str(path)) from error


class MappedMosaic:
    """A plain FITS file, memory-mapped: a rectangle is a view, and is read when it is used.

    Parameters
    ----------
    path : Path
    layout : PlainLayout

    Attributes
    ----------
    pixels : float array, shape (ny, nx), Jy/beam
        The whole image.

    Raises
    ------
    TruncatedFileError
        The file is shorter than its header says.
    """

    def __init__(self, path: Path, layout: PlainLayout) -> None:
        size = path.stat().st_size
        if size < layout.end:
            raise TruncatedFileError(
                f"open {path}: {size} of {layout.end} bytes, the file is cut short; fetch it again",
                path=str(path),
            )
        self.shape = layout.shape
        self.wcs = SkyWCS.from_header(layout.header, path=str(path))
        # Mapping reads nothing. The view is a plain array, whose slices cost less than a memmap's.
        mapped = np.memmap(path, layout.dtype, "r", layout.offset, layout.shape)
        self.pixels: FloatImage = mapped.view(np.ndarray)
        self._coverage = CoverageMap(self.pixels)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a view; see `MosaicFile.box`."""
        return self.pixels[y0:y1, x0:x1]

    def fully_observed(self, y0: Ints, x0: Ints, side: int) -> Bools:
        """Return which squares are known to be finite throughout and not all 0.

        Parameters
        ----------
        y0, x0 : int64 array, shape (n,), px
            First row and first column of each square.
        side : int, px

        Returns
        -------
        bool array, shape (n,)
            False means unknown.
        """
        return self._coverage.is_covered(y0, x0, side)


class TiledMosaic:
    """A compressed FITS file, or any other whose image astropy reads in sections.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ImageError
        The file is damaged, or has no two-dimensional image with a WCS.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with translate_astropy_errors(str(path)):
            self._hdus = fits.open(path, memmap=True)
            images = (
                hdu for hdu in self._hdus
                if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2
            )  # fmt: skip
            hdu = next(images, None)
            if hdu is not None and min(hdu.shape) < 1:
                raise ValueError(f"an image of shape {hdu.shape}")
            header = b"" if hdu is None else hdu.header.tostring().encode("ascii")
        if hdu is None:
            raise ImageError(f"open {path}: a FITS file without an image", path=str(path))
        *planes, ny, nx = hdu.shape
        if max(planes, default=1) > 1:
            raise ImageError(
                f"open {path}: an image of shape {hdu.shape}; one plane is needed",
                path=str(path),
            )
        self._hdu, self.shape, self._leading_axes = hdu, (ny, nx), len(planes)
        self.wcs = SkyWCS.from_header(header, path=str(path))

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a copy; see `MosaicFile.box`. Integers become floats."""
        # `section` decompresses only the tiles under the rectangle; the open file is shared.
        section = (*(0,) * self._leading_axes, slice(y0, y1), slice(x0, x1))
        with translate_astropy_errors(str(self._path)), self._lock:
            data = np.asarray(self._hdu.section[section])
        if data.dtype.kind == "f":
            return data
        return data.astype(np.float32 if data.dtype.itemsize <= 2 else np.float64)
