"""The splits of sources as a list or another dataset states them.

A `SplitRecord` is read elsewhere (``formats/split_records.py``), so that a split is the same
whether its list lies in a file of its own, in ``splits.csv`` of a build, or in another dataset.

>>> record = SplitRecord(("A", "B", "A"), ("train", "test", "train"), "list.csv")
>>> record.unique().names, record.unique().splits
(('A', 'B'), ('train', 'test'))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mingolotss.dataset.split_names import in_order
from mingolotss.errors import InputError
from mingolotss.model import Floats

__all__ = ["SplitOrigin", "SplitRecord", "splits_digest"]

_SHOWN = 3  # names in one message


def _no_numbers() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class SplitOrigin:
    """Where a split comes from that does not follow from the catalogue.

    Attributes
    ----------
    name : str
        Of the file or folder, without its path.
    sha256 : str
        Of the file, or the `splits_digest` of a dataset.
    """

    name: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """Names with their splits.

    Parameters
    ----------
    names : tuple of str
    splits : tuple of str, length n
        "" for one that is left out.
    origin : str
        Name of the file or folder, without its path, for messages and notes.
    sha256 : str
        Of the file, or the `splits_digest` of a dataset.
    reasons : tuple of str, length n or 0
        Why a name is left out.
    ra, dec : float array, shape (n,) or (0,), deg, ICRS
        NaN where a position is not known; empty if none is.
    notices : tuple of str
        Lines for the user about how it was read.
    """

    names: tuple[str, ...]
    splits: tuple[str, ...]
    origin: str
    sha256: str = ""
    reasons: tuple[str, ...] = ()
    ra: Floats = field(default_factory=_no_numbers)
    dec: Floats = field(default_factory=_no_numbers)
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def split_names(self) -> list[str]:
        """Return the splits, train first and test last."""
        return in_order(set(self.splits) - {""})

    @property
    def source(self) -> SplitOrigin:
        """Return what notes and descriptions say of it."""
        return SplitOrigin(self.origin, self.sha256)

    def reason(self, row: int) -> str:
        """Return why a name is left out; "" if nothing is recorded."""
        return self.reasons[row] if self.reasons else ""

    def unique(self) -> SplitRecord:
        """Return the record with each name once.

        Raises
        ------
        InputError
            A name has several splits.
        """
        first: dict[str, int] = {}
        differing: dict[str, set[str]] = {}
        for row, (name, split) in enumerate(zip(self.names, self.splits, strict=True)):
            known = first.setdefault(name, row)
            if self.splits[known] != split:
                differing.setdefault(name, {self.splits[known]}).add(split)
        if differing:
            shown = "; ".join(
                f"{name!r} in {' and '.join(split or 'none' for split in in_order(splits))}"
                for name, splits in list(differing.items())[:_SHOWN]
            )
            more = f" and {len(differing) - _SHOWN:,} more" if len(differing) > _SHOWN else ""
            several = "names have" if len(differing) > 1 else "name has"
            raise InputError(
                f"read the splits of {self.origin}: {len(differing):,} {several} several splits: "
                f"{shown}{more}; give each name one"
            )
        return self if len(first) == len(self) else self._take([*first.values()])

    def _take(self, rows: Sequence[int]) -> SplitRecord:
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            splits=tuple(self.splits[row] for row in rows),
            reasons=tuple(self.reasons[row] for row in rows) if self.reasons else (),
            ra=self.ra[np.array(rows)] if len(self.ra) else self.ra,
            dec=self.dec[np.array(rows)] if len(self.dec) else self.dec,
        )


def splits_digest(names: Sequence[str], splits: Sequence[str]) -> str:
    """Return the SHA-256 of the splits of a dataset, which does not depend on its format or order.

    It is that of the sorted pairs of name and split as JSON.
    """
    pairs = sorted(zip(names, splits, strict=True))
    return hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()
