"""Unions, differences and joins of byte ranges, against sets of bytes."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.io import range_plan
from mingolotss.io.partial_copy import PartialCopy
from mingolotss.io.range_plan import (
    NO_RANGES,
    are_inside,
    as_ranges,
    difference,
    group_ranges,
    join_close,
    join_ranges,
    total_bytes,
    union,
)


def drawn(rng: np.random.Generator, most: int = 12, end: int = 120) -> np.ndarray:
    """Return ranges in no order that may be empty, touch and overlap."""
    starts = rng.integers(0, end, rng.integers(0, most))
    return as_ranges(starts, starts + rng.integers(0, 15, len(starts)))


def bytes_of(ranges: np.ndarray) -> set[int]:
    return {byte for start, stop in ranges.tolist() for byte in range(start, stop)}


@pytest.mark.parametrize("seed", range(60))
def test_sets_of_bytes(seed):
    rng = np.random.default_rng(seed)
    first, second = drawn(rng), drawn(rng)
    one, other = union(first), union(second)
    assert bytes_of(one) == bytes_of(first)
    assert total_bytes(one) == len(bytes_of(first))
    assert (one[1:, 0] > one[:-1, 1]).all()
    left = difference(one, other)
    assert bytes_of(left) == bytes_of(first) - bytes_of(second)
    assert (left[1:, 0] > left[:-1, 1]).all()
    pieces = first[first[:, 0] < first[:, 1]]
    inside = [set(range(*piece)) <= bytes_of(other) for piece in pieces.tolist()]
    assert are_inside(pieces, other).tolist() == inside


@pytest.mark.parametrize("seed", range(30))
def test_a_join_reads_a_share_more_at_most(seed, monkeypatch):
    monkeypatch.setattr(range_plan, "REQUEST_BYTES", 64)
    rng = np.random.default_rng(seed)
    ranges = union(drawn(rng, 40, 2000))
    for share, free_gap in ((0.0, 0), (0.2, 0), (1.0, 0), (0.0, 9)):
        joined = join_ranges(ranges, free_gap=free_gap, share=share)
        assert bytes_of(ranges) <= bytes_of(joined)
        extra = len(bytes_of(joined)) - len(bytes_of(ranges))
        gaps = (ranges[1:, 0] - ranges[:-1, 1]).tolist()
        assert extra <= max(share * total_bytes(ranges), sum(g for g in gaps if g <= free_gap))
        if free_gap:
            assert extra == sum(gap for gap in gaps if gap <= free_gap)
        for most in (1, 3, 100):
            groups = group_ranges(joined, most)
            flat = [one for group in groups for one in group]
            assert flat == sorted(flat)
            assert bytes_of(np.array(flat).reshape(-1, 2)) == bytes_of(joined)
            assert sum(b - a for a, b in flat) == len(bytes_of(joined))
            assert all(len(group) <= most for group in groups)
            assert all(sum(b - a for a, b in group) <= 64 for group in groups)


@pytest.mark.parametrize("seed", range(10))
def test_only_gaps_up_to_a_length_are_joined(seed):
    rng = np.random.default_rng(seed)
    ranges = union(drawn(rng, 40, 2000))
    gaps = ranges[1:, 0] - ranges[:-1, 1]
    for gap in (0, 20, 5000):
        joined = join_close(ranges, gap)
        assert len(joined) == len(ranges) - (gaps <= gap).sum()
        assert len(bytes_of(joined) - bytes_of(ranges)) == gaps[gaps <= gap].sum()


def test_no_ranges_are_no_requests():
    assert not len(union(NO_RANGES))
    assert not len(difference(NO_RANGES, as_ranges([0], [9])))
    assert not len(difference(as_ranges([0], [9]), as_ranges([0], [9])))
    assert are_inside(as_ranges([0], [9]), NO_RANGES).tolist() == [False]
    assert group_ranges(NO_RANGES, 3) == []


def test_a_copy_has_what_was_written():
    rng = np.random.default_rng(1)
    content = rng.bytes(5000)
    copy, there = PartialCopy(5000), set()
    for _ in range(20):
        ranges = union(drawn(rng, 8, 4900))
        pairs = [(start, stop) for start, stop in ranges.tolist()]
        copy.write(pairs, [content[start:stop] for start, stop in pairs])
        there |= bytes_of(ranges)
        assert copy.nbytes == len(there)
        assert bytes_of(copy.missing(as_ranges([0], [5000]))) == set(range(5000)) - there
        assert copy.has(ranges).all()
    assert bytes(copy.raw) == bytes(
        byte if place in there else 0 for place, byte in enumerate(content)
    )
