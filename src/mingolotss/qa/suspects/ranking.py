"""Rank labels by how wrong they look beside the probability of each class.

Classes and tags are scored by cleanlab (Northcutt et al. 2021, JAIR 70, 1373; of tags: Thyagarajan
et al. 2022, arXiv:2211.13895). The score of a class is its own probability, the "self-confidence",
by which errors are found with the least assumptions; a source with tags has one of the confidences
of all its tags, in which the lowest counts most. Votes are no claim that is right or wrong: their
score is 1 minus the total variation distance between the fractions and the probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats, Ints

__all__ = ["Ranking", "rank_classes", "rank_tags", "rank_votes"]

_PURPOSE = "rank labels"


class Ranking(NamedTuple):
    """How wrong the label of each source looks; each array has shape (n,).

    Attributes
    ----------
    order : int64
        Indices of the sources, the most suspicious first.
    score : float64
        From 0, wrong, to 1, right.
    changed : int64
        The class that is more probable than the label; of tags the one that looks most wrong,
        whether it is there or absent; -1 where the label is the most probable one.
    given, suggested : float64
        The probability of the label and of what is suggested; of tags those of the tag `changed`,
        or of the least certain one.
    is_issue : bool
        cleanlab counts it among the wrong labels.
    """

    order: Ints
    score: Floats
    changed: Ints
    given: Floats
    suggested: Floats
    is_issue: Bools


def rank_classes(labels: Ints, probabilities: Floats) -> Ranking:
    """Rank single classes.

    Parameters
    ----------
    labels : int64 array, shape (n,)
    probabilities : float64 array, shape (n, classes)
        In sum 1 for each source.

    Raises
    ------
    MissingLibraryError
        cleanlab is not installed.
    """
    rank = import_optional("cleanlab.rank", _PURPOSE, extra="suspects")
    filters = import_optional("cleanlab.filter", _PURPOSE, extra="suspects")
    with translate_errors(_PURPOSE, InputError), mute_warnings():
        score = rank.get_label_quality_scores(
            labels, probabilities, method="self_confidence", adjust_pred_probs=False
        )
        is_issue = filters.find_label_issues(labels, probabilities, n_jobs=1)
    rows = np.arange(len(labels))
    suggested = probabilities.argmax(axis=1)
    given, best = probabilities[rows, labels], probabilities[rows, suggested]
    changed = np.where(best > given, suggested, -1)
    return _ranking(score, changed, given, best, is_issue)


def rank_tags(tags: npt.NDArray[np.int8], probabilities: Floats) -> Ranking:
    """Rank the tags of each source together.

    Parameters
    ----------
    tags : int8 array of 0 and 1, shape (n, classes)
    probabilities : float64 array, shape (n, classes)
        Of each tag by itself.

    Raises
    ------
    MissingLibraryError
        cleanlab is not installed.
    """
    rank = import_optional("cleanlab.multilabel_classification.rank", _PURPOSE, extra="suspects")
    filters = import_optional(
        "cleanlab.multilabel_classification.filter", _PURPOSE, extra="suspects"
    )
    listed = [np.flatnonzero(row).tolist() for row in tags]
    with translate_errors(_PURPOSE, InputError), mute_warnings():
        score = rank.get_label_quality_scores(listed, probabilities, method="self_confidence")
        is_issue = filters.find_label_issues(listed, probabilities, n_jobs=1)
    confidence = np.where(tags > 0, probabilities, 1 - probabilities)
    rows, least = np.arange(len(tags)), confidence.argmin(axis=1)
    given = confidence[rows, least]
    changed = np.where(given < 0.5, least, -1)
    return _ranking(score, changed, given, np.maximum(given, 1 - given), is_issue)


def rank_votes(fractions: Floats, probabilities: Floats, labels: Ints) -> Ranking:
    """Rank fractions of votes.

    Parameters
    ----------
    fractions, probabilities : float64 arrays, shape (n, classes)
    labels : int64 array, shape (n,)
        The class of each source by its votes, -1 where it has none.
    """
    score = 1 - np.abs(fractions - probabilities).sum(axis=1) / 2
    rows, suggested = np.arange(len(labels)), probabilities.argmax(axis=1)
    best = probabilities[rows, suggested]
    given = np.where(labels < 0, np.nan, probabilities[rows, labels])
    changed = np.where(labels == suggested, -1, suggested)
    return _ranking(score, changed, given, best, np.zeros(len(labels), bool))


def _ranking(
    score: Floats, changed: Ints, given: Floats, suggested: Floats, is_issue: Bools
) -> Ranking:
    """Put the lowest score first; of equal scores that with the most certain suggestion."""
    # Trees that agree give exact zeros, so that equal scores are common.
    order = np.lexsort((np.arange(len(score)), -suggested.round(9), score.round(9)))
    return Ranking(order, np.asarray(score, float), changed, given, suggested, is_issue)
