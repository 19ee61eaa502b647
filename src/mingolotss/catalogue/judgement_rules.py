"""Rules that make one label of the judgements of several people on a source.

A judgement is the set of the classes that a person gives to the source, as label numbers: at most
one where each source has a single class, any number of tags. The empty set says that it has none of
the classes, which is an answer like any other.

>>> fri, frii = frozenset({0}), frozenset({1})
>>> resolve("majority", [fri, frii, fri], 2)
Outcome(values=(1.0, 0.0), agreeing=2, people=3)
>>> resolve("majority", [fri, frii], 2).values is None
True
>>> resolve("fractions", [fri, frii, fri, frozenset()], 2).values
(0.5, 0.25)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = ["Judgement", "JudgementRule", "Outcome", "resolve"]

Judgement = frozenset[int]
"""The labels that one person gives to one source."""
JudgementRule = Literal["majority", "unanimous", "last", "fractions"]


class Outcome(NamedTuple):
    """What the people say about one source together.

    Attributes
    ----------
    values : tuple of float, length of the classes, or None
        1 for each class that the source has, 0 for the others; with the rule ``fractions`` the
        fraction of the people who gave each class. None: the people have no result.
    agreeing : int
        How many of the people support the result: those whose judgement it is, or, for tags by
        ``majority``, the fewest who agree on any one of the tags. With ``fractions``, all people.
    people : int
        How many people judged the source.
    """

    values: tuple[float, ...] | None
    agreeing: int
    people: int


def resolve(
    rule: JudgementRule, judgements: Sequence[Judgement], count: int, *, tags: bool = False
) -> Outcome:
    """Return the result of the judgements of all people on one source.

    Parameters
    ----------
    rule : {"majority", "unanimous", "last", "fractions"}
        ``majority``: the answer of more than half of the people; for tags, each tag that more than
        half of them gave, and no result if exactly half of them gave one of the tags.
        ``unanimous``: the answer of all people, if it is the same. ``last``: the last answer.
        ``fractions``: which fraction of the people gave each class.
    judgements : sequence of frozenset of int, length n > 0
        One of each person, in the order in which they were made.
    count : int
        The number of classes.
    tags : bool
        Whether a source can have several classes, which are then judged one by one.
    """
    people = len(judgements)
    given = Counter(label for judgement in judgements for label in judgement)
    if rule == "fractions":
        return Outcome(tuple(given[label] / people for label in range(count)), people, people)
    if rule == "majority" and tags:
        return _majority_of_tags(given, count, people)
    same = Counter(judgements)
    answer = judgements[-1] if rule == "last" else same.most_common(1)[0][0]
    agreeing = same[answer]
    is_result = {
        "last": True,
        "unanimous": agreeing == people,
        "majority": 2 * agreeing > people,
    }[rule]
    values = tuple(float(label in answer) for label in range(count))
    return Outcome(values if is_result else None, agreeing, people)


def _majority_of_tags(given: Counter[int], count: int, people: int) -> Outcome:
    """Return the tags that more than half of the people gave."""
    agreeing = min((max(given[tag], people - given[tag]) for tag in range(count)), default=people)
    values = tuple(float(2 * given[tag] > people) for tag in range(count))
    return Outcome(values if 2 * agreeing > people else None, agreeing, people)
