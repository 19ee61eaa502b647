"""What stands beside the rows of a HATS collection, written with the library `hats`.

Nothing here depends on the time or the machine: the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from mingolotss import __version__
from mingolotss.dataset.hats_columns import INDEX_COLUMN, OBJECT_ID
from mingolotss.dataset.layout import HatsCollection, HatsFolder
from mingolotss.formats.hats.partitions import INDEX_ORDER, Partition
from mingolotss.io.files import write_bytes
from mingolotss.io.optional import import_optional
from mingolotss.model import Ints

__all__ = ["write_catalogue", "write_collection", "write_index", "write_margin"]

_SKYMAP_ORDER = 8  # pixels of 14 arcmin
_PROVENANCE = {"hats_builder": f"mingolotss {__version__}", "hats_version": "v1.0"}
_EXTRA = "hats"


def write_catalogue(
    collection: HatsCollection, partitions: Sequence[Partition], index: Ints, most_rows: int
) -> None:
    """Write the metadata of the catalogue, whose partitions are there.

    Parameters
    ----------
    collection : HatsCollection
    partitions : sequence of Partition
    index : int64 array, shape (n,)
        The HEALPix index of order 29 of each row.
    most_rows : int
        Rows that a partition may have.
    """
    counts = np.bincount(index >> 2 * (INDEX_ORDER - _SKYMAP_ORDER), minlength=12 << 16)
    skymap = _hats("hats.io.skymap")
    skymap.write_skymap(counts.astype(np.int64), collection.catalogue)
    properties = {
        "catalog_type": "object", "total_rows": len(index), "hats_max_rows": most_rows,
        "skymap_order": _SKYMAP_ORDER,
    }  # fmt: skip
    _write_spatial(collection.catalogue, partitions, properties)


def write_margin(
    collection: HatsCollection, radius: float, partitions: Sequence[Partition], rows: int
) -> None:
    """Write the metadata of the margin, whose partitions are there.

    Parameters
    ----------
    collection : HatsCollection
    radius : float, arcsec
    partitions : sequence of Partition
        Those with rows in their margin. Without any, the margin says that it is empty: LSDB warns
        of incomplete matches if a catalogue has no margin.
    rows : int
    """
    properties = {
        "catalog_type": "margin", "total_rows": rows, "margin_threshold": radius,
        "primary_catalog": f"../{collection.name}",
    }  # fmt: skip
    folder = collection.margin(radius)
    if partitions:
        _write_spatial(folder, partitions, properties)
    else:
        _write_empty(folder, collection.catalogue, properties)


def write_index(collection: HatsCollection, rows: int) -> None:
    """Write the metadata of the index of names, whose file is there."""
    folder = collection.index(OBJECT_ID)
    _write_properties(
        folder,
        {
            "catalog_type": "index", "total_rows": rows, "indexing_column": OBJECT_ID,
            "primary_catalog": f"../{collection.name}",
        },
    )  # fmt: skip
    _hats("hats.io.parquet_metadata").write_parquet_metadata(folder, order_by_healpix=False)


def write_collection(collection: HatsCollection, margin: float | None) -> None:
    """Write what the collection consists of.

    Parameters
    ----------
    collection : HatsCollection
    margin : float or None, arcsec
    """
    names = [collection.margin(margin).name] if margin is not None else None
    properties = _hats("hats.catalog.dataset.collection_properties").CollectionProperties(
        name=collection.name,
        hats_primary_table_url=collection.name,
        all_margins=names,
        default_margin=names[0] if names else None,
        all_indexes={OBJECT_ID: collection.index(OBJECT_ID).name},
        default_index=OBJECT_ID,
        **_PROVENANCE,
    )
    properties.to_properties_file(collection.path)


def _write_spatial(
    folder: Path, partitions: Sequence[Partition], properties: dict[str, object]
) -> None:
    _write_places(folder, partitions, properties)
    _hats("hats.io.parquet_metadata").write_parquet_metadata(folder)


def _write_empty(folder: Path, catalogue: Path, properties: dict[str, object]) -> None:
    """Write a catalogue without partitions that has the columns of another one."""
    rows, of_catalogue = HatsFolder(folder), HatsFolder(catalogue)
    for path in (rows.metadata, rows.common_metadata):
        write_bytes(path, of_catalogue.common_metadata.read_bytes())
    _write_places(folder, [], properties)


def _write_places(
    folder: Path, partitions: Sequence[Partition], properties: dict[str, object]
) -> None:
    """Write what a catalogue is, and where its partitions are."""
    _write_properties(
        folder,
        {
            "ra_column": "ra", "dec_column": "dec", "healpix_column": INDEX_COLUMN,
            "healpix_order": INDEX_ORDER, **properties,
        },
    )  # fmt: skip
    pixel = _hats("hats.pixel_math.healpix_pixel").HealpixPixel
    pixels = [pixel(*partition) for partition in partitions]
    info = _hats("hats.catalog.partition_info").PartitionInfo
    info.from_healpix(pixels).write_to_file(catalog_path=folder)


def _write_properties(folder: Path, properties: dict[str, object]) -> None:
    table = _hats("hats.catalog").TableProperties
    table(catalog_name=folder.name, **properties, **_PROVENANCE).to_properties_file(folder)


def _hats(module: str) -> ModuleType:
    return import_optional(module, "write a HATS collection", extra=_EXTRA)
