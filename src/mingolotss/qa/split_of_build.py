"""The splits of a finished build: shares, pairs across splits, and who is left out and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest, written_rows
from mingolotss.dataset.measured_split import measured_columns, measured_split
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.splits import SplitResult
from mingolotss.formats.splits_csv import read_splits

__all__ = ["reasons_without_split", "split_columns", "split_of_build", "split_of_rows"]


def split_of_build(out: Path) -> SplitResult | None:
    """Describe the splits of a build, by the measured size of its stamps.

    None if it is not finished, or has no image. The pairs across splits are those that the build
    counted when it finished, and are counted here where it recorded none.

    Parameters
    ----------
    out : Path
        The folder of a finished build.

    Raises
    ------
    DatasetError
        Its manifest or ``splits.csv`` is damaged.
    """
    provenance = read_provenance(out)
    if provenance is None or not BuildFolder(out).manifest.exists():
        return None
    table = read_manifest(out, split_columns(provenance))
    return split_of_rows(out, provenance, written_rows(table))


def split_columns(provenance: Provenance) -> list[str]:
    """Return the columns of the manifest that `split_of_rows` needs."""
    return ["row", "source", *measured_columns(provenance.recipe)]


def split_of_rows(out: Path, provenance: Provenance, written: pa.Table) -> SplitResult | None:
    """Describe the splits of a finished build, whose manifest has been read; None without an image.

    Parameters
    ----------
    out : Path
        The folder of the build.
    provenance : Provenance
    written : Table
        The written rows of the manifest, with the columns `split_columns`.
    """
    if not len(written):
        return None
    record = provenance.split
    pairs = None if record is None else record.pairs_across
    split = measured_split(
        written,
        provenance.recipe,
        provenance.split_plan,
        provenance.classes,
        change="" if record is None else record.change,
        reasons=reasons_without_split(out, provenance, written),
        with_pairs=pairs is None,
    )
    return split if pairs is None else replace(split, pairs_across=pairs)


def reasons_without_split(out: Path, provenance: Provenance, written: pa.Table) -> list[str] | None:
    """Return why each written source is in no split, "" for the others; None if all are in one.

    Parameters
    ----------
    out : Path
        The folder of the build.
    provenance : Provenance
    written : Table
        Rows of the manifest with the columns ``source`` and ``split``.
    """
    if not written["split"].null_count:
        return None
    path = BuildFolder(out).splits
    rows = read_splits(path) if provenance.split is not None and path.is_file() else {}
    names, splits = written["source"].to_pylist(), written["split"].to_pylist()
    return [
        "" if split is not None or name not in rows else rows[name].reason
        for name, split in zip(names, splits, strict=True)
    ]
