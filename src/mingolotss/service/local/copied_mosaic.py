"""FITS mosaics at an address, in parts that are copied to this machine when they are needed.

The copy is read as a mosaic on this machine is: cutouts are views of a mapped file. Which bytes are
under a cutout is known here; how they are requested, `mingolotss.service.remote_mosaic` decides.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.errors import NoWCSError
from mingolotss.image.coverage import CoverageMap
from mingolotss.io.distortion_tables import needs_lookup_tables
from mingolotss.io.partial_copy import PartialCopy
from mingolotss.model import FloatImage, Ints
from mingolotss.service.local.mosaic_part import MosaicPart, nothing
from mingolotss.service.remote_mosaic import RemoteMosaic, row_ranges
from mingolotss.sky.wcs import SkyWCS

__all__ = ["CopiedImage", "CopiedMosaic"]


class CopiedImage(ABC):
    """A mosaic at an address. May be used from any thread.

    Parameters
    ----------
    file : RemoteMosaic

    Attributes
    ----------
    address : str
    layout : ImageLayout
    shape : (int, int)
        Rows and columns.
    wcs : SkyWCS
    header : bytes
    is_plain : bool
        The physical values are in the file as floats.

    Raises
    ------
    NoWCSError
        The WCS needs other parts of the file than its header.
    """

    wcs: SkyWCS
    header: bytes
    is_plain: bool

    def __init__(self, file: RemoteMosaic) -> None:
        self.address, self.layout, self._file = file.address, file.layout, file
        self.shape = file.layout.shape
        self._lock = threading.Lock()
        if needs_lookup_tables(file.layout.header):
            raise NoWCSError(
                f"open {file.address}: the distortions of its WCS are in tables elsewhere in the "
                "file, which are not read from an address; download the file and use it from disk",
                path=file.address,
            )

    @abstractmethod
    def ranges(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> Ints:
        """Return the bytes that n boxes need, shape (m, 2).

        Parameters
        ----------
        y0, y1, x0, x1 : int64 arrays, shape (n,), px
            Rows y0 to y1 and columns x0 to x1 of each, ends excluded; inside the mosaic.
        """

    @abstractmethod
    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle, from the server unless it is in the copy; see `MosaicFile.box`."""

    @abstractmethod
    def can_part(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return whether rectangles are views of one array: see `part`."""

    @abstractmethod
    def part(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> MosaicPart:
        """Return the mosaic as far as it is in the copy; see `CompressedMosaic.part`."""


class CopiedMosaic(CopiedImage):
    """A mosaic without compression at an address: windows of its copy, in a mapped file.

    Raises
    ------
    NoWCSError
        The header has no WCS.
    """

    def __init__(self, file: RemoteMosaic) -> None:
        super().__init__(file)
        self.header, self.is_plain = file.layout.header, file.layout.is_plain
        self.wcs = SkyWCS.from_header(self.header, path=self.address)
        self._view: _View | None = None

    def ranges(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> Ints:
        """Return the bytes under n boxes, row by row and one box after another."""
        return row_ranges(self.layout, y0, y1, x0, x1)

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle; see `CopiedImage.box`."""
        ranges = self.ranges(*(np.array([edge]) for edge in (y0, y1, x0, x1)))
        if self._file.nbytes:
            view = self._current_view()
            if view.copy.has(ranges).all():
                return self.layout.scaling.apply(view.pixels[y0:y1, x0:x1])
        stored = np.frombuffer(self._file.read(ranges), self.layout.dtype)
        return self.layout.scaling.apply(stored.reshape(y1 - y0, x1 - x0))

    def can_part(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return whether rectangles are views of the copy, which needs no scaling."""
        return self.is_plain

    def part(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> MosaicPart:
        """Return the copy; see `CopiedImage.part`."""
        if not self._file.nbytes:
            return nothing(len(y0))
        view, heights = self._current_view(), y1 - y0
        is_there = view.copy.has(self.ranges(y0, y1, x0, x1))
        usable = np.logical_and.reduceat(is_there, heights.cumsum() - heights)
        return MosaicPart(view.pixels, 0, 0, usable, view.coverage)

    def _current_view(self) -> _View:
        """Return the copy as it is now."""
        with self._lock:
            copy = self._file.copy
            nbytes = copy.nbytes
            view = self._view
            if view is None or view.copy is not copy:
                pixels = self.layout.stored_pixels(copy.raw)
                self._view = view = _View(copy, nbytes, pixels, CoverageMap(pixels))
            elif view.nbytes != nbytes:  # squares that were searched may have other pixels now
                self._view = view = _View(copy, nbytes, view.pixels, CoverageMap(view.pixels))
            return view


class _View(NamedTuple):
    """The pixels of a copy, and where they are fully observed.

    `nbytes` is how many bytes were there before the coverage was searched.
    """

    copy: PartialCopy
    nbytes: int
    pixels: npt.NDArray[Any]
    coverage: CoverageMap
