"""WebDataset shards: ``SPLIT-000000.tar``, a thousand samples each, KEY.png, KEY.cls, KEY.json.

A key is the catalogue row: WebDataset cuts names at their first dot, and sources have dots.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.io.files import atomic_path, write_bytes

__all__ = ["write_webdataset"]

_SHARD = 1000
_SAID = ("row", "source", "ra", "dec", "class", "field", "image_file", "split", "pixels_sha256")


def write_webdataset(records: Records, out: Path, facts: dict[str, str]) -> None:
    """Write the shards of every split, and ``classes.json``.

    Raises
    ------
    InputError
        The images are float32, which PNG cannot hold.
    """
    if records.is_float:
        raise InputError(
            f"export {facts['name']} as webdataset: its images are float32; "
            "use hdf5, zarr or parquet"
        )
    for split, rows in records.split_rows().items():
        for number, start in enumerate(range(0, len(rows), _SHARD)):
            part = records.take(rows[start : start + _SHARD])
            _write_shard(out / f"{split}-{number:06d}.tar", part)
    write_bytes(out / "classes.json", json.dumps(list(records.classes)).encode())


def _write_shard(path: Path, records: Records) -> None:
    said = records.table.select(_SAID).to_pylist()
    samples = zip(said, records.encoded(), records.labels.tolist(), strict=True)
    with (
        atomic_path(path) as beside,
        tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for facts, png, label in samples:
            parts = {"cls": str(label).encode(), "json": json.dumps(facts).encode(), "png": png}
            for kind, data in parts.items():
                entry = tarfile.TarInfo(f"{facts['row']:08d}.{kind}")
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))
