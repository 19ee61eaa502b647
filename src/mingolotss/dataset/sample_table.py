"""The metadata of samples as a table: one row for each image, in the order of the images.

The columns are those of the manifest, which lies beside the images in a build and in every export.
A dataset without one, for example the published batches, has the columns that its files give.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import (
    VECTOR_COLUMNS,
    VOTES_TOTAL,
    join_names,
    vector_columns,
    with_class_names,
)
from mingolotss.dataset.layout import BatchFolder, DatasetFolder
from mingolotss.dataset.manifest import MANIFEST, further_fields, read_manifest
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.io.parquet import read_schema, read_table
from mingolotss.model import Ints

__all__ = ["dataset_folder", "sample_table", "without_nulls"]

_OMITTED = ("status", "stage", "reason")  # of rejections
_PARTS = ("stamps", "data")  # folders inside a build and an export
_ORIGINAL_CLASS = "manifest_class"
_NEEDED = ("source", "image_file", "class")


def sample_table(
    root: Path | None,
    sources: Sequence[str],
    filenames: Sequence[str],
    splits: Sequence[str],
    labels: Ints,
    classes: Sequence[str],
    vectors: LabelVectors | None = None,
) -> pa.Table:
    """Return the metadata of samples.

    Parameters
    ----------
    root : Path or None
        The dataset, or a part of it.
    sources, filenames, splits : sequence of str, length n or 0
        Name of the source, of its image and of its split.
    labels : int array, shape (n,)
        -1 where there is none.
    classes : sequence of str
    vectors : LabelVectors or None
        The tags or votes.

    Returns
    -------
    pyarrow.Table, n rows
        ``source``, ``label`` (null where there is none), ``class``, ``split``, ``image_file``,
        ``tags`` or ``votes`` and ``votes_total`` of a dataset that has them, and the other columns
        of the manifest, null for a sample that is not in it. ``manifest_class`` is the class in the
        manifest, which is another one after classes were merged.

    Raises
    ------
    DatasetError
        The manifest is damaged.
    """
    n = len(labels)
    names = pa.array([*classes, None], pa.string())
    no_texts = pa.nulls(n, pa.string())
    table = pa.table(
        {
            "source": pa.array(sources, pa.string()) if sources else no_texts,
            "label": pa.array(labels, pa.int64(), mask=labels < 0),
            "class": names.take(pa.array(np.where(labels < 0, len(classes), labels))),
            "split": pa.array(splits, pa.string()) if splits else no_texts,
            "image_file": pa.array(filenames, pa.string()) if filenames else no_texts,
        }
    )
    if vectors is not None:
        if vectors.kind == "tags":
            table = table.set_column(2, "class", join_names(vectors, classes))
        for name, column in vector_columns(vectors).items():
            field = VECTOR_COLUMNS.field(name)
            if name != VOTES_TOTAL.name:
                field = with_class_names(field, classes)
            table = table.append_column(field, column)
    manifest = None if root is None else _read_columns(root)
    if manifest is None:
        return table
    # Every source has a name of its own, but a dataset of another program may lack the names.
    key = "source" if sources else "image_file"
    rows = manifest.take(pc.index_in(table[key], manifest[key].combine_chunks()))
    for name in rows.column_names:
        if name not in table.column_names and name not in _OMITTED:
            table = table.append_column(rows.schema.field(name), rows[name])
    return table.add_column(3, _ORIGINAL_CLASS, rows["class"].cast(pa.string()))


def without_nulls(table: pa.Table) -> pa.Table:
    """Replace nulls, which no DataLoader can collate.

    A missing number becomes NaN, a missing integer -1, a missing text "", a missing flag False.
    Lists, of tags for example, are left out: they have several lengths.

    >>> columns = {"flux_mjy": [1.5, None], "field": [None, "P1"], "case": [None, 2]}
    >>> without_nulls(pa.table(columns)).to_pylist()[1]
    {'flux_mjy': nan, 'field': 'P1', 'case': 2}
    """
    columns: list[pa.ChunkedArray] = []
    names: list[str] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_list(column.type):
            continue
        names.append(name)
        if pa.types.is_floating(column.type):
            columns.append(column.fill_null(float("nan")))
        elif pa.types.is_integer(column.type):
            columns.append(column.cast(pa.int64()).fill_null(-1))
        elif pa.types.is_boolean(column.type):
            columns.append(column.fill_null(False))
        elif pa.types.is_null(column.type):
            columns.append(pa.array([""] * len(column)))
        else:
            columns.append(column.cast(pa.string()).fill_null(""))
    return pa.table(columns, names)


def _read_columns(root: Path) -> pa.Table | None:
    """Read the manifest of a dataset, or the same columns of its Parquet files; None without."""
    folder = dataset_folder(root)
    if folder.manifest.is_file():
        table = read_manifest(folder.path, _present_columns(folder.manifest))
    elif paths := stamp_files(root):
        tables = [read_table(path, _present_columns(path), schema=MANIFEST) for path in paths]
        table = pa.concat_tables(tables, promote_options="default")
    else:
        return None
    for name in _NEEDED:  # a file of another program may lack any column
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table


def _present_columns(path: Path) -> list[str]:
    """Return the columns of the manifest, and those beyond it, that a file has."""
    schema = read_schema(path)
    names = [name for name in MANIFEST.names if name in schema.names]
    return names + [field.name for field in further_fields(schema)]


def dataset_folder(root: Path) -> DatasetFolder:
    """Return the folder of the build or export that `root` is, or is a part of."""
    folder = root.parent if root.is_file() else root
    is_part = folder.name in _PARTS or folder.suffix == ".zarr"
    is_part = is_part or BatchFolder(folder).has_batches()
    return DatasetFolder(folder.parent if is_part else folder)
