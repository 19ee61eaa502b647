"""The bytes of a catalogue, of which gzip is removed."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mingolotss.errors import CatalogueError
from mingolotss.io.gzip_bytes import (
    SizeLimitError,
    gunzip_pieces,
    is_gzip,
    largest_expansion,
)

__all__ = ["open_unpacked", "read_head"]


def read_head(path: Path, count: int) -> bytes:
    """Return the first bytes of a file without gzip.

    Raises
    ------
    OSError, EOFError, zlib.error
        The file cannot be read, or its gzip is damaged.
    """
    with path.open("rb") as file:
        head = file.read(count)
        if not is_gzip(head):
            return head
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as packed:
            return packed.read(count)


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """Yield the content of a file, in a file that is real and can be mapped.

    Parameters
    ----------
    path : Path
        Plain or gzip'd. Unpacked content is in a temporary file without a name.

    Raises
    ------
    CatalogueError
        It unpacks to more than any table would.
    OSError, EOFError, zlib.error
        The file cannot be read, or its gzip is damaged.
    """
    with path.open("rb") as file:
        if not is_gzip(file.read(2)):
            file.seek(0)
            yield file
            return
        file.seek(0)
        with tempfile.TemporaryFile() as unpacked:
            limit = largest_expansion(path.stat().st_size)
            try:
                for piece in gunzip_pieces(file, max_bytes=limit):
                    unpacked.write(piece)
            except SizeLimitError as error:
                raise CatalogueError(
                    f"read the catalogue {path}: its {path.stat().st_size} bytes of gzip unpack to "
                    f"more than {limit} bytes; unpack it yourself if it is no mistake"
                ) from error
            unpacked.flush()
            with os.fdopen(
                os.dup(unpacked.fileno()), "rb"
            ) as readable:  # astropy looks at the mode
                readable.seek(0)
                yield readable
