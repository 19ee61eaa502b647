"""A file for an unpickler that leaves large blocks of bytes where they are.

CPython's unpickler allocates the bytes of a block and asks the file to fill them. This file maps
itself into memory, notes where the block lies and fills nothing; memory that is never touched
costs nothing. `view` then gives the block itself. On an interpreter that reads in another way
the blocks are read like the rest, and all is well but slower.

>>> import pickle, tempfile
>>> with tempfile.TemporaryFile() as file:
...     pickle.dump(bytes(2_000_000) + b"end", file)
...     file.flush()
...     mapped = Mapped(file)
>>> data = pickle.Unpickler(mapped).load()
>>> bytes(mapped.view(data)[-3:])
b'end'
"""

from __future__ import annotations

import mmap
import os
from typing import IO

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE", "Mapped"]

LARGE = 1 << 20  # bytes; a batch of 50 images. Smaller blocks are read: a map holds a whole file


class Mapped:
    """Read `file` from its start, as far as ``pickle.Unpickler`` needs."""

    def __init__(self, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._at = 0
        self._blocks: dict[int, tuple[int, int]] = {}

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes."""
        start, self._at = self._at, min(self._at + count, len(self._map))
        return self._map[start : self._at]

    def readline(self) -> bytes:
        """Read up to and with the next newline."""
        end = self._map.find(b"\n", self._at) + 1
        return self.read((end or len(self._map)) - self._at)

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` from here, or note its place if it is large."""
        if len(buffer) < LARGE:
            got = self.read(len(buffer))
            buffer[: len(got)] = got
            return len(got)
        if self._at + len(buffer) > len(self._map):
            return 0
        self._blocks[_address(buffer)] = self._at, len(buffer)
        self._at += len(buffer)
        return len(buffer)

    def is_elsewhere(self, data: bytes | bytearray) -> bool:
        """Say whether `data` was noted and not filled."""
        return len(data) >= LARGE and self._blocks.get(_address(data), (0, 0))[1] == len(data)

    def view(self, data: bytes | bytearray) -> NDArray[np.uint8]:
        """Return the bytes of `data`, read-only, out of the file if they were left there."""
        if not self.is_elsewhere(data):
            return np.frombuffer(bytes(data), np.uint8)
        start, length = self._blocks[_address(data)]
        return np.frombuffer(self._map, np.uint8, length, start)


def _address(buffer: bytes | bytearray | memoryview) -> int:
    return int(np.frombuffer(buffer, np.uint8).ctypes.data)
