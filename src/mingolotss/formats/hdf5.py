"""HDF5: one file, images in one piece, so that readers can map them into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mingolotss.dataset.records import Records
from mingolotss.io.files import atomic_path
from mingolotss.io.optional import import_optional

__all__ = ["write_hdf5"]

_NUMBERS = ("ra", "dec", "size_arcsec", "flux_mjy", "noise_jy", "peak_jy", "pixel_scale_arcsec")


def write_hdf5(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write ``OUT/NAME.h5``: ``images``, ``labels``, the main columns, and `facts` as attributes.

    Parameters
    ----------
    records : Records
    out : path
        Folder.
    facts : dict of str
        ``name``, ``title``, ``license``...
    """
    h5py = import_optional("h5py", f"write {out}")
    with atomic_path(out / f"{facts['name']}.h5") as beside, h5py.File(beside, "w") as file:
        _put(file, "images", records.images(), "n, ny, nx; row 0 is the south")
        _put(file, "labels", records.labels, "index into the attribute classes; -1 is unlabelled")
        for name in ("source", "image_file", "split"):
            values = np.array([text.encode() for text in records.texts(name)], h5py.string_dtype())
            _put(file, name, values, "")
        for name in _NUMBERS:
            _put(file, name, records.numbers(name), "")
        file.attrs["classes"] = list(records.classes)
        file.attrs.update(facts)


def _put(file: Any, name: str, values: Any, note: str) -> None:
    dataset = file.create_dataset(name, data=values, track_times=False)
    if note:
        dataset.attrs["note"] = note
