"""Images in compressed tiles (fpack): any rectangle of their pixels.

astropy reads the header and the table of the tiles; whatever it raises for a damaged file becomes
an `ImageError` of one line. The usual tiles are decoded by `mingolotss.io.fits_tiles`. The decoders
of astropy, for all others, may end the process or unpack to any size, and run in another one
(`mingolotss.io.tile_decoder`).

>>> file = _HduFile(b"header", memoryview(b"data"))
>>> file.seek(4), file.read(4), file.tell(), file.read()
(4, b'erda', 8, b'ta')
"""

from __future__ import annotations

import io
import math
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import NamedTuple

import numpy as np

from mingolotss.errors import ImageError, TruncatedFileError, UnreadableFileError
from mingolotss.foreign import mute_warnings
from mingolotss.io.error_text import first_line
from mingolotss.io.fits_layout import ImageLayout
from mingolotss.io.fits_scaling import PixelScaling
from mingolotss.io.fits_tiles import TileTable, open_table, tile_lengths
from mingolotss.io.plio_lists import line_list_problem
from mingolotss.io.tile_decoder import CAN_ISOLATE, Box, decode_box, new_key
from mingolotss.model import FloatImage, Ints
from mingolotss.sky.fits_header import (
    MAX_AXES,
    card_values,
    format_card,
    join_cards,
    pad_to_block,
    whole_value,
)

__all__ = ["CompressedImage", "DecodedTiles", "load_decoders"]

_COUNT_OF_FOUR_DIGITS = re.compile(rb"(?:Z?NAXIS {2,3}|TFIELDS )= *\+?(\d{4,})")
_MAX_TILE_BYTES = 2**28
_EMPTY_PRIMARY = pad_to_block(
    join_cards(
        format_card(keyword, value)
        for keyword, value in (("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"))
    ),
    b" ",
)


def _cfitsio_errors() -> tuple[type[Exception], ...]:
    """Return the exception of astropy's decompressor; its module differs between versions."""
    for name in ("hdu.compressed._compression", "_tiled_compression._compression"):
        try:
            return (import_module(f"astropy.io.fits.{name}").CfitsioException,)
        except (ImportError, AttributeError):
            continue
    return ()


@cache
def _astropy_errors() -> tuple[type[Exception], ...]:
    from astropy.io import fits

    return (
        OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
        RuntimeError, AssertionError, ArithmeticError, MemoryError, struct.error, zlib.error,
        fits.VerifyError, *_cfitsio_errors(),
    )  # fmt: skip


def load_decoders() -> None:
    """Import what decoding needs: a process that forks for each rectangle does it once before."""
    _astropy_errors()
    _ = np.rec  # which numpy imports when it is asked for


class _HduFile:
    """One HDU of a file as a file of its own for astropy: an empty primary HDU, then the HDU.

    Nothing is copied, no file stays open, and the other HDUs of the file are not looked at.
    """

    def __init__(self, primary: bytes, hdu: memoryview) -> None:
        self._parts = memoryview(primary), hdu
        self._size = len(primary) + len(hdu)
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        primary, hdu = self._parts
        start, split = self._position, len(primary)
        end = self._size if size < 0 else min(start + size, self._size)
        self._position = max(start, end)
        if start >= split:  # the tiles, and nearly every call
            return bytes(hdu[start - split : end - split])
        return bytes(primary[start:end]) + bytes(hdu[: max(end - split, 0)])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        """Do nothing: the memory belongs to the caller."""


class DecodedTiles(NamedTuple):
    """A part of an image.

    Attributes
    ----------
    pixels : float array, shape (ny, nx)
        Native byte order.
    damaged : list of int
        The tiles that could not be decoded.
    """

    pixels: FloatImage
    damaged: list[int]


class CompressedImage:
    """An image in compressed tiles (FITS standard 4.0, section 10.1). May be used by any thread.

    Parameters
    ----------
    raw : bytes
        The whole file.
    layout : ImageLayout
        That of the image.
    path : str
        The name for messages.
    in_helper : bool
        This process may end, and decodes everything itself.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    header : bytes
        The header of the image, without the cards of the table with the tiles.
    tile_bytes : int
        The size of a tile.
    key : int
        No other image of this process has it.
    tiles : TileTable or None
        The tiles that are decoded in this process.

    Raises
    ------
    ImageError
        The file is damaged, or has values for undefined pixels that differ between its tiles.
    TruncatedFileError
        The file ends before its tiles do.
    """

    def __init__(
        self,
        raw: bytes | memoryview,
        layout: ImageLayout,
        path: str,
        *,
        in_helper: bool = False,
    ) -> None:
        from astropy.io import fits  # 0.2 s, and only compressed images need it

        layout.require_whole(len(raw), "read", path)
        _check_counts(layout.header, path)
        self.tile_bytes = _check_tiles(layout, path)
        self.shape, self._layout, self._path = layout.shape, layout, path
        self._in_helper, self.key = in_helper, new_key()
        self._lock = threading.Lock()  # astropy seeks in the file
        self._content = memoryview(raw)[layout.start : layout.end]
        file = _HduFile(_EMPTY_PRIMARY, self._content)
        with _translate_astropy_errors(path, in_helper=in_helper):
            hdus = fits.open(file, memmap=False, do_not_scale_image_data=True)
            self._hdu: fits.CompImageHDU = hdus[1]
            self.header: bytes = self._hdu.header.tostring().encode("ascii")
            self._scaling = self._prepare_blanks()
            if self._hdu.compression_type == "PLIO_1" and not in_helper:
                self._check_line_lists()
            table = self._hdu.compressed_data.view(np.ndarray)
            self.tiles: TileTable | None = (
                None if in_helper else open_table(layout, self._content, table, path)
            )
        self._is_isolated = CAN_ISOLATE and not in_helper and self.tiles is None

    def box(self, y0: int, y1: int, x0: int, x1: int) -> FloatImage:
        """Return the physical values of rows y0 to y1 and columns x0 to x1 (ends excluded).

        Raises
        ------
        ImageError
            The tiles under the rectangle are damaged.
        """
        if self.tiles is not None:
            try:
                with mute_warnings():  # of floats that are larger than their type
                    return self._scaling.apply(self.tiles.section(y0, y1, x0, x1))
            except MemoryError as error:
                raise _no_memory(self._path) from error
        if self._is_isolated:
            content = _EMPTY_PRIMARY, self._content
            return decode_box(self.key, content, Box(y0, y1, x0, x1), self._path)
        # `section` decompresses only the tiles under the rectangle.
        section: list[int | slice] = [0] * self._layout.n_axes
        x_axis, y_axis = self._layout.axes
        section[-x_axis], section[-y_axis] = slice(x0, x1), slice(y0, y1)
        with _translate_astropy_errors(self._path, in_helper=self._in_helper), self._lock:
            return self._scaling.apply(np.asarray(self._hdu.section[tuple(section)]))

    def decode(self, numbers: Ints, shape: tuple[int, int], top: int, left: int) -> DecodedTiles:
        """Return a part of the image with the physical values of some tiles in it.

        Parameters
        ----------
        numbers : int64 array, shape (n,)
            The tiles, from 0.
        shape : (int, int)
            Rows and columns of the part; whole tiles are in it.
        top, left : int, px
            Where its first pixel is in the image.

        Raises
        ------
        ValueError
            The tiles are not decoded in this process.
        """
        if self.tiles is None:
            raise ValueError(f"{self._path}: its tiles are decoded in another process")
        stored = np.zeros(shape, self.tiles.dtype)
        with mute_warnings():
            problems = self.tiles.decode(numbers, stored, top, left)
            return DecodedTiles(self._scaling.apply(stored), list(problems))

    def _check_line_lists(self) -> None:
        """Refuse tiles of PLIO that do not hold each of their pixels once."""
        values = card_values(self._layout.header)
        table_bytes = whole_value(values, b"NAXIS1", 0) * whole_value(values, b"NAXIS2", 0)
        data = self._content[self._layout.offset - self._layout.start :]
        heap = data[whole_value(values, b"THEAP", table_bytes) :]
        places = self._hdu.compressed_data.view(np.ndarray)["COMPRESSED_DATA"].tolist()
        counts = _pixels_of_tiles(self._layout)
        for number, ((length, start), pixels) in enumerate(zip(places, counts, strict=True), 1):
            if not length:
                continue  # the tile is in another column
            words = bytes(heap[start : start + 2 * length]) if start >= 0 else b""
            problem = line_list_problem(np.frombuffer(words[: len(words) & ~1], ">i2"), pixels)
            if problem:
                raise ImageError(
                    f"read {self._path}: damaged (tile {number}: {problem}); fetch it again",
                    path=self._path,
                )

    def _prepare_blanks(self) -> PixelScaling:
        """Tell astropy which numbers in the tiles are undefined pixels; return the scaling."""
        # For quantised floats, astropy turns ZBLANK into NaN. Integers keep their value, and BLANK
        # or ZBLANK marks it; in a column ZBLANK, every tile may have another. astropy replaces
        # these by BLANK, and needs the card for it. Floats that are not quantised have NaN as it
        # is, and BLANK has no meaning for them.
        columns, header, layout = self._hdu.compressed_data.names, self._hdu.header, self._layout
        if layout.dtype.kind == "f":
            if "ZSCALE" not in columns:
                header.remove("BLANK", ignore_missing=True)
                if b"ZSCALE" in card_values(layout.header):
                    raise ImageError(
                        f"read {self._path}: tiles with one ZSCALE for all cannot be read; unpack "
                        "the file with funpack",
                        path=self._path,
                    )
            return layout.scaling
        if "ZBLANK" not in columns or layout.scaling.blanks:
            return layout.scaling
        blanks = np.unique(self._hdu.compressed_data["ZBLANK"]).tolist()
        if len(blanks) != 1:
            raise ImageError(
                f"read {self._path}: {len(blanks)} values of ZBLANK for undefined pixels and no "
                "BLANK; unpack the file with funpack",
                path=self._path,
            )
        header["BLANK"] = blanks[0]
        return layout.scaling.with_blank(blanks[0])


def _check_counts(header: bytes, path: str) -> None:
    """Refuse headers with more axes or columns than FITS allows: astropy would read for hours."""
    if match := _COUNT_OF_FOUR_DIGITS.search(header):
        raise ImageError(
            f"read {path}: damaged ({match[1].decode()} axes or columns, FITS has at most "
            f"{MAX_AXES}); fetch it again",
            path=path,
        )


def _pixels_of_tiles(layout: ImageLayout) -> list[int]:
    """Return the number of pixels of each tile, in the order of the table."""
    counts = np.ones(1, np.int64)
    for length, tile in zip(*tile_lengths(layout), strict=True):
        along = np.minimum(tile, length - np.arange(0, length, tile))
        counts = np.outer(along, counts).ravel()  # the first axis is the fastest
    return [int(count) for count in counts]


def _check_tiles(layout: ImageLayout, path: str) -> int:
    """Return the size of a tile in bytes.

    Tiles that do not cover the image, or are enormous, are refused: astropy would allocate them.
    """
    # No limit follows from the length of the file: an empty tile of PLIO or HCOMPRESS has a few
    # bytes, whatever its size.
    lengths, tile = tile_lengths(layout)
    rows = whole_value(card_values(layout.header), b"NAXIS2", 0)
    if min(tile) < 1 or math.prod(-(n // -t) for n, t in zip(lengths, tile, strict=True)) != rows:
        shape, tiles = (" x ".join(map(str, numbers)) for numbers in (lengths, tile))
        raise ImageError(
            f"read {path}: damaged ({rows} tiles of {tiles} pixels for an image of {shape}); fetch "
            "it again",
            path=path,
        )
    size = math.prod(map(min, lengths, tile)) * layout.dtype.itemsize
    if size > _MAX_TILE_BYTES:
        raise ImageError(
            f"read {path}: a tile has {size} bytes, over the limit of {_MAX_TILE_BYTES} bytes; "
            "unpack the file with funpack",
            path=path,
        )
    return size


@contextmanager
def _translate_astropy_errors(path: str, *, in_helper: bool) -> Iterator[None]:
    """Turn the exceptions of astropy for a damaged file into an ImageError of one line.

    Want of memory says nothing about the file, but for the helper, whose memory is limited.
    """
    try:
        with mute_warnings():
            yield
    except _astropy_errors() as error:
        if isinstance(error, MemoryError) and not in_helper:
            raise _no_memory(path) from error
        # astropy has no exception of its own for a file that ends early. "buffer is too small" is
        # numpy's message for an array in too few bytes; astropy itself says "truncated".
        is_short = "buffer is too small" in str(error) or "truncated" in str(error).lower()
        kind = TruncatedFileError if is_short else ImageError
        problem = "the file is cut short" if is_short else f"damaged ({first_line(error)})"
        raise kind(f"read {path}: {problem}; fetch it again", path=path) from error


def _no_memory(path: str) -> UnreadableFileError:
    message = f"read {path}: there is not enough memory; run the same command again"
    return UnreadableFileError(message, path=path)
