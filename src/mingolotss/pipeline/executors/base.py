"""The interface of an executor: a context manager that yields a `Mapper`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from mingolotss.errors import InputError

__all__ = ["Mapper", "WorkerDiedError"]

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


class WorkerDiedError(InputError):
    """A worker died while it ran a task.

    Attributes
    ----------
    end : str
        How it ended, for example "was ended by signal 11 (SIGSEGV)".
    tasks : sequence
        The tasks that were taken and have no result. One of them ended the worker.
    """

    def __init__(self, message: str, *, end: str = "", tasks: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.end, self.tasks = end, tasks
