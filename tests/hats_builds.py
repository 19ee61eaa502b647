"""Builds with sources at given positions, made by hand, and their HATS collections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

import mingolotss
from manifest_rows import manifest_columns
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import Provenance, write_provenance
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_bytes, stamp_schema
from mingolotss.io.parquet import write_table
from mingolotss.recipe.model import parse_recipe

__all__ = ["CLASSES", "NAME", "make_collection", "write_build"]

CLASSES = ("FRI", "FRII", "Bent")
NAME = "positions"


def write_build(
    folder: Path,
    ra: np.ndarray,
    dec: np.ndarray,
    *,
    side: int = 6,
    kind: str = "uint8",
    **hats: object,
) -> np.ndarray:
    """Write a build of one stamp for each position; return its images.

    Parameters
    ----------
    folder : Path
    ra, dec : float64 array, shape (n,), degrees
    side : int, px
    kind : {"uint8", "float32"}
    **hats
        Settings of `mingolotss.recipe.hats_settings.HatsSettings`.

    Returns
    -------
    array, shape (n, side, side)
    """
    images = np.random.default_rng(1).integers(0, 256, (len(ra), side, side)).astype(kind)
    shape = StampShape((), side, kind)
    columns = manifest_columns(images, CLASSES)
    columns |= {"ra": pa.array(ra), "dec": pa.array(dec)}
    manifest = pa.table([*columns.values()], MANIFEST)
    stored = image_column(shape, [encode_stamp(image) for image in images], columns["image_file"])
    stamps = pa.Table.from_arrays([stored, *manifest.columns], schema=stamp_schema(shape, []))
    settings = {
        "name": NAME,
        "stamp": {"pixels": side, "kind": kind},
        "classes": {
            "from": "column",
            "column": "c",
            "table": [{"label": label, "name": name} for label, name in enumerate(CLASSES)],
        },
        "formats": ["parquet"],
        "hats": hats,
    }
    provenance = Provenance(
        recipe=parse_recipe(settings, "a test"), catalogue="c.csv", catalogue_sha256="0" * 64,
        service="folder", rows=len(ra), limit=0, classes=CLASSES,
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_provenance(folder, provenance)
    build = BuildFolder(folder)
    build.stamps.mkdir()
    build.part_stamps(0).write_bytes(stamp_bytes(stamps))
    write_table(build.manifest, manifest, repeated_columns=("class",))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    write_checksums(build.checksums, digest_files(folder, files))
    return images


def make_collection(
    folder: Path, ra: np.ndarray, dec: np.ndarray, **options: object
) -> tuple[Path, np.ndarray]:
    """Write a build and its collection; return the folder of the collection, and the images."""
    images = write_build(folder / "build", ra, dec, **options)
    return Path(mingolotss.export(folder / "build", "hats", folder / "hats").out), images
