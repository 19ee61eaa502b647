"""What an executor gives to a build: a function that is called like `map`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

__all__ = ["Mapper"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class Mapper(Protocol):
    """Call a function on every task and return the results, in any order, as an iterable."""

    def __call__(self, function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterable[_R]:
        """Yield ``function(task)`` for each task."""
