"""The work of writing a collection, divided into tasks that run anywhere and in any order.

A `PartitionTask` writes some partitions of the catalogue. It keeps those of its rows that are also
in margins in a file of its own, and a `MarginTask` collects the rows of some margins from these
files: no image is read or computed twice. Every file is written by one task from sorted rows, so
its bytes do not depend on who runs the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import HatsCollection
from mingolotss.dataset.records import Records
from mingolotss.formats.hats.flux_source import FluxPart
from mingolotss.formats.hats.partition_file import partition_writer
from mingolotss.formats.hats.partitions import Partition
from mingolotss.formats.hats.row_maker import RowMaker
from mingolotss.io.arrow_rows import release_memory
from mingolotss.io.files import atomic_path
from mingolotss.model import Ints

__all__ = [
    "Block",
    "MarginFile",
    "MarginTask",
    "PartitionTask",
    "write_margins",
    "write_partitions",
]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a task that are in memory at the same time.

    Attributes
    ----------
    start, stop : int
        The first row, and the row after the last.
    flux : FluxPart or None
        Their brightness.
    """

    start: int
    stop: int
    flux: FluxPart | None


@dataclass(frozen=True, slots=True)
class PartitionTask:
    """Consecutive partitions of a catalogue, with their records.

    Attributes
    ----------
    folder : Path
        Of the catalogue.
    partitions : sequence of Partition
    first : int64 array, shape (partitions + 1,)
        The first row of each partition, and the number of rows.
    records : Records
        Sorted by `index` and catalogue row; the images may still be in their files.
    index : int64 array, shape (n,)
        HEALPix indices of order 29.
    maker : RowMaker
    blocks : sequence of Block
        Each ends with a partition or with a group of rows.
    group_rows : int
        Rows of a group in the file of a partition.
    margin_rows : int64 array
        The rows that are in the margin of some partition, sorted.
    margin_file : Path
        Where they are kept for the margins.
    """

    folder: Path
    partitions: Sequence[Partition]
    first: Ints
    records: Records
    index: Ints
    maker: RowMaker
    blocks: Sequence[Block]
    group_rows: int
    margin_rows: Ints
    margin_file: Path


@dataclass(frozen=True, slots=True)
class MarginFile:
    """Rows that a `PartitionTask` kept for the margins.

    Attributes
    ----------
    path : Path
    start, stop : int
        Which of all such rows they are.
    """

    path: Path
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class MarginTask:
    """The margins of some partitions.

    Attributes
    ----------
    folder : Path
        Of the margin.
    partitions : sequence of Partition
    rows : sequence of int64 array
        For each partition, which of the rows that were kept for the margins.
    files : sequence of MarginFile
        With all of these rows, in order.
    group_rows : int
        Rows of a group in the file of a partition.
    """

    folder: Path
    partitions: Sequence[Partition]
    rows: Sequence[Ints]
    files: Sequence[MarginFile]
    group_rows: int


def write_partitions(task: PartitionTask) -> int:
    """Write the partitions of a task; return the number of rows.

    Raises
    ------
    DatasetError
        An image is damaged or gone, or its brightness cannot be computed.
    InputError
        The disk is full.
    """
    kept: list[pa.Table] = []
    for number, pieces in groupby(_pieces(task, kept), key=itemgetter(0)):
        path = HatsCollection.partition(task.folder, *task.partitions[number])
        _write(path, (rows for _, rows in pieces), task.group_rows)
    if kept:
        rows = pa.concat_tables(kept)
        with (
            atomic_path(task.margin_file) as temporary,
            pa.ipc.new_file(str(temporary), rows.schema) as sink,
        ):
            sink.write_table(rows)
    release_memory()
    return len(task.records)


def _pieces(task: PartitionTask, kept: list[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """Give the rows of each partition, in one piece or in several; keep those of the margins."""
    for block in task.blocks:
        places = np.arange(block.start, block.stop)
        rows = task.maker.rows(task.records.take(places), task.index[places], block.flux)
        low, high = np.searchsorted(task.margin_rows, [block.start, block.stop])
        if low < high:
            kept.append(rows.take(pa.array(task.margin_rows[low:high] - block.start)))
        limits = task.first.clip(block.start, block.stop) - block.start
        for number in np.flatnonzero(limits[1:] > limits[:-1]).tolist():
            yield number, rows.slice(limits[number], limits[number + 1] - limits[number])


def write_margins(task: MarginTask) -> int:
    """Write the margins of a task; return the number of rows.

    Raises
    ------
    InputError
        The disk is full.
    """
    needed = np.unique(np.concatenate(task.rows))
    tables = []
    for file in task.files:
        own = needed[slice(*np.searchsorted(needed, [file.start, file.stop]))]
        if len(own):
            with file.path.open("rb") as stream:
                rows = pa.ipc.open_file(stream).read_all()
            tables.append(rows.take(pa.array(own - file.start)))
    table = pa.concat_tables(tables)
    for partition, numbers in zip(task.partitions, task.rows, strict=True):
        rows = table.take(pa.array(np.searchsorted(needed, numbers))).combine_chunks()
        path = HatsCollection.partition(task.folder, *partition)
        _write(path, [rows], task.group_rows)
    release_memory()
    return sum(map(len, task.rows))


def _write(path: Path, pieces: Iterable[pa.Table], group_rows: int) -> None:
    tables = iter(pieces)
    first = next(tables)
    with partition_writer(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table, row_group_size=group_rows)
