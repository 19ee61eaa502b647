"""The settings of labels: how a row of the catalogue gets its class, its tags or its votes.

>>> settings = LabelSettings.model_validate({"from": "tags", "columns": ("fri", "wings")})
>>> [row.name for row in settings.full_table], settings.rules.classes
(['fri', 'wings'], ('fri', 'wings'))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from mingolotss.catalogue.labels import (
    ClassChanges,
    ClassRule,
    ColumnRules,
    FlagRules,
    MissingClass,
)
from mingolotss.catalogue.vector_rules import Rules, TagRules, VoteKind, VoteRules
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.settings import Settings

__all__ = ["ClassSettings", "LabelSettings"]


class ClassSettings(Settings):
    """One class of the table.

    Attributes
    ----------
    label : int
    name : str
    flags : tuple of str
        The flags that are true for this class, and no others.
    value : str
        The value of the class column.
    published : str
        The name in the published batches, if another.
    note : str
        What its galaxies look like.
    """

    label: int = Field(ge=0, le=32767)
    name: str
    flags: tuple[str, ...] = ()
    value: str = ""
    published: str = ""
    note: str = ""


class LabelSettings(Settings):
    """How a row of the catalogue gets its label.

    Attributes
    ----------
    source : {"flags", "column", "tags", "votes", "none"}
        ``from`` in a recipe.
    columns : tuple of str
        The columns of the flags, of the tags, or of the votes for each class.
    column : str
        The column of the class.
    table : tuple of ClassSettings
        By label.
    missing : {"error", "unlabelled"}
        What a row without a class is: without a value in a column, without any flag or vote.
    null : tuple of str
        Values of the column that mean that there is no class.
    votes : {"counts", "fractions"}
        What the columns of votes hold.
    total : str
        The column with the number of votes beside fractions; "" without one.
    least_fraction : float
        A source whose largest fraction of votes is less has no single class.
    binary : dict of str to tuple of int
        The labels in `table` of each of the two merged classes.
    merge : dict of str to tuple of str or int
        New classes, each of the classes with these names or labels; the others stay.
    drop : tuple of str or int
        Classes whose sources are left out.
    """

    source: Literal["flags", "column", "tags", "votes", "none"] = Field("none", alias="from")
    columns: tuple[str, ...] = ()
    column: str = ""
    table: tuple[ClassSettings, ...] = ()
    missing: MissingClass = "error"
    null: tuple[str, ...] = ()
    votes: VoteKind = "counts"
    total: str = ""
    least_fraction: float = Field(0.0, ge=0, le=1)
    binary: dict[str, tuple[int, ...]] = Field({})
    merge: dict[str, tuple[str | int, ...]] = Field({})
    drop: tuple[str | int, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> LabelSettings:
        if self.source == "flags":
            self._check_flags()
        if self.source == "column":
            if not self.column:
                raise ValueError("from = 'column' needs the name of the column: classes.column")
            values = [row.value or row.name for row in self.table]
            _check_unique("value", values)
            if both := set(values) & set(self.null):
                raise ValueError(f"null has values of the table: {', '.join(sorted(both))}")
        if self.source in {"tags", "votes"}:
            self._check_vectors()
        if self.source != "votes" and (self.votes != "counts" or self.total):
            raise ValueError("votes and total need from = 'votes'")
        # A label is also the index into the list of class names and the value in the batches of the
        # original dataset. A gap would be a class without name.
        labels = [row.label for row in self.table]
        if labels != list(range(len(labels))):
            raise ValueError(f"labels must count 0, 1, 2 ... in order, got {labels}")
        _check_unique("name", [row.name for row in self.table])
        unknown = {label for group in self.binary.values() for label in group} - set(labels)
        if unknown and labels:
            raise ValueError(f"binary has labels that no class has: {sorted(unknown)}")
        return self

    def _check_flags(self) -> None:
        """Check the flags of the classes."""
        absent = {flag for row in self.table for flag in row.flags} - set(self.columns)
        if not self.table:
            raise ValueError("from = 'flags' needs a table of classes: [[classes.table]]")
        if absent:
            raise ValueError(f"flags that are not in columns: {', '.join(sorted(absent))}")
        _check_unique("flags", [" + ".join(sorted(set(row.flags))) for row in self.table])

    def _check_vectors(self) -> None:
        """Check the columns of tags or votes, and the table that names their classes."""
        if not self.columns:
            raise ValueError(
                f"from = {self.source!r} needs the names of the columns: classes.columns"
            )
        _check_unique("column", self.columns)
        own = [row.flags for row in self.table]
        if self.table and own != [(column,) for column in self.columns]:
            raise ValueError(
                f"from = {self.source!r} with a table of classes needs one row for each of "
                "classes.columns, in their order, with flags = [the column]"
            )
        if self.source == "votes" and self.votes == "counts" and self.total:
            raise ValueError("total: the number of votes is the sum of the counts; leave it out")
        if self.source == "votes" and self.drop:
            raise ValueError(
                "drop: the votes for a class cannot be left out; merge it with another class, or "
                "select sources with catalogue.where"
            )

    @property
    def full_table(self) -> tuple[ClassSettings, ...]:
        """Return the classes before `merge` and `drop`; columns of tags and votes name them."""
        if self.table or self.source not in {"tags", "votes"}:
            return self.table
        return tuple(
            ClassSettings(label=label, name=column, flags=(column,))
            for label, column in enumerate(self.columns)
        )

    @model_validator(mode="after")
    def _changes_fit(self) -> LabelSettings:
        if (self.merge or self.drop) and self.source == "none":
            raise ValueError("merge and drop need classes: from = 'flags', for example")
        if empty := [name for name, members in self.merge.items() if not members or not name]:
            raise ValueError(f"merge: the group {empty[0]!r} needs a name and classes")
        if self.full_table:
            try:
                self.changes.apply_to([row.name for row in self.full_table])
            except CatalogueError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def changes(self) -> ClassChanges:
        """Return the merged and dropped classes."""
        return ClassChanges(tuple(self.merge.items()), self.drop)

    @property
    def final_table(self) -> tuple[ClassSettings, ...]:
        """Return the classes of the dataset: `table` after `merge` and `drop`."""
        table = self.full_table
        if not table or not (self.merge or self.drop):
            return table
        new_labels, names = self.changes.apply_to([row.name for row in table])
        rows = []
        for label, name in enumerate(names):
            old = [row for row, new in zip(table, new_labels, strict=True) if new == label]
            if name in self.merge:
                note = f"merged: {', '.join(row.name for row in old)}"
                rows.append(ClassSettings(label=label, name=name, note=note))
            else:
                rows.append(old[0].model_copy(update={"label": label}))
        return tuple(rows)

    @property
    def final_binary(self) -> dict[str, tuple[int, ...]]:
        """Return `binary` with the labels after `merge` and `drop`.

        Raises
        ------
        RecipeError
            A merged class has classes of both.
        """
        table = self.full_table
        if not table or not (self.merge or self.drop):
            return self.binary
        new_labels, names = self.changes.apply_to([row.name for row in table])
        members: dict[int, set[str]] = {}
        for old, new in enumerate(new_labels):
            groups = [name for name, labels in self.binary.items() if old in labels]
            members.setdefault(new, set()).update(groups or [""])
        mixed = [names[new] for new, groups in members.items() if new >= 0 and len(groups) > 1]
        if mixed:
            raise RecipeError(
                f"the class {mixed[0]!r} of classes.merge has classes of several groups of "
                "classes.binary; change one of them"
            )
        return {
            name: tuple(
                new for new, groups in sorted(members.items()) if new >= 0 and name in groups
            )
            for name in self.binary
        }

    @property
    def rules(self) -> Rules | None:
        """Return how a row gets its label."""
        names = tuple(row.name for row in self.full_table)
        if self.source == "none":
            return None
        if self.source == "tags":
            return TagRules(self.columns, names, self.missing, self.changes)
        if self.source == "votes":
            return VoteRules(
                self.columns, names, self.votes, self.total, self.least_fraction,
                self.missing, self.changes,
            )  # fmt: skip
        if self.source == "flags":
            rows = (ClassRule(row.label, row.name, row.flags) for row in self.table)
            return FlagRules(self.columns, tuple(rows), self.missing, self.changes)
        table = tuple((row.value or row.name, row.label, row.name) for row in self.table)
        return ColumnRules(
            self.column,
            table,
            self.missing,
            self.null,
            self.changes,
        )


def _check_unique(what: str, values: Sequence[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"two classes have the same {what}: {', '.join(map(repr, twice))}")
