"""Verification of the files that describe a HATS catalogue, against the rows it has to have.

A catalogue says three times what it consists of: in its properties, in ``partition_info.csv``, and
in ``_metadata``, which repeats the footers of all files. Readers use any of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.hats_catalogue import HatsCatalogue, read_properties
from mingolotss.dataset.hats_columns import INDEX_COLUMN
from mingolotss.errors import DatasetError
from mingolotss.formats.hats.partitions import INDEX_ORDER, Partition
from mingolotss.io.error_text import first_line
from mingolotss.io.files import check_regular
from mingolotss.io.summaries import count_text
from mingolotss.io.system_faults import describe_fault
from mingolotss.recipe.hats_settings import LARGEST_MARGIN_ARCSEC

__all__ = ["check_metadata", "margin_radius", "partition_name"]

_NARROWEST_ARCSEC = 1e-6
_KINDS = {"object": "object", "source": "object"}
_SPATIAL = {
    "hats_col_ra": "ra", "hats_col_dec": "dec", "hats_col_healpix": INDEX_COLUMN,
    "hats_col_healpix_order": str(INDEX_ORDER),
}  # fmt: skip


def check_metadata(
    root: Path, catalogue: HatsCatalogue, kind: str, counts: Mapping[str, int]
) -> Iterator[str]:
    """Check the properties, the list of partitions and ``_metadata`` of a catalogue.

    Parameters
    ----------
    root : Path
        The folder of the collection, for messages.
    catalogue : HatsCatalogue
    kind : {"object", "margin", "index"}
        What it has to be.
    counts : mapping of str to int
        The number of rows that each partition has to have, by `partition_name`.
    """
    yield from _check_properties(root, catalogue, kind, sum(counts.values()))
    if kind != "index":
        yield from _check_partitions(root, catalogue)
    yield from _check_footers(root, catalogue, counts)


def partition_name(path: str) -> str:
    """Return the name of the partition that a file belongs to, relative to the folder ``dataset``.

    >>> partition_name("Norder=1/Dir=0/Npix=3.parquet"), partition_name("Norder=1/Dir=0/Npix=3/a")
    ('Norder=1/Dir=0/Npix=3.parquet', 'Norder=1/Dir=0/Npix=3')
    >>> partition_name("index/part.0.parquet")
    'index'
    """
    parts = path.split("/")
    return "/".join(parts[: 3 if len(parts) > 2 else 1])


def margin_radius(catalogue: HatsCatalogue) -> float:
    """Return the width of a margin, arcsec; NaN if its properties state none that is possible."""
    try:
        radius = float(catalogue.properties.get("hats_margin_threshold", ""))
    except ValueError:
        return math.nan
    return radius if _NARROWEST_ARCSEC <= radius <= LARGEST_MARGIN_ARCSEC else math.nan


def _check_properties(root: Path, catalogue: HatsCatalogue, kind: str, rows: int) -> Iterator[str]:
    present = [path for path in catalogue.folder.properties() if path.is_file()]
    name = present[0].relative_to(root).as_posix()
    if len(present) > 1 and read_properties(present[1]) != catalogue.properties:
        yield f"{present[1].relative_to(root).as_posix()}: not the properties of {present[0].name}"
    stated = _KINDS.get(catalogue.kind, catalogue.kind)
    if stated != kind:
        yield f"{name}: dataproduct_type is {stated!r:.40}, not {kind}"
    folder = catalogue.folder.path.name
    if catalogue.properties.get("obs_collection", folder) != folder:
        yield f"{name}: obs_collection is not {folder!r}, the name of the folder"
    stated_rows = catalogue.properties.get("hats_nrows", "")
    if stated_rows != str(rows):
        yield f"{name}: hats_nrows is {stated_rows!r:.40}, not {rows}"
    for key, value in _SPATIAL.items() if kind != "index" else ():
        if catalogue.properties.get(key, value) != value:
            yield f"{name}: {key} is {catalogue.properties[key]!r:.40}, not {value}"


def _check_partitions(root: Path, catalogue: HatsCatalogue) -> Iterator[str]:
    """Check that partitions do not overlap, and that every file of rows is listed."""
    folder = catalogue.folder
    place = folder.path.relative_to(root).as_posix()
    listed = {*catalogue.files()}
    for path in sorted({*folder.partitions()} - listed):
        yield f"{path.relative_to(root).as_posix()}: not listed in {folder.partition_info.name}"
    stop, last = 0, ""
    for order, pixel, _ in catalogue.partitions:
        partition, words = Partition(order, pixel), f"Norder={order}, Npix={pixel}"
        if partition.start < stop:
            yield f"{place}: its partition {words} overlaps {last}"
        if partition.stop > stop:
            stop, last = partition.stop, words


def _check_footers(
    root: Path, catalogue: HatsCatalogue, counts: Mapping[str, int]
) -> Iterator[str]:
    """Check how many rows of each partition ``_metadata`` has, and the columns."""
    folder = catalogue.folder
    try:
        footers, stored = _read_footers(folder.metadata)
        _, columns = _read_footers(folder.common_metadata)
    except DatasetError as error:
        yield str(error)
        return
    name = folder.metadata.relative_to(root).as_posix()
    wrong = [one for one in sorted({*counts, *footers}) if footers.get(one) != counts.get(one)]
    if wrong:
        first = wrong[0]
        yield (
            f"{name}: it has not the rows of {count_text(len(wrong), 'partition')}, for example "
            f"{_rows(footers, first)} of {first!r:.80}, which has {_rows(counts, first)}"
        )
    if not columns.equals(stored):
        yield f"{folder.common_metadata.relative_to(root).as_posix()}: not the columns of _metadata"


def _rows(counts: Mapping[str, int], path: str) -> str:
    return count_text(counts[path], "row") if path in counts else "none"


def _read_footers(path: Path) -> tuple[dict[str, int], pa.Schema]:
    """Return the rows of each partition and the columns, from a file of footers without rows."""
    counts: dict[str, int] = {}
    try:
        check_regular(path)
        metadata = pq.read_metadata(path)
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            partition = partition_name(group.column(0).file_path if group.num_columns else "")
            counts[partition] = counts.get(partition, 0) + group.num_rows
        return counts, metadata.schema.to_arrow_schema()
    except (OSError, pa.ArrowException, MemoryError, ValueError) as error:
        reason = describe_fault(error) or f"damaged ({first_line(error)}); export it again"
        raise DatasetError(f"read {path}: {reason}") from error
