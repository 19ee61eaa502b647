"""FITS mosaics in compressed tiles (fpack) at an address: the tiles under cutouts are copied.

The table says where each tile is, and is read with the header. The copy of the tiles is then read
as a compressed mosaic on this machine is: each tile is decoded once for all cutouts on it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.fits_tiles import TileTable
from mingolotss.io.partial_copy import PartialCopy
from mingolotss.io.range_plan import union
from mingolotss.model import FloatImage, Ints
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.copied_mosaic import CopiedImage, CopiedMosaic
from mingolotss.service.local.mosaic_part import MosaicPart, nothing
from mingolotss.service.remote_mosaic import RemoteMosaic
from mingolotss.sky.fits_header import card_values, whole_value

__all__ = ["CopiedTiles", "open_copied"]

_KINDS = {b"RICE_1", b"RICE_ONE", b"GZIP_1", b"GZIP_2", b"NOCOMPRESS"}


class CopiedTiles(CopiedImage):
    """A compressed mosaic at an address; its header is without the cards of the table of tiles.

    Raises
    ------
    ImageError
        The tiles are of a kind that needs the whole file.
    NoWCSError
        The header has no WCS.
    ServiceError
        The table of the tiles is not delivered.
    """

    is_plain = False

    def __init__(self, file: RemoteMosaic) -> None:
        super().__init__(file)
        values = card_values(file.layout.header)
        if values.get(b"ZCMPTYPE", b"").strip(b"' ") not in _KINDS:
            raise self._refusal()
        rows, width = (whole_value(values, key, 0) for key in (b"NAXIS2", b"NAXIS1"))
        self._table = file.layout.offset, file.layout.offset + rows * width
        self._opened: tuple[PartialCopy, CompressedMosaic, TileTable] | None = None
        _, mosaic, self._tiles = self._open()
        self.wcs, self.header = mosaic.wcs, mosaic.header

    def _refusal(self) -> ImageError:
        return ImageError(
            f"open {self.address}: an image in compressed tiles of this kind cannot be read in "
            "parts; copy it to a folder and use the service mosaics",
            path=self.address,
        )

    def _open(self) -> tuple[PartialCopy, CompressedMosaic, TileTable]:
        """Return the copy as it is now, and the mosaic in it; read the table for a new copy."""
        with self._lock:
            copy = self._file.copy
            if self._opened is None or self._opened[0] is not copy:
                self._file.load([self._table], copy)
                mosaic = CompressedMosaic(copy.raw, self.layout, self.address)
                if mosaic.tiles is None:
                    raise self._refusal()
                self._opened = copy, mosaic, mosaic.tiles
            return self._opened

    def ranges(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> Ints:
        """Return the bytes of the tiles under n boxes, each tile once."""
        edges = np.stack([y0, y1, x0, x1], axis=1).tolist()
        under = [self._tiles.grid.numbers_under(*box).ravel() for box in edges]
        return self._tiles.byte_ranges(np.unique(np.concatenate([np.empty(0, np.int64), *under])))

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return a rectangle as a copy; see `CopiedImage.box`."""
        ranges = union(self.ranges(*(np.array([edge]) for edge in (y0, y1, x0, x1))))
        copy, mosaic, _ = self._open()
        missing = copy.missing(ranges)
        if len(missing):
            self._file.load([(start, stop) for start, stop in missing.tolist()], copy)
        return mosaic.box(y0, y1, x0, x1)

    def can_part(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return whether a rectangle can be decoded to one array: see `part`."""
        try:
            return self._open()[1].can_part(y0, y1, x0, x1)
        except (ImageError, ServiceError):  # each cutout is read alone, and has its own error
            return False

    def part(self, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> MosaicPart:
        """Return a part of the mosaic from the tiles that are in the copy.

        See `CompressedMosaic.part`. Bytes that are not in the copy are zeros, which may be a tile:
        boxes with such tiles are not decoded.
        """
        try:
            copy, mosaic, tiles = self._open()
        except (ImageError, ServiceError):
            return nothing(len(y0))
        edges = np.stack([y0, y1, x0, x1], axis=1)
        under = (tiles.grid.numbers_under(*box).ravel() for box in edges.tolist())
        is_there = np.array([copy.has(tiles.byte_ranges(numbers)).all() for numbers in under])
        if not is_there.any():
            return nothing(len(y0))
        part = mosaic.part(*edges[is_there].T)
        usable = is_there.copy()
        usable[is_there] = part.usable
        return replace(part, usable=usable)


def open_copied(file: RemoteMosaic) -> CopiedImage:
    """Return the mosaic in a file at an address."""
    return CopiedTiles(file) if file.layout.is_compressed else CopiedMosaic(file)
