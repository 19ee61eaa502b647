"""HDF5: one file ``NAME.h5``, with the images in one piece so that readers can map them.

The format needs h5py; a missing library is named with the command that installs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays, take_split
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader, Format, damaged
from mingolotss.io.files import atomic_path
from mingolotss.io.optional import import_optional

__all__ = ["HDF5", "find_hdf5", "read_hdf5", "write_hdf5"]

_NUMBERS = ("ra", "dec", "size_arcsec", "flux_mjy", "noise_jy", "peak_jy", "pixel_scale_arcsec")
# In the oldest version of the format, which h5py writes by default, an attribute has 64 KiB at
# most, 16 bytes for each text.
_MANY_CLASSES = 4000
_NOTES = {
    "images": "n, ny, nx; row 0 is the south",
    "labels": "index into the attribute classes; -1 is unlabelled",
}


def write_hdf5(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write ``NAME.h5``: ``images``, ``labels``, the main columns, and `header` as attributes.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        h5py is not installed, or a name contains a NUL character.
    """
    h5py = import_optional("h5py", f"write {folder}")
    names = (*records.classes, *chain.from_iterable(map(records.texts, TEXT_COLUMNS)))
    if nul := next((name for name in names if "\0" in name), None):
        raise InputError(
            f"export {header.name} as hdf5: {nul!r} contains a NUL character, which ends a text in "
            "HDF5; use another format"
        )
    texts = {
        name: np.array([text.encode() for text in records.texts(name)], h5py.string_dtype())
        for name in TEXT_COLUMNS
    }
    numbers = {name: records.numbers(name) for name in _NUMBERS}
    columns = {"images": records.images(), "labels": records.labels, **texts, **numbers}
    path = ExportFolder(folder).hdf5(header.name)
    version = "v110" if len(records.classes) > _MANY_CLASSES else None
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver=version) as file:
        for name, values in columns.items():
            dataset = file.create_dataset(name, data=values, track_times=False)
            if name in _NOTES:
                dataset.attrs["note"] = _NOTES[name]
        file.attrs["classes"] = list(records.classes)
        file.attrs.update(header.to_dict())


def find_hdf5(place: Path) -> Sequence[Path]:
    """List the HDF5 files at `place`: itself, or those in it."""
    if place.suffix in (".h5", ".hdf5") and place.exists():
        return [place]
    return ExportFolder(place).hdf5_files()


def read_hdf5(path: Path, split: str = "all") -> Arrays:
    """Read an HDF5 export; the images are a memory map of the file if they are in one piece.

    Parameters
    ----------
    path : Path
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        The file is damaged.
    InputError
        h5py is not installed, or there is no such split.
    """
    h5py = import_optional("h5py", f"read {path}")
    try:
        with h5py.File(path, "r") as file:
            images, offset = file["images"], file["images"].id.get_offset()
            kind, shape = images.dtype, images.shape
            labels = file["labels"][:].astype(np.int64)
            texts = [_decode_texts(file[name][:]) for name in TEXT_COLUMNS]
            classes = tuple(file.attrs["classes"].tolist())
            pixels = images[:] if offset is None else None
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise damaged(path, "HDF5", error) from error
    if pixels is None:
        pixels = np.memmap(path, kind, "r", offset, shape)
    return take_split(Arrays(pixels, labels, classes, *texts), split, str(path))


def _decode_texts(values: npt.NDArray[np.object_]) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values.tolist())


HDF5 = Format(
    write_hdf5,
    find_hdf5,
    read_hdf5,
    ('h5py.File("FOLDER/NAME.h5")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'),
)
