"""Small datasets with channels as the pipeline leaves them, made by hand for tests of formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from manifest_rows import manifest_columns, sha256
from mingolotss.dataset.channel_table import CHANNELS, flatten_channels
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.provenance import Provenance, write_provenance
from mingolotss.dataset.records import Records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_bytes, stamp_schema
from mingolotss.io.parquet import write_table
from mingolotss.recipe.model import parse_recipe

NAMES = ("low", "high", "optical", "x-ray", "infrared")
CLASSES = ("FRI", "FRII", "Bent")
SIDE = 12


def make_planes(count: int, channels: int, kind: str, side: int = SIDE) -> np.ndarray:
    """Draw images of which every channel differs; one plane is zero, and one of floats is NaN."""
    rng = np.random.default_rng(channels)
    images = rng.integers(0, 256, (count, channels, side, side)).astype(kind)
    if kind == "float32":
        images = (images * rng.normal(1e-4, 1e-3, (count, channels, 1, 1))).astype(kind)
        images[1, -1] = np.nan
        images[2, 0, 0] = -0.0
    images[3, 0] = 0
    return images


def channel_rows(images: np.ndarray, names: tuple[str, ...]) -> list[list[dict[str, object]]]:
    """Return the rows of the table of channels of each image."""
    return [
        [
            {
                "row": row, "source": f"J{row:03d}.5+1", "channel": name, "candidates": 1,
                "status": "native", "pixels_sha256": sha256(plane),
            }
            for name, plane in zip(names, image, strict=True)
        ]
        for row, image in enumerate(images)
    ]  # fmt: skip


def write_build(
    folder: Path, channels: int, kind: str = "uint8", count: int = 12, **recipe: object
) -> np.ndarray:
    """Write the stamps, the manifest and the recipe of a build; return its images.

    Parameters
    ----------
    folder : Path
    channels : int
    kind : {"uint8", "float32"}
    count : int
    **recipe
        Further tables of the recipe.

    Returns
    -------
    array, shape (count, channels, SIDE, SIDE)
    """
    images, names = make_planes(count, channels, kind), NAMES[:channels]
    settings = {
        "name": "several",
        "stamp": {"pixels": SIDE, "kind": kind},
        "channels": [{"name": name} for name in names],
        "classes": {
            "from": "column",
            "column": "c",
            "table": [{"label": label, "name": name} for label, name in enumerate(CLASSES)],
        },
        "formats": ["parquet"],
        **recipe,
    }
    write_dataset(folder, images, StampShape(names, SIDE, kind), settings)
    return images


def make_stamps(images: np.ndarray, shape: StampShape) -> tuple[pa.Table, pa.Table]:
    """Return the rows of the manifest and the table of stamps of images."""
    columns = manifest_columns(images, CLASSES)
    missing = pa.array([""] * len(images))
    manifest = pa.table([*columns.values(), missing], [*columns, "missing_channels"])
    schema = stamp_schema(shape, [pa.field("missing_channels", pa.string())])
    first = image_column(shape, [encode_stamp(image) for image in images], columns["image_file"])
    described = pa.array(channel_rows(images, shape.channels), schema.field("channels").type)
    stamps = pa.Table.from_arrays([first, *manifest.columns, described], schema=schema)
    return manifest, stamps


def make_records(images: np.ndarray, shape: StampShape) -> Records:
    """Return images as the records of a dataset."""
    return Records(make_stamps(images, shape)[1], CLASSES, "a test")


def write_dataset(
    folder: Path, images: np.ndarray, shape: StampShape, settings: dict[str, object]
) -> None:
    """Write images as two parts of a build, the second part with the first rows."""
    n = len(images)
    provenance = Provenance(
        recipe=parse_recipe(settings, "a test"), catalogue="c.csv", catalogue_sha256="0" * 64,
        service="folder", rows=n, limit=0, classes=CLASSES,
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_provenance(folder, provenance)
    manifest, stamps = make_stamps(images, shape)
    build = BuildFolder(folder)
    build.stamps.mkdir()
    build.part_stamps(0).write_bytes(stamp_bytes(stamps[n // 2 :]))
    build.part_stamps(1).write_bytes(stamp_bytes(stamps[: n // 2]))
    write_table(build.manifest, manifest, repeated_columns=("class",))
    write_table(
        build.channels, flatten_channels(stamps).cast(CHANNELS), repeated_columns=("channel",)
    )
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    write_checksums(build.checksums, digest_files(folder, files))
