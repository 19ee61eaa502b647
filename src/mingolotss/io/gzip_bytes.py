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

__all__ = ["SizeLimitError", "gunzip", "is_gzip"]

_MAGIC = b"\x1f\x8b"


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
