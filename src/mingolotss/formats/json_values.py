"""Columns as values of JSON, for the formats that store a row, or a column, as a text.

>>> plain_values(pa.chunked_array([[1.5, float("nan")]]))
[1.5, None]
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["plain_values"]


def plain_values(column: pa.ChunkedArray) -> list[str | int | float | bool | None]:
    """Return a column as JSON has it: null for NaN and infinity, text for dates."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    if pa.types.is_floating(column.type):
        import pyarrow.compute as pc  # 30 ms, which readers do without

        is_finite = pc.is_finite(column)
        column = pc.if_else(is_finite, column, pa.scalar(None, column.type))
    values: list[str | int | float | bool | None] = column.to_pylist()
    return values
