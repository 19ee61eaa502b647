"""The sources of two datasets whose labels differ: single classes, tags or votes.

>>> tags = LabelVectors.of_tags([[1, 0], [1, 1], [0, 0], [-1, -1]])
>>> label_texts(np.full(4, -1), tags, ("FRI", "NAT"))
['FRI', 'FRI + NAT', 'no tag', '']
>>> votes = LabelVectors.of_votes([[0.75, 0.25], [1, 0]], [8, np.nan])
>>> label_texts(np.array([0, 0]), votes, ("FRI", "NAT"))
['FRI 0.75, NAT 0.25 of 8 votes', 'FRI 1']
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import JOINED_BY
from mingolotss.dataset.label_origins import FROM_CATALOGUE, LABEL_FROM
from mingolotss.dataset.label_words import class_name
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.samples import Arrays
from mingolotss.io.parquet import read_schema, read_table
from mingolotss.model import Ints
from mingolotss.qa.comparison import KINDS, LABELS, TAGS, VOTES, DifferenceRow, rows_of

__all__ = ["compare_labels", "label_texts", "read_origins"]

_Pairs = Sequence[tuple[str, int, int]]
Origins = Mapping[str, str]


def read_origins(folder: Path) -> Origins | None:
    """Return where the label of each source comes from, by its name; None if it is not recorded."""
    path = DatasetFolder(folder).manifest
    if not (folder.is_dir() and path.is_file()):
        return None
    if LABEL_FROM.name not in read_schema(path).names:
        return None
    table = read_table(path, ["source", LABEL_FROM.name])
    texts = (text or "" for text in table[LABEL_FROM.name].to_pylist())
    return dict(zip(table["source"].to_pylist(), texts, strict=True))


def compare_labels(
    first: Arrays,
    second: Arrays,
    pairs: _Pairs,
    origins: tuple[Origins | None, Origins | None] = (None, None),
) -> list[DifferenceRow]:
    """Return a row for each source whose labels differ, and one if they are of another kind.

    Parameters
    ----------
    first, second : Arrays
    pairs : sequence of (str, int, int)
        The name of each source that both have, and its index in each.
    origins : tuple of (mapping or None, mapping or None)
        From `read_origins`, of both datasets. If one of them has judgements of people, the rows
        name where both labels come from.
    """
    rows = _differing_labels(first, second, pairs, by_name=origins != (None, None))
    if origins == (None, None):
        return rows
    a, b = ({} if one is None else one for one in origins)
    return [
        row
        if row.kind == KINDS
        else row._replace(a=_with_origin(row.a, row.name, a), b=_with_origin(row.b, row.name, b))
        for row in rows
    ]


def _with_origin(text: str, name: str, origins: Origins) -> str:
    """Return a label with its origin; a dataset without judgements has those of the catalogue."""
    return f"{text or 'none'} ({origins.get(name, FROM_CATALOGUE)})"


def _differing_labels(
    first: Arrays, second: Arrays, pairs: _Pairs, *, by_name: bool
) -> list[DifferenceRow]:
    """Return the rows of `compare_labels` without origins, single classes `by_name` or number."""
    kinds = [_kind(arrays) for arrays in (first, second)]
    if kinds == ["classes", "classes"]:
        labels = [one.labels.tolist() for one in (first, second)]
        texts = [
            label_texts(one.labels, None, one.classes) if by_name else list(map(str, numbers))
            for one, numbers in zip((first, second), labels, strict=True)
        ]
        return [
            DifferenceRow(LABELS, name, texts[0][i], texts[1][j])
            for name, i, j in pairs
            if labels[0][i] != labels[1][j]
        ]
    a, b = (label_texts(one.labels, one.vectors, one.classes) for one in (first, second))
    if kinds[0] != kinds[1] or first.vectors is None or second.vectors is None:
        rows = ((name, a[i], b[j]) for name, i, j in pairs)
        return [DifferenceRow(KINDS, "labels", *kinds), *rows_of(LABELS, rows)]
    # By number as single classes: names that differ have rows of their own. A text may stand for
    # several sets of tags, and has not all digits of a fraction.
    places = [np.array([pair[side] for pair in pairs], np.int64) for side in (1, 2)]
    n_classes = max(first.n_classes, second.n_classes)
    values = [
        _padded(vectors, rows, n_classes)
        for vectors, rows in zip((first.vectors, second.vectors), places, strict=True)
    ]
    differ = ~((values[0] == values[1]) | (np.isnan(values[0]) & np.isnan(values[1]))).all(axis=1)
    kind = TAGS if kinds[0] == "tags" else VOTES
    return [
        DifferenceRow(kind, name, a[i], b[j])
        for (name, i, j), differs in zip(pairs, differ.tolist(), strict=True)
        if differs
    ]


def _kind(arrays: Arrays) -> str:
    return "classes" if arrays.vectors is None else arrays.vectors.kind


def _padded(vectors: LabelVectors, rows: Ints, n_classes: int) -> npt.NDArray[np.float64]:
    """Return the vectors of rows with 0 for further classes, and the number of votes at the end."""
    values = np.zeros((len(rows), n_classes + 1))
    values[:, : vectors.n_classes] = vectors.values[rows]
    values[:, -1] = vectors.totals[rows]
    return values


def label_texts(labels: Ints, vectors: LabelVectors | None, classes: Sequence[str]) -> list[str]:
    """Return the labels of sources in words, "" for an unlabelled one.

    Parameters
    ----------
    labels : int array, shape (n,)
    vectors : LabelVectors or None
    classes : sequence of str
    """
    if vectors is None:
        return [class_name(label, classes) for label in labels.tolist()]
    columns = zip(
        vectors.values, vectors.totals.tolist(), vectors.is_labelled.tolist(), strict=True
    )
    return [
        _text(vectors.kind, row, total, classes) if is_labelled else ""
        for row, total, is_labelled in columns
    ]


def _text(
    kind: str, row: npt.NDArray[np.int8 | np.float64], total: float, classes: Sequence[str]
) -> str:
    own = np.flatnonzero(row > 0).tolist()
    if kind == "tags":
        return JOINED_BY.join(classes[label] for label in own) or "no tag"
    shares = ", ".join(f"{classes[label]} {row[label]:.4g}" for label in own)
    return shares if math.isnan(total) else f"{shares} of {total:g} votes"
