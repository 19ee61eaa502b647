"""The result of `mingolotss.agreement`: kappas, confusions and disagreements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mingolotss.io.summaries import Shown, Summary, Table, count_text

__all__ = [
    "NONE",
    "Agreement",
    "AgreementValue",
    "Confusion",
    "Disagreement",
    "GroupOfSources",
    "PairOfPeople",
    "value_text",
]

NONE = "none of the classes"
"""The answer of a person who gives a source no class."""


@dataclass(frozen=True, slots=True)
class AgreementValue:
    """Kappa or alpha of some people on some sources.

    Attributes
    ----------
    value : float or None
        For tags, the mean of those tags of which it is defined.
    reason : str
        Why it is undefined; "" if it is defined.
    tags : dict of str to float or None
        Of each tag; empty for single classes.
    """

    value: float | None
    reason: str = ""
    tags: dict[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class PairOfPeople:
    """Two people who judged the same sources.

    Attributes
    ----------
    first, second : str
    sources : int
        That both have judged.
    agreeing : int
        On how many of these they give the same classes.
    kappa : AgreementValue
        Cohen's.
    """

    first: str
    second: str
    sources: int
    agreeing: int
    kappa: AgreementValue


@dataclass(frozen=True, slots=True)
class GroupOfSources:
    """The sources that the same number of people have judged.

    Attributes
    ----------
    people : int
        Who have judged each of them; not always the same people.
    sources : int
    kappa : AgreementValue
        Fleiss'.
    """

    people: int
    sources: int
    kappa: AgreementValue


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often two people give a source two different answers.

    Attributes
    ----------
    first, second : str
        Two classes; for tags, one tag in both.
    pairs : int
        Pairs of judgements on one source, one with each of the two; for tags, pairs of which only
        one has the tag.
    agreeing : int
        Pairs of which both have the first class (or tag), and those of which both have the second
        one.
    """

    first: str
    second: str
    pairs: int
    agreeing: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A source on which people disagree.

    Attributes
    ----------
    source : str
    disagreement : float
        The fraction of all pairs of people who give it different classes; for tags, the mean
        Jaccard distance of their sets. Between 0 and 1.
    judgements : tuple of (str, tuple of str)
        The classes that each person gives it, in the order of the file.
    """

    source: str
    disagreement: float
    judgements: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Agreement(Shown):
    """How far people agree.

    Attributes
    ----------
    folder : Path
        The build.
    kind : {"classes", "tags"}
        Whether a person gives a source one class or any set of tags.
    classes : tuple of str
    people : dict of str to int
        How many sources each person has judged, those with the most first.
    sources : int
        That somebody has judged.
    shared : int
        That two or more have judged; the others count in no kappa.
    pairs : tuple of PairOfPeople
        With common sources, by the number of these; at most of the `compared` people with the most
        judgements.
    compared : int
    groups : tuple of GroupOfSources
        By the number of people, the group with the most sources first.
    alpha : AgreementValue
        Krippendorff's, of all shared sources.
    matrix : tuple of tuple of int
        For single classes, how many ordered pairs of judgements on one source have each two
        answers, that is those of `answers`; empty for tags.
    confusions : tuple of Confusion
        The most frequent first.
    disagreements : tuple of Disagreement
        Worst first.
    notices : tuple of str
        A line for each kind of judgements that do not count.
    """

    folder: Path
    kind: Literal["classes", "tags"]
    classes: tuple[str, ...]
    people: dict[str, int]
    sources: int
    shared: int
    pairs: tuple[PairOfPeople, ...]
    compared: int
    groups: tuple[GroupOfSources, ...]
    alpha: AgreementValue
    matrix: tuple[tuple[int, ...], ...]
    confusions: tuple[Confusion, ...]
    disagreements: tuple[Disagreement, ...]
    notices: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """Return the answers that a person can give, those of `matrix`."""
        return (*self.classes, NONE)

    def names(self) -> list[str]:
        """Return the sources on which people disagree, worst first."""
        return [one.source for one in self.disagreements]

    def _summary(self) -> Summary:
        facts = {"build": str(self.folder), "people": f"{len(self.people):,}"}
        for group in self.groups:
            facts[f"Fleiss' kappa, {count_text(group.people, 'judgement')} each"] = (
                f"{value_text(group.kappa)} ({count_text(group.sources, 'source')})"
            )
        facts["Krippendorff's alpha"] = value_text(self.alpha)
        facts["disagreement"] = f"on {count_text(len(self.disagreements), 'source')}"
        rows = [
            (one.first, one.second, one.sources, one.agreeing, value_text(one.kappa))
            for one in self.pairs[:10]
        ]
        table = Table(("person", "person", "common", "agree", "Cohen's kappa"), rows)
        title = f"Agreement on {count_text(self.shared, 'source')} with two judgements or more"
        return Summary(title, facts, table if rows else None)


def value_text(value: AgreementValue) -> str:
    """Return a kappa as text, or why there is none."""
    return f"{value.value:.3f}" if value.value is not None else f"undefined: {value.reason}"
