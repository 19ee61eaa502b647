"""Make the parts of a build, also if a source ends the worker that makes its stamp.

A library can end its process: by a signal (a fault in compiled code, the kernel when memory runs
out) or by ``_exit``. Nothing is noted for
this while all goes well, since that would cost time for every source. After a death, the parts that
were being made are made again, one at a time. If the worker dies again, the sources of the part are
tried one by one in a worker that notes each in a file; the one that is noted when it dies is
rejected, and the others are made without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import InputError
from mingolotss.io.files import TEMPORARY_PREFIX
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.executors.base import Mapper, WorkerDiedError
from mingolotss.pipeline.part import make_part, try_chunk
from mingolotss.pipeline.task import PartSummary, Task

__all__ = ["make_parts"]

_HOPELESS = 8  # sources that end the worker, while no source of the part gives a stamp
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class _Trial:
    """The sources of a task from `start` on.

    `note` is the file for the row that is being tried, and the number of stamps made before.
    """

    task: Task
    start: int
    note: Path


def make_parts(
    mapper: Mapper, tasks: Iterable[Task], begun: Iterable[PartSummary] | None = None
) -> Iterator[PartSummary]:
    """Make parts by an executor, in any order; reject the sources that end their worker.

    Parameters
    ----------
    mapper : Mapper
    tasks : iterable of Task
    begun : iterable of PartSummary, optional
        What the mapper gives for the tasks, if it has begun with them.

    Raises
    ------
    InputError
        Workers die, but not because of single sources.
    """
    queue = iter(tasks)
    while True:
        try:
            yield from mapper(make_part, queue) if begun is None else begun
        except WorkerDiedError as death:
            for task in death.tasks:
                assert isinstance(task, Task)  # noqa: S101 - the queue has nothing else
                yield _make_alone(mapper, task.with_splits())
            begun = None
        else:
            return


def _make_alone(mapper: Mapper, task: Task) -> PartSummary:
    """Make one part while no other is being made."""
    try:
        return _only(mapper(make_part, [task]))
    except WorkerDiedError as death:
        warnings.warn(
            f"a worker {death.end} while it made part {task.index}; its {len(task)} sources are "
            "now tried one by one",
            stacklevel=1,
        )
    crashes = _find_crashes(mapper, task)
    return _only(mapper(make_part, [replace(task, crashes=crashes)]))


def _find_crashes(mapper: Mapper, task: Task) -> dict[str, str]:
    """Return the sources of a task that end the worker, by name, and how they end it.

    Raises
    ------
    InputError
        The first of them all do, and no source gives a stamp.
    """
    folder = BuildFolder(task.out).part(task.index).parent
    note = folder / f"{TEMPORARY_PREFIX}{task.index}-source"
    folder.mkdir(parents=True, exist_ok=True)
    crashes: dict[str, str] = {}
    start, n_stamps = 0, 0
    while start < len(task):
        note.unlink(missing_ok=True)
        try:
            start = _only(mapper(_try_sources, [_Trial(task, start, note)]))
        except WorkerDiedError as death:
            if not note.exists():
                raise  # before it tried a source
            row, made = map(int, note.read_text("ascii").split())
            n_stamps += made
            crashes[task.catalogue.names[row]] = death.end
            start = row + 1
            if not n_stamps and len(crashes) >= _HOPELESS:
                images = ", ".join(Chunk(task, row, start).images())
                raise InputError(
                    f"make the stamp of {task.catalogue.names[row]} from {images}: the worker "
                    f"{death.end}, as it did for {len(crashes) - 1} sources before, and no stamp "
                    "of this part was made; look for the library that fails, and run the same "
                    "command again: finished parts are kept"
                ) from death
        finally:
            note.unlink(missing_ok=True)
    return crashes


def _try_sources(trial: _Trial) -> int:
    """Make the stamps of the sources one by one, noting each before; return the number of rows."""
    made = 0
    for row in range(trial.start, len(trial.task)):
        trial.note.write_text(f"{row} {made}", "ascii", newline="\n")
        with suppress(Exception):  # it is raised again when the part is made
            made += try_chunk(Chunk(trial.task, row, row + 1))
    return len(trial.task)


def _only(results: Iterable[_R]) -> _R:
    [result] = results
    return result
