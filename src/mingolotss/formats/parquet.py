"""Parquet for Hugging Face `datasets`: ``data/SPLIT-00000-of-00001.parquet``.

The header describes the columns, so that ``load_dataset(FOLDER)`` gives an Image and a ClassLabel
without a script. Tags are a Sequence of ClassLabel, and votes one of numbers, a fraction for each
class: not of fixed length, since pyarrow before version 18 cannot write such lists with nulls. The
columns are those of the manifest. The stamps of a build are read in the same way
(``dataset/stamps.py``). Masks are the column ``mask``, an Image with the values 0, 1 and 2. Images
that no PNG file holds are the column ``pixels``; the metadata of a dataset with channels state
their names, the shape of an image and the type of its pixels, and pandas gives them as
``DataFrame.attrs``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.layout import ExportFolder, stamp_files
from mingolotss.dataset.records import Records, read_stored_records
from mingolotss.dataset.samples import Arrays
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.formats.hub_features import features_header, with_wide_labels
from mingolotss.formats.record_arrays import arrays_of
from mingolotss.io.files import atomic_path

__all__ = ["PARQUET", "find_parquet", "read_parquet", "write_parquet"]

_FILE_ROWS = 50_000  # 300 MB of stamps
_ROW_GROUP = 1000


def write_parquet(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write the files of every split.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader
        Stored in the metadata of each file.
    """
    export, metadata = ExportFolder(folder), _metadata(records, header)
    for split, rows in records.split_rows().items():
        starts = range(0, len(rows), _FILE_ROWS)
        for number, start in enumerate(starts):
            table = with_wide_labels(records.take(rows[start : start + _FILE_ROWS]).table)
            with atomic_path(export.parquet(split, number, len(starts))) as temporary:
                pq.write_table(
                    table.replace_schema_metadata(metadata),
                    temporary,
                    compression="zstd",
                    row_group_size=_ROW_GROUP,
                )


def _metadata(records: Records, header: ExportHeader) -> dict[str, str]:
    """Describe the columns as `datasets` does, and the dataset as its header does."""
    schema = with_wide_labels(records.table.slice(0, 0)).schema
    images = {"image": {"_type": "Image"}} if "image" in schema.names else {}
    metadata = features_header(schema, records.classes, images)
    metadata["mingolotss.facts"] = json.dumps(header.to_dict())
    if records.split_plan:
        metadata[SPLIT_KEY.decode()] = records.split_plan
    shape = records.shape
    if shape.channels:
        metadata |= {key.decode(): text.decode() for key, text in shape.to_metadata().items()}
        metadata["PANDAS_ATTRS"] = json.dumps(shape.to_json())
    return metadata


def find_parquet(place: Path) -> Sequence[Path]:
    """Return `place` if it is a Parquet file of images, or holds some."""
    return [place] if stamp_files(place) else []


def read_parquet(path: Path, split: str = "all") -> Arrays:
    """Read images and labels, in the order of the catalogue; a PNG is decoded on first use.

    Parameters
    ----------
    path : Path
        A build, an export, or one Parquet file.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        A file is no Parquet, lacks a column, or holds anything but images of one size.
    InputError
        There is no such split.
    """
    return arrays_of(read_stored_records(path), split, str(path))


PARQUET = Format(
    write_parquet,
    find_parquet,
    read_parquet,
    ('datasets.load_dataset("FOLDER")', 'mingolotss.MingoLoTSS("FOLDER")'),
)
