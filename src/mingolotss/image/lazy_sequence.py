"""Sequences that are kept as columns: an item is made when it is asked for.

>>> class Squares(LazySequence[int]):
...     def __len__(self): return 4
...     def item(self, index): return index * index
>>> Squares()[-1], Squares()[1:3], list(Squares())
(9, [1, 4], [0, 1, 4, 9])
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar, overload

__all__ = ["LazySequence"]

_T = TypeVar("_T")


class LazySequence(Sequence[_T]):
    """It reads like the list that it stands for; a class of it has `__len__` and `item`."""

    __slots__ = ()

    @abstractmethod
    def item(self, index: int) -> _T:
        """Return one item; `index` is from 0, and there is one."""

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: Any) -> Any:
        found = range(len(self))[index]
        return [self.item(one) for one in found] if isinstance(index, slice) else self.item(found)
