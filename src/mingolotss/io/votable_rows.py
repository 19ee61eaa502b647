"""The rows of the serialisations BINARY and BINARY2 of VOTable (VOTable 1.5, sections 5.3 and 5.4).

astropy reads rows until the bytes end, so that a table that is cut short is only shorter. Here the
sizes of the rows are added up, without a look at their values.

>>> fields = [{"datatype": "char", "arraysize": "*"}, {"datatype": "double"}]
>>> count_rows(bytes([0, 0, 0, 1]) + b"A" + bytes(8), fields, has_flags=False)
1
>>> count_rows(bytes([0, 0, 0, 1]) + b"A" + bytes(7), fields, has_flags=False)
Traceback (most recent call last):
    ...
mingolotss.io.votable_rows.CutShortError: its row 1 is cut short
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["BYTES", "CutShortError", "count_rows"]

BYTES = {
    "boolean": 1, "bit": 1, "unsignedByte": 1, "short": 2, "int": 4, "long": 8, "char": 1,
    "unicodeChar": 2, "float": 4, "double": 8, "floatComplex": 8, "doubleComplex": 16,
}  # fmt: skip
"""Bytes of one item of each datatype in the serialisations (VOTable 1.5, section 2.1)."""

_SIZE = re.compile(r"(?:(\d+(?:x\d+)*)|((?:\d+x)*)\d*\*)", re.ASCII)
_COUNT = 4  # bytes before the values of a field of variable length


class CutShortError(ValueError):
    """The bytes end within a row."""


@dataclass(frozen=True, slots=True)
class _Field:
    """The size of a field: fixed, or that of each of the items that the row counts."""

    size: int
    is_variable: bool


def count_rows(data: bytes, fields: Sequence[Mapping[str, str]], *, has_flags: bool) -> int | None:
    """Count the rows of a table.

    Parameters
    ----------
    data : bytes
        The content of the STREAM, decoded.
    fields : sequence of mapping
        The attributes of each FIELD.
    has_flags : bool
        Whether each row begins with a bit for each field (BINARY2).

    Returns
    -------
    int or None
        None if the size of a field is unknown; its reader refuses it.

    Raises
    ------
    CutShortError
        The last row is not whole.
    """
    sizes = [_field(attributes) for attributes in fields]
    if not sizes or None in sizes:
        return None
    known = [size for size in sizes if size is not None]
    flags = math.ceil(len(fields) / 8) if has_flags else 0
    if not any(field.is_variable for field in known):
        rows, rest = divmod(len(data), max(flags + sum(field.size for field in known), 1))
        if rest:
            raise CutShortError(f"its row {rows + 1} is cut short")
        return rows
    rows = place = 0
    while place < len(data):
        place += flags
        for field in known:
            if not field.is_variable:
                place += field.size
                continue
            count = int.from_bytes(data[place : place + _COUNT], "big")
            place += _COUNT + count * field.size
        rows += 1
        if place > len(data):
            raise CutShortError(f"its row {rows} is cut short")
    return rows


def _field(attributes: Mapping[str, str]) -> _Field | None:
    kind = attributes.get("datatype", "")
    match = _SIZE.fullmatch(attributes.get("arraysize", "").strip() or "1")
    if kind not in BYTES or match is None or len(match[0]) > 100:
        return None
    fixed, inner = match.groups()
    items = math.prod(int(number) for number in (fixed or inner or "1").split("x") if number)
    size = math.ceil(items / 8) if kind == "bit" else items * BYTES[kind]
    return _Field(size, is_variable=fixed is None)
