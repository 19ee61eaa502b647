"""Columns of a catalogue that a dataset keeps: typed arrays, and their units.

A column has the type that it has in the file. CSV has no types: a column there holds whole numbers,
numbers or flags if each of its values is one, and text otherwise. Numbers that a float cannot hold,
or that begin with zeros, are names and stay text.

>>> from mingolotss.catalogue.table import Column
>>> to_arrow(Column(pa.array(["1", "", "30"])), "n").to_pylist()
[1, None, 30]
>>> to_arrow(Column(pa.array(["007", "12"])), "id").to_pylist()
['007', '12']
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:  # readers of a manifest need no columns of catalogues
    from mingolotss.catalogue.table import Column

__all__ = ["KEPT_MARK", "kept_field", "mark_kept", "to_arrow"]

KEPT_MARK = {b"origin": b"catalogue"}
"""In the metadata of a field: the column is from the catalogue as it stands there."""

_WHOLE = r"^[+-]?(0|[1-9][0-9]*)$"
_NAME_OF_DIGITS = r"^[+-]?(0[0-9]|[0-9]{16})"


def to_arrow(column: Column, name: str) -> pa.Array:
    """Return a column as a typed array; empty text is null, NaN stays NaN.

    Raises
    ------
    CatalogueError
        The column holds complex numbers, or bytes that are no UTF-8.
    """
    values = column.values
    if not isinstance(values, np.ndarray):
        return _typed(values)
    kind = values.dtype.kind
    if kind in "biufmM":
        if values.dtype == np.float16:  # which few readers of Parquet know
            values = values.astype(np.float32)
        return pa.array(values.astype(values.dtype.newbyteorder("="), copy=False), mask=column.null)
    if kind == "O":
        listed = values.tolist()
        others = [value for value in listed if value is not None and value is not np.ma.masked]
        if others and all(isinstance(v, Decimal | int | float) for v in others):
            numbers = [None if v is None or v is np.ma.masked else float(v) for v in listed]
            return pa.array(numbers, pa.float64(), mask=column.null)
    from mingolotss.catalogue.columns import to_text

    texts = [text or None for text in to_text(column, name)]
    return pa.array(texts, pa.string())


def kept_field(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    """Return the field of a kept column, with its unit as the file writes it."""
    metadata = KEPT_MARK | ({b"unit": unit.encode()} if unit else {})
    return pa.field(name, kind, metadata=metadata)


def mark_kept(table: pa.Table) -> pa.Table:
    """Return a table whose fields are marked as columns that are kept from a catalogue."""
    schema = table.schema
    fields = [field.with_metadata({**(field.metadata or {}), **KEPT_MARK}) for field in schema]
    return table.cast(pa.schema(fields, schema.metadata))


def _typed(texts: pa.Array) -> pa.Array:
    """Return a column of text with the type that all its values have."""
    import pyarrow.compute as pc  # readers of a manifest import this module for its words alone

    trimmed = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    texts = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    present = texts.drop_null()
    if not len(present):
        return texts
    if set(pc.unique(pc.utf8_lower(present)).to_pylist()[:3]) <= {"true", "false"}:
        return pc.equal(pc.utf8_lower(texts), "true")
    if pc.any(pc.match_substring_regex(present, _NAME_OF_DIGITS)).as_py():
        return texts
    is_whole = pc.all(pc.match_substring_regex(present, _WHOLE)).as_py()
    try:
        unsigned = pc.replace_substring_regex(texts, r"^\+", "")  # Arrow reads no +1
        return unsigned.cast(pa.int64() if is_whole else pa.float64())
    except pa.ArrowInvalid:
        return texts
