"""FITS mosaics in compressed tiles (fpack): each tile is decoded once for all cutouts on it.

The cutouts of a chunk lie close together, and one tile is under many of them. The tiles under all
of them are decoded to one array, of which the cutouts are windows. The arrays that were decoded
last are kept: the next chunk begins beside this one, and has tiles in common with it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mingolotss.errors import ImageError
from mingolotss.image.coverage import CoverageMap
from mingolotss.image.kernel_library import SQUARE
from mingolotss.image.rectangles import (
    count_in_rectangles,
    rectangles_over,
    union_of_rectangles,
)
from mingolotss.io.distortion_tables import read_lookup_tables
from mingolotss.io.fits import as_lost_pages_error
from mingolotss.io.fits_compressed import CompressedImage
from mingolotss.io.fits_layout import ImageLayout
from mingolotss.io.fits_tiles import TileGrid
from mingolotss.model import Bools, FloatImage, Ints
from mingolotss.service.local.mosaic_part import MosaicPart, nothing
from mingolotss.sky.wcs import SkyWCS

__all__ = ["CompressedMosaic"]

_KEPT_BYTES = 64 << 20  # of decoded arrays, in a process
_PART_PIXELS = 1 << 22  # of one array at most: 16 MB


@dataclass(frozen=True, slots=True)
class _DecodedPart:
    """Decoded tiles of a mosaic.

    Attributes
    ----------
    pixels : float array, shape (ny, nx)
        It begins with a tile, and is 0 where none was decoded.
    row, column : int
        The first tile.
    is_decoded : bool array, shape (rows, columns)
        Which of the tiles are there.
    grid : TileGrid
    """

    pixels: FloatImage
    row: int
    column: int
    is_decoded: Bools
    grid: TileGrid

    def has(self, row: int, end: int, column: int, stop: int) -> bool:
        """Return whether all tiles of some rows and columns of tiles are there."""
        rows, columns = self.is_decoded.shape
        is_inside = self.row <= row and end <= self.row + rows
        is_inside &= self.column <= column and stop <= self.column + columns
        return is_inside and bool(self.tiles(row, end, column, stop).all())

    def tiles(self, row: int, end: int, column: int, stop: int) -> Bools:
        """Return which tiles are there, of rows and columns of tiles that the part has."""
        return self.is_decoded[
            row - self.row : end - self.row, column - self.column : stop - self.column
        ]

    def view(self, row: int, end: int, column: int, stop: int) -> FloatImage:
        """Return the pixels of rows and columns of tiles that the part has."""
        height, width = self.grid.tile
        rows = slice((row - self.row) * height, (end - self.row) * height)
        return self.pixels[rows, (column - self.column) * width : (stop - self.column) * width]


class _RecentParts:
    """The parts of all mosaics that were decoded last, up to a size. May be used by any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._parts: OrderedDict[int, tuple[int, _DecodedPart]] = OrderedDict()
        self._count, self._lock = 0, threading.Lock()

    def of(self, key: int) -> list[_DecodedPart]:
        """Return those of one mosaic, the last one first."""
        with self._lock:
            return [part for owner, part in reversed(self._parts.values()) if owner == key]

    def add(self, key: int, part: _DecodedPart) -> None:
        with self._lock:
            self._count += 1
            self._parts[self._count] = key, part
            self._bytes += part.pixels.nbytes
            while self._bytes > self._max_bytes:
                _, (_, oldest) = self._parts.popitem(last=False)
                self._bytes -= oldest.pixels.nbytes


_RECENT = _RecentParts(_KEPT_BYTES)


class CompressedMosaic:
    """An image in compressed tiles: only the tiles under cutouts are decompressed.

    Parameters
    ----------
    raw : memoryview
        The whole file.
    layout : ImageLayout
    path : Path or str
        A path, or the address of which `raw` is a copy.

    Attributes
    ----------
    header : bytes
        That of the image, without the cards of the table with the tiles.
    tiles : TileTable or None
        The tiles that are decoded in this process.

    Raises
    ------
    ImageError
        The file is damaged, or its header has no WCS.
    """

    def __init__(self, raw: memoryview, layout: ImageLayout, path: Path | str) -> None:
        self.shape, self._path, self._length = layout.shape, path, len(raw)
        self._image = CompressedImage(raw, layout, str(path))
        tables = read_lookup_tables(raw, layout, str(path))
        self.header, self.tiles = self._image.header, self._image.tiles
        self.wcs = SkyWCS.from_header(self.header, tables, path=str(path))

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a copy; see `MosaicFile.box`."""
        kept = self._kept_box(y0, y1, x0, x1)
        if kept is not None:
            return kept
        with as_lost_pages_error("read", self._path, self._length):
            return self._image.box(y0, y1, x0, x1)

    def _kept_box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage | None:
        """Return a rectangle out of a part that is kept, None if it is in none of them."""
        if self.tiles is None:
            return None
        height, width = self.tiles.grid.tile
        under = y0 // height, -(-y1 // height), x0 // width, -(-x1 // width)
        for part in _RECENT.of(self._image.key):
            if part.has(*under):
                top, left = part.row * height, part.column * width
                return part.pixels[y0 - top : y1 - top, x0 - left : x1 - left].copy()
        return None

    def can_part(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return whether a rectangle can be decoded to one array: see `part`."""
        if self.tiles is None:  # another process decodes them
            return False
        sides = []
        for first, end, tile in zip((y0, x0), (y1, x1), self.tiles.grid.tile, strict=True):
            sides.append((-(-end // tile) - first // tile) * tile + SQUARE)
        return sides[0] * sides[1] <= _PART_PIXELS

    def part(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> MosaicPart:
        """Return a part of the mosaic with n boxes in it; `can_part` says whether that is possible.

        Parameters
        ----------
        y0, y1, x0, x1 : int64 arrays, shape (n,), px
            Rows y0 to y1 and columns x0 to x1 of each, ends excluded; inside the mosaic.
        """
        if self.tiles is None:
            return nothing(len(y0))
        height, width = self.tiles.grid.tile
        tops, ends = y0 // height, -(-y1 // height)
        lefts, stops = x0 // width, -(-x1 // width)
        row, column = int(tops.min()), int(lefts.min())
        corners = tops - row, ends - row, lefts - column, stops - column
        wanted = union_of_rectangles((int(corners[1].max()), int(corners[3].max())), *corners)
        try:
            part = self._decode(self.tiles.grid, row, column, wanted)
        except (ImageError, MemoryError):  # each cutout is read alone, and has an error of its own
            return nothing(len(y0))
        usable = count_in_rectangles(~part.is_decoded, *corners) == 0
        coverage = CoverageMap(part.pixels)
        return MosaicPart(part.pixels, row * height, column * width, usable, coverage)

    def _decode(self, grid: TileGrid, row: int, column: int, wanted: Bools) -> _DecodedPart:
        """Return a part that begins with a tile, with all tiles that are wanted and not damaged."""
        # Of the tiles wanted, those that are in a part that is kept are copied, rectangle by
        # rectangle, and all others are decoded in one call. The array ends with a whole square of
        # the map of coverage or with the image; it is of zeros, whose pages take no memory before
        # they are written.
        (rows, columns), missing, copies = wanted.shape, wanted.copy(), []
        for kept in _RECENT.of(self._image.key):
            top, left = max(row, kept.row), max(column, kept.column)
            end = min(row + rows, kept.row + kept.is_decoded.shape[0])
            stop = min(column + columns, kept.column + kept.is_decoded.shape[1])
            if top < end and left < stop:
                here = missing[top - row : end - row, left - column : stop - column]
                taken = here & kept.tiles(top, end, left, stop)
                here &= ~taken
                for y0, y1, x0, x1 in rectangles_over(taken):
                    copies.append((kept, (top + y0, top + y1, left + x0, left + x1)))
        (height, width), (ny, nx) = grid.tile, grid.shape
        shape = (
            min(ny - row * height, -(-rows * height // SQUARE) * SQUARE),
            min(nx - column * width, -(-columns * width // SQUARE) * SQUARE),
        )
        y, x = np.nonzero(missing)
        numbers = (row + y) * grid.columns + column + x
        with as_lost_pages_error("read", self._path, self._length):
            decoded = self._image.decode(numbers, shape, row * height, column * width)
        is_decoded = wanted.copy()
        is_decoded[y, x] = ~np.isin(numbers, decoded.damaged)
        part = _DecodedPart(decoded.pixels, row, column, is_decoded, grid)
        for kept, place in copies:
            part.view(*place)[...] = kept.view(*place)
        _RECENT.add(self._image.key, part)
        return part
