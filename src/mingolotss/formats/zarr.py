"""Zarr, format 3: a group of ``images`` in chunks of 64, ``labels``, and the rest as attributes."""

from __future__ import annotations

import shutil
from pathlib import Path

from mingolotss.dataset.records import Records
from mingolotss.io.optional import import_optional

__all__ = ["write_zarr"]

_CHUNK = 64  # images; a batch


def write_zarr(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write ``OUT/NAME.zarr``.

    Parameters
    ----------
    records : Records
    out : path
        Folder.
    facts : dict of str
    """
    zarr = import_optional("zarr", f"write {out}")
    path = out / f"{facts['name']}.zarr"
    shutil.rmtree(path, ignore_errors=True)
    images = records.images()
    texts = {name: list(records.texts(name)) for name in ("source", "image_file", "split")}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("images", data=images, chunks=(_CHUNK, *images.shape[1:]))
    group.create_array("labels", data=records.labels)
    group.attrs.update({"classes": list(records.classes), **texts, **facts})
