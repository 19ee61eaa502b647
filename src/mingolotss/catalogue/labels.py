"""From a catalogue's flags, or a column of its own, to an integer label.

>>> rules = FlagRules(("FR1", "NAT"), (ClassRule(0, "FRI", ("FR1",)), ClassRule(1, "NAT", ("FR1", "NAT"))))
>>> rules.label({"FR1": np.array([True, True]), "NAT": np.array([False, True])}, ["a", "b"]).tolist()
[0, 1]
"""  # noqa: E501 - a doctest line is one line

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mingolotss.errors import CatalogueError

__all__ = ["UNLABELLED", "ClassRule", "ColumnRules", "FlagRules", "Labels", "name_rows"]

UNLABELLED = -1
_MOST = 1000
Labels = npt.NDArray[np.int16]


def name_rows(rows: Sequence[int], names: Sequence[str], most: int = 3) -> str:
    """Return rows for a message: "row 4 (A), row 7 (B) and 3 more"; rows count from 1."""
    shown = ", ".join(f"row {row + 1} ({names[row]})" for row in rows[:most])
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


@dataclass(frozen=True, slots=True)
class ClassRule:
    """One class: its label, its name, the flags that are set for it and no others."""

    label: int
    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagRules:
    """Labels from boolean columns: the set of flags that are true names the class.

    Parameters
    ----------
    columns : tuple of str
        The flags that count.
    classes : tuple of ClassRule
    """

    columns: tuple[str, ...]
    classes: tuple[ClassRule, ...]

    def label(self, flags: Mapping[str, npt.NDArray[np.bool_]], names: Sequence[str]) -> Labels:
        """Return a label for every row.

        Raises
        ------
        CatalogueError
            A row's combination of flags is no class; the line names rows and combinations.
        """
        code = np.zeros(len(names), np.int64)
        for bit, column in enumerate(self.columns):
            code |= flags[column].astype(np.int64) << bit
        known = {self._code(rule.flags): rule.label for rule in self.classes}
        labels = np.full(len(names), UNLABELLED, np.int16)
        for value in np.unique(code):
            labels[code == value] = known.get(int(value), UNLABELLED)
        self._check(labels, code, names)
        return labels

    def _code(self, flags: Sequence[str]) -> int:
        return sum(1 << self.columns.index(flag) for flag in flags)

    def _check(self, labels: Labels, code: npt.NDArray[np.int64], names: Sequence[str]) -> None:
        bad = np.flatnonzero(labels == UNLABELLED)
        if not bad.size:
            return
        sets = {
            " + ".join(c for bit, c in enumerate(self.columns) if value >> bit & 1) or "no flag"
            for value in np.unique(code[bad]).tolist()
        }
        known = "; ".join(" + ".join(rule.flags) for rule in self.classes)
        raise CatalogueError(
            f"label the catalogue: {bad.size} rows have flags that are no class of the recipe "
            f"({', '.join(sorted(sets))}): {name_rows(bad.tolist(), names)}. Known: {known}"
        )


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Labels from one column that holds class names, or codes that the recipe names.

    Parameters
    ----------
    column : str
    classes : tuple of (str, int, str)
        (value in the column, label, class name). Empty: the distinct values, sorted.
    """

    column: str
    classes: tuple[tuple[str, int, str], ...] = ()

    def label(self, values: Sequence[str], names: Sequence[str]) -> tuple[Labels, tuple[str, ...]]:
        """Return a label for every row, and the class names in the order of their labels."""
        table = self.classes or tuple(
            (value, i, value) for i, value in enumerate(sorted(set(values)))
        )
        if len(table) > _MOST:
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {len(table)} different values, "
                f"which are no classes; name the column of the class, at most {_MOST} of them"
            )
        known = {value: label for value, label, _ in table if value}
        bad = [row for row, value in enumerate(values) if value not in known]
        if bad:
            found = ", ".join(sorted({repr(values[row]) for row in bad})[:5])
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {found}, which is no class of "
                f"the recipe: {name_rows(bad, names)}. Known: {', '.join(known)}"
            )
        by_label = {label: name for _, label, name in table}
        return (
            np.array([known[value] for value in values], np.int16),
            tuple(by_label[label] for label in sorted(by_label)),
        )
