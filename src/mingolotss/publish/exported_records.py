"""The records of an export in any format, so that it can be exported again.

Builds and exports in Parquet have the stamps with their rows. Every other export has the same rows
in its manifest, and its images in a format of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.channel_table import CHANNELS_COLUMN, nest_channels, read_channels
from mingolotss.dataset.export_notes import SPLIT_KEY, ExportNotes
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.manifest import MANIFEST, further_fields, read_manifest
from mingolotss.dataset.masks import encode_masks, has_masks, mask_column
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.records import Records, read_stored_records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_schema
from mingolotss.errors import DatasetError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.finding import find_datasets

__all__ = ["read_dataset_records"]


def read_dataset_records(folder: Path, provenance: Provenance) -> Records:
    """Read the records of a build, or of an export in any format that holds stamps.

    The images of a build, and of an export in Parquet, stay in their files.

    Parameters
    ----------
    folder : Path
    provenance : Provenance
        Of `folder`.

    Raises
    ------
    DatasetError
        There are none, or a file is damaged, or an image of the manifest is missing.
    """
    if stamp_files(folder) or not DatasetFolder(folder).manifest.is_file():
        return read_stored_records(folder)
    manifest = read_manifest(folder)
    notes = ExportNotes.read(manifest.schema.metadata)
    if notes is None:
        return read_stored_records(folder)
    if notes.format == "fits":
        raise DatasetError(
            f"export {folder}: its FITS files have the brightness and not the stamps that were "
            "made of it; give the build, or an export in another format"
        )
    arrays = _read_arrays(folder)
    rows = _image_rows(folder, arrays, manifest["image_file"].to_pylist(), provenance)
    shape = StampShape(
        channels=arrays.channels,
        side=arrays.images.shape[-1] if arrays.channels else 0,
        dtype="float32" if arrays.images.dtype == np.float32 else "uint8",
    )
    further = further_fields(manifest.schema)
    schema = stamp_schema(shape, further)
    encoded = [encode_stamp(arrays.images[row]) for row in rows]
    columns = [image_column(shape, encoded, manifest["image_file"])]
    if has_masks(further):
        masks = arrays.masks
        if masks is None:
            raise DatasetError(
                f"export {folder}: the masks of its manifest are missing; export or fetch it again"
            )
        encoded_masks = encode_masks([np.asarray(masks[row], np.uint8) for row in rows])
        columns.append(mask_column(encoded_masks, manifest["image_file"]))
    columns += [manifest[name] for name in (*MANIFEST.names, *(field.name for field in further))]
    if CHANNELS_COLUMN.name in schema.names:
        columns.append(nest_channels(read_channels(folder), manifest["row"].to_pylist()))
    table = pa.Table.from_arrays(columns, schema=schema)
    if notes.split_plan != provenance.split_plan:
        metadata = {**shape.to_metadata(), SPLIT_KEY: notes.split_plan.encode()}
        table = table.replace_schema_metadata(metadata)
    return Records(table, notes.classes, str(folder))


def _read_arrays(folder: Path) -> Arrays:
    for dataset_format, path in find_datasets(folder):
        return dataset_format.read(path, "all")
    raise DatasetError(f"export {folder}: no images in it; export or fetch it again")


def _image_rows(
    folder: Path, arrays: Arrays, names: list[str | None], provenance: Provenance
) -> list[int]:
    """Return the index of the image of each row of the manifest."""
    layout = BatchLayout.of(provenance.recipe)
    places = {name: index for index, name in enumerate(arrays.filenames)}
    rows = []
    for name in names:
        # Batches may spell the name of an image in another way.
        row = places.get(name or "", places.get(layout.filename(name or "")))
        if row is None:
            raise DatasetError(
                f"export {folder}: the image {name!r} of its manifest is missing; export or fetch "
                "it again"
            )
        rows.append(row)
    return rows
