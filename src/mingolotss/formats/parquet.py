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

import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.channel_table import CHANNELS_COLUMN
from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.image_stack import ImageArray, ImageStack
from mingolotss.dataset.label_columns import TAGS, VOTES
from mingolotss.dataset.layout import ExportFolder, stamp_files
from mingolotss.dataset.masks import MASK
from mingolotss.dataset.records import Records, read_stored_records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays
from mingolotss.dataset.split_names import select
from mingolotss.formats.base import ExportHeader, Format
from mingolotss.io.files import atomic_path

__all__ = ["PARQUET", "find_parquet", "read_parquet", "write_parquet"]

_FILE_ROWS = 50_000  # 300 MB of stamps
_ROW_GROUP = 1000
_TYPES = {"string": "string", "double": "float64", "float": "float32", "bool": "bool"}


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
            table = _with_wide_labels(records.take(rows[start : start + _FILE_ROWS]).table)
            with atomic_path(export.parquet(split, number, len(starts))) as temporary:
                pq.write_table(
                    table.replace_schema_metadata(metadata),
                    temporary,
                    compression="zstd",
                    row_group_size=_ROW_GROUP,
                )


def _with_wide_labels(table: pa.Table) -> pa.Table:
    """Give labels and tags the type of ClassLabel, int64."""
    kinds: dict[str, pa.DataType] = {"label": pa.int64()}
    if _is_list(table, TAGS.name):
        kinds[TAGS.name] = pa.list_(pa.int64())
    for name, kind in kinds.items():
        index, field = table.column_names.index(name), table.schema.field(name).with_type(kind)
        table = table.set_column(index, field, table[name].cast(kind))
    return table


def _is_list(table: pa.Table, name: str) -> bool:
    """Return whether a column is one of tags or votes, and not one of the catalogue's own."""
    return name in table.column_names and pa.types.is_list(table.schema.field(name).type)


def _metadata(records: Records, header: ExportHeader) -> dict[str, str]:
    """Describe the columns as `datasets` does: its Features, in the metadata of the schema."""
    features: dict[str, object] = {}
    for field in _with_wide_labels(records.table).schema:
        kind = _TYPES.get(str(field.type), str(field.type))
        features[field.name] = {"dtype": kind, "_type": "Value"}
    if "image" in features:
        features["image"] = {"_type": "Image"}
    if records.has_masks:
        features[MASK.name] = {"_type": "Image"}
    if CHANNELS_COLUMN.name in features:
        features[CHANNELS_COLUMN.name] = _list_feature(CHANNELS_COLUMN.type)
    if records.classes:
        label = {"names": list(records.classes), "_type": "ClassLabel"}
        features["label"] = label
        # Versions of `datasets` up to 3 have the name Sequence, and later ones read it as List.
        if _is_list(records.table, TAGS.name):
            features[TAGS.name] = {"feature": label, "_type": "Sequence"}
    if _is_list(records.table, VOTES.name):
        features[VOTES.name] = {
            "feature": {"dtype": "float64", "_type": "Value"},
            "_type": "Sequence",
        }
    metadata = {
        "huggingface": json.dumps({"info": {"features": features}}),
        "mingolotss.facts": json.dumps(header.to_dict()),
    }
    if records.split_plan:
        metadata[SPLIT_KEY.decode()] = records.split_plan
    shape = records.shape
    if shape.channels:
        metadata |= {key.decode(): text.decode() for key, text in shape.to_metadata().items()}
        metadata["PANDAS_ATTRS"] = json.dumps(shape.to_json())
    return metadata


def _list_feature(kind: pa.ListType) -> list[dict[str, object]]:
    """Describe a list of structs as `datasets` does."""
    fields = list(kind.value_type)
    kinds = {field.name: _TYPES.get(str(field.type), str(field.type)) for field in fields}
    return [{name: {"dtype": dtype, "_type": "Value"} for name, dtype in kinds.items()}]


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
    records = read_stored_records(path).in_splits()
    if split != "all":
        records = records.take(select(records.texts("split"), split, str(path)))
    records = records.with_images()
    texts = [records.texts(name) for name in TEXT_COLUMNS]
    shape = records.shape
    images: ImageArray | ImageStack = (
        ImageStack([records.lazy_images()]) if shape.is_png else records.images()
    )
    masks = records.lazy_masks()
    return Arrays(
        images, records.labels, records.classes, *texts,
        channels=shape.channels, vectors=records.vectors,
        masks=None if masks is None else ImageStack([masks]),
    )  # fmt: skip


PARQUET = Format(
    write_parquet,
    find_parquet,
    read_parquet,
    ('datasets.load_dataset("FOLDER")', 'mingolotss.MingoLoTSS("FOLDER")'),
)
