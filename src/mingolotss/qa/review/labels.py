"""What the page of a label shows: the classes with their keys, and the judgements about a source.

For blind reviewers the label, the judgements of others and the reasons of a queue are not part of
the result, so that no template can show them.

>>> [key_of(index) for index in (0, 9, 10, 19, 20)]
['1', '0', 'a', 'y', '']
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mingolotss.candidates.decisions import Decision
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.review.filters import FILE_REASONS, Filter
from mingolotss.qa.review.queues import Suspicion
from mingolotss.qa.review.state import Snapshot
from mingolotss.recipe.model import Recipe

__all__ = [
    "ClassChoice",
    "LabelView",
    "classes_digest",
    "given_classes",
    "has_several",
    "key_of",
    "view_label",
]

# The digits, then the letters that have no other meaning on the page.
_KEYS = "1234567890aefhioprwy"


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """A class that a reviewer can choose.

    Attributes
    ----------
    index : int
        Its label.
    name, note : str
    key : str
        "" without one.
    is_own : bool
        Whether it is in the reviewer's judgement.
    is_given : bool
        Whether the source has this class in the dataset.
    votes : float or None
        The fraction of the votes for it in the dataset.
    people : tuple of str
        The other people who chose it.
    """

    index: int
    name: str
    note: str
    key: str
    is_own: bool
    is_given: bool
    votes: float | None
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelView:
    """The label of one source, as one reviewer sees it.

    Attributes
    ----------
    several : bool
        Whether a source can have several classes, as in a dataset of tags.
    choices : sequence of ClassChoice
        By label.
    own : Decision or None
        The judgement of the reviewer.
    others : sequence of Decision
        Those of other people, oldest first.
    given : tuple of str or None
        The classes in the dataset, which can be confirmed; None for an unlabelled source.
    given_digest : str
        Changes with `given`.
    given_from : str
        Where they come from; "" for the catalogue.
    suspicion : Suspicion or None
        Why the source is in its queue.
    etag : str
        Changes with the reviewer's decisions about the source.
    digest : str
        Changes with the names of the classes.
    """

    several: bool
    choices: Sequence[ClassChoice]
    own: Decision | None
    others: Sequence[Decision]
    given: tuple[str, ...] | None
    given_digest: str
    given_from: str
    suspicion: Suspicion | None
    etag: str
    digest: str


def key_of(index: int) -> str:
    """Return the key of the class with this label; "" if there are more classes than keys."""
    return _KEYS[index] if index < len(_KEYS) else ""


def classes_digest(classes: Sequence[str]) -> str:
    """Return a text that changes with the names of the classes or with their order."""
    return hashlib.sha256(json.dumps(list(classes)).encode()).hexdigest()[:16]


def has_several(recipe: Recipe) -> bool:
    """Return whether people can give a source several classes.

    They can where the catalogue has tags, also if the build makes fractions of their judgements.
    """
    return recipe.classes.source == "tags"


def given_classes(build: BuildView, record: ManifestRow) -> tuple[str, ...] | None:
    """Return the classes of a source in the dataset: one, its tags, or that with the most votes.

    Returns
    -------
    tuple of str or None
        Empty for a source without a tag, None for one without a label.
    """
    names = build.provenance.classes
    if build.recipe.label_kind == "tags":
        tags = record.get("tags")
        return None if tags is None else tuple(names[label] for label in tags)
    label = record["label"]
    return None if label is None or label < 0 else (names[label],)


def view_label(snapshot: Snapshot, row: int, selection: Filter, by: str) -> LabelView:
    """Return what a reviewer sees of the label of the source in `row`."""
    build, record = snapshot.build, snapshot.build.record(row)
    name, classes = record["source"], build.provenance.classes
    people = snapshot.decisions.judgements.get(name, {})
    own = people.get(by)
    others = [] if snapshot.blind else [one for person, one in people.items() if person != by]
    given = None if snapshot.blind else given_classes(build, record)
    votes = None if snapshot.blind else record.get("votes")
    notes = {row.label: row.note for row in build.recipe.classes.final_table}
    choices = [
        ClassChoice(
            index=index,
            name=text,
            note=notes.get(index, ""),
            key=key_of(index),
            is_own=own is not None and text in own.classes,
            is_given=text in (given or ()),
            votes=votes[index] if votes else None,
            people=tuple(one.by for one in others if text in one.classes),
        )
        for index, text in enumerate(classes)
    ]
    return LabelView(
        several=has_several(build.recipe),
        choices=choices,
        own=own,
        others=others,
        given=given,
        given_digest="" if given is None else classes_digest(given),
        given_from="" if snapshot.blind else record.get("label_from") or "",
        suspicion=_suspicion(snapshot, selection, row),
        etag=snapshot.decisions.etag(name, by),
        digest=classes_digest(classes),
    )


def _suspicion(snapshot: Snapshot, selection: Filter, row: int) -> Suspicion | None:
    if snapshot.blind or selection.reason not in FILE_REASONS:
        return None
    return snapshot.queue(selection.reason).suspicions.get(row)
