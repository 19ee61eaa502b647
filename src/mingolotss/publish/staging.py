"""A folder that appears complete or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import InputError
from mingolotss.io.files import (
    TEMPORARY_PREFIX,
    as_input_error,
    missing_folders,
    remove_empty,
)
from mingolotss.io.lock import file_lock, lock_path

__all__ = ["staged_export"]


@contextmanager
def staged_export(out: Path, *, fresh: bool) -> Iterator[Path]:
    """Give a temporary folder beside `out` that takes its place when the block ends well.

    Parameters
    ----------
    out : Path
        Must not exist, or be an empty folder, or with `fresh` an export.
    fresh : bool
        Whether to replace an export.

    Raises
    ------
    InputError
        `out` is something else, cannot be written, or another export is writing to it.
    """
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


def _sweep(out: Path) -> None:
    """Remove the stages of killed exports to `out`; the lock says that none is running."""
    name = re.compile(re.escape(TEMPORARY_PREFIX) + r"\d+-" + re.escape(out.name))
    for entry in out.parent.iterdir():
        if name.fullmatch(entry.name) and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _check_free(out: Path, *, fresh: bool) -> None:
    if out.is_dir() and any(out.iterdir()):
        folder = BuildFolder(out)
        is_dataset = folder.manifest.is_file() and folder.checksums.is_file()
        is_build = folder.part_tables.exists()
        if not fresh or not is_dataset or is_build:
            hint = "or --fresh to replace it" if is_dataset and not fresh else "it is not an export"
            raise InputError(f"export to {out}: something is there; choose another --out ({hint})")
    elif out.exists() and not out.is_dir():
        raise InputError(f"export to {out}: a file is there; choose another --out")
