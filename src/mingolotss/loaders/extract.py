"""Extract an untrusted archive: plain files into one new folder, or nothing at all.

Refused before anything of them is written: names that lead out of the folder, links, devices, the
same name twice, and more bytes than an archive of its size can plausibly hold. What is not here:
where the archive comes from and its checksum (``download.py``).
"""

from __future__ import annotations

import filecmp
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.archive import PlainMember, is_plain_file
from mingolotss.io.file_kinds import kind_of_file
from mingolotss.io.files import TEMPORARY_PREFIX, as_input_error, check_regular, largest_expansion

__all__ = ["BadArchiveError", "extract"]

_MEMBERS, _MEMBER_BYTES = 20_000, 64  # members of any archive, and bytes of each further one
_PIECE = 1 << 20


class BadArchiveError(DatasetError):
    """The archive itself is at fault: to extract it again gives the same error."""


def extract(
    archive: Path,
    root: Path,
    *,
    folder: str = "",
    check: Callable[[Path], None] | None = None,
    max_bytes: int | None = None,
) -> list[Path]:
    """Extract a tar or tar.gz into `root`; return the new files and folders there.

    Everything is written to a temporary folder in `root`, and moved after the last check.

    Parameters
    ----------
    archive, root : path
    folder : str
        The name of a new folder in `root` for an archive that has files outside any folder; "" for
        `root` itself.
    check : callable, optional
        Called with the temporary folder; it raises `DatasetError` to refuse the content.
    max_bytes : int, optional
        Limit of the extracted size; by default `largest_expansion` of the archive.

    Raises
    ------
    BadArchiveError
        The archive is damaged, truncated or hostile. `root` is left unchanged.
    DatasetError
        It would overwrite a file, cannot be written, or `check` refuses it.
    """
    try:
        check_regular(archive)
        size = archive.stat().st_size
    except OSError as error:
        raise DatasetError(f"unpack {archive}: {error.strerror or error}") from error
    limit = max_bytes or largest_expansion(size)
    members = _MEMBERS + size // _MEMBER_BYTES
    with _stage(root) as stage:
        try:
            with archive.open("rb") as raw:
                _write_members(_Bounded(_stream(raw), limit), stage, members)
        except _RefusedError as error:
            raise BadArchiveError(f"unpack {archive}: {error}; nothing was unpacked") from error
        except _BROKEN as error:
            raise BadArchiveError(f"unpack {archive}: {_fault(archive, error)}") from error
        if check is not None:
            check(stage)
        return _move(archive, stage, root, folder)


def _fault(archive: Path, error: Exception) -> str:
    """Say why an archive cannot be read: it is damaged, or something else."""
    kind = kind_of_file(archive)
    if kind.is_other:
        return f"it is {kind}, and not a tar or tar.gz archive; nothing was unpacked"
    return f"damaged or cut short ({error}); nothing was unpacked; fetch it again"


_BROKEN = (
    tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError,
    IndexError, OverflowError, KeyError, AttributeError, TypeError, MemoryError,
)  # fmt: skip
"""What `tarfile` and `gzip` raise for damaged archives; a chain of long names ends in recursion."""


class _RefusedError(Exception):
    """The archive has a member that no dataset has."""


class _Bounded:
    """A stream of at most `limit` bytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self.count = stream, limit, 0

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= self._limit:
            count = self._limit + 1
        data = self._stream.read(count)
        self.count += len(data)
        if self.count > self._limit:
            raise _RefusedError(f"it unpacks to more than {self._limit >> 20} MiB, like a bomb")
        return data


def _stream(raw: IO[bytes]) -> IO[bytes]:
    start = raw.read(2)
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if start == b"\x1f\x8b" else raw  # type: ignore[return-value]


def _write_members(stream: _Bounded, stage: Path, most: int) -> None:
    """Write every member under `stage`; then read to the end, where gzip has its checksum."""
    # Mode "r|" reads the stream strictly forwards, so `_Bounded` sees every byte that is
    # decompressed, before it is written. The checksum of gzip is at its end (RFC 1952, section
    # 2.3.1): a damaged archive is only noticed if everything is read, also what follows the last
    # member.
    names: set[str] = set()
    with tarfile.open(  # type: ignore[call-overload]
        fileobj=stream, mode="r|", tarinfo=PlainMember
    ) as archive:
        for member in archive:
            path = stage / _safe(member, names, most)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            with path.open("xb") as target:
                shutil.copyfileobj(source, target, _PIECE)
            if path.stat().st_size != member.size:
                raise EOFError(f"{member.name} is not whole")
    while stream.read(_PIECE):
        pass
    if not names:
        raise EOFError("no file in it")


def _safe(member: tarfile.TarInfo, names: set[str], most: int) -> PurePosixPath:
    """Return the member's path, or refuse it (stricter than tarfile's "data" filter)."""
    name = PurePosixPath(member.name)
    shown = repr(member.name[:80])
    if not (is_plain_file(member) or member.isdir()):
        kind = "a sparse file" if member.isreg() else "a link or a device"
        raise _RefusedError(f"{shown} is {kind}, which a dataset never holds")
    nameless = not name.parts and not member.isdir()
    outside = name.is_absolute() or ".." in name.parts or nameless
    if outside or "\\" in member.name or "\0" in member.name:
        raise _RefusedError(f"{shown} would be written outside its folder")
    if str(name) in names and not member.isdir():
        raise _RefusedError(f"{shown} is in it twice")
    names.add(str(name))
    if len(names) > most:
        raise _RefusedError(f"it holds more than {most:,} files, like a bomb")
    return name


@contextmanager
def _stage(root: Path) -> Iterator[Path]:
    """Provide a temporary folder in `root`; remove `root` too if it was new and stays empty."""
    is_new = not root.exists()
    stage = root / f"{TEMPORARY_PREFIX}{os.getpid()}-unpack"
    try:
        for stale in root.glob(f"{TEMPORARY_PREFIX}*-unpack"):  # of a process that was killed
            shutil.rmtree(stale, ignore_errors=True)
        stage.mkdir(parents=True)
        yield stage
    except OSError as error:
        if isinstance(shown := as_input_error(error, root), InputError):
            raise shown from error
        raise DatasetError(f"unpack into {root}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if is_new and root.is_dir() and not any(root.iterdir()):
            root.rmdir()


def _move(archive: Path, stage: Path, root: Path, folder: str) -> list[Path]:
    """Move the extracted files into `root`, or into a new folder there; overwrite nothing.

    A folder that has a part of the extracted one, byte for byte, gets the rest of it.
    """
    entries = sorted(stage.iterdir())
    is_flat = any(entry.is_file() for entry in entries)
    if is_flat and folder:
        inner = stage / folder
        inner.mkdir()
        for entry in entries:
            entry.rename(inner / entry.name)
        entries = [inner]
    for entry in entries:
        if (root / entry.name).exists() and not _is_part(root / entry.name, entry):
            raise DatasetError(
                f"unpack {archive}: {root / entry.name} is in its way and holds no whole dataset; "
                "remove it, or choose another root"
            )
    return [_merge(entry, root / entry.name) for entry in entries]


def _is_part(place: Path, new: Path) -> bool:
    """Return whether all that is in a folder is in a new one, too, with the same content."""
    if place.is_dir() and new.is_dir() and not place.is_symlink():
        return all(_is_part(path, new / path.name) for path in place.iterdir())
    return place.is_file() and new.is_file() and filecmp.cmp(place, new, shallow=False)


def _merge(new: Path, place: Path) -> Path:
    """Move what is absent from `place`."""
    if not place.exists():
        return new.rename(place)
    if new.is_dir():
        for path in new.iterdir():
            _merge(path, place / path.name)
    return place
