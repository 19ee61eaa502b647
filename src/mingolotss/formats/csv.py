"""``MingoML.csv``: the written records in the columns of the original's table.

People open it in a spreadsheet, which computes what begins as a formula. Such a name gets an
apostrophe in front; the manifest has it as it is. Tags and votes follow in a column for each class.

>>> render_csv([("A", "P1", 0, "A_P1-mosaic.fits", 0.5, 0.0, "A_P1.png")]).splitlines()[1]
'A,P1,0,A_P1-mosaic.fits,0.5,0.0,A_P1.png'
>>> render_csv([("=1+1", "-2", 0, "@x", -0.5, 0.0, "B.png")]).splitlines()[1]
"'=1+1,'-2,0,'@x,-0.5,0.0,B.png"
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from mingolotss.dataset.label_columns import class_names_of, read_vectors
from mingolotss.dataset.manifest import written_rows
from mingolotss.io.files import write_bytes

__all__ = [
    "CSV_COLUMNS",
    "HEADER",
    "label_columns",
    "plain_text",
    "render_csv",
    "spreadsheet_text",
    "write_csv",
]

HEADER = (
    "Source ID", "Field", "Class", "Map File", "Separation", "Percentage NaN", "Image File",
)  # fmt: skip
_COLUMNS = (
    "source", "field", "label", "map_file", "separation_arcsec", "percent_nan_cutout", "image_file",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}")
_WRITTEN_OTHERWISE = ('"', "\r", "\n\n")
_VOTES = "Votes"
CSV_COLUMNS = (*_COLUMNS, "status")
"""The columns of the manifest that `write_csv` reads, beside those of tags or votes."""


def render_csv(rows: Iterable[Sequence[object]], header: Sequence[str] = HEADER) -> str:
    """Return the table as text. A float is written with all its digits.

    Parameters
    ----------
    rows : iterable of sequence
        The values of each row, in the order of the header.
    header : sequence of str
    """
    table = [header, *rows]
    lines = _plain_lines(table)
    # The writer quotes only the characters of its own line end, and a reader takes a bare "\r" for
    # the end of a row. It therefore ends lines with "\r\n", one call for each row.
    written: list[str] = []
    writer = csv.writer(SimpleNamespace(write=written.append), lineterminator="\r\n")
    numbers = [number for number, line in enumerate(lines) if line is None]
    for number in numbers:
        writer.writerow([spreadsheet_text(value) for value in table[number]])
    for number, line in zip(numbers, written, strict=True):
        lines[number] = line[:-2]
    return "\n".join([*lines, ""])  # type: ignore[list-item]  # no line is None any more


def _plain_lines(rows: Sequence[Sequence[object]]) -> list[str | None]:
    """Return each row whose values are all texts that are written as they are; None for others.

    A writer takes ten times as long for each.
    """
    try:
        lines: list[str | None] = [*map(",".join, rows)]  # type: ignore[arg-type]
    except TypeError:  # numbers
        return [None] * len(rows)
    # Commas are often in one column, of reasons for example, and any other such character is rare:
    # it is looked for in all rows at once.
    counts = map(str.count, lines, repeat(","))  # type: ignore[arg-type]  # no line is None yet
    for number, (count, row) in enumerate(zip(counts, rows, strict=True)):
        if count != len(row) - 1:
            lines[number] = None
    text = "\n".join(["", *(line for line in lines if line is not None), ""])
    separators = len(lines) - lines.count(None) + 1
    if text.count("\n") != separators or any(one in text for one in _WRITTEN_OTHERWISE):
        return [None] * len(rows)
    # One character is found, or not, twenty times as fast as two.
    signs = [one for one in _FORMULA if one in text]
    if any(start + one in text for one in signs for start in ",\n"):
        return [None] * len(rows)
    return lines


def spreadsheet_text(value: object) -> object:
    """Return a value as the file has it, which no spreadsheet takes for a formula (CWE-1236).

    >>> spreadsheet_text("=1+1"), spreadsheet_text("J1+1"), spreadsheet_text(-1.0)
    ("'=1+1", 'J1+1', -1.0)
    """
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def plain_text(text: str) -> str:
    """Return a text as it was before `spreadsheet_text`.

    >>> plain_text("'=1+1"), plain_text("'quoted'")
    ('=1+1', "'quoted'")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def label_columns(
    table: pa.Table, classes: Sequence[str], header: Sequence[str]
) -> dict[str, list[int | None] | list[float | None]]:
    """Return a column for each class with the tags or votes of rows, by their names.

    Tags are 0 or 1, and votes are fractions, with their number in the last column. The values of an
    unlabelled row are None.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of a manifest.
    classes : sequence of str
    header : sequence of str
        The other columns; a class that is called like one of them has "class" before its name.
    """
    vectors = read_vectors(table, len(classes))
    if vectors is None:
        return {}
    taken = {*header, _VOTES}
    names = [f"class {name}" if name in taken else name for name in classes]
    rows = np.where(vectors.is_labelled[:, None], vectors.values, 0).T.tolist()
    labelled = vectors.is_labelled.tolist()
    columns = {
        name: [
            value if is_labelled else None for value, is_labelled in zip(row, labelled, strict=True)
        ]
        for name, row in zip(names, rows, strict=True)
    }
    if vectors.kind == "votes":
        totals = vectors.totals.tolist()
        columns[_VOTES] = [None if math.isnan(total) else total for total in totals]
    return columns


def write_csv(path: Path, manifest: pa.Table) -> None:
    """Write the written rows of a manifest, in its order.

    Parameters
    ----------
    path : Path
    manifest : pyarrow.Table
        With the columns `CSV_COLUMNS`, and those of tags or votes, if the dataset has them.
    """
    written = written_rows(manifest)
    columns = [written[name].to_pylist() for name in _COLUMNS]
    labels = label_columns(written, class_names_of(manifest.schema), HEADER)
    rows = zip(*columns, *labels.values(), strict=True)
    write_bytes(path, render_csv(rows, (*HEADER, *labels)).encode())
