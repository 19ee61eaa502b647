"""Decompress gzip up to a limit.

>>> gunzip(gzip.compress(b"SIMPLE"), max_bytes=6)
b'SIMPLE'
>>> gunzip(gzip.compress(b"SIMPLE"), max_bytes=5)
Traceback (most recent call last):
    ...
mingolotss.io.gzip_bytes.SizeLimitError: more than 5 bytes
"""

from __future__ import annotations

import gzip
import io
import mmap
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

__all__ = [
    "SizeLimitError",
    "gunzip",
    "gunzip_mapped",
    "gunzip_pieces",
    "is_gzip",
    "largest_expansion",
]

_MAGIC = b"\x1f\x8b"
_PIECE = 1 << 20  # bytes that are decompressed at a time


class SizeLimitError(Exception):
    """The decompressed content exceeds a limit; callers translate this error."""


def is_gzip(raw: bytes | memoryview) -> bool:
    """Return whether bytes begin as gzip does (RFC 1952, section 2.3.1)."""
    return raw[:2] == _MAGIC


def gunzip(raw: bytes | memoryview, *, max_bytes: int) -> bytes:
    """Decompress gzip, of one or several members.

    Parameters
    ----------
    raw : bytes
        The whole file.
    max_bytes : int
        The largest size after decompression. A gzip bomb is stopped there.

    Raises
    ------
    EOFError
        The file ends before the end of the stream.
    OSError, zlib.error
        The file is damaged.
    SizeLimitError
        The content is larger than `max_bytes`.
    """
    return b"".join(gunzip_pieces(io.BytesIO(raw), max_bytes=max_bytes))


def gunzip_pieces(stream: BinaryIO, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the decompressed content of a gzip stream, without holding all of it in memory.

    The arguments and errors are those of `gunzip`.
    """
    size = 0
    with gzip.GzipFile(fileobj=stream) as unpacked:
        while piece := unpacked.read(_PIECE):
            size += len(piece)
            if size > max_bytes:
                raise SizeLimitError(f"more than {max_bytes} bytes")
            yield piece


def gunzip_mapped(raw: bytes | memoryview, *, max_bytes: int) -> memoryview:
    """Decompress gzip to a temporary file without a name, and map it into memory.

    For files of several GB: the system can write the pages to disk, and removes the file when the
    memory is released.

    Parameters
    ----------
    raw : bytes
        The whole file.
    max_bytes : int
        The largest size after decompression.

    Raises
    ------
    EOFError, OSError, zlib.error, SizeLimitError
        As for `gunzip`; also OSError if the disk is full.
    """
    with tempfile.TemporaryFile() as file:
        for piece in gunzip_pieces(io.BytesIO(raw), max_bytes=max_bytes):
            file.write(piece)
        file.flush()
        size = file.tell()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


def largest_expansion(size: int) -> int:
    """Return how many bytes the content of a file of `size` bytes may have in memory or unpacked.

    Tables are compressed by a factor of 2 to 20. The limit leaves room for columns of blanks, and
    stops bombs, which reach 1000.
    """
    return max(256 << 20, 100 * size)
