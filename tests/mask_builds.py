"""Small datasets with masks as the pipeline leaves them, made by hand for tests of formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from manifest_rows import manifest_columns, sha256
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST, MASK_COLUMNS, RECIPE_COLUMNS
from mingolotss.dataset.masks import MASK_SHA256, count_pixels, encode_masks, mask_column
from mingolotss.dataset.provenance import Provenance, write_provenance
from mingolotss.dataset.records import Records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_bytes, stamp_schema
from mingolotss.io.parquet import write_table
from mingolotss.recipe.model import parse_recipe

CLASSES = ("FRI", "FRII", "Bent")
SIDE = 16


def draw_masks(count: int, side: int = SIDE) -> np.ndarray:
    """Draw masks of two blobs each; one mask is empty, and one source has no other beside it."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:side, :side]
    masks = np.zeros((count, side, side), np.uint8)
    for mask in masks:
        for value in (2, 1):
            middle, radius = rng.uniform(0, side, 2), rng.uniform(1, side / 3)
            mask[(x - middle[0]) ** 2 + (y - middle[1]) ** 2 <= radius**2] = value
    masks[1] = 0
    masks[2][masks[2] == 2] = 0
    return masks


def draw_images(masks: np.ndarray, channels: int = 0, kind: str = "uint8") -> np.ndarray:
    """Draw images that are brighter where the masks have a source."""
    rng = np.random.default_rng(8)
    axes = (len(masks), channels, *masks.shape[1:]) if channels else masks.shape
    noise = rng.integers(0, 100, axes).astype(kind)
    lit = (masks > 0).astype(kind) * 100
    return noise + (lit[:, None] if channels else lit)


def make_tables(images: np.ndarray, masks: np.ndarray | None) -> tuple[pa.Table, pa.Table]:
    """Return the manifest and the table of stamps of images with masks, or without."""
    columns = manifest_columns(images, CLASSES)
    further = {} if masks is None else mask_columns(masks)
    manifest = pa.table(columns | further)
    shape = StampShape(dtype=images.dtype.name)
    schema = stamp_schema(shape, list(manifest.schema)[len(MANIFEST) :])
    first = image_column(shape, [encode_stamp(image) for image in images], columns["image_file"])
    stored = [first]
    if masks is not None:
        stored.append(mask_column(encode_masks(masks), columns["image_file"]))
    return manifest, pa.Table.from_arrays([*stored, *manifest.columns], schema=schema)


def mask_columns(masks: np.ndarray) -> dict[str, pa.Array]:
    """Return the columns of the manifest that describe masks."""
    own, others = count_pixels(masks).T
    known = {
        "mask_pixels": own,
        "other_pixels": others,
        "las_arcsec": np.sqrt(own),
        "mask_flux_mjy": own / 10,
        "core_distance_arcsec": np.zeros(len(masks)),
        "mask_from": ["components by name" if count else None for count in own],
        MASK_SHA256.name: [sha256(mask) for mask in masks],
    }
    fields = [RECIPE_COLUMNS.field(name) for name in MASK_COLUMNS]
    return {field.name: pa.array(known[field.name], field.type) for field in fields}


def make_records(images: np.ndarray, masks: np.ndarray) -> Records:
    """Return images with masks as the records of a dataset."""
    return Records(make_tables(images, masks)[1], CLASSES, "a test")


def write_build(
    folder: Path, kind: str = "uint8", count: int = 13
) -> tuple[np.ndarray, np.ndarray]:
    """Write the stamps, the manifest and the recipe of a build; return its images and masks."""
    masks = draw_masks(count)
    images = draw_images(masks, kind=kind)
    write_dataset(folder, images, masks)
    return images, masks


def write_dataset(folder: Path, images: np.ndarray, masks: np.ndarray | None) -> None:
    """Write images and masks as two parts of a build, the second part with the first rows."""
    count, kind = len(images), images.dtype.name
    settings = {
        "name": "masked",
        "stamp": {"pixels": SIDE, "kind": kind},
        "classes": {
            "from": "column",
            "column": "c",
            "table": [{"label": label, "name": name} for label, name in enumerate(CLASSES)],
        },
        "formats": ["parquet"],
    }
    provenance = Provenance(
        recipe=parse_recipe(settings, "a test"), catalogue="c.csv", catalogue_sha256="0" * 64,
        service="folder", rows=count, limit=0, classes=CLASSES,
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_provenance(folder, provenance)
    manifest, stamps = make_tables(images, masks)
    build = BuildFolder(folder)
    build.stamps.mkdir()
    build.part_stamps(0).write_bytes(stamp_bytes(stamps[count // 2 :]))
    build.part_stamps(1).write_bytes(stamp_bytes(stamps[: count // 2]))
    write_table(build.manifest, manifest, repeated_columns=("class",))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    write_checksums(build.checksums, digest_files(folder, files))
