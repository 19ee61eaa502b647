"""Fetch a dataset: from an address or a path, checked before it is unpacked, unpacked safely.

A download goes on where it stopped. Several processes that ask for the same dataset at once (the
ranks of one training) fetch it once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mingolotss.errors import DatasetError, InputError, ServiceAnswerError
from mingolotss.io.http import Limits, Transport
from mingolotss.loaders.arrays import holds_dataset
from mingolotss.loaders.extract import unpack

__all__ = ["PUBLISHED", "Archive", "download"]

_CHUNK = 8 << 20  # bytes in one request; what a broken connection costs at most
_LARGEST = 64 << 30


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a dataset, and how to know it.

    Attributes
    ----------
    url : str
        http, https, file, or a path.
    digest : str
        Of the archive: MD5 (32 digits) or SHA-256 (64), hexadecimal. "" only for a path.
    files : mapping of str to str
        MD5 of unpacked files, by name.
    """

    url: str
    digest: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """Give the place on this machine, None if it is an address."""
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return None if parts.scheme in ("http", "https") else Path(self.url).expanduser()

    @property
    def name(self) -> str:
        """Give the file's name."""
        return Path(unquote(urlsplit(self.url).path)).name or "dataset.tar.gz"


PUBLISHED = Archive(
    "http://www.jb.man.ac.uk/research/ascaife/mingo-batches-python.tar.gz",
    "5e72717d9208fea2a4712ec8b4cde9cf",
    {
        "mingo-batches-py/data_batch_1": "e200acffacbc1610d11217b63257b921",
        "mingo-batches-py/data_batch_2": "5f5ed63afb6f8eecd252ba963dec4eab",
        "mingo-batches-py/data_batch_3": "009456395dcec2c6a585922e434a317c",
        "mingo-batches-py/data_batch_4": "5133a3bc91fd4eb0e9e180477a2425bb",
        "mingo-batches-py/data_batch_5": "c9b62438cba5e79d27ec981b3ca6888e",
        "mingo-batches-py/test_batch": "bf465bf0eaa1fcace224455a64da6a55",
        "mingo-batches-py/batches.meta": "eda6b8c53f5e91ac1c5ed91c0b9eda4a",
    },
)


def download(root: Path, archive: Archive = PUBLISHED, transport: Transport | None = None) -> bool:
    """Put a dataset into `root` unless one is there; return whether it had to.

    Parameters
    ----------
    root : path
        Folder of the dataset; made if need be.
    archive : Archive
    transport : Transport, optional
        The HTTP client.

    Raises
    ------
    InputError
        An address without a checksum.
    ServiceError
        The address cannot be read; what came is kept, and the next call goes on from there.
    DatasetError
        The archive is not the one expected, or cannot be unpacked safely. Nothing is unpacked.
    """
    if archive.path is None and len(archive.digest) not in (32, 64):
        raise InputError(f"fetch {archive.url}: give its sha256, so that it can be checked")
    with _alone(root):
        if holds_dataset(root):
            return False
        packed = archive.path or _fetch(archive, root, transport)
        _check(packed, archive, remove=archive.path is None)
        made = unpack(packed, root)
        _check_files(root, archive, made)
    return True


def _fetch(archive: Archive, root: Path, transport: Transport | None) -> Path:
    """Fetch the archive into `root`, or go on with what is there of it."""
    whole, partial = root / archive.name, root / f"{archive.name}.partial"
    if whole.is_file() and _digest(whole, archive.digest) == archive.digest.lower():
        return whole
    client = transport or Transport(limits=Limits(max_bytes=_LARGEST, whole_s=6 * 3600.0))
    resumed = partial.is_file() and partial.stat().st_size > 0
    _fill(archive.url, partial, client)
    if resumed and _digest(partial, archive.digest) != archive.digest.lower():
        partial.unlink()  # it began as another file: once more, from the start
        _fill(archive.url, partial, client)
    partial.replace(whole)
    return whole


def _fill(url: str, partial: Path, client: Transport) -> None:
    """Append to `partial` what it lacks, a range of bytes at a time."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("ab") as file:
        done = False
        while not done:
            data, done = _range(url, file.tell(), client)
            file.write(data)
            file.flush()


def _range(url: str, at: int, client: Transport) -> tuple[bytes, bool]:
    """Ask for a range of bytes from `at`; return it, and whether it was the last.

    A server that does not give ranges gives the whole file, of which the rest is taken.
    """
    try:
        data = client.get(url, headers={"Range": f"bytes={at}-{at + _CHUNK - 1}"}).body
    except ServiceAnswerError as error:
        if "status 416" in str(error) and at:  # nothing after `at` (RFC 9110, section 15.5.17)
            return b"", True
        if "range of bytes" not in str(error):
            raise
        return client.get(url).body[at:], True
    return data, len(data) < _CHUNK


def _digest(path: Path, like: str) -> str:
    kind = "md5" if len(like) == 32 else "sha256"
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _check(packed: Path, archive: Archive, *, remove: bool) -> None:
    if not packed.is_file():
        raise DatasetError(f"open {packed}: there is no such archive")
    if archive.digest and (found := _digest(packed, archive.digest)) != archive.digest.lower():
        if remove:
            packed.unlink()
        raise DatasetError(
            f"open {archive.url}: its checksum is {found}, not {archive.digest.lower()}; nothing "
            "was unpacked; fetch it again, or ask whoever gave you the checksum"
        )


def _check_files(root: Path, archive: Archive, made: list[Path]) -> None:
    for name, digest in archive.files.items():
        path = root / name
        if not path.is_file() or _digest(path, digest) != digest:
            raise DatasetError(
                f"open {archive.url}: {name} in it is not the published one; remove "
                f"{', '.join(str(entry) for entry in made)} and do not use it"
            )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process fetches into `root`."""
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise DatasetError(f"write to {root}: {error.strerror or error}") from error
    finally:
        if made:
            with suppress(OSError):
                root.rmdir()  # only if nothing came of it
