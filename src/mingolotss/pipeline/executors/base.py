"""The interface of an executor: a context manager that yields a `Mapper`, or an `EarlyMapper`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, runtime_checkable

from mingolotss.errors import InputError
from mingolotss.mapper import Mapper

__all__ = ["EarlyMapper", "Mapper", "WorkerDiedError"]

_T = TypeVar("_T")
_R = TypeVar("_R")


@runtime_checkable
class EarlyMapper(Mapper, Protocol):
    """A mapper that can begin with the first tasks while its caller still does something else."""

    def start(
        self, function: Callable[[_T], _R], tasks: Iterable[_T], /
    ) -> AbstractContextManager[Iterator[_R]]:
        """Begin at once; the block gets the results, which are those of calling the mapper.

        The tasks are taken in another thread, as many as the mapper takes ahead. What has not begun
        at the end of the block does not begin any more.
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
