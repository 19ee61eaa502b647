"""The order in which sources are assigned is that of a hash: sorting a catalogue moves nobody.

>>> from mingolotss.dataset.splits.sources import SplitSources
>>> ra, dec, extent, labels = np.array([10.0, 20, 30]), np.zeros(3), np.ones(3), np.zeros(3, int)
>>> sources = SplitSources(("A", "B", "C"), labels, ra, dec, extent)
>>> turned = sources.take(np.array([2, 1, 0]))
>>> (seeded_ranks(sources, 1) == seeded_ranks(turned, 1)[::-1]).all()
np.True_
"""

from __future__ import annotations

import hashlib

import numpy as np

from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.model import Ints

__all__ = ["seeded_ranks"]


def seeded_ranks(sources: SplitSources, seed: int) -> Ints:
    """Return the place of each source in an order that depends on names, positions and seed alone.

    Parameters
    ----------
    sources : SplitSources
    seed : int

    Returns
    -------
    int64 array, shape (n,)
        Sources of one name at one position follow each other as their labels and rows do.
    """
    # A position is rounded to 1e-6 deg, so that the last bit of a number does not decide.
    micro = np.round(np.column_stack([np.mod(sources.ra, 360.0), sources.dec]) * 1e6)
    places = np.nan_to_num(micro, nan=-1e12).astype(np.int64)
    width, data = places.shape[1] * places.itemsize, places.tobytes()
    key = hashlib.blake2b(str(seed).encode(), digest_size=8)
    digests = []
    for start, name in zip(range(0, len(data), width), sources.names, strict=True):
        one = key.copy()
        one.update(name.encode("utf-8", "surrogatepass") + data[start : start + width])
        digests.append(one.digest())
    numbers = np.frombuffer(b"".join(digests), np.uint64)
    order = np.lexsort((np.arange(len(sources)), sources.labels, numbers))
    ranks = np.empty(len(sources), np.int64)
    ranks[order] = np.arange(len(sources))
    return ranks
