"""Sequences that are stored as columns and create an item when it is requested.

>>> class Squares(LazySequence[int]):
...     def __len__(self): return 4
...     def item(self, index): return index * index
>>> Squares()[-1], Squares()[1:3], list(Squares())
(9, [1, 4], [0, 1, 4, 9])
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

__all__ = ["LazySequence"]

_T = TypeVar("_T")


class LazySequence(Sequence[_T]):
    """A sequence that behaves as the list of its items; a subclass has `__len__` and `item`."""

    __slots__ = ()

    @abstractmethod
    def item(self, index: int) -> _T:
        """Return one item; `index` is from 0 and less than the length."""

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if isinstance(index, slice):
            return [self.item(position) for position in range(len(self))[index]]
        return self.item(range(len(self))[index])
