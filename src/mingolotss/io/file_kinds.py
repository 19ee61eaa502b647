r"""What a file is, told by its first bytes: for messages about files that are something else.

>>> page = kind_of_bytes(b"<!DOCTYPE html><html><title>Log in</title>")
>>> str(page), page.name, page.remedy
('an HTML page ("Log in")', 'an HTML page', '')
>>> kind_of_bytes(b"PK\x03\x04").remedy
'unpack it'
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
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
    b"\x1f\x9d": "compressed with compress",
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
_BROKEN = (OSError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a file.

    Attributes
    ----------
    name : str
        With its article, for a sentence.
    words : str
        The first words of a text or of a page, in quotes and brackets; ``str(kind)`` has both.
    remedy : str
        What to do with it, "" if there is nothing but to get another file.
    is_tar : bool
        Whether it is a tar archive, compressed with gzip or not.
    is_pickle : bool
        Whether it begins like a pickle of protocol 2 or later.
    is_other : bool
        Whether it is known to be something else than a tar archive, damaged or not.
    """

    name: str
    words: str = ""
    remedy: str = ""
    is_tar: bool = False
    is_pickle: bool = False
    is_other: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.words}".rstrip()


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
        name = "a tar.gz archive" if is_gzip else "a tar archive"
        return FileKind(name, remedy="unpack it", is_tar=True)
    if len(head) > 1 and head[0] == pickle.PROTO[0] and 2 <= head[1] <= pickle.HIGHEST_PROTOCOL:
        return FileKind("a pickle", is_pickle=True)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            is_compressed, is_archive = name.startswith("compressed"), name.endswith("archive")
            remedy = "decompress it" if is_compressed else "unpack it" if is_archive else ""
            return FileKind(name, remedy=remedy, is_other=not is_gzip)
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> FileKind:
    """Return what a file is that has none of the known signatures: a text, or unknown."""
    words = excerpt(head, 80)
    quoted = "" if words == '""' else f"({words})"
    text = head[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_HTML):
        return FileKind("an HTML page", quoted, is_other=True)
    if text.startswith(b"<"):
        return FileKind("an XML document", is_other=True)
    if not head:
        return FileKind("an empty file", is_other=True)
    if not _NO_TEXT.search(head):
        return FileKind("a text", quoted, is_other=True)
    return FileKind(f"an unknown kind of file (it begins with {head[:12]!r})")


def _decompressed(head: bytes) -> bytes:
    """Return the first block of what the beginning of a gzip file contains."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(head)).read(_TAR_BLOCK)
    except _BROKEN:
        return b""


def _is_tar(start: bytes) -> bool:
    """Return whether the first block is a header of tar (POSIX.1-1988 and later, or GNU)."""
    return start[257:262] == b"ustar" and len(start) >= _TAR_BLOCK
