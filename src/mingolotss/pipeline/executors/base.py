"""The interface of an executor: a context manager that yields a `Mapper`."""

from __future__ import annotations

from collections.abc import Sequence

from mingolotss.errors import InputError
from mingolotss.mapper import Mapper

__all__ = ["Mapper", "WorkerDiedError"]


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
