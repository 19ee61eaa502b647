"""The manifest and other Parquet files: written whole, the same bytes, checked when read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.dataset.manifest import CANDIDATES, MANIFEST, read_manifest
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import stamp_schema
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import parquet_bytes, read_table, write_table

ROWS = [
    {"row": 0, "source": "A", "ra": 1.5, "status": "written", "label": 3, "recentred": True},
    {"row": 1, "source": "B", "ra": 2.5, "status": "rejected", "stage": "search", "reason": "none"},
]


@pytest.mark.parametrize("schema", [MANIFEST, CANDIDATES], ids=["manifest", "candidates"])
def test_a_table_comes_back_as_it_went_in(tmp_path, schema):
    """Values, nulls, types and order survive; the same table gives the same bytes."""
    rows = [{k: v for k, v in row.items() if k in schema.names} for row in ROWS]
    table = pa.Table.from_pylist(rows, schema=schema)
    write_table(tmp_path / "a.parquet", table)
    write_table(tmp_path / "b.parquet", pa.Table.from_pylist(rows, schema=schema))
    assert read_table(tmp_path / "a.parquet").equals(table)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_table(tmp_path / "a.parquet", ["source"]).column_names == ["source"]


def test_bytes_are_a_file(tmp_path):
    """The bytes of a table are what a file of it holds."""
    table = pa.Table.from_pylist(ROWS, schema=MANIFEST)
    (tmp_path / "manifest.parquet").write_bytes(parquet_bytes(table, compression="zstd"))
    assert read_manifest(tmp_path).equals(table)


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"PAR1junkPAR1", None, "cut"])
def test_a_missing_or_damaged_file_is_a_dataset_error(tmp_path, content):
    """One line that names the file and says what to do."""
    path = tmp_path / "manifest.parquet"
    if content == "cut":
        write_table(path, pa.Table.from_pylist(ROWS, schema=MANIFEST))
        content = path.read_bytes()[:-30]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"manifest\.parquet") as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
    assert "build" in str(caught.value)


def test_a_column_that_is_not_there_is_a_dataset_error(tmp_path):
    """A build by another version may lack a column: say so rather than crash."""
    pq.write_table(pa.table({"row": [1]}), tmp_path / "manifest.parquet")
    with pytest.raises(DatasetError, match="status"):
        read_manifest(tmp_path, ["status"])


def test_stamps_hold_an_image_and_every_column_of_the_manifest():
    """Grey stamps as PNG for other libraries, float ones as raw values."""
    for kind, first in (("uint8", "image"), ("float32", "pixels")):
        assert stamp_schema(StampShape(dtype=kind)).names == [first, *MANIFEST.names]
