"""The interface of an executor's function: it is called like `map`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

__all__ = ["Mapper"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class Mapper(Protocol):
    """A function that is called like `map`, and may return the results in any order."""

    def __call__(self, function: Callable[[_T], _R], tasks: Iterable[_T], /) -> Iterable[_R]:
        """Yield ``function(task)`` for each task.

        Raises
        ------
        WorkerDiedError
            A worker died. All results that exist were yielded before, and the mapper can be called
            again.
        """
