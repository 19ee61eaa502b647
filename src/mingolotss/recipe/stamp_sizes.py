"""The size of a stamp on the sky, as a recipe writes it: an angle, a column, or a length.

>>> parse_stamp_size("90 arcsec"), parse_stamp_size("2.5 * LAS")
(StampSize(kind='angle', value=90.0, column=''), StampSize(kind='column', value=2.5, column='LAS'))
>>> parse_stamp_size("0.2 Mpc")
StampSize(kind='length', value=200.0, column='')
>>> parse_stamp_size("200 parsec")
Traceback (most recent call last):
    ...
ValueError: '200 parsec' is no size of a stamp; write "90 arcsec", "2.5 * LAS" with a column of the
catalogue, or "200 kpc"
"""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple

__all__ = ["LARGEST_STAMP_DEG", "StampSize", "parse_stamp_size"]

LARGEST_STAMP_DEG = 10.0
"""The longest side of a resampled stamp, as that of a cutout in `images.size_arcmin`."""

_NUMBER = r"((?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)"
_WITH_UNIT = re.compile(rf"{_NUMBER}\s*(\S+)")
_NUMBER_FIRST = re.compile(rf"{_NUMBER}\s*\*\s*(\S.*)")
_COLUMN_FIRST = re.compile(rf"(\S.*?)\s*\*\s*{_NUMBER}")
_ANGLES = {"arcsec": 1.0, '"': 1.0, "arcmin": 60.0, "'": 60.0, "deg": 3600.0}
_LENGTHS = {"kpc": 1.0, "Mpc": 1000.0}


class StampSize(NamedTuple):
    """The side of a stamp.

    Attributes
    ----------
    kind : {"angle", "column", "length"}
    value : float
        In arcsec; the factor of the column; in kpc.
    column : str
        Of the catalogue; "" without one.
    """

    kind: Literal["angle", "column", "length"]
    value: float
    column: str = ""


def parse_stamp_size(text: str) -> StampSize:
    """Read the size of a stamp.

    Parameters
    ----------
    text : str
        A number with the unit arcsec, arcmin, deg, kpc or Mpc, or ``NUMBER * COLUMN``.

    Raises
    ------
    ValueError
        It is none of these, or not positive.
    """
    text, size = text.strip(), None
    if match := _NUMBER_FIRST.fullmatch(text):
        size = StampSize("column", float(match[1]), match[2])
    elif match := _COLUMN_FIRST.fullmatch(text):
        size = StampSize("column", float(match[2]), match[1])
    elif match := _WITH_UNIT.fullmatch(text):
        number, unit = float(match[1]), match[2]
        if unit in _ANGLES:
            size = StampSize("angle", number * _ANGLES[unit])
        elif unit in _LENGTHS:
            size = StampSize("length", number * _LENGTHS[unit])
    if size is None:
        raise ValueError(
            f'{text!r} is no size of a stamp; write "90 arcsec", "2.5 * LAS" with a column of the '
            'catalogue, or "200 kpc"'
        )
    if not (math.isfinite(size.value) and size.value > 0):
        raise ValueError(f"the size {text!r} is not positive")
    return size
