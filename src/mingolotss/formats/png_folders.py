"""PNG folders, ``SPLIT/NN CLASS/NAME.png``: what torchvision's ImageFolder and Keras read.

The number before the class is its label: those readers number the folders of one split in the order
of their names. Every split therefore has a folder for every class. One without images holds only a
placeholder, and ImageFolder opens it with ``allow_empty=True``. Three channels are the red, green
and blue of an image. Masks are grey PNG files ``masks/SPLIT/NAME.png`` with the values 0, 1 and 2.

No folder of a class fits several tags, or votes. Such images are ``SPLIT/NAME.png``, and their tags
or votes are in ``SPLIT/metadata.jsonl``, which Hugging Face reads (``png_metadata.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, compress
from pathlib import Path

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.masks import decode_masks
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.base import ExportHeader, Format, check_kind, reading_export
from mingolotss.formats.class_names import (
    read_channel_names,
    read_class_names,
    write_channel_names,
    write_class_names,
)
from mingolotss.formats.image_files import check_distinct, check_splits
from mingolotss.formats.places import find_png_folders
from mingolotss.formats.png_metadata import (
    labels_of_metadata,
    read_metadata,
    render_metadata,
)
from mingolotss.formats.stored_names import images_by_file, true_splits
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.png import PNG_CHANNELS, decode_pngs

__all__ = ["PNG_FOLDERS", "read_png_folders", "write_png_folders"]


def write_png_folders(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write every image into the folder of its split and class, and the class names.

    Images with tags or votes are in the folder of their split, beside the file that has these.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The images are float32 or have two channels or more than three, which PNG cannot hold, or
        have no labels; two images would be one file, or a split is called like another file.
    """
    check_kind(records, header, is_png=True)
    export, vectors = ExportFolder(folder), records.vectors
    if vectors is None and len(records) and records.labels.min() < 0:
        raise InputError(
            f"export {header.name} as png: some images have no label; use hdf5, zarr or parquet"
        )
    folders = {
        split: [export.png_folder(split)] * len(records.classes)
        if vectors is not None
        else export.class_folders(split, records.classes)
        for split in records.split_rows()
    }
    columns = records.texts("split"), records.labels.tolist(), records.texts("image_file")
    paths = [
        folders[split][label] / export.png_name(name)
        for split, label, name in zip(*columns, strict=True)
    ]
    check_distinct(paths, records, export, header)
    own = [export.classes, export.channel_names, *([export.masks] if records.has_masks else [])]
    check_splits(folders, own, export, header)
    for path, png in zip(paths, records.encoded(), strict=True):
        write_bytes(path, png)
    depth = -3 if vectors is None else -2
    if records.has_masks:
        for path, png in zip(paths, records.encoded_masks(), strict=True):
            write_bytes(export.mask(path.parts[depth], path.name), png)
    if vectors is not None:
        _write_metadata(records, vectors, paths)
    else:
        for empty in {*chain.from_iterable(folders.values())} - {path.parent for path in paths}:
            write_bytes(export.placeholder(empty), b"")
    write_class_names(export.classes, records.classes)
    write_channel_names(export.channel_names, records.channels)


def _write_metadata(records: Records, vectors: LabelVectors, paths: Sequence[Path]) -> None:
    """Write the tags or votes of the images in each folder into a file beside them."""
    sources, labels = records.texts("source"), records.labels
    for rows in records.split_rows().values():
        own = rows.tolist()
        content = render_metadata(
            [paths[row].name for row in own], [sources[row] for row in own],
            labels[rows].tolist(), vectors.take(rows), records.classes,
        )  # fmt: skip
        write_bytes(ExportFolder.png_metadata(paths[own[0]].parent), content)


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
    channels = read_channel_names(export.channel_names)
    if channels and len(channels) not in PNG_CHANNELS:
        raise DatasetError(
            f"read {export.channel_names}: {len(channels)} channels, and a PNG file has "
            f"{' or '.join(map(str, PNG_CHANNELS))}; export it again"
        )
    with reading_export(path, "PNG"):
        lines = _lines(export)
    files = sorted(lines or export.images(), key=lambda file: file.name)
    depth = -2 if lines else -3
    splits = true_splits(path, [file.parts[depth] for file in files])
    in_split = select(splits, split, str(path))
    files, splits = list(compress(files, in_split)), list(compress(splits, in_split))
    with reading_export(path, "PNG"):
        pngs = [read_bounded(file) for file in files]
        vectors = None
        if lines:
            labels, vectors = labels_of_metadata([lines[file] for file in files], classes)
        else:
            labels = np.array([int(file.parts[-2].split(" ")[0]) for file in files], np.int64)
    images = decode_pngs(pngs, [str(file) for file in files], len(channels) or None)
    rows = images_by_file(path)
    pairs = [rows.get(file.name, (file.name, file.name.split("_", 1)[0])) for file in files]
    names, sources = (tuple(pair[column] for pair in pairs) for column in (0, 1))
    masks = None
    if export.masks.is_dir():
        paths = [export.mask(file.parts[depth], file.name) for file in files]
        with reading_export(path, "PNG"):
            masks = decode_masks([read_bounded(one) for one in paths], list(map(str, paths)))
    return Arrays(
        images, labels, classes, sources, names, tuple(splits),
        channels=channels, masks=masks, vectors=vectors,
    )  # fmt: skip


def _lines(export: ExportFolder) -> dict[Path, Mapping[str, object]]:
    """Return what the files with tags or votes say of each image; nothing without such files."""
    return {
        path.parent / name: row
        for path in export.png_metadata_files()
        for name, row in read_metadata(path).items()
    }


PNG_FOLDERS = Format(
    write_png_folders,
    find_png_folders,
    read_png_folders,
    (
        'torchvision.datasets.ImageFolder("FOLDER/train", allow_empty=True)',
        'mingolotss.load("FOLDER")',
    ),
    ('datasets.load_dataset("FOLDER")', 'mingolotss.load("FOLDER")'),
)
