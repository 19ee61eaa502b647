"""Columns of Parquet in batches, and texts with dictionaries: as pyarrow reads them whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.errors import DatasetError
from mingolotss.io import parquet_columns
from mingolotss.io.parquet import read_table

ROWS = 6000
LONG = "x" * 1_000_000


def texts(shared, rows=ROWS):
    return [f"name {row // shared}" for row in range(rows)]


TABLE = pa.table({
    "text": texts(3), "once": texts(1), "with.dot": texts(7),
    "large": pa.array(texts(3), pa.large_string()),
    "bytes": pa.array([text.encode() for text in texts(3)]),
    "large bytes": pa.array([text.encode() for text in texts(3)], pa.large_binary()),
    "null": [None if row % 5 == 0 else f"v{row % 11}" for row in range(ROWS)],
    "category": pa.array(texts(50)).dictionary_encode(),
    "list": [[f"r{row % 50}"] * (row % 3) for row in range(ROWS)],
    "struct": [{"text": f"w{row % 40}", "row": row} for row in range(ROWS)],
    "number": np.random.default_rng(1).normal(size=ROWS), "few": np.arange(ROWS) % 5,
}).replace_schema_metadata({"k": "v"})  # fmt: skip
BEGINNINGS = {"use_dictionary": ["null"], "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}


def with_texts(table):
    """Return a table without dictionaries, which differ where they have another order."""
    return table.cast(pa.schema([
        pa.field(one.name, pa.string()) if pa.types.is_dictionary(one.type) else one
        for one in table.schema
    ]))  # fmt: skip


@pytest.mark.parametrize("options", [
    {}, {"row_group_size": 1500}, {"data_page_size": 2000}, {"dictionary_pagesize_limit": 9000},
    {"data_page_version": "2.0"}, {"store_schema": False}, BEGINNINGS,
], ids=lambda options: ", ".join(options) or "plain")  # fmt: skip
@pytest.mark.parametrize("limit", [2_000_000, 3_000_000])
@pytest.mark.parametrize("most", [1 << 30, 10_000])
def test_batches_are_what_pyarrow_reads_whole(options, limit, most, tmp_path, monkeypatch):
    """All columns and each alone, by limits that make them several batches."""
    monkeypatch.setattr(parquet_columns, "_MOST_BYTES", most)
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, **options)
    choices = [None, *([name] for name in TABLE.column_names), ["few", "text"]]
    with pq.ParquetFile(path) as file:
        wanted = [file.read(choice) for choice in choices]
    monkeypatch.setattr(parquet_columns, "largest_expansion", lambda _: limit)
    whole = []

    def read(file, names, **_):
        whole.append(names)
        return file.read_row_groups([*range(file.metadata.num_row_groups)], names)

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    for choice, table in zip(choices, wanted, strict=True):
        got = read_table(path, choice)
        assert got.schema.equals(table.schema, check_metadata=True)
        assert with_texts(got).equals(with_texts(table)), choice
    assert ["number"] in whole  # no value is stored once for several rows
    assert None not in whole


@pytest.mark.parametrize("name", ["text", "with.dot"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), "category"])
def test_a_text_that_all_rows_share_is_counted_for_each(kind, name, tmp_path):
    """Whatever its type is, and also in a column whose name has a dot."""
    path = tmp_path / "a.parquet"
    numbers = pa.array(np.zeros(3000, np.int32))
    shared = pa.DictionaryArray.from_arrays(numbers, pa.array([LONG]))
    if kind != "category":
        shared = pa.DictionaryArray.from_arrays(numbers, pa.array([LONG]).cast(kind))
    table = pa.table({name: shared, "row": range(3000)})
    pq.write_table(table, path, compression="zstd", store_schema=kind == "category")
    for columns in (None, [name]):
        with pytest.raises(DatasetError, match="more than 256 MiB in"):
            read_table(path, columns)
    assert read_table(path, ["row"])["row"].to_pylist() == [*range(3000)]
