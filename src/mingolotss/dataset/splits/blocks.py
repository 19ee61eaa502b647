"""Splits by regions of sky, with a buffer between them.

Where the groups of overlapping stamps are as large as the survey, no split can keep them whole. The
sky is cut instead, into zones and lunes around many axes, and sources at the borders whose stamps
share pixels with those of another split are left out: as few as possible, and no others.

Of some hundred ways to cut, the best is the one of the smallest cost: the part of the sources that
is left out, and the part of a class that would have to change its split for exact shares, as the
mean of all classes. Ways by which a split has too many or too few sources, by more than 2 % of all,
come after the others, and those by which a class is missing from a split come last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, product
from typing import NamedTuple

import numpy as np

from mingolotss.dataset.splits.allotment import NEW, OUT, allot
from mingolotss.dataset.splits.border import Border, thin_border
from mingolotss.dataset.splits.dealing import TOLERANCE
from mingolotss.dataset.splits.goals import Goals
from mingolotss.dataset.splits.plan import SplitPlan
from mingolotss.dataset.splits.result import Assignment
from mingolotss.dataset.splits.sky_orders import Cutting, SkyOrder, sky_orders
from mingolotss.dataset.splits.sources import SplitSources
from mingolotss.dataset.splits.strata import Strata
from mingolotss.model import Floats, Ints
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.stamp_regions import StampRegions

__all__ = ["assign_blocks"]

_AXES = 16  # at random, beside those of the sky and of the sources
_STRIPS = (1, 2, 3, 4)  # of each split
_OFFSETS = 4  # where the first strip begins
_SHIFT = 0.008  # by how many of the sources the cuts around a split may move, in sum
_SHIFTS = 16  # places to each side that are tried
_SAMPLE = 10_000  # sources by which the cuts are found; shares are then right within 0.4 %
_TRIED, _TRIED_OF_MANY = 8, 3  # ways to cut whose overlapping pairs are counted
_MANY = 50_000  # sources


class _Cost(NamedTuple):
    """The cost of a split; the first numbers that differ decide."""

    missing: int
    uneven: float
    parts: float


class _Cuts(NamedTuple):
    """One way to cut the sky.

    Attributes
    ----------
    cost : _Cost
        As `_Goal.cost` estimates it from the stamps that a cut goes through.
    cutting : int
        Number of the axis.
    splits : tuple of int
        The split of each strip.
    angles : tuple of float, rad
        Between the strips.
    """

    cost: _Cost
    cutting: int
    splits: tuple[int, ...]
    angles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Goal:
    """The shares that the splits should have.

    Attributes
    ----------
    shares : float array, shape (splits,)
    totals : int array, shape (strata,)
        Number of sources of each class or tag.
    members : int array, shape (combinations, strata)
        As in `Strata`.
    sources : int
    """

    shares: Floats
    totals: Ints
    members: Ints
    sources: int

    @classmethod
    def of(cls, shares: Floats, strata: Strata) -> _Goal:
        """Return the goal for sources."""
        return cls(shares, strata.totals(), strata.members, len(strata))

    def costs(self, cells: Ints, lost: Ints) -> list[_Cost]:
        """Return the cost of each of several splits, which is the smaller the better.

        Parameters
        ----------
        cells : int array, shape (k, splits, combinations)
            Number of sources.
        lost : int array, shape (k,)
            Number of sources that are left out.
        """
        counts, sizes = cells @ self.members, cells.sum(axis=2)
        missing = (counts == 0) & (self.totals >= len(self.shares))
        dealt = np.maximum(counts.sum(axis=1), 1)
        misplaced = np.abs(counts / dealt[:, None] - self.shares[:, None]).sum(axis=1) / 2
        dealt_at_all = np.maximum(sizes.sum(axis=1), 1)
        worst = np.abs(sizes / dealt_at_all[:, None] - self.shares).max(axis=1)
        uneven = np.maximum(worst - TOLERANCE, 0.0)
        parts = lost / max(self.sources, 1) + misplaced.mean(axis=1)
        numbers = zip(
            missing.sum(axis=(1, 2)).tolist(), uneven.tolist(), parts.tolist(), strict=True
        )
        return [_Cost(*cost) for cost in numbers]


def assign_blocks(plan: SplitPlan, sources: SplitSources) -> Assignment:
    """Assign regions of sky, and leave out sources at the borders that would share pixels.

    Parameters
    ----------
    plan : SplitPlan
        Of the kind "blocks".
    sources : SplitSources
        In the order in which they are dealt out.
    """
    stamps, strata = sources.regions(plan.reach_arcsec), sources.strata
    shares = np.array(list(plan.targets.values()))
    split_of, border = _best_split(stamps, plan, strata, shares)
    # A source without a position shares pixels with nobody that is known, and fills the quotas.
    free = np.flatnonzero(~stamps.known)
    split_of[free] = NEW
    split_of = allot(strata, split_of, Goals.of(strata, shares), np.arange(len(free)), free)
    split_of[split_of == OUT] = len(shares)
    names = np.array([*plan.targets, ""])
    reasons = np.full(len(sources), "", object)
    near = "shares pixels with" if plan.buffer_arcsec is None else "is in the buffer to"
    for row, others in border.items():
        listed = " and ".join(names[sorted(others)].tolist())
        reasons[row] = f"at the border of its region, where it {near} sources of {listed}"
    return Assignment(plan, names[split_of], reasons.astype(str))


def _best_split(
    stamps: StampRegions, plan: SplitPlan, strata: Strata, shares: Floats
) -> tuple[Ints, Border]:
    """Return the split of each source, `OUT` if it has none, and those left out at the borders."""
    # Strategy: cuts are found, and their costs estimated, in a sample; only for the most promising
    # ones the pairs of stamps across the borders are searched. The sources are in a random order,
    # so that the first of them are a sample.
    known = np.flatnonzero(stamps.known)
    regions, radius = _regions(stamps, plan.buffer_arcsec)
    points = unit_vectors(stamps.ra[known], stamps.dec[known])
    sample = slice(0, _SAMPLE)
    rng = np.random.default_rng(plan.seed)
    in_sample = strata.take(known[sample])
    goal = _Goal.of(shares, in_sample)
    ways: list[Cutting] = []
    candidates: list[_Cuts] = []
    orders = sky_orders(points[sample], radius[known[sample]], rng, _AXES) if len(known) else ()
    for number, (cutting, order) in enumerate(orders):
        ways.append(cutting)
        candidates += _ways_to_cut(number, order, in_sample.codes[order.rows], goal, rng)
    goal = _Goal.of(shares, strata.take(known))
    best_cost = _Cost(len(shares) * len(goal.totals) + 1, 0.0, 0.0)
    best: tuple[Ints, Border] = np.full(len(strata), OUT, np.int64), {}
    tried = _TRIED if len(known) <= _MANY else _TRIED_OF_MANY
    for cuts in sorted(candidates)[:tried]:
        split_of = np.full(len(strata), OUT, np.int64)
        split_of[known] = _split_of_strips(cuts, ways[cuts.cutting], points)
        border = thin_border(regions, split_of)
        split_of[list(border)] = OUT
        cells = strata.cells(split_of, len(shares))
        (cost,) = goal.costs(cells[None], np.array([len(border)]))
        if cost < best_cost:
            best_cost, best = cost, (split_of, border)
    return best


def _regions(
    stamps: StampRegions, buffer_arcsec: float | None
) -> tuple[list[StampRegions], Floats]:
    """Return the regions that must not overlap across splits, and their radii in rad."""
    if buffer_arcsec is None:
        return [stamps], np.radians(stamps.radius_arcsec / 3600)
    extent = np.where(stamps.known, buffer_arcsec, np.nan)
    gap = StampRegions(stamps.ra, stamps.dec, extent)
    radius = np.maximum(stamps.radius_arcsec, gap.radius_arcsec)
    return [stamps, gap], np.radians(radius / 3600)


def _split_of_strips(cuts: _Cuts, cutting: Cutting, points: Floats) -> Ints:
    strips = np.searchsorted(np.array(cuts.angles), cutting.angle(points), "right")
    return np.array(cuts.splits, np.int64)[strips]


def _ways_to_cut(
    number: int, order: SkyOrder, codes: Ints, goal: _Goal, rng: np.random.Generator
) -> list[_Cuts]:
    """Cut stamps into strips, a different number of them, in different orders of the splits.

    Parameters
    ----------
    number : int
        Of the axis.
    order : SkyOrder
    codes : int array, shape (n,)
        The combination of classes or tags of each stamp, in this order.
    goal : _Goal
    rng : numpy.random.Generator
    """
    # Strategy: the strips of all ways stand one after another, so that each step is taken once for
    # all of them. Stamps are counted once for the finest division that all cuts together make; the
    # number in a strip is then the difference of two sums.
    n, shares = len(codes), goal.shares.tolist()
    ways = [
        _strips(shares, strips, rng, begin=rng.random() if offset else 0.0)
        for strips, offset in product(_STRIPS, range(_OFFSETS))
    ]
    sizes = np.array([len(splits) for splits, _ in ways])
    splits, ends = (np.array([*chain(*side)]) for side in zip(*ways, strict=True))
    way = np.repeat(np.arange(len(ways)), sizes)
    strips_of_split = np.repeat(_STRIPS, _OFFSETS)[way]
    is_last = np.append(way[1:] != way[:-1], True)  # it ends where all strips end
    steps = np.arange(-_SHIFTS, _SHIFTS + 1) / _SHIFTS * _SHIFT * n / 2
    moves = steps / strips_of_split[~is_last, None]
    places = np.round(ends[~is_last, None] * n + moves).astype(np.int64)
    angles = order.cuts_at(places)
    crossing = order.crossing(angles)
    # The cut that goes through the fewest stamps, and of these the nearest to its exact place.
    best = np.arange(len(places)), np.argmin(crossing + np.abs(steps) / n, axis=1)
    cuts = [
        np.maximum.accumulate(of_way)
        for of_way in np.split(angles[best], np.cumsum(sizes - 1)[:-1])
    ]
    first, last = np.cumsum(sizes) - sizes, np.cumsum(sizes) - 1
    lost = np.bincount(way[~is_last], crossing[best], len(ways)).astype(np.int64)
    lost += np.where(splits[first] != splits[last], order.at_start, 0)
    stops = np.full(len(way), n)
    stops[~is_last] = np.searchsorted(order.key, np.concatenate(cuts))
    cells = _cells(way, splits, stops, codes, (len(ways), len(goal.shares), len(goal.members)))
    return [
        _Cuts(cost, number, tuple(splits[begin : end + 1].tolist()), tuple(of_way.tolist()))
        for cost, begin, end, of_way in zip(
            goal.costs(cells, lost), first.tolist(), last.tolist(), cuts, strict=True
        )
    ]


def _cells(way: Ints, splits: Ints, stops: Ints, codes: Ints, shape: tuple[int, int, int]) -> Ints:
    """Count the stamps of each combination in each split, for several ways to cut.

    Parameters
    ----------
    way, splits, stops : int array, shape (strips,)
        The number of the way that each strip belongs to, the split of the strip, and the place in
        the order at which it ends. The strips of a way follow each other.
    codes : int array, shape (n,)
        As in `_ways_to_cut`.
    shape : (int, int, int)
        Number of ways, splits and combinations.

    Returns
    -------
    int64 array, shape (ways, splits, combinations)
    """
    borders, border = np.unique(stops, return_inverse=True)
    piece = np.repeat(np.arange(len(borders)), np.diff(borders, prepend=0))
    counts = np.bincount(piece * shape[2] + codes, minlength=len(borders) * shape[2])
    before = np.cumsum(counts.reshape(-1, shape[2]), axis=0)[border.reshape(-1)]  # each stop
    in_strip = before.copy()
    follows = np.flatnonzero(way[1:] == way[:-1]) + 1
    in_strip[follows] -= before[follows - 1]
    cells = np.zeros(shape, np.int64)
    np.add.at(cells, (way, splits), in_strip)
    return cells


def _strips(
    shares: Sequence[float], strips: int, rng: np.random.Generator, begin: float
) -> tuple[list[int], list[float]]:
    """Return the split of strips of sky, and where they end, as parts of all sources.

    Each split has `strips` of them, in a random order that repeats. The order begins within a
    strip, which then has its other part at the end.
    """
    splits = rng.permutation(len(shares)).tolist() * strips
    ends = [*accumulate(shares[split] / strips for split in splits)]
    if begin > 0:
        first = bisect_right(ends, begin, hi=len(ends) - 1)
        splits = splits[first:] + splits[: first + 1]
        ends = [end - begin for end in ends[first:] + [1 + end for end in ends[: first + 1]]]
    ends[-1] = 1.0
    return splits, ends
