"""A collection is written by tasks of bounded size, which may run anywhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builds import contents
from mingolotss.dataset.records import read_records, read_stored_records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.formats.hats import writer
from mingolotss.formats.hats.tasks import PartitionTask
from mingolotss.pipeline.executors.local import processes, threads
from stored_parts import N, collection_header, write_parts

pytest.importorskip("hats.io")


def write(records, folder, mapper=map, **settings):
    writer.write_hats(records, folder, collection_header(**settings), mapper=mapper)
    return contents(folder)


@pytest.fixture
def small_tasks(monkeypatch):
    """Several tasks, some of several partitions and some of several blocks of one partition."""
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 500_000)
    monkeypatch.setattr(writer, "_GROUP_ROWS", 100)


@pytest.mark.parametrize(
    "shape",
    [
        StampShape(),
        pytest.param(StampShape(("a", "b"), 3, "float32"), marks=pytest.mark.slow),
    ],
    ids=["png", "channels"],
)
def test_the_bytes_are_those_of_one_task_in_memory(tmp_path, monkeypatch, small_tasks, shape):
    """For images in memory or in files, in any order of the parts, in threads or one by one."""
    orders = {"random": None, "catalogue": np.arange(N)}
    for name, order in orders.items():
        write_parts(tmp_path / name, shape, order)
    records = read_stored_records(tmp_path / "random")
    seen = []

    def mapper(function, tasks):
        for task in tasks:
            seen.append(task)
            yield function(task)

    written = write(records, tmp_path / "hats", mapper, arrays=True)
    tasks = [task for task in seen if isinstance(task, PartitionTask)]
    assert len(tasks) > 3
    assert len(seen) - len(tasks) > 1
    assert max(len(task.partitions) for task in tasks) > 1
    assert max(len(task.blocks) for task in tasks) > 1
    with threads(2) as mapper:
        by_threads = write(records, tmp_path / "threads", mapper, arrays=True)
    assert by_threads == written
    catalogue = read_stored_records(tmp_path / "catalogue")
    assert write(catalogue, tmp_path / "other", arrays=True) == written
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 1 << 30)
    whole = write(read_records(tmp_path / "random"), tmp_path / "whole", arrays=True)
    assert whole == written
    assert not [name for name in written if "arrow" in name]


@pytest.mark.slow
def test_processes_write_the_same_bytes(tmp_path, small_tasks):
    """A task and its images reach another process."""
    write_parts(tmp_path / "stamps", StampShape())
    records = read_stored_records(tmp_path / "stamps")
    written = write(records, tmp_path / "hats")
    with processes(2) as mapper:
        assert write(records, tmp_path / "processes", mapper) == written


def test_every_row_is_in_its_partition_and_in_the_margins_around(tmp_path, small_tasks):
    """The rows of a margin are those of the catalogue, images included."""
    write_parts(tmp_path / "stamps", StampShape())
    write(read_stored_records(tmp_path / "stamps"), tmp_path / "hats")
    tables = {
        name: pa.concat_tables(
            [pq.read_table(path) for path in sorted((tmp_path / "hats" / name).rglob("Npix=*"))]
        ).sort_by("row")
        for name in ("x", "x_10arcs")
    }
    rows, margin = tables["x"], tables["x_10arcs"]
    assert rows["row"].to_pylist() == list(range(N))
    assert len(margin) > 100
    assert margin.equals(rows.take(margin["row"]))
    whole = read_records(tmp_path / "stamps").table
    assert rows["stamp"].to_pylist() == whole["image"].to_pylist()
    for name in ("mask", "source", "ra", "image_file", "mask_sha256"):
        assert rows[name].to_pylist() == whole[name].to_pylist()
    for path in (tmp_path / "hats" / "x").rglob("Npix=*"):
        index = pq.read_table(path, columns=["_healpix_29"])["_healpix_29"].to_numpy()
        assert (np.diff(index) >= 0).all()
        groups = pq.read_metadata(path)
        assert {groups.row_group(i).num_rows for i in range(groups.num_row_groups - 1)} <= {100}
