"""WebDataset: shards ``SPLIT-000000.tar`` of a thousand samples, each KEY.png, KEY.cls, KEY.json.

Images with channels that no PNG file holds, float32 or of another number than one or three, are
KEY.npy, an array of shape (channels, ny, nx). The names of the channels are in ``channels.json``.
A mask is KEY.mask.png, grey with the values 0, 1 and 2. A key is the catalogue row: WebDataset cuts
names at their first dot, and source names have dots.

Tags are KEY.tags.npy, an array of 0 and 1 (int8), in the place of KEY.cls, and votes KEY.votes.npy,
fractions (float64), beside it; WebDataset decodes both. An unlabelled image has -1 or NaN.
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import compress, repeat
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.label_columns import TAGS, VOTES, VOTES_TOTAL
from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import further_fields
from mingolotss.dataset.masks import decode_masks
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays
from mingolotss.dataset.split_names import select
from mingolotss.foreign import mute_warnings
from mingolotss.formats.archive import PlainMember, is_plain_file, write_tar
from mingolotss.formats.base import (
    ExportHeader,
    Format,
    check_kind,
    reading_export,
)
from mingolotss.formats.class_names import (
    read_channel_names,
    read_class_names,
    write_channel_names,
    write_class_names,
)
from mingolotss.formats.json_values import plain_values
from mingolotss.formats.label_arrays import label_arrays, vectors_of_arrays
from mingolotss.formats.places import find_webdataset
from mingolotss.formats.stored_names import true_splits
from mingolotss.io.documents import parse_json
from mingolotss.io.files import check_regular
from mingolotss.io.png import PNG_CHANNELS, decode_pngs

__all__ = ["WEBDATASET", "read_webdataset", "write_webdataset"]

_SHARD = 1000  # samples
_COLUMNS = ("row", "source", "ra", "dec", "class", "field", "image_file", "split", "pixels_sha256")
_MASK = "mask.png"
_LARGEST_MEMBER = 64 << 20  # bytes; a stamp is 6 kB, and a shard may claim anything


def write_webdataset(records: Records, folder: Path, header: ExportHeader) -> None:
    """Write the shards of every split, and the class names.

    Parameters
    ----------
    records : Records
    folder : Path
    header : ExportHeader

    Raises
    ------
    InputError
        The images are float32 without channels, which earlier versions refuse to read.
    """
    check_kind(records, header, is_png=False)
    export = ExportFolder(folder)
    for split, rows in records.split_rows().items():
        for number, start in enumerate(range(0, len(rows), _SHARD)):
            shard = records.take(rows[start : start + _SHARD])
            write_tar(export.shard(split, number), _members(shard))
    write_class_names(export.classes, records.classes)
    write_channel_names(export.channel_names, records.channels)


def _members(records: Records) -> Iterator[tuple[str, bytes]]:
    """Give the name and the content of each file of a shard."""
    kept = [field.name for field in further_fields(records.table.schema)]
    columns = records.table.select(_COLUMNS).to_pylist()
    shape = records.shape
    encoded = records.encoded() if shape.is_png else map(_npy, records.images())
    kind = "png" if shape.is_png else "npy"
    for name in kept:
        for metadata, value in zip(columns, plain_values(records.table[name]), strict=True):
            metadata[name] = value
    masks: Iterable[bytes | None] = repeat(None, len(records))
    if records.has_masks:
        masks = records.encoded_masks()
    vectors = label_arrays(records.vectors)
    name = TAGS.name if TAGS.name in vectors else VOTES.name
    rows = vectors.get(name, np.empty((len(columns), 0)))
    samples = zip(columns, encoded, masks, records.labels.tolist(), rows, strict=True)
    for metadata, image, mask, label, row in samples:
        key = f"{metadata['row']:08d}"
        if TAGS.name not in vectors:
            yield f"{key}.cls", str(label).encode()
        yield f"{key}.json", json.dumps(metadata).encode()
        yield f"{key}.{kind}", image
        if mask is not None:
            yield f"{key}.{_MASK}", mask
        if vectors:
            yield f"{key}.{name}.npy", _npy(row)


def _npy(array: npt.NDArray[np.generic]) -> bytes:
    """Return an array as a file of numpy (NEP 1)."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _read_npy(
    data: bytes, kinds: Collection[str], shard: Path, fits: Callable[[tuple[int, ...]], bool]
) -> npt.NDArray[Any]:
    """Read a file of numpy, of which nothing but plain numbers is accepted.

    Parameters
    ----------
    data : bytes
    kinds : collection of str
        The types that are accepted, for example "u1".
    shard : Path
        For messages.
    fits : callable
        Whether a shape is accepted.

    Raises
    ------
    ValueError
        It is none, or has another shape or type, or other bytes than its header says.
    """
    file = BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{shard.name} holds a file of numpy of version {version}")
    with mute_warnings():  # of a header of Python 2, which is read all the same
        shape, is_fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
    values = data[file.tell() :]
    # The order of Fortran and of C are the same for one axis.
    is_known = kind.kind + str(kind.itemsize) in kinds and not (is_fortran and len(shape) > 1)
    if not is_known or not fits(shape):
        raise ValueError(f"{shard.name} holds an array of {kind} and shape {shape!r:.60}")
    if len(values) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{shard.name} holds an array of shape {shape} with {len(values)} bytes")
    return np.frombuffer(values, kind).reshape(shape)


def read_webdataset(path: Path, split: str = "all") -> Arrays:
    """Read shards, in the order of the catalogue.

    Parameters
    ----------
    path : Path
        The folder.
    split : str
        As for ``load``.

    Raises
    ------
    DatasetError
        A shard is damaged, or holds anything but samples.
    InputError
        There is no such split.
    """
    export = ExportFolder(path)
    shards = export.shards()
    splits = true_splits(path, [shard.name.rpartition("-")[0] for shard in shards])
    in_split = select(splits, split, str(path))
    classes = read_class_names(export.classes)
    channels = read_channel_names(export.channel_names)
    with reading_export(path, "WebDataset"):
        samples = [sample for shard in compress(shards, in_split) for sample in _samples(shard)]
        records = [_read_record(sample["json"]) for sample in samples]
        vectors = _read_vectors(samples, records, len(classes), path)
        has_tags = vectors is not None and vectors.kind == "tags"
        labels = np.array([-1 if has_tags else int(sample["cls"]) for sample in samples], np.int64)
        texts = [tuple(record[name] or "" for record in records) for name in TEXT_COLUMNS]
        rows = np.array([int(record.get("row", 0)) for record in records], np.int64)
    # Every split has its own shards, so all splits together are not in the order of the catalogue.
    # A single split is, and its images are then returned without another copy.
    order = np.argsort(rows, kind="stable")
    images = _read_images(samples, texts[1], channels, path)
    masks = None
    if any(_MASK in sample for sample in samples):
        with reading_export(path, "WebDataset"):
            pngs = [sample[_MASK] for sample in samples]
            masks = decode_masks(pngs, [f"the mask of {name}" for name in texts[1]])
    arrays = Arrays(
        images, labels, classes, *texts, channels=channels, masks=masks, vectors=vectors
    )
    return arrays if (np.diff(order) > 0).all() else arrays.take(order)


def _read_vectors(
    samples: Sequence[dict[str, bytes]],
    records: Sequence[dict[str, Any]],
    n_classes: int,
    path: Path,
) -> LabelVectors | None:
    """Return the tags or votes of all samples; None if the first has neither."""
    names = [name for name in (TAGS.name, VOTES.name) if f"{name}.npy" in (samples or [{}])[0]]
    if not names:
        return None
    name, kind = names[0], "i1" if names[0] == TAGS.name else "f8"
    rows = [
        _read_npy(sample[f"{name}.npy"], (kind,), path, lambda shape: shape == (n_classes,))
        for sample in samples
    ]
    totals = [record.get(VOTES_TOTAL.name) for record in records]
    numbers = [float(total) if isinstance(total, int | float) else np.nan for total in totals]
    arrays = {name: np.stack(rows), VOTES_TOTAL.name: np.array(numbers)}
    return vectors_of_arrays(arrays, len(samples), n_classes)


def _read_images(
    samples: Sequence[dict[str, bytes]],
    names: Sequence[str],
    channels: tuple[str, ...],
    path: Path,
) -> ImageArray:
    """Return the images of all samples, which are PNG or all are arrays."""
    with reading_export(path, "WebDataset"):
        if not (channels and any("npy" in sample for sample in samples)):
            if channels and len(channels) not in PNG_CHANNELS:
                raise ValueError(f"{len(channels)} channels without an array")
            pngs = [sample["png"] for sample in samples]
            return decode_pngs(pngs, names, len(channels) or None)
        count = len(channels)
        arrays = [
            _read_npy(
                sample["npy"], ("u1", "f4"), path,
                lambda shape: len(shape) == 3 and shape[0] == count and min(shape) > 0,
            )
            for sample in samples
        ]  # fmt: skip
        kinds = {(array.shape, array.dtype.name) for array in arrays}
        if len(kinds) > 1:
            raise ValueError(f"images of several kinds, {sorted(kinds)!r:.120}")
        return np.stack(arrays, dtype=arrays[0].dtype.newbyteorder("="))


def _samples(shard: Path) -> Iterable[dict[str, bytes]]:
    """Group the members of a shard by key, as WebDataset does: up to the first dot."""
    samples: dict[str, dict[str, bytes]] = {}
    check_regular(shard)
    # Mode "r:" reads no compressed archive; plain members then fit into the size of the shard.
    with tarfile.open(shard, "r:", tarinfo=PlainMember) as archive:
        for member in archive:
            if not is_plain_file(member) or member.size > _LARGEST_MEMBER:
                raise ValueError(f"{shard.name} holds {member.name[:80]!r}, which is no sample")
            key, _, kind = member.name.partition(".")
            file = archive.extractfile(member)
            samples.setdefault(key, {})[kind] = file.read() if file else b""
        end = archive.offset
    # tarfile also stops without a word where the file does. A whole archive ends with a block of
    # zeros (POSIX.1, ustar interchange format).
    with shard.open("rb") as raw:
        raw.seek(end)
        if raw.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError(f"{shard.name} is cut short after {end} bytes")
    return samples.values()


def _read_record(content: bytes) -> dict[str, Any]:
    record = parse_json(content)
    if not isinstance(record, dict):
        raise TypeError("a sample whose JSON is no object")
    for name in TEXT_COLUMNS:
        if not isinstance(record[name], (str, NoneType)):
            raise TypeError(f"a sample whose {name} is no text")
    return record


WEBDATASET = Format(
    write_webdataset,
    find_webdataset,
    read_webdataset,
    ('webdataset.WebDataset("FOLDER/train-000000.tar", shardshuffle=False)',),
)
