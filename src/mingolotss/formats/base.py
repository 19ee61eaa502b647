"""The interface of a format: how it is written, found and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError, InputError, MingoError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.io.error_text import first_line
from mingolotss.io.png import MAX_SIDE
from mingolotss.io.system_faults import describe_fault

__all__ = [
    "ExportHeader",
    "Format",
    "check_samples",
    "need_uint8",
    "plain_values",
    "reading_export",
]

_FACTS = ("name", "title", "license", "citation", "folder", "archive", "split_plan", "format")


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """Facts about the dataset that a format stores beside the images, where it can.

    Attributes
    ----------
    name : str
        Name of the recipe; formats of one file are called so.
    title, license, citation : str
    folder, archive : str
        Names of the folder of batches and of its archive.
    layout : BatchLayout
        How batches are written.
    split_plan : str
    format : str
    """

    name: str
    title: str
    license: str
    citation: str
    folder: str
    archive: str
    split_plan: str
    format: str
    layout: BatchLayout

    def to_dict(self) -> dict[str, str]:
        """Return the facts that are texts, by name."""
        return {name: getattr(self, name) for name in _FACTS}


@dataclass(frozen=True, slots=True)
class Format:
    """One format of a dataset on disk.

    What `write` writes, `read` returns: the same images, labels, sources, names and splits.

    Attributes
    ----------
    write : callable
        ``write(records, folder, header)`` writes all files into a folder. It raises `InputError`
        if the format cannot hold such images. The same records give the same bytes.
    find : callable
        ``find(place)`` lists the datasets in this format at a path, which may be the dataset
        itself or a folder that holds it.
    read : callable
        ``read(path, split)`` reads one of them, or its samples of one split. It raises
        `DatasetError` if the dataset is damaged.
    examples : tuple of str
        Lines of Python for the dataset card; FOLDER and NAME stand for the export and its dataset.
    """

    write: Callable[[Records, Path, ExportHeader], None]
    find: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, str], Arrays]
    examples: tuple[str, ...]


def need_uint8(records: Records, header: ExportHeader) -> None:
    """Refuse float32 images.

    Raises
    ------
    InputError
        The images are float32, and the format holds only uint8.
    """
    if records.is_float:
        raise InputError(
            f"export {header.name} as {header.format}: its images are float32; use hdf5, zarr or "
            "parquet"
        )


@contextmanager
def reading_export(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises for a damaged or forged file into one line.

    Use it around the calls of the library that reads the format, and the checks of what it returns.

    Parameters
    ----------
    path : Path
        What is read.
    kind : str
        The format, for the message.

    Raises
    ------
    DatasetError
        The block raised an exception that is not ours.
    """
    try:
        yield
    except MingoError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise DatasetError(
            f"read {path}: "
            + (describe_fault(error) or f"not a whole {kind} export ({reason}); export it again")
        ) from error


def check_samples(
    images: tuple[np.dtype[Any], tuple[int, ...]],
    labels: tuple[np.dtype[Any], tuple[int, ...]],
    largest: int,
) -> None:
    """Check the type and the shape of images and labels, before they are mapped or read.

    Parameters
    ----------
    images, labels : (dtype, shape)
        As the file describes them.
    largest : int
        Bytes that either of them may have.

    Raises
    ------
    ValueError
        They are not (n, ny, nx) pixels of uint8 or float32 and n integers, or are larger.
    """
    (kind, shape), (label_kind, label_shape) = images, labels
    if kind.kind + str(kind.itemsize) not in ("u1", "f4") or len(shape) != 3:
        raise ValueError(f"images of type {kind} and shape {shape}")
    if label_kind.kind not in "iu" or label_shape != shape[:1]:
        raise ValueError(f"labels of type {label_kind} and shape {label_shape}")
    if min(shape) < 0 or max(shape[1:]) > MAX_SIDE:
        raise ValueError(f"images of shape {shape}")
    size = max(math.prod(shape) * kind.itemsize, math.prod(label_shape) * label_kind.itemsize)
    if size > largest:
        raise ValueError(f"{size} bytes in it, where {largest} are plausible")


def plain_values(column: pa.ChunkedArray) -> list[str | int | float | bool | None]:
    """Return a column as JSON has it: null for NaN and infinity, text for dates."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    if pa.types.is_floating(column.type):
        is_finite = pc.is_finite(column)
        column = pc.if_else(is_finite, column, pa.scalar(None, column.type))
    values: list[str | int | float | bool | None] = column.to_pylist()
    return values
