"""Batches from records in any split: the training split in five, each other split in one.

The published split gives the batches of the build again, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.formats.batches import (
    batch_label,
    batch_name,
    write_archive,
    write_batch,
    write_checksums,
    write_meta,
)

__all__ = ["write_batched"]

_TRAIN = 5


def write_batched(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write ``mingo-batches-py`` (or the recipe's folder) and its archive.

    Raises
    ------
    InputError
        The images are float32; batches are uint8.
    """
    if records.is_float:
        raise InputError(
            f"export {facts['name']} as batches: its images are float32; use hdf5, zarr or parquet"
        )
    folder, names = out / facts["folder"], []
    for name, label, part in _parts(records):
        images = part.images().astype(np.uint8, copy=False)
        columns = [part.texts(column) for column in ("image_file", "source", "field")]
        labels = part.labels.tolist()
        write_batch(folder / name, label, images.reshape(len(part), -1), labels, *columns)
        names.append(name)
    write_meta(folder / "batches.meta", records.classes)
    names.append("batches.meta")
    write_checksums(folder, names)
    write_archive(out / facts["archive"], folder, [*names, "checksums"])


def _parts(records: Records) -> list[tuple[str, str, Records]]:
    """Give each batch's file name, its label, and its records."""
    rows = records.split_rows()
    if not {"train", "test"} <= set(rows):
        found = [(f"{name}_batch", f"{name} batch 1 of 1", rows[name]) for name in rows]
        return [(name, label, records.take(part)) for name, label, part in found]
    parts = [(batch_name(i, _TRAIN), batch_label(i, _TRAIN)) for i in range(_TRAIN)]
    train = [records.take(part) for part in _train_rows(records, rows["train"])]
    found_train = [(*part, taken) for part, taken in zip(parts, train, strict=True)]
    others = [name for name in rows if name not in ("train", "test")]
    return [
        *found_train,
        *((f"{name}_batch", f"{name} batch 1 of 1", records.take(rows[name])) for name in others),
        ("test_batch", batch_label(_TRAIN, _TRAIN), records.take(rows["test"])),
    ]


def _train_rows(records: Records, rows: np.ndarray) -> list[np.ndarray]:
    """Cut the training rows in five: as the build did if its batches fit, else evenly."""
    batches = np.array(records.texts("batch"))
    names = [batch_name(index, _TRAIN) for index in range(_TRAIN)]
    if np.array_equal(np.flatnonzero(np.isin(batches, names)), rows):
        return [np.flatnonzero(batches == name) for name in names]
    return np.array_split(rows, _TRAIN)
