"""A file for an unpickler that leaves large blocks of bytes where they are.

CPython's unpickler allocates the bytes of a block and asks the file to fill them. This file maps
itself into memory, notes where the block lies, and fills nothing; memory that is never touched
costs nothing. `view` then returns the block in the file.

An interpreter that reads in another way (in pieces, say) returns bytes that nobody has filled.
`is_complete` tells: if a noted block was not asked for as it was noted, the file has to be read
again with ``fill=True``, which reads every block like the rest.

>>> import pickle, tempfile
>>> with tempfile.TemporaryFile() as file:
...     pickle.dump(bytes(2_000_000) + b"end", file)
...     file.flush()
...     mapped = MappedFile(file)
>>> data = pickle.Unpickler(mapped).load()
>>> mapped.is_complete, bytes(mapped.view(data)[-3:]), mapped.is_complete
(False, b'end', True)
"""

from __future__ import annotations

import mmap
import os
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE", "MappedFile"]

LARGE = 1 << 20  # bytes; a batch of 50 images. Smaller blocks are read: a map holds a whole file


class MappedFile:
    """Read `file` from its start, with the methods that ``pickle.Unpickler`` calls.

    Parameters
    ----------
    file : file object
        Open for reading; it may be closed afterwards.
    fill : bool
        Read large blocks too, instead of leaving them in the file.
    """

    def __init__(self, file: IO[bytes], *, fill: bool = False) -> None:
        size = os.fstat(file.fileno()).st_size
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._fill = fill
        self._position = 0
        self._blocks: dict[int, tuple[int, int]] = {}  # by address: start in the file, and length
        self._noted = 0
        self._viewed: set[int] = set()

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes."""
        start, self._position = self._position, min(self._position + count, len(self._map))
        return self._map[start : self._position]

    def readline(self) -> bytes:
        """Read up to the next newline, and the newline."""
        end = self._map.find(b"\n", self._position) + 1
        return self.read((end or len(self._map)) - self._position)

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` from the current position, or note the position if `buffer` is large."""
        if self._fill or len(buffer) < LARGE:
            data = self.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        if self._position + len(buffer) > len(self._map):
            return 0
        self._blocks[_address(buffer)] = self._position, len(buffer)
        self._noted += 1
        self._position += len(buffer)
        return len(buffer)

    @property
    def is_complete(self) -> bool:
        """Return whether `view` has been called for every block that was left in the file."""
        return len(self._viewed) == self._noted

    def is_in_file(self, data: bytes | bytearray) -> bool:
        """Return whether `data` was noted and not filled."""
        return len(data) >= LARGE and self._blocks.get(_address(data), (0, 0))[1] == len(data)

    def view(self, data: bytes | bytearray) -> NDArray[np.uint8]:
        """Return the bytes of `data`, read-only, from the file if they were left there."""
        if not self.is_in_file(data):
            return np.frombuffer(bytes(data), np.uint8)
        self._viewed.add(_address(data))
        start, length = self._blocks[_address(data)]
        return np.frombuffer(self._map, np.uint8, length, start)


def _address(buffer: bytes | bytearray | memoryview) -> int:
    return int(np.frombuffer(buffer, np.uint8).ctypes.data)
