"""MNIST-style batches: pickled dicts of images and labels, and the archive of them all.

As the published ones: ``data_batch_1`` and so on for training, ``test_batch``, ``batches.meta``,
each a dict that the original's loader reads. The same records give the same bytes.

>>> batch_of_rows(5805, train=5, rows=1000, of=5805)[4990:5002:6].tolist()
[4, 4]
>>> batch_of_rows(5805, train=5, rows=1000, of=5805)[5000]
np.int64(5)
>>> batch_name(0, 5), batch_name(5, 5)
('data_batch_1', 'test_batch')
"""

from __future__ import annotations

import io
import pickle
import sys
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from zlib_ng import gzip_ng

from mingolotss.io.files import atomic_path, md5_file, write_bytes

__all__ = [
    "batch_label",
    "batch_name",
    "batch_of_rows",
    "write_archive",
    "write_batch",
    "write_checksums",
    "write_meta",
]

_PROTOCOL = 4  # read by every Python since 3.4


def batch_of_rows(n: int, *, train: int, rows: int, of: int) -> npt.NDArray[np.int64]:
    """Return the batch of every catalogue row; the number `train` is the test batch.

    Parameters
    ----------
    n : int
        Rows in the catalogue.
    train, rows, of : int
        `train` batches of `rows` each from a catalogue of `of`; other catalogues in proportion.
    """
    per = max(1, n * rows // of)
    return np.minimum(np.arange(n) // per, train)


def batch_name(index: int, train: int) -> str:
    """Return the file name of a batch."""
    return "test_batch" if index == train else f"data_batch_{index + 1}"


def batch_label(index: int, train: int) -> str:
    """Return what the batch calls itself."""
    if index == train:
        return "testing batch 1 of 1"
    return f"training batch {index + 1} of {train}"


def write_batch(
    path: Path,
    label: str,
    pixels: npt.NDArray[np.uint8],
    labels: Sequence[int],
    filenames: Sequence[str],
    sources: Sequence[str],
    fields: Sequence[str],
) -> None:
    """Write one batch.

    Parameters
    ----------
    pixels : uint8 array, shape (n, side * side)
    labels : sequence of int
    filenames, sources, fields : sequence of str
    """
    _dump(
        path,
        {
            "batch_label": label,
            "labels": [int(one) for one in labels],
            "data": np.ascontiguousarray(pixels),
            "filenames": _interned(filenames),
            "src_ids": _interned(sources),
            "fieldnames": _interned(fields),
        },
    )


def write_meta(path: Path, class_names: Sequence[str]) -> None:
    """Write ``batches.meta``."""
    _dump(path, {"label_names": _interned(class_names)})


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write ``checksums``: MD5 and name, as ``md5sum -c`` and the loader's table have them."""
    listed = list(names)
    with ThreadPoolExecutor(2) as pool:
        digests = pool.map(md5_file, (folder / name for name in listed))
        lines = [f"{digest}  {name}\n" for digest, name in zip(digests, listed, strict=True)]
    write_bytes(folder / "checksums", "".join(lines).encode())


def write_archive(path: Path, folder: Path, names: Iterable[str]) -> None:
    """Write a tar.gz of files of a folder, without dates, owners or anything else that varies.

    zlib-ng packs 22 MB in 11 ms; its threads would wait for each other for 60 (2 cores, median).
    """
    with (
        atomic_path(path) as beside,
        beside.open("wb") as raw,
        gzip_ng.GzipNGFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in names:
            data = (folder / name).read_bytes()
            entry = tarfile.TarInfo(f"{folder.name}/{name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))


def _interned(words: Sequence[str]) -> list[str]:
    """Return strings of which equal ones are one object: what pickle writes depends on it."""
    return [sys.intern(word) for word in words]


def _dump(path: Path, content: dict[str, Any]) -> None:
    with atomic_path(path) as beside, beside.open("wb") as stream:
        pickle.dump(content, stream, protocol=_PROTOCOL)
