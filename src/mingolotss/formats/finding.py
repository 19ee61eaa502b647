"""Find the datasets at a place, in whatever format they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.errors import DatasetError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import Format
from mingolotss.formats.places import FINDERS

__all__ = ["datasets_at", "find_datasets"]

_MOST_NAMES = 4  # of folders in an error message


def find_datasets(place: Path) -> Iterator[tuple[Format, Path]]:
    """Give the datasets at `place`, each with its format, in the order of the table of formats.

    Raises
    ------
    DatasetError
        There is none at `place`, and several of its folders are folders of batches.
    """
    yield from datasets_at(place)
    # The published archives have folders of their own names, which only count if nothing else is
    # there: a folder may contain many things.
    inner = [folder.path for folder in DatasetFolder(place).inner_batch_folders()]
    if len(inner) > 1:
        names = ", ".join(path.name for path in inner[:_MOST_NAMES])
        more = f" and {len(inner) - _MOST_NAMES} more" if len(inner) > _MOST_NAMES else ""
        raise DatasetError(
            f"load a dataset from {place}: it contains several, {names}{more}; give the folder of "
            f"one, for example {inner[0]}"
        )
    for path in inner:
        yield FORMATS.get("batches"), path


def datasets_at(place: Path) -> Iterator[tuple[Format, Path]]:
    """Give the datasets that `place` is, or that lie in it under the names that mingolotss uses."""
    for name in FORMATS:
        shipped = FINDERS.get(name) if FORMATS.is_shipped(name) else None
        for path in (shipped or FORMATS.get(name).find)(place):
            yield FORMATS.get(name), path
