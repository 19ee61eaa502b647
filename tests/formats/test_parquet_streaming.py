"""The export as Parquet reads the images of a few files at a time."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from mingolotss.dataset.records import read_records, read_stored_records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.formats import parquet
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchLayout
from stored_parts import N, write_parts

HEADER = ExportHeader("x", "X", "", "", "x", "x.tar.gz", "random:", "parquet", BatchLayout())
FILES = ("test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002")


@pytest.mark.parametrize(
    "shape", [StampShape(), StampShape(("a", "b"), 3)], ids=["png", "channels"]
)
def test_images_that_are_read_in_passes_give_the_same_files(tmp_path, monkeypatch, shape):
    """Four passes over the parts, or all records in memory: the bytes are equal."""
    write_parts(tmp_path / "stamps", shape)
    monkeypatch.setattr(parquet, "_FILE_ROWS", 1000)
    splits = ["test" if row % 3 == 0 else "train" for row in range(N)]
    for name, read in (("whole", read_records), ("passes", read_stored_records)):
        records = read(tmp_path / "stamps").with_splits(splits, "random:")
        monkeypatch.setattr(parquet, "_PASS_BYTES", 50_000)
        (tmp_path / name).mkdir()
        parquet.write_parquet(records, tmp_path / name, HEADER)
    assert records.stored.sizes().sum() > 3 * 50_000
    files = sorted(path.name for path in (tmp_path / "whole" / "data").iterdir())
    assert files == [f"{name}.parquet" for name in FILES]
    for name in files:
        paths = [tmp_path / folder / "data" / name for folder in ("whole", "passes")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    rows = pq.read_table(tmp_path / "passes" / "data", columns=["row"])["row"].to_pylist()
    assert sorted(rows) == list(range(N))
