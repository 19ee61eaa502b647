"""Positions in cubes of space: pairs that are near are in the same cube, or in adjoining ones.

>>> points, rows = np.eye(3), np.arange(3)
>>> grid = CubeGrid(points.T, np.radians(np.array([50.0, 50.0, 30.0])), rows, rows, width=1.6)
>>> [(one.tolist(), other.tolist()) for one, other in grid.pairs() if one.size]
[([0], [1])]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from mingolotss.model import Bools, Ints
from mingolotss.sky.angles import Floats

__all__ = ["CubeGrid", "chord"]

_BLOCK = 2**20  # comparisons at a time: 60 MB
_HALF_OF_NEIGHBOURS = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]


def chord(angle: Floats) -> Floats:
    """Return the straight distance of points of the unit sphere; above pi, more than there is."""
    return np.where(angle >= np.pi, 3.0, 2 * np.sin(np.minimum(angle, np.pi) / 2))


@dataclass(frozen=True, slots=True)
class _InCubes:
    """Rows, and the number of the cube that each is in."""

    rows: Ints
    keys: Ints

    def take(self, chosen: Bools) -> _InCubes:
        return _InCubes(self.rows[chosen], self.keys[chosen])


class _Adjoining(NamedTuple):
    """The cubes that have a position, and which of them adjoin.

    Attributes
    ----------
    of_queries, of_targets : int64 array
        The cube of each query and of each target, numbered from 0.
    one, other : int64 array, shape (k,)
        The two cubes of each pair that adjoins.
    number : int
        Of cubes.
    """

    of_queries: Ints
    of_targets: Ints
    one: Ints
    other: Ints
    number: int


class CubeGrid:
    """Positions whose pairs are looked for in cubes, any number of times.

    Parameters
    ----------
    columns : float array, shape (3, n)
        Unit vectors.
    radius : float array, shape (n,), rad
    one, other : int array
        Rows in ascending order. A pair has one of each; if both are the same array, every pair is
        given once.
    width : float
        Of a cube: at least the largest distance of the two points of a pair.
    """

    def __init__(
        self, columns: Floats, radius: Floats, one: Ints, other: Ints, width: float
    ) -> None:
        self._columns, self._radius, self._is_own = columns, radius, one is other
        cubes = [
            np.floor((columns[:, rows] + 1) / width).astype(np.int64) + 1
            for rows in ([other] if self._is_own else [other, one])
        ]
        self._side = side = max(int(cube.max()) for cube in cubes) + 2
        keys = [(x * side + y) * side + z for x, y, z in cubes]
        order = np.argsort(keys[0], kind="stable")
        self._targets = _InCubes(other[order], keys[0][order])
        self._queries = self._targets if self._is_own else _InCubes(one, keys[1])

    def pairs(self, code: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
        """Give the pairs of positions that are closer than the sum of their radii.

        Parameters
        ----------
        code : int array, shape (n,), optional
            Only pairs of different codes are given.

        Yields
        ------
        first, second : int64 array, shape (k,)
            The smaller and the larger row of each pair, in blocks of limited size.
        """
        queries, targets = self._queries, self._targets
        if code is not None:
            mixed = self._has_other_code(code)
            targets = targets.take(mixed[self._adjoining.of_targets])
            queries = targets if self._is_own else queries.take(mixed[self._adjoining.of_queries])
        # What is compared is gathered once, in the order of the cubes, so that the comparisons of
        # a block read memory from one end to the other.
        places = [(axis[queries.rows], axis[targets.rows]) for axis in self._columns]
        radii = self._radius[queries.rows], self._radius[targets.rows]
        codes = None if code is None else (code[queries.rows], code[targets.rows])
        reach = _common_reach(*radii)
        candidates = self._candidates(queries.keys, targets.keys)
        for left, right in candidates if codes is None else _of_other_codes(candidates, *codes):
            x, y, z = (one[left] - other[right] for one, other in places)
            limit = chord(radii[0][left] + radii[1][right]) if reach is None else reach
            near = np.sqrt(x * x + y * y + z * z) < limit
            a, b = queries.rows[left[near]], targets.rows[right[near]]
            yield np.minimum(a, b), np.maximum(a, b)

    def _candidates(self, one: Ints, other: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Yield the pairs whose cubes are the same or adjoin, in blocks of about `_BLOCK`.

        Parameters
        ----------
        one, other : int array
            The number of the cube of each query and of each target.

        Yields
        ------
        left, right : int64 array, shape (k,)
            Indices into `one` and `other`.
        """
        # Strategy: the cubes are numbered along z, then y, then x, and the targets sorted by
        # number, so that three cubes in a row along z are one range of them. A query is combined
        # with the row of its own column and with those of the eight neighbouring columns; within
        # one list of positions, with what comes after itself and with four columns, since the other
        # four columns are combined with it in their own turn.
        if not len(one) or not len(other):
            return
        side, columns = self._side, list(product((-1, 0, 1), repeat=2))
        for x, y in [step for step in columns if step >= (0, 0)] if self._is_own else columns:
            step = (x * side + y) * side
            is_itself = self._is_own and not step
            after = np.arange(1, len(one) + 1)
            start = after if is_itself else np.searchsorted(other, one + step - 1)
            count = np.searchsorted(other, one + step + 1, "right") - start
            total = np.cumsum(count)
            # A dense field has a hundred pairs for every position, too many to be in memory at
            # once.
            stops = np.searchsorted(total, np.arange(_BLOCK, total[-1] + _BLOCK, _BLOCK))
            for begin, stop in pairwise([0, *np.minimum(stops + 1, len(one)).tolist()]):
                in_block = count[begin:stop]
                before = np.cumsum(in_block) - in_block
                partner = np.arange(in_block.sum()) + np.repeat(
                    start[begin:stop] - before, in_block
                )
                yield np.repeat(np.arange(begin, stop), in_block), partner

    @cached_property
    def _adjoining(self) -> _Adjoining:
        keys = [self._targets.keys] if self._is_own else [self._targets.keys, self._queries.keys]
        cubes, numbers = np.unique(np.concatenate(keys), return_inverse=True)
        numbers = numbers.reshape(-1)
        of_targets = numbers[: len(keys[0])]
        pairs = []
        for x, y, z in _HALF_OF_NEIGHBOURS:
            beside = cubes + (x * self._side + y) * self._side + z
            place = np.minimum(np.searchsorted(cubes, beside), len(cubes) - 1)
            one = np.flatnonzero(cubes[place] == beside)
            pairs.append((one, place[one]))
        one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
        of_queries = of_targets if self._is_own else numbers[len(keys[0]) :]
        return _Adjoining(of_queries, of_targets, one, other, len(cubes))

    def _has_other_code(self, code: Ints) -> Bools:
        """Return for each cube whether it and those that adjoin have more than one code."""
        cubes = self._adjoining
        lowest = np.full(cubes.number, np.iinfo(np.int64).max)
        highest = np.full(cubes.number, np.iinfo(np.int64).min)
        sides = [(cubes.of_targets, self._targets), (cubes.of_queries, self._queries)]
        for numbers, members in sides[:1] if self._is_own else sides:
            np.minimum.at(lowest, numbers, code[members.rows])
            np.maximum.at(highest, numbers, code[members.rows])
        mixed = np.asarray(lowest != highest)
        one, other = cubes.one, cubes.other
        differ = (lowest[one] != lowest[other]) | (highest[one] != highest[other])
        mixed[one[differ]] = True
        mixed[other[differ]] = True
        return mixed


def _of_other_codes(
    candidates: Iterable[tuple[Ints, Ints]], one: Ints, other: Ints
) -> Iterator[tuple[Ints, Ints]]:
    for left, right in candidates:
        differ = one[left] != other[right]
        yield left[differ], right[differ]


def _common_reach(one: Floats, other: Floats) -> Floats | None:
    """Return the largest distance of a pair, shape (1,), if it is the same for all pairs."""
    for radii in (one, other):
        if len(radii) and radii.min() != radii.max():
            return None
    return chord(one[:1] + other[:1])
