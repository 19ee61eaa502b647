"""``load()``: a dataset on disk as plain numpy arrays, whatever it was written as.

>>> load("no/such/place")
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from no/such/place: there is nothing there; ...
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import stamp_files
from mingolotss.dataset.published import choose_names
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError
from mingolotss.formats.batches_reader import batch_folders, read_batches
from mingolotss.formats.containers import READERS
from mingolotss.formats.parquet import read_parquet

__all__ = ["Arrays", "holds_dataset", "load", "open_arrays"]


def load(root: str | Path, split: str = "all", *, published_names: bool = False) -> Arrays:
    """Load the images and labels of one split.

    Parameters
    ----------
    root : path
        A folder that ``mingolotss build`` or ``export`` wrote, in any format; one that holds
        ``mingo-batches-py``, that folder itself, or one Parquet file.
    split : str
        "train", "test", "all", another split that the dataset has, several ("train+val"), or all
        but some ("not fold-3").
    published_names : bool
        Use the published dataset's names of classes 1 and 2, which are interchanged there.

    Returns
    -------
    Arrays
        ``images`` (uint8, shape (n, ny, nx)), ``labels`` (int64, shape (n,)), ``classes``...

    Raises
    ------
    DatasetError
        There is no dataset, or it is damaged.
    InputError
        The dataset has no such split.
    """
    arrays = open_arrays(root, split, published_names=published_names)
    return replace(arrays, images=np.asarray(arrays.images))


def open_arrays(root: str | Path, split: str = "all", *, published_names: bool = False) -> Arrays:
    """Load as ``load`` does, but leave the images in their files where the format allows it."""
    arrays = _read(Path(root).expanduser(), split)
    return replace(arrays, classes=choose_names(arrays.classes, published=published_names))


def holds_dataset(root: Path) -> bool:
    """Return whether `root` holds a dataset in a format that ``load`` can read."""
    known = any(find(root) for find, _ in READERS)
    return bool(known or batch_folders(root) or stamp_files(root))


def _read(place: Path, split: str) -> Arrays:
    """Read the first format that is present; formats that need no decoding come first."""
    for folder in batch_folders(place):
        return read_batches(folder, split)
    for find, read in READERS:
        for path in find(place):
            return read(path, split)
    if stamp_files(place):
        return read_parquet(place, split)
    reason = "no known format" if place.exists() else "there is nothing there"
    raise DatasetError(
        f"load a dataset from {place}: {reason}; give a folder that mingolotss build or export "
        "wrote, or download=True to a dataset class"
    )
