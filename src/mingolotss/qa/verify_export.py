"""Is an export whole: every checksum, and every image, label and split against its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import MingoError
from mingolotss.io.files import sha256_file
from mingolotss.loaders.arrays import open_arrays

__all__ = ["check_export", "is_export"]

_SUMS = "checksums.sha256"


def is_export(folder: Path) -> bool:
    """Say whether `folder` is what ``mingolotss export`` wrote."""
    try:
        metadata = pq.read_schema(folder / "manifest.parquet").metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return b"mingolotss.format" in metadata


def check_export(folder: Path) -> tuple[int, int, list[str]]:
    """Check an export.

    Returns
    -------
    files, images : int
        How many were checked.
    problems : list of str
        A line each.
    """
    listed = _listed(folder)
    problems = [*_checksums(folder, listed)]
    try:
        manifest = read_manifest(folder)
        problems += _contents(folder, manifest)
    except MingoError as error:
        return len(listed), 0, [*problems, str(error)]
    return len(listed), len(manifest), problems


def _listed(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _checksums(folder: Path, listed: dict[str, str]) -> Iterator[str]:
    if not listed:
        yield f"{_SUMS}: missing or empty"
    for name, digest in listed.items():
        path = folder / name
        if not path.is_file():
            yield f"{name}: missing"
        elif sha256_file(path) != digest:
            yield f"{name}: its checksum is not the one in {_SUMS}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed and name != _SUMS:
            yield f"{name}: not listed in {_SUMS}"


def _contents(folder: Path, manifest: pa.Table) -> Iterator[str]:
    """Compare what a reader gets with what the manifest says, image by image."""
    arrays = open_arrays(folder)
    expected = {name: row for row, name in enumerate(manifest["image_file"].to_pylist())}
    if sorted(arrays.filenames) != sorted(expected):
        yield f"{len(arrays)} images that are not the {len(manifest)} of the manifest"
        return
    rows = manifest.to_pylist()
    for index, name in enumerate(arrays.filenames):
        row = rows[expected[name]]
        pixels = np.ascontiguousarray(arrays.images[index])
        if hashlib.sha256(pixels.tobytes()).hexdigest() != row["pixels_sha256"]:
            yield f"{name}: not the image of the manifest"
        label = -1 if row["label"] is None else row["label"]
        if (arrays.labels[index], arrays.splits[index]) != (label, row["split"]):
            yield f"{name}: its label or split is not the manifest's"
