"""The columns of a HATS collection, and its rows from the records of a dataset.

A row has the HEALPix index of the source, its name as the Multimodal Universe calls it
(``object_id``), its images, and then the columns of the manifest. The stamps of a dataset of PNG
files are the column ``stamp``; all others are lists of lists of numbers, ``pixels``, which every
reader of Parquet opens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.hats_columns import INDEX_COLUMN, OBJECT_ID, PIXELS, STAMP, nest_lists
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import decode_stamps
from mingolotss.formats.hats.image_column import FLUX_IMAGE, image_feature
from mingolotss.formats.hub_features import features_header, with_wide_labels
from mingolotss.model import Ints

__all__ = ["collection_features", "collection_rows", "with_image"]

_IMAGES = ("image", "pixels", "mask")
_FIRST = (INDEX_COLUMN, OBJECT_ID, STAMP, PIXELS, "mask")


def collection_rows(table: pa.Table, index: Ints, shape: StampShape, *, arrays: bool) -> pa.Table:
    """Return records as rows of a collection.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of `mingolotss.dataset.records.Records`.
    index : int64 array, shape (n,)
        HEALPix indices of order 29.
    shape : StampShape
    arrays : bool
        Give PNG stamps as numbers, too.
    """
    table = with_wide_labels(table)
    columns = {INDEX_COLUMN: pa.array(index), OBJECT_ID: table["source"]}
    if shape.is_png:
        columns[STAMP] = table["image"]
    if arrays or not shape.is_png:
        columns[PIXELS] = _pixel_lists(table, shape)
    columns |= {name: table[name] for name in table.column_names if name == "mask"}
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    described = [name for name in table.column_names if name not in _IMAGES]
    others = [nest_lists(table[name]) for name in described]
    fields += [
        table.schema.field(name).with_type(column.type)
        for name, column in zip(described, others, strict=True)
    ]
    return pa.table([*columns.values(), *others], schema=pa.schema(fields))


def with_image(table: pa.Table, field: pa.Field, column: pa.ChunkedArray | None = None) -> pa.Table:
    """Return rows of a collection with the column ``image``, after the other columns of images.

    Parameters
    ----------
    table : pyarrow.Table
    field : pyarrow.Field
    column : array, optional
        Nulls, without it.
    """
    place = max(table.column_names.index(name) for name in table.column_names if name in _FIRST) + 1
    values = pa.nulls(len(table), field.type) if column is None else column
    return table.add_column(place, field, values)


def _pixel_lists(table: pa.Table, shape: StampShape) -> pa.Array:
    """Return the stamps as lists of lists of numbers."""
    if shape.is_png:
        encoded = pc.struct_field(table["image"], "bytes").to_pylist()
    else:
        encoded = table["pixels"].to_pylist()
    pixels = decode_stamps(encoded, table["source"].to_pylist(), shape)
    lists = pa.array(np.ascontiguousarray(pixels).reshape(-1))
    for size in reversed(pixels.shape[1:]):
        offsets = np.arange(0, len(lists) + 1, size, dtype=np.int32)
        lists = pa.ListArray.from_arrays(offsets, lists)
    return lists


def collection_features(
    schema: pa.Schema, classes: Sequence[str], shape: StampShape, side: int
) -> dict[str, str]:
    """Return the metadata that `datasets` reads.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of `collection_rows`.
    classes : sequence of str
    shape : StampShape
    side : int, px
    """
    features: dict[str, object] = {}
    if STAMP in schema.names:
        features[STAMP] = {"_type": "Image"}
    if PIXELS in schema.names:
        axes = [len(shape.channels), side, side] if shape.channels else [side, side]
        features[PIXELS] = _array_feature(axes, shape.dtype)
    if FLUX_IMAGE in schema.names:
        features[FLUX_IMAGE] = image_feature(side, side)
    return features_header(schema, classes, features)


def _array_feature(axes: list[int], dtype: Literal["uint8", "float32"]) -> dict[str, object]:
    """Describe an array of numbers as `datasets` does."""
    return {"shape": axes, "dtype": dtype, "_type": f"Array{len(axes)}D"}
