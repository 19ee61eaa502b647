"""Batches in the manner of MiraBest and FR-DEEP: lists of squares, names of numpy, any folder."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CODES = ("100", "102", "104", "110", "112", "200", "201", "210", "300", "310")  # of MiraBest


def write_batch(
    path: Path, images: np.ndarray, labels: Sequence[int] | None, filenames: Sequence[str], **other
) -> None:
    """Write one batch as MiraBest's are: a list of square arrays, and names as numpy strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "batch_label": path.name,
        "data": list(images),
        "filenames": [np.str_(name) for name in filenames],
    } | other
    if labels is not None:
        content["labels"] = list(labels)
    path.write_bytes(pickle.dumps(content, 3))


def write_mirabest(folder: Path, images: np.ndarray, labels: Sequence[int]) -> Path:
    """Write two training batches and a test batch with the classes and names of MiraBest."""
    parts = np.array_split(np.arange(len(images)), 3)
    for name, rows in zip(("data_batch_1", "data_batch_2", "test_batch"), parts, strict=True):
        names = [
            f"./F/PNG/{CODES[labels[row]]}_{row:07.3f}+012.018_0.26_0016.53.png" for row in rows
        ]
        write_batch(folder / name, images[rows], [labels[row] for row in rows], names)
    write_meta(folder, CODES)
    return folder


def write_frdeep(folder: Path, images: np.ndarray, labels: Sequence[int]) -> Path:
    """Write one training batch and a test batch with the classes and names of FR-DEEP."""
    half = len(images) // 2
    for name, rows in (("train_batch", slice(0, half)), ("test_batch", slice(half, None))):
        names = [f"3C {row}_I.png" for row in range(len(images))[rows]]
        flat = images[rows].reshape(len(names), -1)
        write_batch(folder / name, flat, list(labels)[rows], names)
    write_meta(folder, ("FR I", "FR II"))
    return folder


def write_meta(folder: Path, classes: Sequence[str]) -> None:
    """Write the class names."""
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(classes)}, 3))


def pack(folder: Path, archive: Path, name: str | None = None) -> Path:
    """Pack a folder into a tar.gz; `name` is that of the folder in it, "" for none."""
    inner = folder.name if name is None else name
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{inner}/{path.name}" if inner else path.name)
    return archive


def extract_published(archive: Path, folder: Path) -> Path:
    """Extract a published archive as a person would, with tar."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder
