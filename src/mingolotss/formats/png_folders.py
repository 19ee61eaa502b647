"""PNG folders, ``SPLIT/NN CLASS/NAME.png``: what torchvision's ImageFolder and Keras read.

The number before the class is its label: those readers number classes in the order of their
names. A class without images has no folder, since ImageFolder refuses empty ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader, Format, need_uint8
from mingolotss.formats.class_names import read_class_names, write_class_names
from mingolotss.io.files import write_bytes
from mingolotss.io.png import decode_pngs

__all__ = ["PNG_FOLDERS", "find_png_folders", "read_png_folders", "write_png_folders"]


def write_png_folders(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write every image into the folder of its split and class, and the class names.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The images are float32, which PNG cannot hold, or have no labels.
    """
    need_uint8(records, header)
    if len(records) and records.labels.min() < 0:
        raise InputError(
            f"export {header.name} as png: some images have no label; use hdf5, zarr or parquet"
        )
    export = ExportFolder(folder)
    columns = records.texts("split"), records.labels.tolist(), records.texts("image_file")
    for split, label, name, png in zip(*columns, records.encoded(), strict=True):
        write_bytes(export.image(split, label, records.classes[label], name), png)
    write_class_names(export.classes, records.classes)


def find_png_folders(place: Path) -> Sequence[Path]:
    """Return the folder if it holds images by split and class, and the class names."""
    export = ExportFolder(place)
    return [place] if export.classes.is_file() and any(export.images()) else []


def read_png_folders(path: Path, split: str = "all") -> Arrays:
    """Read PNG folders, in the order of the images' names.

    Parameters
    ----------
    path : Path
        The folder.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        An image or the list of class names is damaged.
    InputError
        There is no such split.
    """
    export = ExportFolder(path)
    classes = read_class_names(export.classes)
    files = sorted(export.images(), key=lambda file: file.name)
    in_split = select([file.parts[-3] for file in files], split, str(path))
    files = list(compress(files, in_split))
    images = decode_pngs([file.read_bytes() for file in files], [str(file) for file in files])
    labels = np.array([int(file.parts[-2].split(" ")[0]) for file in files], np.int64)
    names = tuple(file.name for file in files)
    sources = tuple(name.split("_", 1)[0] for name in names)
    return Arrays(images, labels, classes, sources, names, tuple(f.parts[-3] for f in files))


PNG_FOLDERS = Format(
    write_png_folders,
    find_png_folders,
    read_png_folders,
    ('torchvision.datasets.ImageFolder("FOLDER/train")', 'mingolotss.load("FOLDER")'),
)
