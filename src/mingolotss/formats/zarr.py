"""Zarr, format 3: a group ``NAME.zarr`` of images and labels, with all else as attributes.

The format needs the library zarr; if it is missing, the error gives the command that installs it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays, take_split
from mingolotss.formats.base import ExportHeader, Format, damaged
from mingolotss.io.optional import import_optional

__all__ = ["ZARR", "find_zarr", "read_zarr", "write_zarr"]

_CHUNK = 64  # images: the size of a batch in training


def write_zarr(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write ``NAME.zarr``.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The library zarr is not installed.
    """
    zarr = import_optional("zarr", f"write {folder}")
    path = ExportFolder(folder).zarr(header.name)
    shutil.rmtree(path, ignore_errors=True)
    images = records.images()
    texts = {name: list(records.texts(name)) for name in TEXT_COLUMNS}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("images", data=images, chunks=(_CHUNK, *images.shape[1:]))
    group.create_array("labels", data=records.labels)
    group.attrs.update({"classes": list(records.classes), **texts, **header.to_dict()})


def find_zarr(place: Path) -> Sequence[Path]:
    """List the Zarr groups at `place`: itself, or those in it."""
    if place.suffix == ".zarr" and place.exists():
        return [place]
    return ExportFolder(place).zarr_groups()


def read_zarr(path: Path, split: str = "all") -> Arrays:
    """Read a Zarr export.

    Parameters
    ----------
    path : Path
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        The group is damaged.
    InputError
        The library zarr is not installed, or there is no such split.
    """
    zarr = import_optional("zarr", f"read {path}")
    try:
        group = zarr.open_group(path, mode="r")
        images, labels = group["images"][:], group["labels"][:].astype(np.int64)
        attributes = dict(group.attrs)
        texts = [tuple(attributes[name]) for name in TEXT_COLUMNS]
        classes = tuple(attributes["classes"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, "Zarr", error) from error
    return take_split(Arrays(images, labels, classes, *texts), split, str(path))


ZARR = Format(
    write_zarr,
    find_zarr,
    read_zarr,
    ('zarr.open_group("FOLDER/NAME.zarr")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'),
)
