"""What keeps its shares in every split: the classes of the sources, or their tags.

A source is in one stratum, its class, or in one for each of its tags. Sources with the same tags
are alike for a split, so that a source is counted by the number of its combination of strata, of
which there are few.

>>> tags = LabelVectors.of_tags([[1, 0], [1, 1], [0, 0], [-1, -1]])
>>> strata = Strata.of_tags(tags, ("FRI", "NAT"))
>>> strata.names, strata.totals().tolist()
(('FRI', 'NAT', 'no tag', 'no label'), [2, 1, 1, 1])
>>> strata.counts(np.array([0, 1, -1, 1]), 2).tolist()  # the third source is in no split
[[1, 0, 0, 0], [1, 1, 0, 1]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mingolotss.catalogue.label_vectors import LabelKind, LabelVectors
from mingolotss.model import Bools, Ints

__all__ = ["NO_LABEL", "NO_SINGLE_CLASS", "NO_TAG", "NO_VOTES", "Strata"]

NO_LABEL = "no label"
"""The name of the sources without a class."""
NO_SINGLE_CLASS = "no single class"
"""The name of the sources whose votes are tied, or too few for one class."""
NO_VOTES = "no votes"
"""The name of the sources without votes."""
NO_TAG = "no tag"
"""The name of the sources that have none of the tags."""


@dataclass(frozen=True, slots=True)
class Strata:
    """The strata of sources.

    Attributes
    ----------
    kind : {"classes", "tags", "votes"}
        Of the labels. Votes have the strata of the classes with the most votes.
    names : tuple of str
        Of each stratum that a source is in.
    codes : int64 array, shape (n,)
        The number of each source's combination of strata.
    members : int64 array, shape (combinations, strata)
        1 for each stratum of a combination.
    """

    kind: LabelKind
    names: tuple[str, ...]
    codes: Ints
    members: Ints

    @classmethod
    def of_labels(cls, labels: Ints, classes: Sequence[str]) -> Strata:
        """Return one stratum for each label that occurs; -1 is no label, and one of them.

        Parameters
        ----------
        labels : int array, shape (n,)
        classes : sequence of str
            The name of each label, as far as they have names.
        """
        return cls._of_numbers("classes", labels, classes, {-1: NO_LABEL})

    @classmethod
    def of_votes(cls, labels: Ints, vectors: LabelVectors, classes: Sequence[str]) -> Strata:
        """Return one stratum for each class with the most votes of a source, and for none.

        Parameters
        ----------
        labels : int array, shape (n,)
            The class with the most votes, -1 for none.
        vectors : LabelVectors
        classes : sequence of str
        """
        numbers = np.where(vectors.is_labelled, labels, -2)
        return cls._of_numbers("votes", numbers, classes, {-1: NO_SINGLE_CLASS, -2: NO_VOTES})

    @classmethod
    def _of_numbers(
        cls, kind: LabelKind, numbers: Ints, classes: Sequence[str], others: Mapping[int, str]
    ) -> Strata:
        values, codes = np.unique(numbers, return_inverse=True)
        names = (others.get(label) or _name(label, classes) for label in values.tolist())
        codes = codes.reshape(-1).astype(np.int64)
        return cls(kind, tuple(names), codes, np.eye(max(len(values), 1), dtype=np.int64))

    @classmethod
    def of_tags(cls, vectors: LabelVectors, classes: Sequence[str]) -> Strata:
        """Return a stratum for each tag that occurs, for no tag, and for no label.

        Parameters
        ----------
        vectors : LabelVectors
        classes : sequence of str
        """
        unique, codes = np.unique(vectors.values.astype(np.int8), axis=0, return_inverse=True)
        unlabelled = (unique < 0).any(axis=1)
        untagged = ~(unique > 0).any(axis=1) & ~unlabelled
        members = np.column_stack([unique > 0, untagged, unlabelled]).astype(np.int64)
        occurs = np.asarray(members.any(axis=0))
        names = (
            *(_name(label, classes) for label in range(vectors.n_classes)), NO_TAG, NO_LABEL,
        )  # fmt: skip
        return cls(
            "tags",
            tuple(name for name, has_one in zip(names, occurs, strict=True) if has_one),
            codes.reshape(-1).astype(np.int64),
            members[:, occurs],
        )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def is_exclusive(self) -> bool:
        """Return whether every source is in one stratum."""
        return bool((self.members.sum(axis=1) == 1).all())

    @property
    def first_of_source(self) -> Ints:
        """Return the first stratum of each source, shape (n,)."""
        first: Ints = self.members.argmax(axis=1)[self.codes]
        return first

    def take(self, rows: Ints) -> Strata:
        """Return the strata of some sources; the combinations are the same."""
        return replace(self, codes=self.codes[rows])

    def totals(self, counted: Bools | None = None) -> Ints:
        """Return the number of sources in each stratum, of all or of those that are counted."""
        codes = self.codes if counted is None else self.codes[counted]
        total: Ints = np.bincount(codes, minlength=len(self.members)) @ self.members
        return total

    def cells(self, split_of: Ints, splits: int) -> Ints:
        """Return the number of sources of each combination in each split.

        Parameters
        ----------
        split_of : int array, shape (n,)
            The number of each source's split, below 0 for none.
        splits : int

        Returns
        -------
        int64 array, shape (splits, combinations)
        """
        known = split_of >= 0
        width = len(self.members)
        cells = np.bincount(split_of[known] * width + self.codes[known], minlength=splits * width)
        return cells.reshape(splits, width)

    def counts(self, split_of: Ints, splits: int) -> Ints:
        """Return the number of sources of each stratum in each split, shape (splits, strata)."""
        counts: Ints = self.cells(split_of, splits) @ self.members
        return counts

    def phrase(self, stratum: int) -> str:
        """Return which sources are in a stratum, for messages: "of class 'FRI'"."""
        name = self.names[stratum]
        if self.kind != "tags":
            return f"of class {name!r}"
        return f"with {name}" if name in (NO_TAG, NO_LABEL) else f"with the tag {name!r}"


def _name(label: int, classes: Sequence[str]) -> str:
    return classes[label] if label < len(classes) else f"class {label}"
