"""Classes of different datasets compared: by their names, else by the groups FRI and FRII.

>>> mirabest = ClassTable.of(("100", "102", "104", "110", "112", "200", "201", "210", "300", "310"))
>>> frdeep = ClassTable.of(("FR I", "FR II"))
>>> mirabest.groups[:6]
('FRI', 'FRI', 'FRI', 'FRI', 'FRI', 'FRII')
>>> agreement(mirabest, frdeep)[[0, 5, 8], :2].tolist()  # hybrids cannot be compared
[[1, 0], [0, 1], [-1, -1]]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mingolotss.model import Ints
from mingolotss.recipe.load import load_recipe, recipes
from mingolotss.recipe.model import Recipe

__all__ = ["ClassTable", "agreement", "common_names", "shipped_recipe"]

_Groups = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes of one dataset.

    Attributes
    ----------
    names : tuple of str
        Of each label.
    groups : tuple of str
        The group of each label by the table ``binary`` of its recipe, for example "FRI"; "" where
        it is in none.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def of(cls, names: tuple[str, ...], recipe: Recipe | None = None) -> ClassTable:
        """Return the classes of a dataset.

        Parameters
        ----------
        names : tuple of str
        recipe : Recipe, optional
            That of the dataset; by default a shipped one with these classes.
        """
        own = None if recipe is None else recipe.classes
        if own is not None and names == tuple(row.name for row in own.final_table):
            return cls(names, _by_label(own.final_binary, len(names)))
        shipped = shipped_recipe(names)
        if shipped is not None:
            return cls(names, _by_label(shipped.classes.binary, len(names)))
        groups = _group_of_name()
        return cls(names, tuple(groups.get(_plain(name), "") for name in names))

    def name(self, label: int) -> str:
        """Return the name of a label, "" for none."""
        return self.names[label] if 0 <= label < len(self.names) else ""


def agreement(first: ClassTable, second: ClassTable) -> Ints:
    """Compare each class of one dataset with each of another.

    Returns
    -------
    int64 array, shape (classes of first + 1, classes of second + 1)
        1 where two classes agree, 0 where they contradict each other, -1 where they cannot be
        compared. The last row and column stand for no label.
    """
    plain = [[_plain(name) for name in table.names] for table in (first, second)]
    is_same_table = set(plain[0]) == set(plain[1])
    compared = np.full((len(plain[0]) + 1, len(plain[1]) + 1), -1, np.int64)
    for row, name in enumerate(plain[0]):
        for column, other in enumerate(plain[1]):
            groups = first.groups[row], second.groups[column]
            if name == other:
                compared[row, column] = 1
            elif is_same_table:
                compared[row, column] = 0
            elif all(groups):
                compared[row, column] = _plain(groups[0]) == _plain(groups[1])
    return compared


def common_names(first: ClassTable, second: ClassTable) -> Ints:
    """Return the pairs of labels of two datasets that are called alike, shape (k, 2).

    >>> common_names(ClassTable.of(("FR I", "bent")), ClassTable.of(("x", "FRI"))).tolist()
    [[0, 1]]
    """
    labels = [_label_of_plain(table.names) for table in (first, second)]
    pairs = [(label, labels[1][name]) for name, label in labels[0].items() if name in labels[1]]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _label_of_plain(names: Sequence[str]) -> dict[str, int]:
    """Return the label of each plain name that only one class has."""
    plain = [_plain(name) for name in names]
    return {name: label for label, name in enumerate(plain) if plain.count(name) == 1}


def shipped_recipe(names: tuple[str, ...]) -> Recipe | None:
    """Return the first shipped recipe whose classes are called so, None if there is none."""
    for recipe in _shipped():
        table = recipe.classes.table
        spellings = (
            tuple(row.name for row in table),
            tuple(row.published or row.name for row in table),
            tuple(row.value or row.name for row in table),
        )
        if table and names in spellings:
            return recipe
    return None


@cache
def _shipped() -> tuple[Recipe, ...]:
    return tuple(load_recipe(name) for name in recipes())


@cache
def _group_of_name() -> dict[str, str]:
    """Return the group of each plain name of a class or group, where all shipped recipes agree.

    Those without groups do not count.
    """
    found: dict[str, set[str]] = {}
    for recipe in (recipe for recipe in _shipped() if recipe.classes.binary):
        groups = _by_label(recipe.classes.binary, len(recipe.classes.table))
        for row, group in zip(recipe.classes.table, groups, strict=True):
            found.setdefault(_plain(row.name), set()).add(group)
        for group in recipe.classes.binary:
            found.setdefault(_plain(group), set()).add(group)
    return {name: groups.pop() for name, groups in found.items() if len(groups) == 1}


def _by_label(groups: _Groups, count: int) -> tuple[str, ...]:
    members = dict(_members(groups))
    return tuple(members.get(label, "") for label in range(count))


def _members(groups: _Groups) -> Iterator[tuple[int, str]]:
    for name, labels in groups.items():
        for label in labels:
            yield label, name


def _plain(name: str) -> str:
    """Return a name without case, blanks, hyphens and underscores: "FR I" is "FRI"."""
    return "".join(letter for letter in name.casefold() if letter not in " -_")
