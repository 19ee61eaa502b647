"""Select samples by the name of their split: ``train``, ``all``, ``train+val``, ``not fold-3``.

>>> splits = ("train", "test", "val", "train")
>>> np.flatnonzero(select(splits, "train+val", "x")).tolist()
[0, 2, 3]
>>> np.flatnonzero(select(splits, "not test", "x")).tolist()
[0, 2, 3]
>>> select(splits, "dev", "x")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: load 'dev' from x: no split 'dev'; it has train, val, test
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import InputError
from mingolotss.registry import nearest

__all__ = ["check_split", "in_order", "select"]

_PLACES = {"train": 0, "test": 2}  # all others are between them


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of splits in the order in which they are shown: train first, test last.

    >>> in_order(["test", "val", "dev", "train"])
    ['train', 'dev', 'val', 'test']
    """
    return sorted(names, key=lambda name: (_PLACES.get(name, 1), name))


def check_split(split: object, action: str) -> str:
    """Return `split` if it is the name of a split, or a selection of several.

    Parameters
    ----------
    split : object
        What a user gave.
    action : str
        The beginning of the error message.

    Raises
    ------
    InputError
        It is no text, or an empty one.

    >>> check_split(True, "open demo")
    Traceback (most recent call last):
        ...
    mingolotss.errors.InputError: open demo: split=True; give the name of a split, for example
    'train', 'train+val', 'not test' or 'all'
    """
    if isinstance(split, str) and split.strip():
        return split
    raise InputError(
        f"{action}: split={split!r:.80}; give the name of a split, for example 'train', "
        "'train+val', 'not test' or 'all'"
    )


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
        There is no such split, or the selection leaves none. The message lists the splits.
    """
    is_negative = split.startswith("not ")
    known = in_order(set(splits))
    listed = split.removeprefix("not ").split("+")
    names = [name if name in known else name.strip() for name in listed]
    for name in names:
        if name not in (*known, "all"):
            raise InputError(
                f"load {split!r} from {origin}: no split {name!r}; {_offer(name, known)}"
            )
    is_named: NDArray[np.bool_] = np.isin(np.array(splits, dtype=str), names) | ("all" in names)
    selected = ~is_named if is_negative else is_named
    if known and not selected.any():
        raise InputError(f"load {split!r} from {origin}: this leaves no split; {_offer('', known)}")
    return selected


def _offer(name: str, known: Sequence[str]) -> str:
    """Return what a user can give in the place of a name that is not known."""
    hint = nearest(name.lower(), known).strip()
    listed = f"it has {', '.join(known) or 'none'}"
    if name == "train" and known and "test" not in known:  # folds
        listed += f"; split='not {known[0]}' is all but one"
    return f"{hint} {listed}" if hint else listed
