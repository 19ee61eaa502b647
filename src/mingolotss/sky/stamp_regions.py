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
>>> squares = StampRegions([10.0, 10.1], [0.0, 0.1], [375.0, 375.0], "square", [0.0, 0.0])
>>> turned = StampRegions([10.0, 10.1], [0.0, 0.1], [375.0, 375.0], "square", [45.0, 45.0])
>>> squares.share_pixels([0], [1]).tolist(), turned.share_pixels([0], [1]).tolist()
([True], [False])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from mingolotss.model import Bools, Ints
from mingolotss.sky.angles import Floats, position_angle, separation_arcsec, unit_vectors
from mingolotss.sky.cube_grid import CubeGrid
from mingolotss.sky.neighbours import (
    cube_grids,
    is_near,
    join_groups,
    near_pairs,
    number_groups,
    one_of_each_crowd,
)

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
    angle_deg : float array, shape (n,), optional
        Position angle of the columns of a square, from north to east. A square whose angle is NaN
        counts as the circle around it, whichever way it is turned.
    """

    ra: Floats
    dec: Floats
    extent_arcsec: Floats
    shape: Shape = "circle"
    angle_deg: Floats | None = None
    _points: Floats = field(init=False, repr=False, compare=False)
    _radius: Floats = field(init=False, repr=False, compare=False)
    _grids: list[list[CubeGrid]] = field(
        init=False, repr=False, compare=False, default_factory=list
    )

    def __post_init__(self) -> None:
        for name in ("ra", "dec", "extent_arcsec", "angle_deg"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name), float))
        object.__setattr__(self, "_points", unit_vectors(self.ra, self.dec))
        object.__setattr__(self, "_radius", np.radians(self.radius_arcsec / 3600))

    def __len__(self) -> int:
        return len(self.ra)

    @property
    def known(self) -> Bools:
        """Return which stamps have a position and an extent."""
        return np.asarray(np.isfinite(self._points).all(axis=1) & np.isfinite(self._radius))

    @property
    def radius_arcsec(self) -> Floats:
        """Return the radius of the circle around each stamp."""
        half = self.extent_arcsec / 2
        return half * math.sqrt(2) if self.shape == "square" else half

    def share_pixels(self, first: npt.ArrayLike, second: npt.ArrayLike) -> Bools:
        """Return whether stamps share pixels: their regions on the sky overlap.

        Parameters
        ----------
        first, second : int array, shape (k,)
            The stamps of each pair.
        """
        one, other = np.asarray(first, np.int64), np.asarray(second, np.int64)
        shared = is_near(self._points, self._radius, one, other)
        if self.shape == "square" and self.angle_deg is not None:
            shared[shared] = self._squares_overlap(one[shared], other[shared])
        return shared

    def pairs(self, code: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
        """Give the pairs of stamps that share pixels, in blocks and in no particular order.

        Parameters
        ----------
        code : int array, shape (n,), optional
            Only pairs of different codes are given, which is faster: their splits, for example.

        Yields
        ------
        first, second : int64 array, shape (k,)
            The smaller and the larger index of each pair. Every pair is given once.
        """
        yield from self._pairs_of_known(np.flatnonzero(self.known), code)

    def groups(self) -> Ints:
        """Number the groups of stamps that are connected by shared pixels, chains included.

        Returns
        -------
        int64 array, shape (n,)
            The number of each stamp's group, in order of appearance.
        """
        # Strategy: in a dense field every stamp overlaps hundreds. Those that are close together
        # are joined first, without looking at pairs, and then their representatives; where one
        # group remains, which is nearly everywhere, no pair is looked at any more.
        known = np.flatnonzero(self.known)
        lowest = np.arange(len(self))
        radius = np.radians(self.extent_arcsec[known] / 3600) / 2  # inside the stamp, also a square
        crowd = one_of_each_crowd(self._points[known], radius)
        chosen = np.unique(crowd)
        is_crowded = 2 * len(chosen) < len(known)
        if is_crowded:
            lowest[known] = known[crowd]
            rows = known[chosen]
            for first, second in self._that_overlap(
                rows, near_pairs(self._points[rows], self._radius[rows])
            ):
                lowest = join_groups(lowest, first, second)
        for first, second in self._pairs_of_known(known, lowest if is_crowded else None):
            lowest = join_groups(lowest, first, second)
        return number_groups(lowest)

    def _pairs_of_known(self, known: Ints, code: Ints | None) -> Iterator[tuple[Ints, Ints]]:
        """Give the pairs of the stamps whose places are known, in ascending order."""
        if not self._grids:  # what is found out once serves all codes
            self._grids.append(list(cube_grids(self._points[known], self._radius[known])))
        (grids,) = self._grids
        own = None if code is None else code[known]
        return self._that_overlap(known, (pair for grid in grids for pair in grid.pairs(own)))

    def _that_overlap(
        self, rows: Ints, near: Iterable[tuple[Ints, Ints]]
    ) -> Iterator[tuple[Ints, Ints]]:
        """Give the pairs that share pixels, of pairs of `rows` whose circles overlap."""
        for one, other in near:
            first, second = rows[one], rows[other]
            if self.shape == "square" and self.angle_deg is not None:
                shared = self._squares_overlap(first, second)
                first, second = first[shared], second[shared]
            yield first, second

    def _squares_overlap(self, first: Ints, second: Ints) -> Bools:
        """Return whether squares overlap, of pairs whose circles around them do."""
        # Strategy: two convex shapes are apart if and only if they are apart along the direction
        # of a side of one of them (the separating axis theorem). The two squares are laid out along
        # the great circle from one centre to the other, each turned by the angle between its own
        # side and that great circle at its own centre, so that the test holds near the poles too.
        angle = np.empty(0) if self.angle_deg is None else self.angle_deg
        places = self.ra[first], self.dec[first], self.ra[second], self.dec[second]
        distance = separation_arcsec(*places)
        half_one, half_other = self.extent_arcsec[first] / 2, self.extent_arcsec[second] / 2
        turn_one = np.radians(angle[first] - position_angle(*places))
        back = position_angle(*places[2:], *places[:2])
        turn_other = np.radians(angle[second] - back - 180.0)
        overlap = np.isfinite(turn_one) & np.isfinite(turn_other)
        is_circle = ~overlap
        for axis in (turn_one, turn_one + np.pi / 2, turn_other, turn_other + np.pi / 2):
            reach = half_one * _half_width(axis - turn_one)
            reach += half_other * _half_width(axis - turn_other)
            overlap &= distance * np.abs(np.cos(axis)) < reach
        return np.asarray(overlap | is_circle)


def _half_width(turn: Floats) -> Floats:
    """Return half the width of a square, of half side 1, that is turned by an angle (rad)."""
    return np.asarray(np.abs(np.cos(turn)) + np.abs(np.sin(turn)))
