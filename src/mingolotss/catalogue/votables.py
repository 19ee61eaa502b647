"""Tables in VOTable files, in each serialisation (TABLEDATA, BINARY, BINARY2), read by astropy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.table import (
    Column,
    ColumnRequest,
    Table,
    TableOutline,
    choose_table,
    one_value,
)
from mingolotss.errors import CatalogueError

if TYPE_CHECKING:
    from astropy.io.votable.tree import Field

__all__ = ["read_votable"]

_TEXT = {"char", "unicodeChar"}


def read_votable(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of a VOTable.

    A column is found by its name. If no column has the name, it is found by its ID, which differs
    where the name is no XML name (``e_RA*`` has the ID ``e_RA_``).

    Parameters
    ----------
    path : Path
        Plain or gzip'd.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        The file has no table with the columns, or a requested column does not have one value in
        each row.
    OSError, ValueError
        The file is no VOTable that can be read.
    """
    from mingolotss.io.votables import (
        IncompleteDocumentError,
        UnsafeDocumentError,
        parse_votable,
    )

    try:
        with open_unpacked(path) as file:
            tables = list(parse_votable(file).iter_tables())
    except IncompleteDocumentError as error:
        raise CatalogueError(f"read the catalogue {path}: {error}") from error
    except UnsafeDocumentError as error:
        raise CatalogueError(
            f"read the catalogue {path}: {error}; write the VOTable with its rows, and without "
            "entities"
        ) from error
    names = [
        _names([(field.name or "", field.ID or "") for field in table.fields], request)
        for table in tables
    ]
    outlines = [
        TableOutline(str(table.ID or table.name or ""), number, columns)
        for number, (table, columns) in enumerate(zip(tables, names, strict=True), 1)
    ]
    outline = choose_table(outlines, request, path)
    table = tables[outline.number - 1]
    columns: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    for name, index in request.places(outline.columns, path, left_out).items():
        field = table.fields[index]
        with request.reading(name, left_out):
            action = f"read the catalogue {path}: column {name!r}"
            columns[name] = _read_column(field, table.array[field.ID], action)
    return Table(tuple(outline.columns), columns, left_out)


def _read_column(field: Field, values: np.ma.MaskedArray, action: str) -> Column:
    if field.arraysize not in {None, "1"} and field.datatype not in _TEXT:
        raise CatalogueError(
            f"{action} holds arrays (arraysize {field.arraysize}), where one value in each row "
            "was expected; name another column in the recipe"
        )
    null = np.ma.getmaskarray(values).reshape(-1)
    return Column(one_value(np.ma.getdata(values), action), null, str(field.unit or ""))


def _names(fields: list[tuple[str, str]], request: ColumnRequest) -> list[str]:
    """Return the name of every field, or its ID if the request can only mean that."""
    names = {name.strip() for name, _ in fields}
    requested = set(request.required + request.optional) - names
    return [
        identifier if identifier in requested or not name else name.strip()
        for name, identifier in fields
    ]
