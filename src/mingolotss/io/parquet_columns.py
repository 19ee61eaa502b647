"""Read columns of a Parquet file into no more memory than is plausible for its size.

A file can repeat a value without storing it again. A dictionary has each value once, and the file a
number for each row: a million rows may have the same text of a megabyte. The encoding
DELTA_BYTE_ARRAY repeats the beginning of the value before. No value is longer than the page it is
stored in, so that a limit for the rows that are read at a time limits the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.io.arrow_values import TEXTS, content_bytes, decode_dictionary
from mingolotss.io.files import is_local, largest_expansion
from mingolotss.io.parquet_pages import Chunk, PageError, read_chunks, read_pages

__all__ = ["read_columns"]

_FEW_ROWS = 10_000  # of a group; handing its columns to threads takes longer than to read them
_BATCHES = 4  # that a file with long repeated values is read in, at least
_MOST_BYTES = 1 << 30  # of a batch of texts; Arrow counts up to 2 GB in a column
_DELTA_BYTE_ARRAY = 7  # the number of an encoding in parquet-format
_OF_NUMBERS = (2, 8)  # PLAIN_DICTIONARY and RLE_DICTIONARY
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8}


def read_columns(
    file: pq.ParquetFile,
    columns: Sequence[str] | None,
    path: Path,
    groups: Sequence[int] | None = None,
) -> pa.Table:
    """Read columns of an open file, but no more bytes than are plausible for its size.

    Parameters
    ----------
    file : ParquetFile
    columns : sequence of str or None
        None for all.
    path : Path
        The file. Its pages are looked at only if it is on this machine.
    groups : sequence of int, optional
        Only these groups of rows.

    Raises
    ------
    pyarrow.ArrowInvalid
        There are more, or a page contradicts the file.
    """
    metadata, size = file.metadata, path.stat().st_size
    limit = largest_expansion(size)
    chosen = [*range(metadata.num_row_groups)] if groups is None else [*groups]
    names = None if columns is None else list(columns)
    repeating = _check_pages(file, names, chosen, path, limit) if is_local(path) else []
    n_rows = max((metadata.row_group(number).num_rows for number in chosen), default=0)
    threads = n_rows > _FEW_ROWS
    if n_rows <= _most_rows(limit, repeating):
        if groups is None:
            return file.read(names, use_threads=threads)
        return file.read_row_groups(chosen, names, use_threads=threads)
    # Texts with dictionaries are read as these and numbers, all rows at a time, and become texts
    # after their lengths have been added up. This takes a quarter of the time of batches, but more
    # than them if most values are stored as they are: then a dictionary is made of these, too.
    schema = file.schema_arrow
    numbered = [one.path for one in repeating if one.is_mostly_numbers and _is_text(one, schema)]
    others = [one for one in repeating if one.path not in numbered]
    rows = max(min(_most_rows(limit, others), n_rows), 1)
    total = 0
    batches: list[pa.RecordBatch] = []
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=numbered) as source:
        for batch in source.iter_batches(
            rows, row_groups=chosen, columns=names, use_threads=threads
        ):
            n_bytes = _content_bytes(batch)
            total += n_bytes
            if total > limit:
                raise pa.ArrowInvalid(f"more than {limit >> 20} MiB in {size} bytes")
            batches += _with_texts(batch, n_bytes, numbered, schema) if numbered else [batch]
    return pa.Table.from_batches(batches).replace_schema_metadata(schema.metadata)


def _content_bytes(batch: pa.RecordBatch) -> int:
    return sum(map(content_bytes, batch.columns))


def _with_texts(
    batch: pa.RecordBatch, n_bytes: int, names: Sequence[str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Give the rows of a batch with texts in columns of these names, and no dictionaries.

    Its content, `n_bytes`, is divided into batches that Arrow can hold.
    """
    middle = len(batch) // 2
    if middle and n_bytes > _MOST_BYTES:
        for half in (batch.slice(0, middle), batch.slice(middle)):
            yield from _with_texts(half, _content_bytes(half), names, schema)
        return
    fields = [schema.field(one.name) if one.name in names else one for one in batch.schema]
    columns = [
        decode_dictionary(column) if field.name in names else column
        for column, field in zip(batch.columns, fields, strict=True)
    ]
    yield pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


@dataclass(slots=True)
class _Column:
    """A leaf of some columns, and what its pages announce.

    Attributes
    ----------
    index : int
        Its number in the file.
    path : str
    width : int
        Bytes that a value takes in memory, besides its own text.
    has_texts : bool
        Whether its values have several lengths.
    longest : int
        The largest page whose values can be repeated.
    numbers, values : int
        How many values are numbers of a dictionary, and how many there are.
    shares_beginnings : bool
        Whether a value can repeat the beginning of the one before.
    """

    index: int
    path: str
    width: int
    has_texts: bool
    longest: int = 0
    numbers: int = 0
    values: int = 0
    shares_beginnings: bool = False

    @property
    def is_mostly_numbers(self) -> bool:
        """Return whether most values are numbers of a dictionary."""
        return not self.shares_beginnings and 2 * self.numbers > self.values

    def check(self, stream: BinaryIO, chunk: Chunk, rows: int, left: int) -> int:
        """Return how many bytes the column takes in a group of rows, or more than `left`."""
        total = values = 0
        for page in read_pages(stream, chunk.start, chunk.size):
            total += page.content_bytes
            count = 0 if page.is_dictionary else max(page.values, 0)
            values += count
            if page.encoding in _OF_NUMBERS:
                self.numbers += count
            shares_beginning = page.encoding == _DELTA_BYTE_ARRAY
            self.shares_beginnings |= shares_beginning
            if page.is_dictionary or shares_beginning:
                self.longest = max(self.longest, page.content_bytes)
            if total > left:
                break
        self.values += values
        return total + max(values, rows) * self.width


def _check_pages(
    file: pq.ParquetFile,
    names: Sequence[str] | None,
    groups: Iterable[int],
    path: Path,
    limit: int,
) -> list[_Column]:
    """Check what the pages of columns announce; return those that can repeat texts."""
    total, columns = 0, [*_columns(file, names)]
    try:
        # pyarrow would end the process for some damaged columns, if it were asked for them.
        chunks = read_chunks(path)
        with path.open("rb") as stream:
            for number in groups:
                rows = file.metadata.row_group(number).num_rows
                if not rows:
                    continue  # its columns have no pages
                for column in columns:
                    chunk = chunks[number][column.index]
                    total += column.check(stream, chunk, rows, limit - total)
                    if total > limit:
                        raise pa.ArrowInvalid(f"{total} bytes where {limit} are plausible")
    except (PageError, IndexError) as error:
        raise pa.ArrowInvalid(str(error)) from error
    return [column for column in columns if column.longest and column.has_texts]


def _columns(file: pq.ParquetFile, names: Sequence[str] | None) -> Iterator[_Column]:
    """Give the leaves of the columns that pyarrow reads for some names, which can have dots."""
    for index in range(file.metadata.num_columns):
        column = file.schema.column(index)
        path, kind = column.path, column.physical_type
        if names is None or any(path == name or path.startswith(f"{name}.") for name in names):
            width = int(column.length) if kind == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS.get(kind, 16)
            yield _Column(index, path, max(width, 0), kind == "BYTE_ARRAY")


def _most_rows(limit: int, columns: Iterable[_Column]) -> int:
    """Return how many rows are read at a time. pyarrow makes room for twice as much."""
    return limit // max(_BATCHES * max((one.longest for one in columns), default=0), 1)


def _is_text(column: _Column, schema: pa.Schema) -> bool:
    """Return whether a leaf is a column of its own, the only one of its name, and of texts."""
    places = schema.get_all_field_indices(column.path)
    return len(places) == 1 and schema.field(places[0]).type in TEXTS
