"""Read the probability of each class that a user's own model gives to each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mingolotss.catalogue.columns import to_numbers, to_text
from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.catalogue.table import ColumnRequest
from mingolotss.catalogue.tables import read_table
from mingolotss.errors import CatalogueError, InputError
from mingolotss.formats.csv import plain_text
from mingolotss.model import Floats
from mingolotss.qa.audit.result import listed

__all__ = ["ProbabilityTable", "read_probabilities"]

_SOURCE = "source"
_TOLERANCE = 1e-3  # of the sum of a row: probabilities are often written with four digits
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class ProbabilityTable:
    """Probabilities by the name of the source.

    Attributes
    ----------
    path : Path
    row_of : dict of str to int
        The row of each source.
    values : float64 array, shape (rows, classes)
    """

    path: Path
    row_of: dict[str, int]
    values: Floats


def read_probabilities(
    path: Path, classes: Sequence[str], kind: LabelKind, action: str
) -> ProbabilityTable:
    """Read a table with the column ``source`` and one column for each class, by its name.

    Parameters
    ----------
    path : Path
        CSV, Parquet, or another table that is read as a catalogue.
    classes : sequence of str
    kind : {"classes", "tags", "votes"}
        The probabilities of a source sum to 1, unless the classes are tags.
    action : str
        What was attempted, for messages.

    Raises
    ------
    InputError
        The file cannot be read or lacks a column, a source is in it twice, or a row has no
        probabilities.
    """
    action = f"{action} --probabilities {path}"
    request = ColumnRequest((_SOURCE, *classes))
    try:
        table = read_table(path, request)
        absent = [name for name in request.required if name not in table.columns]
        if absent:
            raise InputError(
                f"{action}: it has no column {_quoted(absent)}; it needs the column {_SOURCE!r} "
                f"and one for each class, by its name; it has {_quoted(table.names, most=8)}"
            )
        names = [plain_text(name) for name in to_text(table.columns[_SOURCE], _SOURCE)]
        values = np.column_stack([to_numbers(table.columns[name], name) for name in classes])
    except CatalogueError as error:
        raise InputError(f"{action}: {error}") from error
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names):
        twice = [name for row, name in enumerate(names) if row_of[name] != row]
        raise InputError(
            f"{action}: several rows for {_quoted(twice)}; keep one row of each source"
        )
    wrong = ~((values >= 0) & (values <= 1 + _TOLERANCE)).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{action}: source {names[row]!r} has {_numbers(values[row])}; a probability is "
            f"between 0 and 1 ({int(wrong.sum())} such rows)"
        )
    sums = values.sum(axis=1)
    uneven = np.abs(sums - 1) > _TOLERANCE
    if kind != "tags" and uneven.any():
        row = int(np.flatnonzero(uneven)[0])
        raise InputError(
            f"{action}: the probabilities of source {names[row]!r} sum to {sums[row]:.4g} and not "
            f"to 1 ({int(uneven.sum())} such rows)"
        )
    values = values.clip(0, 1)
    if kind != "tags" and len(values):
        values /= values.sum(axis=1, keepdims=True)
    return ProbabilityTable(path, row_of, values)


def _quoted(names: Sequence[str], most: int = _MAX_NAMED) -> str:
    return listed([repr(name) for name in names], most)


def _numbers(values: Floats) -> str:
    return ", ".join(f"{value:g}" for value in values.tolist()[:_MAX_NAMED])
