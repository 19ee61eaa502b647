"""Labels are ranked by their probabilities, for classes, tags and votes."""

from __future__ import annotations

import numpy as np

from mingolotss.qa.suspects.ranking import rank_classes, rank_tags, rank_votes


def test_a_class_is_scored_by_its_own_probability():
    """Of equal scores, the more certain suggestion is first; the best label suggests nothing."""
    labels = np.array([0, 1, 0, 1, 0])
    answers = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0, 0.6, 0.4], [0.3, 0.7, 0], [0, 0.9, 0.1]])
    ranking = rank_classes(labels, answers)
    assert ranking.order.tolist() == [4, 2, 1, 3, 0]
    assert ranking.score.tolist() == [0.9, 0.2, 0, 0.7, 0]
    assert ranking.changed.tolist() == [-1, 0, 1, -1, 1]
    assert ranking.given.tolist() == [0.9, 0.2, 0, 0.7, 0]
    assert ranking.suggested.tolist() == [0.9, 0.8, 0.6, 0.7, 0.9]


def test_cleanlab_counts_the_planted_errors():
    """Of 200 labels with certain predictions, the ten that are flipped."""
    truth = np.arange(200) % 4
    labels = truth.copy()
    labels[:10] = (truth[:10] + 1) % 4
    answers = np.full((200, 4), 0.05)
    answers[np.arange(200), truth] = 0.85
    ranking = rank_classes(labels, answers)
    assert np.flatnonzero(ranking.is_issue).tolist() == list(range(10))
    assert sorted(ranking.order[:10].tolist()) == list(range(10))


def test_tags_are_scored_together():
    """A tag that is certainly absent or missing comes first; a source without tags has a score."""
    tags = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], np.int8)
    answers = np.array([[0.9, 0.1, 0.1], [0.9, 0.02, 0.1], [0.1, 0.1, 0.97], [0.2, 0.2, 0.6]])
    ranking = rank_tags(tags, answers)
    assert sorted(ranking.order[:2].tolist()) == [1, 2]
    assert ranking.changed.tolist() == [-1, 1, 2, -1]
    assert np.allclose(ranking.given, [0.9, 0.02, 0.03, 0.6])
    assert np.allclose(ranking.suggested, [0.9, 0.98, 0.97, 0.6])


def test_votes_are_scored_by_the_difference_of_distributions():
    """A source without a single class has a score too, but no probability of its class."""
    votes = np.array([[0.5, 0.5, 0], [1, 0, 0], [0.2, 0.8, 0]])
    answers = np.array([[0.5, 0.4, 0.1], [0, 0.25, 0.75], [0.2, 0.8, 0]])
    ranking = rank_votes(votes, answers, np.array([-1, 0, 1]))
    assert ranking.order.tolist() == [1, 0, 2]
    assert np.allclose(ranking.score, [0.9, 0, 1])
    assert ranking.changed.tolist() == [0, 2, -1]
    assert np.isnan(ranking.given[0])
    assert ranking.given[1:].tolist() == [0, 0.8]
