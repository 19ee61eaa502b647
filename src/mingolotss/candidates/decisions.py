"""The decisions of people in ``decisions.csv``: one row for each, and the last one counts.

The columns are source, field, verdict, by, date, note and classes. The verdict ``accept`` takes the
field in the row, which is empty for an image without a field; ``reject`` leaves the source out of
the dataset; ``classify`` says that the source has exactly the classes in the row, and ``confirm``
that it has the classes of the catalogue, which the row repeats: both are judgements, which change
labels only where the recipe asks for that; ``label`` questions the label of a source, and changes
nothing; ``undo`` revokes the last row of the same person on the same source that is still in force.
Rows are only added and never changed, so the file contains its own history and can be kept under
version control. `DecisionLog` writes it.

>>> decisions = parse_decisions(["source,field,verdict,by", "A,P1,accept,me"])
>>> decisions["A"].verdict, decisions["A"].field
('accept', 'P1')
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mingolotss.errors import DecisionError, InputError
from mingolotss.io.files import (
    LARGEST_TEXT,
    as_input_error,
    atomic_path,
    is_local,
    read_bounded,
)
from mingolotss.io.lock import file_lock, lock_path

__all__ = [
    "COLUMNS",
    "DECISIONS_NAME",
    "IMAGE_VERDICTS",
    "JUDGEMENT_VERDICTS",
    "VERDICTS",
    "Decision",
    "DecisionLog",
    "followed_decisions",
    "join_classes",
    "judgements_in_force",
    "one_line",
    "parse_decisions",
    "parse_rows",
    "read_decisions",
    "split_classes",
    "standing",
]

DECISIONS_NAME = "decisions.csv"  # in the folder of a build
VERDICTS = ("accept", "reject", "label", "confirm", "classify", "undo")
IMAGE_VERDICTS = frozenset({"accept", "reject"})
"""The verdicts on the image of a source: which one a build takes, or none."""
JUDGEMENT_VERDICTS = frozenset({"confirm", "classify"})
"""The verdicts that say which classes a source has."""
# One name of a joined text: in quotes, inside which a quote is doubled, or up to a semicolon.
_CLASS = re.compile(r"""\s*(?:"((?:[^"]|"")*)"\s*|([^\s;"][^;]*)?)(;|\Z)""")


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of ``decisions.csv``.

    Attributes
    ----------
    source, field : str
        Names; `field` is only used by ``accept``, and "" for an image without a field.
    verdict : str
        One of `VERDICTS`.
    by, date, note : str
        Who decided, when, and any remark.
    classes : tuple of str
        The names of the classes that the source has, only used by ``classify`` and ``confirm``. An
        empty tuple means that it has none of the classes; a ``confirm`` of versions that did not
        write this column has an empty one, too, and its note names the class.

    Examples
    --------
    >>> from mingolotss import Decision
    >>> Decision("ILTJ133432.21+555713.8", "P205+56", "accept", by="ada").verdict
    'accept'
    """

    source: str
    field: str
    verdict: str
    by: str = ""
    date: str = ""
    note: str = ""
    classes: tuple[str, ...] = ()

    @property
    def about_image(self) -> tuple[str, str, str, str, str, str]:
        """Return all values but the classes, as the keys of parts have them."""
        return self.source, self.field, self.verdict, self.by, self.date, self.note


COLUMNS = tuple(field.name for field in fields(Decision))


def join_classes(names: Iterable[str]) -> str:
    """Return class names as one text, from which `split_classes` reads exactly these names.

    A name with a semicolon, a quote, a line break or outer white space stands in quotes.

    >>> join_classes(["FRI", "odd; or not"])
    'FRI; "odd; or not"'
    """
    return "; ".join(
        '"{}"'.format(name.replace('"', '""'))
        if name != name.strip() or not name or set(name) & set(';"\r\n')
        else name
        for name in names
    )


def split_classes(text: str) -> tuple[str, ...]:
    """Return the class names in a text that `join_classes` or a person has written.

    >>> split_classes('FRI;"odd; or not"; '), split_classes("")
    (('FRI', 'odd; or not'), ())

    Raises
    ------
    DecisionError
        A quote is not closed, or something follows a name in quotes.
    """
    names, position = [], 0
    while position < len(text):
        match = _CLASS.match(text, position)
        if match is None:
            raise DecisionError(
                f"read the class names {text!r}: close each quote before the next semicolon, and "
                'write a quote inside a name twice ("")'
            )
        quoted, plain = match[1], (match[2] or "").rstrip()
        if quoted is not None:
            names.append(quoted.replace('""', '"'))
        elif plain:
            names.append(plain)
        position = match.end()
    return tuple(names)


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read the decisions that affect a build; without a file there are none.

    Returns
    -------
    dict of str to Decision
        The last decision on each source, by its name.

    Raises
    ------
    DecisionError
        A column is missing, or a verdict is unknown; the message names the row.
    """
    return _last_by_source(DecisionLog(path).standing())


def parse_decisions(lines: Iterable[str], path: str = DECISIONS_NAME) -> dict[str, Decision]:
    """Return the last decision on each source that accepts or rejects it."""
    return _last_by_source(standing(parse_rows(lines, path), path))


def parse_rows(lines: Iterable[str], path: str = DECISIONS_NAME) -> list[Decision]:
    """Return all rows of the file, checked.

    Parameters
    ----------
    lines : iterable of str
    path : str
        The file, for messages.

    Raises
    ------
    DecisionError
        A column is missing, or a verdict is unknown; the message names the row.
    """
    # A quote that is never closed would make one value of all rows after it, without a word.
    reader = csv.DictReader(lines, skipinitialspace=True, strict=True)
    line = 1
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        missing = {"source", "verdict"} - set(reader.fieldnames)
        if missing and reader.line_num:
            columns = ", ".join(sorted(missing))
            raise DecisionError(f"read {path}: no column {columns}; expected {', '.join(COLUMNS)}")
        rows = []
        line = reader.line_num + 1
        for row in reader:
            decision = _decision_of(row, path, reader.line_num)
            if decision is not None:
                rows.append(decision)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DecisionError(
            f"read {path}: the row that begins in line {line} is no CSV ({error}); close each "
            'quote, and write a quote inside a value twice ("")'
        ) from error
    return rows


def _decision_of(row: Mapping[str, str | None], path: str, number: int) -> Decision | None:
    """Return the decision of a row, checked; None for a row of commas, as spreadsheets write it."""
    source, field, verdict, by, date, note, classes = (
        (row.get(key) or "").strip() for key in COLUMNS
    )
    decision = Decision(source, field, verdict, by, date, note)
    if not classes and decision == Decision("", "", ""):
        return None
    if not decision.source:
        raise DecisionError(f"read {path}: line {number} names no source")
    if decision.verdict not in VERDICTS:
        raise DecisionError(
            f"read {path}: line {number} ({decision.source}) has the verdict "
            f"{decision.verdict!r}; expected {', '.join(VERDICTS)}"
        )
    if decision.verdict not in JUDGEMENT_VERDICTS:
        return decision
    try:
        return replace(decision, classes=split_classes(classes))
    except DecisionError as error:
        raise DecisionError(f"read {path}: line {number} ({decision.source}): {error}") from error


def standing(rows: Sequence[Decision], path: str = DECISIONS_NAME) -> list[Decision]:
    """Return the rows that no ``undo`` has revoked.

    Raises
    ------
    DecisionError
        There is no row of the same person on the same source that an ``undo`` could revoke.
    """
    # For each person and source a stack of the rows in force: ``undo`` removes the top one.
    in_force: dict[int, Decision] = {}
    stacks: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        stack = stacks.setdefault((row.source, row.by), [])
        if row.verdict != "undo":
            stack.append(index)
            in_force[index] = row
        elif stack:
            del in_force[stack.pop()]
        else:
            raise DecisionError(
                f"read {path}: line {index + 2} undoes a decision of {row.by or 'nobody'} on "
                f"{row.source}, but no row above it is one; remove the line"
            )
    return list(in_force.values())


def followed_decisions(rows: Iterable[Decision], *, judgements: bool) -> list[Decision]:
    """Return the decisions that a build follows.

    Parameters
    ----------
    rows : iterable of Decision
        Those in force, in the order of the file.
    judgements : bool
        Whether the judgements are among them.

    Returns
    -------
    list of Decision
        The last one on the image of each source, and each person's judgement.
    """
    rows = list(rows)
    people = judgements_in_force(rows).values() if judgements else ()
    return [*_last_by_source(rows).values(), *(row for one in people for row in one.values())]


def judgements_in_force(rows: Iterable[Decision]) -> dict[str, dict[str, Decision]]:
    """Return the judgement of each person on each source: their last ``classify`` or ``confirm``.

    Parameters
    ----------
    rows : iterable of Decision
        Those in force (`standing`), in the order of the file.

    Returns
    -------
    dict of str to dict of str to Decision
        By the name of the source and then of the person; the people in the order of their
        judgements, so that the last word on a source is that of the last one.

    Examples
    --------
    >>> rows = [Decision("A", "", "classify", by, classes=(name,))
    ...         for by, name in [("ann", "FRI"), ("bob", "FRII"), ("ann", "FRII")]]
    >>> {by: row.classes for by, row in judgements_in_force(rows)["A"].items()}
    {'bob': ('FRII',), 'ann': ('FRII',)}
    """
    by_source: dict[str, dict[str, Decision]] = {}
    for row in rows:
        if row.verdict in JUDGEMENT_VERDICTS:
            people = by_source.setdefault(row.source, {})
            people.pop(row.by, None)
            people[row.by] = row
    return by_source


class DecisionLog:
    """Reads and extends ``decisions.csv``.

    A row is added under a lock: the file is read, written with one more row to a temporary file
    and renamed. Readers always see a complete file, and concurrent writers lose no rows. Adding a
    row takes about 1 ms, mostly for the disk.

    Parameters
    ----------
    path : Path
        The file need not exist. Links are followed, so that it can lie in a repository elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path)) if is_local(path) else path
        self._parsed: tuple[bytes, list[Decision]] = b"", []

    def rows(self) -> list[Decision]:
        """Return all rows."""
        return self._parse(self._bytes())

    def standing(self) -> list[Decision]:
        """Return the rows that no ``undo`` has revoked, in the order of the file."""
        return standing(self.rows(), str(self.path))

    def add(
        self, decision: Decision, check: Callable[[list[Decision]], None] | None = None
    ) -> None:
        """Add a row.

        Parameters
        ----------
        decision : Decision
        check : callable, optional
            Called under the lock with the rows in force. If it raises an error, the row is not
            added.

        Raises
        ------
        DecisionError
            The file cannot be read, or the new row could not be read again.
        InputError
            The disk is full, or the folder is not writable.
        """

        def choose(in_force: list[Decision]) -> Decision:
            if check is not None:
                check(in_force)
            return decision

        self._add(choose)

    def add_all(self, choose: Callable[[list[Decision]], Sequence[Decision]]) -> list[Decision]:
        """Add several rows, all or none.

        Parameters
        ----------
        choose : callable
            Called under the lock with all rows of the file; it returns those to add.

        Returns
        -------
        list of Decision
            The rows that were added, as the file has them.

        Raises
        ------
        DecisionError, InputError
            As for `add`.
        """
        with self._locked():
            before = self._bytes()
            rows = self._parse(before)
            decisions = [*map(_as_written, choose(rows))]
            if not decisions:
                return []
            # Parse the new content before it is written: what is on disk can always be read, and a
            # row that is confirmed is in it.
            after = _with_rows(before, decisions)
            if len(after) > LARGEST_TEXT:
                raise DecisionError(
                    f"add {len(decisions):,} decisions to {self.path}: nothing was written, "
                    f"because the file would have more than {LARGEST_TEXT >> 20} MiB"
                )
            rows_after = self._parse(after)
            standing(rows_after, str(self.path))
            if rows_after != [*rows, *decisions]:
                decision = next(
                    (new for new, read in zip(decisions, rows_after[len(rows) :], strict=False)
                     if new != read),
                    decisions[-1],
                )  # fmt: skip
                last = rows_after[-1].source if rows_after else ""
                raise DecisionError(
                    f"add a decision on {decision.source!r} to {self.path}: nothing was written, "
                    f"because the row would be one on {last!r}, or have other values: names cannot "
                    "begin or end with white space, and the first line must be the names of the "
                    "columns; rename the source, or correct the file"
                )
            try:
                with atomic_path(self.path) as temporary, temporary.open("wb") as stream:
                    stream.write(after)
                    stream.flush()
                    os.fsync(stream.fileno())
            except InputError as error:
                raise InputError(
                    f"the decision on {decisions[0].source!r} was not written: {error}"
                ) from error
            return decisions

    def _add(self, choose: Callable[[list[Decision]], Decision]) -> None:
        """Add the row that `choose` returns for the rows in force, under the lock."""
        self.add_all(lambda rows: [choose(standing(rows, str(self.path)))])

    def undo(self, by: str, date: str, source: str | None = None) -> Decision:
        """Revoke the last row of a person that is in force, and return it.

        Parameters
        ----------
        by, date : str
            The person, and the date of the new row.
        source : str, optional
            Only a row on this source.

        Raises
        ------
        DecisionError
            There is no such row.
        """
        undone: list[Decision] = []
        by = one_line(by)  # as the rows have it

        def choose(in_force: list[Decision]) -> Decision:
            # Under the lock: of two undos at the same time, each revokes another row.
            own = [row for row in in_force if row.by == by and source in (None, row.source)]
            if not own:
                scope = f" on {source}" if source else ""
                raise DecisionError(
                    f"undo: no decision of {by or 'nobody'}{scope} is left to undo; nothing was "
                    "written"
                )
            undone.append(own[-1])
            return Decision(own[-1].source, "", "undo", by, date)

        self._add(choose)
        return undone[0]

    def _bytes(self) -> bytes:
        try:
            return read_bounded(self.path)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DecisionError(f"read {self.path}: {error.strerror}") from error

    def _parse(self, content: bytes) -> list[Decision]:
        """Return the rows in the content of the file; it may be other content than before."""
        # The file grows by one row at a time, and a team writes many thousands. Only what follows
        # the content of the last time is parsed, below the same header. The last time, all quotes
        # were closed. A header with quotes can have several lines; an error counts all lines.
        before, rows = self._parsed
        header = re.match(rb"[^\r\n]*", before)
        is_longer = before.endswith(b"\n") and content.startswith(before)
        if is_longer and header is not None and b'"' not in header[0]:
            with contextlib.suppress(DecisionError):
                added = self._parse_all(header[0] + b"\n" + content[len(before) :])
                self._parsed = content, [*rows, *added]
                return [*self._parsed[1]]
        self._parsed = content, self._parse_all(content)
        return [*self._parsed[1]]

    def _parse_all(self, content: bytes) -> list[Decision]:
        try:
            text = content.decode("utf-8-sig")
            return parse_rows(io.StringIO(text, newline=""), str(self.path))
        except UnicodeDecodeError as error:
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
                shown = as_input_error(error, self.path)
                raise DecisionError(f"the decision was not written: {shown}") from error
            yield


def _last_by_source(rows: Iterable[Decision]) -> dict[str, Decision]:
    """Return the last row on each source that affects a build."""
    return {row.source: row for row in rows if row.verdict in IMAGE_VERDICTS}


def _as_written(decision: Decision) -> Decision:
    """Return a decision as the file has it: each is one line, without blanks around the values."""
    return replace(
        decision,
        by=one_line(decision.by),
        date=one_line(decision.date),
        note=one_line(decision.note),
    )


def _with_rows(content: bytes, decisions: Sequence[Decision]) -> bytes:
    """Return the content of the file with more rows.

    The order of the columns in the file is kept, and columns that are missing are added.
    """
    # Only the header line is rewritten. The other rows stay as they are, byte by byte, so that the
    # change under version control is one added line. Each line may end as any system writes it.
    text = content.decode("utf-8-sig")
    if not text.strip():
        text = ",".join(COLUMNS) + "\n"
    match = re.match(r"([^\r\n]*)(\r\n|\r|\n|\Z)", text)
    first, end, rest = (match[1], match[2], text[match.end() :]) if match else (text, "", "")
    columns = [name.strip() for name in next(csv.reader([first], skipinitialspace=True))]
    missing = [name for name in COLUMNS if name not in columns]
    columns += missing
    header = ",".join([first, *missing]) + (end or "\n")
    if rest and not rest.endswith(("\n", "\r")):
        rest += "\n"
    lines = []
    for decision in decisions:
        values = {key: getattr(decision, key) for key in COLUMNS}
        values["classes"] = join_classes(decision.classes)
        line = io.StringIO()
        # This end of line makes the writer quote both of its characters in a value.
        writer = csv.writer(line, lineterminator="\r\n")
        writer.writerow([values.get(name, "") for name in columns])
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return (header + rest + "".join(lines)).encode()


def one_line(value: str) -> str:
    """Return a value as a row of the file has it: line breaks and control characters are blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())
