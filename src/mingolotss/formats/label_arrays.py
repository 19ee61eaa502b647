"""Tags and votes as arrays, under the same names in every format that holds arrays.

``tags`` has a row of 0 and 1 for each image, and ``votes`` a row of fractions beside the number of
votes, ``votes_total``. The columns are the classes, in the order of their labels. A dataset of
single classes has none of these arrays.

>>> arrays = label_arrays(LabelVectors.of_votes([[0.75, 0.25], [np.nan, np.nan]], [8, np.nan]))
>>> sorted(arrays), arrays["votes"].dtype
(['votes', 'votes_total'], dtype('float64'))
>>> vectors_of_arrays(arrays, 2, 2).is_labelled.tolist()
[True, False]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_names import (
    LARGEST_FRACTION,
    TAGS_NAME,
    VOTES_NAME,
    VOTES_TOTAL_NAME,
)

__all__ = [
    "LABEL_NOTES",
    "label_arrays",
    "read_label_rows",
    "vectors_of_arrays",
]

LABEL_NOTES = {
    TAGS_NAME: "n, class as in the attribute classes; 1: has this tag, -1: unlabelled",
    VOTES_NAME: "n, class as in the attribute classes; fraction of the votes, NaN: unlabelled",
    VOTES_TOTAL_NAME: "number of votes; NaN: not known",
}


def label_arrays(vectors: LabelVectors | None) -> dict[str, npt.NDArray[np.int8 | np.float64]]:
    """Return tags, int8, or votes, float64, shape (n, classes), by the names of their arrays."""
    if vectors is None:
        return {}
    if vectors.kind == "tags":
        return {TAGS_NAME: np.asarray(vectors.values, np.int8)}
    return {
        VOTES_NAME: np.asarray(vectors.values, np.float64),
        VOTES_TOTAL_NAME: np.asarray(vectors.totals, np.float64),
    }


def vectors_of_arrays(
    arrays: Mapping[str, npt.NDArray[np.generic]], n: int, n_classes: int
) -> LabelVectors | None:
    """Return the tags or votes of `n` images from the arrays of a file; None if it has none.

    Parameters
    ----------
    arrays : mapping of str to array
        Those of `LABEL_NAMES` that the file has.
    n, n_classes : int

    Raises
    ------
    ValueError
        An array has another type or shape, or values that are no tags and no votes.
    """
    if TAGS_NAME in arrays:
        tags = _checked(arrays, TAGS_NAME, "i1", (n, n_classes))
        if tags.min(initial=0) < -1 or tags.max(initial=0) > 1:
            raise ValueError(f"tags from {tags.min()} to {tags.max()}")
        _check_rows(tags < 0, TAGS_NAME)
        return LabelVectors.of_tags(tags)
    if VOTES_NAME not in arrays:
        return None
    fractions = _checked(arrays, VOTES_NAME, "f8", (n, n_classes))
    unknown = np.isnan(fractions)
    if not ((fractions >= 0) & (fractions <= LARGEST_FRACTION) | unknown).all():
        raise ValueError("votes that are no fractions from 0 to 1")
    _check_rows(unknown, VOTES_NAME)
    totals = np.full(n, np.nan)
    if VOTES_TOTAL_NAME in arrays:
        totals = _checked(arrays, VOTES_TOTAL_NAME, "f8", (n,))
    return LabelVectors.of_votes(fractions, totals)


def read_label_rows(rows: Sequence[Mapping[str, object]], n_classes: int) -> LabelVectors | None:
    """Return the tags or votes of rows of a manifest; None if no row has any.

    Parameters
    ----------
    rows : sequence of mapping
        Further keys may be there.
    n_classes : int

    Raises
    ------
    DatasetError, ValueError
        Tags that are no classes, or another number of fractions than there are classes.
    """
    import pyarrow as pa  # 90 ms; arrays are read without it

    from mingolotss.dataset.label_columns import VECTOR_COLUMNS, read_vectors

    fields = [field for field in VECTOR_COLUMNS if any(field.name in row for row in rows)]
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in fields]
    return read_vectors(pa.table(columns, pa.schema(fields)), n_classes)


def _checked(
    arrays: Mapping[str, npt.NDArray[np.generic]], name: str, kind: str, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return an array in the byte order of this machine, after a check of its type and shape."""
    array = arrays[name]
    if array.dtype.kind + str(array.dtype.itemsize) != kind or array.shape != shape:
        raise ValueError(f"{name} of type {array.dtype} and shape {array.shape}, not {shape}")
    return array.astype(kind, copy=False)


def _check_rows(unlabelled: npt.NDArray[np.bool_], name: str) -> None:
    """Check that an image is unlabelled for all classes or for none."""
    if (unlabelled.any(axis=1) != unlabelled.all(axis=1)).any():
        raise ValueError(f"{name} of an image for some of the classes only")
