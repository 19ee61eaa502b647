"""The regions of stamps on the sky, and whether two of them share pixels.

This is the one place that decides it: splits, the dataset card, the report and the audit all use
`StampRegions`. A stamp that its recipe masks with a disc is a circle, and any other is a square.

>>> stamps = StampRegions([10.0, 10.0, 10.1], [0.0, 0.1, 0.0], [375.0, 375.0, 300.0])
>>> stamps.share_pixels([0, 0], [1, 2]).tolist()
[True, False]
>>> [(one.tolist(), other.tolist()) for one, other in stamps.pairs() if one.size]
[([0], [1])]
>>> stamps.groups().tolist()
[0, 0, 1]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mingolotss.model import Bools, Ints
from mingolotss.sky.angles import Floats, separation_arcsec
from mingolotss.sky.neighbours import connected_groups, overlap_blocks

__all__ = ["Shape", "StampRegions"]

Shape = Literal["circle", "square"]


@dataclass(frozen=True, slots=True)
class StampRegions:
    """Where stamps are on the sky, and how large they are.

    Parameters
    ----------
    ra, dec : float array, shape (n,), deg, ICRS
        The centres. A stamp whose position or extent is NaN shares pixels with no other.
    extent_arcsec : float array, shape (n,)
        The diameter of a circle, or the side of a square.
    shape : {"circle", "square"}
    """

    ra: Floats
    dec: Floats
    extent_arcsec: Floats
    shape: Shape = "circle"

    def __post_init__(self) -> None:
        for name in ("ra", "dec", "extent_arcsec"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), float))

    def __len__(self) -> int:
        return len(self.ra)

    @property
    def known(self) -> Bools:
        """Return which stamps have a position and an extent."""
        finite = np.isfinite(self.ra) & np.isfinite(self.dec)
        return np.asarray(finite & np.isfinite(self.extent_arcsec))

    @property
    def radius_arcsec(self) -> Floats:
        """Return the radius of the circle around each stamp."""
        half = self.extent_arcsec / 2
        return half * math.sqrt(2) if self.shape == "square" else half

    def share_pixels(self, first: npt.ArrayLike, second: npt.ArrayLike) -> Bools:
        """Return whether stamps share pixels: their regions overlap.

        Parameters
        ----------
        first, second : int array, shape (k,)
            The stamps of each pair.
        """
        first, second, radius = np.asarray(first), np.asarray(second), self.radius_arcsec
        arcsec = separation_arcsec(
            self.ra[first], self.dec[first], self.ra[second], self.dec[second]
        )
        return np.asarray(arcsec < radius[first] + radius[second])

    def pairs(self) -> Iterator[tuple[Ints, Ints]]:
        """Give the pairs of stamps that share pixels, in blocks and in no particular order.

        Yields
        ------
        first, second : int64 array, shape (k,)
            The smaller and the larger index of each pair. Every pair is given once.
        """
        known = np.flatnonzero(self.known)
        widest = 2 * float(self.radius_arcsec[known].max(initial=0.0))
        for one, other in overlap_blocks(self.ra[known], self.dec[known], widest):
            first, second = known[np.minimum(one, other)], known[np.maximum(one, other)]
            shared = self.share_pixels(first, second)
            yield first[shared], second[shared]

    def groups(self) -> Ints:
        """Number the groups of stamps that are connected by shared pixels, chains included.

        Returns
        -------
        int64 array, shape (n,)
            The number of each stamp's group, in order of appearance.
        """
        return connected_groups(len(self), self.pairs())
