"""Binary tables of FITS files whose headers leave no question open, read without astropy.

To import astropy takes longer than to plan a build of some thousand sources. A plain table is the
only one of its file, behind a primary header without data. Each of its columns holds one number,
one logical value or one string in each row, without scales, nulls and shapes. Any other file is for
`mingolotss.catalogue.fits_tables`, which gives the same columns for these files, too.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.io.fits_layout import MAX_HEADER_BYTES
from mingolotss.sky.fits_header import BLOCK, MAX_AXES, data_offset, header_cards, header_end

__all__ = ["PlainTable", "find_plain_table"]

Values = dict[str, str | int]

_TYPES = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_FIRST_OF_PRIMARY = (("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0))
_FIRST_OF_TABLE = (
    "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS",
)  # fmt: skip
_USUAL = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "PCOUNT": 0, "GCOUNT": 1}
_FORM = re.compile(r"1?([LBIJKED])|([1-9][0-9]{0,5})?A")
_KEYWORD = re.compile(r"[A-Z0-9_-]+")
_OF_COLUMN = re.compile(r"T(?:TYPE|FORM|UNIT)[1-9][0-9]{0,2}")
_OF_TABLE = {"SIMPLE", "EXTNAME", *_FIRST_OF_TABLE}
# Other keywords that begin with T or Z may change what the values mean.
_FOR_PEOPLE = re.compile(r"T(?:DISP|COMM|UCD)[0-9]+")
_NO_CARDS = {"", "COMMENT", "HISTORY"}
# FITS standard 4.0, section 4.2: a string, an integer from 0 or true, another number or false.
_VALUE = re.compile(r"(?:'([ -&(-~]*)'| *([0-9]{1,15}|T)| *(?:F|[-+.0-9][-+.0-9ED]*)) *(?:/.*)?")


class PlainTable(NamedTuple):
    """A table and its columns, by their place.

    Attributes
    ----------
    name : str
        EXTNAME in capitals, "" without one.
    names, units : list of str
        As the file writes them, "" without one.
    forms : str
        The letter of TFORM of each column.
    columns : list of array, shape (n,)
        The stored values, in the byte order of the file: bytes for strings and int8 for logical
        values.
    """

    name: str
    names: list[str]
    units: list[str]
    forms: str
    columns: list[npt.NDArray[np.generic]]


def find_plain_table(file: BinaryIO) -> PlainTable | None:
    """Return the only table of a FITS file, or None if the file or its table is not plain.

    Parameters
    ----------
    file : file object
        A real file. Its content is mapped, and is not read before the columns are.
    """
    try:
        raw = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # an empty file, or a file system without mmap
        return None
    start = data_offset(raw, max_bytes=MAX_HEADER_BYTES)
    offset = start and data_offset(raw, start, max_bytes=MAX_HEADER_BYTES)
    if start is None or offset is None:
        return None
    primary, values = _read_values(bytes(raw[:start])), _read_values(bytes(raw[start:offset]))
    if primary is None or values is None:
        return None
    # The first cards have a fixed order (FITS standard 4.0, sections 4.4.1 and 7.3.1).
    if tuple(primary.items())[:3] != _FIRST_OF_PRIMARY or tuple(values)[:8] != _FIRST_OF_TABLE:
        return None
    return _table_of(raw, offset, values)


def _table_of(raw: memoryview, offset: int, values: Values) -> PlainTable | None:
    """Return the table whose data begin at `offset`."""
    count = values.get("TFIELDS", 0)
    if any(values.get(key) != value for key, value in _USUAL.items()):
        return None
    if not isinstance(count, int) or not 0 < count <= MAX_AXES:
        return None
    names, units, forms = (
        [values.get(f"{key}{number}", "") for number in range(1, count + 1)]
        for key in ("TTYPE", "TUNIT", "TFORM")
    )
    name = values.get("EXTNAME", "")
    rows = _rows(raw, offset, values, [str(form) for form in forms])
    if rows is None or not all(isinstance(text, str) for text in (*names, *units, name)):
        return None
    return PlainTable(
        str(name).upper(),
        [str(one).strip() for one in names],
        [str(one) for one in units],
        "".join(str(form)[-1] for form in forms),
        [rows[field] for field in rows.dtype.names or ()],
    )


def _rows(
    raw: memoryview, offset: int, values: Values, forms: Sequence[str]
) -> npt.NDArray[np.void] | None:
    """Return the rows of a table; None if they do not end with the file."""
    matches = [_FORM.fullmatch(form) for form in forms]
    kinds = [match and (_TYPES.get(match[1] or "") or f"S{match[2] or 1}") for match in matches]
    width, length = values.get("NAXIS1"), values.get("NAXIS2")
    if None in kinds or not isinstance(length, int) or not length:
        return None
    dtype = np.dtype([(f"column{number}", kind) for number, kind in enumerate(kinds)])
    end = offset + dtype.itemsize * length
    if dtype.itemsize != width or len(raw) not in {end, -(-end // BLOCK) * BLOCK}:
        return None
    return np.frombuffer(raw, dtype, length, offset)


def _read_values(header: bytes) -> Values | None:
    """Return the values that describe a table, in their order; None if a card is unusual."""
    values: Values = {}
    if header[header_end(header) :].rstrip(b" ") != b"END":
        return None
    for raw_card in header_cards(header):
        card = raw_card.decode("latin-1")
        keyword = card[:8].rstrip(" ")
        if keyword in _NO_CARDS:
            continue
        is_usual = card[8:10] == "= " and _KEYWORD.fullmatch(keyword)
        if not is_usual or not (card.isascii() and card.isprintable()):
            return None
        match = _VALUE.fullmatch(card, 10)
        if match is None:
            return None
        value = match[2] if match[1] is None else match[1].rstrip(" ")
        if keyword in _OF_TABLE or _OF_COLUMN.fullmatch(keyword):
            if value is None or keyword in values:
                return None
            values[keyword] = int(value) if match[2] and value != "T" else value
        elif not _has_no_effect(keyword, match):
            return None
    return values


def _has_no_effect(keyword: str, match: re.Match[str]) -> bool:
    """Return whether a card says nothing about the values of a table, given its value."""
    if keyword == "EXTEND":
        return match[2] == "T"
    if keyword.startswith("T"):
        return match[1] is not None and bool(_FOR_PEOPLE.fullmatch(keyword))
    return not keyword.startswith("Z") and keyword != "GROUPS"
