"""Rules that give every row of a catalogue its tags, or its share of the votes.

>>> rules = VoteRules(("fr1", "fr2"), ("FRI", "FRII"), votes="counts")
>>> rules.label({"fr1": np.array([6.0]), "fr2": np.array([2.0])}, None, ["a"]).values.tolist()
[[0.75, 0.25]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.labels import (
    NO_CHANGES,
    ClassChanges,
    ColumnRules,
    FlagRules,
    MissingClass,
    name_rows,
)
from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Floats

__all__ = ["FRACTION_TOLERANCE", "Rules", "TagRules", "VoteKind", "VoteRules"]

VoteKind = Literal["counts", "fractions"]
FRACTION_TOLERANCE = 0.01
"""The fractions of a source may differ from the sum 1 by this much: tables round them."""


@dataclass(frozen=True, slots=True)
class TagRules:
    """Tags from boolean columns: a source has any set of them.

    Attributes
    ----------
    columns : tuple of str
        The column of each tag, in the order of the labels.
    classes : tuple of str
        The name of each tag.
    missing : {"error", "unlabelled"}
        What a row without a value in one of the columns is. With "unlabelled" a row without any tag
        is unlabelled as well.
    changes : ClassChanges
    """

    columns: tuple[str, ...]
    classes: tuple[str, ...]
    missing: MissingClass = "error"
    changes: ClassChanges = NO_CHANGES

    def label(
        self, flags: Mapping[str, Bools], nulls: Mapping[str, Bools], names: Sequence[str]
    ) -> LabelVectors:
        """Return the tags of every row, before the changes.

        Parameters
        ----------
        flags, nulls : mapping of str to bool array, shape (n,)
            Each column, and where it has no value.
        names : sequence of str, length n
            The sources, for the message.

        Raises
        ------
        CatalogueError
            A row has no value in a column, and the recipe does not permit that.
        """
        values = np.stack([flags[column] for column in self.columns], axis=1).astype(np.int8)
        is_null = np.any([nulls[column] for column in self.columns], axis=0)
        if self.missing == "error":
            _check_values(self.columns, nulls, names)
        else:
            values[is_null | ~values.any(axis=1)] = -1
        return LabelVectors.of_tags(values)


@dataclass(frozen=True, slots=True)
class VoteRules:
    """Soft labels from one column of votes for each class.

    Attributes
    ----------
    columns : tuple of str
        The column of each class, in the order of the labels.
    classes : tuple of str
        The name of each class.
    votes : {"counts", "fractions"}
        What the columns hold. Fractions add up to 1.
    total : str
        The column with the number of votes beside fractions; "" without one.
    least_fraction : float
        A source whose largest fraction is less has no single class.
    missing : {"error", "unlabelled"}
        What a row without a value, or without any vote, is.
    changes : ClassChanges
    """

    columns: tuple[str, ...]
    classes: tuple[str, ...]
    votes: VoteKind = "counts"
    total: str = ""
    least_fraction: float = 0.0
    missing: MissingClass = "error"
    changes: ClassChanges = NO_CHANGES

    def label(
        self, votes: Mapping[str, Floats], totals: Floats | None, names: Sequence[str]
    ) -> LabelVectors:
        """Return the fractions of every row, before the changes.

        Parameters
        ----------
        votes : mapping of str to float64 array, shape (n,)
            Each column; NaN where it has no value.
        totals : float64 array, shape (n,), or None
            The number of votes beside fractions.
        names : sequence of str, length n
            The sources, for the message.

        Raises
        ------
        CatalogueError
            A value is no number of votes, the fractions of a row do not add up to 1, or a row has
            no votes and the recipe does not permit that.
        """
        values = np.stack([votes[column] for column in self.columns], axis=1)
        if self.missing == "error":
            nulls = {column: np.isnan(votes[column]) for column in self.columns}
            _check_values(self.columns, nulls, names)
        is_null = np.isnan(values).any(axis=1)
        for column in self.columns:
            self._check_range(column, votes[column], names)
        sums = values.sum(axis=1)
        if self.votes == "counts":
            self._check_sums(sums == 0, "no votes", names)
            is_null |= sums == 0
            totals = sums
        else:
            with np.errstate(invalid="ignore"):
                wrong = np.abs(sums - 1) > FRACTION_TOLERANCE
            # A row of zeros is a source that nobody classified.
            self._check_sums((sums == 0), "fractions that are all 0", names)
            is_null |= sums == 0
            self._check_fractions(wrong & ~is_null, sums, names)
        totals = np.full(len(names), np.nan) if totals is None else totals.astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            fractions = values / sums[:, None] if self.votes == "counts" else values
        fractions[is_null], totals = np.nan, np.where(is_null, np.nan, totals)
        return LabelVectors.of_votes(fractions, totals)

    def _check_range(self, column: str, values: Floats, names: Sequence[str]) -> None:
        most = 1.0 + FRACTION_TOLERANCE if self.votes == "fractions" else np.inf
        wrong = np.flatnonzero((values < 0) | (values > most) | np.isinf(values)).tolist()
        if wrong:
            expected = (
                "a fraction from 0 to 1; for numbers of votes set classes.votes to 'counts'"
                if self.votes == "fractions"
                else "a number of votes"
            )
            raise CatalogueError(
                f"label the catalogue: column {column!r} holds {values[wrong[0]]:g} in "
                f"{name_rows(wrong, names)}; expected {expected}"
            )

    def _check_sums(self, is_empty: Bools, words: str, names: Sequence[str]) -> None:
        rows = np.flatnonzero(is_empty).tolist()
        if rows and self.missing == "error":
            raise CatalogueError(
                f"label the catalogue: {name_rows(rows, names)} have {words}; leave them out "
                'with catalogue.where, or set the recipe\'s classes.missing to "unlabelled"'
            )

    @staticmethod
    def _check_fractions(wrong: Bools, sums: Floats, names: Sequence[str]) -> None:
        rows = np.flatnonzero(wrong).tolist()
        if rows:
            raise CatalogueError(
                f"label the catalogue: the fractions of {name_rows(rows, names)} add up to "
                f"{sums[rows[0]]:g} and not to 1; name the columns of all answers to one question "
                "in classes.columns, or set classes.votes to 'counts'"
            )


Rules = FlagRules | ColumnRules | TagRules | VoteRules
"""How a row of a catalogue gets its label, or its tags, or its share of votes."""


def _check_values(columns: Sequence[str], nulls: Mapping[str, Bools], names: Sequence[str]) -> None:
    for column in columns:
        rows = np.flatnonzero(nulls[column]).tolist()
        if rows:
            raise CatalogueError(
                f"label the catalogue: column {column!r} has no value in {name_rows(rows, names)}; "
                'give every row one, or set the recipe\'s classes.missing to "unlabelled"'
            )
