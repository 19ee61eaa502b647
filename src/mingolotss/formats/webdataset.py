"""WebDataset: shards ``SPLIT-000000.tar`` of a thousand samples, each KEY.png, KEY.cls, KEY.json.

A key is the catalogue row: WebDataset cuts names at their first dot, and source names have dots.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.manifest import kept_fields
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays
from mingolotss.dataset.split_names import select
from mingolotss.formats.archive import PlainMember, is_plain_file, write_tar
from mingolotss.formats.base import (
    ExportHeader,
    Format,
    need_uint8,
    plain_values,
    reading_export,
)
from mingolotss.formats.class_names import read_class_names, write_class_names
from mingolotss.formats.stored_names import true_splits
from mingolotss.io.documents import parse_json
from mingolotss.io.files import check_regular
from mingolotss.io.png import decode_pngs

__all__ = ["WEBDATASET", "find_webdataset", "read_webdataset", "write_webdataset"]

_SHARD = 1000  # samples
_COLUMNS = ("row", "source", "ra", "dec", "class", "field", "image_file", "split", "pixels_sha256")
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
        The images are float32, which PNG cannot hold.
    """
    need_uint8(records, header)
    export = ExportFolder(folder)
    for split, rows in records.split_rows().items():
        for number, start in enumerate(range(0, len(rows), _SHARD)):
            shard = records.take(rows[start : start + _SHARD])
            write_tar(export.shard(split, number), _members(shard))
    write_class_names(export.classes, records.classes)


def _members(records: Records) -> Iterator[tuple[str, bytes]]:
    """Give the name and the content of each file of a shard."""
    kept = [field.name for field in kept_fields(records.table.schema)]
    columns = records.table.select(_COLUMNS).to_pylist()
    for name in kept:
        for metadata, value in zip(columns, plain_values(records.table[name]), strict=True):
            metadata[name] = value
    samples = zip(columns, records.encoded(), records.labels.tolist(), strict=True)
    for metadata, png, label in samples:
        key = f"{metadata['row']:08d}"
        yield f"{key}.cls", str(label).encode()
        yield f"{key}.json", json.dumps(metadata).encode()
        yield f"{key}.png", png


def find_webdataset(place: Path) -> Sequence[Path]:
    """Return the folder if it holds shards and the class names."""
    export = ExportFolder(place)
    return [place] if export.classes.is_file() and export.shards() else []


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
    with reading_export(path, "WebDataset"):
        samples = [sample for shard in compress(shards, in_split) for sample in _samples(shard)]
        records = [_read_record(sample["json"]) for sample in samples]
        pngs = [sample["png"] for sample in samples]
        labels = np.array([int(sample["cls"]) for sample in samples], np.int64)
        texts = [tuple(record[name] or "" for record in records) for name in TEXT_COLUMNS]
        rows = np.array([int(record.get("row", 0)) for record in records], np.int64)
    # Every split has its own shards, so all splits together are not in the order of the catalogue.
    # A single split is, and its images are then returned without another copy.
    order = np.argsort(rows, kind="stable")
    arrays = Arrays(decode_pngs(pngs, texts[1]), labels, classes, *texts)
    return arrays if (np.diff(order) > 0).all() else arrays.take(order)


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
