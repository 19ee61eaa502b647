"""Download a dataset from an address or a path; check the archive, then extract it safely.

An interrupted download is resumed. Several processes that ask for the same dataset at once (the
ranks of one training) download it once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.published import published_archive
from mingolotss.errors import (
    DatasetError,
    InputError,
    ServiceAnswerError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.file_kinds import kind_of_file
from mingolotss.io.files import md5_file, missing_folders, remove_empty, sha256_file
from mingolotss.io.http import Limits, Response, Transport
from mingolotss.io.http.addresses import check_address
from mingolotss.io.lock import file_lock, lock_path
from mingolotss.io.response_headers import parse_content_range
from mingolotss.loaders.arrays import holds_dataset, is_whole
from mingolotss.loaders.extract import BadArchiveError, extract
from mingolotss.loaders.recognition import Expected, title_of_dataset

__all__ = ["PUBLISHED", "Archive", "download"]

_CHUNK = 8 << 20  # bytes in one request, and so the most that a broken connection loses
_LARGEST = 64 << 30
_MAX_SHORT_ANSWERS = 1000
_SHOWN = 5  # names of files in a message


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a dataset, with its checksums.

    Attributes
    ----------
    url : str
        http, https, file, or a path.
    digest : str
        Of the archive: MD5 (32 digits) or SHA-256 (64), hexadecimal. "" only for a path.
    files : mapping of str to str
        MD5 of the extracted files, by their names in `root`.
    expected : Expected, optional
        The published dataset that it has to hold; by default, any dataset.
    """

    url: str
    digest: str = ""
    files: dict[str, str] = field(default_factory=dict)
    expected: Expected | None = None

    @property
    def path(self) -> Path | None:
        """Return the path on this machine, or None for an address."""
        if self.url.startswith("file:"):
            return Path(unquote(urlsplit(self.url).path))
        is_web_address = self.url.startswith(("http:", "https:"))
        return None if is_web_address else Path(self.url).expanduser()

    @property
    def name(self) -> str:
        """Return the file's name."""
        path = self.path or Path(unquote(check_address(self.url).path))
        return path.name or "dataset.tar.gz"

    def is_in(self, root: Path) -> bool:
        """Return whether `root` holds the dataset."""
        if self.expected is not None:
            place = self.expected.find(root, any_version=False)
            return place is not None and is_whole(place)
        # The published archive of MingoLoTSS has a folder of its usual name. Other archives may
        # have any, for example those of MiraBest.
        return (holds_dataset(root) if self.files else _is_dataset(root)) and is_whole(root)


_PUBLISHED = published_archive("mingolotss")
PUBLISHED = Archive(_PUBLISHED.url, _PUBLISHED.md5, dict(_PUBLISHED.files))


def download(root: Path, archive: Archive = PUBLISHED, transport: Transport | None = None) -> bool:
    """Put a dataset into `root` unless `root` holds one; return whether it was put there.

    Parameters
    ----------
    root : path
        Folder of the dataset; created if it does not exist.
    archive : Archive
    transport : Transport, optional
        The HTTP client.

    Raises
    ------
    InputError
        An address without a checksum.
    ServiceError
        The address cannot be read. The bytes received are kept, and the next call resumes there.
    DatasetError
        The archive is not the expected one, or cannot be extracted safely. Nothing is extracted,
        and nothing that was fetched is kept; the message says what it is.
    """
    if archive.path is None and len(archive.digest) not in (32, 64):
        raise InputError(f"fetch {archive.url}: give its sha256, so that it can be checked")
    if not os.access(root, os.W_OK) and archive.is_in(root):
        return False  # on read-only storage, where no lock file can be created
    with _locked(root):
        if archive.is_in(root):
            return False
        packed = archive.path or _fetch(archive, root, transport)
        try:
            _check_digest(packed, archive)
            folder = archive.expected.folder if archive.expected else ""
            extract(packed, root, folder=folder, check=lambda new: _check_content(archive, new))
        except BadArchiveError:
            if archive.path is None:
                packed.unlink()
            raise
    return True


def _fetch(archive: Archive, root: Path, transport: Transport | None) -> Path:
    """Download the archive into `root`, or resume a partial download there."""
    whole, partial = root / archive.name, root / f"{archive.name}.partial"
    if whole.is_file() and _digest(whole, archive.digest) == archive.digest.lower():
        return whole
    client = transport or Transport(limits=Limits(max_bytes=_LARGEST, total_s=6 * 3600.0))
    resumed = partial.is_file() and partial.stat().st_size > 0
    _fill(archive.url, partial, client)
    if resumed and _digest(partial, archive.digest) != archive.digest.lower():
        partial.unlink()  # the beginning was of another file: download all of it
        _fill(archive.url, partial, client)
    partial.replace(whole)
    return whole


def _fill(url: str, partial: Path, client: Transport) -> None:
    """Append the rest of the file to `partial`, a range of bytes at a time."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    short_answers = 0
    while short_answers < _MAX_SHORT_ANSWERS:
        start = partial.stat().st_size if partial.exists() else 0
        try:
            data, is_last = _range(url, start, client)
        except _NoRangesError:
            client.fetch(url, partial)
            return
        with partial.open("ab") as file:
            file.write(data)
        if is_last:
            return
        short_answers += len(data) < _CHUNK
        if start > _LARGEST:
            raise ServiceAnswerError(f"fetch {url}: more than {_LARGEST} bytes", url=url)
    raise ServiceUnavailableError(
        f"fetch {url}: {short_answers} answers end early; what arrived is kept", url=url
    )


class _NoRangesError(Exception):
    """The server has no range requests."""


def _range(url: str, start: int, client: Transport) -> tuple[bytes, bool]:
    """Request a range of bytes from `start`; return it, and whether it is the last."""

    def parse(response: Response) -> tuple[bytes, bool]:
        data, value = response.body, response.headers.get("content-range")
        if value is None:  # which RFC 9110 demands, and simple servers leave out
            return data, len(data) < _CHUNK
        content_range = parse_content_range(value)
        if content_range is None or content_range.first != start or not data:
            raise TruncatedFileError(f"asked for bytes from {start}, and {value[:80]} came back")
        # A server may send less than it was asked for (RFC 9110, section 15.3.7).
        if content_range.total is None:
            return data, False
        return data, start + len(data) >= content_range.total

    try:
        headers = {"Range": f"bytes={start}-{start + _CHUNK - 1}"}
        return client.get_parsed(url, parse, headers=headers)
    except ServiceAnswerError as error:
        # Status 416 says that nothing follows `start` (RFC 9110, section 15.5.17).
        if start and error.status == 416:
            return b"", True
        if error.status == 200:
            raise _NoRangesError from error
        raise


def _digest(path: Path, expected: str) -> str:
    """Return the checksum of a file in the algorithm of the expected one, told by its length."""
    return md5_file(path) if len(expected) == 32 else sha256_file(path)


def _check_digest(packed: Path, archive: Archive) -> None:
    """Compare the checksum of an archive; say what it is if it is another one."""
    if not packed.is_file():
        raise DatasetError(f"open {packed}: there is no such archive")
    if archive.digest and (digest := _digest(packed, archive.digest)) != archive.digest.lower():
        raise BadArchiveError(
            f"open {archive.url}: its checksum is {digest}, not {archive.digest.lower()}; nothing "
            f"was unpacked; this is {_describe(packed)}; fetch it again, or ask whoever gave you "
            "the checksum"
        )


def _describe(packed: Path) -> str:
    """Say what a file is that is not the expected archive."""
    kind = kind_of_file(packed)
    if not kind.is_tar:
        return str(kind)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            extract(packed, folder)
        except DatasetError:
            return f"{kind} that is damaged"
        if not _is_dataset(folder):
            return f"{kind} without a dataset ({_listing(folder)})"
        title = title_of_dataset(folder)
        return f"an archive of the batches of {title}" if title else f"{kind} of another dataset"


def _is_dataset(folder: Path) -> bool:
    return holds_dataset(folder) or bool(DatasetFolder(folder).inner_batch_folders())


def _listing(folder: Path) -> str:
    """Name the first files and folders in a folder."""
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    more = ["..."] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


def _check_content(archive: Archive, folder: Path) -> None:
    """Check the extracted files before they are moved to their place."""
    action = f"open {archive.url}"
    if not _is_dataset(folder):
        raise BadArchiveError(
            f"{action}: there is no dataset in it ({_listing(folder)}); nothing was unpacked"
        )
    expected = archive.expected
    if expected and not expected.find(folder) and (reason := expected.difference(folder)):
        raise BadArchiveError(f"{action}: {reason}; nothing was unpacked")
    for name, digest in archive.files.items():
        path = folder / name
        if not path.is_file():  # an archive without a folder
            path = folder / path.name
        if not path.is_file() or _digest(path, digest) != digest:
            raise BadArchiveError(
                f"{action}: {name} in it is not the published one; nothing was unpacked; do not "
                "use it"
            )


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Wait until no other process downloads into `root`, and keep others out."""
    new_folders = missing_folders(root)
    try:
        with file_lock(lock_path(root / "download")):
            yield
    except OSError as error:
        raise DatasetError(f"write to {root}: {error.strerror or error}") from error
    finally:
        remove_empty(new_folders)  # only if nothing was extracted
