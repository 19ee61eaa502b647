r"""Read the export of the classifications of a Zooniverse project.

The export is a CSV file with one row for each classification; ``annotations``, ``subject_data`` and
``metadata`` are JSON. Each annotation has the task and its answer as text (a question with one
answer), or a list of texts (several answers). The format is described by the example files of
Zooniverse's ``panoptes_aggregation``.

>>> answer_text("![A jet](https://x.org/j.png) **FR I**\n"), answer_text("FR  I")
('FR I', 'FR I')
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mingolotss.errors import InputError
from mingolotss.io.documents import parse_json
from mingolotss.io.files import check_regular
from mingolotss.io.system_faults import describe_fault

__all__ = ["Classification", "Export", "TaskChoice", "answer_text", "read_classifications"]

_COLUMNS = ("classification_id", "user_name", "workflow_id", "created_at", "annotations",
            "subject_data")  # fmt: skip
_LARGEST_FIELD = 16 << 20  # characters of one cell; drawings have some 100,000
_MOST_ROWS = 5_000_000
_MOST_ANSWERS = 1000  # of one classification
_LONGEST_ANSWER = 5000  # letters, with the addresses of pictures
_LONGEST_NAME = 200  # letters of a name of a user
_COMBINED = 3  # levels of tasks inside tasks
_PICTURE = re.compile(r"!\[[^\]]{0,500}\]\([^)]{0,2000}\)")
_EMPHASIS = re.compile(r"[*_`#]{1,3}")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: ?UTC|Z)?")


class TaskChoice(NamedTuple):
    """Which classifications of an export are read.

    Attributes
    ----------
    workflow : str
        Its number or its name; "" if there is only one.
    task : str
        For example ``T0``; "" if there is only one.
    version : str
        The major version of the workflow, for example ``16``, or the whole, ``16.55``; "" for all.
    source_key : str
        The metadata of a subject that has the name of the source.
    """

    workflow: str = ""
    task: str = ""
    version: str = ""
    source_key: str = "#source"


class Classification(NamedTuple):
    """The answers of one person on one subject.

    Attributes
    ----------
    number : int
        Of the classification.
    user : str
        The user name; of somebody who was not logged in, ``not-logged-in-`` and a code.
    date : str
        UTC, for example ``2026-01-02T10:00:00Z``.
    source : str
    answers : tuple of str
        As the volunteer saw them; empty if none of several possible answers was chosen.
    workflow, task : str
    """

    number: int
    user: str
    date: str
    source: str
    answers: tuple[str, ...]
    workflow: str
    task: str


class Export(NamedTuple):
    """The classifications of one task.

    Attributes
    ----------
    classifications : list of Classification
        In the order in which they were made.
    unanswered : int
        Classifications without an answer to the task.
    without_source : int
        Classifications of subjects without the name of a source.
    """

    classifications: list[Classification]
    unanswered: int
    without_source: int


def answer_text(label: str) -> str:
    """Return an answer without pictures, emphasis and double blanks."""
    return " ".join(_EMPHASIS.sub("", _PICTURE.sub("", label)).split())


def read_classifications(path: Path, choice: TaskChoice) -> Export:
    """Read the answers to one task.

    Parameters
    ----------
    path : Path
        The classification export of a project or of a workflow.
    choice : TaskChoice

    Raises
    ------
    InputError
        The file is no such export or is damaged, or it has several workflows or tasks of which none
        is chosen.
    """
    action = f"read the classifications {path}"
    titles: dict[str, str] = {}
    rows = [
        row
        for row in _read_rows(path, action, choice.source_key, titles)
        if not choice.version or choice.version in {row.version, row.version.partition(".")[0]}
    ]
    if not rows:
        raise InputError(
            f"{action}: it has no classification"
            + (f" of the version {choice.version!r}" if choice.version else "")
        )
    workflows = Counter((row.workflow, row.workflow_name) for row in rows)
    workflow = _choose(workflows, choice.workflow, "workflow", action)
    rows = [row for row in rows if row.workflow == workflow]
    if choice.task:
        _check_question(rows, choice.task, action)
    tasks = Counter(
        (task, titles.get(task, ""))
        for row in rows
        for task, answers in row.answers.items()
        if answers and task not in row.other_tasks
    )
    task = _choose(tasks, choice.task, "task", action)
    _check_question(rows, task, action)
    return _answers(rows, task, choice.source_key, action)


def _check_question(rows: Iterable[_Row], task: str, action: str) -> None:
    if any(task in row.other_tasks for row in rows):
        raise InputError(f"{action}: the task {task} is no question with one or several answers")


class _FormError(Exception):
    """A row of the export has another form."""


class _Row(NamedTuple):
    """What is used of one row of the export.

    Attributes
    ----------
    number : int
    user, date, source, workflow, workflow_name, version : str
    answers : dict of str to tuple of str, or None
        To each question; None where it was skipped.
    other_tasks : frozenset of str
        Tasks that are no questions: drawings, texts and others.
    """

    number: int
    user: str
    date: str
    source: str
    workflow: str
    workflow_name: str
    version: str
    answers: dict[str, tuple[str, ...] | None]
    other_tasks: frozenset[str]


def _answers(rows: Iterable[_Row], task: str, source_key: str, action: str) -> Export:
    """Return the answers to one task, by the time at which they were given."""
    classifications, unanswered, without_source = [], 0, 0
    for row in rows:
        answers = row.answers.get(task)
        if not row.source:
            without_source += 1
        elif answers is None:
            unanswered += 1
        else:
            one = Classification(
                row.number, row.user, row.date, row.source, answers, row.workflow, task
            )
            classifications.append(one)
    if without_source and not classifications and not unanswered:
        raise InputError(
            f"{action}: no subject has the metadata {source_key!r} with the name of its source; "
            "give the name of that metadata with --source-key"
        )
    classifications.sort(key=lambda one: (one.date, one.number))
    return Export(classifications, unanswered, without_source)


def _choose(counts: Counter[tuple[str, str]], chosen: str, noun: str, action: str) -> str:
    """Return the workflow or task that is chosen, or the only one."""
    names = dict(counts.keys())
    if chosen:
        matching = [key for key, name in names.items() if chosen in (key, name)]
        if len(matching) == 1:
            return matching[0]
    elif len(names) == 1:
        return next(iter(names))
    shown = "; ".join(
        f"{key} ({' '.join(name.split())[:60]}, {count:,} classifications)"
        for (key, name), count in counts.most_common(8)
    )
    if not names:
        raise InputError(f"{action}: it has no {noun} with answers to a question")
    problem = f"there is no {noun} {chosen!r}" if chosen else f"it has several {noun}s"
    raise InputError(f"{action}: {problem}; give --{noun} with one of: {shown}")


def _read_rows(path: Path, action: str, source_key: str, titles: dict[str, str]) -> Iterator[_Row]:
    """Yield the rows of the file, and collect the titles of the tasks."""
    try:
        check_regular(path)
        with _large_fields(), path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in _COLUMNS if name not in header]
            if missing:
                raise InputError(
                    f"{action}: it has no column {', '.join(missing)}; request the classification "
                    "export of the project (Data Exports), and give that file"
                )
            for count, values in enumerate(reader):
                if count >= _MOST_ROWS:
                    raise InputError(f"{action}: it has more than {_MOST_ROWS:,} rows")
                if any(values):
                    columns = defaultdict(str, zip(header, values, strict=False))
                    try:
                        yield _read_row(columns, source_key, titles)
                    except _FormError as error:
                        raise InputError(
                            f"{action}: line {reader.line_num}: {error}; export the "
                            "classifications again"
                        ) from error
    except OSError as error:
        reason = describe_fault(error) or error.strerror or error
        raise InputError(f"{action}: {reason}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{action}: it is no text in UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{action}: line {reader.line_num} is no CSV ({error})") from error


@contextmanager
def _large_fields() -> Iterator[None]:
    """Let the reader of CSV take the cells of drawings, which have more than 128 KiB."""
    before = csv.field_size_limit(_LARGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _read_row(columns: Mapping[str, str], source_key: str, titles: dict[str, str]) -> _Row:
    """Return one row of the export; raise _FormError if it has another form."""
    number, date = columns["classification_id"].strip(), columns["created_at"].strip()
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        raise _FormError(f"classification_id = {number!r:.40} is no number")
    time = _DATE.fullmatch(date)
    if time is None:
        raise _FormError(f"created_at = {date!r:.40} is no date and time")
    answers: dict[str, tuple[str, ...] | None] = {}
    others = set()
    annotations = _parse(columns, "annotations", list)
    for task, value, title in _tasks(annotations, _COMBINED):
        titles.setdefault(task, answer_text(title[:1000]))
        others.discard(task)  # of an answer that was changed, the last one counts
        answers[task] = None
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and _are_answers(texts):
            answers[task] = tuple(map(sys.intern, dict.fromkeys(texts)))
        elif value is not None:
            others.add(task)
    return _Row(
        number=int(number),
        user=sys.intern(_user(columns)),
        date=f"{time[1]}T{time[2]}Z",
        source=sys.intern(_source(_parse(columns, "subject_data", dict), source_key)),
        workflow=sys.intern(columns["workflow_id"].strip()),
        workflow_name=sys.intern(columns["workflow_name"].strip()),
        version=sys.intern(columns["workflow_version"].strip()),
        answers=answers,
        other_tasks=frozenset(others),
    )


def _are_answers(texts: list[Any]) -> bool:
    """Return whether a value is a choice among answers, and no drawing and no long text."""
    return len(texts) <= _MOST_ANSWERS and all(
        isinstance(text, str) and len(text) <= _LONGEST_ANSWER for text in texts
    )


def _parse(columns: Mapping[str, str], name: str, kind: type) -> Any:
    try:
        value = parse_json(columns[name])
    except ValueError as error:
        raise _FormError(f"{name} is no JSON ({error})") from error
    if not isinstance(value, kind):
        raise _FormError(f"{name} is JSON of another form")
    return value


def _source(subjects: Mapping[str, Any], source_key: str) -> str:
    """Return the name of the source in the metadata of the subject, "" without one."""
    if len(subjects) != 1 or not all(isinstance(one, dict) for one in subjects.values()):
        raise _FormError(f"subject_data has {len(subjects)} subjects, and one is expected")
    (metadata,) = subjects.values()
    # A mark that hides the metadata may have been added or removed since.
    name = source_key.lstrip("#!/")
    for key in (source_key, *(f"{mark}{name}" for mark in ("#", "!", "//", ""))):
        value = metadata.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value).strip()
    return ""


def _tasks(annotations: list[Any], levels: int) -> Iterator[tuple[str, Any, str]]:
    """Yield task, value and title of all annotations, also of those inside a combined task."""
    for one in annotations:
        task = one.get("task") if isinstance(one, dict) else None
        if not isinstance(task, str):
            raise _FormError("an annotation names no task")
        value, title = one.get("value"), one.get("task_label")
        is_combined = isinstance(value, list) and any(
            isinstance(part, dict) and "task" in part and "value" in part for part in value
        )
        if is_combined and levels:
            yield from _tasks(value, levels - 1)
        else:
            yield sys.intern(task), value, title if isinstance(title, str) else ""


def _user(columns: Mapping[str, str]) -> str:
    """Return who made a classification; the name of somebody not logged in has a code."""
    name = " ".join(columns["user_name"].split())
    code = columns["user_ip"].strip() or columns["classification_id"].strip()
    name = name or f"not-logged-in-{code}"
    if len(name) > _LONGEST_NAME:
        raise _FormError(f"user_name has {len(name)} letters")
    return name
