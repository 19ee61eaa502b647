"""Images that stay in their files until they are asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.dataset.records import read_records, read_stored_records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, stamp_bytes
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_rows import take_rows
from stored_parts import N, write_parts

SHAPES = [StampShape(), StampShape(dtype="float32"), StampShape(("a", "b"), 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=["png", "float32", "channels"])
def test_the_images_of_any_rows_come_in_the_order_of_the_rows(tmp_path, shape):
    """Also after a selection, in another process, and where a row is asked for twice."""
    images, masks = write_parts(tmp_path / "stamps", shape)
    records = read_stored_records(tmp_path / "stamps")
    assert records.stored is not None
    assert records.table.column_names[0] == "row"
    assert (records.shape, records.has_masks, len(records)) == (shape, True, N)
    whole = read_records(tmp_path / "stamps")
    assert whole.table.equals(records.with_images().table)
    assert whole.table.schema.metadata == records.with_images().table.schema.metadata
    np.testing.assert_array_equal(whole.images(), images)
    chosen = pickle.loads(pickle.dumps(records)).take(np.array([7, 2399, 7, 1100, 0]))
    np.testing.assert_array_equal(chosen.images(), images[[7, 2399, 7, 1100, 0]])
    np.testing.assert_array_equal(chosen.masks(), masks[[7, 2399, 7, 1100, 0]])
    assert chosen.table["row"].to_pylist() == [7, 2399, 7, 1100, 0]
    assert chosen.with_images().table["mask_sha256"].to_pylist() == ["7", "2399", "7", "1100", "0"]
    none = records.take(np.zeros(N, bool)).with_images()
    assert none.table.schema.equals(whole.table.schema)
    assert len(none) == 0


def test_each_group_of_rows_is_read_once_and_only_if_it_holds_a_row(tmp_path, monkeypatch):
    """Rows that lie together cost little, in whichever order they are asked for."""
    write_parts(tmp_path / "stamps", StampShape())
    stored = read_stored_records(tmp_path / "stamps").stored
    assert stored is not None
    reads = []
    read = StampFile.images
    monkeypatch.setattr(
        StampFile,
        "images",
        lambda file, groups: reads.append((file.path.name, groups)) or read(file, groups),
    )
    stored.read()
    names = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert reads == list(zip(names, [[0, 1, 2], [0], [0, 1, 2]], strict=True))
    reads.clear()
    stored.take(np.flatnonzero(stored.places < 500)[::-1]).read()
    assert reads == [("part-00000.parquet", [0])]


def test_the_sizes_are_those_of_the_images_in_memory(tmp_path):
    """They divide the rows into tasks of about equal size."""
    write_parts(tmp_path / "stamps", StampShape(dtype="float32"))
    records = read_stored_records(tmp_path / "stamps")
    assert records.stored is not None
    total, images = records.stored.sizes().sum(), records.stored.read().nbytes
    assert len(records.stored.sizes()) == N
    assert 0.8 * images < total < 1.2 * images


def test_parts_with_and_without_masks_are_not_of_one_dataset(tmp_path):
    """One line says which of them differ."""
    write_parts(tmp_path / "stamps", StampShape())
    path = tmp_path / "stamps" / "part-00002.parquet"
    with StampFile(path) as file:
        table = file.table().drop_columns(["mask", "mask_sha256"])
    path.write_bytes(stamp_bytes(table))
    with pytest.raises(
        DatasetError, match=r"without masks, and .*part-00000\.parquet has .*with m"
    ):
        read_stored_records(tmp_path / "stamps")


def test_rows_of_a_large_table_are_taken_in_blocks():
    """The result is that of pyarrow, which refuses tables of more than 2 GiB."""
    rng = np.random.default_rng(1)
    chunks = [pa.array([bytes(size) for size in rng.integers(0, 9, 50)]) for _ in range(7)]
    table = pa.table({"data": pa.chunked_array(chunks), "n": np.arange(350)})
    for rows in (rng.permutation(350), rng.integers(0, 350, 1000), np.zeros(0, np.int64)):
        taken = take_rows(table, rows, most_bytes=500)
        assert taken.equals(table.take(pa.array(rows)))
    assert take_rows(table, rng.permutation(350), most_bytes=500)["data"].num_chunks > 5
