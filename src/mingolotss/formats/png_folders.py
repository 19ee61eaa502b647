"""PNG folders, ``SPLIT/NN CLASS/NAME.png``: what torchvision's ImageFolder and Keras read.

The number before the class is its label: those readers number classes in the order of their
names. A class without a single image has no folder, since ImageFolder refuses empty ones.
"""

from __future__ import annotations

import json
from pathlib import Path

from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.io.files import safe_name, write_bytes

__all__ = ["write_folders"]


def write_folders(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write every image into the folder of its split and class, and ``classes.json``.

    Raises
    ------
    InputError
        The images are float32, which PNG cannot hold, or have no labels.
    """
    if records.is_float or (len(records) and records.labels.min() < 0):
        found = "its images are float32" if records.is_float else "some images have no label"
        raise InputError(f"export {facts['name']} as png: {found}; use hdf5, zarr or parquet")
    columns = records.texts("split"), records.labels.tolist(), records.texts("image_file")
    for split, label, name, png in zip(*columns, records.encoded(), strict=True):
        folder = out / safe_name(split) / f"{label:02d} {safe_name(records.classes[label])}"
        write_bytes(folder / safe_name(name), png)
    write_bytes(out / "classes.json", json.dumps(list(records.classes)).encode())
