"""A folder that appears complete or not at all, on a disk or in an object store."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import InputError
from mingolotss.io.files import (
    TEMPORARY_PREFIX,
    as_input_error,
    is_local,
    missing_folders,
    remove_empty,
    remove_tree,
    writing_to_store,
)
from mingolotss.io.lock import file_lock, lock_path
from mingolotss.io.store_folders import move_objects, upload_folder

__all__ = ["staged_export"]

_STAGE = f"{TEMPORARY_PREFIX}export-"  # begins the name of a stage in an object store


@contextmanager
def staged_export(out: Path, *, fresh: bool | None, in_store: bool = False) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `out` when the block ends well.

    Parameters
    ----------
    out : Path
        Must not exist, or be an empty folder, or with `fresh` an export.
    fresh : bool or None
        Whether to replace an export; None if the command cannot.
    in_store : bool
        If `out` is in an object store, the temporary folder is there too. Otherwise it is on this
        machine in any case.

    Raises
    ------
    InputError
        `out` is something else, cannot be written, or another export is writing to it.
    """
    stages = _staged_on_disk(out, fresh=fresh)
    if not is_local(out):
        stages = _staged_in_store(out, fresh=fresh, in_store=in_store)
    with stages as stage:
        yield stage


@contextmanager
def _staged_on_disk(out: Path, *, fresh: bool | None) -> Iterator[Path]:
    if not out.name:
        out = out.resolve()
    _check_free(out, fresh=fresh)
    created = missing_folders(out.parent)
    stage = out.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{out.name}")
    try:
        with file_lock(lock_path(out), wait=False):
            _sweep(out)
            try:
                stage.mkdir(parents=True)
                yield stage
                shutil.rmtree(out, ignore_errors=True)
                stage.rename(out)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except BlockingIOError as error:
        raise InputError(
            f"export to {out}: another export is writing there; wait for it or choose another --out"
        ) from error
    except OSError as error:
        raise as_input_error(error, out) from error
    finally:
        remove_empty(created)


@contextmanager
def _staged_in_store(out: Path, *, fresh: bool | None, in_store: bool) -> Iterator[Path]:
    """Do the same in an object store.

    The stage is in `out` itself, since a key for one folder of a store may not write beside it. Its
    objects are moved when all are there, those that readers begin with at the end. An export that
    was interrupted in between has a stage and no list of checksums, and the next one replaces it.
    """
    with writing_to_store(out):
        _check_free(out, fresh=fresh)
    stage = out / f"{_STAGE}{secrets.token_hex(4)}"
    try:
        try:
            if in_store:
                yield stage
            else:
                with TemporaryDirectory(prefix="mingolotss-") as folder:
                    yield Path(folder)
                    upload_folder(Path(folder), stage)
        except BaseException:
            with suppress(OSError):
                remove_tree(stage)
            raise
        for path in _entries(out):
            if path.name != stage.name:
                remove_tree(path)
        move_objects(stage, out, last=[BuildFolder(out).checksums.name])
    except OSError as error:
        raise as_input_error(error, out) from error


def _entries(out: Path) -> list[Path]:
    return list(out.iterdir()) if out.is_dir() else []


def _sweep(out: Path) -> None:
    """Remove the stages of killed exports to `out`; the lock says that none is running."""
    name = re.compile(re.escape(TEMPORARY_PREFIX) + r"\d+-" + re.escape(out.name))
    for entry in out.parent.iterdir():
        if name.fullmatch(entry.name) and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _check_free(out: Path, *, fresh: bool | None) -> None:
    entries = _entries(out)
    if entries:
        folder = BuildFolder(out)
        is_dataset = folder.manifest.is_file() and folder.checksums.is_file()
        is_build = folder.part_tables.exists()
        is_broken = not folder.checksums.exists() and any(
            path.name.startswith(_STAGE) for path in entries
        )
        if is_broken and not is_build:
            return
        if not fresh or not is_dataset or is_build:
            hint = ""
            if fresh is not None:
                can_replace = is_dataset and not fresh
                hint = " (or --fresh to replace it)" if can_replace else " (it is not an export)"
            raise InputError(f"export to {out}: something is there; choose another --out{hint}")
    elif out.exists() and not out.is_dir():
        raise InputError(f"export to {out}: a file is there; choose another --out")
