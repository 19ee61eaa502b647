"""The units of a FITS file of a stamp, read back.

The pixels of a unit are found by its header alone; the texts of a header are read by astropy, and
only where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mingolotss.foreign import mute_warnings
from mingolotss.formats.fits_file import SOURCE_MASK, labels_of_cards
from mingolotss.image.masks import Masks
from mingolotss.io.files import read_bounded
from mingolotss.io.fits_checksums import checksum_problem
from mingolotss.io.fits_units import plain_text
from mingolotss.io.png import MAX_SIDE
from mingolotss.sky.fits_header import BLOCK, card_values, data_offset, whole_value

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["StampUnit", "read_units", "source_mask"]

_SOURCE_MASK_CARD = f"PLANE   = '{SOURCE_MASK}'".encode()
_LARGEST = 1 << 30  # bytes of a file of one stamp
_TYPES: dict[int, np.dtype[np.float32] | np.dtype[np.uint8]] = {
    -32: np.dtype(">f4"),
    8: np.dtype("u1"),
}


@dataclass(frozen=True)
class StampUnit:
    """One unit of the file of a stamp.

    Attributes
    ----------
    header : bytes
        Whole blocks.
    pixels : float32 or uint8 array, shape (ny, nx)
        A view of the file, big-endian.
    problem : str
        What is wrong with its checksums; "" if nothing is.
    """

    header: bytes
    pixels: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    problem: str

    @cached_property
    def cards(self) -> fits.Header:
        """The cards as astropy reads them."""
        from astropy.io import fits  # 0.2 s, and builds without FITS files are verified as well

        with mute_warnings():
            return fits.Header.fromstring(self.header)

    def text(self, keyword: str) -> str:
        """Return the true text of a card, "" if there is none."""
        with mute_warnings():
            value = self.cards.get(keyword)
        return plain_text(value) if isinstance(value, str) else ""

    def number(self, keyword: str, default: int) -> int:
        """Return a whole number of a card."""
        with mute_warnings():
            value = self.cards.get(keyword)
        return value if isinstance(value, int) else default

    def flag(self, keyword: str) -> bool:
        """Return whether a card is T."""
        with mute_warnings():
            return self.cards.get(keyword) is True

    @property
    def labels(self) -> dict[str, object]:
        """The tags or votes, by the columns of the manifest."""
        with mute_warnings():
            return labels_of_cards(dict(self.cards))

    @property
    def plane(self) -> str:
        """What the pixels are: BRIGHTNESS, RMS, MASK or SOURCEMASK."""
        return self.text("PLANE")

    @property
    def channel(self) -> str:
        """The channel that they belong to; "" in a dataset without channels."""
        return self.text("CHANNEL")


def read_units(path: Path, *, with_checksums: bool = False) -> list[StampUnit]:
    """Read the file of a stamp.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is no such file.
    """
    raw = memoryview(read_bounded(path, _LARGEST))
    return list(_units(raw, with_checksums=with_checksums))


def source_mask(units: Sequence[StampUnit]) -> Masks | None:
    """Return the mask of a stamp, the last unit of its file; None if the file has none.

    Raises
    ------
    ValueError
        It is not uint8, or has another size than the first unit.
    """
    last = units[-1]
    if _SOURCE_MASK_CARD not in last.header:
        return None
    if last.pixels.dtype != np.uint8 or last.pixels.shape != units[0].pixels.shape:
        raise ValueError(f"a mask of {last.pixels.dtype} and shape {last.pixels.shape}")
    return np.asarray(last.pixels, np.uint8)


def _units(raw: memoryview, *, with_checksums: bool) -> Iterator[StampUnit]:
    start = 0
    if bytes(raw[:9]) != b"SIMPLE  =":
        raise ValueError("no FITS file")
    while start < len(raw):
        offset = data_offset(raw, start)
        if offset is None:
            raise ValueError("its header has no end")
        header = bytes(raw[start:offset])
        values = card_values(header)
        axes = [whole_value(values, b"NAXIS%d" % axis, 0) for axis in (2, 1)]
        dtype = _TYPES.get(whole_value(values, b"BITPIX", 0))
        if dtype is None or whole_value(values, b"NAXIS", 0) != 2:
            raise ValueError("a unit that is no image of float32 or uint8 with two axes")
        if not all(1 <= length <= MAX_SIDE for length in axes):
            raise ValueError(f"an image of {axes[1]} x {axes[0]} pixels")
        size = axes[0] * axes[1] * dtype.itemsize
        if offset + size > len(raw):
            raise ValueError(f"it ends after {len(raw)} of at least {offset + size} bytes")
        problem = checksum_problem(header, raw[offset:]) if with_checksums else ""
        pixels: npt.NDArray[Any] = np.frombuffer(raw, dtype, axes[0] * axes[1], offset)
        pixels = pixels.reshape(axes)
        yield StampUnit(header, pixels, problem)
        start = offset + -(-size // BLOCK) * BLOCK
