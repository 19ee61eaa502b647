"""Kappa and alpha against scikit-learn, and against published worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.catalogue.agreement import (
    cohen_kappa,
    confusion,
    fleiss_kappa,
    krippendorff_alpha,
    observed_agreement,
)

# Fleiss 1971, table 1: 30 patients, 6 psychiatrists each; depression, personality disorder,
# schizophrenia, neurosis, other.
_FLEISS_1971 = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
    [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3],
    [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1],
    [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
])  # fmt: skip

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C: four observers, twelve
# units, five values; 0 is a missing value.
_KRIPPENDORFF = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
])  # fmt: skip


def _counts(answers: np.ndarray, count: int) -> np.ndarray:
    """Count the answers 1 to `count` of all people (rows) on each source (columns)."""
    return np.stack([(answers == value).sum(axis=0) for value in range(1, count + 1)], axis=1)


def test_kappa_of_the_paper_by_fleiss() -> None:
    """The paper gives the mean agreement 0.5556, that of chance 0.2201 and kappa 0.430."""
    assert observed_agreement(_FLEISS_1971).mean() == pytest.approx(0.5556, abs=5e-5)
    assert fleiss_kappa(_FLEISS_1971) == pytest.approx(0.430, abs=5e-4)


def test_kappa_of_the_worked_example_in_two_categories() -> None:
    """Cohen 1960 in the usual example: 20 and 15 of 50 agree, kappa 0.4."""
    table = [(1, 1, 20), (1, 0, 5), (0, 1, 10), (0, 0, 15)]
    first, second = (
        np.repeat([row[i] for row in table], [row[2] for row in table]) for i in (0, 1)
    )
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert confusion(first, second, 2).tolist() == [[15, 10], [5, 20]]


def test_alpha_of_the_example_by_krippendorff() -> None:
    """The nominal alpha of the example is 0.743."""
    assert krippendorff_alpha(_counts(_KRIPPENDORFF, 5)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_kappa_for_many_sources_with_the_same_number_of_people() -> None:
    """Both differ by the correction for small samples alone: 1 - alpha = (1 - kappa)(n - 1)/n."""
    counts = np.tile(_FLEISS_1971, (100, 1))
    kappa, alpha, n = fleiss_kappa(counts), krippendorff_alpha(counts), counts.sum()
    assert kappa is not None
    assert alpha is not None
    assert 1 - alpha == pytest.approx((1 - kappa) * (n - 1) / n)


_ANSWERS = st.integers(2, 5).flatmap(
    lambda count: st.lists(
        st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), min_size=2, max_size=40
    )
)


@settings(max_examples=50)
@given(_ANSWERS)
def test_cohen_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = np.array(pairs).T
    kappa = cohen_kappa(first, second)
    if len({*first.tolist(), *second.tolist()}) == 1:  # undefined there: NaN with a warning
        assert kappa is None
    else:
        assert kappa == pytest.approx(metrics.cohen_kappa_score(first, second), abs=1e-12)


@settings(max_examples=50)
@given(_ANSWERS)
def test_the_confusion_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = np.array(pairs).T
    expected = metrics.confusion_matrix(first, second, labels=range(5))
    assert confusion(first, second, 5).tolist() == expected.tolist()


def test_one_answer_throughout_has_no_kappa() -> None:
    """Chance alone gives complete agreement: 0 / 0."""
    same = np.zeros(5, int)
    assert cohen_kappa(same, same) is None
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])) is None
    assert krippendorff_alpha(np.array([[3, 0], [2, 0]])) is None


def test_no_common_source_has_no_kappa() -> None:
    nothing = np.zeros(0, int)
    assert cohen_kappa(nothing, nothing) is None
    assert fleiss_kappa(np.zeros((0, 3), int)) is None
    assert krippendorff_alpha(np.array([[1, 0], [0, 1]])) is None


def test_one_person_who_never_varies_has_kappa_zero() -> None:
    assert cohen_kappa(np.zeros(4, int), np.array([0, 1, 0, 1])) == 0


def test_complete_agreement_on_several_answers_is_one() -> None:
    answers = np.array([0, 1, 2, 1])
    counts = 3 * np.eye(3, dtype=int)[answers]
    assert cohen_kappa(answers, answers) == 1
    assert fleiss_kappa(counts) == 1
    assert krippendorff_alpha(counts) == 1


@pytest.mark.parametrize("counts", [[[1, 0]], [[2, 0], [2, 1]]])
def test_fleiss_kappa_needs_the_same_number_of_people(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="the same number of people"):
        fleiss_kappa(np.array(counts))
