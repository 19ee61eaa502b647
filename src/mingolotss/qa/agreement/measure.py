"""Measure how far the people agree who judged the sources of a build."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from mingolotss.candidates.decisions import Decision, DecisionLog, judgements_in_force
from mingolotss.catalogue.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from mingolotss.catalogue.judgement_rules import Judgement
from mingolotss.dataset.judged_classes import JudgedClasses
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.recorded_inputs import decisions_file
from mingolotss.errors import DatasetError
from mingolotss.io.summaries import count_text
from mingolotss.model import Ints
from mingolotss.qa.agreement.result import (
    NONE,
    Agreement,
    AgreementValue,
    Confusion,
    Disagreement,
    GroupOfSources,
    PairOfPeople,
)

__all__ = ["agreement", "measure_agreement"]

MOST_COMPARED = 40
"""The pairs of this many people are compared: of thousands of volunteers there are millions."""

_People = Mapping[str, Judgement]
_Kappa = Callable[[Ints], float | None]


def agreement(folder: Path | str, *, decisions: Path | str | None = None) -> Agreement:
    """Measure how far the people agree who judged the sources of a build.

    Parameters
    ----------
    folder : path
        A build.
    decisions : path, optional
        The file of decisions to read in place of that of the build.

    Returns
    -------
    Agreement
        Cohen's kappa of each pair of people, on the sources that both have judged; Fleiss' kappa of
        all sources with the same number of people; Krippendorff's alpha of all; what is confused
        with what; and the sources on which people disagree, worst first.

    Raises
    ------
    DatasetError
        There is no build in the folder, or it has no classes.
    DecisionError
        The decisions cannot be read, or one names a class that there is not.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.agreement("demo")
    Agreement on 0 sources with two judgements or more
        build: demo
        people: 0
        ...
    """
    folder = Path(folder)
    provenance = read_provenance(folder)
    if provenance is None:
        raise DatasetError(f"measure the agreement in {folder}: there is no build in it")
    if not provenance.classes:
        raise DatasetError(
            f"measure the agreement in {folder}: the build has no classes that people could give; "
            "see classes.from and the table [judgements] of the recipe"
        )
    path = decisions_file(folder) if decisions is None else Path(decisions)
    if decisions is not None and not path.is_file():
        raise DatasetError(f"measure the agreement in {folder}: there is no file {path}")
    names = read_manifest(folder, ["row", "source", "status"])["source"].to_pylist()
    reader = JudgedClasses(provenance.recipe, provenance.classes)
    return measure_agreement(folder, names, reader, DecisionLog(path).standing())


def measure_agreement(
    folder: Path, names: Sequence[str], reader: JudgedClasses, rows: Sequence[Decision]
) -> Agreement:
    """Measure how far people agree on the sources of a catalogue.

    Parameters
    ----------
    folder : Path
        The build.
    names : sequence of str
        The sources, in the order of the catalogue.
    reader : JudgedClasses
    rows : sequence of Decision
        The decisions in force, in the order of their file.
    """
    in_force = judgements_in_force(rows)
    judged: dict[str, dict[str, Judgement]] = {}
    without_class = 0
    for name in names:
        if name in in_force:
            people, unread = reader.read_all(in_force[name])
            without_class += len(unread)
            if people:
                judged[name] = people
    elsewhere = len(in_force.keys() - set(names))
    totals: dict[str, int] = {}
    for people in judged.values():
        for by in people:
            totals[by] = totals.get(by, 0) + 1
    totals = dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
    shared = {name: people for name, people in judged.items() if len(people) > 1}
    compared = list(totals)[:MOST_COMPARED]
    counts = _Counts(reader)
    table = counts.of(list(shared.values()))
    return Agreement(
        folder=folder,
        kind="tags" if reader.has_tags else "classes",
        classes=reader.classes,
        people=totals,
        sources=len(judged),
        shared=len(shared),
        pairs=tuple(_pairs(compared, judged, counts)),
        compared=len(compared),
        groups=tuple(_groups(table, counts)),
        alpha=counts.value(krippendorff_alpha, table),
        matrix=_matrix(table, counts),
        confusions=tuple(_confusions(table, counts)),
        disagreements=tuple(_disagreements(shared, reader)),
        notices=tuple(_notices(elsewhere, without_class)),
    )


class _Counts:
    """Counts answers: one question with all classes as answers, or a question of each tag.

    Parameters
    ----------
    reader : JudgedClasses
    """

    def __init__(self, reader: JudgedClasses) -> None:
        self.classes = reader.classes
        self.has_tags = reader.has_tags

    def answer(self, judgement: Judgement) -> list[int]:
        """Return the answer to each question, from 0: a class, or whether it has a tag."""
        n = len(self.classes)
        if self.has_tags:
            return [int(tag in judgement) for tag in range(n)]
        return [next(iter(judgement), n)]  # the last answer is none of the classes

    @property
    def n_answers(self) -> int:
        """Return the number of answers to each question."""
        return 2 if self.has_tags else len(self.classes) + 1

    @property
    def n_questions(self) -> int:
        """Return the number of questions."""
        return len(self.classes) if self.has_tags else 1

    def of(self, sources: Sequence[_People]) -> Ints:
        """Return how many people gave each answer, shape (questions, n, answers)."""
        table = np.zeros((self.n_questions, len(sources), self.n_answers), np.int64)
        questions = np.arange(self.n_questions)
        for row, people in enumerate(sources):
            for judgement in people.values():
                table[questions, row, self.answer(judgement)] += 1
        return table

    def value(self, kappa: _Kappa, table: Ints) -> AgreementValue:
        """Return a kappa or alpha of all questions, or why it is undefined."""
        values = [kappa(counts) for counts in table]
        return self.combine(values, n_sources=table.shape[1])

    def combine(self, values: Sequence[float | None], n_sources: int) -> AgreementValue:
        """Return one value for those of all questions."""
        defined = [value for value in values if value is not None]
        reason = ""
        if not n_sources:
            reason = "no source has two judgements"
        elif not defined:
            reason = "all people give all sources the same " + (
                "tags" if self.has_tags else "answer"
            )
        tags = dict(zip(self.classes, values, strict=True)) if self.has_tags else None
        return AgreementValue(float(np.mean(defined)) if defined else None, reason, tags)


def _pairs(
    people: Sequence[str], judged: Mapping[str, _People], counts: _Counts
) -> list[PairOfPeople]:
    """Return all pairs of people with common sources, those with the most first."""
    # One row of answers for each person, -1 for a source that they have not judged.
    answers = np.full((len(people), len(judged), counts.n_questions), -1, np.int64)
    row_of = {by: row for row, by in enumerate(people)}
    for column, judgements in enumerate(judged.values()):
        for by, judgement in judgements.items():
            if by in row_of:
                answers[row_of[by], column] = counts.answer(judgement)
    pairs = []
    for first, second in combinations(range(len(people)), 2):
        a, b = answers[first], answers[second]
        common = (a[:, 0] >= 0) & (b[:, 0] >= 0)
        if not common.any():
            continue
        a, b = a[common], b[common]
        kappas = [cohen_kappa(a[:, one], b[:, one]) for one in range(counts.n_questions)]
        agreeing = int((a == b).all(axis=1).sum())
        kappa = counts.combine(kappas, len(a))
        pairs.append(PairOfPeople(people[first], people[second], len(a), agreeing, kappa))
    return sorted(pairs, key=lambda pair: -pair.sources)


def _groups(table: Ints, counts: _Counts) -> list[GroupOfSources]:
    """Return Fleiss' kappa of the sources with each number of people."""
    if not table.shape[1]:
        return []
    people = table[0].sum(axis=1)
    groups = []
    for number in np.unique(people).tolist():
        chosen = table[:, people == number]
        kappa = counts.value(fleiss_kappa, chosen)
        groups.append(GroupOfSources(number, chosen.shape[1], kappa))
    return sorted(groups, key=lambda group: (-group.sources, -group.people))


def _coincidences(table: Ints) -> Ints:
    """Return how many ordered pairs of judgements on one source have each two answers."""
    pairs: Ints = table.T @ table
    pairs[np.diag_indices(len(pairs))] -= table.sum(axis=0)
    return pairs


def _matrix(table: Ints, counts: _Counts) -> tuple[tuple[int, ...], ...]:
    """Return the matrix of coincidences of single classes."""
    return () if counts.has_tags else tuple(map(tuple, _coincidences(table[0]).tolist()))


def _confusions(table: Ints, counts: _Counts) -> list[Confusion]:
    """Return the pairs of classes, or the tags, that are confused."""
    confusions = []
    if counts.has_tags:
        for name, one in zip(counts.classes, table, strict=True):
            pairs = _coincidences(one)
            confusions.append(Confusion(name, name, int(pairs[0, 1]), int(pairs[1, 1]) // 2))
    else:
        pairs = _coincidences(table[0])
        names = (*counts.classes, NONE)
        for a, b in combinations(range(len(names)), 2):
            agreeing = int(pairs[a, a] + pairs[b, b]) // 2
            confusions.append(Confusion(names[a], names[b], int(pairs[a, b]), agreeing))
    return sorted((one for one in confusions if one.pairs), key=lambda one: -one.pairs)


def _disagreements(shared: Mapping[str, _People], reader: JudgedClasses) -> list[Disagreement]:
    """Return the sources on which people disagree, worst first, then in catalogue order."""
    disagreements = []
    for name, people in shared.items():
        if len(set(people.values())) == 1:
            continue
        distance = _distance(list(people.values()))
        judgements = tuple(
            (by, tuple(reader.classes[label] for label in sorted(labels)))
            for by, labels in people.items()
        )
        disagreements.append(Disagreement(name, distance, judgements))
    return sorted(disagreements, key=lambda one: (-one.disagreement, -len(one.judgements)))


def _distance(judgements: Sequence[Judgement]) -> float:
    """Return the mean Jaccard distance of all pairs of sets (0 for two equal or empty ones).

    For sets of at most one class it is the fraction of the pairs that differ.
    """
    # Many people give few different answers: each pair of answers is compared once.
    numbers: dict[Judgement, int] = {}
    for judgement in judgements:
        numbers[judgement] = numbers.get(judgement, 0) + 1
    total = sum(
        n * m * (1 - len(a & b) / len(a | b)) for (a, n), (b, m) in combinations(numbers.items(), 2)
    )
    return total / (len(judgements) * (len(judgements) - 1) / 2)


def _notices(elsewhere: int, without_class: int) -> list[str]:
    notices = []
    if elsewhere:
        notices.append(
            f"judgements on {count_text(elsewhere, 'source')} that this build does not have do not "
            "count"
        )
    if without_class:
        notices.append(
            f"{count_text(without_class, 'confirmation')} without a class in the column classes "
            f"{'does' if without_class == 1 else 'do'} not count"
        )
    return notices
