"""Rules that give every row of a catalogue its label: from flags, or from one column.

>>> rules = FlagRules(
...     ("FR1", "NAT"), (ClassRule(0, "FRI", ("FR1",)), ClassRule(1, "NAT", ("FR1", "NAT"))))
>>> rules.label({"FR1": np.array([True, True]), "NAT": np.array([False, True])}, ["a", "b"]).tolist()
[0, 1]
"""  # noqa: E501 - the doctest is one line

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
import numpy.typing as npt

from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Ints

__all__ = [
    "NO_CHANGES",
    "UNLABELLED",
    "ClassChanges",
    "ClassRule",
    "ColumnRules",
    "FlagRules",
    "Labels",
    "MissingClass",
    "name_rows",
]

UNLABELLED = -1
_MAX_CLASSES = 1000
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
Labels = npt.NDArray[np.int16]
MissingClass = Literal["error", "unlabelled"]
"""What a row without a class is: an error, or a source without a label."""


def name_rows(rows: Sequence[int], names: Sequence[str], most: int = 3) -> str:
    """Return rows for a message: "row 4 (A), row 7 (B) and 3 more"; rows count from 1.

    >>> name_rows([3, 6], ["A", "B", "C", "D", "E", "F", ""])
    'row 4 (D), row 7'
    """
    shown = ", ".join(
        f"row {row + 1} ({names[row]})" if names[row] else f"row {row + 1}" for row in rows[:most]
    )
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


@dataclass(frozen=True, slots=True)
class ClassChanges:
    """Classes that become one, and classes that are dropped.

    Attributes
    ----------
    merge : tuple of (str, tuple of str or int)
        Each new class with the names or labels of the old ones. A class that is in no group stays
        as it is.
    drop : tuple of str or int
        The classes whose sources are left out.

    >>> changes = ClassChanges((("FRI", ("FRI", "FRI NAT")),), ("Small",))
    >>> changes.apply_to(("FRI", "FRI NAT", "Small", "FRII"))
    ((0, 0, -1, 1), ('FRI', 'FRII'))
    """

    merge: tuple[tuple[str, tuple[str | int, ...]], ...] = ()
    drop: tuple[str | int, ...] = ()

    def apply_to(self, classes: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the new label of each class, -1 for a dropped one, and the new names.

        The new classes have the order of the first old class of each.

        Raises
        ------
        CatalogueError
            There is no such class, it is in two groups, or two classes would have one name.
        """
        group_of: dict[int, str | None] = {}
        for name, members in (*self.merge, (None, self.drop)):
            for label in (self._label(member, classes) for member in members):
                if label in group_of:
                    raise CatalogueError(
                        f"merge and drop classes: {classes[label]!r} is in two groups"
                    )
                group_of[label] = name
        names: list[str] = []
        is_merged: list[bool] = []
        new_labels = []
        for label, own_name in enumerate(classes):
            new_name = group_of.get(label, own_name)
            if new_name is None:
                new_labels.append(-1)
                continue
            merged = label in group_of
            if new_name not in names:
                names.append(new_name)
                is_merged.append(merged)
            elif not (merged and is_merged[names.index(new_name)]):
                raise CatalogueError(
                    f"merge classes: the class {new_name!r} is not in the group of that name; add "
                    "it to the group, or give the group another name"
                )
            new_labels.append(names.index(new_name))
        if not names:
            raise CatalogueError("drop classes: no class remains")
        return tuple(new_labels), tuple(names)

    @staticmethod
    def _label(member: str | int, classes: Sequence[str]) -> int:
        if isinstance(member, int) and 0 <= member < len(classes):
            return member
        if isinstance(member, str) and member in classes:
            return classes.index(member)
        raise CatalogueError(
            f"merge and drop classes: there is no class {member!r}; the classes are "
            f"{', '.join(f'{label} = {name!r}' for label, name in enumerate(classes))}"
        )


NO_CHANGES = ClassChanges()


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
    missing : {"error", "unlabelled"}
        What a row without any flag is, unless that is a class.
    changes : ClassChanges
        Of the labels; `label` returns those before the changes.
    """

    columns: tuple[str, ...]
    classes: tuple[ClassRule, ...]
    missing: MissingClass = "error"
    changes: ClassChanges = NO_CHANGES

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
        missing = code == 0 if self.missing == "unlabelled" else np.zeros(len(names), bool)
        self._check((labels == UNLABELLED) & ~missing, code, names)
        return labels

    def _code(self, flags: Sequence[str]) -> int:
        return sum(1 << self.columns.index(flag) for flag in flags)

    def _check(self, is_unknown: Bools, code: Ints, names: Sequence[str]) -> None:
        unknown = np.flatnonzero(is_unknown)
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
        classes, numbers in numerical order before texts in alphabetical order.
    missing : {"error", "unlabelled"}
        What a row without a value is.
    null : tuple of str
        Texts that mean that a row has no value, such as ``N/A``.
    changes : ClassChanges
        Of the labels; `label` returns those before the changes.
    """

    column: str
    classes: tuple[tuple[str, int, str], ...] = ()
    missing: MissingClass = "error"
    null: tuple[str, ...] = ()
    changes: ClassChanges = NO_CHANGES

    def label(self, values: Sequence[str], names: Sequence[str]) -> tuple[Labels, tuple[str, ...]]:
        """Return the label of every row, and the class names in the order of their labels.

        Parameters
        ----------
        values : sequence of str, length n
            The column; "" is no value.
        names : sequence of str, length n
            The sources, for the message.

        Raises
        ------
        CatalogueError
            A value is no class, a row has no value, or there are too many different values.
        """
        distinct = set(values) - {"", *self.null}
        self._check_missing(values, names)
        # Without classes in the recipe the column defines them: label i is its i-th value.
        classes = self.classes or tuple(
            (value, i, value) for i, value in enumerate(self._sorted(distinct))
        )
        if len(classes) > _MAX_CLASSES:
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {len(classes)} different "
                "values, which are no classes; name the column of the class, at most "
                f"{_MAX_CLASSES} of them"
            )
        known = {value: label for value, label, _ in classes if value}
        # A class that the recipe calls 1 is also that of 1.0, as a column of integers with gaps is
        # often written; a value that is spelled alike comes first.
        by_number = {_number(value): label for value, label in known.items()}
        label_of = {value: known.get(value, by_number.get(_number(value))) for value in distinct}
        unknown = [
            row for row, value in enumerate(values) if value in distinct and label_of[value] is None
        ]
        if unknown:
            shown = ", ".join(sorted({repr(values[row]) for row in unknown})[:5])
            raise CatalogueError(
                f"label the catalogue: column {self.column!r} holds {shown}, which is no class of "
                f"the recipe: {name_rows(unknown, names)}. Known: {', '.join(known)}"
            )
        labels = {value: label for value, label in label_of.items() if label is not None}
        name_of = {label: name for _, label, name in classes}
        return (
            np.array([labels.get(value, UNLABELLED) for value in values], np.int16),
            tuple(name_of[label] for label in sorted(name_of)),
        )

    def _check_missing(self, values: Sequence[str], names: Sequence[str]) -> None:
        """Raise an error if rows have no value, unless the recipe permits that."""
        nulls = {"", *self.null}
        if self.missing == "unlabelled" or nulls.isdisjoint(values):
            return
        rows = [row for row, value in enumerate(values) if value in nulls]
        raise CatalogueError(
            f"label the catalogue: column {self.column!r} has no value in "
            f"{name_rows(rows, names)}; give every row a class, or set the recipe's "
            'classes.missing to "unlabelled"'
        )

    def _sorted(self, values: Iterable[str]) -> list[str]:
        """Return values in the order of their labels."""
        numbers: dict[Decimal, str] = {}
        texts = []
        for value in sorted(values):
            number = _number(value)
            if not isinstance(number, Decimal):
                texts.append(value)
            elif (other := numbers.setdefault(number, value)) != value:
                raise CatalogueError(
                    f"label the catalogue: column {self.column!r} holds {other!r} and {value!r}, "
                    "which are the same number; write one of them throughout, or name the classes "
                    "in the recipe's classes.table"
                )
        return [numbers[number] for number in sorted(numbers)] + texts


def _number(text: str) -> Decimal | str:
    """Return the number that a text stands for, or the text."""
    return Decimal(text) if _NUMBER.fullmatch(text) else text
