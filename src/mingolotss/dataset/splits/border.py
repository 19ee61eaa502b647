"""Sources at the borders of splits that must be left out, so that no pair shares pixels.

The sources of all pairs across are more than necessary: a set that has one source of each pair is
enough (a vertex cover). The smallest one is hard to find for more than two splits, but a greedy
choice comes within 2 % of it for the sources of a survey, compared with the exact one for two
splits (König's theorem).

>>> stamps = StampRegions([10.0, 10.1, 10.2], [0.0, 0.0, 0.0], [600.0, 600.0, 600.0])
>>> import numpy as np
>>> thin_border([stamps], np.array([0, 1, 0]))
{1: {0}}
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from mingolotss.model import Ints
from mingolotss.sky.stamp_regions import StampRegions

__all__ = ["Border", "thin_border"]

Border = dict[int, set[int]]
"""The sources that are left out, with the splits of those they share pixels with."""


def thin_border(regions: Sequence[StampRegions], split_of: Ints) -> Border:
    """Choose sources to leave out, so that no pair of different splits remains that overlaps.

    Parameters
    ----------
    regions : sequence of StampRegions
        Regions of the same sources, none of which may overlap.
    split_of : int array, shape (n,)
        The number of each source's split.
    """
    blocks = [pairs for stamps in regions for pairs in stamps.pairs(split_of)]
    first, second = (
        np.concatenate([np.empty(0, np.int64), *(pairs[side] for pairs in blocks)])
        for side in (0, 1)
    )
    row, other = np.column_stack([first, second]).ravel(), np.column_stack([second, first]).ravel()
    left_out = np.array(sorted(_cover(_partners(row, other))), np.int64)
    is_left_out = np.zeros(len(split_of), bool)
    is_left_out[left_out] = True
    chosen = is_left_out[row]
    splits = int(split_of.max(initial=0)) + 1
    border: Border = {one: set() for one in left_out.tolist()}
    for cell in np.unique(row[chosen] * splits + split_of[other[chosen]]).tolist():
        border[cell // splits].add(cell % splits)
    return border


def _partners(row: Ints, other: Ints) -> dict[int, set[int]]:
    """Return all partners of each source, in the order in which sources appear in `row`."""
    order = np.argsort(row, kind="stable")
    begins = np.flatnonzero(np.diff(row[order], prepend=-1))
    by_appearance = np.argsort(order[begins])
    ends = np.append(begins[1:], len(row))[by_appearance].tolist()
    begins = begins[by_appearance]
    rows, others = row[order[begins]].tolist(), other[order].tolist()
    return {
        one: set(others[begin:end])
        for one, begin, end in zip(rows, begins.tolist(), ends, strict=True)
    }


def _cover(partners: Mapping[int, set[int]]) -> set[int]:
    """Return a small set that has one of each pair."""
    # Strategy: of a pair in which one source has no other partner, the other source is always a
    # best choice. Without such a pair, the source with the most partners is taken. At the end, a
    # source is returned whose partners have all been taken.
    near = {row: set(others) for row, others in partners.items()}  # those that are not taken
    single = [row for row, others in near.items() if len(others) == 1]
    largest = [(-len(others), row) for row, others in near.items()]
    heapq.heapify(largest)
    taken: set[int] = set()
    while single or largest:
        if single:
            row = single.pop()
            choice = next(iter(near[row])) if len(near[row]) == 1 else None
        else:
            size, row = heapq.heappop(largest)
            choice = row if size == -len(near[row]) and near[row] else None
            if choice is None and near[row]:
                heapq.heappush(largest, (-len(near[row]), row))
        if choice is None:
            continue
        taken.add(choice)
        for other in near[choice]:
            near[other].discard(choice)
            if len(near[other]) == 1:
                single.append(other)
        near[choice] = set()
    for row in sorted(taken):
        if partners[row] <= taken:
            taken.discard(row)
    return taken
