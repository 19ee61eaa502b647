"""The part of a build's card that tells Hugging Face `datasets` where its images are.

``load_dataset(FOLDER)`` then opens the stamps of a build, with images and class names. A part of a
build has sources of several splits, since parts follow the sky; `datasets` divides only by files,
and its name "all" is reserved. All images are therefore one split with a name of its own, and the
column ``split`` of the manifest is beside each image. An export has files for each split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.label_columns import TAGS
from mingolotss.dataset.layout import BuildFolder
from mingolotss.io.parquet import read_schema

__all__ = ["ALL_SPLITS", "describe_stamps"]

ALL_SPLITS = "all_splits"
_DTYPES = {"double": "float64", "float": "float32"}


def describe_stamps(folder: Path, classes: Sequence[str]) -> list[str]:
    """Return the lines of YAML for the stamps of a build; none if it has no Parquet files.

    Parameters
    ----------
    folder : Path
        Of the build.
    classes : sequence of str
    """
    build = BuildFolder(folder)
    paths = build.all_stamps()
    if not paths:
        return []
    pattern = build.name_of(build.stamps / f"*{paths[0].suffix}")
    lines = ["configs:", "- config_name: default", "  data_files:", f"  - split: {ALL_SPLITS}"]
    lines += [f"    path: {pattern}", "dataset_info:", "  features:"]
    for field in read_schema(paths[0]):
        lines.append(f"  - name: {_quoted(field.name)}")
        lines += _feature(field, classes)
    return lines


def _feature(field: pa.Field, classes: Sequence[str]) -> list[str]:
    """Describe one column, in the words of `datasets.Features`."""
    if pa.types.is_list(field.type):
        return _list_feature(field, classes)
    if pa.types.is_struct(field.type):
        return ["    dtype: image"]
    if field.name == "label" and classes:
        return ["    dtype:", *_class_label(classes)]
    return [f"    dtype: {_dtype(field.type)}"]


def _list_feature(field: pa.Field, classes: Sequence[str]) -> list[str]:
    """Describe a column of lists: of tags, of votes, of numbers, or of structs."""
    member = field.type.value_type
    if field.name == TAGS.name and classes:
        return ["    sequence:", *_class_label(classes)]
    if pa.types.is_struct(member):
        lines = ["    list:"]
        for part in member:
            lines += [f"    - name: {_quoted(part.name)}", f"      dtype: {_dtype(part.type)}"]
        return lines
    return [f"    sequence: {_dtype(member)}"]


def _class_label(classes: Sequence[str]) -> list[str]:
    names = [f"          '{label}': {_quoted(name)}" for label, name in enumerate(classes)]
    return ["      class_label:", "        names:", *names]


def _dtype(kind: pa.DataType) -> str:
    return _DTYPES.get(str(kind), str(kind))


def _quoted(text: str) -> str:
    """Return a text as YAML, which takes strings as JSON has them."""
    return json.dumps(text, ensure_ascii=False)
