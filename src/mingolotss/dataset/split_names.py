"""Which samples a user means by a split: ``train``, ``all``, ``train+val``, ``not fold-3``.

>>> names = ("train", "test", "val", "train")
>>> np.flatnonzero(choose(names, "train+val", "x")).tolist()
[0, 2, 3]
>>> np.flatnonzero(choose(names, "not test", "x")).tolist()
[0, 2, 3]
>>> choose(names, "dev", "x")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: load 'dev' from x: no split 'dev'; it has test, train, val
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import InputError

__all__ = ["choose"]


def choose(splits: Sequence[str], wanted: str, origin: str) -> NDArray[np.bool_]:
    """Mark the samples of the splits `wanted`.

    Parameters
    ----------
    splits : sequence of str
        The split of each sample.
    wanted : str
        A split, several joined by "+", either after "not ", or "all".
    origin : str
        Where they are from, for the error.

    Raises
    ------
    InputError
        There is no such split. "train" and "test" may be empty without being an error.
    """
    named = wanted.removeprefix("not ").split("+")
    known = set(splits)
    for name in named:
        if name not in known | {"train", "test", "all"}:
            found = ", ".join(sorted(known)) or "none"
            raise InputError(f"load {wanted!r} from {origin}: no split {name!r}; it has {found}")
    chosen = np.isin(np.array(splits, dtype=str), named) | ("all" in named)
    return ~chosen if wanted.startswith("not ") else chosen
