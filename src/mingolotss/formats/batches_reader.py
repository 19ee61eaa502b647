"""Read batches, from a build or the published ones: six pickled dicts and ``batches.meta``.

What is not here: unpickling (``pickles.py``), downloading (``download.py``).
"""

from __future__ import annotations

import math
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.samples import Arrays, concatenate
from mingolotss.dataset.split_names import select
from mingolotss.errors import DatasetError
from mingolotss.formats.safe_pickle import load_pickle

__all__ = ["FOLDER", "batch_folders", "read_batches"]

FOLDER = "mingo-batches-py"


def batch_folders(place: Path) -> list[Path]:
    """List the folders of batches at `place`.

    The folder of the recipe mingolotss is first, then those of other recipes, then `place` itself.
    """
    folders = [place / FOLDER, *sorted(place.glob("*-batches-py")), place]
    return [folder for folder in folders if (folder / "batches.meta").is_file()]


def read_batches(folder: Path, split: str = "all") -> Arrays:
    """Read the batches of one split, in the order of their numbers.

    Parameters
    ----------
    folder : path
        Holds ``batches.meta``, ``data_batch_1``... and ``test_batch``.
    split : str
        As in ``load``; a batch called ``NAME_batch`` is of the split NAME.

    Raises
    ------
    DatasetError
        A batch is absent, is not what a batch is, or its parts disagree.
    """
    classes = _classes(folder / "batches.meta")
    files = _files(folder)
    in_split = select([_split(path) for path in files], split, str(folder))
    if not in_split.any():
        raise DatasetError(f"read {folder}: no batch of {split!r}; fetch or build it again")
    return concatenate([_read_batch(path, classes) for path in compress(files, in_split)])


def _files(folder: Path) -> list[Path]:
    """List the batches: training by number, others by name, the test batch last.

    A test batch is part of every dataset, and numbers leave no gap.
    """
    train = [path for path in folder.glob("data_batch_*") if path.name[11:].isdigit()]
    train.sort(key=lambda path: int(path.name[11:]))
    expected = [folder / f"data_batch_{number + 1}" for number in range(max(len(train), 1))]
    others = sorted(set(folder.glob("*_batch")) - {folder / "test_batch"})
    if others and not train:
        return others  # folds
    for path in (*expected, folder / "test_batch"):
        if not path.is_file():
            raise DatasetError(f"read {folder}: no {path.name}; fetch or build the dataset again")
    return [*expected, *others, folder / "test_batch"]


def _split(path: Path) -> str:
    return "train" if path.name.startswith("data_batch_") else path.name.removesuffix("_batch")


def _classes(path: Path) -> tuple[str, ...]:
    meta = load_pickle(path)
    names = meta.get("label_names") if isinstance(meta, dict) else None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"read {path}: no list of label_names in it; fetch or build it again")
    return tuple(names)


def _read_batch(path: Path, classes: tuple[str, ...]) -> Arrays:
    batch = load_pickle(path)
    if not isinstance(batch, dict) or "data" not in batch:
        raise DatasetError(f"read {path}: no dict with 'data' in it; fetch or build it again")
    images = _images(path, batch["data"])
    labels = np.asarray(batch.get("labels", batch.get("fine_labels", ())))
    if labels.shape != images.shape[:1] or (labels.size and labels.dtype.kind not in "iu"):
        raise DatasetError(
            f"read {path}: {len(images)} images and labels of shape {labels.shape}, "
            f"type {labels.dtype}; fetch or build it again"
        )
    filenames = _texts(batch.get("filenames"), len(images))
    # Published batches carry the whole catalogue's src_ids; the file's name has the source in it.
    sources = _texts(batch.get("src_ids"), len(images)) or tuple(
        name.split("_", 1)[0] for name in filenames
    )
    splits = (_split(path),) * len(images)
    return Arrays(images, labels.astype(np.int64), classes, sources, filenames, splits)


def _images(path: Path, data: object) -> NDArray[np.uint8]:
    """Return rows of side * side pixels, one array or a list, with the shape (n, side, side)."""
    shapes = {np.asarray(row).shape for row in data} if isinstance(data, list) else {()}
    rows: NDArray[np.uint8] = np.asarray(data) if len(shapes) == 1 else np.empty(0, np.uint8)
    side = math.isqrt(rows.shape[-1]) if rows.ndim else 0
    if rows.ndim != 2 or rows.dtype != np.uint8 or side * side != rows.shape[-1] or not side:
        kind = f"{rows.dtype} of shape {rows.shape}" if rows.ndim > 1 else f"rows of {shapes}"
        raise DatasetError(
            f"read {path}: 'data' should be uint8, one square image a row, and is {kind:.80}; "
            "fetch or build it again"
        )
    return rows.reshape(-1, side, side)


def _texts(values: object, count: int) -> tuple[str, ...]:
    """Return the names of `count` images, or none if `values` are not such names."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)) or len(values) != count:
        return ()
    return tuple(str(value) for value in values)
