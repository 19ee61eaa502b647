"""Merge the classes of records into groups, for example FRI and FRII."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import (
    TAGS,
    VOTES,
    join_names,
    vector_columns,
    with_class_names,
)
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import merge_labels, merge_vectors
from mingolotss.errors import InputError
from mingolotss.io.files import locate

__all__ = ["binary_groups", "merge_records", "parse_groups"]


def merge_records(
    records: Records, groups: Mapping[str, Sequence[str | int]], least_fraction: float = 0.0
) -> Records:
    """Return the records of the groups' classes, labelled by group.

    All records with tags or votes remain, with those of the groups.

    Parameters
    ----------
    records : Records
    groups : mapping
        As for `mingolotss.dataset.samples.Arrays.merge`.
    least_fraction : float
        A source of votes has no single class if its largest fraction is less.

    Raises
    ------
    InputError
        As for `mingolotss.dataset.samples.Arrays.merge`.
    """
    if (vectors := records.vectors) is not None:
        merged = merge_vectors(vectors, records.classes, groups)
        return _with_vectors(records, merged, tuple(groups), least_fraction)
    labels = merge_labels(records.labels, records.classes, groups)
    members, labels = records.take(labels >= 0), labels[labels >= 0]
    classes = tuple(groups)
    table = members.table
    for name, values in (("label", labels), ("class", [classes[label] for label in labels])):
        index, field = table.column_names.index(name), MANIFEST.field(name)
        table = table.set_column(index, name, pa.array(values).cast(field.type))
    return replace(members, table=table, classes=classes)


def _with_vectors(
    records: Records, vectors: LabelVectors, classes: tuple[str, ...], least_fraction: float
) -> Records:
    """Return records with other tags or votes, of other classes."""
    table, labels = records.table, vectors.single_labels(least_fraction)
    label = pa.array(labels, mask=labels < 0)
    names = join_names(vectors, classes)
    if vectors.kind == "votes":
        names = pa.array(classes, pa.string()).take(label)
    columns = {"label": label, "class": names, **vector_columns(vectors)}
    for name, values in columns.items():
        index = table.column_names.index(name)
        field = table.schema.field(name)
        if name in (TAGS.name, VOTES.name):
            field = with_class_names(field, classes)
        table = table.set_column(index, field, values.cast(field.type))
    return replace(records, table=table, classes=classes)


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
    provenance = read_provenance(locate(folder))
    if provenance is None or not provenance.recipe.classes.binary:
        raise InputError(f"export {folder}: its recipe names no binary classes; use --merge")
    return dict(provenance.recipe.classes.final_binary)
