"""The columns of a table as Hugging Face `datasets` describes them, in the metadata of its schema.

>>> header = features_header(pa.schema([("ra", pa.float64())]))
>>> header["huggingface"]
'{"info": {"features": {"ra": {"dtype": "float64", "_type": "Value"}}}}'
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from mingolotss.dataset.channel_table import CHANNELS_COLUMN
from mingolotss.dataset.label_columns import TAGS, VOTES
from mingolotss.dataset.masks import MASK, has_masks

__all__ = ["features_header", "is_list", "with_wide_labels"]

_TYPES = {"string": "string", "double": "float64", "float": "float32", "bool": "bool"}
_IMAGE = {"_type": "Image"}


def features_header(
    schema: pa.Schema,
    classes: Sequence[str] = (),
    features: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return the metadata that `datasets` reads.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns, with the labels as `with_wide_labels` makes them.
    classes : sequence of str
        The name of each label; none for a dataset without labels.
    features : mapping of str to object, optional
        The features of columns that are neither values, nor labels, nor masks.
    """
    described: dict[str, object] = {
        field.name: {"dtype": _TYPES.get(str(field.type), str(field.type)), "_type": "Value"}
        for field in schema
    }
    if has_masks(schema) and MASK.name in described:
        described[MASK.name] = _IMAGE
    if CHANNELS_COLUMN.name in described:
        described[CHANNELS_COLUMN.name] = _list_feature(
            CHANNELS_COLUMN.type,
            is_nested=pa.types.is_struct(schema.field(CHANNELS_COLUMN.name).type),
        )
    if classes:
        label = {"names": list(classes), "_type": "ClassLabel"}
        described["label"] = label
        # Versions of `datasets` up to 3 have the name Sequence, and later ones read it as List.
        if is_list(schema, TAGS.name):
            described[TAGS.name] = {"feature": label, "_type": "Sequence"}
    if is_list(schema, VOTES.name):
        described[VOTES.name] = {
            "feature": {"dtype": "float64", "_type": "Value"},
            "_type": "Sequence",
        }
    described |= features or {}
    return {"huggingface": json.dumps({"info": {"features": described}})}


def with_wide_labels(table: pa.Table) -> pa.Table:
    """Give labels and tags the type of ClassLabel, int64."""
    kinds: dict[str, pa.DataType] = {"label": pa.int64()}
    if is_list(table.schema, TAGS.name):
        kinds[TAGS.name] = pa.list_(pa.int64())
    for name, kind in kinds.items():
        index, field = table.column_names.index(name), table.schema.field(name).with_type(kind)
        table = table.set_column(index, field, table[name].cast(kind))
    return table


def is_list(schema: pa.Schema, name: str) -> bool:
    """Return whether a column is one of tags or votes, and not one of the catalogue's own."""
    return name in schema.names and pa.types.is_list(schema.field(name).type)


def _list_feature(kind: pa.ListType, *, is_nested: bool) -> object:
    """Describe a list of structs as `datasets` does, or a struct of the same lists."""
    fields = list(kind.value_type)
    kinds = {field.name: _TYPES.get(str(field.type), str(field.type)) for field in fields}
    feature = {name: {"dtype": dtype, "_type": "Value"} for name, dtype in kinds.items()}
    # A Sequence of a dictionary is a dictionary of lists, in every version of `datasets`.
    return {"feature": feature, "_type": "Sequence"} if is_nested else [feature]
