"""The stamps of a build by catalogue row, without reading all of them.

They are in ``stamps/part-*.parquet``. One row group of one part is read at a time, and the last few
are cached.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.masks import decode_masks
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.image.masks import Masks
from mingolotss.io.png import encode_png
from mingolotss.model import Ints
from mingolotss.qa.report.colours import displayed
from mingolotss.recipe.steps import StampPixels

__all__ = ["StampStore"]

_CACHED_BYTES = 16 * 2**20  # of row groups, which have about 1 MB each


class StampStore:
    """The stamps of one build.

    Parameters
    ----------
    build : BuildFolder
    rows : int
        Number of rows of its catalogue.

    Attributes
    ----------
    shape : StampShape
        What the stamps are.
    has_masks : bool
        Whether each stamp has a mask.

    Raises
    ------
    DatasetError
        A file of stamps is damaged.
    """

    def __init__(self, build: BuildFolder, rows: int) -> None:
        self._files = build.all_stamps()
        self.shape, self.has_masks = _kind(self._files)
        self._location = np.full((rows, 3), -1, np.int32)  # file, row group, index in the group
        for file, path in enumerate(self._files):
            for group, row in enumerate(_rows(path)):
                inside = (row >= 0) & (row < rows)
                self._location[row[inside], 0] = file
                self._location[row[inside], 1] = group
                self._location[row[inside], 2] = np.flatnonzero(inside)
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int, bool], pa.ChunkedArray] = OrderedDict()

    def in_file_order(self, rows: Ints) -> Ints:
        """Return rows in the order of the files, in which they are read fastest."""
        file, _, index = self._location[rows].T
        return rows[np.lexsort((index, file))]

    def png(self, row: int) -> bytes:
        """Return the stamp of a catalogue row as a PNG file, FITS row 0 at the top.

        Stamps that are no PNG files are scaled by `displayed`, and of several channels the first is
        shown.

        Raises
        ------
        DatasetError
            The row has no stamp.
        """
        if self.shape.is_png:
            return self._encoded(row)
        pixels = self._decoded(row)
        return encode_png(displayed(pixels if pixels.ndim == 2 else pixels[0]))

    def pixels(self, rows: Iterable[int]) -> Iterator[tuple[int, StampPixels]]:
        """Give (row, stored pixels) for each of `rows` that has a stamp, in the order of the files.

        The pixels are a uint8 or float32 array, shape (side, side) or (channels, side, side).
        """
        for row in self._present(rows):
            yield row, self._decoded(row)

    def pngs(self, rows: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Give (row, PNG file) for each of `rows` that has a stamp, in the order of the files."""
        for row in self._present(rows):
            yield row, self.png(row)

    def mask(self, row: int) -> Masks | None:
        """Return the mask of the stamp of a catalogue row, shape (side, side); None without masks.

        Raises
        ------
        DatasetError
            The row has no stamp, or its mask is damaged.
        """
        if not self.has_masks:
            return None
        mask: Masks = decode_masks([self._encoded(row, of_mask=True)], [f"row {row}"])[0]
        return mask

    def _present(self, rows: Iterable[int]) -> list[int]:
        """Return those of some rows that have a stamp, in the order of the files."""
        present = np.array([row for row in rows if self._location[row, 0] >= 0], np.int64)
        ordered: list[int] = self.in_file_order(present).tolist()
        return ordered

    def _decoded(self, row: int) -> StampPixels:
        pixels: StampPixels = decode_stamps(
            [self._encoded(row)], [f"the stamp of row {row}"], self.shape
        )[0]
        return pixels

    def _encoded(self, row: int, *, of_mask: bool = False) -> bytes:
        """Return a stamp as it is stored, or its mask."""
        file, group, index = self._location[row].tolist()
        if file < 0:
            raise DatasetError(f"show row {row}: it has no stamp")
        with self._lock:
            encoded: bytes = self._group(file, group, of_mask)[index].as_py()
        return encoded

    def _group(self, file: int, group: int, of_mask: bool) -> pa.ChunkedArray:
        """Return the encoded images of a row group, and drop the groups not used for longest."""
        key = file, group, of_mask
        if key not in self._groups:
            with StampFile(self._files[file]) as stamps:
                read = stamps.encoded_masks if of_mask else stamps.encoded
                self._groups[key] = read(group)
        self._groups.move_to_end(key)
        while len(self._groups) > 1 and self._cached_bytes() > _CACHED_BYTES:
            self._groups.popitem(last=False)
        return self._groups[key]

    def _cached_bytes(self) -> int:
        return sum(column.nbytes for column in self._groups.values())


def _kind(files: Sequence[Path]) -> tuple[StampShape, bool]:
    """Return what the stamps are, and whether they have masks."""
    if not files:
        return StampShape(), False
    with StampFile(files[0]) as stamps:
        return stamps.shape, stamps.has_masks


def _rows(path: Path) -> Iterator[Ints]:
    with StampFile(path) as stamps:
        for group in range(stamps.row_groups):
            yield stamps.rows(group)
