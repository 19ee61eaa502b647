"""Write the records of a dataset as a HATS collection.

Sources are sorted by their HEALPix index, so that a partition is a run of rows. The same records
give the same bytes in whatever order they come, and whoever runs the tasks (``tasks.py``). Here the
rows are divided into tasks, each with a bounded number of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from mingolotss.dataset.hats_columns import INDEX_COLUMN, OBJECT_ID, STAMP
from mingolotss.dataset.layout import HatsCollection
from mingolotss.dataset.manifest import kept_fields
from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.hats.columns import collection_features, collection_rows, with_image
from mingolotss.formats.hats.flux_source import FluxColumn, FluxSource
from mingolotss.formats.hats.metadata import (
    write_catalogue,
    write_collection,
    write_index,
    write_margin,
)
from mingolotss.formats.hats.partitions import (
    Partition,
    PartitionPlan,
    choose_partitions,
    healpix_index,
    margin_pairs,
)
from mingolotss.formats.hats.row_maker import RowMaker
from mingolotss.formats.hats.tasks import (
    Block,
    MarginFile,
    MarginTask,
    PartitionTask,
    write_margins,
    write_partitions,
)
from mingolotss.io.arrow_rows import quick_collections
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import remove_tree
from mingolotss.io.parquet import write_table
from mingolotss.mapper import Mapper
from mingolotss.model import Floats, Ints
from mingolotss.recipe.hats_settings import HatsSettings

__all__ = ["write_hats"]

_MOST_ROWS = 50_000  # of a partition, and fewer if its images are large
_MOST_BYTES = 1 << 28  # of the images of a partition, as a reader decodes them
_OWN_COLUMNS = frozenset({INDEX_COLUMN, OBJECT_ID, STAMP, "Norder", "Dir", "Npix"})
_GROUP_ROWS, _GROUP_BYTES = 2000, 1 << 25  # of a group of rows
_BLOCK_BYTES = 1 << 26  # of rows that a worker has in memory, about
_ROW_BYTES = 1000  # of the other columns of a row, about


def write_hats(
    records: Records,
    folder: Path,
    header: ExportHeader,
    flux: FluxSource | None = None,
    mapper: Mapper = map,
    notify: Callable[[int], None] | None = None,
) -> None:
    """Write a collection.

    Images that are still in their files are read as the rows are written.

    Parameters
    ----------
    records : Records
    folder : Path
        Made here. The collection is the folder itself.
    header : ExportHeader
    flux : FluxSource, optional
        The brightness of the stamps, for a collection with the column ``image``.
    mapper : Mapper
        Runs the tasks; the bytes are the same for any.
    notify : callable, optional
        Called with the number of rows whenever some are written.

    Raises
    ------
    InputError
        A source has no position, the brightness of the stamps is lost, or a column that is kept
        from the catalogue has the name of one of the collection.
    DatasetError
        The brightness cannot be computed, or an image is damaged.
    """
    settings = header.recipe.hats if header.recipe is not None else HatsSettings()
    ra, dec = records.numbers("ra"), records.numbers("dec")
    if not (np.isfinite(ra) & np.isfinite(dec)).all():
        without = records.texts("source")[int(np.argmin(np.isfinite(ra) & np.isfinite(dec)))]
        raise InputError(f"export {header.name} as hats: {without} has no position")
    if taken := _OWN_COLUMNS.intersection(
        field.name for field in kept_fields(records.table.schema)
    ):
        raise InputError(
            f"export {header.name} as hats: {min(taken)!r}, which is kept from the catalogue, has "
            "the name of a column of the collection; rename it there, or leave it out of "
            "catalogue.keep"
        )
    index = healpix_index(ra, dec)
    order = np.lexsort((records.table["row"].to_numpy(), index))
    index, ra, dec = index[order], ra[order], dec[order]
    images = FluxColumn.of(records, header, flux) if settings.flux else None
    maker = _row_maker(records.take(order[:1]), header, images, arrays=settings.arrays)
    most_rows = settings.partition_rows or _limit(_MOST_ROWS, _MOST_BYTES, maker)
    plan = choose_partitions(index, most_rows)
    collection = HatsCollection(folder, safe_name(header.name))
    margin = _Margin.choose(ra, dec, plan, settings.margin_arcsec)
    tasks = _Tasks(collection, plan, records, order, index, maker, images, margin)
    with quick_collections():
        for count in mapper(write_partitions, tasks.partitions()):
            if notify is not None:
                notify(count)
    write_catalogue(collection, plan.partitions, index, most_rows)
    _write_names(tasks)
    if margin is not None:
        for _ in mapper(write_margins, tasks.margins()):
            pass
        tasks.remove_margin_files()
        write_margin(collection, margin.radius, margin.partitions, len(margin.rows))
    write_collection(collection, None if margin is None else margin.radius)


def _row_maker(
    first: Records, header: ExportHeader, images: FluxColumn | None, *, arrays: bool
) -> RowMaker:
    """Return how rows are made, from the first record."""
    shape, side = first.shape, int(first.images().shape[-1])
    rows = collection_rows(first.with_images().table, np.zeros(1, np.int64), shape, arrays=arrays)
    schema = rows.schema if images is None else with_image(rows, images.field).schema
    metadata = collection_features(schema, first.classes, shape, side)
    metadata |= header.to_metadata(shape, first.split_plan)
    return RowMaker(shape, side, arrays, None if images is None else images.field, metadata)


def _limit(rows: int, size: int, maker: RowMaker) -> int:
    """Return the number of rows, at most `rows`, whose images have at most `size` bytes.

    It follows from the shape of the stamps and not from their files, whose sizes depend on how they
    are written.
    """
    return max(1, min(rows, size // maker.image_bytes))


@dataclass(frozen=True)
class _Margin:
    """The sources in the margins.

    Attributes
    ----------
    radius : float, arcsec
    partitions : list of Partition
        Those with sources in their margin.
    rows : int64 array, shape (m,)
        The sources in the margin of each partition, sorted.
    first : int64 array, shape (partitions + 1,)
        Where the rows of each partition begin.
    """

    radius: float
    partitions: list[Partition]
    rows: Ints
    first: Ints

    @classmethod
    def choose(cls, ra: Floats, dec: Floats, plan: PartitionPlan, radius: float) -> Self | None:
        """Return the margins; None without a radius."""
        if not radius:
            return None
        sky = plan.with_gaps()
        rows, number = margin_pairs(ra, dec, sky, radius)
        numbers, first = np.unique(number, return_index=True)
        partitions = [sky.partitions[one] for one in numbers]
        return cls(radius, partitions, rows, np.append(first, len(rows)))

    @cached_property
    def members(self) -> Ints:
        """The sources that are in some margin, sorted."""
        return np.unique(self.rows)


@dataclass(frozen=True)
class _Tasks:
    """Divides the writing of a collection into tasks of bounded size.

    Attributes
    ----------
    collection : HatsCollection
    plan : PartitionPlan
    records : Records
        In any order.
    order : int64 array, shape (n,)
        The records in the order of the rows.
    index : int64 array, shape (n,)
        HEALPix indices of the rows.
    maker : RowMaker
    images : FluxColumn or None
    margin : _Margin or None
    """

    collection: HatsCollection
    plan: PartitionPlan
    records: Records
    order: Ints
    index: Ints
    maker: RowMaker
    images: FluxColumn | None
    margin: _Margin | None

    @property
    def group_rows(self) -> int:
        """Return the rows of a group in the file of a partition."""
        return _limit(_GROUP_ROWS, _GROUP_BYTES, self.maker)

    @cached_property
    def first(self) -> Ints:
        """The first row of each partition, and the number of rows."""
        starts = [partition.start for partition in self.plan]
        return np.append(np.searchsorted(self.index, starts), len(self.index))

    @cached_property
    def size(self) -> Floats:
        """The bytes of all rows before each row, and of all, about."""
        stored, maker = self.records.stored, self.maker
        has_numbers = maker.arrays or maker.image is not None or not maker.shape.is_png
        sizes = np.full(len(self.order), float(_ROW_BYTES))
        sizes += maker.image_bytes if has_numbers else 0
        if stored is None:
            sizes += self.records.table.nbytes / len(self.records)
        else:
            sizes += stored.sizes()[self.order]
        return np.concatenate([[0.0], np.cumsum(sizes)])

    @cached_property
    def runs(self) -> list[tuple[int, int]]:
        """The partitions of each task: as many as have `_BLOCK_BYTES`, and one at least."""
        return _divide(self.size[self.first])

    def partitions(self) -> Iterator[PartitionTask]:
        """Give the tasks that write the catalogue."""
        for number, (low, high) in enumerate(self.runs):
            start, stop = self.first[low], self.first[high]
            inside = slice(*self._members_before(np.array([start, stop])))
            yield PartitionTask(
                folder=self.collection.catalogue,
                partitions=self.plan.partitions[low:high],
                first=self.first[low : high + 1] - start,
                records=self.records.take(self.order[start:stop]),
                index=self.index[start:stop],
                maker=self.maker,
                blocks=list(self._blocks(start, stop)),
                group_rows=self.group_rows,
                margin_rows=self._members[inside] - start,
                margin_file=self._margin_file(number),
            )

    def _blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Divide the rows of a task; only a task of one partition has several blocks."""
        limits = np.append(np.arange(start, stop, self.group_rows), stop)
        is_whole = self.size[stop] - self.size[start] <= _BLOCK_BYTES
        runs = [(0, len(limits) - 1)] if is_whole else _divide(self.size[limits])
        for low, high in runs:
            rows = self.order[limits[low] : limits[high]]
            part = None
            if self.images is not None:
                part = self.images.part(self.records.table["row"].take(pa.array(rows)).to_numpy())
            yield Block(int(limits[low] - start), int(limits[high] - start), part)

    def margins(self) -> Iterator[MarginTask]:
        """Give the tasks that write the margin, after those of the catalogue."""
        margin = self.margin
        if margin is None:
            return
        limits = self._members_before(self.first[[*(low for low, _ in self.runs), -1]])
        files = [
            MarginFile(self._margin_file(number), int(start), int(stop))
            for number, (start, stop) in enumerate(pairwise(limits))
            if start < stop
        ]
        rows = np.searchsorted(self._members, margin.rows)
        sizes = np.diff(self.size)[margin.rows]
        for low, high in _divide(np.concatenate([[0.0], np.cumsum(sizes)])[margin.first]):
            own = [rows[slice(*pair)] for pair in pairwise(margin.first[low : high + 1])]
            needed = np.concatenate(own)
            yield MarginTask(
                folder=self.collection.margin(margin.radius),
                partitions=margin.partitions[low:high],
                rows=own,
                files=[file for file in files if _holds(file, needed)],
                group_rows=self.group_rows,
            )

    def remove_margin_files(self) -> None:
        """Remove what the tasks of the catalogue kept for the margin."""
        remove_tree(self._margin_file(0).parent)

    @property
    def _members(self) -> Ints:
        return np.zeros(0, np.int64) if self.margin is None else self.margin.members

    def _members_before(self, rows: Ints) -> Ints:
        """Return how many of the rows before some rows are in margins."""
        return np.searchsorted(self._members, rows)

    def _margin_file(self, number: int) -> Path:
        return self.collection.margin_rows / f"{number:05d}.arrow"


def _divide(size: Floats) -> list[tuple[int, int]]:
    """Divide things into runs of about `_BLOCK_BYTES`, or of a single thing.

    Parameters
    ----------
    size : float64 array, shape (n + 1,)
        The bytes before each thing, and of all.

    Returns
    -------
    list of (int, int)
        The first of each run, and the one after its last.
    """
    runs, start = [], 0
    while start < len(size) - 1:
        stop = int(np.searchsorted(size, size[start] + _BLOCK_BYTES, side="right")) - 1
        runs.append((start, max(stop, start + 1)))
        start = runs[-1][1]
    return runs


def _holds(file: MarginFile, rows: Ints) -> bool:
    return bool(((rows >= file.start) & (rows < file.stop)).any())


def _write_names(tasks: _Tasks) -> None:
    """Write the index of names: the partition of each."""
    counts, plan = np.diff(tasks.first), tasks.plan
    orders = np.repeat(np.array([partition.order for partition in plan], np.uint8), counts)
    pixels = np.repeat(np.array([partition.pixel for partition in plan], np.uint64), counts)
    table = pa.table(
        {
            OBJECT_ID: tasks.records.table["source"].take(pa.array(tasks.order)),
            INDEX_COLUMN: tasks.index,
            "Norder": orders,
            "Dir": pixels // 10_000 * 10_000,
            "Npix": pixels,
        }
    )
    path = HatsCollection.index_file(tasks.collection.index(OBJECT_ID))
    write_table(path, table.sort_by([(OBJECT_ID, "ascending"), (INDEX_COLUMN, "ascending")]))
    write_index(tasks.collection, len(table))
