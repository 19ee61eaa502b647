"""Pairs of sources whose stamps share pixels.

>>> pairs = find_pairs(np.array([10.0, 10.0]), np.array([50.0, 50.02]), stamp_arcsec=225)
>>> pairs.rows.tolist(), pairs.separation_arcsec.round().tolist(), pairs.inside.tolist()
([[0, 1]], [72.0], [True])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mingolotss.model import Bools, Floats, Ints
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlaps

__all__ = ["NeighbourPairs", "find_pairs"]


@dataclass(frozen=True)
class NeighbourPairs:
    """Pairs of sources that are closer than the width of a stamp, nearest first.

    Attributes
    ----------
    rows : int64 array, shape (n, 2)
        Rows of the manifest.
    separation_arcsec : float64 array, shape (n,)
    inside : bool array, shape (n,)
        Whether each source is in the other's stamp: closer than half the width.
    """

    rows: Ints
    separation_arcsec: Floats
    inside: Bools


def find_pairs(ra: Floats, dec: Floats, stamp_arcsec: float) -> NeighbourPairs:
    """Find all pairs of sources whose stamps share pixels.

    Parameters
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
    stamp_arcsec : float
        Width of a stamp.
    """
    rows = overlaps(ra, dec, stamp_arcsec)
    first, second = rows[:, 0], rows[:, 1]
    separation = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
    order = np.argsort(separation, kind="stable")
    separation = separation[order]
    return NeighbourPairs(rows[order], separation, separation < stamp_arcsec / 2)
