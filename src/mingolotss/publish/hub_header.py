"""The part of a card that tells Hugging Face `datasets` where the images are.

``load_dataset(FOLDER)`` then opens the stamps of a build, with images and class names. A part of a
build has sources of several splits, since parts follow the sky; `datasets` divides only by files,
and its name "all" is reserved. All images are therefore one split with a name of its own, and the
column ``split`` of the manifest is beside each image. So it is in a HATS collection, of which only
the catalogue is read: its margin and its index would repeat sources. Any other export has files for
each split.

`datasets` keeps what it has read of a folder by the name of the folder and by these lines, and not
by its path or its files: it would give the images of another folder ``hats``, or of an earlier
export. The description of a configuration therefore has a checksum of the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.label_columns import TAGS
from mingolotss.dataset.layout import BuildFolder, DatasetFolder, HatsCollection, HatsFolder
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import read_schema

__all__ = ["ALL_SPLITS", "content_line", "describe_collection", "describe_stamps"]

ALL_SPLITS = "all_splits"
_DTYPES = {"double": "float64", "float": "float32"}


def describe_collection(folder: Path, name: str) -> list[str]:
    """Return the lines of YAML for a HATS collection.

    The columns are described in its files.

    Parameters
    ----------
    folder : Path
        Of the collection.
    name : str
        Of the recipe.
    """
    footers = HatsFolder(HatsCollection(folder, safe_name(name)).catalogue).metadata
    content = content_line(folder, [footers])
    return ["configs:", *_config("default", _collection_pattern(folder, name, folder), content)]


def content_line(folder: Path, further: Iterable[Path] = ()) -> str:
    """Return the line of YAML that differs for datasets of other content.

    Parameters
    ----------
    folder : Path
        Of a build or an export. Its manifest has the checksum of each stamp.
    further : iterable of Path
        Files that depend on what is not in the manifest and the recipe.
    """
    dataset = DatasetFolder(folder)
    digest = hashlib.sha256()
    for path in (dataset.manifest, dataset.recipe, *further):
        digest.update(sha256_file(path).encode() if path.is_file() else b"none")
    return f"  description: SHA-256 of the content {digest.hexdigest()}"


def _config(name: str, pattern: str, content: str) -> list[str]:
    lines = [f"- config_name: {name}", content, "  data_files:", f"  - split: {ALL_SPLITS}"]
    return [*lines, f"    path: {pattern}"]


def _collection_pattern(collection: Path, name: str, folder: Path) -> str:
    """Return the pattern of the partitions of a collection, relative to a folder, as YAML."""
    catalogue = HatsFolder(HatsCollection(collection, safe_name(name)).catalogue)
    place = catalogue.path.relative_to(folder).as_posix()
    return _quoted(f"{place}/{catalogue.partition_pattern()}")


def describe_stamps(
    folder: Path, classes: Sequence[str], collection: str | None = None
) -> list[str]:
    """Return the lines of YAML for the stamps of a build; none if it has no Parquet files.

    Parameters
    ----------
    folder : Path
        Of the build.
    classes : sequence of str
    collection : str, optional
        The name of the recipe, if the build has a HATS collection: ``load_dataset(FOLDER, "hats")``
        then opens it.
    """
    build = BuildFolder(folder)
    paths = build.all_stamps()
    if not paths:
        return []
    pattern = build.name_of(build.stamps / f"*{paths[0].suffix}")
    content = content_line(folder)
    lines = ["configs:", *_config("default", pattern, content)]
    if collection is not None:
        partitions = _collection_pattern(build.hats, collection, folder)
        lines += _config(build.hats.name, partitions, content)
    lines += ["dataset_info:", "  features:"]
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
