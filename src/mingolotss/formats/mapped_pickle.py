"""A pickle mapped into memory: large blocks of bytes are views of the file, and are not copied.

`MappedFile` has the methods that an unpickler calls. ``pickle.Unpickler``, in C, fills memory of
its own. The unpickler in Python that the standard library has as well takes what `MappedFile.read`
returns, a view if the block is large.

>>> import pickle, tempfile
>>> with tempfile.TemporaryFile() as file:
...     pickle.dump(bytes(2_000_000) + b"end", file)
...     file.flush()
...     mapped = MappedFile(file)
>>> data = pickle._Unpickler(mapped).load()
>>> type(data).__name__, bytes(data[-3:])
('memoryview', b'end')
"""

from __future__ import annotations

import mmap
import os
from typing import IO, cast

__all__ = ["LARGE", "MappedFile"]

LARGE = 1 << 20  # bytes; a batch of 50 images. Smaller blocks are copied: a map holds a whole file


class MappedFile:
    """Read `file` from its start, with the methods that an unpickler calls.

    Parameters
    ----------
    file : file object
        Open for reading; it may be closed afterwards.
    """

    def __init__(self, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._view = memoryview(self._map)
        self._position = 0

    @property
    def size(self) -> int:
        """Return the size of the file in bytes."""
        return len(self._view)

    def read(self, count: int, /) -> bytes:
        """Read exactly `count` bytes; many of them are a view.

        Raises
        ------
        EOFError
            The file ends before.
        """
        start, stop = self._position, self._position + count
        if not start <= stop <= len(self._view):
            raise EOFError("it is cut short")
        self._position = stop
        if count < LARGE:
            return self._map[start:stop]
        return cast("bytes", self._view[start:stop])  # which the unpickler puts on its stack

    def readline(self) -> bytes:
        """Read up to the next newline, and the newline."""
        start = self._position
        self._position = self._map.find(b"\n", start) + 1 or len(self._map)
        return self._map[start : self._position]

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer`."""
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)
