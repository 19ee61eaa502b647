"""Rows of Arrow tables that are larger than one array of texts or bytes can be.

Arrow counts the bytes of an array in 32 bits, and `pyarrow.Table.take` puts the chunks of a column
together first: it raises for more than 2 GiB of images.

>>> table = pa.concat_tables([pa.table({"name": ["a", "b"]}), pa.table({"name": ["c"]})])
>>> take_rows(table, np.array([2, 0]), most_bytes=1)["name"].to_pylist()
['c', 'a']
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from mingolotss.io.arrow_values import array_of
from mingolotss.model import Ints

__all__ = [
    "decoded_schema",
    "encode_repeated",
    "quick_collections",
    "release_memory",
    "take_in_place",
    "take_rows",
]

_MOST_BYTES = 1 << 30  # of an array
_MUCH_MEMORY = 1 << 26  # bytes in Arrow's arrays; less is not worth the 0.1 s of a collection
_MOST_VALUES = 0.25  # of the rows, for a column with a dictionary


def encode_repeated(table: pa.Table, name: str) -> pa.Table:
    """Return a table in which a column of texts has a dictionary, if most of them are repeated.

    >>> table = pa.table({"name": ["a"] * 8 + ["b"]})
    >>> encode_repeated(table, "name").schema.field("name").type
    DictionaryType(dictionary<values=string, indices=int32, ordered=0>)
    >>> encode_repeated(table.slice(7), "name").schema.field("name").type
    DataType(string)
    """
    column = table[name].unify_dictionaries()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = len(column.chunk(0).dictionary) if column.num_chunks else 0
    if values > _MOST_VALUES * len(table):
        column = column.cast(column.type.value_type)
    return table.set_column(table.column_names.index(name), name, column)


def decoded_schema(schema: pa.Schema) -> pa.Schema:
    """Return the types that the columns have without dictionaries."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, schema.metadata)


def release_memory() -> None:
    """Return memory that is not in use to the system, in a process that uses much of it.

    pyarrow describes an open file with a cycle of two objects, 40 kB for a group of rows, which
    Python would keep for long. The allocator of Arrow keeps what a thread has freed.
    """
    pool = pa.default_memory_pool()
    if pool.bytes_allocated() >= _MUCH_MEMORY:
        gc.collect()
        pool.release_unused()


@contextmanager
def quick_collections() -> Iterator[None]:
    """Let `release_memory` look only at objects that are newer than the block.

    With those of a million rows it takes 0.1 s, in which no other thread goes on.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def take_in_place(columns: dict[str, pa.ChunkedArray], rows: Ints) -> Iterator[pa.ChunkedArray]:
    """Give some rows of each column, and remove the column itself.

    Only one column at a time is in memory twice, if nothing else refers to the columns.

    Parameters
    ----------
    columns : dict of str to pyarrow.ChunkedArray
        Empty at the end.
    rows : int64 array, shape (n,)
    """
    pool = pa.default_memory_pool()
    for name in list(columns):
        taken = take_rows(pa.table({name: columns.pop(name)}), rows)[name]
        pool.release_unused()  # the allocator would keep the memory of all columns
        yield taken


def take_rows(table: pa.Table, rows: Ints, *, most_bytes: int = _MOST_BYTES) -> pa.Table:
    """Return some rows of a table, in the order in which they are given.

    Parameters
    ----------
    table : pyarrow.Table
    rows : int64 array, shape (n,)
    most_bytes : int
        A larger table is taken in blocks of about this size.
    """
    size = table.nbytes
    if size <= most_bytes or not len(rows):
        return table.take(array_of(rows))
    # Each block takes its rows from every batch of the table, sorted, and then puts them in order:
    # no array is larger than a block.
    batches = table.to_batches()
    first = np.cumsum([0, *(batch.num_rows for batch in batches)])
    length = max(1, int(most_bytes / size * len(table)))
    blocks = []
    for start in range(0, len(rows), length):
        block = rows[start : start + length]
        order = np.argsort(block, kind="stable")
        limits = np.searchsorted(block[order], first)
        pieces = [
            batch.take(array_of(block[order[low:high]] - offset))
            for batch, offset, low, high in zip(batches, first, limits, limits[1:], strict=False)
            if low < high
        ]
        sorted_rows = pa.Table.from_batches(pieces, table.schema)
        blocks.append(sorted_rows.take(array_of(np.argsort(order))))
    return pa.concat_tables(blocks)
