"""Which bytes of a file to request, for many pieces that lie close together.

A request has a price besides its bytes: the time until the answer begins. Pieces with a small gap
between them are therefore requested as one, and a long piece is divided, so that several
connections share it.

>>> rows = as_ranges([0, 90, 200, 5000], [80, 170, 280, 5080])
>>> join_ranges(rows, free_gap=10, share=0.1).tolist()
[[0, 170], [200, 280], [5000, 5080]]
>>> join_ranges(rows, free_gap=0, share=0.2).tolist()
[[0, 280], [5000, 5080]]

Strategy for servers that send one range in an answer: see `single_requests`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.model import Bools, Ints

__all__ = [
    "NO_RANGES",
    "are_inside",
    "as_ranges",
    "difference",
    "group_ranges",
    "join_close",
    "join_ranges",
    "single_requests",
    "total_bytes",
    "union",
]

NO_RANGES: Ints = np.empty((0, 2), np.int64)

LARGEST_SHARE = 0.07  # of bytes that nobody needs, in what is requested together
REQUEST_BYTES = 4 << 20  # of one request: 0.3 s at 100 Mbit/s, and enough for many round trips
_SINGLE_SHARE = 0.13  # the same for servers that send one range in an answer
_ANSWER_BYTES = 512  # of the headers of an answer
_MEAN_BYTES = 16 << 10  # what travels while one of 16 connections waits: 2 ms at 70 Mbit/s
_LONGEST_GAP = 1 << 20  # what travels during one round trip on a fast line: 30 ms at 300 Mbit/s


def as_ranges(starts: Ints | Sequence[int], stops: Ints | Sequence[int]) -> Ints:
    """Return byte ranges as an array, shape (n, 2): first byte, and one past the last."""
    return np.stack([np.asarray(starts, np.int64), np.asarray(stops, np.int64)], axis=1)


def total_bytes(ranges: Ints) -> int:
    """Return the number of bytes in ranges that do not overlap."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def union(ranges: Ints) -> Ints:
    """Return the bytes in any of several ranges: sorted, and with a gap after each."""
    ranges = ranges[ranges[:, 0] < ranges[:, 1]]
    if not len(ranges):
        return NO_RANGES
    starts, stops = ranges[np.argsort(ranges[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(stops)  # of all ranges so far
    begins = np.flatnonzero(starts[1:] > reach[:-1]) + 1
    return as_ranges(starts[np.r_[0, begins]], reach[np.r_[begins - 1, len(reach) - 1]])


def difference(ranges: Ints, others: Ints) -> Ints:
    """Return the bytes in the first ranges and in none of the others; both are unions."""
    # Every edge is a step: +1 where a range begins, -2 where one of the others does, and back at
    # their ends. Between two edges the sum of the steps is 1 exactly where only the first are.
    edges = np.concatenate([ranges[:, 0], ranges[:, 1], others[:, 0], others[:, 1]])
    counts = len(ranges), len(ranges), len(others), len(others)
    order = np.argsort(edges, kind="stable")
    level = np.repeat([1, -1, -2, 2], counts)[order].cumsum()
    edges, is_left = edges[order], level[:-1] == 1
    return union(as_ranges(edges[:-1][is_left], edges[1:][is_left]))


def are_inside(ranges: Ints, present: Ints) -> Bools:
    """Return which ranges lie in one of a union."""
    if not len(present):
        return np.zeros(len(ranges), bool)
    index = np.searchsorted(present[:, 0], ranges[:, 0], "right") - 1
    inside: Bools = (index >= 0) & (ranges[:, 1] <= present[index, 1])
    return inside


def join_ranges(
    ranges: Ints, *, free_gap: int, share: float = LARGEST_SHARE, mean_bytes: int | None = None
) -> Ints:
    """Join ranges of a union over the smallest gaps.

    Parameters
    ----------
    ranges : int64 array, shape (n, 2)
    free_gap : int
        Gaps of so many bytes cost no more than to leave them out, and are always joined.
    share : float
        Larger gaps are joined, the smallest first, until they make up this share of the ranges.
    mean_bytes : int, optional
        They are joined further until each range that is left has so many needed bytes on average.
    """
    gaps = ranges[1:, 0] - ranges[:-1, 1]
    order = np.argsort(gaps, kind="stable")
    smallest = gaps[order]
    needed = total_bytes(ranges)
    is_cheap = smallest.cumsum() <= share * needed
    if mean_bytes is not None:
        is_cheap[: max(0, len(ranges) - max(1, needed // mean_bytes))] = True
    is_cheap &= smallest <= _LONGEST_GAP
    return _join(ranges, order[is_cheap | (smallest <= free_gap)])


def single_requests(ranges: Ints, most: int) -> list[list[tuple[int, int]]]:
    """Return requests for a union of ranges, for a server that sends one range in an answer.

    Parameters
    ----------
    ranges : int64 array, shape (n, 2)
    most : int
        The largest number of ranges in a group, each of which is a request.
    """
    # Strategy: where many cutouts lie on a mosaic, gaps up to a share of the needed bytes are
    # joined, as for other servers: one request less for 20 kB more would double the bytes. Where
    # they are few, that would leave a request for every row of each cutout, and the time would be
    # spent on waiting. So many gaps are joined then, the smallest first, that waiting for answers
    # takes about as long as the bytes themselves.
    joined = join_ranges(
        ranges, free_gap=_ANSWER_BYTES, share=_SINGLE_SHARE, mean_bytes=_MEAN_BYTES
    )
    return group_ranges(joined, most)


def join_close(ranges: Ints, gap: int) -> Ints:
    """Join ranges of a union over all gaps of at most `gap` bytes.

    For requests that are sent one after another: what lies between two ranges takes less time than
    one more of them.
    """
    return _join(ranges, np.flatnonzero(ranges[1:, 0] - ranges[:-1, 1] <= gap))


def _join(ranges: Ints, gaps: Ints) -> Ints:
    """Return ranges without some of the gaps between them, by their numbers."""
    begins, ends = np.ones(len(ranges), bool), np.ones(len(ranges), bool)
    begins[gaps + 1] = ends[gaps] = False
    return as_ranges(ranges[begins, 0], ranges[ends, 1])


def group_ranges(ranges: Ints, most: int) -> list[list[tuple[int, int]]]:
    """Divide ranges into requests of at most `most` ranges and about `REQUEST_BYTES` bytes."""
    groups: list[list[tuple[int, int]]] = []
    room = 0
    for start, stop in ranges.tolist():
        for first in range(start, stop, REQUEST_BYTES):
            end = min(first + REQUEST_BYTES, stop)
            if room < end - first or len(groups[-1]) == most:
                groups.append([])
                room = REQUEST_BYTES
            groups[-1].append((first, end))
            room -= end - first
    return groups
