"""Folders in an object store, which has no folders and renames nothing: objects go one by one.

>>> from mingolotss.io.files import locate
>>> store = locate("memory://store-folders")
>>> for name in ("x", "list"):
...     _ = (store / "stage" / name).write_text("")
>>> move_objects(store / "stage", store / "out", last=("list",))
>>> sorted(path.name for path in store.rglob("*") if path.is_file())
['list', 'x']
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mingolotss.io.files import file_system, writing_to_store

if TYPE_CHECKING:
    from upath import UPath

__all__ = ["move_objects", "upload_folder"]


def upload_folder(source: Path, target: Path) -> None:
    """Write every file of a folder on this machine to a folder in an object store.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    files = sorted(path for path in source.rglob("*") if path.is_file())
    objects = [_key(target / path.relative_to(source).as_posix()) for path in files]
    with writing_to_store(target):
        file_system(target).put([str(path) for path in files], objects)


def move_objects(source: Path, target: Path, last: Sequence[str]) -> None:
    """Move every object of a folder to another one of the same store.

    An object is copied by the store itself, complete or not at all, and the old ones are removed
    when all copies are there.

    Parameters
    ----------
    source, target : Path
    last : sequence of str
        The objects that are copied after all others, one after another: a reader who finds the
        last of them finds all.

    Raises
    ------
    InputError
        An object cannot be copied.
    """
    paths = sorted(
        path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()
    )
    at_end = [name for name in last if name in paths]
    groups = [[name for name in paths if name not in at_end], *([name] for name in at_end)]
    with writing_to_store(target):
        store = file_system(target)
        for names in filter(None, groups):
            old, new = ([_key(folder / name) for name in names] for folder in (source, target))
            store.copy(old, new)
        store.rm(_key(source), recursive=True)


def _key(path: Path) -> str:
    """Return the name of an object as its file system has it."""
    return str(cast("UPath", path).path)
