"""What a person decided: ``decisions.csv``, one row a decision, the last word counts.

Columns: source, field, verdict, by, date, note. The verdict ``accept`` takes the field named;
``reject`` leaves the source out of the dataset; ``label`` questions a label and changes nothing
(the note says what it looks like); ``undo`` takes back the last standing row of the same person
on the same source. Rows are only ever added, so the file is its own history and does well under
version control. `DecisionLog` writes it.

>>> parse_decisions(["source,field,verdict,by,date,note", "A,P1,accept,me,2026-01-02,"])
{'A': Decision(source='A', field='P1', verdict='accept', by='me', date='2026-01-02', note='')}
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mingolotss.errors import DecisionError
from mingolotss.io.files import atomic_path, is_local, write_error
from mingolotss.io.lock import file_lock, lock_path

__all__ = [
    "COLUMNS",
    "DECISIONS_NAME",
    "VERDICTS",
    "Decision",
    "DecisionLog",
    "parse_decisions",
    "parse_rows",
    "read_decisions",
    "standing",
]

DECISIONS_NAME = "decisions.csv"  # in the folder of a build
VERDICTS = ("accept", "reject", "label", "undo")


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of ``decisions.csv``."""

    source: str
    field: str
    verdict: str
    by: str = ""
    date: str = ""
    note: str = ""


COLUMNS = tuple(field.name for field in fields(Decision))


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read the decisions that change a build; a file that is not there holds none.

    Raises
    ------
    DecisionError
        A column is missing, or a verdict is not known; the line names the row.
    """
    return _last(DecisionLog(path).standing())


def parse_decisions(lines: Iterable[str], path: str = DECISIONS_NAME) -> dict[str, Decision]:
    """Return the last accepting or rejecting decision on each source."""
    return _last(standing(parse_rows(lines, path), path))


def parse_rows(lines: Iterable[str], path: str = DECISIONS_NAME) -> list[Decision]:
    """Return every row as it stands in the file, each one checked.

    Raises
    ------
    DecisionError
        A column is missing, or a verdict is not known; the line names the row.
    """
    reader = csv.DictReader(lines)
    missing = {"source", "verdict"} - set(reader.fieldnames or ())
    if missing and reader.fieldnames is not None:
        raise DecisionError(
            f"read {path}: no column {', '.join(sorted(missing))}; expected {', '.join(COLUMNS)}"
        )
    rows = []
    for row in reader:
        number = reader.line_num
        decision = Decision(**{key: (row.get(key) or "").strip() for key in COLUMNS})
        if decision == Decision("", "", ""):
            continue  # spreadsheets write rows of commas
        if not decision.source:
            raise DecisionError(f"read {path}: line {number} names no source")
        if decision.verdict not in VERDICTS:
            raise DecisionError(
                f"read {path}: line {number} ({decision.source}) has the verdict "
                f"{decision.verdict!r}; expected {', '.join(VERDICTS)}"
            )
        if decision.verdict == "accept" and not decision.field:
            raise DecisionError(
                f"read {path}: line {number} ({decision.source}) accepts without naming a field"
            )
        rows.append(decision)
    return rows


def standing(rows: Sequence[Decision], path: str = DECISIONS_NAME) -> list[Decision]:
    """Return the rows that are left when every ``undo`` has taken back its own.

    Raises
    ------
    DecisionError
        An ``undo`` has nothing of that person on that source before it.
    """
    kept: dict[int, Decision] = {}
    stacks: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        stack = stacks.setdefault((row.source, row.by), [])
        if row.verdict != "undo":
            stack.append(index)
            kept[index] = row
        elif stack:
            del kept[stack.pop()]
        else:
            raise DecisionError(
                f"read {path}: line {index + 2} takes back a decision of {row.by or 'nobody'} on "
                f"{row.source}, but no row above it is one; remove the line"
            )
    return list(kept.values())


class DecisionLog:
    """``decisions.csv``, read and added to.

    Adding reads the file, writes it with one more row beside its place and renames it, all under
    a lock: a reader meets a whole file at every instant, and two who write at once lose nothing.
    Adding costs about 1 ms, most of it the disk's.

    Parameters
    ----------
    path : Path
        It need not exist; a link is followed, so the file may live in a repository elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path)) if is_local(path) else path

    def rows(self) -> list[Decision]:
        """Return every row."""
        return self._parse(self._bytes())

    def standing(self) -> list[Decision]:
        """Return the rows that no ``undo`` has taken back, in the file's order."""
        return standing(self.rows(), str(self.path))

    def add(
        self, decision: Decision, check: Callable[[list[Decision]], None] | None = None
    ) -> None:
        """Add a row.

        Parameters
        ----------
        decision : Decision
        check : callable, optional
            Given the standing rows, under the lock; what it raises keeps the row out.

        Raises
        ------
        DecisionError
            The file as it is cannot be read, or the row could not be read back.
        InputError
            The disk is full or not writable.
        """
        with self._locked():
            before = self._bytes()
            if check is not None:
                check(standing(self._parse(before), str(self.path)))
            after = _with_row(before, decision)
            standing(self._parse(after), str(self.path))
            with atomic_path(self.path) as beside, beside.open("wb") as stream:
                stream.write(after)
                stream.flush()
                os.fsync(stream.fileno())

    def undo(self, by: str, date: str, source: str | None = None) -> Decision:
        """Take back the last standing row of a person, and return it.

        Parameters
        ----------
        by, date : str
        source : str, optional
            Only a row on this source.

        Raises
        ------
        DecisionError
            There is none.
        """
        mine = [row for row in self.standing() if row.by == by and source in (None, row.source)]
        if not mine:
            what = f" on {source}" if source else ""
            raise DecisionError(f"undo: no decision of {by or 'nobody'}{what} is left to take back")
        last = mine[-1]
        self.add(Decision(last.source, "", "undo", by, date))
        return last

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DecisionError(f"read {self.path}: {error.strerror}") from error

    def _parse(self, content: bytes) -> list[Decision]:
        try:
            text = content.decode("utf-8-sig")
            return parse_rows(io.StringIO(text, newline=""), str(self.path))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DecisionError(
                f"read {self.path}: {error}; expected a CSV file in UTF-8"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out.

        The lock is a file of its own: `add` replaces ``decisions.csv``, and with it any lock on it.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(file_lock(lock_path(self.path)))
            except OSError as error:
                raise write_error(error, self.path) from error
            yield


def _last(rows: Iterable[Decision]) -> dict[str, Decision]:
    """Return the last row on each source that changes the build."""
    return {row.source: row for row in rows if row.verdict in {"accept", "reject"}}


def _with_row(content: bytes, decision: Decision) -> bytes:
    """Return a CSV file with one more row, in its own columns; missing ones are added."""
    text = content.decode("utf-8-sig")
    if not text.strip():
        text = ",".join(COLUMNS) + "\n"
    first, _, rest = text.partition("\n")
    columns = [name.strip() for name in next(csv.reader([first]))]
    lacking = [name for name in COLUMNS if name not in columns]
    columns += lacking
    header = ",".join([first.rstrip("\r"), *lacking]) + "\n"
    if rest and not rest.endswith("\n"):
        rest += "\n"
    values = asdict(decision)
    values |= {key: _one_line(values[key]) for key in ("by", "date", "note")}
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([values.get(name, "") for name in columns])
    return (header + rest + line.getvalue()).encode()


def _one_line(value: str) -> str:
    """Return text without line breaks and control characters: a decision is one line of a diff."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())
