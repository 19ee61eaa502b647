"""The images of records that stay in their files until they are asked for.

A dataset of a million sources may have more images than memory. Its rows are read without them
(`mingolotss.dataset.records.read_stored_records`), sorted, merged and split, and the images of some
rows are read when these rows are written. `StoredStamps` can be pickled, for tasks that run
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, image_fields
from mingolotss.io.arrow_rows import take_rows
from mingolotss.io.arrow_values import array_of
from mingolotss.model import Floats, Ints

__all__ = ["StampGroups", "StoredStamps"]

_READ_BYTES = 32 << 20  # of images, besides those that were asked for


@dataclass(frozen=True, slots=True)
class StampGroups:
    """The groups of rows of one Parquet file of stamps.

    Attributes
    ----------
    path : Path
    rows : tuple of int
        The number of rows of each group.
    sizes : tuple of int
        Bytes that the images and masks of each group take in memory.
    """

    path: Path
    rows: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of_file(cls, file: StampFile) -> Self:
        """Return the groups of rows of an open file."""
        groups = range(file.row_groups)
        rows, sizes = map(file.group_rows, groups), map(file.image_bytes, groups)
        return cls(file.path, tuple(rows), tuple(sizes))


@dataclass(frozen=True, slots=True)
class StoredStamps:
    """The images, and the masks, of n records in their files.

    Attributes
    ----------
    files : tuple of StampGroups
    places : int64 array, shape (n,)
        The number of each record's row, counted over all files.
    shape : StampShape
    has_masks : bool
    """

    files: tuple[StampGroups, ...]
    places: Ints
    shape: StampShape
    has_masks: bool

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: Ints) -> StoredStamps:
        """Return the images of some of the records."""
        return replace(self, places=self.places[rows])

    def sizes(self) -> Floats:
        """Return the bytes that each record takes in memory: the average of its group of rows.

        Returns
        -------
        float64 array, shape (n,)
        """
        rows, sizes = self._groups()
        average = sizes / np.maximum(rows, 1)
        floats: Floats = average[np.searchsorted(np.cumsum(rows), self.places, "right")]
        return floats

    def read(self) -> pa.Table:
        """Return the columns of images and masks of all n records.

        Each group of rows that holds one of them is read once.

        Returns
        -------
        pyarrow.Table, n rows
            ``image`` or ``pixels``, and ``mask`` where the dataset has masks.

        Raises
        ------
        DatasetError
            A file is damaged or missing.
        """
        order = np.argsort(self.places, kind="stable")
        fields = image_fields(self.shape, has_masks=self.has_masks)
        tables = [*self._read_sorted(self.places[order])]
        table = pa.concat_tables(tables) if tables else pa.schema(fields).empty_table()
        is_sorted = bool((order[1:] > order[:-1]).all())
        return table if is_sorted else take_rows(table, np.argsort(order))

    def _groups(self) -> tuple[Ints, Floats]:
        rows = np.array([count for file in self.files for count in file.rows], np.int64)
        return rows, np.array([size for file in self.files for size in file.sizes], float)

    def _read_sorted(self, places: Ints) -> Iterator[pa.Table]:
        """Give the images of sorted places, a few groups of rows at a time."""
        start = 0
        for file in self.files:
            first = start + np.cumsum([0, *file.rows])
            start = int(first[-1])
            limits = np.searchsorted(places, first)
            groups = np.flatnonzero(limits[1:] > limits[:-1])
            if not len(groups):
                continue
            with StampFile(file.path) as stamps:
                for run in _runs(groups, file.sizes):
                    images = stamps.images(run.tolist())
                    # The groups of a run are read one after another: a place is counted from the
                    # first of its group, after the rows of the groups before it in the run.
                    before = np.cumsum([0, *(file.rows[group] for group in run)])
                    rows = [
                        places[limits[group] : limits[group + 1]] - first[group] + offset
                        for group, offset in zip(run, before, strict=False)
                    ]
                    yield images.take(array_of(np.concatenate(rows)))


def _runs(groups: Ints, sizes: Sequence[int]) -> list[Ints]:
    """Divide groups of rows into runs of at most `_READ_BYTES`, or of a single group."""
    total = np.cumsum([sizes[group] for group in groups])
    number = (total - 1) // _READ_BYTES
    return np.split(groups, np.flatnonzero(np.diff(number)) + 1)
