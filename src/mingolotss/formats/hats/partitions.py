"""Where the rows of a HATS collection go: HEALPix indices, partitions, and their margins.

A partition is a HEALPix pixel of any order; together they cover every source once. Pixels are
numbered in the nested scheme, in which the pixels of a higher order inside a pixel are a range of
numbers: a partition is a range of indices of order 29, and the partitions are found by bisection
(HATS, IVOA Note, https://www.ivoa.net/documents/Notes/HATS/).

>>> index = healpix_index(np.array([10.0, 10.001, 200.0]), np.array([45.0, 45.0, -30.0]))
>>> plan = choose_partitions(index, 2)
>>> [len(plan), plan.find(index).tolist()]
[2, [0, 0, 1]]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy_healpix import lonlat_to_healpix

from mingolotss.model import Floats, Ints

__all__ = [
    "HIGHEST_ORDER",
    "INDEX_ORDER",
    "Partition",
    "PartitionPlan",
    "choose_partitions",
    "healpix_index",
    "margin_pairs",
]

INDEX_ORDER = 29
"""The order of the indices of sources, whose pixels are 0.4 mas wide."""
HIGHEST_ORDER = 12
"""The highest order of a partition, whose pixels are 51 arcsec wide."""
_RING_POINTS = 32
_RINGS = 1.0, 1.5  # radii of the rings of points around a source, in margins
_CHUNK = 1 << 14  # sources whose rings are in memory at a time


class Partition(NamedTuple):
    """One HEALPix pixel in the nested scheme."""

    order: int
    pixel: int

    @property
    def start(self) -> int:
        """Return its first index of order 29."""
        return self.pixel << 2 * (INDEX_ORDER - self.order)

    @property
    def stop(self) -> int:
        """Return the index of order 29 after its last."""
        return (self.pixel + 1) << 2 * (INDEX_ORDER - self.order)


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """Partitions that do not overlap, in the order of their indices.

    Attributes
    ----------
    partitions : tuple of Partition
    """

    partitions: tuple[Partition, ...]

    def __len__(self) -> int:
        return len(self.partitions)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self.partitions)

    def find(self, index: Ints) -> Ints:
        """Return the number of the partition that holds each index of order 29, -1 for none.

        Parameters
        ----------
        index : int64 array, any shape
        """
        starts = np.array([partition.start for partition in self.partitions], np.int64)
        stops = np.array([partition.stop for partition in self.partitions], np.int64)
        number = np.searchsorted(starts, index, side="right") - 1
        number[(number >= 0) & (index >= stops[number])] = -1
        return number


def healpix_index(ra: Floats, dec: Floats) -> Ints:
    """Return the HEALPix index of order 29 of each position.

    Parameters
    ----------
    ra, dec : float64 array, any shape, degrees

    Returns
    -------
    int64 array of the same shape
    """
    lon, lat = ra * units.deg, dec * units.deg
    index: Ints = lonlat_to_healpix(lon, lat, 1 << INDEX_ORDER, order="nested").astype(np.int64)
    return index


def choose_partitions(index: Ints, rows: int) -> PartitionPlan:
    """Return the partitions of sources.

    Each is the smallest pixel that holds its sources, so that a partition covers as little of the
    sky, and of another catalogue, as its sources do.

    Parameters
    ----------
    index : int64 array, shape (n,)
        Of order 29.
    rows : int
        Sources that a partition may have; more of them stay together in a pixel of order
        `HIGHEST_ORDER`.
    """
    ordered = np.sort(index)
    partitions: list[Partition] = []
    # Depth first, the last child first onto the stack: partitions come out in nested order.
    stack = [(Partition(0, pixel), 0, len(ordered)) for pixel in reversed(range(12))]
    while stack:
        partition, low, high = stack.pop()
        low, high = low + np.searchsorted(ordered[low:high], [partition.start, partition.stop])
        if low == high:
            continue
        common = _common_pixel(int(ordered[low]), int(ordered[high - 1]))
        if common.order > partition.order:
            partition = common
        if high - low <= rows or partition.order == HIGHEST_ORDER:
            partitions.append(partition)
            continue
        children = (Partition(partition.order + 1, 4 * partition.pixel + i) for i in (3, 2, 1, 0))
        stack += [(child, int(low), int(high)) for child in children]
    return PartitionPlan(tuple(partitions))


def _common_pixel(first: int, last: int) -> Partition:
    """Return the smallest pixel that holds two indices, of order `HIGHEST_ORDER` at most."""
    # The indices share the digits of base 4 above the highest bit in which they differ.
    different = ((first ^ last).bit_length() + 1) // 2
    order = min(max(INDEX_ORDER - different, 0), HIGHEST_ORDER)
    return Partition(order, first >> 2 * (INDEX_ORDER - order))


def margin_pairs(ra: Floats, dec: Floats, plan: PartitionPlan, radius: float) -> tuple[Ints, Ints]:
    """Return the sources in the margin of each partition.

    The margin has every source outside of the partition and within `radius` of its edge, and few
    that are up to half a radius beyond.

    Parameters
    ----------
    ra, dec : float64 array, shape (n,), degrees
    plan : PartitionPlan
    radius : float, arcsec

    Returns
    -------
    rows, numbers : int64 arrays, shape (m,)
        A source and the partition in whose margin it is, sorted by partition and source.
    """
    # A pixel comes within the radius of a source if it holds a point of the rings around it: no
    # pixel of a partition is as narrow as the distance between the points of the outer ring.
    rows, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(ra), _CHUNK):
        lon, lat = _rings(ra[start : start + _CHUNK], dec[start : start + _CHUNK], radius)
        own = plan.find(healpix_index(ra[start : start + _CHUNK], dec[start : start + _CHUNK]))
        near = plan.find(healpix_index(lon, lat))
        source, point = np.nonzero((near != own[:, None]) & (near >= 0))
        pairs = np.unique(np.stack([near[source, point], source + start]), axis=1)
        numbers.append(pairs[0])
        rows.append(pairs[1])
    row, number = np.concatenate(rows), np.concatenate(numbers)
    order = np.lexsort((row, number))
    return row[order], number[order]


def _rings(ra: Floats, dec: Floats, radius: float) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes of points around positions, shape (n, points), degrees."""
    lon, lat = np.deg2rad(ra)[:, None], np.deg2rad(dec)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, _RING_POINTS, endpoint=False)
    angle = np.deg2rad(radius / 3600.0) * np.repeat(_RINGS, _RING_POINTS)
    north, east = np.tile(np.cos(turn), len(_RINGS)), np.tile(np.sin(turn), len(_RINGS))
    # The vector of the position, and the unit vectors towards north and east there.
    to_north, to_east = np.sin(angle) * north, np.sin(angle) * east
    outwards = np.cos(angle) * np.cos(lat) - to_north * np.sin(lat)
    x = outwards * np.cos(lon) - to_east * np.sin(lon)
    y = outwards * np.sin(lon) + to_east * np.cos(lon)
    z = np.cos(angle) * np.sin(lat) + to_north * np.cos(lat)
    return np.rad2deg(np.arctan2(y, x)) % 360.0, np.rad2deg(np.arctan2(z, np.hypot(x, y)))
