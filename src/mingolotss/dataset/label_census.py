"""Tags and votes in numbers: how many sources have each tag, and how clear the votes are.

Card, report, terminal and loaded datasets state these numbers.

>>> vectors = LabelVectors.of_tags([[1, 1, 0], [1, 0, 0], [0, 0, 0], [-1, -1, -1]])
>>> tags = count_tags(vectors, ("FRI", "bent", "diffuse"))
>>> tags.counts.tolist(), tags.numbers.tolist(), tags.unlabelled
([2, 1, 0], [1, 1, 1], 1)
>>> tags.both.tolist()
[[2, 1, 0], [1, 1, 0], [0, 0, 0]]
>>> tags.combinations
[((), 1), ((0,), 1), ((0, 1), 1)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.model import Floats, Ints

__all__ = ["TagCensus", "VoteCensus", "count_tags", "count_votes"]


@dataclass(frozen=True, slots=True)
class TagCensus:
    """The tags of sources, counted.

    Attributes
    ----------
    classes : tuple of str
        The tags.
    total, unlabelled : int
        Number of sources, and of those of which no tag is known.
    both : int64 array, shape (classes, classes)
        The number of sources that have both tags; on the diagonal, of those that have the tag.
    numbers : int64 array, shape (largest number of tags + 1,)
        The number of sources with no tag, with one, with two and so on.
    combinations : list of (tuple of int, int)
        Each set of tags that occurs, by label, with its number of sources: the most frequent
        first, then the one of the lower labels.
    """

    classes: tuple[str, ...]
    total: int
    unlabelled: int
    both: Ints
    numbers: Ints
    combinations: list[tuple[tuple[int, ...], int]]

    @property
    def counts(self) -> Ints:
        """Return the number of sources with each tag, int64 array, shape (classes,)."""
        return np.diagonal(self.both)

    @property
    def labelled(self) -> int:
        """Return the number of sources whose tags are known, also those with none."""
        return self.total - self.unlabelled

    @property
    def shares(self) -> Floats:
        """Return the share of the labelled sources that has each tag, shape (classes,)."""
        shares: Floats = self.counts / max(self.labelled, 1)
        return shares

    @property
    def mean_number(self) -> float:
        """Return the mean number of tags of a labelled source."""
        return float(self.counts.sum()) / max(self.labelled, 1)


@dataclass(frozen=True, slots=True)
class VoteCensus:
    """The votes of sources, counted.

    Attributes
    ----------
    classes : tuple of str
    total, unlabelled : int
        Number of sources, and of those without votes.
    counts : int64 array, shape (classes,)
        The number of sources whose single class it is: the class with the most votes.
    means : float64 array, shape (classes,)
        The mean fraction of the votes, over the sources with votes.
    tied : int
        Sources of which several classes have the largest fraction.
    below : int
        Other sources whose largest fraction is below the least one of the recipe.
    largest : float64 array, shape (labelled,)
        The largest fraction of each source with votes.
    numbers : float64 array, shape (known,)
        The number of votes of each source with votes of which it is known.
    """

    classes: tuple[str, ...]
    total: int
    unlabelled: int
    counts: Ints
    means: Floats
    tied: int
    below: int
    largest: Floats
    numbers: Floats

    @property
    def labelled(self) -> int:
        """Return the number of sources with votes."""
        return self.total - self.unlabelled

    @property
    def without_class(self) -> int:
        """Return the number of sources without a single class, for any reason."""
        return self.total - int(self.counts.sum())


def count_tags(vectors: LabelVectors, classes: Sequence[str]) -> TagCensus:
    """Count tags and their combinations.

    Parameters
    ----------
    vectors : LabelVectors
        Of the kind "tags".
    classes : sequence of str
    """
    is_labelled = vectors.is_labelled
    tags = vectors.values[is_labelled] > 0
    # Products of float64 count exactly and use the fast routines; those of integers do not.
    numbers = tags.astype(np.float64)
    both = (numbers.T @ numbers).astype(np.int64)
    sets, counts = np.unique(np.packbits(tags, axis=1), axis=0, return_counts=True)
    members = np.unpackbits(sets, axis=1, count=len(classes)).astype(bool)
    labels = [tuple(np.flatnonzero(row).tolist()) for row in members]
    return TagCensus(
        tuple(classes),
        len(vectors),
        int((~is_labelled).sum()),
        both,
        np.bincount(tags.sum(axis=1)),
        sorted(zip(labels, counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])),
    )


def count_votes(vectors: LabelVectors, labels: Ints, classes: Sequence[str]) -> VoteCensus:
    """Count votes.

    Parameters
    ----------
    vectors : LabelVectors
        Of the kind "votes".
    labels : int array, shape (n,)
        The single class of each source, -1 for one without.
    classes : sequence of str
    """
    is_labelled = vectors.is_labelled
    fractions, totals = vectors.values, vectors.totals
    votes, single = fractions[is_labelled], labels[is_labelled]
    largest = votes.max(axis=1, initial=0.0)
    is_tied = (votes == largest[:, None]).sum(axis=1) > 1
    known = totals[is_labelled]
    return VoteCensus(
        tuple(classes),
        len(fractions),
        int((~is_labelled).sum()),
        np.bincount(labels[labels >= 0], minlength=len(classes)),
        votes.mean(axis=0) if len(votes) else np.zeros(len(classes)),
        int(((single < 0) & is_tied).sum()),
        int(((single < 0) & ~is_tied).sum()),
        largest,
        known[np.isfinite(known)],
    )
