"""The splits that a list or another dataset has, read for the plans ``file:`` and ``like:``.

A list is a table with the columns ``name`` (or ``source``) and ``split``, in any format that a
catalogue can have. Of a dataset the splits are read from its manifest, and from the dataset itself
where there is none, as in published batches.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.columns import to_text
from mingolotss.catalogue.table import Column, ColumnRequest, Table
from mingolotss.catalogue.tables import read_table
from mingolotss.catalogue.typed_columns import to_arrow
from mingolotss.dataset.layout import BuildFolder, DatasetFolder
from mingolotss.dataset.manifest import read_manifest, read_rows, written_rows
from mingolotss.dataset.published import recipe_of_classes
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.splits import SplitPlan, SplitRecord
from mingolotss.dataset.splits.listed import describe_words
from mingolotss.dataset.splits.record import splits_digest
from mingolotss.dataset.splits.split_words import SplitWords, column_words
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.errors import CatalogueError, InputError
from mingolotss.formats.finding import find_datasets
from mingolotss.formats.splits_csv import read_splits
from mingolotss.io.files import sha256_file
from mingolotss.io.places import absolute_path
from mingolotss.model import Floats
from mingolotss.registry import nearest

__all__ = ["read_dataset_splits", "read_split_list", "read_split_record"]

_NAME_COLUMNS = ("name", "source", "source_name", "source_id")  # the first that a list has
_SPLIT, _REASON = "split", "reason"
_COLUMNS = ("source", "ra", "dec", "split")


def read_split_record(plan: SplitPlan) -> SplitRecord | None:
    """Read the list or the dataset of a plan ``file:`` or ``like:``; None for other plans.

    Parameters
    ----------
    plan : SplitPlan
        Its path is one from the working directory, unless it is absolute.

    Raises
    ------
    InputError
        There is no such list or dataset, or it gives no splits.
    DatasetError
        The dataset is damaged.
    """
    if plan.kind not in ("file", "like"):
        return None
    path = Path(plan.argument).expanduser()
    return read_split_list(path) if plan.kind == "file" else read_dataset_splits(path)


def read_split_list(path: Path) -> SplitRecord:
    """Read a list that gives names their splits.

    Parameters
    ----------
    path : Path
        CSV, or another format of catalogues, with the columns ``name`` or ``source``, and
        ``split``. A column ``reason`` is read too.

    Raises
    ------
    InputError
        It cannot be read, lacks a column, a row has no name, or a split is misspelt.
    """
    action = f"read the splits of {path}"
    try:
        table = read_table(path, ColumnRequest((), everything=True))
    except CatalogueError as error:
        text = str(error).removeprefix(f"read the catalogue {path}: ")
        raise InputError(f"{action}: {text}") from error
    name = _find_column(table, _NAME_COLUMNS, action)
    split = _find_column(table, (_SPLIT,), action)
    names = _texts(table.columns[name], name)
    if not names:
        raise InputError(f"{action}: it has no rows")
    unnamed = [row for row, text in enumerate(names) if not text]
    if unnamed:
        raise InputError(
            f"{action}: {len(unnamed):,} rows have no {name}, the first is row {unnamed[0] + 1}"
        )
    try:
        words = SplitWords.of(column_words(to_arrow(table.columns[split], split)))
    except InputError as error:
        raise InputError(f"{action}: its column {split!r}: {error}") from error
    reasons = table.columns.get(_REASON)
    return SplitRecord(
        names=tuple(names),
        splits=words.splits,
        origin=_name_of(path),
        sha256=sha256_file(path),
        reasons=() if reasons is None else tuple(to_text(reasons, _REASON)),
        notices=tuple(describe_words(words)),
    )


def read_dataset_splits(path: Path) -> SplitRecord:
    """Read the splits of a build, an export, or published batches.

    Parameters
    ----------
    path : Path
        A folder, or one Parquet file of images.

    Raises
    ------
    InputError
        There is no dataset, it is an archive, or it has no splits or does not name its sources.
    DatasetError
        It is damaged.
    """
    action = f"read the splits of {path}"
    _check_dataset(path, action)
    if path.is_dir() and DatasetFolder(path).manifest.is_file():
        record = _read_manifest_splits(path)
    elif paths := stamp_files(path):
        tables = [read_rows(file, _COLUMNS) for file in paths]
        record = _record_of(pa.concat_tables(tables))
    else:
        record = _read_format_splits(path, action)
    if not any(record.splits):
        raise InputError(f"{action}: none of its {len(record):,} sources is in a split")
    digest = splits_digest(record.names, record.splits)
    return replace(record, origin=_name_of(path), sha256=digest)


def _check_dataset(path: Path, action: str) -> None:
    if not path.exists():
        raise InputError(f"{action}: there is nothing there; give a build, an export or batches")
    if path.is_dir():
        build = BuildFolder(path)
        if build.candidates.exists() and not build.checksums.exists():
            raise InputError(f"{action}: the build in it is not finished; build it first")
    elif tarfile.is_tarfile(path) or zipfile.is_zipfile(path):
        raise InputError(f"{action}: it is an archive; unpack it and give its folder")
    elif path.suffix != ".parquet":
        raise InputError(f"{action}: it is a file; give a dataset, or for a list: file:{path}")


def _read_manifest_splits(folder: Path) -> SplitRecord:
    """Return the splits of ``splits.csv``, which lists every source, or else of the manifest."""
    table = read_manifest(folder, [*_COLUMNS, "status"])
    path = DatasetFolder(folder).splits
    if not path.is_file():
        return _record_of(written_rows(table))
    rows = read_splits(path)
    names = pa.array([*rows], pa.string())
    place = table.take(pc.index_in(names, table["source"].combine_chunks()))
    ra, dec = (np.asarray(place[name].fill_null(np.nan), float) for name in ("ra", "dec"))
    splits, reasons = zip(*rows.values(), strict=True) if rows else ((), ())
    return SplitRecord(tuple(rows), splits, "", reasons=reasons, ra=ra, dec=dec)


def _record_of(table: pa.Table) -> SplitRecord:
    """Return the splits of rows of a manifest; a source without a split is left out."""
    ra, dec = (np.asarray(table[name].fill_null(np.nan), float) for name in ("ra", "dec"))
    names, splits = (table[name].fill_null("").to_pylist() for name in ("source", "split"))
    return SplitRecord(tuple(names), tuple(splits), "", ra=ra, dec=dec)


def _read_format_splits(path: Path, action: str) -> SplitRecord:
    for dataset_format, place in find_datasets(path):
        samples = dataset_format.read(place, "all")
        if not samples.sources or not samples.splits:
            missing = "name its sources" if samples.splits else "say which image is in a split"
            raise InputError(f"{action}: it does not {missing}")
        ra, dec = _published_positions(samples)
        return SplitRecord(samples.sources, samples.splits, "", ra=ra, dec=dec)
    raise InputError(f"{action}: no dataset in a known format; give a build, an export or batches")


def _published_positions(samples: Arrays) -> tuple[Floats, Floats]:
    """Return the positions in the published list of a dataset; NaN where there is none."""
    recipe = recipe_of_classes(samples.classes)
    published = None if recipe is None else recipe.published.read_list()
    if published is None:
        unknown = np.full(len(samples), np.nan)
        return unknown, unknown
    rows = published.rows_of(samples.sources)
    return np.append(published.ra, np.nan)[rows], np.append(published.dec, np.nan)[rows]


def _name_of(path: Path) -> str:
    """Return the name of a file or folder as a text that can be recorded."""
    return os.fsencode(absolute_path(path).name).decode("utf-8", "replace")


def _find_column(table: Table, names: Sequence[str], action: str) -> str:
    """Return the column of one of these names in any case, with blanks or underscores."""
    plain = {name.strip().casefold().replace(" ", "_"): name for name in table.columns}
    for name in names:
        if name in plain:
            return plain[name]
    wanted = " or ".join(map(repr, names[:2]))
    left_out = [reason for name, reason in table.left_out.items() if name.casefold() in names]
    if left_out:
        raise InputError(f"{action}: {left_out[0]}")
    known = [name for name in table.names if name]
    raise InputError(
        f"{action}: no column {wanted};{nearest(names[0], known)} it has {', '.join(known)}"
    )


def _texts(column: Column, name: str) -> list[str]:
    """Return text to the letter where the file has text, also with blanks at its ends."""
    if isinstance(column.values, np.ndarray):
        return to_text(column, name)
    texts: list[str] = column.values.fill_null("").to_pylist()
    return texts
