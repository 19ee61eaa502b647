"""Verification of batches: of a build against its manifest, of an archive against its own list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.layout import BatchFolder
from mingolotss.errors import DatasetError
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.io.files import md5_file
from mingolotss.qa.checks import Verification, check_checksums, pixels_sha256

__all__ = ["check_batches", "verify_batches"]


def check_batches(folder: BatchFolder, names: Iterable[str], written: pa.Table) -> Iterator[str]:
    """Check that each batch has the images of its rows of the manifest, in their order.

    Parameters
    ----------
    folder : BatchFolder
    names : iterable of str
        The file names of the batches.
    written : Table
        The written rows of the manifest.
    """
    for name in names:
        path = folder.batch(name)
        if path.is_file():  # a missing one is reported with the checksums
            yield from _check_batch(path, written.filter(pc.equal(written["batch"], name)))


def verify_batches(archive: Path, folder: BatchFolder) -> Verification:
    """Check the batches of an archive, unpacked in `folder`, against its own MD5 checksums."""
    names, problems = check_checksums(folder.checksums, md5_file)
    images = 0
    for path in (*folder.training_files(), *folder.split_files(), folder.test):
        if not path.is_file():
            continue
        try:
            batch = _read_batch(path)
        except DatasetError as error:
            problems.append(str(error))
            continue
        count, labels = len(batch.data), len(batch.labels)
        images += count
        if count != labels:
            problems.append(f"{path.name}: {count} images and {labels} labels")
    return Verification(archive, len(names), images, problems)


class _Batch(NamedTuple):
    """A batch, with values of the types that a batch has."""

    data: npt.NDArray[np.generic]
    labels: list[int]
    sources: list[str]


def _read_batch(path: Path) -> _Batch:
    batch = load_pickle(path)
    if isinstance(batch, dict) and {"data", "labels", "src_ids"} <= set(batch):
        data, labels, sources = batch["data"], batch["labels"], batch["src_ids"]
        is_array = isinstance(data, np.ndarray) and data.ndim == 2 and data.dtype != object
        if is_array and _are(labels, (int, np.integer)) and _are(sources, str):
            return _Batch(data, list(labels), list(sources))
    raise DatasetError(f"{path.name}: not a batch (a dict with data, labels and src_ids)")


def _are(values: object, kinds: type | tuple[type, ...]) -> bool:
    """Return whether `values` are a list or an array of such values."""
    is_list = isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim)
    return bool(is_list) and all(isinstance(value, kinds) for value in cast("list[object]", values))


def _check_batch(path: Path, rows: pa.Table) -> Iterator[str]:
    batch = _read_batch(path)
    if batch.sources != rows["source"].to_pylist():
        yield f"{path.name}: its sources differ from the manifest"
    elif batch.labels != rows["label"].fill_null(-1).to_pylist():
        yield f"{path.name}: its labels differ from the manifest"
    elif [pixels_sha256(image) for image in batch.data] != rows["pixels_sha256"].to_pylist():
        yield f"{path.name}: its images differ from the manifest"
