"""The interface of a format: how it is written, found and read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mingolotss.dataset.export_notes import SPLIT_KEY
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.errors import DatasetError, InputError, MingoError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.io.error_text import first_line
from mingolotss.io.png import MAX_SIDE, PNG_CHANNELS
from mingolotss.io.system_faults import describe_fault

if TYPE_CHECKING:  # readers need no records and no recipe: no pyarrow, and no pydantic
    from mingolotss.dataset.records import Records
    from mingolotss.recipe.model import Recipe

__all__ = [
    "IMAGE_AXES",
    "ExportHeader",
    "Format",
    "check_kind",
    "check_masks",
    "check_samples",
    "reading_export",
]

IMAGE_AXES = ("sample", "channel", "y", "x")
"""Names of the axes of images with channels, where a format has a place for them."""
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
    recipe : Recipe or None
        That the images were made with.
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
    recipe: Recipe | None = None

    def to_dict(self) -> dict[str, str]:
        """Return the facts that are texts, by name."""
        return {name: getattr(self, name) for name in _FACTS}

    def to_metadata(self, shape: StampShape, split_plan: str) -> dict[str, str]:
        """Return what a Parquet file of stamps states in its metadata.

        Parameters
        ----------
        shape : StampShape
        split_plan : str
            By which the records were split; "" if the build did it.
        """
        metadata = {"mingolotss.facts": json.dumps(self.to_dict())}
        if split_plan:
            metadata[SPLIT_KEY.decode()] = split_plan
        if shape.channels:
            metadata |= {key.decode(): text.decode() for key, text in shape.to_metadata().items()}
        return metadata


@dataclass(frozen=True, slots=True)
class Format:
    """One format of a dataset on disk.

    What `write` writes, `read` returns: the same images, labels, sources, names and splits, and the
    same masks, if the records have some.

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
    vector_examples : tuple of str
        The same for a dataset of tags or votes, where other lines open it.
    streams : bool
        Whether `write` takes records whose images are still in their files (`Records.stored`).
    in_store : bool
        Whether `write` writes to a folder in an object store (`mingolotss.io.files.locate`) as it
        does to one on this machine. Otherwise its files are uploaded when all are there.
    """

    write: Callable[[Records, Path, ExportHeader], None]
    find: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, str], Arrays]
    examples: tuple[str, ...]
    vector_examples: tuple[str, ...] = ()
    streams: bool = False
    in_store: bool = False


def check_kind(records: Records, header: ExportHeader, *, is_png: bool) -> None:
    """Refuse images that a format of grey levels cannot hold.

    Parameters
    ----------
    records : Records
    header : ExportHeader
    is_png : bool
        The format holds PNG files and nothing else, and otherwise float32 images, too, if they have
        channels.

    Raises
    ------
    InputError
        The images are float32, or have another number of channels than a PNG file can have.
    """
    shape, action = records.shape, f"export {header.name} as {header.format}"
    others = "hdf5, zarr or parquet" if not shape.channels else "another format"
    if shape.is_float and (is_png or not shape.channels):
        raise InputError(f"{action}: its images are float32; use {others}")
    if is_png and not shape.is_png:
        raise InputError(
            f"{action}: its images have {len(shape.channels)} channels, and a PNG file holds "
            f"{' or '.join(map(str, PNG_CHANNELS))}; use {others}"
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
    channels: Sequence[str],
) -> None:
    """Check the type and the shape of images and labels, before they are mapped or read.

    Parameters
    ----------
    images, labels : (dtype, shape)
        As the file describes them.
    largest : int
        Bytes that either of them may have.
    channels : sequence of str
        The names of the channels that the file states.

    Raises
    ------
    ValueError
        They are not (n, ny, nx) pixels of uint8 or float32, or (n, channels, ny, nx) with a name
        for each channel, and n integers, or are larger.
    """
    (kind, shape), (label_kind, label_shape) = images, labels
    axes = 4 if channels else 3
    if kind.kind + str(kind.itemsize) not in ("u1", "f4") or len(shape) != axes:
        raise ValueError(f"images of type {kind} and shape {shape}")
    if channels and shape[1] != len(channels):
        raise ValueError(f"images of shape {shape} with {len(channels)} names of channels")
    if label_kind.kind not in "iu" or label_shape != shape[:1]:
        raise ValueError(f"labels of type {label_kind} and shape {label_shape}")
    if min(shape) < 0 or max(shape[-2:]) > MAX_SIDE:
        raise ValueError(f"images of shape {shape}")
    size = max(math.prod(shape) * kind.itemsize, math.prod(label_shape) * label_kind.itemsize)
    if size > largest:
        raise ValueError(f"{size} bytes in it, where {largest} are plausible")


def check_masks(masks: tuple[np.dtype[Any], tuple[int, ...]], axes: tuple[int, ...]) -> None:
    """Check the type and the shape of masks, before they are mapped or read.

    Parameters
    ----------
    masks : (dtype, shape)
        As the file describes them.
    axes : tuple of int
        The shape of the images.

    Raises
    ------
    ValueError
        They are not uint8 (n, ny, nx) with a mask for each image.
    """
    kind, shape = masks
    if kind != np.uint8 or shape != (axes[0], *axes[-2:]):
        raise ValueError(f"masks of type {kind} and shape {shape} for images of shape {axes}")
