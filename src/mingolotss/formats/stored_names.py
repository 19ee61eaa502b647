"""The true names behind the names of files: an export's manifest holds both.

Names on disk are never decoded, since a long one is shortened (``io/file_names.py``). A dataset
without a manifest keeps the names that its files have.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mingolotss.dataset.layout import ExportFolder
from mingolotss.errors import DatasetError
from mingolotss.io.file_names import safe_name

__all__ = ["images_by_file", "true_splits"]


def true_splits(folder: Path, stored: Sequence[str]) -> list[str]:
    """Return the names of splits that files are named after.

    Parameters
    ----------
    folder : Path
        Of the export.
    stored : sequence of str
        The names on disk.
    """
    if all(name.isidentifier() for name in stored):
        return list(stored)  # nearly always: none is encoded, and the manifest need not be read
    from mingolotss.dataset.manifest import read_manifest  # needs pyarrow, 90 ms

    names: dict[str, str] = {}
    with suppress(DatasetError):
        splits = read_manifest(folder, ["split"])["split"].unique().to_pylist()
        names = {safe_name(split): split for split in splits if split}
    return [names.get(name, name) for name in stored]


def images_by_file(folder: Path) -> dict[str, tuple[str, str]]:
    """Return image file and source of the manifest's rows, by the name of the PNG on disk.

    Parameters
    ----------
    folder : Path
        Of the export.
    """
    from mingolotss.dataset.manifest import read_manifest

    try:
        table = read_manifest(folder, ["image_file", "source"])
    except DatasetError:
        return {}
    rows = zip(table["image_file"].to_pylist(), table["source"].to_pylist(), strict=True)
    return {ExportFolder.png_name(file or ""): (file or "", source or "") for file, source in rows}
