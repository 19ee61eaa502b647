"""``metadata.jsonl``: the tags or votes of the PNG files of a folder, where no class folder fits.

Hugging Face `datasets` reads it beside the images (https://huggingface.co/docs/datasets/image_load,
"ImageFolder"): a JSON object in each line, with the name of the file in ``file_name``. Tags are a
list of names, null for an unlabelled image. Votes are a list of fractions in the order of
``classes.json``, beside the number of votes and the label of the class with the most of them.

>>> tags = LabelVectors.of_tags([[1, 0, 1]])
>>> print(render_metadata(["A.png"], ["A"], [-1], tags, ("x", "y", "z, w")).decode(), end="")
{"file_name": "A.png", "source": "A", "tags": ["x", "z, w"]}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import TAGS, VOTES, VOTES_TOTAL
from mingolotss.formats.label_arrays import vectors_of_arrays
from mingolotss.io.documents import parse_json
from mingolotss.io.file_names import is_file_name
from mingolotss.io.files import read_bounded
from mingolotss.model import Ints

__all__ = ["label_entries", "labels_of_metadata", "read_metadata", "render_metadata"]

_FILE, _SOURCE, _LABEL = "file_name", "source", "label"


def render_metadata(
    files: Sequence[str],
    sources: Sequence[str],
    labels: Sequence[int],
    vectors: LabelVectors,
    classes: Sequence[str],
) -> bytes:
    """Return the content of the file.

    Parameters
    ----------
    files, sources : sequence of str, length n
        The name of each file, and of its source.
    labels : sequence of int, length n
        -1 where there is no single class.
    vectors : LabelVectors, n rows
    classes : sequence of str
    """
    lines = [
        json.dumps({_FILE: file, _SOURCE: source, **entry})
        for file, source, entry in zip(
            files, sources, label_entries(labels, vectors, classes), strict=True
        )
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def label_entries(
    labels: Sequence[int], vectors: LabelVectors, classes: Sequence[str]
) -> list[dict[str, object]]:
    """Return the tags or votes of each image as JSON has them, as `labels_of_metadata` reads them.

    The arguments are those of `render_metadata`.
    """
    labelled = vectors.is_labelled.tolist()
    if vectors.kind == "tags":
        names = [
            [classes[label] for label in np.flatnonzero(row > 0).tolist()] for row in vectors.values
        ]
        return [
            {TAGS.name: own if is_labelled else None}
            for own, is_labelled in zip(names, labelled, strict=True)
        ]
    totals = vectors.totals.tolist()
    rows = zip(labels, vectors.values.tolist(), totals, labelled, strict=True)
    return [
        {
            _LABEL: None if label < 0 else label,
            VOTES.name: fractions if is_labelled else None,
            VOTES_TOTAL.name: None if math.isnan(total) else total,
        }
        for label, fractions, total, is_labelled in rows
    ]


def read_metadata(path: Path) -> dict[str, Mapping[str, object]]:
    """Read the file: what it says of each image, by the name of the image's file.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is no such file.
    """
    rows: dict[str, Mapping[str, object]] = {}
    for line in read_bounded(path).splitlines():
        row = parse_json(line)
        name = row.get(_FILE) if isinstance(row, dict) else None
        if not isinstance(name, str) or not is_file_name(name):
            raise ValueError(f"{path.parent.name}/{path.name} has a line without a {_FILE}")
        rows[name] = row
    return rows


def labels_of_metadata(
    rows: Sequence[Mapping[str, object]], classes: Sequence[str]
) -> tuple[Ints, LabelVectors]:
    """Return labels, and tags or votes, of images from their lines.

    Raises
    ------
    ValueError
        They have neither, or tags that are no classes, or votes that are no fractions.
    """
    n, k = len(rows), len(classes)
    labels: Ints = np.full(n, -1)
    if any(VOTES.name in row for row in rows):
        fractions = np.full((n, k), np.nan)
        totals = np.full(n, np.nan)
        for index, row in enumerate(rows):
            fractions[index] = _numbers(row.get(VOTES.name), k)
            totals[index] = _numbers([row.get(VOTES_TOTAL.name)], 1)[0]
            label = row.get(_LABEL)
            labels[index] = label if isinstance(label, int) and 0 <= label < k else -1
        votes = vectors_of_arrays({VOTES.name: fractions, VOTES_TOTAL.name: totals}, n, k)
        return labels, votes or LabelVectors.of_votes(fractions, totals)
    number_of = {name: label for label, name in enumerate(classes)}
    tags = np.zeros((n, k), np.int8)
    for index, row in enumerate(rows):
        names = row[TAGS.name]
        if names is None:
            tags[index] = -1
            continue
        if not isinstance(names, list) or not all(name in number_of for name in names):
            raise ValueError(f"tags {names!r:.80}, which are no classes of the dataset")
        tags[index, [number_of[name] for name in names]] = 1
    return labels, LabelVectors.of_tags(tags)


def _numbers(values: object, count: int) -> list[float]:
    """Return numbers of JSON, NaN for null."""
    if values is None:
        return [np.nan] * count
    plain = (
        [np.nan if value is None else value for value in values] if isinstance(values, list) else []
    )
    if len(plain) != count or not all(isinstance(value, float | int) for value in plain):
        raise ValueError(f"votes {values!r:.80}, where {count} numbers are expected")
    return [float(value) for value in plain]
