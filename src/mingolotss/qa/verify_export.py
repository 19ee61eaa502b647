"""Verification of exports: what a reader gets against the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.hats_catalogue import is_hats
from mingolotss.dataset.image_stack import ImageArray, ImageStack
from mingolotss.dataset.layout import DatasetFolder, ExportFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.errors import DatasetError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.io.parquet import read_schema
from mingolotss.loaders.arrays import open_arrays
from mingolotss.qa.channel_digests import ChannelDigests
from mingolotss.qa.checks import Layout, StoredImage, check_images, check_masks
from mingolotss.qa.fits_stamps import check_fits, is_fits_export
from mingolotss.qa.verify_hats import check_hats
from mingolotss.qa.verify_labels import check_vectors
from mingolotss.qa.verify_splits import check_splits

__all__ = ["export_layout", "is_export"]


def is_export(folder: Path) -> bool:
    """Return whether ``mingolotss export`` wrote `folder`."""
    try:
        metadata = read_schema(ExportFolder(folder).manifest).metadata
    except DatasetError:
        return False
    return ExportNotes.read(metadata) is not None


def export_layout(folder: Path) -> Layout:
    """Return how the export in `folder` is laid out; every file in it must be in its list."""
    checksums = ExportFolder(folder).checksums
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != checksums]
    checks = [partial(_check_samples, folder), partial(check_splits, ExportFolder(folder))]
    return Layout(folder, checksums, files, None, checks)


def _check_samples(folder: Path, written: pa.Table) -> Iterator[str]:
    """Check the images, labels and splits that a reader gets."""
    provenance = read_provenance(folder)
    if is_fits_export(folder) and provenance is not None:
        files = [*ExportFolder(folder).fits_files()]
        yield from check_fits("images", files, provenance.recipe, written)
        return
    if is_hats(folder):
        yield from check_hats(folder, folder, written)
        return
    arrays = open_arrays(folder)
    names = _image_files(folder, arrays.filenames, written)
    yield from _check_channels(folder, arrays)
    digests = ChannelDigests.read(folder, written)
    yield from check_images("images", _images(arrays, names), written, digests)
    yield from check_masks("masks", _masks(arrays, names), written)
    columns = (written[name].to_pylist() for name in ("image_file", "label", "split"))
    expected = {
        name: (-1 if label is None else label, split)
        for name, label, split in zip(*columns, strict=True)
    }
    for name, label, split in zip(names, arrays.labels, arrays.splits, strict=True):
        if expected.get(name, (label, split)) != (label, split):
            yield f"{name}: its label or split is not the manifest's"
    yield from check_vectors(arrays.vectors, arrays.classes, names, written)


def _check_channels(folder: Path, arrays: Arrays) -> Iterator[str]:
    """Compare the names of the channels with those of the recipe."""
    provenance = read_provenance(folder)
    if provenance is None:
        return
    expected = StampShape.of_recipe(provenance.recipe).channels
    if arrays.channels != expected:
        stored, listed = (", ".join(names) or "none" for names in (arrays.channels, expected))
        yield f"images: their channels are {stored}, and those of the recipe are {listed}"


def _image_files(folder: Path, stored: Sequence[str], written: pa.Table) -> list[str]:
    """Return the names in the manifest of images, which batches may store in another form."""
    provenance = read_provenance(folder)
    if provenance is None or not DatasetFolder(folder).batch_folders():
        return list(stored)
    layout = BatchLayout.of(provenance.recipe)
    names = {layout.filename(name): name for name in written["image_file"].to_pylist()}
    return [names.get(name, name) for name in stored]


def _images(arrays: Arrays, names: Sequence[str]) -> Iterator[StoredImage]:
    for index, name in enumerate(names):
        yield StoredImage(name, name, partial(_pixels, arrays, index))


def _masks(arrays: Arrays, names: Sequence[str]) -> Iterator[StoredImage]:
    masks = arrays.masks
    if masks is None:
        return
    for index, name in enumerate(names):
        yield StoredImage(f"mask of {name}", name, partial(_mask, masks, index))


def _mask(masks: ImageArray | ImageStack, index: int) -> npt.NDArray[np.generic]:
    return masks[index]


def _pixels(arrays: Arrays, index: int) -> npt.NDArray[np.generic]:
    return arrays.images[index]
