"""The stamps of FITS files: what the steps of the recipe make of the brightness in them.

`verify` compares them with the manifest, and `compare` with those of other datasets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.masks import MASK_SHA256, has_masks
from mingolotss.errors import DatasetError
from mingolotss.formats.base import reading_export
from mingolotss.formats.fits_file import BRIGHTNESS, RMS, SOURCE_MASK
from mingolotss.formats.fits_reading import StampUnit, read_units, source_mask
from mingolotss.pipeline.stamp_planes import repeat_steps
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.published_list import pixels_sha256
from mingolotss.recipe.steps import StampPixels

__all__ = ["FitsStamp", "check_fits", "is_fits_export", "read_fits_stamp"]


@dataclass(frozen=True, slots=True)
class FitsStamp:
    """One file of a stamp.

    Attributes
    ----------
    units : sequence of StampUnit
    pixels : uint8 or float32 array, or None
        What the steps of the recipe make of the brightness, shape (ny, nx), or (channels, ny, nx).
        None where they cannot be repeated on the pixels of the file, because the recipe has other
        steps before it averages pixels, or because pixels were rounded.
    sha256 : str
        Of these pixels, or as the file records it.
    """

    units: Sequence[StampUnit]
    pixels: StampPixels | None
    sha256: str


def is_fits_export(folder: Path) -> bool:
    """Return whether the images of a folder are FITS files of an export."""
    export = ExportFolder(folder)
    return export.index.is_file() and export.classes.is_file()


def read_fits_stamp(path: Path, recipe: Recipe, *, with_checksums: bool = False) -> FitsStamp:
    """Read the file of a stamp and repeat the steps of its recipe.

    Parameters
    ----------
    path : Path
    recipe : Recipe
        Of the dataset.
    with_checksums : bool
        Whether the units are compared with their own checksums.

    Raises
    ------
    DatasetError
        It is damaged.
    """
    with reading_export(path, "FITS"):
        units = read_units(path, with_checksums=with_checksums)
        planes = _planes(units, recipe)
        recorded = units[0].text("STAMPSHA")
    if any(plane is None for plane in planes):
        return FitsStamp(units, None, recorded)
    pixels = np.ascontiguousarray(np.stack([plane for plane in planes if plane is not None]))
    digest = hashlib.sha256(pixels.data).hexdigest()
    return FitsStamp(units, pixels if recipe.channels else pixels[0], digest)


def _planes(units: Sequence[StampUnit], recipe: Recipe) -> list[StampPixels | None]:
    """Return the stamp of each channel, None where the steps cannot be repeated."""
    recipes = {channel.name: recipe.of_channel(channel) for channel in recipe.channels}
    noise = {unit.channel: unit.pixels for unit in units if unit.plane == RMS}
    mask = next((unit.pixels for unit in units if unit.plane == SOURCE_MASK), None)
    mask = None if mask is None else mask.astype(np.uint8)
    planes: dict[str, StampPixels | None] = {}
    for unit in units:
        if unit.plane != BRIGHTNESS:
            continue
        own, rms = recipes.get(unit.channel, recipe), noise.get(unit.channel)
        if unit.flag("MISSING"):
            planes[unit.channel] = _filler(recipe, unit.channel)
            continue
        if not unit.flag("STEPSEQ"):
            planes[unit.channel] = None
            continue
        image = unit.pixels.astype(np.float32)
        rms = np.zeros_like(image) if rms is None else rms.astype(np.float32)
        planes[unit.channel] = repeat_steps(image, rms, own, mask)
    names = [channel.name for channel in recipe.channels] or [""]
    if {*names} != {*planes}:
        raise ValueError(f"it has the channels {sorted(planes)}, and its recipe {sorted(names)}")
    return [planes[name] for name in names]


def _filler(recipe: Recipe, name: str) -> StampPixels | None:
    """Return the plane of a channel without an image, by its rule; None if there is none."""
    rule = next((one.missing for one in recipe.channels if one.name == name), "reject")
    shape = recipe.stamp.pixels, recipe.stamp.pixels
    if recipe.stamp.kind == "uint8":
        return np.zeros(shape, np.uint8) if rule == "zero" else None
    return None if rule == "reject" else np.full(shape, 0.0 if rule == "zero" else np.nan, "<f4")


def check_fits(
    place: str, files: Sequence[Path], recipe: Recipe, written: pa.Table
) -> Iterator[str]:
    """Compare FITS files with the manifest, which has one row for each.

    Parameters
    ----------
    place : str
        Where the files are, for messages.
    files : sequence of Path
        In any order.
    recipe : Recipe
    written : Table
        The written rows of the manifest.
    """
    columns = ["source", "image_file", "label", "split", "pixels_sha256"]
    columns += [MASK_SHA256.name] if has_masks(written.schema) else []
    rows = written.select(columns).to_pylist()
    missing = {ExportFolder.fits_name(row["image_file"] or ""): row for row in rows}
    unknown = []
    for path in sorted(files):
        row = missing.pop(path.name, None)
        if row is None:
            unknown.append(path.name)
            continue
        try:
            yield from _problems(path, recipe, row)
        except DatasetError as error:
            yield str(error)
    if missing:
        yield f"{place}: images missing: {len(missing)}, for example {min(missing)}"
    if unknown:
        yield f"{place}: images not in the manifest: {len(unknown)}, for example {min(unknown)}"


def _problems(path: Path, recipe: Recipe, row: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with one file."""
    stamp = read_fits_stamp(path, recipe, with_checksums=True)
    with reading_export(path, "FITS"):
        first = stamp.units[0]
        label = first.number("LABEL", -1)
        own = first.text("OBJECT"), first.text("SPLIT"), label, first.text("STAMPSHA")
    for unit in stamp.units:
        if unit.problem:
            yield f"{path.name}: damaged ({unit.problem})"
    expected = row["source"], row["split"] or "", -1 if row["label"] is None else row["label"]
    if own[:3] != expected:
        yield f"{path.name}: its source, label or split is not the manifest's"
    if {stamp.sha256, own[3]} != {row["pixels_sha256"]}:
        yield f"{path.name}: not the image of the manifest"
    if MASK_SHA256.name in row:
        with reading_export(path, "FITS"):
            mask = source_mask(stamp.units)
        if mask is None or pixels_sha256(mask) != row[MASK_SHA256.name]:
            yield f"{path.name}: not the mask of the manifest"
