r"""Which sources a record of splits names: by name, and by position where names differ.

>>> from mingolotss.dataset.splits.record import SplitRecord
>>> match_names(["A", "caf\u00e9 ", "C"], ["cafe\u0301", "A"]).tolist()
[1, 0, -1]
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.dataset.splits.record import SplitRecord
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.model import Bools, Floats, Ints
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlap_blocks

__all__ = ["SAME_ARCSEC", "Matches", "match_names", "match_sources"]

SAME_ARCSEC = 1.5
"""Sources of two datasets are the same if they are closer, besides the rounding of positions."""
_ROUNDED = (3, 4)  # decimals of positions in degrees; fewer are no catalogue, and more are exact
_ENOUGH = 10  # positions that are not rounded by chance
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet has an apostrophe in front of them


class Matches(NamedTuple):
    """The row of a record for each source.

    Attributes
    ----------
    rows : int array, shape (n,)
        -1 where the record has no such source.
    by_position : bool array, shape (n,)
        Whether the names differ.
    elsewhere : list of str
        Sources whose name the record has at another place on the sky, where no pixel is shared.
    disputed : dict of int to tuple of (str, str)
        By source, two names of the record at its position that are in different splits.
    """

    rows: Ints
    by_position: Bools
    elsewhere: list[str]
    disputed: dict[int, tuple[str, str]]


def match_names(names: Sequence[str], known: Sequence[str]) -> Ints:
    """Return the index of each name in `known`, -1 where it is not there.

    A name that is not there to the letter may differ in blanks at its ends, in the normal form of
    its Unicode characters, and in the apostrophe that keeps spreadsheets from computing it, as long
    as this leaves no choice.

    Parameters
    ----------
    names, known : sequence of str
        Each has no name twice.
    """
    index = {name: row for row, name in enumerate(known)}
    rows = np.array([index.get(name, -1) for name in names], np.int64)
    if (rows >= 0).all():
        return rows
    taken = set(rows.tolist())
    free = [row for row in range(len(known)) if row not in taken]
    plain_known = _plain_names([known[row] for row in free])
    unmatched = np.flatnonzero(rows < 0).tolist()
    plain = _plain_names([names[row] for row in unmatched])
    for name, row in plain.items():
        if row >= 0 and plain_known.get(name, -1) >= 0:
            rows[unmatched[row]] = free[plain_known[name]]
    return rows


def match_sources(record: SplitRecord, sources: SplitSources) -> Matches:
    """Find each source in the record of another dataset.

    A name counts unless both positions are known and the stamps at them share no pixel: datasets
    whose sources are called 1, 2, 3 have the same names for other sources. A source that is not
    found by its name is that of the nearest position within `SAME_ARCSEC` and the rounding of the
    positions.

    Parameters
    ----------
    record : SplitRecord
        With each name once.
    sources : SplitSources
    """
    rows = match_names(sources.names, record.names)
    elsewhere: list[str] = []
    by_position = np.zeros(len(sources), bool)
    disputed: dict[int, tuple[str, str]] = {}
    if not len(record.ra):
        return Matches(rows, by_position, elsewhere, disputed)
    own, other = np.flatnonzero(rows >= 0), rows[rows >= 0]
    arcsec = separation_arcsec(
        sources.ra[own], sources.dec[own], record.ra[other], record.dec[other]
    )
    reach = 2 * sources.regions().radius_arcsec[own]
    same = _same_arcsec(record, sources)
    far = own[arcsec > np.where(np.isnan(reach), np.inf, np.maximum(reach, same))]
    elsewhere = [sources.names[row] for row in far.tolist()]
    rows[far] = -1
    for row, near in _neighbours(record, sources, np.flatnonzero(rows < 0), same).items():
        rows[row], by_position[row] = near[0], True
        splits = {record.splits[one]: record.names[one] for one in reversed(near)}
        if len(splits) > 1:
            first, second, *_ = sorted(splits.values())
            disputed[row] = (first, second)
    return Matches(rows, by_position, elsewhere, disputed)


def _same_arcsec(record: SplitRecord, sources: SplitSources) -> float:
    return SAME_ARCSEC + _rounding(record.ra, record.dec) + _rounding(sources.ra, sources.dec)


def _rounding(ra: Floats, dec: Floats) -> float:
    """Return how far positions are from the true ones if they are written with few digits, arcsec.

    MiraBest has three decimals, half a unit of which are 1.8 arcsec on each axis.
    """
    values = np.concatenate([ra, dec])
    values = values[np.isfinite(values)]
    if len(values) < _ENOUGH:
        return 0.0
    for decimals in _ROUNDED:
        if np.allclose(values, np.round(values, decimals), rtol=0, atol=1e-9):
            return math.sqrt(2) * 3600 * 0.5 * 10.0**-decimals
    return 0.0


def _neighbours(
    record: SplitRecord, sources: SplitSources, unmatched: Ints, same_arcsec: float
) -> dict[int, list[int]]:
    """Return the rows of the record at the position of each source, the nearest first."""
    has_place = np.isfinite(sources.ra) & np.isfinite(sources.dec)
    unmatched = unmatched[has_place[unmatched]]
    known = np.flatnonzero(np.isfinite(record.ra) & np.isfinite(record.dec))
    # Both lists of positions are searched as one; only pairs of one of each kind count.
    ra: Floats = np.concatenate([sources.ra[unmatched], record.ra[known]])
    dec: Floats = np.concatenate([sources.dec[unmatched], record.dec[known]])
    found: list[tuple[int, float, int]] = []
    for one, two in overlap_blocks(ra, dec, same_arcsec):
        first, second = np.minimum(one, two), np.maximum(one, two)
        mixed = (first < len(unmatched)) & (second >= len(unmatched))
        first, second = first[mixed], second[mixed]
        arcsec = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
        own, other = unmatched[first], known[second - len(unmatched)]
        found += zip(own.tolist(), arcsec.tolist(), other.tolist(), strict=True)
    nearest: dict[int, list[int]] = {}
    for row, _, near in sorted(found):
        nearest.setdefault(row, []).append(near)
    return nearest


def _plain_names(names: Sequence[str]) -> dict[str, int]:
    """Return the index of each name in its plain form; -1 if several have the same one."""
    index: dict[str, int] = {}
    for row, name in enumerate(names):
        plain = _plain(name)
        index[plain] = -1 if plain in index else row
    return index


def _plain(name: str) -> str:
    plain = unicodedata.normalize("NFC", name).strip()
    return plain[1:] if plain.startswith("'") and plain[1:].startswith(_FORMULA) else plain
