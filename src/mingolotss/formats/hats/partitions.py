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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.model import Floats, Ints
from mingolotss.sky.healpix_index import nested_pixels

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
_NARROWEST = 0.625
"""The least distance between pixels of one order that do not touch, in square roots of their area.

As ``hats.pixel_math.healpix_shim.order2mindist``; it is 0.68 at order 5.
"""
_WHOLE_SKY = 12 << 2 * INDEX_ORDER
_EVEN_BITS = 0x5555_5555_5555_5555


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

    def with_gaps(self) -> PartitionPlan:
        """Return these partitions and, between them, the fewest pixels that cover the other sky."""
        pixels: list[Partition] = []
        position = 0
        for partition in (*self.partitions, None):
            end = partition.start if partition else _WHOLE_SKY
            while position < end:
                pixels.append(_largest_pixel(position, end))
                position = pixels[-1].stop
            if partition:
                pixels.append(partition)
                position = partition.stop
        return PartitionPlan(tuple(pixels))


def _largest_pixel(start: int, end: int) -> Partition:
    """Return the largest pixel that begins at one index of order 29 and ends before another."""
    order = INDEX_ORDER
    while order and start % (width := 1 << 2 * (INDEX_ORDER - order + 1)) == 0:
        if start + width > end:
            break
        order -= 1
    return Partition(order, start >> 2 * (INDEX_ORDER - order))


def healpix_index(ra: Floats, dec: Floats) -> Ints:
    """Return the HEALPix index of order 29 of each position.

    Parameters
    ----------
    ra, dec : float64 array, any shape, degrees

    Returns
    -------
    int64 array of the same shape
    """
    return nested_pixels(ra, dec, 1 << INDEX_ORDER)


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


def margin_pairs(ra: Floats, dec: Floats, sky: PartitionPlan, radius: float) -> tuple[Ints, Ints]:
    """Return the sources in the margin of each partition.

    The margin has every source outside of the partition and within `radius` of its edge, and some
    that are up to six radii from it.

    Parameters
    ----------
    ra, dec : float64 array, shape (n,), degrees
    sky : PartitionPlan
        That covers the sky (`PartitionPlan.with_gaps`). A gap has a margin, too: a source of
        another catalogue in the gap can be a neighbour of one of ours in a partition.
    radius : float, arcsec

    Returns
    -------
    rows, numbers : int64 arrays, shape (m,)
        A source and the partition in whose margin it is, sorted by partition and source.
    """
    # The sky is divided into cells of one order, none narrower than the radius: what is within the
    # radius of a source is in its cell or in one that touches it. Only cells at the edge of their
    # partition are of interest, and sources in one cell share its neighbours.
    order = _cell_order(radius)
    index = healpix_index(ra, dec)
    own = sky.find(index)
    cell = index >> 2 * (INDEX_ORDER - order)
    depth = order - np.array([partition.order for partition in sky], np.int64)[own]
    rows = np.flatnonzero(_at_edge(cell, depth))
    cells, cell_of_row = np.unique(cell[rows], return_inverse=True)
    which, number = _partitions_around(cells, order, sky)
    rows_in_order = rows[np.argsort(cell_of_row, kind="stable")]
    first = np.searchsorted(cell_of_row[np.argsort(cell_of_row, kind="stable")], which)
    sizes = np.bincount(cell_of_row, minlength=len(cells))[which]
    row = rows_in_order[_ranges(first, sizes)]
    number = np.repeat(number, sizes)
    outside = number != own[row]
    row, number = row[outside], number[outside]
    sort = np.lexsort((row, number))
    return row[sort], number[sort]


def _cell_order(radius: float) -> int:
    """Return the highest order whose pixels are nowhere narrower than a radius in arcsec."""
    side = math.degrees(math.sqrt(math.pi / 3)) * 3600  # of a pixel of order 0, arcsec
    return min(max(math.floor(math.log2(_NARROWEST * side / radius)), 0), INDEX_ORDER)


def _at_edge(cell: Ints, depth: Ints) -> npt.NDArray[np.bool_]:
    """Say which cells touch the edge of a pixel that is `depth` orders lower."""
    # In a nested number, x and y within the pixel are the even and the odd bits.
    inside = (np.int64(1) << 2 * np.maximum(depth, 0)) - 1
    edge = np.zeros(cell.shape, bool)
    for bits in (inside & _EVEN_BITS, inside & ~_EVEN_BITS):
        edge |= ((cell & bits) == 0) | ((cell & bits) == bits)
    return edge


def _partitions_around(cells: Ints, order: int, sky: PartitionPlan) -> tuple[Ints, Ints]:
    """Return the pairs of a cell and a partition that it, or a cell that touches it, lies in."""
    from astropy_healpix import neighbours  # 0.2 s, for margins only

    with np.errstate(invalid="ignore"):  # as astropy-healpix does where a pixel has 7 neighbours
        near = neighbours(cells, 1 << order, order="nested").astype(np.int64)
    near = np.vstack([near, cells])
    direction, which = np.nonzero(near >= 0)
    start = near[direction, which] << 2 * (INDEX_ORDER - order)
    first, last = sky.find(start), sky.find(start + (1 << 2 * (INDEX_ORDER - order)) - 1)
    sizes = last - first + 1  # more than one where the partitions are smaller than the cell
    pairs = np.unique(np.repeat(which, sizes) * len(sky) + _ranges(first, sizes))
    return pairs // len(sky), pairs % len(sky)


def _ranges(first: Ints, sizes: Ints) -> Ints:
    """Return the numbers `first` to ``first + size - 1`` of each range, one after the other."""
    before = np.cumsum(sizes) - sizes
    numbers: Ints = np.arange(sizes.sum()) + np.repeat(first - before, sizes)
    return numbers
