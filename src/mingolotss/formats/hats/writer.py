"""Write the records of a dataset as a HATS collection.

Sources are sorted by their HEALPix index, so that a partition is a run of rows. The same records
give the same bytes in whatever order they come.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.layout import HatsCollection
from mingolotss.dataset.manifest import REPEATED_COLUMNS
from mingolotss.dataset.records import Records
from mingolotss.dataset.stamps import decode_stamps
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.hats.columns import (
    INDEX_COLUMN,
    OBJECT_ID,
    PIXELS,
    collection_rows,
    schema_metadata,
    with_image,
)
from mingolotss.formats.hats.flux_source import FluxColumn, FluxSource, flux_column
from mingolotss.formats.hats.image_column import FLUX_IMAGE, image_nbytes
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
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import atomic_path
from mingolotss.io.parquet import leaf_paths, parquet_bytes, write_table
from mingolotss.model import Ints
from mingolotss.recipe.hats_settings import HatsSettings

__all__ = ["write_hats"]

_MOST_ROWS = 50_000  # of a partition, and fewer if its images are large
_MOST_BYTES = 1 << 28
_ROW_GROUP = 2000
_GROUP_BYTES = 32 << 20


def write_hats(
    records: Records, folder: Path, header: ExportHeader, flux: FluxSource | None = None
) -> None:
    """Write a collection.

    Parameters
    ----------
    records : Records
    folder : Path
        Made here. The collection is the folder itself.
    header : ExportHeader
    flux : FluxSource, optional
        The brightness of the stamps, for a collection with the column ``image``.

    Raises
    ------
    InputError
        A source has no position, or the brightness of the stamps is lost.
    DatasetError
        The brightness cannot be computed.
    """
    settings = header.recipe.hats if header.recipe is not None else HatsSettings()
    ra, dec = records.numbers("ra"), records.numbers("dec")
    if not (np.isfinite(ra) & np.isfinite(dec)).all():
        without = records.texts("source")[int(np.argmin(np.isfinite(ra) & np.isfinite(dec)))]
        raise InputError(f"export {header.name} as hats: {without} has no position")
    index = healpix_index(ra, dec)
    order = np.lexsort((records.table["row"].to_numpy(), index))
    records, index, ra, dec = records.take(order), index[order], ra[order], dec[order]
    shape = records.shape
    first = decode_stamps(records.encoded()[:1], records.names()[:1], shape)
    most_rows = settings.partition_rows or _default_rows(records, first.shape[-1], settings)
    plan = choose_partitions(index, most_rows)
    rows = collection_rows(records.table, index, shape, arrays=settings.arrays)
    images = FluxColumn.of(records, header, flux) if settings.flux else None
    schema = rows.schema if images is None else with_image(rows, images.field).schema
    metadata = schema_metadata(schema, records.classes, header, shape, first.shape[-1])
    if records.split_plan:
        metadata[SPLIT_KEY.decode()] = records.split_plan
    rows = rows.replace_schema_metadata(metadata)
    collection = HatsCollection(folder, safe_name(header.name))
    number = plan.find(index)
    chosen = np.arange(len(index))
    _write_partitions(collection.catalogue, rows, records, images, chosen, number, plan)
    write_catalogue(collection, plan.partitions, index, most_rows)
    _write_names(collection, rows, number, plan)
    margin = settings.margin_arcsec or None
    if margin is not None:
        sky = plan.with_gaps()
        near, of_partition = margin_pairs(ra, dec, sky, margin)
        margin = margin if len(near) else None
        if margin is not None:
            margin_folder = collection.margin(margin)
            _write_partitions(margin_folder, rows, records, images, near, of_partition, sky)
            partitions = [sky.partitions[number] for number in np.unique(of_partition)]
            write_margin(collection, margin, partitions, len(near))
    write_collection(collection, margin)


def _default_rows(records: Records, side: int, settings: HatsSettings) -> int:
    """Return the rows of a partition whose images have `_MOST_BYTES` bytes at most."""
    size = sum(map(len, records.encoded())) / len(records)
    if settings.flux:
        size += image_nbytes(max(1, len(records.channels)), side)
    return max(1, min(_MOST_ROWS, int(_MOST_BYTES / max(size, 1.0))))


def _write_partitions(
    folder: Path,
    rows: pa.Table,
    records: Records,
    images: FluxColumn | None,
    chosen: Ints,
    number: Ints,
    plan: PartitionPlan,
) -> None:
    """Write each partition's rows; `number` is the partition of each of the `chosen` rows."""
    for partition_number in np.unique(number):
        partition: Partition = plan.partitions[partition_number]
        path = HatsCollection.partition(folder, *partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        own = chosen[number == partition_number]
        table = rows.take(pa.array(own))
        if images is not None:
            part = images.part(table["row"].to_numpy())
            table = with_image(table, images.field, flux_column(records.take(own), part))
        with atomic_path(path) as temporary:
            temporary.write_bytes(_partition_bytes(table))


def _partition_bytes(table: pa.Table) -> bytes:
    """Return rows as the bytes of a Parquet file; images are not summarised, and PNGs not packed.

    Splitting the bytes of brightness and inverse variance makes them 22 % smaller, in the same
    time (simulated sky, zstd).
    """
    leaves = [leaf for field in table.schema for leaf in leaf_paths(field)]
    pngs = [leaf for leaf in leaves if leaf.startswith(("stamp.", "mask."))]
    arrays = [leaf for leaf in leaves if leaf.startswith((f"{FLUX_IMAGE}.", f"{PIXELS}."))]
    floats = [
        leaf for leaf in arrays if leaf.startswith((f"{FLUX_IMAGE}.flux", f"{FLUX_IMAGE}.iv"))
    ]
    return parquet_bytes(
        table,
        compression={leaf: "none" if leaf in pngs else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf in REPEATED_COLUMNS],
        write_statistics=[leaf for leaf in leaves if leaf not in (*pngs, *arrays)],
        row_group_size=_group_rows(table),
        use_byte_stream_split=floats,
    )


def _group_rows(table: pa.Table) -> int:
    """Return the rows of a group, so that readers of groups need little memory."""
    size: int = table.nbytes
    return max(1, min(_ROW_GROUP, _GROUP_BYTES * len(table) // max(size, 1)))


def _write_names(
    collection: HatsCollection, rows: pa.Table, number: Ints, plan: PartitionPlan
) -> None:
    """Write the index: the partition of each name."""
    orders = np.array([partition.order for partition in plan], np.uint8)[number]
    pixels = np.array([partition.pixel for partition in plan], np.uint64)[number]
    table = pa.table(
        {
            OBJECT_ID: rows[OBJECT_ID],
            INDEX_COLUMN: rows[INDEX_COLUMN],
            "Norder": orders,
            "Dir": pixels // 10_000 * 10_000,
            "Npix": pixels,
        }
    )
    path = HatsCollection.index_file(collection.index(OBJECT_ID))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, table.sort_by([(OBJECT_ID, "ascending"), (INDEX_COLUMN, "ascending")]))
    write_index(collection, len(table))
