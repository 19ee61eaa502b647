"""A Zarr group as the specification says it, written without the library zarr."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

IMAGES = np.random.default_rng(3).integers(0, 256, (70, 8, 8), np.uint8)
LABELS = np.arange(70) % 3 - 1
NAMES = [f"S{i}" for i in range(70)]


def write(path: Path, content: bytes | dict[str, object]) -> None:
    """Write a file of a group: JSON, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(content).encode() if isinstance(content, dict) else content
    path.write_bytes(data)


def described(shape: tuple[int, ...], kind: str, chunk: tuple[int, ...]) -> dict[str, object]:
    """Return the ``zarr.json`` of an array."""
    return {
        "zarr_format": 3, "node_type": "array", "shape": list(shape), "data_type": kind,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0, "attributes": {}, "storage_transformers": [],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd"}],
    }  # fmt: skip


def write_group(path: Path) -> Path:
    """Write `IMAGES` and `LABELS` in chunks of 64 and 70."""
    attributes = {"classes": ["A", "B"], "source": NAMES, "image_file": NAMES, "split": NAMES}
    write(path / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    write(path / "images/zarr.json", described(IMAGES.shape, "uint8", (64, 8, 8)))
    write(path / "labels/zarr.json", described((70,), "int64", (70,)))
    padded = np.zeros((128, 8, 8), np.uint8)
    padded[:70] = IMAGES
    for number in (0, 1):
        chunk = padded[64 * number : 64 * (number + 1)].tobytes()
        write(path / f"images/c/{number}/0/0", pa.compress(chunk, "zstd", asbytes=True))
    write(path / "labels/c/0", pa.compress(LABELS.astype("<i8").tobytes(), "zstd", asbytes=True))
    return path
