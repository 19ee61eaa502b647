"""The result of an audit: one `Check` for each question, with its answer as a sentence.

>>> check = Check("shared-pixels", ("A",), 0, "no pair of stamps shares pixels across splits")
>>> demo = AuditedDataset("A", "demo", "build", 600, {"train": 500, "test": 100})
>>> audit = Audit((demo,), (check,))
>>> audit.good, audit.findings
(True, 0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mingolotss.io.summaries import Shown, Summary, count_text

__all__ = [
    "BALANCE",
    "CLASSES",
    "FIELDS",
    "IDENTICAL",
    "KINDS",
    "LABELS",
    "LEAKS",
    "MAX_PAIRS",
    "NAMES",
    "POSITIONS",
    "SHARED_PIXELS",
    "SHARED_SOURCES",
    "TWINS",
    "Audit",
    "AuditedDataset",
    "Check",
    "FoundPair",
    "Member",
    "Pair",
    "SplitRow",
    "listed",
    "plural",
]

SHARED_PIXELS, POSITIONS, LABELS = "shared-pixels", "same-position", "labels"
IDENTICAL, TWINS = "identical-images", "twins"
CLASSES, BALANCE, FIELDS = "missing-classes", "balance", "fields"
SHARED_SOURCES, NAMES, LEAKS = "shared-sources", "names", "test-in-train"
KINDS: Mapping[str, str] = {
    SHARED_PIXELS: "shared pixels",
    POSITIONS: "positions",
    LABELS: "labels",
    IDENTICAL: "identical images",
    TWINS: "twins",
    CLASSES: "classes",
    BALANCE: "balance",
    FIELDS: "fields",
    SHARED_SOURCES: "shared sources",
    NAMES: "names",
    LEAKS: "test in train",
}
"""The kinds of check by the name in ``audit.json``, with their title, in the order of the output.

"fields" and "shared-sources" describe and find nothing wrong; the others have findings.
"""
MAX_PAIRS = 10_000
"""The most pairs of one check that are listed, the closest first."""


class Member(NamedTuple):
    """One image of a pair.

    Attributes
    ----------
    dataset : str
        The letter of the dataset.
    name, split, class_name : str
        Of the source; "" where there is none.
    """

    dataset: str
    name: str
    split: str = ""
    class_name: str = ""


class Pair(NamedTuple):
    """Two images that a check found.

    Attributes
    ----------
    first, second : Member
    separation_arcsec : float or None
        Of their positions, where it is known.
    note : str
        What else is known, for example "turned by 90 degrees"; "" for nothing.
    """

    first: Member
    second: Member
    separation_arcsec: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to one question.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    datasets : tuple of str
        The letters of the datasets: one, or two that are compared.
    findings : int
        How many things are wrong.
    sentence : str
        The answer in words.
    pairs : tuple of Pair
        The pairs that were found, at most `MAX_PAIRS`.
    lines : tuple of str
        Further findings and remarks, a sentence each.
    counts : mapping of str to int
        Number of pairs for each pair of splits, as "train, test".
    is_checked : bool
        Whether the question could be answered.
    """

    kind: str
    datasets: tuple[str, ...]
    findings: int
    sentence: str
    pairs: tuple[Pair, ...] = ()
    lines: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    is_checked: bool = True


class FoundPair(NamedTuple):
    """A pair that a source is in.

    Attributes
    ----------
    title : str
        Of the check.
    pair : Pair
    other : Member
        The member that is not the source.
    """

    title: str
    pair: Pair
    other: Member


class SplitRow(NamedTuple):
    """One row of the table of splits: a class, a flux, a size or the fields.

    Attributes
    ----------
    name : str
    values : tuple of float or None
        One for each split, in the order of the dataset's splits; None where nothing is known.
    unit : str
        "" for a number of images.
    """

    name: str
    values: tuple[float | None, ...]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class AuditedDataset:
    """What was audited.

    Attributes
    ----------
    letter : str
        "A", "B", ...
    name : str
        Of its folder.
    kind : {"build", "export", "dataset"}
    images : int
    splits : mapping of str to int
        Number of images in each split.
    rows : tuple of SplitRow
        The classes, and the medians of flux and size, in each split.
    positions : str
        Where the positions come from; "" if none is known.
    digest : str
        SHA-256 of its manifest; "" without one.
    """

    letter: str
    name: str
    kind: str
    images: int
    splits: Mapping[str, int]
    rows: tuple[SplitRow, ...] = ()
    positions: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Audit(Shown):
    """The result of `mingolotss.audit`.

    Attributes
    ----------
    datasets : tuple of AuditedDataset
    checks : tuple of Check
        In the order of `KINDS`, first of each dataset, then of each pair of datasets.
    """

    datasets: tuple[AuditedDataset, ...]
    checks: tuple[Check, ...]

    @property
    def findings(self) -> int:
        """How many things are wrong, of all checks."""
        return sum(check.findings for check in self.checks)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, as far as it could be checked."""
        return not self.findings

    @property
    def unchecked(self) -> tuple[Check, ...]:
        """The checks that could not be made."""
        return tuple(check for check in self.checks if not check.is_checked)

    def _summary(self) -> Summary:
        datasets = {
            f"dataset {one.letter}": f"{one.name}, {count_text(one.images, 'image')}"
            for one in self.datasets
        }
        answers = {
            f"{KINDS[check.kind]} ({', '.join(check.datasets)})": check.sentence
            for check in self.checks
        }
        return Summary(f"Audit: {count_text(self.findings, 'finding')}", datasets | answers)

    def check(self, kind: str, *datasets: str) -> Check:
        """Return one check, by its kind and the letters of the datasets ("A" by default).

        Raises
        ------
        KeyError
            There is none.
        """
        letters = datasets or ("A",)
        for check in self.checks:
            if (check.kind, check.datasets) == (kind, letters):
                return check
        raise KeyError((kind, *letters))

    def names(self, letter: str = "A") -> dict[str, list[str]]:
        """Return the sources of a dataset that are in a pair, with the titles of the checks."""
        found: dict[str, list[str]] = {}
        for check in self.checks:
            if check.findings:
                for pair in check.pairs:
                    for member in pair[:2]:
                        titles = found.setdefault(member.name, [])
                        if member.dataset == letter and KINDS[check.kind] not in titles:
                            titles.append(KINDS[check.kind])
        return {name: titles for name, titles in found.items() if titles}

    def pairs_of(self, name: str, letter: str = "A") -> list[FoundPair]:
        """Return the pairs that a source of a dataset is in."""
        return [
            FoundPair(KINDS[check.kind], pair, other)
            for check in self.checks
            if check.findings
            for pair in check.pairs
            for own, other in ((pair.first, pair.second), (pair.second, pair.first))
            if (own.name, own.dataset) == (name, letter)
        ]


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    >>> plural(1, "pair"), plural(1200, "pair")
    ('1 pair', '1,200 pairs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names as a list in a sentence, of which the first are written.

    >>> listed(["a", "b", "c"], 2), listed(["a", "b"])
    ('a, b and 1 more', 'a and b')
    """
    shown, rest = list(names[:most]), len(names) - most
    if rest > 0:
        return f"{', '.join(shown)} and {rest:,} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
