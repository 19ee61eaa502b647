"""The column ``label_from`` of a manifest: where the label of each source comes from.

A source whose label is that of the catalogue has ``catalogue``. Otherwise the text names the rule
of the recipe, how many people support the label, and how many judged the source; with ``no result``
the source has no label, because the people have none by the rule.

>>> label_origin("majority", 2, 3), label_origin("fractions", 40, 40)
('people: majority, 2 of 3', 'people: fractions, 40')
>>> count_origins(["catalogue", "people: last, 1 of 3", "people: no result (last), 1 of 2"])
LabelOrigins(catalogue=1, people=1, unresolved=1, reviewers=(2, 3), rules={'last': 1})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from mingolotss.catalogue.judgement_rules import JudgementRule

__all__ = ["FROM_CATALOGUE", "LABEL_FROM", "LabelOrigins", "count_origins", "label_origin"]

LABEL_FROM = pa.field("label_from", pa.string())
FROM_CATALOGUE = "catalogue"
_PEOPLE, _NO_RESULT = "people: ", "people: no result"


def label_origin(
    rule: JudgementRule, agreeing: int, people: int, *, has_result: bool = True
) -> str:
    """Return the text for a source whose label follows the judgements of people."""
    count = str(people) if rule == "fractions" else f"{agreeing} of {people}"
    return f"{_PEOPLE}{rule}, {count}" if has_result else f"{_NO_RESULT} ({rule}), {count}"


class LabelOrigins(NamedTuple):
    """How many sources have a label of the catalogue, and how many one of people.

    Attributes
    ----------
    catalogue, people : int
    unresolved : int
        Sources without a label, because the people who judged them have no result.
    reviewers : tuple of (int, int)
        The smallest and the largest number of people who judged one of the sources of `people` and
        `unresolved`; (0, 0) without any.
    rules : dict of str to int
        The sources of `people` by the rule.
    """

    catalogue: int
    people: int
    unresolved: int
    reviewers: tuple[int, int]
    rules: dict[str, int]


def count_origins(column: Iterable[str | None]) -> LabelOrigins:
    """Count the values of ``label_from``; rows without one are not counted."""
    texts = Counter(column)
    rules: Counter[str] = Counter()
    numbers = []
    unresolved = 0
    for text, count in texts.items():
        if text is None or not text.startswith(_PEOPLE):
            continue
        rule, _, counts = text.removeprefix(_PEOPLE).partition(", ")
        last = counts.rpartition(" ")[2]
        numbers += [int(last)] if last.isdecimal() else []
        if text.startswith(_NO_RESULT):
            unresolved += count
        else:
            rules[rule] += count
    reviewers = (min(numbers), max(numbers)) if numbers else (0, 0)
    return LabelOrigins(texts[FROM_CATALOGUE], rules.total(), unresolved, reviewers, dict(rules))
