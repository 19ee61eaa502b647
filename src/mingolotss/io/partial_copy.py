"""A copy of a file at an address that has only some of its bytes, in a temporary file.

The copy is mapped into memory at the full length of the file, so that everything that reads a file
on this machine reads it. It takes disk only for the bytes that are there, and the system removes it
when the memory is released, however the process ends.

>>> from mingolotss.io.range_plan import as_ranges
>>> copy = PartialCopy(10_000)
>>> copy.write([(100, 103), (200, 202)], [b"abc", b"de"])
>>> bytes(copy.raw[100:103]), copy.missing(as_ranges([100], [202])).tolist()
(b'abc', [[103, 200]])
"""

from __future__ import annotations

import mmap
import tempfile
import threading
import weakref
from collections.abc import Sequence

import numpy as np

from mingolotss.io.range_plan import (
    NO_RANGES,
    are_inside,
    difference,
    total_bytes,
    union,
)
from mingolotss.model import Bools, Ints

__all__ = ["PartialCopy"]


class PartialCopy:
    """Some bytes of a file; may be used from any thread.

    Parameters
    ----------
    size : int
        The length of the file.

    Attributes
    ----------
    raw : memoryview
        All bytes of the file; those that are not there are 0.

    Raises
    ------
    OSError
        There is no place for temporary files.
    """

    def __init__(self, size: int) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._file.truncate(size)
        self.raw = memoryview(mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ))
        self._ranges: Ints = NO_RANGES  # which bytes are there, except those that were added last
        self._nbytes, self._added = 0, list[Ints]()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Return how many bytes are there."""
        with self._lock:
            self._join_added()
            return self._nbytes

    def _present(self) -> Ints:
        """Return which bytes are there, a union of ranges."""
        with self._lock:
            self._join_added()
            return self._ranges

    def _join_added(self) -> None:
        # Thousands of writes may lie between two looks: the union is made for all of them.
        if self._added:
            self._ranges = union(np.concatenate([self._ranges, *self._added]))
            self._nbytes, self._added = total_bytes(self._ranges), []

    def missing(self, ranges: Ints) -> Ints:
        """Return the bytes of a union of ranges that are not there."""
        return difference(ranges, self._present())

    def has(self, ranges: Ints) -> Bools:
        """Return which of n ranges are there as a whole."""
        return are_inside(ranges, self._present())

    def write(self, ranges: Sequence[tuple[int, int]], parts: Sequence[bytes]) -> None:
        """Add the bytes of some ranges.

        Raises
        ------
        OSError
            The disk is full.
        """
        with self._lock:
            for (start, _), part in zip(ranges, parts, strict=True):
                self._file.seek(start)
                view = memoryview(part)
                while view:  # a write may end early
                    view = view[self._file.write(view) :]
            self._added.append(np.array(ranges, np.int64).reshape(-1, 2))
