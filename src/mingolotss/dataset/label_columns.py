"""The columns of a manifest that hold tags or votes, as arrays and back.

``tags`` is a list of the numbers of the tags of a source; it is empty for a source without any, and
null for an unlabelled one. ``votes`` is a list with the fraction of each class, null for an
unlabelled source, and ``votes_total`` the number of votes. The names of the classes are in the
metadata of the field ``tags`` or ``votes``.

>>> columns = vector_columns(LabelVectors.of_tags([[1, 0], [1, 1], [0, 0], [-1, -1]]))
>>> columns["tags"].to_pylist()
[[0], [0, 1], [], None]
>>> table = pa.table(columns, pa.schema([with_class_names(TAGS, ("FRI", "NAT"))]))
>>> read_vectors(table, 2).values.tolist(), class_names_of(table.schema)
([[1, 0], [1, 1], [0, 0], [-1, -1]], ('FRI', 'NAT'))
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.labels import UNLABELLED, Labels
from mingolotss.dataset.label_names import (
    LARGEST_FRACTION,
    TAGS_NAME,
    VOTES_NAME,
    VOTES_TOTAL_NAME,
)
from mingolotss.errors import DatasetError
from mingolotss.io.arrow_values import fill_null, flatten_lists
from mingolotss.io.documents import parse_json

__all__ = [
    "JOINED_BY",
    "TAGS",
    "VECTOR_COLUMNS",
    "VOTES",
    "VOTES_TOTAL",
    "class_names_of",
    "class_texts",
    "is_list",
    "join_names",
    "read_vectors",
    "vector_columns",
    "vector_names",
    "with_class_names",
]

TAGS = pa.field(TAGS_NAME, pa.list_(pa.int16()))
VOTES = pa.field(VOTES_NAME, pa.list_(pa.float64()))
VOTES_TOTAL = pa.field(VOTES_TOTAL_NAME, pa.float64())
VECTOR_COLUMNS = pa.schema([TAGS, VOTES, VOTES_TOTAL])
_CLASSES_KEY = b"classes"
JOINED_BY = " + "


def with_class_names(field: pa.Field, classes: Sequence[str]) -> pa.Field:
    """Return a field whose metadata name the classes."""
    return field.with_metadata({_CLASSES_KEY: json.dumps(list(classes)).encode()})


def is_list(kind: pa.DataType) -> bool:
    """Return whether a type is one of lists, of any length or of a fixed one."""
    tests = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    return any(is_kind(kind) for is_kind in tests)


def vector_names(schema: pa.Schema) -> list[str]:
    """Return the names of the columns of tags or votes; none for a dataset of single classes.

    A column of another type that the catalogue had under one of these names is not theirs.
    """
    names = [
        name
        for name in (TAGS.name, VOTES.name)
        if name in schema.names and is_list(schema.field(name).type)
    ]
    has_total = names == [VOTES.name] and VOTES_TOTAL.name in schema.names
    return [*names, VOTES_TOTAL.name] if has_total else names


def class_names_of(schema: pa.Schema) -> tuple[str, ...]:
    """Return the names of the classes in the metadata of ``tags`` or ``votes``; () without."""
    for name in (TAGS.name, VOTES.name):
        if name in vector_names(schema):
            text = (schema.field(name).metadata or {}).get(_CLASSES_KEY, b"[]")
            try:
                names = parse_json(text)
            except ValueError:
                return ()
            if isinstance(names, list) and all(isinstance(one, str) for one in names):
                return tuple(names)
    return ()


def join_names(vectors: LabelVectors, classes: Sequence[str]) -> pa.Array:
    """Return the names of the tags of each source as one text, null where it is unlabelled."""
    # Few combinations occur, so that each text is made once and not for every row.
    values, codes = np.unique(vectors.values, axis=0, return_inverse=True)
    texts = [
        None
        if (row < 0).any()
        else JOINED_BY.join(classes[label] for label in np.flatnonzero(row).tolist())
        for row in values
    ]
    return pa.array(texts, pa.string()).take(pa.array(codes.reshape(-1)))


def class_texts(labels: Labels, vectors: LabelVectors | None, classes: Sequence[str]) -> pa.Array:
    """Return the column ``class`` of sources with these labels, null where there is no class."""
    if vectors is not None and vectors.kind == "tags":
        return join_names(vectors, classes)
    numbers = pa.array(labels, mask=labels == UNLABELLED)
    return pa.array(classes, pa.string()).take(numbers)


def vector_columns(vectors: LabelVectors) -> dict[str, pa.Array]:
    """Return the columns of a manifest that hold these vectors."""
    unlabelled = ~vectors.is_labelled
    if vectors.kind == "tags":
        rows, labels = np.nonzero(vectors.values > 0)
        counts = np.bincount(rows, minlength=len(vectors))
        return {TAGS.name: _lists(labels.astype(np.int16), counts, unlabelled, TAGS.type)}
    counts = np.where(unlabelled, 0, vectors.n_classes)
    values = vectors.values[~unlabelled].reshape(-1)
    return {
        VOTES.name: _lists(values, counts, unlabelled, VOTES.type),
        VOTES_TOTAL.name: pa.array(vectors.totals, pa.float64(), mask=np.isnan(vectors.totals)),
    }


def read_vectors(table: pa.Table, n_classes: int) -> LabelVectors | None:
    """Return the tags or votes of the rows of a table; None if it has neither column.

    Parameters
    ----------
    table : pyarrow.Table
    n_classes : int

    Raises
    ------
    DatasetError
        A tag is no class, a row has another number of fractions than there are classes, or a
        fraction is less than 0 or more than 1.
    """
    names = vector_names(table.schema)
    if TAGS.name in names:
        column = _one_array(table[TAGS.name], TAGS.type)
        rows = np.repeat(np.arange(len(column)), _lengths(column))
        labels = fill_null(flatten_lists(column), -1).to_numpy().astype(np.int64)
        if len(labels) and not 0 <= labels.min() <= labels.max() < n_classes:
            raise DatasetError(
                f"read a dataset: tags from {labels.min()} to {labels.max()} for {n_classes} class "
                "names; fetch or build it again"
            )
        values = np.zeros((len(column), n_classes), np.int8)
        values[rows, labels] = 1
        values[np.asarray(column.is_null())] = -1
        return LabelVectors.of_tags(values)
    if VOTES.name not in names:
        return None
    column = _one_array(table[VOTES.name], VOTES.type)
    is_null = np.asarray(column.is_null())
    if (wrong := (_lengths(column) != n_classes) & ~is_null).any():
        row = int(np.flatnonzero(wrong)[0])
        raise DatasetError(
            f"read a dataset: {_lengths(column)[row]} fractions of votes in row {row} for "
            f"{n_classes} class names; fetch or build it again"
        )
    fractions = np.full((len(column), n_classes), np.nan)
    flat = flatten_lists(column).to_numpy(zero_copy_only=False)
    if not ((flat >= 0) & (flat <= LARGEST_FRACTION)).all():  # a null in a list is NaN here
        raise DatasetError(
            "read a dataset: votes that are no fractions from 0 to 1; fetch or build it again"
        )
    fractions[~is_null] = flat.reshape(-1, n_classes)
    totals = np.full(len(column), np.nan)
    if VOTES_TOTAL.name in names:
        totals = table[VOTES_TOTAL.name].cast(pa.float64()).to_numpy()
    return LabelVectors.of_votes(fractions, totals)


def _lists(
    values: np.ndarray, counts: np.ndarray, is_null: np.ndarray, kind: pa.DataType
) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values, kind.value_type), type=kind, mask=pa.array(is_null)
    )


def _one_array(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    whole = column.cast(kind).combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _lengths(column: pa.Array) -> np.ndarray:
    lengths: np.ndarray = column.value_lengths().fill_null(0).to_numpy()
    return lengths
