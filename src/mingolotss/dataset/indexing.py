"""Indices of samples: what a user may give in square brackets, and to ``take``.

>>> sample_index(-1, 10, "Arrays"), sample_index(slice(2, 8, 3), 10, "Arrays")
(9, range(2, 8, 3))
>>> sample_rows([True, False, True], 3).tolist(), sample_rows([0, -1], 3).tolist()
([0, 2], [0, 2])
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex, cast

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.model import Ints

__all__ = ["sample_index", "sample_rows", "select_texts"]


def sample_index(
    index: SupportsIndex | slice, count: int, kind: str, what: str = "samples"
) -> int | range:
    """Return an index from 0, or the indices of a slice.

    Parameters
    ----------
    index : int or slice
        A negative index counts from the end.
    count : int
        Number of samples.
    kind : str
        Name of the type that is indexed, for messages.
    what : str
        What it consists of, for messages.

    Raises
    ------
    IndexError
        There is no such sample; loops end with it.
    TypeError
        It is neither an index nor a slice.

    >>> sample_index([0, 2], 10, "MingoLoTSS")
    Traceback (most recent call last):
        ...
    TypeError: index MingoLoTSS with [0, 2]: give one index or a slice; take(...) selects several
    """
    if isinstance(index, slice):
        return range(*index.indices(count))
    try:
        place = operator.index(index)
    except TypeError:
        hint = " or a slice; take(...) selects several" if what == "samples" else ""
        raise TypeError(f"index {kind} with {index!r:.80}: give one index{hint}") from None
    if not -count <= place < count:
        raise IndexError(f"index {kind} with {place}: it has {count} {what}")
    return place % count


def sample_rows(selection: npt.ArrayLike | range, count: int) -> Ints:
    """Return the indices, from 0, of selected samples.

    Parameters
    ----------
    selection : array-like of int or of bool
        Indices in any order, or a boolean for each sample.
    count : int
        Number of samples.

    Raises
    ------
    InputError
        It is neither, or there are no such samples.
    """
    rows = np.asarray(selection)
    if rows.dtype == bool and rows.shape == (count,):
        return cast("Ints", np.flatnonzero(rows))
    if not rows.size and rows.ndim == 1:
        return np.empty(0, np.int64)
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise InputError(
            f"take samples: {selection!r:.80} is of type {rows.dtype} and shape {rows.shape}; "
            f"give indices, or a boolean for each of the {count} samples"
        )
    if not -count <= rows.min() <= rows.max() < count:
        raise InputError(
            f"take samples: indices from {rows.min()} to {rows.max()} of {count} samples"
        )
    return rows.astype(np.int64) % count


def select_texts(texts: Sequence[str], rows: npt.NDArray[np.integer]) -> tuple[str, ...]:
    """Return the texts of some samples; none if there are none at all."""
    return tuple(texts[row] for row in rows.tolist()) if texts else ()
