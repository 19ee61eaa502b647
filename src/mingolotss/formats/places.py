"""Where datasets of each format are at a place, by the names of files alone.

The formats themselves are imported when a dataset is there: together they take half a second.

>>> from mingolotss.formats import FORMATS
>>> all(FORMATS.is_shipped(name) for name in FINDERS)
True
>>> FINDERS["hdf5"](Path("nowhere"))
[]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mingolotss.dataset.hats_catalogue import is_hats
from mingolotss.dataset.layout import DatasetFolder, ExportFolder, table_files

__all__ = [
    "FINDERS",
    "find_batches",
    "find_coco",
    "find_fits_folders",
    "find_hats",
    "find_hdf5",
    "find_parquet",
    "find_png_folders",
    "find_webdataset",
    "find_zarr",
]


def find_batches(place: Path) -> Sequence[Path]:
    """List the folders of batches at `place`: those in it, or itself."""
    return [folder.path for folder in DatasetFolder(place).batch_folders()]


def find_hdf5(place: Path) -> Sequence[Path]:
    """List the HDF5 files at `place`: itself, or those in it."""
    if place.suffix in (".h5", ".hdf5") and place.exists():
        return [place]
    return ExportFolder(place).hdf5_files()


def find_zarr(place: Path) -> Sequence[Path]:
    """List the Zarr groups at `place`: itself, or those in it."""
    if place.suffix == ".zarr" and place.exists():
        return [place]
    return ExportFolder(place).zarr_groups()


def find_webdataset(place: Path) -> Sequence[Path]:
    """Return the folder if it holds shards and the class names."""
    export = ExportFolder(place)
    return [place] if export.classes.is_file() and export.shards() else []


def find_fits_folders(place: Path) -> Sequence[Path]:
    """Return the folder if it holds FITS files by split, their list and the class names."""
    export = ExportFolder(place)
    is_export = export.classes.is_file() and export.index.is_file()
    return [place] if is_export and any(export.fits_files()) else []


def find_png_folders(place: Path) -> Sequence[Path]:
    """Return the folder if it holds images by split, and the class names."""
    export = ExportFolder(place)
    has_images = any(export.images()) or bool(export.png_metadata_files())
    return [place] if export.classes.is_file() and has_images else []


def find_coco(place: Path) -> Sequence[Path]:
    """Return the folder if it holds annotations of splits, and the class names."""
    export = ExportFolder(place)
    return [place] if export.classes.is_file() and export.annotation_files() else []


def find_parquet(place: Path) -> Sequence[Path]:
    """Return `place` if it is a Parquet file of images, or holds some."""
    return [place] if table_files(place) else []


def find_hats(place: Path) -> Sequence[Path]:
    """Return `place` if it is a collection, or a catalogue of one."""
    return [place] if is_hats(place) else []


FINDERS: Mapping[str, Callable[[Path], Sequence[Path]]] = {
    "batches": find_batches,
    "coco": find_coco,
    "fits": find_fits_folders,
    "hats": find_hats,
    "hdf5": find_hdf5,
    "parquet": find_parquet,
    "png": find_png_folders,
    "webdataset": find_webdataset,
    "zarr": find_zarr,
}
"""Those of the formats of this package, by their names."""
