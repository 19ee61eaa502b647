"""The labels of a build: those of the catalogue, and the judgements of people by a rule.

What follows the plan (splits, parts, manifest) sees only the labels, and for each source where its
label comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.decisions import (
    JUDGEMENT_VERDICTS,
    Decision,
    DecisionLog,
    followed_decisions,
    judgements_in_force,
)
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.judgement_rules import Outcome, resolve
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.labels import UNLABELLED
from mingolotss.dataset.judged_classes import JudgedClasses
from mingolotss.dataset.label_origins import FROM_CATALOGUE, label_origin
from mingolotss.io.summaries import count_text
from mingolotss.model import Floats
from mingolotss.recipe.model import Recipe

__all__ = ["FollowedDecisions", "JudgedLabels", "follow_decisions", "judge_labels"]

_MOST_SHOWN = 3  # names in one line


class JudgedLabels(NamedTuple):
    """A catalogue with the labels of a build.

    Attributes
    ----------
    catalogue : Catalogue
        With `label_from`, if the recipe uses judgements.
    notices : tuple of str
        A line for each kind of judgements that cannot count.
    """

    catalogue: Catalogue
    notices: tuple[str, ...] = ()


class FollowedDecisions(NamedTuple):
    """What a build takes from ``decisions.csv``.

    Attributes
    ----------
    catalogue : Catalogue
        With the labels of the build.
    by_source : dict of str to Decision
        The last decision on the image of each source.
    judgements : tuple of Decision
        Of each person on each source, if the recipe uses them.
    notices : tuple of str
    """

    catalogue: Catalogue
    by_source: dict[str, Decision]
    judgements: tuple[Decision, ...]
    notices: tuple[str, ...]


def follow_decisions(path: Path, catalogue: Catalogue, recipe: Recipe) -> FollowedDecisions:
    """Read the decisions of people, and give the sources the labels that follow from them.

    Raises
    ------
    DecisionError
        The file cannot be read, or a judgement cannot be applied.
    """
    rows = DecisionLog(path).standing()
    followed = followed_decisions(rows, judgements=recipe.judgements.are_used)
    judged = judge_labels(catalogue, recipe, rows)
    return FollowedDecisions(
        catalogue=judged.catalogue,
        by_source={row.source: row for row in followed if row.verdict not in JUDGEMENT_VERDICTS},
        judgements=tuple(row for row in followed if row.verdict in JUDGEMENT_VERDICTS),
        notices=judged.notices,
    )


def judge_labels(catalogue: Catalogue, recipe: Recipe, rows: Iterable[Decision]) -> JudgedLabels:
    """Give each source that people have judged the label that follows by the rule of the recipe.

    Parameters
    ----------
    catalogue : Catalogue
    recipe : Recipe
    rows : iterable of Decision
        The decisions in force, in the order of their file.

    Raises
    ------
    DecisionError
        A judgement on a source of the catalogue names a class that there is not, or several classes
        where a source has one.
    """
    settings = recipe.judgements
    if settings.rule == "none":
        return JudgedLabels(catalogue)
    if not catalogue.classes:
        catalogue = replace(catalogue, classes=recipe.class_names)
    reader = JudgedClasses(recipe, catalogue.classes)
    outcomes: dict[int, Outcome] = {}
    unknown: list[str] = []
    unread: list[Decision] = []
    for source, people in judgements_in_force(rows).items():
        row = catalogue.row_of.get(source)
        if row is None:
            unknown.append(source)
            continue
        judgements, without_class = reader.read_all(people)
        unread += without_class
        if len(judgements) >= max(1, settings.reviewers):
            outcomes[row] = resolve(
                settings.rule,
                list(judgements.values()),
                len(catalogue.classes),
                tags=reader.has_tags,
            )
    notices = [*_notices(unknown, unread)]
    return JudgedLabels(_with_labels(catalogue, recipe, outcomes), tuple(notices))


def _with_labels(
    catalogue: Catalogue, recipe: Recipe, outcomes: Mapping[int, Outcome]
) -> Catalogue:
    """Return a catalogue with the results of the people, by row."""
    settings = recipe.judgements
    if settings.rule == "none":
        return catalogue
    origins = [FROM_CATALOGUE] * len(catalogue)
    judged = {}
    for row, outcome in outcomes.items():
        has_result = outcome.values is not None
        if has_result or settings.ties == "unlabelled":
            judged[row] = outcome
            origins[row] = label_origin(
                settings.rule, outcome.agreeing, outcome.people, has_result=has_result
            )
    catalogue = replace(catalogue, label_from=origins)
    vectors = _initial_vectors(catalogue, recipe)
    if vectors is None:
        labels = catalogue.labels.copy()
        for row, outcome in judged.items():
            labels[row] = _single_label(outcome)
        return replace(catalogue, labels=labels)
    values, totals = vectors.values.copy(), vectors.totals.copy()
    is_votes = vectors.kind == "votes"
    for row, outcome in judged.items():
        # No result: the whole row of an unlabelled source is NaN, or -1 for tags.
        missing = np.nan if is_votes else -1
        values[row] = missing if outcome.values is None else outcome.values
        if is_votes:
            totals[row] = np.nan if outcome.values is None else outcome.people
    vectors = LabelVectors(vectors.kind, values, totals)
    labels = vectors.single_labels(recipe.classes.least_fraction)
    for row, outcome in judged.items():
        if is_votes and _is_none_of_them(outcome):
            labels[row] = UNLABELLED
    return replace(catalogue, labels=labels, vectors=vectors)


def _single_label(outcome: Outcome) -> int:
    """Return the label of a source that has one class, or none."""
    return outcome.values.index(1) if outcome.values and 1 in outcome.values else UNLABELLED


def _is_none_of_them(outcome: Outcome) -> bool:
    """Return whether as many people say that a source is none of the classes as give any one."""
    shares = outcome.values or (0.0,)
    counts = [round(share * outcome.people) for share in shares]
    return outcome.people - sum(counts) >= max(counts)


def _initial_vectors(catalogue: Catalogue, recipe: Recipe) -> LabelVectors | None:
    """Return the tags or votes of the catalogue, in the kind that the build has; None for classes.

    As votes, a class or tag of the catalogue has the fraction 1, by an unknown number of people.
    """
    vectors = catalogue.vectors
    if recipe.label_kind != "votes" or (vectors is not None and vectors.kind == "votes"):
        return vectors
    if vectors is not None:
        fractions: Floats = vectors.values.astype(float)
        is_labelled = vectors.is_labelled
    else:
        labels = np.arange(len(catalogue.classes))
        fractions = (catalogue.labels[:, None] == labels).astype(float)
        is_labelled = catalogue.labels != UNLABELLED
    fractions[~is_labelled] = np.nan
    return LabelVectors.of_votes(fractions, np.full(len(catalogue), np.nan))


def _notices(unknown: Sequence[str], unread: Sequence[Decision]) -> Iterable[str]:
    if unknown:
        yield (
            f"decisions.csv: judgements on {count_text(len(unknown), 'source')} that the catalogue "
            f"does not have do not count ({_listed(unknown)})"
        )
    if unread:
        names = [row.source for row in unread]
        yield (
            f"decisions.csv: {count_text(len(unread), 'confirmation')} without a class in the "
            f"column classes {'does' if len(names) == 1 else 'do'} not count ({_listed(names)}); "
            "confirm the label again"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
