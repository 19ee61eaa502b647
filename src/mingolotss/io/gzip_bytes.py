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

__all__ = ["SizeLimitError", "gunzip", "gunzip_mapped", "is_gzip"]

_MAGIC = b"\x1f\x8b"
_PIECE = 1 << 22  # bytes that are decompressed at a time


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
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SizeLimitError(f"more than {max_bytes} bytes")
    return data


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
    with tempfile.TemporaryFile() as file, gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        size = 0
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > max_bytes:
                raise SizeLimitError(f"more than {max_bytes} bytes")
            file.write(piece)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
