"""Tables in Parquet files, read by pyarrow.

Parquet has nulls of its own and no units. Units, and the masks of tables that astropy writes, are
in the metadata of the file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.catalogue.table import Column, ColumnRequest, Table
from mingolotss.catalogue.yaml_headers import check_yaml
from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings
from mingolotss.io.arrow_values import fill_null, numpy_of
from mingolotss.io.parquet import check_table, open_parquet
from mingolotss.io.parquet_columns import read_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet"]

_ASTROPY = b"table_meta_yaml"
_VOTABLE = b"IVOA.VOTable-Parquet.content"


def read_parquet(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of a Parquet file.

    Parameters
    ----------
    path : Path
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        A requested column has its name twice, or holds lists or structures.
    ArrowException, OSError
        pyarrow cannot read the file.
    """
    with open_parquet(path) as file:
        schema = file.schema_arrow
        names = [name.strip() for name in schema.names]
        left_out: dict[str, str] = {}
        places = request.places(names, path, left_out)
        units = _units(schema)
        # astropy writes the mask of a column as a column of its own, and some value below it.
        is_astropy = _ASTROPY in (schema.metadata or {})
        masks = {f"{name}.mask" for name in places} & set(names) if is_astropy else set()
        for name in list(places):
            with request.reading(name, left_out):
                kind = schema.field(places[name]).type
                _refuse_nested(kind, f"read the catalogue {path}: column {name!r}")
        places = {name: place for name, place in places.items() if name not in left_out}
        stored = [name for name in (schema.names[p] for p in places.values()) if name not in masks]
        table = check_table(read_columns(file, [*stored, *sorted(masks)], path))
    columns = {}
    for name, place in places.items():
        own_name = schema.names[place]
        if name in masks and name not in request.required:  # it belongs to another column
            continue
        values, null = _to_numpy(table[own_name])
        if f"{name}.mask" in masks:
            mask = table[f"{name}.mask"].to_numpy().astype(bool)
            null = mask if null is None else null | mask
        columns[name] = Column(values, null, units.get(own_name, ""))
    return Table(tuple(names), columns, left_out)


def _refuse_nested(kind: pa.DataType, action: str) -> None:
    import pyarrow as pa

    plain = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_nested(plain.value_type if pa.types.is_dictionary(plain) else plain):
        raise CatalogueError(
            f"{action} holds {kind}, where one value in each row was expected; name another "
            "column in the recipe"
        )


def _to_numpy(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the values of a column, and which are null where the values cannot tell."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
        column = column.cast(kind)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        # numpy has no null integers: to_numpy alone would make floats of them.
        null = numpy_of(column.is_null())
        return numpy_of(fill_null(column, 0)), null
    if str(kind) in {"string_view", "binary_view"}:  # pyarrow 15 has no test for these types
        column = column.cast(pa.string() if str(kind) == "string_view" else pa.binary())
    return numpy_of(column), None


def _units(schema: pa.Schema) -> dict[str, str]:
    """Return the units of the columns, from whichever metadata has them."""
    metadata = schema.metadata or {}
    units: dict[str, str] = {}
    for field in schema:
        own: Mapping[bytes, bytes] = field.metadata or {}
        if unit := own.get(b"unit", own.get(b"units", b"")):
            units[field.name] = unit.decode("utf-8", "replace")
    if _ASTROPY in metadata:
        units |= _astropy_units(metadata[_ASTROPY])
    if _VOTABLE in metadata:
        units |= _votable_units(metadata[_VOTABLE])
    return units


def _astropy_units(text: bytes) -> dict[str, str]:
    from astropy.table.meta import get_header_from_yaml

    with mute_warnings():
        check_yaml(text.decode())
        header = get_header_from_yaml(text.decode().splitlines())
    return {
        column["name"]: str(column["unit"]) for column in header["datatype"] if column.get("unit")
    }


def _votable_units(text: bytes) -> dict[str, str]:
    """Return the units of VOParquet 1.0, whose metadata hold a VOTable without rows."""
    from mingolotss.io.votables import parse_votable

    table = parse_votable(io.BytesIO(text)).get_first_table()
    return {field.name: str(field.unit) for field in table.fields if field.unit}
