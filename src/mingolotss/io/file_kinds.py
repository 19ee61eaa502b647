r"""What a file is, told by its first bytes: for messages about files that are something else.

>>> kind_of_bytes(b"<!DOCTYPE html><html><title>Log in</title>")
FileKind(name='an HTML page ("Log in")', is_tar=False, is_pickle=False, is_other=True)
>>> print(kind_of_bytes(b"PK\x03\x04"))
a zip archive
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from mingolotss.io.error_text import excerpt
from mingolotss.io.files import check_regular

__all__ = ["FileKind", "kind_of_bytes", "kind_of_file"]

_HEAD = 64 << 10  # bytes that are looked at
_TAR_BLOCK = 512
_GZIP = b"\x1f\x8b"
_MAGIC = {
    _GZIP: "compressed with gzip",
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"SIMPLE  =": "a FITS file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x93NUMPY": "a file of numpy.save",
    b"%PDF": "a PDF document",
    b"version https://git-lfs": "a pointer of Git LFS, and not the file itself",
}
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError)


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a file.

    Attributes
    ----------
    name : str
        With its article, for a sentence; also ``str(kind)``.
    is_tar : bool
        Whether it is a tar archive, compressed with gzip or not.
    is_pickle : bool
        Whether it begins like a pickle of protocol 2 or later.
    is_other : bool
        Whether it is known to be something else than a tar archive, damaged or not.
    """

    name: str
    is_tar: bool = False
    is_pickle: bool = False
    is_other: bool = False

    def __str__(self) -> str:
        return self.name


def kind_of_file(path: Path) -> FileKind:
    """Return what a file is; "unreadable (...)" if it cannot be opened."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            return kind_of_bytes(file.read(_HEAD))
    except OSError as error:
        return FileKind(f"unreadable ({error.strerror or error})")


def kind_of_bytes(head: bytes) -> FileKind:
    """Return what a file is that begins with these bytes."""
    is_gzip = head.startswith(_GZIP)
    if _is_tar(_decompressed(head) if is_gzip else head):
        return FileKind("a tar.gz archive" if is_gzip else "a tar archive", is_tar=True)
    if len(head) > 1 and head[0] == pickle.PROTO[0] and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL:
        return FileKind("a pickle", is_pickle=True)
    known = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    if name := known or _kind_of_text(head):
        return FileKind(name, is_other=not is_gzip)
    return FileKind(f"an unknown kind of file (it begins with {head[:12]!r})")


def _kind_of_text(head: bytes) -> str:
    """Return what a file with text, or with nothing, is; "" for other bytes."""
    words = excerpt(head, 80)
    quoted = "" if words == '""' else f" ({words})"
    text = head[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_HTML):
        return f"an HTML page{quoted}"
    if text.startswith(b"<"):
        return "an XML document"
    if not head:
        return "an empty file"
    return "" if _NO_TEXT.search(head) else f"a text{quoted}"


def _decompressed(head: bytes) -> bytes:
    """Return the first block of what the beginning of a gzip file contains."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(head)).read(_TAR_BLOCK)
    except _BROKEN:
        return b""


def _is_tar(start: bytes) -> bool:
    """Return whether the first block is a header of tar (POSIX.1-1988 and later, or GNU)."""
    return start[257:262] == b"ustar" and len(start) >= _TAR_BLOCK
