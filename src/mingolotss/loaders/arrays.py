"""``load()``: a dataset on disk as plain numpy arrays, whatever it was written as.

>>> load("no/such/place")
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: load a dataset from no/such/place: there is nothing there; ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mingolotss.dataset.published import choose_names
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import Format

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
    return next(_datasets(root), None) is not None


def _read(place: Path, split: str) -> Arrays:
    """Read the first dataset that is found; formats that need no decoding come first."""
    for dataset_format, path in _datasets(place):
        return dataset_format.read(path, split)
    reason = "no known format" if place.exists() else "there is nothing there"
    raise DatasetError(
        f"load a dataset from {place}: {reason}; give a folder that mingolotss build or export "
        "wrote, or download=True to a dataset class"
    )


def _datasets(place: Path) -> Iterator[tuple[Format, Path]]:
    """Give the datasets at `place`, each with its format, in the order of the table of formats."""
    for name in FORMATS:
        dataset_format: Format = FORMATS.get(name)
        for path in dataset_format.find(place):
            yield dataset_format, path
