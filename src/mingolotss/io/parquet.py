"""Read and write Parquet files: complete files only, with errors of one line.

Every Parquet file that is read here belongs to a build or an export, so the errors advise to build
again. The columns of a manifest are in :mod:`mingolotss.dataset.manifest`.

>>> parquet_bytes(pa.table({"row": [0, 1]}))[:4]
b'PAR1'
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.errors import DatasetError
from mingolotss.io.error_text import first_line
from mingolotss.io.files import atomic_path, check_regular, is_local, largest_expansion
from mingolotss.io.parquet_columns import read_columns
from mingolotss.io.system_faults import describe_fault

__all__ = [
    "check_plausible",
    "check_table",
    "check_unique_names",
    "count_rows",
    "leaf_paths",
    "open_dataset",
    "open_parquet",
    "parquet_bytes",
    "read_open_table",
    "read_schema",
    "read_table",
    "table_writer",
    "write_table",
]

_MOST_ROWS = 1_000_000  # of any file; a larger file may have one for each of its bytes


def table_writer(
    path: Path,
    schema: pa.Schema,
    *,
    repeated_columns: Collection[str] = (),
    uncompressed_columns: Collection[str] = (),
) -> pq.ParquetWriter:
    """Open a Parquet file for writing group by group.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
    repeated_columns : collection of str
        Columns whose values repeat, if they are in the schema. Only these are written with a
        dictionary: looking for repeated values in every column takes 50 % longer.
    uncompressed_columns : collection of str
        Columns that compression makes no smaller; the schema must then have no nested columns.
    """
    columns = [name for name in schema.names if name in repeated_columns]
    codecs: str | dict[str, str] = "zstd"
    if uncompressed_columns:
        codecs = {name: "none" if name in uncompressed_columns else "zstd" for name in schema.names}
    return pq.ParquetWriter(path, schema, compression=codecs, use_dictionary=columns)


def write_table(path: Path, table: pa.Table, *, repeated_columns: Collection[str] = ()) -> None:
    """Write a table as a Parquet file, complete or not at all.

    The same table always gives the same bytes.

    Parameters
    ----------
    path : Path
    table : pyarrow.Table
    repeated_columns : collection of str
        As for `table_writer`.
    """
    with (
        atomic_path(path) as temporary,
        table_writer(temporary, table.schema, repeated_columns=repeated_columns) as sink,
    ):
        sink.write_table(table)


def parquet_bytes(
    table: pa.Table,
    *,
    compression: str | Mapping[str, str] = "zstd",
    use_dictionary: bool | Sequence[str] = True,
    write_statistics: bool | Sequence[str] = True,
    row_group_size: int | None = None,
) -> bytes:
    """Return a table as the bytes of a Parquet file.

    The keyword arguments are those of `pyarrow.parquet.write_table`.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression=compression,
        use_dictionary=use_dictionary,
        write_statistics=write_statistics,
        row_group_size=row_group_size,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def leaf_paths(field: pa.Field) -> list[str]:
    """Return the names in Parquet of the columns that a column consists of.

    >>> leaf_paths(pa.field("a", pa.struct([("b", pa.list_(pa.list_(pa.int8()))), ("c", "int8")])))
    ['a.b.list.element.list.element', 'a.c']
    """
    return _leaf_paths(field.name, field.type)


def _leaf_paths(path: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _leaf_paths(f"{path}.list.element", kind.value_type)
    if not pa.types.is_struct(kind):
        return [path]
    return [leaf for child in kind for leaf in _leaf_paths(f"{path}.{child.name}", child.type)]


def read_schema(path: Path) -> pa.Schema:
    """Read the columns and the metadata of a Parquet file, and none of its rows.

    Raises
    ------
    DatasetError
        The file is missing or damaged.
    """
    with open_dataset(path) as file:
        return file.schema_arrow


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file.

    Raises
    ------
    DatasetError
        The file is missing or damaged.
    """
    with open_dataset(path) as file:
        rows: int = file.metadata.num_rows
    return rows


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    schema: pa.Schema | None = None,
    is_own: bool = False,
) -> pa.Table:
    """Read a Parquet file.

    Parameters
    ----------
    path : Path
    columns : sequence of str, optional
        All columns by default.
    schema : pyarrow.Schema, optional
        The types of columns; those of the file are converted if that loses nothing.
    is_own : bool
        The running command has written the file itself. Its pages and values are then not checked,
        which takes 5 ms for 50 columns.

    Raises
    ------
    DatasetError
        The file is missing or damaged, lacks a column or has one of another type, or holds more
        than is plausible for its size.
    """
    with open_dataset(path) as file:
        return read_open_table(file, path, columns, schema=schema, is_own=is_own)


def read_open_table(
    file: pq.ParquetFile,
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    schema: pa.Schema | None = None,
    is_own: bool = False,
) -> pa.Table:
    """Read a file that `open_dataset` has opened, as `read_table` does.

    Raises
    ------
    pyarrow.ArrowException
        It lacks a column or has one of another type, is damaged, or holds more than is plausible;
        `open_dataset` makes a DatasetError of it.
    """
    missing_columns = sorted({*(columns or ())} - {*file.schema_arrow.names})
    if missing_columns:
        raise pa.ArrowInvalid(f"no column {', '.join(missing_columns)}")
    if is_own:
        table = file.read(None if columns is None else list(columns))
    else:
        table = check_table(read_columns(file, columns, path))
    for field in schema or ():
        if field.name in table.column_names and table[field.name].type != field.type:
            column = table[field.name].cast(field.type)
            table = table.set_column(table.column_names.index(field.name), field, column)
    return table


def check_table(table: pa.Table) -> pa.Table:
    """Return a table that was read from a file, after checks that pyarrow leaves out.

    Raises
    ------
    pyarrow.ArrowInvalid
        A text is no UTF-8, or offsets are wrong.
    """
    table.validate(full=True)
    return table


def check_plausible(file: pq.ParquetFile, size: int) -> None:
    """Check what an open file says of itself, before any of its columns is read.

    Parameters
    ----------
    file : ParquetFile
    size : int
        Of the file, bytes.

    Raises
    ------
    pyarrow.ArrowInvalid
        It has more rows or bytes than is plausible for its size.
    """
    metadata = file.metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    total = sum(group.total_byte_size for group in groups)
    if not 0 <= total <= largest_expansion(size) or metadata.num_rows > _MOST_ROWS + size:
        raise pa.ArrowInvalid(f"{metadata.num_rows} rows of {total} bytes in {size} bytes")


def check_unique_names(file: pq.ParquetFile) -> None:
    """Check that no column of an open file has its name twice.

    Raises
    ------
    pyarrow.ArrowInvalid
        One has.
    """
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise pa.ArrowInvalid("a column twice")


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, by its path where that is possible, and check what it says of itself.

    A `ParquetFile` closes a file that it opened from a path, but not an open file that it was
    given: the stack closes that one.
    """
    with ExitStack() as stack:
        check_regular(path)
        source = path if is_local(path) else stack.enter_context(path.open("rb"))
        # pq.read_table would import pyarrow.dataset, and pandas where it is installed: 0.4 s.
        file = stack.enter_context(pq.ParquetFile(source))
        check_plausible(file, path.stat().st_size)
        yield file


@contextmanager
def open_dataset(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file of a build or an export.

    Raises
    ------
    DatasetError
        The file is missing or damaged, or what is done with it fails by what is in it.
    """
    with _translate_pyarrow_errors(path), open_parquet(path) as file:
        check_unique_names(file)
        yield file


@contextmanager
def _translate_pyarrow_errors(path: Path) -> Iterator[None]:
    """Turn the errors of pyarrow into a DatasetError of one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(
            f"read {path}: there is no such file; build first: mingolotss build --out {path.parent}"
        ) from error
    except (OSError, pa.ArrowException, MemoryError, ValueError) as error:
        fault = describe_fault(error)
        reason = fault or f"damaged ({first_line(error)}); remove it and build again"
        raise DatasetError(f"read {path}: {reason}") from error
