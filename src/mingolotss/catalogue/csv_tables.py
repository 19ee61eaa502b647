r"""Tables in CSV files, as programs and spreadsheets write them.

The first lines tell the delimiter, the header and where the rows begin; pyarrow reads the rows, a
million per second. Every column is text: what it means is decided where it is used.

>>> layout = find_layout(b"# by TOPCAT\n\nid;ra;dec;;\nA;180;50;;\n", ["id", "ra"])
>>> layout.delimiter, layout.names, layout.start
(';', ['id', 'ra', 'dec', '', ''], 25)
"""

from __future__ import annotations

import csv
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.catalogue.files import open_unpacked
from mingolotss.catalogue.table import Column, ColumnRequest, Table
from mingolotss.errors import CatalogueError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv as pacsv

__all__ = ["CsvLayout", "find_layout", "read_csv"]

_DELIMITERS = ",;\t|"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SCANNED_BYTES = 1 << 20  # in which the header and the first row must be
_MAX_LINE = 1 << 20  # bytes; pyarrow reads blocks of this size, and a row must fit into one
_MAX_INVALID = 100  # rows that are kept to find the first one
_MAX_OTHER_BYTES = 256 << 20  # of a file that is not UTF-8, of which copies are made


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """How a CSV file is written.

    Attributes
    ----------
    delimiter : str
    names : list of str
        The columns, in the order of the file; "" for one without a name.
    start : int
        Offset of the first row, bytes.
    """

    delimiter: str
    names: list[str]
    start: int


def read_csv(path: Path, request: ColumnRequest) -> Table:
    """Read the requested columns of a CSV file as text.

    Parameters
    ----------
    path : Path
        UTF-8, plain or gzip'd. The delimiter is a comma, a semicolon, a tab or a bar. Empty lines
        are ignored, and so are lines that begin with ``#``, unless they have as many values as the
        header.
    request : ColumnRequest

    Raises
    ------
    CatalogueError
        The file is not UTF-8, a requested column has its name twice, or a row has more or fewer
        values than the header; the message has the line.
    ArrowException
        pyarrow cannot read the file.
    """
    import pyarrow as pa

    action = f"read the catalogue {path}"
    content = _content(path)
    _require_lines(content, action)
    is_utf8 = _is_utf8(content)
    if not is_utf8 and content.size > _MAX_OTHER_BYTES:
        raise _not_utf8(content, action)
    try:
        layout = find_layout(content[:_SCANNED_BYTES].to_pybytes(), request.required)
    except csv.Error as error:
        raise CatalogueError(f"{action}: its header cannot be read ({error})") from error
    left_out: dict[str, str] = {}
    requested = request.places(layout.names, path, left_out)
    if layout.start >= content.size or not requested:
        no_rows = Column(np.array([], object))
        return Table(tuple(layout.names), dict.fromkeys(requested, no_rows), left_out)
    # pyarrow refuses names that repeat, also in columns that nobody asked for, so the columns are
    # numbered.
    names = [f"column{index}" for index in range(len(layout.names))]
    wanted = {name: names[index] for name, index in requested.items()}
    has_quotes = re.search(rb'"', content) is not None
    rows = content.slice(layout.start)
    if not is_utf8:
        # Only the requested columns must be UTF-8. pyarrow leaves out an invalid row that is
        # not, and prints a traceback: it is given text in which each wrong byte is one character.
        rows = pa.py_buffer(rows.to_pybytes().decode("utf-8", "replace").encode())
    table, invalid = _parse(rows, names, [*wanted.values()], layout.delimiter, has_quotes)
    if invalid:
        place, row = _first_invalid(invalid, content.to_pybytes(), layout.start)
        raise CatalogueError(
            f"{action}: {place} has {row.actual_columns} values where the header has "
            f"{row.expected_columns} columns: {row.text[:80]!r}; put values "
            f"that hold the delimiter {layout.delimiter!r} in quotes"
        )
    if not is_utf8 and any(_holds_replacement(table[column]) for column in wanted.values()):
        raise _not_utf8(content, action)
    columns = {
        name: Column(_unquote(table[column]) if has_quotes else table[column].combine_chunks())
        for name, column in wanted.items()
    }
    return Table(tuple(layout.names), columns, left_out)


def _parse(
    rows: pa.Buffer, names: list[str], wanted: list[str], delimiter: str, has_quotes: bool
) -> tuple[pa.Table, list[pacsv.InvalidRow]]:
    """Return the columns `wanted`, and rows with another number of values than there are names."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    invalid: list[pacsv.InvalidRow] = []

    def keep_invalid(row: pacsv.InvalidRow) -> str:
        if not row.text.lstrip().startswith("#"):
            invalid.append(row)
        return "skip" if len(invalid) < _MAX_INVALID else "error"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(rows),
            read_options=pacsv.ReadOptions(column_names=names),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=has_quotes,
                invalid_row_handler=keep_invalid,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted
            ),
        )
    except pa.ArrowInvalid:
        if not invalid:
            raise
        table = pa.table({})
    return table, invalid


def find_layout(head: bytes, required: Sequence[str]) -> CsvLayout:
    """Return how a CSV file is written.

    The header is the first line that is neither empty nor a comment (``#``). If it does not have
    the required columns, and the comment before it has, that comment is the header (numpy and
    TOPCAT write such files).

    Parameters
    ----------
    head : bytes
        The beginning of the file.
    required : sequence of str
        The columns that a header must have.
    """
    start = len(_BOM) if head.startswith(_BOM) else 0
    comment, header, first_row = b"", b"", b""
    header_start = header_end = start
    for offset, line in _lines(head, start):
        end = offset + len(line)
        if not line.strip():
            continue
        if header:
            first_row = line
            break
        if line.lstrip().startswith(b"#"):
            comment = line
            header_start = end
            continue
        header, header_start, header_end = line, offset, end
    # (names, delimiter, first row, start of the rows) of each way to read the first lines
    readings = [
        (names, delimiter, row, rows_start)
        for text, row, rows_start in (
            (header, first_row, header_end),
            (comment.lstrip().lstrip(b"#"), header, header_start),
            (comment, header, header_start),
        )
        for delimiter in _DELIMITERS
        for names in [_split(text, delimiter)]
    ]
    wanted = set(required)
    complete = [reading for reading in readings if wanted and wanted <= set(reading[0])]
    in_header = readings[: len(_DELIMITERS)]
    names, delimiter, row, rows_start = (
        complete[0] if complete else max(in_header, key=lambda reading: len(reading[0]))
    )
    # Spreadsheets end some lines with delimiters that others lack. Columns without a name at the
    # end of the header are therefore as many as the first row has.
    values = _split(row, delimiter)
    extra = len(values) - len(names)
    if row and extra > 0 and not any(values[len(names) :]):
        names = names + [""] * extra
    elif row and extra < 0 and not any(names[extra:]):
        names = names[:extra]
    return CsvLayout(delimiter, names, rows_start)


def _content(path: Path) -> pa.Buffer:
    """Return the bytes of a file, which stay on disk until they are read."""
    import pyarrow as pa

    with open_unpacked(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise CatalogueError(f"read the catalogue {path}: it is empty")
        return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _lines(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offset of every line, and the line with its end."""
    for match in re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)").finditer(data, start):
        if match.group():
            yield match.start(), match.group()


def _split(line: bytes, delimiter: str) -> list[str]:
    """Return the values of one line without blanks around them."""
    text = line.decode("utf-8", "replace").strip("\r\n")
    rows = list(csv.reader([text], delimiter=delimiter, skipinitialspace=True))
    return [value.strip() for value in rows[0]] if rows else []


def _unquote(column: pa.ChunkedArray) -> pa.Array:
    """Remove the quotes of values that a blank separates from the delimiter (``1, "A"``).

    RFC 4180 has no such blanks, and pyarrow takes the quotes to belong to the value.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    quoted = pc.match_substring_regex(column, r'(?s)^\s+".*"\s*$')
    if not pc.any(quoted).as_py():
        return column.combine_chunks()
    texts = [
        text.strip()[1:-1].replace('""', '"') if is_quoted else text
        for text, is_quoted in zip(column.to_pylist(), quoted.to_pylist(), strict=True)
    ]
    return pa.array(texts, pa.string())


def _first_invalid(
    rows: Sequence[pacsv.InvalidRow], content: bytes, start: int
) -> tuple[str, pacsv.InvalidRow]:
    """Return the line of the first invalid row, for a message, and the row.

    pyarrow reads blocks of the file at the same time, and reports rows in no order.
    """
    row_of = {row.text.strip(): row for row in rows}
    for number, (offset, line) in enumerate(_lines(content, 0), 1):
        if offset >= start and (row := row_of.get(line.decode("utf-8", "replace").strip())):
            return f"line {number}", row
    return "a row of several lines", rows[0]


def _require_lines(content: pa.Buffer, action: str) -> None:
    """Raise an error for UTF-16, and for a line that is longer than a block of pyarrow."""
    if content[:2].to_pybytes() in _UTF16:
        raise CatalogueError(f"{action}: it is UTF-16; save it as CSV in UTF-8")
    view, start = memoryview(content), 0
    while content.size - start > _MAX_LINE:
        # A search from the end of each block reads little of a file with ordinary lines.
        block = bytes(view[start : start + _MAX_LINE])
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        if end < 0:
            raise CatalogueError(
                f"{action}: no line ends in the {_MAX_LINE} bytes from byte {start}; it is no CSV "
                "file, or a damaged one"
            )
        start += end + 1


def _is_utf8(content: pa.Buffer) -> bool:
    import pyarrow as pa

    # Arrow checks a text of any length without a copy of it.
    offsets = pa.py_buffer(np.array([0, content.size], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, content])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _holds_replacement(column: pa.ChunkedArray) -> bool:
    from pyarrow import compute as pc

    return bool(pc.any(pc.match_substring(column, "\ufffd")).as_py())


def _not_utf8(content: pa.Buffer, action: str) -> CatalogueError:
    """Return the error that names the first line that is not UTF-8."""
    raw = content.to_pybytes()
    end = len(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        end = error.start
    line = 1 + len(re.findall(rb"\r\n|\r|\n", raw[:end]))
    return CatalogueError(f"{action}: line {line} is not UTF-8; save it as UTF-8")
