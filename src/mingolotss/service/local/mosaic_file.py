"""FITS mosaics on this machine: any rectangle of their pixels, without reading the rest.

The file is memory-mapped. Pixels that are floats without scaling are used as they are in the file
(`MappedMosaic`); integers and scaled pixels are converted rectangle by rectangle (`ScaledMosaic`).
Compressed ones are in `mingolotss.service.local.compressed_mosaic`. A file in gzip is first
unpacked to a temporary file. Mosaics at an address are in `mingolotss.service.remote_mosaic`.

>>> open_mosaic("no-such-mosaic.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.ImageError: open no-such-mosaic.fits: No such file or directory
"""

from __future__ import annotations

import functools
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np

from mingolotss.errors import ImageError, TruncatedFileError, UnreadableFileError
from mingolotss.image.coverage import CoverageMap
from mingolotss.io.distortion_tables import read_lookup_tables
from mingolotss.io.file_identity import FileTimes, read_times
from mingolotss.io.files import as_image_error
from mingolotss.io.fits import as_lost_pages_error, map_file
from mingolotss.io.fits_checksums import check_checksums
from mingolotss.io.fits_layout import ImageLayout, find_image
from mingolotss.io.gzip_bytes import SizeLimitError, gunzip_mapped, is_gzip, largest_expansion
from mingolotss.model import FloatImage, Ints
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.mosaic_part import MosaicPart
from mingolotss.sky.wcs import SkyWCS

__all__ = [
    "MappedMosaic",
    "MosaicFile",
    "ScaledMosaic",
    "forget_mosaics",
    "open_mosaic",
]

_SMALL_BYTES = 1 << 26  # of a mosaic that is read whole for its checksums: 0.03 s
_MAX_UNPACKED_BYTES = 1 << 34  # of a mosaic in gzip; the temporary file takes that much disk


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


def open_mosaic(path: str, checksums: str = "cutouts") -> MosaicFile:
    """Open a mosaic on this machine.

    Parameters
    ----------
    path : str
        A path or a ``file://`` address.
    checksums : str
        As in `Naming`.

    Raises
    ------
    ImageError
        There is no such file, it is not FITS, or it has no image with a WCS.
    """
    file = Path(path.removeprefix("file://"))
    try:
        times = read_times(file)
    except OSError as error:
        raise as_image_error("open", error, file) from error
    is_compared = checksums == "all" or (checksums != "none" and times.size <= _SMALL_BYTES)
    return _open_file(file, times, is_compared)


@functools.lru_cache(maxsize=128)
def _open_file(path: Path, _times: FileTimes, with_checksums: bool) -> MosaicFile:
    """Open a mosaic once in a process, for all parts of a build, until the file changes."""
    # Size and times of the file are part of the cache key: a file that was replaced, also by an
    # older one, is opened again.
    try:
        raw = map_file(path)
    except OSError as error:
        raise as_image_error("open", error, path) from error
    with as_lost_pages_error("open", path, len(raw)):
        if is_gzip(raw):
            raw = _unpack(raw, path)
        layout = find_image(raw, str(path))
        layout.require_whole(len(raw), "open", str(path))
        if with_checksums:
            check_checksums(raw, layout, str(path))
        if layout.is_compressed:
            return CompressedMosaic(raw, layout, path)
        return (MappedMosaic if layout.is_plain else ScaledMosaic)(raw, layout, path)


def forget_mosaics() -> None:
    """Open all mosaics again the next time: some of their pages could not be read."""
    _open_file.cache_clear()


def _unpack(raw: memoryview, path: Path) -> memoryview:
    """Decompress a mosaic in gzip."""
    max_bytes = min(_MAX_UNPACKED_BYTES, largest_expansion(len(raw)))
    try:
        return gunzip_mapped(raw, max_bytes=max_bytes)
    except SizeLimitError as error:
        raise ImageError(
            f"open {path}: unpacks to more than {max_bytes} bytes; unpack it with gunzip",
            path=str(path),
        ) from error
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UnreadableFileError(
                f"open {path}: it cannot be unpacked to a temporary file ({error.strerror}); "
                "unpack it with gunzip, or set TMPDIR to a disk with more space",
                path=str(path),
            ) from error
        raise TruncatedFileError(
            f"open {path}: the gzip stream is damaged ({error}); fetch it again", path=str(path)
        ) from error


class MappedMosaic:
    """Pixels that are floats in a memory-mapped file: a rectangle is a view, read when it is used.

    Parameters
    ----------
    raw : memoryview
        The whole file.
    layout : ImageLayout
    path : Path

    Attributes
    ----------
    pixels : float array, shape (ny, nx), Jy/beam
        The whole image.

    Raises
    ------
    NoWCSError
        The header has no WCS.
    """

    def __init__(self, raw: memoryview, layout: ImageLayout, path: Path) -> None:
        self.shape = layout.shape
        tables = read_lookup_tables(raw, layout, str(path))
        self.wcs = SkyWCS.from_header(layout.header, tables, path=str(path))
        # The view is a plain array, whose slices cost less than those of a memmap.
        self.pixels: FloatImage = layout.stored_pixels(raw)
        self._coverage = CoverageMap(self.pixels)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a view; see `MosaicFile.box`."""
        return self.pixels[y0:y1, x0:x1]

    def can_part(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return True: all rectangles are views of one array."""
        return True

    def part(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> MosaicPart:
        """Return all of the mosaic; see `CompressedMosaic.part`."""
        return MosaicPart(self.pixels, 0, 0, np.ones(len(y0), bool), self._coverage)


class ScaledMosaic:
    """Integers, or floats with scaling, in a memory-mapped file: rectangles are converted.

    Parameters
    ----------
    raw : memoryview
        The whole file.
    layout : ImageLayout
    path : Path

    Raises
    ------
    NoWCSError
        The header has no WCS.
    """

    def __init__(self, raw: memoryview, layout: ImageLayout, path: Path) -> None:
        self.shape, self._scaling = layout.shape, layout.scaling
        self._path, self._length = path, len(raw)
        tables = read_lookup_tables(raw, layout, str(path))
        self.wcs = SkyWCS.from_header(layout.header, tables, path=str(path))
        self._stored = layout.stored_pixels(raw)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a copy; see `MosaicFile.box`."""
        with as_lost_pages_error("read", self._path, self._length):
            return self._scaling.apply(self._stored[y0:y1, x0:x1])
