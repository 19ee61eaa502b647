"""Add the classifications of volunteers to the decisions of a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.dataset.judged_classes import JudgedClasses
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.recorded_inputs import decisions_file
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.csv import plain_text
from mingolotss.qa.zooniverse.classifications import (
    Classification,
    TaskChoice,
    answer_text,
    read_classifications,
)

__all__ = ["ZooniverseImport", "zooniverse_import"]

_MOST_SHOWN = 5
_NOTE = "Zooniverse classification "


class ZooniverseImport(NamedTuple):
    """What an import has added.

    Attributes
    ----------
    path : Path
        The file of decisions.
    classifications, people, sources : int
        In the export, of the chosen task.
    added : int
        Judgements that were added.
    known : int
        That were there already.
    repeated : int
        Further classifications of one source by one person, which do not count.
    unanswered, without_source, ignored : int
        Without an answer; of a subject without the name of a source; with only answers that are
        ignored.
    elsewhere : int
        On sources that the build does not have.
    """

    path: Path
    classifications: int
    people: int
    sources: int
    added: int
    known: int
    repeated: int
    unanswered: int
    without_source: int
    ignored: int
    elsewhere: int

    def lines(self) -> list[str]:
        """Return lines for a terminal."""
        counts = {
            "were there already": self.known,
            "are a repeated classification of one source by one person": self.repeated,
            "have no answer": self.unanswered,
            "have an answer that is ignored": self.ignored,
            "are of a subject without the name of a source": self.without_source,
            "are of sources that the build does not have": self.elsewhere,
        }
        first = (
            f"{self.classifications:,} classifications by {self.people:,} people on "
            f"{self.sources:,} sources: {self.added:,} judgements added to {self.path}"
        )
        return [first, *(f"  {count:,} {text}" for text, count in counts.items() if count)]


def zooniverse_import(
    export: Path | str,
    build: Path | str,
    *,
    workflow: str | int = "",
    task: str = "",
    version: str = "",
    answers: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    duplicates: str = "first",
    source_key: str = "#source",
) -> ZooniverseImport:
    """Add the classifications of a Zooniverse project to the decisions of a build.

    Each becomes a row ``classify`` by the user name of the volunteer. What was added before is not
    added again, so that a later export of the same project can be imported as well.

    Parameters
    ----------
    export : path
        The classification export, CSV.
    build : path
        The folder of the build.
    workflow, task, version : str
        Which classifications count: the number or name of the workflow, the task (``T0``), and the
        version of the workflow (``16`` for all 16.x). What is the only one can be left out.
    answers : mapping of str to str, optional
        The class that each answer means, "" for none of the classes. An answer with the name of a
        class, in any case of the letters, means this class.
    ignore : collection of str
        Answers that are no judgement, "not sure" for example.
    duplicates : {"first", "last"}
        Which classification of a person counts, where they have several on one source.
    source_key : str
        The metadata of the subjects that has the names of the sources.

    Returns
    -------
    ZooniverseImport
        How many rows were added, and how many classifications were not used, by the reason.

    Raises
    ------
    InputError
        The export is damaged, or an answer is no class. Nothing is added then.
    DatasetError
        There is no build, or it has no classes.
    DecisionError
        The decisions cannot be read or written, or a volunteer gave several classes where a source
        has one.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.zooniverse_import(  # doctest: +SKIP
    ...     "classifications.csv", "demo", answers={"Two lobes": "FRII"}, ignore=["Not sure"]
    ... )
    """
    export, folder = Path(export), Path(build)
    action = f"import {export} into {folder}"
    if duplicates not in {"first", "last"}:
        raise InputError(f"{action}: duplicates = {duplicates!r} is not first or last")
    provenance = read_provenance(folder)
    if provenance is None or not provenance.classes:
        problem = "there is no build in it" if provenance is None else "the build has no classes"
        raise DatasetError(f"{action}: {problem}")
    choice = TaskChoice(str(workflow), task, version, source_key)
    read = read_classifications(export, choice)
    own = set(read_manifest(folder, ["row", "source", "status"])["source"].to_pylist())
    # The manifest of a subject set has an apostrophe before a name that spreadsheets would compute.
    named = [
        one if one.source in own else one._replace(source=plain_text(one.source))
        for one in read.classifications
    ]
    here = [one for one in named if one.source in own]
    if read.classifications and not here:
        example = read.classifications[0].source
        raise InputError(
            f"{action}: the build has none of the sources of the subjects, for example not "
            f"{example!r}"
        )
    meanings = _meanings(here, provenance.classes, answers or {}, ignore, action)
    reader = JudgedClasses(provenance.recipe, provenance.classes)
    rows = [
        _decision(one, classes)
        for one in here
        if (classes := _classes_of(one, meanings)) is not None
    ]
    for row in rows:
        reader.read(row)
    kept = _without_duplicates(rows, duplicates)
    log = DecisionLog(decisions_file(folder))
    added = log.add_all(lambda before: _new_rows(before, kept, duplicates))
    return ZooniverseImport(
        path=log.path,
        classifications=len(read.classifications),
        people=len({one.user for one in read.classifications}),
        sources=len({one.source for one in read.classifications}),
        added=len(added),
        known=len(kept) - len(added),
        repeated=len(rows) - len(kept),
        unanswered=read.unanswered,
        without_source=read.without_source,
        ignored=len(here) - len(rows),
        elsewhere=len(read.classifications) - len(here),
    )


def _meanings(
    classifications: Sequence[Classification],
    classes: Sequence[str],
    answers: Mapping[str, str],
    ignore: Collection[str],
    action: str,
) -> dict[str, str | None]:
    """Return the class of each answer: "" for none of the classes, None for no judgement."""
    given = {answer_text(text): name for text, name in answers.items()}
    ignored = {answer_text(text) for text in ignore}
    known = dict.fromkeys(classes)
    for text, name in given.items():
        if name and name not in known:
            raise InputError(
                f"{action}: the answer {text!r} stands for {name!r}, which is no class of the "
                f"build; the classes are {', '.join(classes)}"
            )
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(answer_text(name).casefold(), []).append(name)
    counts = Counter(text for one in classifications for text in one.answers)
    meanings: dict[str, str | None] = {}
    unknown = []
    for answer in counts:
        text = answer_text(answer)
        similar = alike.get(text.casefold(), [])
        if text in ignored:
            meanings[answer] = None
        elif text in given:
            meanings[answer] = given[text]
        elif answer in known or text in known:
            meanings[answer] = answer if answer in known else text
        elif len(similar) == 1:
            meanings[answer] = similar[0]
        else:
            unknown.append(answer)
    if unknown:
        shown = ", ".join(
            f"{answer_text(one)[:60]!r} ({counts[one]:,})"
            for one in sorted(unknown, key=lambda one: -counts[one])[:_MOST_SHOWN]
        )
        more = f" and {len(unknown) - _MOST_SHOWN} more" if len(unknown) > _MOST_SHOWN else ""
        raise InputError(
            f"{action}: answers that are no class of the build: {shown}{more}; give each --answer "
            "'TEXT=CLASS', 'TEXT=' if it means none of the classes, or --ignore 'TEXT'. The "
            f"classes are {', '.join(classes)}"
        )
    return meanings


def _classes_of(one: Classification, meanings: Mapping[str, str | None]) -> tuple[str, ...] | None:
    """Return the classes that a classification gives; None if it is no judgement."""
    names = [meanings[answer] for answer in one.answers]
    if names and all(name is None for name in names):
        return None
    return tuple(dict.fromkeys(name for name in names if name))


def _decision(one: Classification, classes: tuple[str, ...]) -> Decision:
    note = f"{_NOTE}{one.number}, workflow {one.workflow}, task {one.task}"
    return Decision(one.source, "", "classify", one.user, one.date, note, classes)


def _without_duplicates(rows: Sequence[Decision], duplicates: str) -> list[Decision]:
    """Return one row of each person on each source."""
    chosen: dict[tuple[str, str], Decision] = {}
    for row in rows:
        key = row.source, row.by
        if duplicates == "last" or key not in chosen:
            chosen[key] = row
    return sorted(chosen.values(), key=lambda row: row.date)


def _new_rows(
    before: Sequence[Decision], rows: Sequence[Decision], duplicates: str
) -> list[Decision]:
    """Return the rows that are to be added to those of the file.

    A row that is in it is not added again, also if it was undone. Of a person whose other
    classification of the source and task is in it, the last one counts only if that is asked for.
    """
    notes = {row.note for row in before}
    of_task = {
        (row.source, row.by, row.note.partition(", ")[2])
        for row in before
        if row.note.startswith(_NOTE)
    }
    return [
        row
        for row in rows
        if row.note not in notes
        and (
            duplicates == "last" or (row.source, row.by, row.note.partition(", ")[2]) not in of_task
        )
    ]
