"""A table as asked columns, and the choice of one table among those of a file.

A file is only asked for the columns that a catalogue needs. What is wrong with any other column,
such as a repeated name or a type that the program does not know, therefore does not matter.

>>> request = ColumnRequest(("id", "ra"))
>>> find_column(["id", "ra", "", ""], "ra", "a.csv")
1
>>> tables = [TableOutline("HEAD", 1, ["z"]), TableOutline("OBJECTS", 2, ["id", "ra"])]
>>> choose_table(tables, request, "ldac.fits").number
2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Ints

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Column",
    "ColumnRequest",
    "Table",
    "TableOutline",
    "choose_table",
    "find_column",
    "one_value",
]

_LISTED_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, one value for each row.

    Attributes
    ----------
    values : array, shape (n,)
        Of any type that the file has. Text is bytes, str, or an array of pyarrow, which needs no
        Python object for each value.
    null : bool array, shape (n,), or None
        The rows without a value, where the values themselves do not tell. NaN, NaT, None and empty
        text are no value in any case.
    unit : str
        As the file writes it; "" without one.
    """

    values: npt.NDArray[np.generic] | pa.Array
    null: Bools | None = None
    unit: str = ""

    def take(self, rows: Ints) -> Column:
        """Return some rows."""
        null = None if self.null is None else self.null[rows]
        if isinstance(self.values, np.ndarray):
            return Column(self.values[rows], null, self.unit)
        import pyarrow as pa

        return Column(self.values.take(pa.array(rows)), null, self.unit)


@dataclass(frozen=True, slots=True)
class ColumnRequest:
    """What a reader shall look for.

    Attributes
    ----------
    required : tuple of str
        The columns that the table must have; a file with several tables is searched for them.
    optional : tuple of str
        The columns that are read if the table has them.
    table : str
        Name or number of the table; "" if the columns determine it.
    everything : bool
        All other columns are read as well, if they can be.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    table: str = ""
    everything: bool = False

    def of(self, names: Sequence[str]) -> list[str]:
        """Return the requested columns that a table with these columns has."""
        others = [name for name in names if name] if self.everything else []
        asked = dict.fromkeys([*self.required, *self.optional, *others])
        present = set(names)
        return [name for name in asked if name in present]

    def places(
        self, names: Sequence[str], path: object, left_out: dict[str, str]
    ) -> dict[str, int]:
        """Return the index of each requested column; `left_out` receives those of a repeated name.

        Raises
        ------
        CatalogueError
            Several columns have the name of one that was named.
        """
        places = {}
        for name in self.of(names):
            with self.reading(name, left_out):
                places[name] = find_column(names, name, path)
        return places

    @contextmanager
    def reading(self, name: str, left_out: dict[str, str]) -> Iterator[None]:
        """Put the error of a column into `left_out`, unless the column itself was named."""
        try:
            yield
        except CatalogueError as error:
            if name in self.required or name in self.optional:
                raise
            left_out[name] = str(error)


@dataclass(frozen=True, slots=True)
class Table:
    """The requested columns of a table.

    Attributes
    ----------
    names : tuple of str
        All columns of the table, in its order.
    columns : dict of str to Column
        Those that were requested and are there.
    left_out : dict of str to str
        Why a column is not among them, where all were requested.
    """

    names: tuple[str, ...]
    columns: dict[str, Column]
    left_out: dict[str, str] = field(default_factory=dict)

    def take(self, rows: Ints) -> Table:
        """Return some rows."""
        return replace(self, columns={n: column.take(rows) for n, column in self.columns.items()})


@dataclass(frozen=True, slots=True)
class TableOutline:
    """A table of a file before it is read.

    Attributes
    ----------
    name : str
        "" if it has none.
    number : int
        From 1: the number of the extension in FITS, the place among the tables in VOTable.
    columns : list of str
    """

    name: str
    number: int
    columns: list[str]

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


def find_column(names: Sequence[str], name: str, path: object) -> int:
    """Return the index of a requested column.

    Raises
    ------
    CatalogueError
        Several columns have this name.
    """
    places = [index for index, other in enumerate(names) if other == name]
    if len(places) > 1:
        numbers = " and ".join(str(place + 1) for place in places)
        raise CatalogueError(
            f"read the catalogue {path}: columns {numbers} are both called {name!r}; rename one "
            "of them"
        )
    return places[0]


def one_value(values: npt.NDArray[np.generic], action: str) -> npt.NDArray[np.generic]:
    """Return a column as shape (n,); shapes such as (n, 1) have one value in each row, too.

    Raises
    ------
    CatalogueError
        The rows have several values, or none.
    """
    values = np.asarray(values)
    if values.ndim == 1:
        return values
    count = int(np.prod(values.shape[1:]))
    if count != 1:
        raise CatalogueError(
            f"{action} holds {count} values in each row, where one was expected; name another "
            "column in the recipe"
        )
    return values.reshape(len(values))


def choose_table(
    tables: Sequence[TableOutline], request: ColumnRequest, path: object
) -> TableOutline:
    """Return the table of a file that is the catalogue.

    A file with one table has no choice. Among several it is the one with the required columns,
    such as the second table of a SExtractor catalogue in the format FITS_LDAC.

    Raises
    ------
    CatalogueError
        There is no table, none or several have the required columns, or none is the one that
        the request names. The message names the tables.
    """
    action = f"read the catalogue {path}"
    if not tables:
        raise CatalogueError(f"{action}: it holds no table")
    if request.table:
        wanted = request.table.casefold()
        matches = [table for table in tables if table.name.casefold() == wanted]
        matches = matches or [table for table in tables if str(table.number) == wanted]
        if len(matches) == 1:
            return matches[0]
        number = "no table" if not matches else f"{len(matches)} tables"
        raise CatalogueError(
            f"{action}: {number} {request.table!r} (catalogue.table); it has "
            f"{', '.join(map(str, tables))}"
        )
    if len(tables) == 1:
        return tables[0]
    required = set(request.required)
    matches = [table for table in tables if required <= set(table.columns)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CatalogueError(
            f"{action}: {len(matches)} tables have the columns of the recipe: "
            f"{', '.join(map(str, matches))}; choose one by its name or number in the recipe's "
            "catalogue.table"
        )
    outlines = "; ".join(f"{table} has {_some(table.columns)}" for table in tables)
    raise CatalogueError(
        f"{action}: none of its {len(tables)} tables has the columns "
        f"{', '.join(map(repr, dict.fromkeys(request.required)))}: {outlines}; name the columns in "
        "the recipe's [catalogue]"
    )


def _some(columns: Sequence[str]) -> str:
    more = len(columns) - _LISTED_COLUMNS
    shown = ", ".join(columns[:_LISTED_COLUMNS])
    return f"{shown} and {more} more" if more > 0 else shown or "no columns"
