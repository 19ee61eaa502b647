"""Rules that give every row of a catalogue its label: from flags, or from one column.

>>> rules = FlagRules(
...     ("FR1", "NAT"), (ClassRule(0, "FRI", ("FR1",)), ClassRule(1, "NAT", ("FR1", "NAT"))))
>>> rules.label({"FR1": np.array([True, True]), "NAT": np.array([False, True])}, ["a", "b"]).tolist()
[0, 1]
"""  # noqa: E501 - the doctest is one line

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Ints

__all__ = ["UNLABELLED", "ClassRule", "ColumnRules", "FlagRules", "Labels", "name_rows"]

UNLABELLED = -1
_MAX_CLASSES = 1000
Labels = npt.NDArray[np.int16]


def name_rows(rows: Sequence[int], names: Sequence[str], most: int = 3) -> str:
    """Return rows for a message: "row 4 (A), row 7 (B) and 3 more"; rows count from 1."""
    shown = ", ".join(f"row {row + 1} ({names[row]})" for row in rows[:most])
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


@dataclass(frozen=True, slots=True)
class ClassRule:
    """One class.

    Attributes
    ----------
    label : int
    name : str
    flags : tuple of str
        The flags that are true for this class; all others are false.
    """

    label: int
    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagRules:
    """Labels from boolean columns: the set of true flags determines the class.

    Attributes
    ----------
    columns : tuple of str
        The flags.
    classes : tuple of ClassRule
    """

    columns: tuple[str, ...]
    classes: tuple[ClassRule, ...]

    def label(self, flags: Mapping[str, Bools], names: Sequence[str]) -> Labels:
        """Return the label of every row.

        Parameters
        ----------
        flags : mapping of str to bool array, shape (n,)
        names : sequence of str, length n
            The sources, for the message.

        Raises
        ------
        CatalogueError
            The flags of a row are no class; the message names rows and combinations.
        """
        # The flags of a row are the bits of one number, so that only the few numbers that occur
        # have to be looked up, and not every row.
        code = np.zeros(len(names), np.int64)
        for bit, column in enumerate(self.columns):
            code |= flags[column].astype(np.int64) << bit
        label_of = {self._code(rule.flags): rule.label for rule in self.classes}
        labels = np.full(len(names), UNLABELLED, np.int16)
        for value in np.unique(code):
            labels[code == value] = label_of.get(int(value), UNLABELLED)
        self._check(labels, code, names)
        return labels

    def _code(self, flags: Sequence[str]) -> int:
        return sum(1 << self.columns.index(flag) for flag in flags)

    def _check(self, labels: Labels, code: Ints, names: Sequence[str]) -> None:
        unknown = np.flatnonzero(labels == UNLABELLED)
        if not unknown.size:
            return
        combinations = {
            " + ".join(c for bit, c in enumerate(self.columns) if value >> bit & 1) or "no flag"
            for value in np.unique(code[unknown]).tolist()
        }
        known = "; ".join(" + ".join(rule.flags) for rule in self.classes)
        raise CatalogueError(
            f"label the catalogue: {unknown.size} rows have flags that are no class of the recipe "
            f"({', '.join(sorted(combinations))}): {name_rows(unknown.tolist(), names)}. "
            f"Known: {known}"
        )


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Labels from one column with class names, or with codes that the recipe names.

    Attributes
    ----------
    column : str
    classes : tuple of (str, int, str)
        (value in the column, label, class name). Empty: the distinct values of the column are the
        classes, in alphabetical order.
    """

    column: str
    classes: tuple[tuple[str, int, str], ...] = ()

    def label(self, values: Sequence[str], names: Sequence[str]) -> tuple[Labels, tuple[str, ...]]:
        """Return the label of every row, and the class names in the order of their labels.

        Parameters
        ----------
        values : sequence of str, length n
            The column.
        names : sequence of str, length n
            The sources, for the message.

        Raises
        ------
        CatalogueError
            A value is no class, or there are too many different values.
        """
        # Without classes in the recipe the column defines them: label i is its i-th value.
        classes = self.classes or tuple(
            (value, i, value) for i, value in enumerate(sorted(set(values)))
        )
        if len(classes) > _MAX_CLASSES:
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {len(classes)} different "
                "values, which are no classes; name the column of the class, at most "
                f"{_MAX_CLASSES} of them"
            )
        label_of = {value: label for value, label, _ in classes if value}
        unknown = [row for row, value in enumerate(values) if value not in label_of]
        if unknown:
            shown = ", ".join(sorted({repr(values[row]) for row in unknown})[:5])
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {shown}, which is no class of "
                f"the recipe: {name_rows(unknown, names)}. Known: {', '.join(label_of)}"
            )
        name_of = {label: name for _, label, name in classes}
        return (
            np.array([label_of[value] for value in values], np.int16),
            tuple(name_of[label] for label in sorted(name_of)),
        )
