"""An agreement as lines for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mingolotss.io.summaries import Summary, Table, count_text, one_line
from mingolotss.qa.agreement.document import judgement_words
from mingolotss.qa.agreement.result import Agreement, AgreementValue, value_text

__all__ = ["agreement_lines"]

_NAME, _CLASS, _WORDS = 24, 22, 46  # letters
_MOST_ANSWERS = 11  # of a matrix that fits
_MOST_CONFUSIONS = 5


def agreement_lines(agreement: Agreement, most: int = 10) -> Iterator[str]:
    """Give the lines about people, kappas, confusions and sources.

    Parameters
    ----------
    agreement : Agreement
    most : int
        Number of people, of pairs and of sources to show.
    """
    people = count_text(len(agreement.people), "person").replace("persons", "people")
    yield (
        f"{people} judged {count_text(agreement.sources, 'source')}, of which two or more judged "
        f"{agreement.shared:,}"
    )
    yield from agreement.notices
    if not agreement.shared:
        yield "no source has two judgements: there is no agreement to measure"
        return
    yield from _table(
        ("person", "judged"),
        [(_name(by), count) for by, count in agreement.people.items()],
        most,
        "people",
    )
    yield from _pairs(agreement, most)
    yield from _values(agreement)
    yield from _tags(agreement)
    yield from _confusions(agreement)
    yield from _disagreements(agreement, most)


def _pairs(agreement: Agreement, most: int) -> Iterator[str]:
    if not agreement.pairs:
        return
    if agreement.compared < len(agreement.people):
        yield f"Cohen's kappa of pairs of the {agreement.compared} people with the most judgements:"
    rows = [
        (_name(one.first), _name(one.second), one.sources,
         f"{one.agreeing / one.sources:.0%}", _short(one.kappa))
        for one in agreement.pairs
    ]  # fmt: skip
    header = ("person", "person", "common", "same", "Cohen's kappa")
    yield from _table(header, rows, most, "pairs")
    reasons = {one.kappa.reason for one in agreement.pairs[:most] if one.kappa.value is None}
    yield from (f"  undefined: {reason}" for reason in sorted(reasons))


def _values(agreement: Agreement) -> Iterator[str]:
    for group in agreement.groups:
        yield (
            f"Fleiss' kappa: {value_text(group.kappa)} ({count_text(group.sources, 'source')} with "
            f"{group.people} judgements each)"
        )
    yield (
        f"Krippendorff's alpha: {value_text(agreement.alpha)} (all {agreement.shared:,} sources "
        "with two judgements or more)"
    )
    if agreement.kind == "tags":
        yield "  (each is the mean of the tags of which it is defined)"


def _tags(agreement: Agreement) -> Iterator[str]:
    if agreement.kind != "tags":
        return
    split = {one.first: one for one in agreement.confusions}
    first = agreement.groups[0].kappa.tags or {}
    alphas = agreement.alpha.tags or {}
    rows = [
        (one_line(name, _CLASS), _optional(first[name]), _optional(alphas[name]),
         split[name].pairs if name in split else 0)
        for name in agreement.classes
    ]  # fmt: skip
    header = ("tag", f"kappa ({agreement.groups[0].people} each)", "alpha", "pairs that differ")
    yield from _table(header, rows, len(rows), "tags")


def _confusions(agreement: Agreement) -> Iterator[str]:
    if agreement.kind == "tags":
        return
    used = [number for number, row in enumerate(agreement.matrix) if any(row)]
    if len(used) <= _MOST_ANSWERS:
        yield "pairs of judgements on one source, by the two answers:"
        header = ("", *(str(number) for number in used))
        rows = [
            (f"{number} {one_line(agreement.answers[number], _CLASS)}",
             *(agreement.matrix[number][other] // (1 + (other == number)) or None
               for other in used))
            for number in used
        ]  # fmt: skip
        yield from _table(header, rows, len(rows), "answers")
        return
    for one in agreement.confusions[:_MOST_CONFUSIONS]:
        yield (
            f"  {one_line(one.first, _CLASS)} and {one_line(one.second, _CLASS)}: "
            f"{count_text(one.pairs, 'pair')} of judgements differ so"
        )


def _disagreements(agreement: Agreement, most: int) -> Iterator[str]:
    count = len(agreement.disagreements)
    if not count:
        yield f"people agree on all {agreement.shared:,} sources"
        return
    yield f"people disagree on {count_text(count, 'source')}, worst first:"
    rows = [
        (one_line(one.source, _NAME), f"{one.disagreement:.2f}",
         one_line(judgement_words(one), _WORDS))
        for one in agreement.disagreements
    ]  # fmt: skip
    yield from _table(("source", "", "judgements"), rows, most, "sources")


def _table(
    header: tuple[str, ...], rows: Sequence[tuple[object, ...]], most: int, noun: str
) -> Iterator[str]:
    """Give the first rows of a table, and how many more there are."""
    yield from str(Summary("", table=Table(header, rows[:most]))).splitlines()[1:]
    if len(rows) > most:
        yield f"  ... and {len(rows) - most:,} more {noun}"


def _name(by: str) -> str:
    return one_line(by, _NAME) or "(no name)"


def _short(value: AgreementValue) -> str:
    return "undefined" if value.value is None else f"{value.value:.3f}"


def _optional(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
