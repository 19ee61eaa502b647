"""Allot sources that have no split yet, so that each class or tag keeps its shares.

>>> strata = Strata.of_labels(np.array([0, 0, 0, 0, 1, 1]), ("FRI", "FRII"))
>>> goals = Goals.of(strata, np.array([0.5, 0.5]))
>>> groups = np.array([0, 0, 1, 2, 3, 4])
>>> allot(strata, np.full(6, NEW), goals, groups, np.arange(6)).tolist()
[0, 0, 1, 1, 0, 1]
"""

from __future__ import annotations

import numpy as np

from mingolotss.dataset.splits.dealing import deal_groups
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.iterative import deal_tags
from mingolotss.dataset.splits.strata import Strata
from mingolotss.model import Ints

__all__ = ["NEW", "OUT", "allot"]

NEW, OUT = -1, -2
"""In the place of the number of a split: of sources to allot, and of those that are left out."""


def allot(strata: Strata, split_of: Ints, goals: Goals, groups: Ints, ranks: Ints) -> Ints:
    """Return the split of every source, with those that had none yet in one.

    Parameters
    ----------
    strata : Strata
    split_of : int array, shape (n,)
        The number of each source's split, `NEW` or `OUT`.
    goals : Goals
        Of the splits in the end.
    groups, ranks : int array, shape (new sources,)
        The group of each new source, numbered from 0, and the order in which they are dealt out.
        A group stays together.

    Returns
    -------
    int64 array, shape (n,)
    """
    new = np.flatnonzero(split_of == NEW)
    allotted = np.array(split_of, np.int64)
    if strata.is_exclusive:
        missing = goals.strata - strata.counts(split_of, len(goals.sizes))
        codes = strata.first_of_source[new]
        allotted[new] = deal_groups(groups, codes, missing, ranks)
    else:
        allotted[new] = deal_tags(strata, split_of, goals, groups, ranks)
    return allotted
