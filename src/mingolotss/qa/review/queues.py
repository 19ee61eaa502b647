"""Queues in files: the sources that another command, or a person, wants judged, in that order.

``mingolotss suspects`` and ``mingolotss agreement`` write such tables into the folder of a build.
Only the column ``source`` is necessary. A table of suspects also has the label that a source has,
the one that is suggested, and the probability of each.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mingolotss.catalogue.columns import to_text
from mingolotss.catalogue.table import ColumnRequest
from mingolotss.catalogue.tables import read_table
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import CatalogueError, InputError
from mingolotss.formats.csv import plain_text
from mingolotss.model import Ints
from mingolotss.qa.report.build_view import BuildView

__all__ = ["QUEUES", "Queue", "QueueFile", "QueueFiles", "Suspicion", "file_etag", "read_queue"]

_SOURCE = "source"
_GIVEN, _SUGGESTED = "class", "suggested_class"
_PROBABILITIES = ("probability_given", "probability_suggested")
_MAX_NAMED = 10  # sources in a message


@dataclass(frozen=True, slots=True)
class QueueFile:
    """A file that may hold a queue.

    Attributes
    ----------
    path : Path
    title : str
        What the sources in it are, in words.
    command : str
        The command that writes it; "" for a file of the user.
    """

    path: Path
    title: str
    command: str


_Location = Callable[[BuildFolder], Path]
QUEUES: Mapping[str, tuple[str, str, _Location]] = {
    "suspects": ("labels that look wrong", "suspects", lambda folder: folder.suspects),
    "disagreements": ("people disagree", "agreement", lambda folder: folder.disagreements),
}
"""Title, command and file of each queue that the program writes into the folder of a build."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a source is among the suspects.

    Attributes
    ----------
    given, suggested : str
        Names of classes.
    probability_given, probability_suggested : float
        NaN if the file has none.
    """

    given: str
    suggested: str
    probability_given: float
    probability_suggested: float


@dataclass(frozen=True)
class Queue:
    """The sources of a queue that a build has.

    Attributes
    ----------
    file : QueueFile
    rows : int64 array, shape (n,)
        Rows of the manifest, in the order of the file, each once.
    absent : tuple of str
        Names in the file that no source of the build has.
    suspicions : dict of int to Suspicion
        By row, where the file says why.
    """

    file: QueueFile
    rows: Ints
    absent: tuple[str, ...]
    suspicions: Mapping[int, Suspicion]

    @property
    def absent_words(self) -> str:
        """Return which sources are not in the build, in words; "" if all are."""
        if not self.absent:
            return ""
        count, named = len(self.absent), ", ".join(self.absent[:_MAX_NAMED])
        more = f" and {count - _MAX_NAMED:,} more" if count > _MAX_NAMED else ""
        verb = "source is" if count == 1 else "sources are"
        return f"{count:,} {verb} in {self.file.path.name} but not in the build: {named}{more}"


class QueueFiles:
    """The files of the queues that a build can have; each is read again when it changes.

    Parameters
    ----------
    folder : BuildFolder
    own : Path, optional
        The file of the user.
    """

    def __init__(self, folder: BuildFolder, own: Path | None = None) -> None:
        self._files = {
            name: QueueFile(
                location(folder), title, shlex.join(["mingolotss", command, str(folder.path)])
            )
            for name, (title, command, location) in QUEUES.items()
        }
        if own is not None:
            self._files["queue"] = QueueFile(own, own.name, "")
        self._read: dict[str, tuple[tuple[str, str], Queue]] = {}

    def paths(self) -> list[Path]:
        """List the files, whether they are there or not."""
        return [file.path for file in self._files.values()]

    def titles(self) -> dict[str, str]:
        """Return the title of each queue whose file is there, by the word that selects it."""
        return {name: file.title for name, file in self._files.items() if file.path.is_file()}

    def read(self, name: str, build: BuildView, version: str) -> Queue:
        """Return a queue.

        Parameters
        ----------
        name : str
            "suspects", "disagreements", or "queue" for the file of the user.
        build : BuildView
        version : str
            Of the build.

        Raises
        ------
        InputError
            There is no such file, it cannot be read, or it has no column ``source``.
        """
        file = self._files.get(name)
        if file is None:
            raise InputError("review a queue: no file was given; start again with --queue FILE")
        state = version, file_etag(file.path)
        if name not in self._read or self._read[name][0] != state:
            self._read[name] = state, read_queue(file, build)
        return self._read[name][1]


def read_queue(file: QueueFile, build: BuildView) -> Queue:
    """Read a queue.

    Raises
    ------
    InputError
        There is no such file, it cannot be read, or it has no column ``source``.
    """
    action = f"review the queue {file.path}"
    if not file.path.is_file():
        todo = f"run `{file.command}`, which writes it" if file.command else "give another one"
        raise InputError(f"{action}: there is no such file; {todo}")
    request = ColumnRequest((_SOURCE,), (_GIVEN, _SUGGESTED, *_PROBABILITIES))
    try:
        table = read_table(file.path, request)
        columns = {name: to_text(column, name) for name, column in table.columns.items()}
    except CatalogueError as error:
        reason = str(error).removeprefix(f"read the catalogue {file.path}: ")
        raise InputError(f"{action}: {reason}") from error
    if _SOURCE not in columns:
        raise InputError(
            f"{action}: it has no column {_SOURCE!r}, but {', '.join(table.names) or 'none'}; name "
            "the column with the names of the sources so"
        )
    rows, absent, suspicions = [], [], {}
    for index, name in enumerate(columns[_SOURCE]):
        row = build.row_of.get(name, build.row_of.get(plain_text(name)))
        if row is None and name:
            absent.append(name)
        elif row is not None and row not in suspicions:
            rows.append(row)
            suspicions[row] = _suspicion(columns, index)
    is_explained = _SUGGESTED in columns
    return Queue(
        file,
        np.array(rows, np.int64),
        tuple(dict.fromkeys(absent)),
        suspicions if is_explained else {},
    )


def _suspicion(columns: Mapping[str, list[str]], index: int) -> Suspicion:
    """Return what the file says about the source in a line."""
    given, suggested = (
        columns[name][index] if name in columns else "" for name in (_GIVEN, _SUGGESTED)
    )
    return Suspicion(
        plain_text(given),
        plain_text(suggested),
        *(_number(columns[n][index]) if n in columns else math.nan for n in _PROBABILITIES),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def file_etag(path: Path) -> str:
    """Return a text that changes when a file does. Files here are replaced: the inode changes."""
    try:
        stat = path.stat()
    except OSError:
        return "none"
    return f"{stat.st_mtime_ns:x}.{stat.st_ino:x}.{stat.st_size:x}"
