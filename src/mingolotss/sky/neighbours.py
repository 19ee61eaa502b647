"""Which stamps overlap on the sky: neighbours within an angle, and chains of them.

>>> overlaps([10.0, 10.01, 10.02, 40.0], [0.0, 0.0, 0.0, 0.0], 60.0).tolist()
[[0, 1], [1, 2]]
>>> group_overlaps([10.0, 10.01, 10.02, 40.0], [0.0, 0.0, 0.0, 0.0], 60.0).tolist()
[0, 0, 0, 1]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mingolotss.model import Ints
from mingolotss.sky.angles import unit_vectors

__all__ = ["group_overlaps", "overlaps"]

_NARROWEST = 1e-6  # of a cube, 0.2 arcsec: the numbers of all cubes fit in 64 bits


def overlaps(ra: npt.ArrayLike, dec: npt.ArrayLike, reach_arcsec: float) -> Ints:
    """List the pairs of positions that are closer than `reach_arcsec`.

    The sphere is cut into cubes as wide as the reach; only neighbours in the same or an adjoining
    cube are compared, so the cost grows with the sources and their pairs, not with the square.

    Parameters
    ----------
    ra, dec : float array, shape (n,), deg, ICRS
    reach_arcsec : float

    Returns
    -------
    int64 array, shape (pairs, 2)
        Sorted; the first of each pair is the smaller.
    """
    points = unit_vectors(ra, dec)
    chord = 2 * np.sin(np.radians(reach_arcsec / 3600) / 2)
    if len(points) < 2 or chord <= 0:
        return np.empty((0, 2), np.int64)
    width = max(chord, _NARROWEST)
    cubes = np.floor((points + 1) / width).astype(np.int64) + 1
    n, axes = len(points), np.ascontiguousarray(points.T)
    keys = []
    for one, other in _in_adjoining_cubes(cubes):
        x, y, z = (axis[one] - axis[other] for axis in axes)
        close = np.sqrt(x * x + y * y + z * z) < chord
        pair = one[close], other[close]
        keys.append(np.minimum(*pair) * n + np.maximum(*pair))
    pairs: Ints = np.stack(np.divmod(np.sort(np.concatenate(keys)), n), axis=1)
    return pairs


def group_overlaps(ra: npt.ArrayLike, dec: npt.ArrayLike, reach_arcsec: float) -> Ints:
    """Number the groups of positions that hang together by `overlaps`, in order of appearance.

    Returns
    -------
    int64 array, shape (n,)
    """
    pairs = overlaps(ra, dec, reach_arcsec)
    lowest = np.arange(np.size(ra))
    while True:  # each turn joins neighbours and halves the chains
        before = lowest.copy()
        least = np.minimum(lowest[pairs[:, 0]], lowest[pairs[:, 1]])
        np.minimum.at(lowest, pairs.ravel(), np.repeat(least, 2))
        lowest = lowest[lowest]
        if np.array_equal(before, lowest):
            return np.unique(lowest, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _in_adjoining_cubes(cubes: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pair the rows of `cubes`, shape (n, 3), that are equal or differ by at most 1 in each.

    In five goes, each of them small enough to stay near the processor.
    """
    side = int(cubes.max()) + 2
    keys = (cubes[:, 0] * side + cubes[:, 1]) * side + cubes[:, 2]
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    here = np.arange(len(keys))
    for x, y in ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):  # the others meet these
        step = (x * side + y) * side
        first = np.searchsorted(keys, keys + step - 1) if step else here + 1
        count = np.searchsorted(keys, keys + step + 1, "right") - first  # three cubes in a row
        before = np.cumsum(count) - count
        place = np.arange(count.sum()) + np.repeat(first - before, count)
        yield order[np.repeat(here, count)], order[place]
