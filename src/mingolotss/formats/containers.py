"""Read the other formats that ``mingolotss export`` writes: HDF5, Zarr, WebDataset, PNG folders.

Each reader imports its library when it runs, and says which to install if it is not there.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.samples import Arrays
from mingolotss.dataset.split_names import choose
from mingolotss.errors import DatasetError
from mingolotss.io.optional import library
from mingolotss.io.png import decode_all

__all__ = ["READERS", "read_hdf5", "read_image_folder", "read_webdataset", "read_zarr"]

_LARGEST_MEMBER = 64 << 20  # bytes; a stamp is 6 kB, and a shard may claim anything


def read_hdf5(path: Path, split: str = "all") -> Arrays:
    """Read an HDF5 export; the images are a memory map of the file where they lie in one piece."""
    h5py = library("h5py", f"read {path}")
    try:
        with h5py.File(path, "r") as file:
            images, offset = file["images"], file["images"].id.get_offset()
            kind, shape = images.dtype, images.shape
            labels = file["labels"][:]
            texts = [_decoded(file[name][:]) for name in ("source", "image_file", "split")]
            classes = tuple(file.attrs["classes"].tolist())
            pixels = images[:] if offset is None else None
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise _damaged(path, "HDF5", error) from error
    if pixels is None:
        pixels = np.memmap(path, kind, "r", offset, shape)
    return _chosen(Arrays(pixels, labels.astype(np.int64), classes, *texts), split, path)


def read_zarr(path: Path, split: str = "all") -> Arrays:
    """Read a Zarr export."""
    zarr = library("zarr", f"read {path}")
    try:
        group = zarr.open_group(path, mode="r")
        pixels, labels = group["images"][:], group["labels"][:]
        facts = dict(group.attrs)
        texts = [tuple(facts[name]) for name in ("source", "image_file", "split")]
        classes = tuple(facts["classes"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "Zarr", error) from error
    return _chosen(Arrays(pixels, labels.astype(np.int64), classes, *texts), split, path)


def read_webdataset(path: Path, split: str = "all") -> Arrays:
    """Read WebDataset shards, ``SPLIT-000000.tar`` and so on, with ``classes.json`` beside them."""
    shards = sorted(path.glob("*-[0-9]*.tar"))
    of = [shard.name.rpartition("-")[0] for shard in shards]
    wanted = choose(of, split, str(path))
    chosen = [shard for shard, want in zip(shards, wanted, strict=True) if want]
    try:
        classes = tuple(json.loads((path / "classes.json").read_text(encoding="utf-8")))
        samples = [sample for shard in chosen for sample in _samples(shard)]
        facts = [json.loads(sample["json"]) for sample in samples]
        pngs = [sample["png"] for sample in samples]
        labels = np.array([int(sample["cls"]) for sample in samples], np.int64)
        texts = [tuple(fact[name] or "" for fact in facts) for name in _TEXTS]
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError, EOFError) as error:
        raise _damaged(path, "WebDataset", error) from error
    order = np.argsort([fact.get("row", 0) for fact in facts], kind="stable")
    arrays = Arrays(decode_all(pngs, texts[1]), labels, classes, *texts)
    return arrays if (np.diff(order) > 0).all() else arrays.take(order)


def read_image_folder(path: Path, split: str = "all") -> Arrays:
    """Read PNG folders, ``SPLIT/NN CLASS/NAME.png``, in the order of their names."""
    files = sorted(path.glob("*/[0-9][0-9]* */*.png"), key=lambda file: file.name)
    classes = tuple(json.loads((path / "classes.json").read_text(encoding="utf-8")))
    wanted = choose([file.parts[-3] for file in files], split, str(path))
    chosen = [file for file, want in zip(files, wanted, strict=True) if want]
    names = [file.name for file in chosen]
    images = decode_all([file.read_bytes() for file in chosen], [str(file) for file in chosen])
    labels = np.array([int(file.parts[-2].split(" ")[0]) for file in chosen], np.int64)
    sources = [name.split("_", 1)[0] for name in names]
    splits = [file.parts[-3] for file in chosen]
    return Arrays(images, labels, classes, tuple(sources), tuple(names), tuple(splits))


_TEXTS = ("source", "image_file", "split")


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


def _chosen(arrays: Arrays, split: str, path: Path) -> Arrays:
    if split == "all":
        return arrays
    wanted = np.flatnonzero(choose(arrays.splits, split, str(path)))
    first, last = (wanted[0], wanted[-1] + 1) if len(wanted) else (0, 0)
    if last - first == len(wanted):  # in one piece: keep the memory map
        wanted = slice(first, last)  # type: ignore[assignment]
        texts = [getattr(arrays, n)[wanted] for n in ("sources", "filenames", "splits")]
        images: NDArray[Any] = np.asanyarray(arrays.images)[wanted]
        return Arrays(images, arrays.labels[wanted], arrays.classes, *texts)
    return arrays.take(wanted)


def _decoded(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values.tolist())


def _damaged(path: Path, kind: str, error: Exception) -> DatasetError:
    found = (str(error) or type(error).__name__).splitlines()[0]
    return DatasetError(f"read {path}: not a whole {kind} export ({found}); export it again")


def _find(*patterns: str) -> Callable[[Path], Sequence[Path]]:
    """Make a function that finds what a format's reader wants at a place or in it."""

    def find(place: Path) -> Sequence[Path]:
        if any(place.match(pattern) for pattern in patterns) and place.exists():
            return [place]
        return sorted(found for pattern in patterns for found in place.glob(pattern))

    return find


def _find_folder(pattern: str) -> Callable[[Path], Sequence[Path]]:
    def find(place: Path) -> Sequence[Path]:
        has = (place / "classes.json").is_file() and any(place.glob(pattern))
        return [place] if has else []

    return find


READERS: tuple[tuple[Callable[[Path], Sequence[Path]], Callable[[Path, str], Arrays]], ...] = (
    (_find("*.h5", "*.hdf5"), read_hdf5),
    (_find("*.zarr"), read_zarr),
    (_find_folder("*-[0-9]*.tar"), read_webdataset),
    (_find_folder("*/[0-9][0-9]* */*.png"), read_image_folder),
)
