"""Keeping galaxies apart without asking every one of them.

>>> crowd = Crowd(dec=55.0)
>>> crowd.take(205.0, 55.0, 80.0)
>>> crowd.room(205.0, 55.04, 80.0), crowd.room(205.0, 55.05, 80.0)
(False, True)
"""

import math

__all__ = ["Crowd"]


class Crowd:
    """Places taken so far, in cells, so that asking for free room stays quick."""

    def __init__(self, dec: float) -> None:
        self._cells: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}
        self._dec = dec

    def room(self, ra: float, dec: float, radius: float) -> bool:
        """Say whether no one taken is nearer than the sum of both radii (arcsec)."""
        column, row = self._cell(ra, dec)
        x, y, z = _vector(ra, dec)
        near = (
            taken
            for i in range(column - 1, column + 2)
            for j in range(row - 1, row + 2)
            for taken in self._cells.get((i, j), ())
        )
        limit = math.radians(1 / 3600)
        return all(
            (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 > (limit * (radius + r)) ** 2
            for a, b, c, r in near
        )

    def take(self, ra: float, dec: float, radius: float) -> None:
        """Occupy a place."""
        self._cells.setdefault(self._cell(ra, dec), []).append((*_vector(ra, dec), radius))

    def _cell(self, ra: float, dec: float) -> tuple[int, int]:
        """Return a cell of at least 0.3 degree."""
        return int(ra * math.cos(math.radians(self._dec)) * 1.6), int((dec + 90) / 0.3)


def _vector(ra: float, dec: float) -> tuple[float, float, float]:
    """Return a unit vector."""
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)
