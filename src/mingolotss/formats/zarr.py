"""Zarr, format 3: a group ``NAME.zarr`` of images, labels, masks, with all else as attributes.

Tags and votes are arrays beside the labels. The names of channels are the attribute ``channels``,
and the axes of such images have names.

To write it, the library zarr is needed; if it is missing, the error gives the command that installs
it. A group may come from anywhere: it is read without that library, which would open every format,
codec and link that the group names.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mingolotss.dataset.label_names import LABEL_NAMES
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import kept_fields, kept_unit
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays, take_split
from mingolotss.dataset.stamp_shape import channel_names
from mingolotss.formats.base import (
    IMAGE_AXES,
    ExportHeader,
    Format,
    check_masks,
    check_samples,
    reading_export,
)
from mingolotss.formats.json_values import plain_values
from mingolotss.formats.label_arrays import label_arrays, vectors_of_arrays
from mingolotss.formats.places import find_zarr
from mingolotss.io.documents import parse_json
from mingolotss.io.files import largest_expansion, read_bounded
from mingolotss.io.optional import import_optional

__all__ = ["ZARR", "read_zarr", "write_zarr"]

_MASK_AXES = ("sample", "y", "x")
_CHUNK = 64  # images: the size of a batch in training
_KINDS = ("uint8", "float32", "int64", "int8", "float64")
_LARGEST_JSON = 1 << 30  # bytes; the names of 10 million sources
_LARGEST_CHUNK = 64  # times the array: one with a few images has a chunk of 64
_FRAME = 1 << 20  # bytes by which zstd may enlarge a chunk that does not compress


def write_zarr(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write ``NAME.zarr``.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The library zarr is not installed.
    """
    zarr = import_optional("zarr", f"write {folder}")
    path = ExportFolder(folder).zarr(header.name)
    shutil.rmtree(path, ignore_errors=True)
    images = records.images()
    texts = {name: list(records.texts(name)) for name in TEXT_COLUMNS}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    axes = {"dimension_names": IMAGE_AXES} if records.channels else {}
    group.create_array("images", data=images, chunks=(_CHUNK, *images.shape[1:]), **axes)
    group.create_array("labels", data=records.labels)
    if (masks := records.masks()) is not None:
        mask_axes = {"dimension_names": _MASK_AXES} if records.channels else {}
        group.create_array("masks", data=masks, chunks=(_CHUNK, *masks.shape[1:]), **mask_axes)
    for name, values in label_arrays(records.vectors).items():
        group.create_array(name, data=values)
    names = {"channels": list(records.channels)} if records.channels else {}
    group.attrs.update({"classes": list(records.classes), **names, **texts, **header.to_dict()})
    if kept := kept_fields(records.table.schema):
        group.attrs["catalogue"] = {
            field.name: plain_values(records.table[field.name]) for field in kept
        }
        group.attrs["catalogue_units"] = {
            field.name: unit for field in kept if (unit := kept_unit(field))
        }


def read_zarr(path: Path, split: str = "all") -> Arrays:
    """Read a Zarr export.

    Only what `write_zarr` writes is read: format 3, plain arrays, no codec but bytes and zstd, and
    files of the group itself. The library zarr is not used, and so no code of a plug-in is run.

    Parameters
    ----------
    path : Path
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        The group is damaged, or is no such group.
    InputError
        There is no such split.
    """
    with reading_export(path, "Zarr"):
        files = _files(path)
        attributes = _metadata(files, "", "group")["attributes"]
        images, labels = (_describe(files, name) for name in ("images", "labels"))
        size = sum(file.stat().st_size for file in files.values())
        channels = channel_names(attributes["channels"]) if "channels" in attributes else ()
        check_samples(
            (images.kind, images.shape),
            (labels.kind, labels.shape),
            largest_expansion(size),
            channels,
        )
        masks = None
        if "masks/zarr.json" in files:
            described = _describe(files, "masks")
            check_masks((described.kind, described.shape), images.shape)
            masks = _read_array(files, described)
        stored = [_describe(files, name) for name in LABEL_NAMES if f"{name}/zarr.json" in files]
        for array in stored:
            if math.prod(array.shape) * array.kind.itemsize > largest_expansion(size):
                raise ValueError(f"{array.name} of shape {array.shape}")
        pixels, numbers = (_read_array(files, array) for array in (images, labels))
        texts = [_texts(attributes, name) for name in TEXT_COLUMNS]
        classes = _texts(attributes, "classes")
        arrays = {array.name: _read_array(files, array) for array in stored}
        vectors = vectors_of_arrays(arrays, len(numbers), len(classes))
    samples = Arrays(
        pixels, numbers.astype(np.int64), classes, *texts,
        channels=channels, masks=masks, vectors=vectors,
    )  # fmt: skip
    return take_split(samples, split, str(path))


def _files(group: Path) -> dict[str, Path]:
    """List the files of a group by their names relative to it; only these are ever opened.

    Raises
    ------
    ValueError
        One of them is a link, which may lead anywhere.
    """
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(group):
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink():
                raise ValueError(f"{path} is a link")
        files |= {
            Path(folder, name).relative_to(group).as_posix(): Path(folder, name) for name in names
        }
    return files


@dataclass(frozen=True, slots=True)
class _StoredArray:
    """An array of a Zarr group as its ``zarr.json`` describes it."""

    name: str
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    fill: float
    is_compressed: bool
    separator: str

    def index_of(self, file: str) -> tuple[int, ...] | None:
        """Return the index of the chunk in a file; None if the file is none of the chunks.

        Zarr specification, version 3, "Default chunk key encoding".
        """
        prefix, *numbers = file.removeprefix(f"{self.name}/").split(self.separator)
        is_chunk = prefix == "c" and len(numbers) == len(self.shape)
        if not is_chunk or not all(map(str.isdecimal, numbers)):
            return None
        index = tuple(map(int, numbers))
        places = zip(index, self.chunk, self.shape, strict=True)
        return index if all(i * step < side for i, step, side in places) else None


def _metadata(files: Mapping[str, Path], name: str, node_type: str) -> dict[str, Any]:
    """Read ``zarr.json`` of a group or an array."""
    content = parse_json(read_bounded(files[f"{name}zarr.json"], _LARGEST_JSON))
    if not isinstance(content, dict) or content.get("zarr_format") != 3:
        raise ValueError("not of Zarr format 3")
    if content.get("node_type") != node_type or not isinstance(content.get("attributes"), dict):
        raise ValueError(f"{name or 'it'} is no {node_type}")
    return content


def _describe(files: Mapping[str, Path], name: str) -> _StoredArray:
    """Read the description of an array, and refuse all that `write_zarr` does not write."""
    content = _metadata(files, f"{name}/", "array")
    kind, codecs = content["data_type"], content["codecs"]
    grid, keys = content["chunk_grid"], content["chunk_key_encoding"]
    names = [codec["name"] for codec in codecs]
    if kind not in _KINDS or names not in (["bytes"], ["bytes", "zstd"]):
        raise ValueError(f"{name} of type {kind!r:.40} with the codecs {names!r:.80}")
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    separator = keys.get("configuration", {}).get("separator", "/")
    if endian != "little" or separator not in ("/", "."):
        raise ValueError(f"{name} of {endian!r:.20} endian bytes")
    if (grid["name"], keys["name"]) != ("regular", "default") or content.get(
        "storage_transformers"
    ):
        raise ValueError(f"{name} is not stored in regular chunks")
    shape, chunk = content["shape"], grid["configuration"]["chunk_shape"]
    for sides in (shape, chunk):
        if not isinstance(sides, list) or not all(type(side) is int for side in sides):
            raise ValueError(f"{name} of shape {sides!r:.40}")
    if len(shape) != len(chunk) or min(shape, default=0) < 0 or min(chunk, default=1) < 1:
        raise ValueError(f"{name} of shape {shape!r:.40} in chunks of {chunk!r:.40}")
    return _StoredArray(
        name,
        np.dtype(kind).newbyteorder("<"),
        tuple(shape),
        tuple(chunk),
        float(content["fill_value"]),
        "zstd" in names,
        separator,
    )


def _read_array(files: Mapping[str, Path], array: _StoredArray) -> NDArray[Any]:
    """Read all chunks of an array; one that has no file consists of the fill value."""
    values = np.full(array.shape, array.fill, array.kind)
    whole = math.prod(array.chunk) * array.kind.itemsize
    if whole > max(values.nbytes, array.kind.itemsize) * _LARGEST_CHUNK:
        raise ValueError(f"{array.name} in chunks of {array.chunk}")
    for name, path in files.items():
        if not name.startswith(f"{array.name}/") or (index := array.index_of(name)) is None:
            continue
        data = read_bounded(path, whole + _FRAME)
        if array.is_compressed:
            data = pa.decompress(data, whole, "zstd", asbytes=True)
        if len(data) != whole:
            raise ValueError(f"{name} has {len(data)} bytes, not {whole}")
        starts = zip(index, array.chunk, strict=True)
        target = values[tuple(slice(step * i, step * (i + 1)) for i, step in starts)]
        chunk = np.frombuffer(data, array.kind).reshape(array.chunk)
        target[...] = chunk[tuple(map(slice, target.shape))]
    return values


def _texts(attributes: dict[str, Any], name: str) -> tuple[str, ...]:
    texts = attributes[name]
    if not isinstance(texts, list) or not all(type(text) is str for text in texts):
        raise ValueError(f"the attribute {name!r} is no list of names")
    return tuple(texts)


ZARR = Format(
    write_zarr,
    find_zarr,
    read_zarr,
    ('zarr.open_group("FOLDER/NAME.zarr")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'),
)
