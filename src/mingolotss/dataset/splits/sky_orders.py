"""Angles on the sky by which it is cut into zones and lunes, and stamps in order of such an angle.

>>> around = Cutting(unit_vectors(0.0, 90.0), start=None)  # zones of declination
>>> points = unit_vectors([10.0, 20.0, 30.0], [5.0, 4.0, 3.0])
>>> key, width = around.angle(points), np.radians(np.full(3, 0.1))
>>> order = SkyOrder.of(key, width, np.argsort(key), wraps=False)
>>> order.rows.tolist(), order.crossing(np.radians([4.5, 3.95])).tolist()
([2, 1, 0], [0, 1])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mingolotss.model import Floats, Ints
from mingolotss.sky.angles import unit_vectors

__all__ = ["Cutting", "SkyOrder", "sky_orders", "unit_vectors"]

_STEPS = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class Cutting:
    """An axis, and how the sky is cut around it.

    Attributes
    ----------
    axis : float array, shape (3,)
        A unit vector.
    start : float or None, rad
        Where the longitudes of lunes begin, whose borders are half great circles. None for zones of
        latitude, whose borders are small circles.
    """

    axis: Floats
    start: float | None

    def angle(self, points: Floats) -> Floats:
        """Return the latitude or longitude of unit vectors, shape (n, 3), in rad."""
        if self.start is None:
            return np.asarray(np.arcsin(np.clip(points @ self.axis, -1, 1)))
        return self.from_start(_longitude(points, self.axis))

    def from_start(self, longitude: Floats) -> Floats:
        """Return longitudes around the axis, rad, as they are counted from the start of lunes."""
        return np.asarray(np.mod(longitude - (self.start or 0.0), 2 * np.pi))

    def width(self, points: Floats, radius: Floats) -> Floats:
        """Return how far circles reach in longitude to each side, rad."""
        # A circle that is wider than its distance to the pole reaches every longitude.
        cosine = np.sqrt(np.maximum(1 - (points @ self.axis) ** 2, 1e-30))
        ratio = np.sin(radius) / cosine
        return np.where(ratio < 1, np.arcsin(np.minimum(ratio, 1)), 2 * np.pi)


def _longitude(points: Floats, axis: Floats) -> Floats:
    side = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    side /= np.linalg.norm(side)
    return np.asarray(np.arctan2(points @ np.cross(axis, side), points @ side))


@dataclass(frozen=True, slots=True)
class SkyOrder:
    """Stamps in order of an angle on the sky.

    Attributes
    ----------
    key : float array, shape (n,), rad
        The angle of each stamp, sorted.
    rows : int array, shape (n,)
        Which stamp it is; those of one angle are in any order.
    low, high : float array, shape (n,), rad
        Where stamps begin and end, each sorted.
    at_start : int
        Number of stamps across the angle at which longitudes begin; 0 for zones.
    """

    key: Floats
    rows: Ints
    low: Floats
    high: Floats
    at_start: int

    @classmethod
    def of(cls, angle: Floats, width: Floats, rows: Ints, *, wraps: bool) -> SkyOrder:
        """Order stamps by their angles, rad.

        Parameters
        ----------
        angle, width : float array, shape (n,), rad
            Of each stamp: its centre, and how far it reaches to each side.
        rows : int array, shape (n,)
            The stamps in this order, or nearly; it decides how long it takes to sort them.
        wraps : bool
            Whether the angles are longitudes.
        """
        # A stable sort of numpy takes a tenth of the time of any other for what is nearly in order.
        key, width = angle[rows], width[rows]
        order = np.argsort(key, kind="stable")
        low, high = np.sort(key - width, kind="stable"), np.sort(key + width, kind="stable")
        at_start = 0
        if wraps:
            at_start = int((low < 0).sum() + (high > 2 * np.pi).sum())
        return cls(key[order], rows[order], low, high, at_start)

    def crossing(self, cuts: Floats) -> Ints:
        """Return how many stamps a cut at each angle goes through."""
        before, behind = np.searchsorted(self.low, cuts), np.searchsorted(self.high, cuts, "right")
        return np.asarray(before - behind, np.int64)

    def cuts_at(self, places: Ints) -> Floats:
        """Return the angles between the stamps before and at each place in the order."""
        last = len(self.key) - 1
        before, behind = np.clip(places - 1, 0, last), np.clip(places, 0, last)
        return np.asarray((self.key[before] + self.key[behind]) / 2)


def _nearly_in_order(angles: Floats) -> Ints:
    """Return the rows of angles that are not NaN, in an order from which few are far from theirs.

    numpy sorts 16 bits by counting them: 46 µs for 10,000 angles. To sort the angles themselves
    takes 340 µs, and 30 after this (one core, lowest of 25).
    """
    low = angles.min()
    range_rad = max(float(angles.max() - low), 1e-300)  # of one angle, 0
    return np.argsort(((angles - low) * (_STEPS / range_rad)).astype(np.uint16), kind="stable")


def sky_orders(
    points: Floats, radius: Floats, rng: np.random.Generator, axes: int
) -> Iterator[tuple[Cutting, SkyOrder]]:
    """Order stamps in zones and lunes around the pole, their main axes, and axes at random.

    Parameters
    ----------
    points : float array, shape (n, 3)
        Unit vectors. Longitudes begin in their widest gap.
    radius : float array, shape (n,), rad
    rng : numpy.random.Generator
    axes : int
        Number of axes at random.
    """
    main = np.linalg.eigh(points.T @ points)[1].T
    random = rng.normal(size=(axes, 3))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    for axis in np.concatenate([[[0.0, 0.0, 1.0]], main, random]):
        zones = Cutting(axis, None)
        angle = zones.angle(points)
        yield zones, SkyOrder.of(angle, radius, _nearly_in_order(angle), wraps=False)
        longitude = _longitude(points, axis)
        rows = _nearly_in_order(longitude)
        ends = np.sort(longitude[rows], kind="stable")
        gaps = np.diff(ends, append=ends[0] + 2 * np.pi)
        lunes = Cutting(axis, float(ends[np.argmax(gaps)] + gaps.max() / 2))
        angle, width = lunes.from_start(longitude), lunes.width(points, radius)
        yield lunes, SkyOrder.of(angle, width, rows, wraps=True)
