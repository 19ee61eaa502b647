"""The classes that people give to sources, as the labels of a dataset.

A judgement names its classes as they were when it was made. A class that the recipe has merged into
another one since means the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mingolotss.candidates.decisions import Decision
from mingolotss.catalogue.judgement_rules import Judgement
from mingolotss.errors import DecisionError
from mingolotss.recipe.model import Recipe
from mingolotss.registry import nearest

__all__ = ["JudgedClasses"]

_MOST_SHOWN = 30  # classes in a message


class JudgedClasses:
    """Reads the classes of judgements.

    Parameters
    ----------
    recipe : Recipe
    classes : sequence of str
        The names of the classes of the dataset, by label.

    Attributes
    ----------
    has_tags : bool
        Whether a source can have several classes.
    """

    def __init__(self, recipe: Recipe, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.has_tags = recipe.classes.source == "tags"
        self._label_of = {name: label for label, name in enumerate(classes)}
        self._dropped = set[str]()
        table = recipe.classes.full_table
        if table and recipe.class_names == self.classes:
            new_labels, _ = recipe.classes.changes.apply_to([row.name for row in table])
            for row, label in zip(table, new_labels, strict=True):
                if label >= 0:
                    self._label_of.setdefault(row.name, label)
                elif row.name not in self._label_of:
                    self._dropped.add(row.name)

    def read(self, decision: Decision) -> Judgement | None:
        """Return the labels that a person gives to a source.

        Parameters
        ----------
        decision : Decision
            A ``confirm`` or ``classify``.

        Returns
        -------
        frozenset of int, or None
            None for a ``confirm`` without classes, as earlier versions wrote it, whose note does
            not name exactly one class.

        Raises
        ------
        DecisionError
            It names a class that the dataset does not have, or several where a source has one.
        """
        names = decision.classes
        if decision.verdict == "confirm" and not names and not self.has_tags:
            named = self._named_in(decision.note)
            return frozenset(named) if len(named) == 1 else None
        labels = frozenset(self._label(name, decision) for name in names)
        if len(labels) > 1 and not self.has_tags:
            raise DecisionError(
                f"{_attempt(decision)} {len(labels)} classes ({', '.join(names)}), and a source of "
                "this dataset has one class; give one, or set classes.from = 'tags' in the recipe"
            )
        return labels

    def read_all(
        self, judgements: Mapping[str, Decision]
    ) -> tuple[dict[str, Judgement], list[Decision]]:
        """Return the labels that each person gives to one source, and the rows without a class.

        Parameters
        ----------
        judgements : mapping of str to Decision
            By the name of the person (`candidates.decisions.judgements_in_force`).
        """
        read = {by: self.read(decision) for by, decision in judgements.items()}
        known = {by: labels for by, labels in read.items() if labels is not None}
        return known, [judgements[by] for by, labels in read.items() if labels is None]

    def _named_in(self, note: str) -> set[int]:
        """Return the labels of all classes that a note "is CLASS: remark" can mean."""
        return {
            label
            for name, label in self._label_of.items()
            if note == f"is {name}" or note.startswith(f"is {name}: ")
        }

    def _label(self, name: str, decision: Decision) -> int:
        label = self._label_of.get(name)
        if label is not None:
            return label
        if name in self._dropped:
            raise DecisionError(
                f"{_attempt(decision)} the class {name!r}, which classes.drop of the recipe leaves "
                "out; undo the judgement, or keep the class"
            )
        shown = ", ".join(self.classes[:_MOST_SHOWN])
        more = len(self.classes) - _MOST_SHOWN
        raise DecisionError(
            f"{_attempt(decision)} the class {name!r}, which is no class of the dataset:"
            f"{nearest(name, self.classes)} the classes are {shown}"
            + (f" and {more} more" if more > 0 else "")
        )


def _attempt(decision: Decision) -> str:
    by = decision.by or "a row without a name"
    return f"apply decisions.csv to {decision.source}: {by} gives it"
