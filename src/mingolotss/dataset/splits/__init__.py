"""Divide sources into training and test sets, without dividing sources that share pixels.

`SplitPlan` says how to split, `SplitSources` what is split, and `assign_splits` (``assign.py``)
does it; a `SplitResult` has the split of each source, and what a person should know about it.

>>> import numpy as np
>>> from mingolotss.dataset.splits.assign import assign_splits
>>> plan = SplitPlan.parse("stratified:train=0.5,test=0.5,seed=3")
>>> sources = SplitSources(
...     names=tuple("abcdef"), labels=np.array([0, 0, 0, 1, 1, 0]),
...     ra=np.array([10, 10.01, 40, 50, 60, 70.0]), dec=np.zeros(6),  # the first two overlap
...     extent_arcsec=np.full(6, 225.0),
... )
>>> result = assign_splits(plan, sources)
>>> result.names[0] == result.names[1], sorted(result.names.tolist()), result.pairs_across
(True, ['test', 'test', 'test', 'train', 'train', 'train'], 0)
"""

from __future__ import annotations

from mingolotss.dataset.splits.plan import KINDS, SplitPlan
from mingolotss.dataset.splits.record import SplitOrigin, SplitRecord
from mingolotss.dataset.splits.result import SplitResult
from mingolotss.dataset.splits.sources import SplitSources

__all__ = [
    "KINDS",
    "SplitOrigin",
    "SplitPlan",
    "SplitRecord",
    "SplitResult",
    "SplitSources",
]
