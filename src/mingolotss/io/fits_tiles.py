"""The tiles of a compressed FITS image, decoded in this process (FITS standard 4.0, section 10).

These are RICE, gzip, and tiles without compression, quantised or not. Whatever the bytes of such a
tile are, it ends no process and unpacks to no more than its pixels. Other compressions, and tables
that differ from what fpack and astropy write, are left to `mingolotss.io.tile_decoder`.

>>> grid = TileGrid((5, 7), (2, 4))
>>> grid.numbers_under(1, 3, 5, 7)
array([[1], [3]])
>>> [int(edge) for edge in grid.rectangles(np.int64(3))]
[2, 4, 4, 7]
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.errors import ImageError
from mingolotss.image.compiled_tiles import PROBLEMS, TILE, Method, RiceSettings, decode_tiles
from mingolotss.image.kernel_library import N_RANDOM, available
from mingolotss.io.error_text import first_line
from mingolotss.io.fits_layout import ImageLayout
from mingolotss.io.gzip_bytes import SizeLimitError, gunzip
from mingolotss.model import Ints
from mingolotss.sky.fits_header import card_values, whole_value

__all__ = ["TileGrid", "TileTable", "open_table", "tile_lengths"]

CardValues = Mapping[bytes, bytes]

_RICE, _OTHERS = {b"RICE_1", b"RICE_ONE"}, {b"GZIP_1", b"GZIP_2", b"NOCOMPRESS"}
_METHODS = {name.encode(): Method[name] for name in Method.__members__ if "DITHER" in name}
_PIXEL_BYTES, _BLOCKS = (4, 2, 1), (32, 16)  # of RICE (10.4.1); the first one is the default
_RICE_BITPIX = {8, 16, 32, -32, -64}
_AS_INT32 = RiceSettings(0, 1)
_DESCRIPTOR = re.compile(rb"1?[PQ]([BIJKED])(\(\d*\))?")
_TYPES = {b"B": "u1", b"I": ">i2", b"J": ">i4", b"K": ">i8", b"E": ">f4", b"D": ">f8"}
_BYTES = np.dtype("u1")
_LIST_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
_NO_INTEGER = 1 << 70
_NOT_THERE = "its data are not in the file"
_GZIP_ERRORS = (OSError, EOFError, zlib.error, SizeLimitError)


class TileGrid(NamedTuple):
    """How an image is divided into tiles; those at its end may be smaller.

    Attributes
    ----------
    shape, tile : (int, int)
        Rows and columns of the image, and of a whole tile.
    """

    shape: tuple[int, int]
    tile: tuple[int, int]

    def numbers_under(self, y0: int, y1: int, x0: int, x1: int) -> Ints:
        """Return the tiles under a rectangle, from 0 and row by row, shape (rows, columns)."""
        height, width = self.tile
        rows = np.arange(y0 // height, -(-y1 // height))
        columns = np.arange(x0 // width, -(-x1 // width))
        return rows[:, None] * self.columns + columns

    def rectangles(self, numbers: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return where tiles are in the image: rows y0 to y1, columns x0 to x1."""
        (ny, nx), (height, width) = self.shape, self.tile
        rows, columns = np.divmod(numbers, self.columns)
        y0, x0 = rows * height, columns * width
        return y0, np.minimum(y0 + height, ny), x0, np.minimum(x0 + width, nx)

    @property
    def columns(self) -> int:
        """Return how many tiles are side by side."""
        return -(-self.shape[1] // self.tile[1])


class _DamagedTileError(Exception):
    """What is wrong with a tile."""


class _Column(NamedTuple):
    """Where the data of each tile are: descriptors (FITS standard 4.0, section 7.3.5)."""

    lengths: Ints  # elements
    starts: Ints  # bytes in the heap
    dtype: np.dtype[Any]


class _Settings(NamedTuple):
    """What is the same for all tiles."""

    kind: bytes
    rice: RiceSettings
    method: Method
    seed: int  # of the first tile: the index of a random number
    blank: int | None  # the integer that undefined pixels get


def tile_lengths(layout: ImageLayout) -> tuple[list[int], list[int]]:
    """Return the lengths of the axes of an image, and those of a whole tile.

    The table has a row for each tile; a tile that is not given is one row of the image (FITS
    standard 4.0, section 10.1.1).
    """
    values, axes = card_values(layout.header), range(1, layout.n_axes + 1)
    lengths = [whole_value(values, b"ZNAXIS%d" % i, 0) for i in axes]
    tile = [whole_value(values, b"ZTILE%d" % i, lengths[0] if i == 1 else 1) for i in axes]
    return lengths, tile


def open_table(
    layout: ImageLayout, content: memoryview, table: npt.NDArray[Any], path: str
) -> TileTable | None:
    """Return the tiles of an image, or None if they cannot be decoded in this process.

    Parameters
    ----------
    layout : ImageLayout
        Its tiles are known to cover the image.
    content : memoryview
        The HDU with the table: its header and data.
    table : structured array
        The rows of the table, as they are in the file.
    path : str
        The name for messages.
    """
    values = card_values(layout.header)
    columns, settings = _columns(values, table), _settings(values, table, layout)
    if "COMPRESSED_DATA" not in columns or settings is None:
        return None
    return TileTable(layout, content, table, columns, settings, path)


class TileTable:
    """The tiles of an image; see `open_table`. May be used by any thread.

    Attributes
    ----------
    grid : TileGrid
    dtype : dtype
        Of the stored numbers, in native byte order.
    """

    def __init__(
        self,
        layout: ImageLayout,
        content: memoryview,
        table: npt.NDArray[Any],
        columns: Mapping[str, _Column],
        settings: _Settings,
        path: str,
    ) -> None:
        values = card_values(layout.header)
        table_bytes = whole_value(values, b"NAXIS1", 0) * whole_value(values, b"NAXIS2", 0)
        theap = whole_value(values, b"THEAP", table_bytes)
        data = content[layout.offset - layout.start :]
        self._heap = data[theap:] if theap >= 0 else data[:0]
        self._heap_start = layout.offset + max(theap, 0)
        self.dtype = layout.dtype.newbyteorder("=")
        x, y = (axis - 1 for axis in layout.axes)
        _, tile = tile_lengths(layout)
        ny, nx = layout.shape
        self.grid = TileGrid(layout.shape, (min(tile[y], ny), min(tile[x], nx)))
        self._columns, self._settings, self._path = columns, settings, path
        self._is_quantised = settings.method is not Method.INTEGERS
        zeros = np.zeros(len(table))
        self._scales = table["ZSCALE"].astype(np.float64) if self._is_quantised else zeros
        self._zeros = table["ZZERO"].astype(np.float64) if self._is_quantised else zeros
        blanks: Ints | None = None
        if "ZBLANK" in (table.dtype.names or ()):
            blanks = table["ZBLANK"].astype(np.int64)
        elif settings.blank is not None:
            blanks = np.full(len(table), settings.blank)
        self._blanks = blanks
        # The kernel compares quantised pixels. Integers need it if tiles have other blanks.
        self._needs_blanks = False
        if blanks is not None and not self._is_quantised:
            differ = settings.blank is not None and bool((blanks != settings.blank).any())
            self._needs_blanks = differ or self.dtype.kind == "f"

    def byte_ranges(self, numbers: Ints) -> Ints:
        """Return where the bytes of tiles are in the file, shape (m, 2).

        What a damaged table says to be outside of the file is left out.

        Parameters
        ----------
        numbers : int64 array, shape (n,)
            The tiles, from 0.
        """
        size = len(self._heap)
        ranges = []
        for column in self._columns.values():
            starts, lengths = column.starts[numbers], column.lengths[numbers]
            most = size // column.dtype.itemsize
            is_there = (lengths > 0) & (lengths <= most) & (starts >= 0) & (starts <= size)
            starts, lengths = starts[is_there], lengths[is_there] * column.dtype.itemsize
            stops = np.minimum(starts + lengths, size)
            ranges.append(np.stack([starts, stops], axis=1) + self._heap_start)
        return np.concatenate(ranges)

    def section(self, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Return the stored numbers of rows y0 to y1 and columns x0 to x1, which are not empty.

        Raises
        ------
        ImageError
            A tile under the rectangle is damaged.
        """
        numbers = self.grid.numbers_under(y0, y1, x0, x1)
        top, _, left, _ = (int(edge) for edge in self.grid.rectangles(numbers[0, 0]))
        _, bottom, _, right = (int(edge) for edge in self.grid.rectangles(numbers[-1, -1]))
        plane = np.empty((bottom - top, right - left), self.dtype)
        for number, problem in sorted(self.decode(numbers.ravel(), plane, top, left).items()):
            raise ImageError(
                f"read {self._path}: damaged (tile {number + 1}: {problem}); fetch it again",
                path=self._path,
            )
        return plane[y0 - top : y1 - top, x0 - left : x1 - left]

    def decode(self, numbers: Ints, plane: npt.NDArray[Any], top: int, left: int) -> dict[int, str]:
        """Put the stored numbers of tiles into a part of the image.

        Parameters
        ----------
        numbers : int64 array, shape (n,)
            The tiles, from 0.
        plane : array of the type `dtype`, shape (ny, nx), C-contiguous
            Whole tiles are in it.
        top, left : int, px
            Where its first pixel is in the image.

        Returns
        -------
        dict of int to str
            What is wrong with a damaged tile, by its number. Its pixels are left as they were.
        """
        tiles, column = self._places(numbers, top, left), self._columns["COMPRESSED_DATA"]
        problems: dict[int, str] = {}
        is_rice = (column.lengths[numbers] != 0) & (self._settings.kind in _RICE)
        if is_rice.any():
            problems |= self._decode_rice(numbers[is_rice], tiles[is_rice], plane)
        for index in np.flatnonzero(~is_rice).tolist():
            number = int(numbers[index])
            try:
                self._unpack(number, tiles[index : index + 1], plane)
            except _DamagedTileError as error:
                problems[number] = str(error)
        return problems

    def _places(self, numbers: Ints, top: int, left: int) -> npt.NDArray[np.void]:
        """Return the tiles for the kernel, without the place of their bytes."""
        tiles = np.zeros(len(numbers), TILE)
        y0, y1, x0, x1 = self.grid.rectangles(numbers)
        tiles["row"], tiles["height"], tiles["column"], tiles["width"] = (
            y0 - top, y1 - y0, x0 - left, x1 - x0,
        )  # fmt: skip
        tiles["seed"] = (numbers + self._settings.seed) % N_RANDOM
        tiles["scale"], tiles["zero"] = self._scales[numbers], self._zeros[numbers]
        if self._blanks is not None:
            tiles["blank"] = self._blanks[numbers]
        return tiles

    def _decode_rice(
        self, numbers: Ints, tiles: npt.NDArray[np.void], plane: npt.NDArray[Any]
    ) -> dict[int, str]:
        """Decode tiles in RICE into a part of the image; return the problems."""
        column = self._columns["COMPRESSED_DATA"]
        starts, lengths = column.starts[numbers], column.lengths[numbers]
        size = len(self._heap)
        is_there = (starts >= 0) & (lengths >= 0) & (lengths <= size) & (starts <= size - lengths)
        problems = dict.fromkeys(numbers[~is_there].tolist(), _NOT_THERE)
        tiles["start"], tiles["length"] = starts, lengths
        numbers, tiles = numbers[is_there], tiles[is_there]
        problems |= self._call_kernel(self._heap, numbers, tiles, plane, self._settings.rice)
        if self._needs_blanks:
            for tile, number in zip(tiles, numbers.tolist(), strict=True):
                self._replace_blanks(number, _pixels(plane, tile))
        return problems

    def _unpack(self, number: int, tiles: npt.NDArray[np.void], plane: npt.NDArray[Any]) -> None:
        """Put a tile that is not in RICE into a part of the image."""
        pixels = _pixels(plane, tiles[0])
        is_main = bool(self._columns["COMPRESSED_DATA"].lengths[number])
        values = self._values(number, pixels.size, is_main=is_main)
        if not (is_main and self._is_quantised):
            pixels[...] = values.reshape(pixels.shape)
            if is_main:
                self._replace_blanks(number, pixels)
            return
        if values.itemsize == 8:
            raise _DamagedTileError("quantised pixels of 64 bits")
        integers = values.astype(np.int32)
        tiles["start"], tiles["length"] = 0, integers.nbytes
        heap = integers.view(np.uint8)
        for problem in self._call_kernel(
            heap, np.array([number]), tiles, plane, _AS_INT32
        ).values():
            raise _DamagedTileError(problem)

    def _values(self, number: int, count: int, *, is_main: bool) -> npt.NDArray[Any]:
        """Return the numbers of a tile that is in gzip, or not compressed, shape (count,)."""
        column, kind = self._columns["COMPRESSED_DATA"], self._settings.kind
        if not is_main:
            column, kind = self._other_column(number)
        raw = self._data(column, number)
        if kind != b"NOCOMPRESS":
            try:
                raw = memoryview(gunzip(raw, max_bytes=8 * count))
            except _GZIP_ERRORS as error:
                raise _DamagedTileError(first_line(error)) from error
        size = len(raw) // count
        if len(raw) != size * count or size not in {1, 2, 4, 8}:
            raise _DamagedTileError(f"{len(raw)} bytes for {count} pixels")
        if column.dtype != _BYTES:
            return np.frombuffer(raw, column.dtype)
        # The type follows from the length.
        values = np.frombuffer(raw, _BYTES)
        if kind == b"GZIP_2":  # first the highest byte of each number, then the next one
            values = np.ascontiguousarray(values.reshape(size, count).T).ravel()
        is_float = self.dtype.kind == "f" and size >= 4 and not (is_main and self._is_quantised)
        letter = "f" if is_float else "u" if size == 1 else "i"
        return values.view(f">{letter}{size}")

    def _other_column(self, number: int) -> tuple[_Column, bytes]:
        """Return where a tile is that cannot be quantised well, and its compression."""
        for name, kind in zip(_LIST_COLUMNS[1:], (b"GZIP_1", b"NOCOMPRESS"), strict=True):
            if name in self._columns and self._columns[name].lengths[number]:
                return self._columns[name], kind
        raise _DamagedTileError("it has no data")

    def _call_kernel(
        self,
        heap: memoryview | npt.NDArray[Any],
        numbers: Ints,
        tiles: npt.NDArray[np.void],
        plane: npt.NDArray[Any],
        settings: RiceSettings,
    ) -> dict[int, str]:
        method, has_blank = self._settings.method, self._blanks is not None
        decode_tiles(heap, tiles, plane, settings, method, has_blank=has_blank)
        wrong = np.flatnonzero(tiles["problem"]).tolist()
        return {int(numbers[index]): PROBLEMS[tiles["problem"][index]] for index in wrong}

    def _replace_blanks(self, number: int, pixels: npt.NDArray[Any]) -> None:
        """Give the undefined pixels of a tile the value that they have in the whole image."""
        if self._blanks is None or not self._needs_blanks:
            return
        is_float = pixels.dtype.kind == "f"
        pixels[pixels == self._blanks[number]] = np.nan if is_float else self._settings.blank

    def _data(self, column: _Column, number: int) -> memoryview:
        """Return the bytes of a tile."""
        start = int(column.starts[number])
        end = start + int(column.lengths[number]) * column.dtype.itemsize
        if not 0 <= start <= end <= len(self._heap):
            raise _DamagedTileError(_NOT_THERE)
        return self._heap[start:end]


def _pixels(plane: npt.NDArray[Any], tile: np.void) -> npt.NDArray[Any]:
    """Return the pixels of a tile as a view of a part of the image."""
    y, x = int(tile["row"]), int(tile["column"])
    return plane[y : y + int(tile["height"]), x : x + int(tile["width"])]


def _text(values: CardValues, key: bytes) -> bytes:
    return values.get(key, b"").strip(b"' ")


def _columns(values: CardValues, table: npt.NDArray[Any]) -> dict[str, _Column]:
    """Return the columns of data; none of them if one has a form that is not known."""
    columns: dict[str, _Column] = {}
    for number, name in enumerate(table.dtype.names or (), 1):
        if name not in _LIST_COLUMNS:
            continue
        form = _DESCRIPTOR.fullmatch(_text(values, b"TFORM%d" % number))
        field = table.dtype[name]
        if form is None or field.shape != (2,) or field.base.kind != "i":
            return {}
        dtype = np.dtype(_TYPES[form[1]])
        if name != "UNCOMPRESSED_DATA" and dtype != _BYTES:
            return {}
        lengths, starts = table[name].astype(np.int64).T
        columns[name] = _Column(lengths, starts, dtype)
    return columns


def _settings(values: CardValues, table: npt.NDArray[Any], layout: ImageLayout) -> _Settings | None:
    """Return what is the same for all tiles; None if it is unusual."""
    fields = {name: table.dtype[name] for name in table.dtype.names or ()}
    kind, is_float = _text(values, b"ZCMPTYPE"), layout.dtype.kind == "f"
    is_quantised, is_rice = "ZSCALE" in fields, kind in _RICE
    method = _METHODS.get(_text(values, b"ZQUANTIZ") or b"NO_DITHER")
    method = method if is_quantised else Method.INTEGERS
    seed = whole_value(values, b"ZDITHER0", 0) if b"ZDITHER0" in values else 1
    rice = _rice_settings(values) if is_rice else _AS_INT32
    blank = whole_value(values, b"ZBLANK" if b"ZBLANK" in values else b"BLANK", _NO_INTEGER)
    has_blank = b"ZBLANK" in values or (b"BLANK" in values and (is_quantised or not is_float))
    if (
        not (is_rice or kind in _OTHERS)
        or method is None
        or rice is None
        or ((is_rice or is_quantised) and not available())
        or (is_quantised and not is_float)
        or any(fields.get(name, np.dtype(">f8")) != ">f8" for name in ("ZSCALE", "ZZERO"))
        or is_quantised != ("ZZERO" in fields)
        or fields.get("ZBLANK", np.dtype(">i4")) != ">i4"
        or any(key.startswith((b"TSCAL", b"TZERO")) for key in values)
        or seed < 1
    ):
        return None
    if is_rice and (
        8 * layout.dtype.itemsize * (-1 if is_float else 1) not in _RICE_BITPIX
        or is_float != is_quantised
        or ("ZBLANK" in fields and not is_float and rice.pixel_bytes != layout.dtype.itemsize)
    ):
        return None
    integers = np.iinfo(np.int64 if is_float else layout.dtype)
    if has_blank and not integers.min <= blank <= integers.max:
        return None
    return _Settings(kind, rice, method, (seed - 1) % N_RANDOM, blank if has_blank else None)


def _rice_settings(values: CardValues) -> RiceSettings | None:
    """Return the settings of RICE, or None if they are none of the standard."""
    settings = {b"BYTEPIX": _PIXEL_BYTES[0], b"BLOCKSIZE": _BLOCKS[0]}
    for name in settings:
        for i in range(1, 1000):
            if b"ZNAME%d" % i not in values:
                break
            if _text(values, b"ZNAME%d" % i).upper() == name:
                settings[name] = whole_value(values, b"ZVAL%d" % i, 0)
                break
    rice = RiceSettings(settings[b"BYTEPIX"], settings[b"BLOCKSIZE"])
    return rice if rice.pixel_bytes in _PIXEL_BYTES and rice.block in _BLOCKS else None
