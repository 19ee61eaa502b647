"""Positions that galaxies occupy, so that others keep a distance from them.

>>> occupied = OccupiedPositions(dec=55.0)
>>> occupied.occupy(205.0, 55.0, 80.0)
>>> occupied.is_free(205.0, 55.04, 80.0), occupied.is_free(205.0, 55.05, 80.0)
(False, True)
"""

import math

__all__ = ["OccupiedPositions"]


class OccupiedPositions:
    """Circles on the sky, stored in cells so that a query only compares its neighbours.

    Parameters
    ----------
    dec : float, deg
        The middle of the sky; cells have about the same width everywhere near it.
    """

    def __init__(self, dec: float) -> None:
        self._cells: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}
        self._dec = dec

    def is_free(self, ra: float, dec: float, radius: float) -> bool:
        """Return whether a circle (deg, deg, arcsec) touches none of the occupied ones."""
        column, row = self._cell(ra, dec)
        x, y, z = _unit_vector(ra, dec)
        neighbours = (
            circle
            for i in range(column - 1, column + 2)
            for j in range(row - 1, row + 2)
            for circle in self._cells.get((i, j), ())
        )
        arcsec = math.radians(1 / 3600)
        return all(
            (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 > (arcsec * (radius + r)) ** 2
            for a, b, c, r in neighbours
        )

    def occupy(self, ra: float, dec: float, radius: float) -> None:
        """Add a circle (deg, deg, arcsec)."""
        self._cells.setdefault(self._cell(ra, dec), []).append((*_unit_vector(ra, dec), radius))

    def _cell(self, ra: float, dec: float) -> tuple[int, int]:
        """Return a cell of at least 0.3 degrees."""
        return int(ra * math.cos(math.radians(self._dec)) * 1.6), int((dec + 90) / 0.3)


def _unit_vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)
