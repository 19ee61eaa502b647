"""The columns of a manifest for images that a test has made."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from mingolotss.dataset.manifest import MANIFEST


def sha256(array: np.ndarray) -> str:
    """Return the checksum of the pixels of an image or a mask."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def manifest_columns(images: np.ndarray, classes: tuple[str, ...]) -> dict[str, pa.Array]:
    """Return the columns of `MANIFEST` for images in these classes, one in four a test image."""
    n, rows = len(images), np.arange(len(images))
    columns = {name: pa.nulls(n, MANIFEST.field(name).type) for name in MANIFEST.names}
    known = {
        "row": rows, "source": [f"J{row:03d}.5+1" for row in rows],
        "ra": 10.0 + rows, "dec": 20.0 + rows, "label": rows % len(classes),
        "class": [classes[row % len(classes)] for row in rows], "status": ["written"] * n,
        "field": ["P1"] * n, "image_file": [f"J{row:03d}.5+1_P1.png" for row in rows],
        "candidates": [1] * n, "pixel_scale_arcsec": [1.5] * n, "noise_jy": [1e-4] * n,
        "split": ["test" if row % 4 == 3 else "train" for row in rows],
        "batch": ["test_batch" if row % 4 == 3 else "data_batch_1" for row in rows],
        "pixels_sha256": [sha256(image) for image in images],
    }  # fmt: skip
    columns |= {name: pa.array(values, MANIFEST.field(name).type) for name, values in known.items()}
    return columns
