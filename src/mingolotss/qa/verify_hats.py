"""Verification of HATS collections: partitions, margin and index against the manifest.

The checks of the files that describe a catalogue are in ``hats_metadata.py``, and those of the
rows of one partition in ``hats_partitions.py``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.hats_catalogue import HatsCatalogue, read_catalogue, read_collection
from mingolotss.dataset.hats_columns import OBJECT_ID
from mingolotss.dataset.label_columns import is_list
from mingolotss.dataset.stamps import StampFile
from mingolotss.errors import DatasetError
from mingolotss.formats.hats.partitions import Partition, PartitionPlan, margin_pairs
from mingolotss.io.parquet import read_table
from mingolotss.io.summaries import count_text
from mingolotss.model import Ints
from mingolotss.qa.hats_metadata import check_metadata, margin_radius, partition_name
from mingolotss.qa.hats_partitions import ManifestRows, check_partition

__all__ = ["check_hats"]

_INDEX = pa.schema([(OBJECT_ID, pa.string()), ("Norder", pa.int64()), ("Npix", pa.int64())])


@dataclass(frozen=True, slots=True)
class _Collection:
    """A collection, and where each row of the manifest has to be in it.

    Attributes
    ----------
    root : Path
    catalogue : HatsCatalogue
    manifest : ManifestRows
    plan : PartitionPlan
        The partitions of the catalogue.
    number : int64 array, shape (n,)
        The number of the partition of each row, -1 for none.
    """

    root: Path
    catalogue: HatsCatalogue
    manifest: ManifestRows
    plan: PartitionPlan
    number: Ints

    @classmethod
    def open(cls, root: Path, catalogue: HatsCatalogue, manifest: ManifestRows) -> Self:
        pixels = [Partition(order, pixel) for order, pixel, _ in catalogue.partitions]
        plan = PartitionPlan(tuple(pixels))
        return cls(root, catalogue, manifest, plan, plan.find(manifest.index))

    def name(self, row: int) -> str:
        """Return the name of the source of a row of the catalogue of sources."""
        place = int(self.manifest.find(np.array([row]))[0])
        return self.manifest.sources[place] if place >= 0 else f"row {row}"

    def place(self, catalogue: HatsCatalogue) -> str:
        """Return the name of a catalogue for messages."""
        return catalogue.folder.path.relative_to(self.root).as_posix()


def check_hats(root: Path, dataset: Path, written: pa.Table) -> Iterator[str]:
    """Compare a collection with the written rows of a manifest.

    Parameters
    ----------
    root : Path
        The folder of the collection.
    dataset : Path
        The build or the export that it belongs to.
    written : Table
        The written rows of the manifest of `dataset`.
    """
    names = read_collection(root)
    catalogue = read_catalogue(root / names.catalogue)
    if not catalogue.partitions:
        yield f"{names.catalogue}: a HATS catalogue without partitions of the sky"
        return
    collection = _Collection.open(root, catalogue, ManifestRows(dataset, written))
    problems = [*_check_catalogue(collection)]
    yield from problems
    for name in names.margins:
        yield from _check_margin(collection, read_catalogue(root / name), is_whole=not problems)
    for column, name in names.indices.items():
        index = read_catalogue(root / name)
        yield from check_metadata(root, index, "index", {"index": len(written)})
        if column == OBJECT_ID:
            yield from _check_index(collection, index)


def _check_catalogue(collection: _Collection) -> Iterator[str]:
    """Check the catalogue itself: each partition, and that every row is there once."""
    catalogue, manifest = collection.catalogue, collection.manifest
    counts = _count_rows(catalogue, collection.plan, collection.number)
    yield from check_metadata(collection.root, catalogue, "object", counts)
    place = collection.place(catalogue)
    if (collection.number < 0).any():
        without = collection.number < 0
        first = manifest.sources[int(np.argmax(without))]
        yield (
            f"{place}: no partition has the position of "
            f"{count_text(int(without.sum()), 'source')}, for example {first}"
        )
    rows, unreadable = [np.zeros(0, np.int64)], {-1}
    for number, partition in enumerate(catalogue.partitions):
        for path in partition.files:
            name = path.relative_to(collection.root).as_posix()
            try:
                with StampFile(path) as stamps:
                    rows.append((yield from check_partition(name, partition, stamps, manifest)))
            except DatasetError as error:
                unreadable.add(number)
                yield str(error)
    present, times = np.unique(np.concatenate(rows), return_counts=True)
    is_missing = ~np.isin(manifest.rows, present) & ~np.isin(collection.number, [*unreadable])
    for words, names in (
        ("missing", [manifest.sources[place] for place in np.flatnonzero(is_missing).tolist()]),
        ("there twice", [collection.name(row) for row in present[times > 1].tolist()]),
    ):
        if names:
            yield f"{place}: rows that are {words}: {len(names):,}, for example {min(names)}"


def _count_rows(catalogue: HatsCatalogue, plan: PartitionPlan, number: Ints) -> dict[str, int]:
    """Return how many rows each partition has to have, by its name in ``_metadata``.

    Parameters
    ----------
    catalogue : HatsCatalogue
        The catalogue or a margin.
    plan : PartitionPlan
    number : int64 array
        The number in `plan` of the partition of each row, -1 for none.
    """
    path_of = {Partition(order, pixel): files[0] for order, pixel, files in catalogue.partitions}
    numbers, counts = np.unique(number[number >= 0], return_counts=True)
    names = []
    for one in numbers.tolist():
        partition = plan.partitions[one]
        path = path_of.get(partition, catalogue.folder.partition(*partition))
        names.append(partition_name(path.relative_to(catalogue.folder.dataset).as_posix()))
    return dict(zip(names, counts.tolist(), strict=True))


def _check_margin(
    collection: _Collection, margin: HatsCatalogue, *, is_whole: bool
) -> Iterator[str]:
    """Check that a margin has the rows near each partition, as they are in the catalogue.

    Parameters
    ----------
    collection : _Collection
    margin : HatsCatalogue
    is_whole : bool
        Whether the catalogue is right, so that the rows can be compared with its rows.
    """
    manifest, sky = collection.manifest, collection.plan.with_gaps()
    place, radius = collection.place(margin), margin_radius(margin)
    if math.isnan(radius):
        yield f"{place}: its properties state no width of a margin (hats_margin_threshold)"
        return
    placed = np.flatnonzero(manifest.is_placed)
    index, near = margin_pairs(manifest.ra[placed], manifest.dec[placed], sky, radius)
    expected = {*zip(near.tolist(), manifest.rows[placed[index]].tolist(), strict=True)}
    counts = _count_rows(margin, sky, near)
    yield from check_metadata(collection.root, margin, "margin", counts)
    number_of = {partition: number for number, partition in enumerate(sky)}
    stored: set[tuple[int, int]] = set()
    copies: dict[int, set[bytes]] = {}
    for order, pixel, files in margin.partitions:
        number = number_of.get(Partition(order, pixel), -1)
        for path in files:
            try:
                for row, digest in _row_digests(path):
                    if (number, row) in stored:
                        name = path.relative_to(collection.root).as_posix()
                        yield f"{name}: the row of {collection.name(row)} is there twice"
                    stored.add((number, row))
                    copies.setdefault(row, set()).add(digest)
            except DatasetError as error:
                yield str(error)
                return
    for words, pairs in (("missing", expected - stored), ("not of it", stored - expected)):
        if pairs:
            number, row = min(pairs)
            order, pixel = sky.partitions[number]
            beside = f"Norder={order}, Npix={pixel}"
            yield (
                f"{place}: rows of the margin of {radius:g} arcsec that are {words}: "
                f"{len(pairs):,}, for example {collection.name(row)} beside "
                f"{beside if number >= 0 else 'a partition that there is not'}"
            )
    if is_whole:
        yield from _check_copies(collection, place, copies)


def _check_copies(
    collection: _Collection, place: str, copies: dict[int, set[bytes]]
) -> Iterator[str]:
    """Compare the rows of a margin with those of the catalogue, of which they are copies."""
    differing = [
        collection.name(row)
        for path in collection.catalogue.files()
        for row, digest in _row_digests(path, copies.keys())
        if copies[row] != {digest}
    ]
    if differing:
        yield (
            f"{place}: rows that are not those of the catalogue: {len(differing):,}, for example "
            f"{min(differing)}"
        )


def _row_digests(path: Path, rows: Collection[int] | None = None) -> Iterator[tuple[int, bytes]]:
    """Give a checksum of all columns of each row of a partition, or of some of its rows."""
    with StampFile(path) as stamps:
        for group in range(stamps.row_groups):
            numbers = stamps.rows(group).tolist()
            chosen = [i for i, row in enumerate(numbers) if rows is None or row in rows]
            if not chosen:
                continue
            content = stamps.raw_rows(group)
            for i in chosen:
                digest = hashlib.sha256()
                for column in content.slice(i, 1).columns:
                    _add_values(digest, column.combine_chunks())
                yield numbers[i], digest.digest()


def _add_values(digest: hashlib._Hash, values: pa.Array) -> None:
    """Add values to a checksum, arrays of numbers without a Python object for each of them."""
    kind = values.type
    if is_list(kind):
        _add_values(digest, pc.list_value_length(values))
        _add_values(digest, values.flatten())
    elif pa.types.is_struct(kind):
        for member in values.flatten():
            _add_values(digest, member)
    elif pa.types.is_primitive(kind) and not values.null_count:
        digest.update(values.to_numpy(zero_copy_only=False).tobytes())
    else:
        digest.update(repr(values.to_pylist()).encode())


def _check_index(collection: _Collection, index: HatsCatalogue) -> Iterator[str]:
    """Check that an index names the partition of every source."""
    expected = sorted(
        (name, *collection.plan.partitions[number])
        for name, number in zip(
            collection.manifest.sources, collection.number.tolist(), strict=True
        )
    )
    files = index.folder.index_files()
    tables = [read_table(path, _INDEX.names, schema=_INDEX) for path in files]
    stored = [
        entry
        for table in tables
        for entry in zip(*(table[name].to_pylist() for name in _INDEX.names), strict=True)
    ]
    if sorted(stored, key=str) != sorted(expected, key=str):
        wrong = sorted({*stored} ^ {*expected}, key=str) or stored
        yield (
            f"{collection.place(index)}: not the partitions of the sources in the catalogue, for "
            f"example of {wrong[0][0]}"
        )
