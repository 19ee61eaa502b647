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
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records, read_stored_records
from mingolotss.dataset.samples import Arrays
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.formats.hub_features import features_header, with_wide_labels
from mingolotss.formats.places import find_parquet
from mingolotss.formats.record_arrays import arrays_of
from mingolotss.io.arrow_rows import release_memory
from mingolotss.io.files import atomic_path
from mingolotss.model import Ints

__all__ = ["PARQUET", "read_parquet", "write_parquet"]

_FILE_ROWS = 50_000  # 300 MB of stamps
_ROW_GROUP = 1000
_PASS_BYTES = 256 << 20  # of images in memory


def write_parquet(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write the files of every split.

    Images that are still in their files are read as the rows are written.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader
        Stored in the metadata of each file.
    """
    export, metadata = ExportFolder(folder), _metadata(records, header)
    for split, rows in records.split_rows().items():
        files = np.split(rows, range(_FILE_ROWS, len(rows), _FILE_ROWS))
        for number, table in enumerate(_tables(records, files)):
            with atomic_path(export.parquet(split, number, len(files))) as temporary:
                pq.write_table(
                    with_wide_labels(table).replace_schema_metadata(metadata),
                    temporary,
                    compression="zstd",
                    row_group_size=_ROW_GROUP,
                )


def _tables(records: Records, files: Sequence[Ints]) -> Iterator[pa.Table]:
    """Give the rows of each file with their images.

    The parts of a build follow the sky, so each file has rows of many parts. The images of as many
    files as fit into memory are therefore read in one pass over the parts.
    """
    stored = records.stored
    sizes = [0 if stored is None else stored.take(rows).sizes().sum() for rows in files]
    passes = np.cumsum(sizes) // _PASS_BYTES
    for number in np.unique(passes):
        members = [rows for rows, one in zip(files, passes, strict=True) if one == number]
        images = None if stored is None else stored.take(np.concatenate(members)).read()
        start = 0
        for rows in members:
            own = None if images is None else images.slice(start, len(rows))
            # One chunk for each column: where a chunk ends, a page of the file ends, too.
            yield records.take(rows).with_images(own).table.combine_chunks()
            start += len(rows)
        del images
        release_memory()


def _metadata(records: Records, header: ExportHeader) -> dict[str, str]:
    """Describe the columns as `datasets` does, and the dataset as its header does."""
    schema = with_wide_labels(records.schema.empty_table()).schema
    images = {"image": {"_type": "Image"}} if "image" in schema.names else {}
    shape = records.shape
    metadata = features_header(schema, records.classes, images)
    metadata |= header.to_metadata(shape, records.split_plan)
    if shape.channels:
        metadata["PANDAS_ATTRS"] = json.dumps(shape.to_json())
    return metadata


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
    streams=True,
    in_store=True,
)
