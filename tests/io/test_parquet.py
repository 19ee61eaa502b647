"""Parquet files are complete or absent, always the same bytes, and checked when they are read."""

from __future__ import annotations

import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFile

from mingolotss.errors import DatasetError
from mingolotss.io.files import locate
from mingolotss.io.parquet import (
    count_rows,
    parquet_bytes,
    read_schema,
    read_table,
    table_writer,
    write_table,
)

TABLE = pa.table({"row": [0, 1, 2], "field": ["P1", "P1", None], "ra": [1.5, 2.5, float("nan")]})


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    """Values, nulls, types and order survive; some columns can be read alone."""
    path = tmp_path / "a.parquet"
    write_table(path, TABLE)
    assert read_table(path).slice(0, 2).equals(TABLE.slice(0, 2))  # NaN is not equal to itself
    assert read_table(path, ["field", "row"]).equals(TABLE.select(["field", "row"]))
    assert read_schema(path).equals(TABLE.schema)
    assert count_rows(path) == 3


def test_a_table_in_an_object_store_is_closed_after_reading(monkeypatch):
    """The open file of an address is closed, also when a column is missing."""
    path = locate("memory://parquet/a.parquet")
    write_table(path, TABLE)
    closed = []

    def record_close(stream):
        closed.append(stream)

    monkeypatch.setattr(MemoryFile, "close", record_close)
    assert read_table(path, ["row"]).equals(TABLE.select(["row"]))
    assert len(closed) == 1
    with pytest.raises(DatasetError, match="no column status"):
        read_table(path, ["status"])
    assert len(closed) == 2


def test_only_named_columns_have_a_dictionary(tmp_path):
    """A dictionary is written where values repeat, and only there."""
    path = tmp_path / "a.parquet"
    write_table(path, TABLE, repeated_columns=["field", "not a column"])
    group = pq.read_metadata(path).row_group(0)
    has_dictionary = [group.column(index).has_dictionary_page for index in range(3)]
    assert has_dictionary == [False, True, False]


def test_groups_are_written_one_after_the_other(tmp_path):
    """A table written in pieces has all their rows in order."""
    path = tmp_path / "a.parquet"
    with table_writer(path, TABLE.schema) as sink:
        for start in range(3):
            sink.write_table(TABLE.slice(start, 1))
    assert read_table(path)["row"].to_pylist() == [0, 1, 2]
    assert pq.read_metadata(path).num_row_groups == 3


def test_bytes_are_those_of_a_file():
    """The bytes of a table are a Parquet file with the settings that were asked for."""
    data = parquet_bytes(TABLE, use_dictionary=False, write_statistics=["row"], row_group_size=2)
    assert pq.read_table(pa.BufferReader(data)).select(["row"]).equals(TABLE.select(["row"]))
    metadata = pq.read_metadata(pa.BufferReader(data))
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).statistics is not None
    assert metadata.row_group(0).column(1).statistics is None


@pytest.mark.parametrize("read", [read_table, read_schema, count_rows])
@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"PAR1junkPAR1", None])
def test_a_missing_or_damaged_file_is_a_dataset_error(tmp_path, read, content):
    """The error is one line that names the file and says what to do."""
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.parquet") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert "build" in str(caught.value)


def test_a_missing_column_is_a_dataset_error(tmp_path):
    """A build of another version may lack a column: the error names it."""
    write_table(tmp_path / "a.parquet", TABLE)
    with pytest.raises(DatasetError, match="no column status"):
        read_table(tmp_path / "a.parquet", ["status", "row"])


@pytest.mark.slow
def test_a_text_that_many_rows_share_is_no_bomb(tmp_path):
    """A file of 60 kB with 100 GB of text: refused before it is in memory."""
    path = tmp_path / "a.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["a" * (1 << 20)])
    pq.write_table(pa.table({"a": texts}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError, match=f"^read {path}: damaged .more than 256 MiB"):
        read_table(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800 << 10  # KiB


@pytest.mark.slow
def test_a_text_that_some_rows_share_is_read(tmp_path):
    """In several batches, with the metadata of the file."""
    path = tmp_path / "a.parquet"
    table = pa.table({"a": ["b" * (1 << 20)] * 200, "n": range(200)}).replace_schema_metadata(
        {"k": "v"}
    )
    pq.write_table(table, path, compression="zstd")
    assert read_table(path).equals(table, check_metadata=True)
    assert read_table(path, ["n"]).column_names == ["n"]
