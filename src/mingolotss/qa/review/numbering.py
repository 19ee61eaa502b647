"""The numbers of sources in the addresses of the page.

They are the rows of the catalogue, except for blind reviewers: many catalogues are sorted by class,
so that both the row of a source and the order of the sources would tell its label.

>>> numbering = Numbering.by_name(["A", "B", "C", "D"])
>>> numbering.rows.tolist(), [numbering.number(row) for row in numbering.rows]
([3, 0, 2, 1], [0, 1, 2, 3])
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mingolotss.model import Ints

__all__ = ["Numbering"]


@dataclass(frozen=True)
class Numbering:
    """One number for each source.

    Attributes
    ----------
    rows : int64 array, shape (n,)
        The row of the catalogue of number 0, 1, ...
    """

    rows: Ints

    @classmethod
    def by_row(cls, count: int) -> Numbering:
        """Return the numbers that are the rows of the catalogue."""
        return cls(np.arange(count))

    @classmethod
    def by_name(cls, names: Sequence[str]) -> Numbering:
        """Return an order that follows from the names alone, and that no reader could guess.

        It is the same for all reviewers, whose first sources are therefore the same.
        """
        digests = [hashlib.sha256(name.encode()).digest() for name in names]
        return cls(np.array(sorted(range(len(names)), key=digests.__getitem__), np.int64))

    @cached_property
    def numbers(self) -> Ints:
        """The number of each row, int64 array, shape (n,)."""
        numbers = np.empty_like(self.rows)
        numbers[self.rows] = np.arange(len(self.rows))
        return numbers

    def number(self, row: int) -> int:
        """Return the number of a row."""
        return int(self.numbers[row])

    def row(self, number: int) -> int:
        """Return the row of a number."""
        return int(self.rows[number])

    def sort(self, rows: Ints) -> Ints:
        """Return rows in the order of their numbers."""
        ordered: Ints = self.rows[np.sort(self.numbers[rows])]
        return ordered
