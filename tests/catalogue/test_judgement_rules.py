"""The rules for the judgements of several people, against tables that were computed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mingolotss.catalogue.judgement_rules import Judgement, JudgementRule, Outcome, resolve

_A, _B, _C, _NONE = frozenset({0}), frozenset({1}), frozenset({2}), frozenset[int]()
_AB, _AC, _BC, _ABC = _A | _B, _A | _C, _B | _C, _A | _B | _C


@pytest.mark.parametrize(
    ("judgements", "values", "agreeing"),
    [
        ([_A], (1, 0, 0), 1),
        ([_A, _B, _A], (1, 0, 0), 2),
        ([_C, _C, _A, _B, _C], (0, 0, 1), 3),
        ([_A, _B], None, 1),
        ([_A, _A, _B, _B], None, 2),
        ([_A, _A, _B, _C], None, 2),  # half of them is not more than half
        ([_A, _A, _B, _C, _NONE], None, 2),
        ([_NONE, _NONE, _A], (0, 0, 0), 2),  # that it is none of the classes is an answer
        ([_NONE, _A], None, 1),
    ],
)
def test_a_class_needs_more_than_half_of_the_people(
    judgements: Sequence[Judgement], values: tuple[float, ...] | None, agreeing: int
) -> None:
    assert resolve("majority", judgements, 3) == Outcome(values, agreeing, len(judgements))


@pytest.mark.parametrize(
    ("judgements", "values", "agreeing"),
    [
        ([_AB], (1, 1, 0), 1),
        ([_AB, _A, _BC], (1, 1, 0), 2),  # A: 2 of 3, B: 2 of 3, C: 1 of 3
        ([_AB, _A, _A, _AC, _A], (1, 0, 0), 4),  # A: 5, B: 1, C: 1 of 5
        ([_AB, _A], None, 1),  # B: 1 of 2
        ([_ABC, _ABC, _A, _A], None, 2),  # A: 4 of 4, but B and C: 2 of 4
        ([_NONE, _NONE, _B], (0, 0, 0), 2),
        ([_NONE], (0, 0, 0), 1),
        ([_A, _B, _C], (0, 0, 0), 2),  # each tag: 1 of 3; nobody gave this set
        ([_AB, _BC, _AC], (1, 1, 1), 2),  # each tag: 2 of 3
    ],
)
def test_each_tag_needs_more_than_half_of_the_people(
    judgements: Sequence[Judgement], values: tuple[float, ...] | None, agreeing: int
) -> None:
    result = resolve("majority", judgements, 3, tags=True)
    assert result == Outcome(values, agreeing, len(judgements))


@pytest.mark.parametrize("tags", [False, True])
@pytest.mark.parametrize(
    ("judgements", "values", "agreeing"),
    [
        ([_B], (0, 1, 0), 1),
        ([_B, _B, _B], (0, 1, 0), 3),
        ([_B, _B, _A], None, 2),
        ([_NONE, _NONE], (0, 0, 0), 2),
        ([_NONE, _B], None, 1),
    ],
)
def test_all_people_must_give_the_same_answer(
    judgements: Sequence[Judgement],
    values: tuple[float, ...] | None,
    agreeing: int,
    tags: bool,
) -> None:
    result = resolve("unanimous", judgements, 3, tags=tags)
    assert result == Outcome(values, agreeing, len(judgements))


def test_all_people_must_give_the_same_tags() -> None:
    assert resolve("unanimous", [_AB, _AB], 3, tags=True).values == (1, 1, 0)
    assert resolve("unanimous", [_AB, _A], 3, tags=True).values is None


def test_the_last_word_counts_and_who_shares_it() -> None:
    assert resolve("last", [_A, _B, _A], 3) == Outcome((1, 0, 0), 2, 3)
    assert resolve("last", [_A, _A, _NONE], 3) == Outcome((0, 0, 0), 1, 3)
    assert resolve("last", [_A, _BC], 3, tags=True) == Outcome((0, 1, 1), 1, 2)


@pytest.mark.parametrize(
    ("judgements", "values"),
    [
        ([_A], (1, 0, 0)),
        ([_A, _B], (0.5, 0.5, 0)),
        ([_A, _B, _A, _C], (0.5, 0.25, 0.25)),
        ([_A, _NONE, _NONE, _B], (0.25, 0.25, 0)),
        ([_AB, _A, _AC, _NONE, _AB], (0.8, 0.4, 0.2)),
    ],
)
def test_fractions_are_those_of_all_people_who_judged(
    judgements: Sequence[Judgement], values: tuple[float, ...]
) -> None:
    count = len(judgements)
    assert resolve("fractions", judgements, 3, tags=True) == Outcome(values, count, count)


@pytest.mark.parametrize("rule", ["majority", "unanimous", "last", "fractions"])
def test_one_person_who_judges_decides(rule: JudgementRule) -> None:
    for tags in (False, True):
        assert resolve(rule, [_B], 3, tags=tags) == Outcome((0, 1, 0), 1, 1)


def test_the_order_of_the_people_matters_for_the_last_word_only() -> None:
    people = [_A, _B, _B, _C, _B]
    for rule in ("majority", "unanimous", "fractions"):
        assert resolve(rule, people, 3) == resolve(rule, people[::-1], 3)
    assert resolve("last", people, 3) != resolve("last", people[::-1], 3)
