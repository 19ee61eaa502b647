"""The finished images of a build, any of them by its catalogue row, without reading the rest.

The images are in ``stamps/part-*.parquet``; one row group of one part is read at a time and the
last few are kept.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.image.pixels import minmax, to_uint8
from mingolotss.io.png import encode_png
from mingolotss.model import Ints

__all__ = ["Stamps", "coloured"]

_KEPT = 16 * 2**20  # bytes of row groups, which are about 1 MB each


class Stamps:
    """The stamps of one build.

    Parameters
    ----------
    folder : Path
        Of the build.
    rows : int
        Of its catalogue.
    side : int
        Pixels on a side of a stamp.

    Raises
    ------
    DatasetError
        A part is missing or damaged.
    """

    def __init__(self, folder: Path, rows: int, side: int) -> None:
        self.side = side
        self.parts = BuildFolder(folder).all_stamps()
        self._place = np.full((rows, 3), -1, np.int32)  # part, row group, index in it
        for part, path in enumerate(self.parts):
            for group, found in enumerate(_rows(path)):
                inside = (found >= 0) & (found < rows)
                self._place[found[inside], 0] = part
                self._place[found[inside], 1] = group
                self._place[found[inside], 2] = np.flatnonzero(inside)
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], pa.ChunkedArray] = OrderedDict()

    def order(self, rows: Ints) -> Ints:
        """Return rows in the order that the parts hold them, in which pages are read fastest."""
        part, _, index = self._place[rows].T
        return rows[np.lexsort((index, part))]

    def png(self, row: int) -> bytes:
        """Return the stamp of a catalogue row as a PNG file, FITS row 0 at the top.

        Raises
        ------
        DatasetError
            The row has no stamp.
        """
        part, group, index = self._place[row].tolist()
        if part < 0:
            raise DatasetError(f"show row {row}: it has no stamp")
        with self._lock:
            column = self._group(part, group)
        return self._encode(column, index)

    def many(self, rows: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Give (row, PNG) of every row that has a stamp, part by part."""
        wanted = np.array([row for row in rows if self._place[row, 0] >= 0], np.int64)
        for row in self.order(wanted).tolist():
            yield row, self.png(row)

    def _group(self, part: int, group: int) -> pa.ChunkedArray:
        """Return the images of a row group; those asked for last are kept."""
        if (part, group) not in self._groups:
            self._groups[part, group] = self._read(part, group)
        self._groups.move_to_end((part, group))
        while len(self._groups) > 1 and sum(c.nbytes for c in self._groups.values()) > _KEPT:
            self._groups.popitem(last=False)
        return self._groups[part, group]

    def _read(self, part: int, group: int) -> pa.ChunkedArray:
        with StampFile(self.parts[part]) as stamps:
            return stamps.encoded(group)

    def _encode(self, column: pa.ChunkedArray, index: int) -> bytes:
        data: bytes = column[index].as_py()
        if data.startswith(b"\x89PNG"):
            return data
        image = decode_stamps([data], ["a stamp"], is_float=True)[0]
        return encode_png(to_uint8(minmax(np.nan_to_num(image))))


def coloured(data: bytes, gamma: float = 0.6) -> bytes:
    """Return a grey PNG as `encode_png` writes it with colours for people: inferno.

    Only the header changes and a palette is put in, so it costs no decoding: 10 us. Brightness is
    shown to the power `gamma`: below 1, faint tails can be seen.
    """
    if data[24:26] != b"\x08\x00" or data[12:16] != b"IHDR":
        return data  # of another program; shown as it is
    header = b"IHDR" + data[16:25] + b"\x03" + data[26:29]
    palette = b"PLTE" + _palette(gamma)
    return b"".join(
        (
            data[:12], header, struct.pack(">I", zlib.crc32(header)),
            struct.pack(">I", len(palette) - 4), palette, struct.pack(">I", zlib.crc32(palette)),
            data[33:],
        )
    )  # fmt: skip


@cache
def _palette(gamma: float) -> bytes:
    import matplotlib as mpl

    table = mpl.colormaps["inferno"]((np.arange(256) / 255) ** gamma)[:, :3]
    return (table * 255).round().astype(np.uint8).tobytes()


def _rows(path: Path) -> Iterator[Ints]:
    with StampFile(path) as stamps:
        for group in range(stamps.row_groups):
            yield stamps.rows(group)
