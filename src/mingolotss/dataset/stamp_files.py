"""Which Parquet files of images a dataset has, in the order in which they are read."""

from __future__ import annotations

from pathlib import Path

from mingolotss.dataset.hats_catalogue import find_catalogue, is_hats
from mingolotss.dataset.layout import table_files
from mingolotss.errors import DatasetError

__all__ = ["stamp_files"]


def stamp_files(root: Path) -> list[Path]:
    """List the Parquet files of images at `root`.

    Parameters
    ----------
    root : Path
        A build, an export, a build's folder of stamps, a HATS collection or catalogue, or one
        Parquet file.

    Raises
    ------
    DatasetError
        The properties of a HATS collection are damaged, or it lacks a partition.
    """
    files = table_files(root)
    if files or not is_hats(root):
        return files
    catalogue = find_catalogue(root)
    if not catalogue.partitions:
        kind = catalogue.kind or "unknown type"
        raise DatasetError(
            f"read {catalogue.folder.path}: a HATS catalogue ({kind}) without partitions of the "
            "sky; give the collection, or its catalogue of sources"
        )
    return catalogue.files()
