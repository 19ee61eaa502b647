"""Labels that are more than one class: the tags of each source, or its share of votes.

>>> vectors = LabelVectors.of_tags(np.array([[1, 0], [1, 1], [-1, -1]]))
>>> vectors.counts().tolist(), vectors.is_labelled.tolist()
([2.0, 1.0], [True, True, False])
>>> votes = LabelVectors.of_votes(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([8, 2]))
>>> votes.single_labels(least_fraction=0.6).tolist()
[0, -1]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.labels import UNLABELLED, Labels
from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Floats

__all__ = ["LabelKind", "LabelVectors", "VectorKind", "join_vectors"]

VectorKind = Literal["tags", "votes"]
LabelKind = Literal["classes", "tags", "votes"]
"""One class for each source, any set of classes, or a fraction for each class."""

_Rows = slice | npt.NDArray[np.integer] | Bools


@dataclass(frozen=True, slots=True, eq=False)
class LabelVectors:
    """One vector of labels for each source.

    Attributes
    ----------
    kind : {"tags", "votes"}
    values : array, shape (n, classes)
        Tags: int8, 1 for each tag that a source has and 0 for the others; -1 in the whole row of an
        unlabelled source. Votes: float64, the fraction of the votes for each class; NaN in the
        whole row of an unlabelled source.
    totals : float64 array, shape (n,)
        The number of votes; NaN where it is not known, and for tags.
    """

    kind: VectorKind
    values: npt.NDArray[np.int8] | Floats
    totals: Floats

    @classmethod
    def of_tags(cls, values: npt.ArrayLike) -> LabelVectors:
        """Return the vectors of an array of 0, 1 and -1, shape (n, classes)."""
        tags = np.asarray(values, np.int8)
        return cls("tags", tags, np.full(len(tags), np.nan))

    @classmethod
    def of_votes(cls, fractions: npt.ArrayLike, totals: npt.ArrayLike) -> LabelVectors:
        """Return the vectors of fractions, shape (n, classes), and of the numbers of votes."""
        return cls("votes", np.asarray(fractions, float), np.asarray(totals, float))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_classes(self) -> int:
        """Return the number of classes."""
        return int(self.values.shape[1])

    @property
    def is_labelled(self) -> Bools:
        """Return which sources have a label, shape (n,); without any tag is a label as well."""
        if not self.n_classes:
            return np.zeros(len(self), bool)
        first = self.values[:, 0]
        return first >= 0 if self.kind == "tags" else ~np.isnan(first)

    def counts(self) -> Floats:
        """Return the number of sources with each tag, or the sum of the fractions of each class."""
        total: Floats = self.values[self.is_labelled].sum(axis=0, dtype=float)
        return total

    def single_labels(self, least_fraction: float = 0.0) -> Labels:
        """Return the one class of each source, shape (n,), -1 where there is none.

        Of votes it is the class with the most votes, unless another one has as many, its fraction
        is less than `least_fraction`, or there is no vote for a class. Tags are no single class,
        also where a source has only one.
        """
        labels = np.full(len(self), UNLABELLED, np.int16)
        if self.kind == "tags" or not self.n_classes:
            return labels
        labelled = np.flatnonzero(self.is_labelled)
        fractions = self.values[labelled]
        largest = fractions.max(axis=1)
        is_single = (fractions == largest[:, None]).sum(axis=1) == 1
        is_single &= (largest >= least_fraction) & (largest > 0)
        labels[labelled[is_single]] = fractions[is_single].argmax(axis=1)
        return labels

    def take(self, rows: _Rows) -> LabelVectors:
        """Return the vectors of some sources: indices, a slice, or a boolean for each."""
        return LabelVectors(self.kind, self.values[rows], self.totals[rows])

    def merge(self, new_labels: Sequence[int], n_classes: int) -> LabelVectors:
        """Return the vectors of fewer classes.

        Parameters
        ----------
        new_labels : sequence of int
            The new class of each old one; -1 for one that is dropped.
        n_classes : int

        Notes
        -----
        A source has a merged tag if it has any of the old ones. The fractions of votes are added.
        """
        merged = np.zeros((len(self), n_classes), self.values.dtype)
        for old, new in enumerate(new_labels):
            if new < 0:
                continue
            if self.kind == "tags":
                np.maximum(merged[:, new], self.values[:, old], out=merged[:, new])
            else:
                merged[:, new] += self.values[:, old]
        merged[~self.is_labelled] = -1 if self.kind == "tags" else np.nan
        return LabelVectors(self.kind, merged, self.totals)


def join_vectors(parts: Sequence[LabelVectors | None]) -> LabelVectors | None:
    """Return the vectors of several tables of sources, in order; None if none has some.

    Raises
    ------
    CatalogueError
        They are of different kinds.
    """
    vectors = [part for part in parts if part is not None]
    if not vectors:
        return None
    if len(vectors) < len(parts) or len({(part.kind, part.n_classes) for part in vectors}) > 1:
        raise CatalogueError("join labels: single classes, tags and votes cannot be in one table")
    values = np.concatenate([part.values for part in vectors])
    return LabelVectors(vectors[0].kind, values, np.concatenate([one.totals for one in vectors]))
