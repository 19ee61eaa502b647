"""FITS files by split, ``SPLIT/NAME.fits``: the brightness of each stamp with its place on the sky.

``fits_file.py`` says what is in a file. The images of this format are the brightness before the
steps of the recipe, float32 in the unit of the images. The stamps of a build have lost it, unless
its recipe keeps float32 and has no steps that change it; then `write_fits_folders` writes what is
stored. In all other cases `mingolotss.export` computes it from the images of the build.

The list ``index.csv`` names the files with their sources, for people and for TOPCAT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mingolotss.dataset.calibration import unit_beam
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, vector_names
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.masks import MASK
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.base import ExportHeader, Format, reading_export
from mingolotss.formats.class_names import (
    read_channel_names,
    read_class_names,
    write_channel_names,
    write_class_names,
)
from mingolotss.formats.csv import label_columns, render_csv
from mingolotss.formats.fits_file import BRIGHTNESS, FitsPlane, fits_file, made_by
from mingolotss.formats.fits_reading import StampUnit, read_units, source_mask
from mingolotss.formats.image_files import check_distinct, check_splits
from mingolotss.formats.label_arrays import read_label_rows
from mingolotss.formats.places import find_fits_folders
from mingolotss.image.masks import Masks
from mingolotss.io.files import write_bytes
from mingolotss.io.parquet import read_schema
from mingolotss.recipe.zeroed_pixels import MISSING

if TYPE_CHECKING:
    from mingolotss.recipe.model import Recipe

__all__ = [
    "FITS",
    "fits_paths",
    "read_fits_folders",
    "stores_brightness",
    "write_fits_folders",
    "write_fits_index",
]

_OF_PIXELS = ("pixels", "image", MASK.name)
_INDEX = (
    "source", "ra", "dec", "class", "label", "split", "field", "noise_jy", "peak_jy",
    "pixel_scale_arcsec", "pixels_sha256",
)  # fmt: skip


def stores_brightness(recipe: Recipe) -> bool:
    """Return whether the stamps of a recipe are the brightness itself."""
    steps = {one.do for one in recipe.steps}
    return recipe.stamp.kind == "float32" and not recipe.channels and steps <= {"bin"}


def fits_paths(records: Records, folder: Path, header: ExportHeader) -> list[Path]:
    """Return the file of each record.

    Raises
    ------
    InputError
        Two would be one file, or a split is called like a file of the export.
    """
    export = ExportFolder(folder)
    paths = [
        export.split_folder(split) / export.fits_name(name)
        for split, name in zip(records.texts("split"), records.texts("image_file"), strict=True)
    ]
    check_distinct(paths, records, export, header)
    check_splits(
        records.split_rows(), [export.index, export.classes, export.channel_names], export, header
    )
    return paths


def write_fits_index(records: Records, paths: Sequence[Path], folder: Path) -> None:
    """Write the class names and the list of the files.

    Parameters
    ----------
    records : Records
    paths : sequence of Path
        The file of each record.
    folder : Path
    """
    export = ExportFolder(folder)
    columns = [records.table[name].to_pylist() for name in _INDEX]
    header = ("file", *_INDEX)
    labels: dict[str, list[int | None] | list[float | None]] = {}
    if records.vectors is not None:
        labels = label_columns(records.table, records.classes, header)
    rows = zip([export.name_of(path) for path in paths], *columns, *labels.values(), strict=True)
    write_bytes(export.index, render_csv(rows, (*header, *labels)).encode())
    write_class_names(export.classes, records.classes)
    write_channel_names(export.channel_names, records.channels)


def write_fits_folders(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write float32 images that are the brightness itself, without a map of the noise.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The images are something else, or two would be one file.
    """
    recipe = header.recipe
    if recipe is None or not stores_brightness(recipe):
        raise InputError(
            f"export {header.name} as fits: its stamps have lost the brightness of their images; "
            "export the build itself, whose record names the images"
        )
    paths = fits_paths(records, folder, header)
    columns = [name for name in records.table.column_names if name not in _OF_PIXELS]
    rows = records.table.select(columns).to_pylist()
    history = ("Brightness as it is stored in the dataset.",)
    masks = records.masks()
    each_mask = repeat(None, len(paths)) if masks is None else masks
    for path, row, image, mask in zip(paths, rows, records.images(), each_mask, strict=True):
        brightness = np.asarray(image, np.float32)
        marks = np.where(np.isfinite(brightness), 0, MISSING).astype(np.uint8)
        beam = unit_beam(row, recipe)
        plane = FitsPlane("", brightness, None, marks, row, history, True, beam)
        write_bytes(path, fits_file(row, [plane], made_by(recipe), mask))
    write_fits_index(records, paths, folder)


@dataclass(frozen=True, slots=True)
class _Sample:
    """What is known of one file but for its pixels.

    `labels` are tags or votes by the columns of the manifest.
    """

    path: Path
    source: str
    image_file: str
    split: str
    label: int
    labels: Mapping[str, object]


def read_fits_folders(path: Path, split: str = "all") -> Arrays:
    """Read the brightness of the stamps, in the order of the catalogue.

    Parameters
    ----------
    path : Path
        The folder.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        A file is damaged, or its image has another shape than the first.
    InputError
        There is no such split.
    """
    export = ExportFolder(path)
    classes, channels = read_class_names(export.classes), read_channel_names(export.channel_names)
    with reading_export(path, "FITS"):
        samples = _samples(path)
    in_split = select([sample.split for sample in samples], split, str(path))
    samples = [sample for sample, is_in in zip(samples, in_split, strict=True) if is_in]
    stamps = [_read_stamp(sample.path, channels) for sample in samples]
    images, masks = [image for image, _ in stamps], [mask for _, mask in stamps]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise DatasetError(f"read {path}: images of several shapes, {sorted(shapes)}")
    present = [mask for mask in masks if mask is not None]
    with reading_export(path, "FITS"):
        vectors = read_label_rows([sample.labels for sample in samples], len(classes))
    return Arrays(
        np.stack(images) if images else np.empty((0, 0, 0), np.float32),
        np.array([sample.label for sample in samples], np.int64),
        classes,
        tuple(sample.source for sample in samples),
        tuple(sample.image_file for sample in samples),
        tuple(sample.split for sample in samples),
        channels=channels,
        vectors=vectors,
        masks=np.stack(present) if 0 < len(present) == len(masks) else None,
    )


def _read_stamp(path: Path, channels: Sequence[str]) -> tuple[ImageArray, Masks | None]:
    """Return the image of one stamp, shape (ny, nx), or (channels, ny, nx), and its mask."""
    with reading_export(path, "FITS"):
        units = read_units(path)
        mask = source_mask(units)
        if not channels:
            return units[0].pixels.astype("<f4"), mask
        planes = {unit.channel: unit.pixels for unit in units if unit.plane == BRIGHTNESS}
        if {*planes} != {*channels}:
            raise ValueError(f"it has the channels {sorted(planes)}, and not {sorted(channels)}")
        return np.stack([planes[name] for name in channels]).astype("<f4"), mask


def _samples(path: Path) -> list[_Sample]:
    """Return the files in the order of the manifest, or of their names if there is none."""
    files = {file.name: file for file in ExportFolder(path).fits_files()}
    samples = []
    for row in _manifest_rows(path):
        image_file = str(row["image_file"] or "")
        file = files.pop(ExportFolder.fits_name(image_file), None)
        if file is not None:
            label = row["label"]
            samples.append(
                _Sample(
                    file, str(row["source"]), image_file, str(row["split"] or ""),
                    label if isinstance(label, int) else -1,
                    {name: row[name] for name in VECTOR_COLUMNS.names if name in row},
                )
            )  # fmt: skip
    for _, file in sorted(files.items()):
        first = read_units(file)[0]
        samples.append(_sample_of_header(file, first))
    return samples


def _sample_of_header(file: Path, unit: StampUnit) -> _Sample:
    return _Sample(
        file, unit.text("OBJECT"), unit.text("STAMP") or file.name, unit.text("SPLIT"),
        unit.number("LABEL", -1), unit.labels,
    )  # fmt: skip


def _manifest_rows(path: Path) -> list[Mapping[str, object]]:
    try:
        names = vector_names(read_schema(ExportFolder(path).manifest))
        table: pa.Table = read_manifest(path, ["source", "image_file", "split", "label", *names])
    except DatasetError:
        return []
    rows: list[Mapping[str, object]] = table.to_pylist()
    return rows


FITS = Format(
    write_fits_folders,
    find_fits_folders,
    read_fits_folders,
    (
        'astropy.io.fits.open("FOLDER/train/SOURCE.fits")',
        'mingolotss.load("FOLDER")',
    ),
)
