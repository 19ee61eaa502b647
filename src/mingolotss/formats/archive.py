"""One folder as a tar.gz: the same files give the same bytes."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from mingolotss.io.files import atomic_path

__all__ = ["write_tar"]


def write_tar(folder: Path) -> Path:
    """Write ``FOLDER.tar.gz`` beside `folder`, members named from inside it; return its path."""
    path = folder.with_name(folder.name + ".tar.gz")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with (
        atomic_path(path) as beside,
        beside.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in files:
            entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as stream:
                archive.addfile(entry, stream)
    return path
