"""The columns of a table as text, as numbers in a unit, and as flags.

>>> to_text(np.array([b"A ", b" B"])), to_flags(np.array(["yes", "0"]), "FR1", ["A", "B"]).tolist()
(['A', 'B'], [True, False])
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mingolotss.catalogue.labels import name_rows
from mingolotss.catalogue.tables import Column
from mingolotss.errors import CatalogueError
from mingolotss.io.error_text import first_line
from mingolotss.model import Bools, Floats

__all__ = ["to_flags", "to_floats", "to_text"]

_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0", "", "nan", "none", "--", "masked"}


def to_text(values: Column) -> list[str]:
    """Return a column as text without surrounding blanks; masked values are ""."""
    masked = np.ma.getmaskarray(values)
    listed = np.asarray(np.ma.getdata(values)).tolist()
    texts = [value.strip() if type(value) is str else _value_text(value) for value in listed]
    return [
        "" if is_masked else text for text, is_masked in zip(texts, masked.tolist(), strict=True)
    ]


def to_floats(values: Column, name: str, unit: str) -> Floats:
    """Return a column as numbers in a unit; masked values are NaN.

    Parameters
    ----------
    values : array
        If it has a unit it is converted; otherwise it is taken to be in `unit`.
    name : str
        The column, for the message.
    unit : str
        As astropy writes it.

    Raises
    ------
    CatalogueError
        The values are no numbers, or in a unit that cannot be converted.
    """
    try:
        own_unit = getattr(values, "unit", None)
        factor = own_unit.to(unit) if own_unit else 1.0
        if isinstance(values, np.ma.MaskedArray):  # before asarray, which would drop the mask
            values = np.ma.filled(values.astype(float), math.nan)
        numbers = np.asarray(values, float)
        return numbers if factor == 1 else numbers * factor
    except (ValueError, TypeError, AttributeError) as error:
        raise CatalogueError(
            f"read the catalogue: column {name!r} is not numbers in {unit} ({first_line(error)})"
        ) from error


def to_flags(values: Column, name: str, sources: Sequence[str]) -> Bools:
    """Return a column as booleans; masked values are False.

    Parameters
    ----------
    values : array
        Booleans, or text or numbers that stand for them.
    name : str
        The column, for the message.
    sources : sequence of str
        The names of the rows, for the message.

    Raises
    ------
    CatalogueError
        A value does not stand for true or false.
    """
    # The value of an empty constructor is false for every type: False, 0, 0.0 or "".
    array = np.asarray(np.ma.filled(values, values.dtype.type()))
    if array.dtype.kind == "b":
        return array.astype(bool, copy=False)
    texts = [_value_text(value).lower() for value in array.tolist()]
    invalid = [row for row, text in enumerate(texts) if text not in _TRUE and text not in _FALSE]
    if invalid:
        raise CatalogueError(
            f"read the catalogue: column {name!r} holds {texts[invalid[0]]!r} where a flag (true "
            f"or false) was expected: {name_rows(invalid, sources)}"
        )
    return np.array([text in _TRUE for text in texts], bool)


def _value_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return "" if value is None or value is np.ma.masked else str(value).strip()
