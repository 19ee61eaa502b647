"""Select samples by the name of their split: ``train``, ``all``, ``train+val``, ``not fold-3``.

>>> splits = ("train", "test", "val", "train")
>>> np.flatnonzero(select(splits, "train+val", "x")).tolist()
[0, 2, 3]
>>> np.flatnonzero(select(splits, "not test", "x")).tolist()
[0, 2, 3]
>>> select(splits, "dev", "x")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: load 'dev' from x: no split 'dev'; it has test, train, val
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import InputError

__all__ = ["in_order", "select"]

_PLACES = {"train": 0, "test": 2}  # all others are between them


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of splits in the order in which they are shown: train first, test last.

    >>> in_order(["test", "val", "dev", "train"])
    ['train', 'dev', 'val', 'test']
    """
    return sorted(names, key=lambda name: (_PLACES.get(name, 1), name))


def select(splits: Sequence[str], split: str, origin: str) -> NDArray[np.bool_]:
    """Mark the samples of one split, or of several.

    Parameters
    ----------
    splits : sequence of str
        The split of each sample.
    split : str
        A split, several joined by "+", either after "not ", or "all".
    origin : str
        Where the samples come from, for the error message.

    Returns
    -------
    bool array, one per sample

    Raises
    ------
    InputError
        There is no such split. "train" and "test" may be empty without being an error.
    """
    names = split.removeprefix("not ").split("+")
    known = set(splits)
    for name in names:
        if name not in known | {"train", "test", "all"}:
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"load {split!r} from {origin}: no split {name!r}; it has {listed}")
    is_named: NDArray[np.bool_] = np.isin(np.array(splits, dtype=str), names) | ("all" in names)
    return ~is_named if split.startswith("not ") else is_named
