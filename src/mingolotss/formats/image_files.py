"""Checks of the formats with a file for each image: PNG folders and FITS files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.io.files import same_file

__all__ = ["check_distinct", "check_splits"]


def check_distinct(
    paths: Sequence[Path], records: Records, export: ExportFolder, header: ExportHeader
) -> None:
    """Refuse two images that would be one file.

    Raises
    ------
    InputError
        The message names both sources.
    """
    # Images of different folders count too, since readers find an image by its name.
    pair = same_file([path.name for path in paths], export.path)
    if pair is not None:
        sources = records.texts("source")
        raise InputError(
            f"export {header.name} as {header.format}: the images of {sources[pair[0]]!r} and "
            f"{sources[pair[1]]!r} would be one file here, {paths[pair[0]].name}; rename a source, "
            "or use another format"
        )


def check_splits(
    splits: Iterable[str], own: Iterable[Path], export: ExportFolder, header: ExportHeader
) -> None:
    """Refuse a split whose folder would take the place of a file of the export.

    Parameters
    ----------
    splits : iterable of str
    own : iterable of Path
        Further files of the format.
    export : ExportFolder
    header : ExportHeader

    Raises
    ------
    InputError
        The message names the split.
    """
    files = {
        path.name.lower()
        for path in (
            export.manifest, export.recipe, export.checksums, export.card, export.croissant,
            export.channels, *own,
        )
    }  # fmt: skip
    for split in splits:
        if split.lower() in files:
            raise InputError(
                f"export {header.name} as {header.format}: the split {split!r} is called like a "
                "file of the export; choose another name"
            )
