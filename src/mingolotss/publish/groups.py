"""Merge the classes of records into groups, for example FRI and FRII."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import merge_labels
from mingolotss.errors import InputError

__all__ = ["binary_groups", "merge_records", "parse_groups"]


def merge_records(records: Records, groups: Mapping[str, Sequence[str | int]]) -> Records:
    """Return the records of the groups' classes, labelled by group.

    Parameters and errors are those of `mingolotss.dataset.samples.merge_labels`.
    """
    labels = merge_labels(records.labels, records.classes, groups)
    members, labels = records.take(labels >= 0), labels[labels >= 0]
    classes = tuple(groups)
    table = members.table
    for name, values in (("label", labels), ("class", [classes[label] for label in labels])):
        index, field = table.column_names.index(name), MANIFEST.field(name)
        table = table.set_column(index, name, pa.array(values).cast(field.type))
    return Records(table, classes, records.origin)


def parse_groups(texts: Sequence[str]) -> dict[str, tuple[str | int, ...]]:
    """Read groups of classes as the command line gives them.

    Raises
    ------
    InputError
        A text is not of the form NAME=CLASS,CLASS.

    Examples
    --------
    >>> parse_groups(["FRI=0,1,FRI WAT", "FRII=4"])
    {'FRI': (0, 1, 'FRI WAT'), 'FRII': (4,)}
    """
    groups: dict[str, tuple[str | int, ...]] = {}
    for text in texts:
        name, equals, members = text.partition("=")
        words = [word.strip() for word in members.split(",") if word.strip()]
        if not equals or not name.strip() or not words:
            raise InputError(f"merge classes: {text!r} should be NAME=CLASS,CLASS, e.g. FRI=0,1,2")
        groups[name.strip()] = tuple(int(word) if word.isdigit() else word for word in words)
    return groups


def binary_groups(folder: Path | str) -> dict[str, tuple[int, ...]]:
    """Return the two groups that a dataset's recipe names as binary classes.

    Raises
    ------
    InputError
        The recipe names none, or there is no recipe.
    """
    provenance = read_provenance(Path(folder))
    if provenance is None or not provenance.recipe.classes.binary:
        raise InputError(f"export {folder}: its recipe names no binary classes; use --merge")
    return dict(provenance.recipe.classes.final_binary)
