"""``splits.csv``: the split of each source, and why a source has none.

A build and an export have it where their splits do not follow from the order of the catalogue, so
that a dataset can be made again, and continued with more sources, in the same splits. The plan
``file:splits.csv`` reads it too.

>>> text = render_splits(["A", "B"], ["train", ""], ["", "within 225 arcsec of another split"])
>>> text.splitlines()
['name,split,reason', 'A,train,', 'B,,within 225 arcsec of another split']
>>> parse_splits(text)["B"]
SplitRow(split='', reason='within 225 arcsec of another split')
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mingolotss.errors import DatasetError
from mingolotss.formats.csv import plain_text, render_csv
from mingolotss.io.files import read_bounded, write_bytes

__all__ = ["SplitRow", "parse_splits", "read_splits", "render_splits", "write_splits"]

_HEADER = ("name", "split", "reason")
_LARGEST = 4 << 30  # bytes; the rows of 30 million sources


class SplitRow(NamedTuple):
    """The split of a source, "" if it is left out, and why it is."""

    split: str
    reason: str = ""


def render_splits(names: Sequence[str], splits: Sequence[str], reasons: Sequence[str] = ()) -> str:
    """Return the table as text.

    Parameters
    ----------
    names : sequence of str, length n
        The sources.
    splits : sequence of str, length n
        "" for a source that is left out.
    reasons : sequence of str, length n or 0
        Why a source is left out.
    """
    reasons = reasons or [""] * len(names)
    return render_csv(zip(names, splits, reasons, strict=True), _HEADER)


def parse_splits(text: str) -> dict[str, SplitRow]:
    """Read what `render_splits` returned, by the name of the source.

    Raises
    ------
    ValueError
        It is no such table.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(next(rows, ())) != _HEADER:
            raise ValueError(f"it does not begin with {','.join(_HEADER)}")
        return {plain_text(name): SplitRow(*map(plain_text, rest)) for name, *rest in rows}
    except (csv.Error, TypeError) as error:
        raise ValueError(str(error)) from error


def write_splits(
    path: Path, names: Sequence[str], splits: Sequence[str], reasons: Sequence[str] = ()
) -> None:
    """Write ``splits.csv``; the arguments are those of `render_splits`."""
    write_bytes(path, render_splits(names, splits, reasons).encode())


def read_splits(path: Path) -> dict[str, SplitRow]:
    """Read ``splits.csv``, by the name of the source.

    Raises
    ------
    DatasetError
        It is missing or damaged.
    """
    try:
        return parse_splits(read_bounded(path, _LARGEST).decode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"read {path}: {reason}; build again with --fresh") from error
