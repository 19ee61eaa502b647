r"""The columns of a table as text, as numbers in a unit, and as flags.

What is null is the same in each: where the format says so, empty text, NaN, and the text ``nan`` in
a column that otherwise holds numbers. Any other text, such as ``None`` or ``N/A``, is text.

>>> to_text(Column(np.array([b"A ", b" B\0junk"])), "id")
['A', 'B']
>>> to_flags(Column(np.array(["yes", "0"], object)), "FR1", ["A", "B"]).tolist()
[True, False]
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.labels import name_rows
from mingolotss.catalogue.sexagesimal import parse_angles, plain_signs
from mingolotss.catalogue.table import Column
from mingolotss.catalogue.units import Quantity, Unit, find_unit
from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "TextNumbers",
    "null_rows",
    "to_angles",
    "to_flags",
    "to_floats",
    "to_numbers",
    "to_text",
]

_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0", "", "nan", "none", "--", "masked"}
_NUMBER = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)([eEdD][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII
)
_WITH_LETTERS = re.compile(r"[+-]?\d+\s*[hd°]\s*\d+\s*[m'\N{PRIME}].*", re.IGNORECASE)
_LONGEST_SHOWN = 100  # characters of a value in a message
_WITH_UNIT = re.compile(r"[+-]?\d+(\.\d*)?\s*[hd°]", re.IGNORECASE)
_THREE_PARTS = re.compile(r"[+-]?\d+(\s*[hmd°'\N{PRIME}:]\s*|\s+)\d+.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextNumbers:
    """Numbers that were read from a column.

    Attributes
    ----------
    values : float64 array, shape (n,)
        In the unit of the quantity.
    digit : float64 array, shape (n,), deg
        One unit of the last digit of a sexagesimal angle; NaN for any other number.
    """

    values: Floats
    digit: Floats


def to_text(column: Column, name: str) -> list[str]:
    """Return a column as text without surrounding blanks; null is "".

    Parameters
    ----------
    column : Column
        Bytes end at the first NUL (FITS 4.0, section 7.3.3.1).
    name : str
        The column, for messages.

    Raises
    ------
    CatalogueError
        The column holds complex numbers, or bytes that are no UTF-8.
    """
    values = column.values
    if not isinstance(values, np.ndarray):
        return _without_nan([text.strip() for text in values.to_numpy(zero_copy_only=False)])
    kind = values.dtype.kind
    if kind == "c":
        raise CatalogueError(
            f"read the catalogue: column {name!r} holds complex numbers, where text was expected"
        )
    if kind == "S":
        texts = _decode(values.tolist(), name)
    elif kind == "U":
        texts = [value.strip() for value in values.tolist()]
    elif kind == "O":
        texts = [
            value.strip() if type(value) is str else _object_text(value, name)
            for value in values.tolist()
        ]
    elif kind in "mM" or values.dtype in {np.dtype("f2"), np.dtype("f4")}:
        # Python has no such types, and would write 0.1 as 0.10000000149011612.
        texts = ["" if text in {"nan", "NaT"} else text for text in values.astype(str).tolist()]
    else:
        texts = ["" if _is_nan(value) else str(value) for value in values.tolist()]
    if column.null is not None and column.null.any():
        for row in np.flatnonzero(column.null).tolist():
            texts[row] = ""
    return _without_nan(texts) if kind in "SUO" else texts


def null_rows(column: Column, name: str) -> Bools:
    """Return where a column has no value, bool array, shape (n,).

    Raises
    ------
    CatalogueError
        As `to_text` raises it.
    """
    values = column.values
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        is_nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        nulls: Bools = is_nan if column.null is None else is_nan | column.null
        return nulls
    return np.array([text == "" for text in to_text(column, name)], bool)


def to_numbers(column: Column, name: str) -> Floats:
    """Return a column as numbers without a unit; null is NaN.

    Raises
    ------
    CatalogueError
        A value is no number.
    """
    values = column.values
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return np.where(null_rows(column, name), np.nan, values.astype(float))
    texts = to_text(column, name)
    for row, text in enumerate(texts):
        if text and not _NUMBER.fullmatch(text):
            raise CatalogueError(
                f"read the catalogue: column {name!r} holds {text[:_LONGEST_SHOWN]!r} in row "
                f"{row + 1} where a number was expected"
            )
    return _to_floats(texts)


def to_floats(column: Column, name: str, quantity: Quantity, *, unit: str = "") -> Floats:
    """Return a column as numbers in the unit of its quantity; null is NaN.

    Parameters
    ----------
    column : Column
        Numbers, or text that holds numbers or sexagesimal angles.
    name : str
        The column, for messages.
    quantity : {"ra", "dec", "size", "flux"}
    unit : str
        Replaces the unit of the file, if it is not "".

    Raises
    ------
    CatalogueError
        The values are no numbers, or in a unit that cannot be converted.
    """
    return to_angles(column, name, quantity, unit=unit).values


def to_angles(column: Column, name: str, quantity: Quantity, *, unit: str = "") -> TextNumbers:
    """Return a column as `to_floats` does, with the precision of sexagesimal text.

    Raises
    ------
    CatalogueError
        As `to_floats` raises it.
    """
    action = f"read the catalogue: column {name!r}"
    try:
        own_unit = find_unit(unit or column.unit, quantity)
    except CatalogueError as error:
        raise CatalogueError(
            f"{action}: {error}; set the recipe's catalogue.{quantity}_unit to the unit"
        ) from error
    values = column.values
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "U"
    digit = np.full(len(values), math.nan)
    if kind in "SU" or (kind == "O" and not _holds_decimals(values)):
        parsed = _parse_numbers(column, name, own_unit, quantity)
        numbers, digit = parsed.values, parsed.digit
    elif kind in "iufO":
        listed = values if kind != "O" else [v if v is not None else math.nan for v in values]
        numbers = np.asarray(listed, float)
        if own_unit.scale != 1:
            numbers = numbers * own_unit.scale
    else:
        words = {"b": "true and false", "c": "complex numbers", "M": "dates", "m": "durations"}
        raise CatalogueError(
            f"{action} holds {words.get(kind, kind)}, where numbers in "
            f"{own_unit.name} were expected"
        )
    if column.null is not None and column.null.any():
        numbers = np.where(column.null, math.nan, numbers)
    return TextNumbers(numbers, digit)


def to_flags(column: Column, name: str, sources: Sequence[str]) -> Bools:
    """Return a column as booleans; null is False.

    Parameters
    ----------
    column : Column
        Booleans, or text or numbers that stand for them.
    name : str
        The column, for messages.
    sources : sequence of str
        The names of the rows, for messages.

    Raises
    ------
    CatalogueError
        A value does not stand for true or false.
    """
    values = column.values
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "U"
    if kind == "b":
        flags: Bools = values.astype(bool, copy=False)
        return flags if column.null is None else flags & ~column.null
    if kind in "iuf":
        # Numbers are compared as numbers, without a text for each.
        null = null_rows(column, name)
        flags = (values == 1) & ~null
        invalid = np.flatnonzero(~((values == 0) | flags | null))
    else:
        # Few words occur, so that each is looked up once, and not every row.
        words = _text_array(column, name).dictionary_encode()
        spellings = [word.strip().lower() for word in words.dictionary.to_pylist()]
        code = words.indices.to_numpy()
        flags = np.array([word in _TRUE for word in spellings], bool)[code]
        known = np.array([word in _TRUE | _FALSE for word in spellings], bool)
        invalid = np.flatnonzero(~known[code])
    if invalid.size:
        row = int(invalid[0])
        shown = str(values[row]) if kind in "iuf" else spellings[code[row]]
        raise CatalogueError(
            f"read the catalogue: column {name!r} holds {shown!r} where a flag (true or false) "
            f"was expected: {name_rows(invalid.tolist(), sources)}"
        )
    return flags


def _text_array(column: Column, name: str) -> pa.Array:
    """Return a column of text as an array of pyarrow, without null."""
    import pyarrow as pa

    if not isinstance(column.values, np.ndarray):
        return column.values
    return pa.array(to_text(column, name), pa.string())


def _decode(values: Sequence[bytes], name: str) -> list[str]:
    """Return bytes as text, up to the first NUL."""
    try:
        return [value.partition(b"\0")[0].decode().strip() for value in values]
    except UnicodeDecodeError:
        return [_decode_one(value, name, f"row {row + 1}") for row, value in enumerate(values)]


def _decode_one(value: bytes, name: str, row: str) -> str:
    content = value.partition(b"\0")[0]
    try:
        return content.decode().strip()
    except UnicodeDecodeError as error:
        raise CatalogueError(
            f"read the catalogue: column {name!r} holds {content!r} in {row}, which is no UTF-8 "
            "text; write the column in ASCII or UTF-8"
        ) from error


def _object_text(value: object, name: str) -> str:
    if isinstance(value, bytes):
        return _decode_one(value, name, "a row")
    is_null = value is None or value is np.ma.masked or _is_nan(value)
    return "" if is_null else str(value).strip()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _without_nan(texts: list[str]) -> list[str]:
    """Empty the texts "nan" of a column that otherwise holds numbers.

    CSV has no types: NaN in a column of numbers is written so, and is no name of a class.
    """
    nans = {"nan", "NaN", "NAN"}
    if nans.isdisjoint(texts):
        return texts
    others = {text for text in texts if text and text not in nans}
    if not all(_NUMBER.fullmatch(text) for text in others):
        return texts
    return ["" if text in nans else text for text in texts]


def _holds_decimals(values: npt.NDArray[np.generic]) -> bool:
    return any(isinstance(value, Decimal) for value in values.tolist())


def _to_floats(texts: Sequence[str]) -> Floats:
    """Return texts that are numbers, with exponents of Fortran such as 1.5D+02; "" is NaN."""
    return np.array([float(re.sub("[dD]", "e", text) or "nan") for text in texts])


def _parse_numbers(column: Column, name: str, unit: Unit, quantity: Quantity) -> TextNumbers:
    """Return the numbers, or the sexagesimal angles, that a column of text holds."""
    import pyarrow as pa
    from pyarrow import compute as pc

    action = f"read the catalogue: column {name!r}"
    array = pc.utf8_trim_whitespace(_text_array(column, name))
    unknown = np.full(len(array), math.nan)
    try:
        is_null = pc.equal(array, "")
        parsed = pc.if_else(is_null, pa.scalar(None, pa.string()), array).cast(pa.float64())
        numbers: Floats = parsed.to_numpy(zero_copy_only=False)
        return TextNumbers(numbers if unit.scale == 1 else numbers * unit.scale, unknown)
    except pa.ArrowInvalid:
        pass
    is_angle = quantity in {"ra", "dec"}
    if is_angle:
        array = plain_signs(array)
    texts = array.to_pylist()
    words = [(row, text) for row, text in enumerate(texts) if text]
    if all(_NUMBER.fullmatch(text) for _, text in words):
        return TextNumbers(_to_floats(texts) * unit.scale, unknown)
    row, text = next((row, text) for row, text in words if not _NUMBER.fullmatch(text))
    # Hours that no unit states are only certain if no value is a plain number, which is in degrees.
    is_stated = unit.name != "deg" or quantity == "dec"
    is_sexagesimal = unit.sexagesimal and (
        unit.name in {"hms", "dms", "hourangle"}
        or (
            (_THREE_PARTS.fullmatch(text) or _WITH_UNIT.fullmatch(text))
            and (is_stated or not any(_NUMBER.fullmatch(word) for _, word in words))
        )
    )
    if is_angle and (is_sexagesimal or all(_WITH_LETTERS.fullmatch(word) for _, word in words)):
        angles = parse_angles(array, unit.sexagesimal or "dms", action)
        return TextNumbers(angles.degrees, angles.digit)
    shown = repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")
    place = f"{action} holds {shown} in row {row + 1}"
    if is_angle and _THREE_PARTS.fullmatch(text):
        number = next((row for row, word in words if _NUMBER.fullmatch(word)), None)
        raise CatalogueError(
            f"{place}, which is sexagesimal; set the recipe's catalogue.{quantity}_unit to "
            + ('"hms" (hours) or "dms" (degrees)' if quantity == "ra" else '"dms"')
            + ("" if number is None else f"; row {number + 1} holds a plain number")
        )
    raise CatalogueError(f"{place}, which is no number in {unit.name}")
