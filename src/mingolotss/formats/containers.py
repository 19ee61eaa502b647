"""Read the other formats that ``mingolotss export`` writes: HDF5, Zarr, WebDataset, PNG folders.

Each reader imports its library when it runs; the error names the library to install.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import select
from mingolotss.errors import DatasetError
from mingolotss.io.optional import import_optional
from mingolotss.io.png import decode_all

__all__ = ["READERS", "read_hdf5", "read_image_folder", "read_webdataset", "read_zarr"]

_TEXTS = ("source", "image_file", "split")  # in the order of the fields of `Arrays`
_LARGEST_MEMBER = 64 << 20  # bytes; a stamp is 6 kB, and a shard may claim anything


def read_hdf5(path: Path, split: str = "all") -> Arrays:
    """Read an HDF5 export; the images are a memory map of the file where they lie in one piece."""
    h5py = import_optional("h5py", f"read {path}")
    try:
        with h5py.File(path, "r") as file:
            images, offset = file["images"], file["images"].id.get_offset()
            kind, shape = images.dtype, images.shape
            labels = file["labels"][:]
            texts = [_decoded(file[name][:]) for name in _TEXTS]
            classes = tuple(file.attrs["classes"].tolist())
            pixels = images[:] if offset is None else None
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise _damaged(path, "HDF5", error) from error
    if pixels is None:
        pixels = np.memmap(path, kind, "r", offset, shape)
    return _select(Arrays(pixels, labels.astype(np.int64), classes, *texts), split, path)


def read_zarr(path: Path, split: str = "all") -> Arrays:
    """Read a Zarr export."""
    zarr = import_optional("zarr", f"read {path}")
    try:
        group = zarr.open_group(path, mode="r")
        pixels, labels = group["images"][:], group["labels"][:]
        attributes = dict(group.attrs)
        texts = [tuple(attributes[name]) for name in _TEXTS]
        classes = tuple(attributes["classes"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "Zarr", error) from error
    return _select(Arrays(pixels, labels.astype(np.int64), classes, *texts), split, path)


def read_webdataset(path: Path, split: str = "all") -> Arrays:
    """Read WebDataset shards, ``SPLIT-000000.tar`` and so on, with ``classes.json`` beside them."""
    shards = sorted(path.glob("*-[0-9]*.tar"))
    splits = [shard.name.rpartition("-")[0] for shard in shards]
    in_split = select(splits, split, str(path))
    try:
        classes = tuple(json.loads((path / "classes.json").read_text(encoding="utf-8")))
        samples = [sample for shard in compress(shards, in_split) for sample in _samples(shard)]
        records = [json.loads(sample["json"]) for sample in samples]
        pngs = [sample["png"] for sample in samples]
        labels = np.array([int(sample["cls"]) for sample in samples], np.int64)
        texts = [tuple(record[name] or "" for record in records) for name in _TEXTS]
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError, EOFError) as error:
        raise _damaged(path, "WebDataset", error) from error
    order = np.argsort([record.get("row", 0) for record in records], kind="stable")
    arrays = Arrays(decode_all(pngs, texts[1]), labels, classes, *texts)
    return arrays if (np.diff(order) > 0).all() else arrays.take(order)


def read_image_folder(path: Path, split: str = "all") -> Arrays:
    """Read PNG folders, ``SPLIT/NN CLASS/NAME.png``, in the order of their names."""
    files = sorted(path.glob("*/[0-9][0-9]* */*.png"), key=lambda file: file.name)
    classes = tuple(json.loads((path / "classes.json").read_text(encoding="utf-8")))
    in_split = select([file.parts[-3] for file in files], split, str(path))
    files = list(compress(files, in_split))
    names = [file.name for file in files]
    images = decode_all([file.read_bytes() for file in files], [str(file) for file in files])
    labels = np.array([int(file.parts[-2].split(" ")[0]) for file in files], np.int64)
    sources = [name.split("_", 1)[0] for name in names]
    splits = [file.parts[-3] for file in files]
    return Arrays(images, labels, classes, tuple(sources), tuple(names), tuple(splits))


def _samples(shard: Path) -> Iterable[dict[str, bytes]]:
    """Group the members of a shard by key, as WebDataset does: up to the first dot."""
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(shard) as archive:
        for member in archive:
            if not member.isfile() or member.size > _LARGEST_MEMBER:
                raise ValueError(f"{shard.name} holds {member.name!r}, which is no sample")
            key, _, kind = member.name.partition(".")
            file = archive.extractfile(member)
            samples.setdefault(key, {})[kind] = file.read() if file else b""
    return samples.values()


def _select(arrays: Arrays, split: str, path: Path) -> Arrays:
    """Return the samples of a split; neighbouring rows stay a view of the memory map."""
    if split == "all":
        return arrays
    rows = np.flatnonzero(select(arrays.splits, split, str(path)))
    start, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    if stop - start != len(rows):
        return arrays.take(rows)
    part = slice(start, stop)
    images: ImageArray = np.asanyarray(arrays.images)[part]
    texts = (arrays.sources[part], arrays.filenames[part], arrays.splits[part])
    return Arrays(images, arrays.labels[part], arrays.classes, *texts)


def _decoded(values: NDArray[np.object_]) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values.tolist())


def _damaged(path: Path, kind: str, error: Exception) -> DatasetError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return DatasetError(f"read {path}: not a whole {kind} export ({reason}); export it again")


def _finder(*patterns: str) -> Callable[[Path], Sequence[Path]]:
    """Return a function that lists the files of a format: the place itself, or files in it."""

    def find(place: Path) -> Sequence[Path]:
        if any(place.match(pattern) for pattern in patterns) and place.exists():
            return [place]
        return sorted(path for pattern in patterns for path in place.glob(pattern))

    return find


def _folder_finder(pattern: str) -> Callable[[Path], Sequence[Path]]:
    """Return a function that returns the place if it is a folder in a format."""

    def find(place: Path) -> Sequence[Path]:
        is_one = (place / "classes.json").is_file() and any(place.glob(pattern))
        return [place] if is_one else []

    return find


READERS: tuple[tuple[Callable[[Path], Sequence[Path]], Callable[[Path, str], Arrays]], ...] = (
    (_finder("*.h5", "*.hdf5"), read_hdf5),
    (_finder("*.zarr"), read_zarr),
    (_folder_finder("*-[0-9]*.tar"), read_webdataset),
    (_folder_finder("*/[0-9][0-9]* */*.png"), read_image_folder),
)
