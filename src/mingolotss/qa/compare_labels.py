"""The sources of two datasets whose labels differ: single classes, tags or votes.

>>> tags = LabelVectors.of_tags([[1, 0], [1, 1], [0, 0], [-1, -1]])
>>> labels_in_words(np.full(4, -1), tags, ("FRI", "NAT"))
['FRI', 'FRI + NAT', 'no tag', '']
>>> votes = LabelVectors.of_votes([[0.75, 0.25], [1, 0]], [8, np.nan])
>>> labels_in_words(np.array([0, 0]), votes, ("FRI", "NAT"))
['FRI 0.75, NAT 0.25 of 8 votes', 'FRI 1']
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_origins import FROM_CATALOGUE, LABEL_FROM
from mingolotss.dataset.label_words import class_name, tags_text
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.samples import Arrays
from mingolotss.io.parquet import read_schema, read_table
from mingolotss.model import Ints
from mingolotss.qa.comparison import KINDS, LABELS, TAGS, VOTES, DifferenceRow, rows_of

__all__ = ["compare_labels", "labels_in_words", "read_origins"]

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
            labels_in_words(one.labels, None, one.classes) if by_name else list(map(str, numbers))
            for one, numbers in zip((first, second), labels, strict=True)
        ]
        return [
            DifferenceRow(LABELS, name, texts[0][i], texts[1][j])
            for name, i, j in pairs
            if labels[0][i] != labels[1][j]
        ]
    if kinds[0] != kinds[1] or first.vectors is None or second.vectors is None:
        a, b = (labels_in_words(one.labels, one.vectors, one.classes) for one in (first, second))
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
    equal = ((values[0] == values[1]) | (np.isnan(values[0]) & np.isnan(values[1]))).all(axis=1)
    differing = np.flatnonzero(~equal)
    names = [pairs[place][0] for place in differing.tolist()]
    short, full = (
        [
            labels_in_words(one.labels[rows], one.vectors.take(rows), one.classes, in_full=in_full)
            for one, rows in ((first, places[0][differing]), (second, places[1][differing]))
            if one.vectors is not None
        ]
        for in_full in (False, True)
    )
    columns = zip(names, *short, *full, strict=True)
    kind = TAGS if kinds[0] == "tags" else VOTES
    return [
        DifferenceRow(kind, name, a, b) if a != b else DifferenceRow(kind, name, all_a, all_b)
        for name, a, b, all_a, all_b in columns
    ]


def _kind(arrays: Arrays) -> str:
    return "classes" if arrays.vectors is None else arrays.vectors.kind


def _padded(vectors: LabelVectors, rows: Ints, n_classes: int) -> npt.NDArray[np.float64]:
    """Return the vectors of rows with 0 for further classes, and the number of votes at the end."""
    values = np.zeros((len(rows), n_classes + 1))
    values[:, : vectors.n_classes] = vectors.values[rows]
    values[:, -1] = vectors.totals[rows]
    return values


def labels_in_words(
    labels: Ints,
    vectors: LabelVectors | None,
    classes: Sequence[str],
    *,
    in_full: bool = False,
) -> list[str]:
    """Return all that is known of the labels of sources in words, "" for an unlabelled one.

    Parameters
    ----------
    labels : int array, shape (n,)
    vectors : LabelVectors or None
    classes : sequence of str
    in_full : bool
        Fractions have all their digits, and tags their numbers: names may be joined to one text in
        several ways.
    """
    if vectors is None:
        return [class_name(label, classes) for label in labels.tolist()]
    texts = []
    for row, total, is_labelled in zip(
        vectors.values, vectors.totals.tolist(), vectors.is_labelled.tolist(), strict=True
    ):
        own = np.flatnonzero(row > 0).tolist()
        digits = 17 if in_full else 4
        text = ", ".join(f"{classes[label]} {row[label]:.{digits}g}" for label in own) or "no class"
        if vectors.kind == "tags":
            names = [f"{label} {name}" for label, name in enumerate(classes)]
            text = tags_text(own, names if in_full else classes)
        elif not math.isnan(total):
            text += f" of {total:g} votes"
        texts.append(text if is_labelled else "")
    return texts
