"""Pairs of one dataset on the sky: stamps that share pixels across splits, and one position twice.

Pairs come in blocks from a search of neighbours; only the closest `MAX_PAIRS` are kept, so that
memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.result import (
    LABELS,
    MAX_PAIRS,
    POSITIONS,
    SHARED_PIXELS,
    Check,
    Pair,
    plural,
)
from mingolotss.qa.audit.samples import AuditSamples
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlap_blocks

__all__ = ["check_labels", "check_positions", "check_shared_pixels", "split_counts"]


_NO_POSITION = "no position is known (give --positions FILE)"
_NO_SCALE = "the pixel scale is not known (give --pixel-arcsec ARCSEC)"


def check_shared_pixels(samples: AuditSamples, letter: str) -> Check:
    """Find the pairs of stamps that share pixels and are in different splits."""
    regions = samples.regions
    checked = int(regions.known.sum())
    if len(samples.splits) < 2:
        return _unchecked(SHARED_PIXELS, letter, "the dataset has fewer than two splits")
    if not checked:
        missing = _NO_SCALE if samples.positions.known.any() else _NO_POSITION
        return _unchecked(SHARED_PIXELS, letter, missing)
    counts = np.zeros((len(samples.splits), len(samples.splits)), np.int64)
    nearest = _Nearest()
    for first, second in regions.pairs():
        one, other = samples.split[first], samples.split[second]
        across = (one != other) & (one >= 0) & (other >= 0)
        ends = np.sort([one[across], other[across]], axis=0)
        np.add.at(counts, (ends[0], ends[1]), 1)
        nearest.add(samples, first[across], second[across])
    total = int(counts.sum())
    sentence = (
        f"{plural(total, 'pair')} of stamps {'shares' if total == 1 else 'share'} pixels across "
        "splits"
        if total
        else "no pair of stamps shares pixels across splits"
    )
    return Check(
        SHARED_PIXELS,
        (letter,),
        total,
        sentence,
        nearest.pairs(samples, letter),
        _reservation(checked, len(samples), "a position and a pixel scale"),
        split_counts(samples, counts),
    )


def check_positions(samples: AuditSamples, letter: str) -> Check:
    """Find sources with different names at one position."""
    usable = samples.positions.known & (samples.positions.error_arcsec <= samples.limit_arcsec)
    if not usable.any():
        reason = (
            "positions are known less precisely than the limit"
            if samples.positions.known.any()
            else _NO_POSITION
        )
        return _unchecked(POSITIONS, letter, reason)
    nearest, total = _Nearest(), 0
    for first, second in _close_pairs(samples, usable):
        nearest.add(samples, first, second)
        total += len(first)
    within = _limit_text(samples.limit_arcsec[usable])
    sentence = (
        f"{plural(total, 'pair')} of images {'has' if total == 1 else 'have'} one position "
        f"under two names ({within})"
        if total
        else f"no position has two names ({within})"
    )
    lines = _reservation(int(usable.sum()), len(samples), "a position of that precision")
    return Check(POSITIONS, (letter,), total, sentence, nearest.pairs(samples, letter), lines)


def check_labels(samples: AuditSamples, letter: str, others: Ints) -> Check:
    """Find pairs of one source with two labels.

    Parameters
    ----------
    samples : AuditSamples
    letter : str
    others : int64 array, shape (k, 2)
        Pairs of images that are one by their pixels, in addition to those at one position.
    """
    usable = samples.positions.known & (samples.positions.error_arcsec <= samples.limit_arcsec)
    blocks = [*_close_pairs(samples, usable), (others[:, 0], others[:, 1])]
    first, second = (np.concatenate([block[side] for block in blocks]) for side in (0, 1))
    # A pair may be at one position and have equal pixels; it is one pair.
    pairs = np.unique(np.stack([first, second], axis=1).reshape(-1, 2), axis=0)
    one, other = pairs.T
    in_class, is_labelled = samples.in_class, samples.is_labelled
    both = is_labelled[one] & is_labelled[other]
    differ = both & (in_class[one] != in_class[other]).any(axis=1)
    labelled = int(both.sum())
    if not is_labelled.any():
        return _unchecked(LABELS, letter, "the dataset has no labels")
    nearest = _Nearest()
    nearest.add(samples, pairs[differ, 0], pairs[differ, 1])
    total = int(differ.sum())
    lines = (
        ()
        if usable.any()
        else ("without positions, only equal images and twins count as one source",)
    )
    if total:
        sentence = f"{plural(total, 'pair')} of images of one source with different labels"
    elif labelled:
        sentence = f"the labels of all {plural(labelled, 'pair')} of images of one source agree"
        sentence = sentence.replace("all 1 pair", "the one pair")
    else:
        sentence = "no source has two labels"
    return Check(LABELS, (letter,), total, sentence, nearest.pairs(samples, letter), lines)


def _close_pairs(samples: AuditSamples, usable: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Give the pairs of images whose positions are one, in blocks."""
    rows = np.flatnonzero(usable)
    if not rows.size:
        return
    ra, dec, limit = samples.positions.ra, samples.positions.dec, samples.limit_arcsec
    for one, other in overlap_blocks(ra[rows], dec[rows], float(limit[rows].max())):
        first, second = rows[np.minimum(one, other)], rows[np.maximum(one, other)]
        separation = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
        close = separation < np.maximum(limit[first], limit[second])
        yield first[close], second[close]


def split_counts(samples: AuditSamples, counts: Ints) -> dict[str, int]:
    """Return the number of pairs for each pair of splits that has any."""
    return {
        f"{samples.splits[one]}, {samples.splits[other]}": int(counts[one, other])
        for one, other in np.argwhere(counts).tolist()
    }


class _Nearest:
    """The closest pairs of those that were added."""

    def __init__(self) -> None:
        self._pairs = np.empty((0, 2), np.int64)
        self._arcsec: Floats = np.empty(0)

    def add(self, samples: AuditSamples, first: Ints, second: Ints) -> None:
        ra, dec = samples.positions.ra, samples.positions.dec
        arcsec = separation_arcsec(ra[first], dec[first], ra[second], dec[second])
        pairs = np.concatenate([self._pairs, np.column_stack([first, second])])
        arcsec = np.concatenate([self._arcsec, arcsec])
        order = np.lexsort((pairs[:, 1], pairs[:, 0], arcsec))[:MAX_PAIRS]
        self._pairs, self._arcsec = pairs[order], arcsec[order]

    def pairs(self, samples: AuditSamples, letter: str) -> tuple[Pair, ...]:
        first, second = (samples.members(letter, self._pairs[:, side]) for side in (0, 1))
        separations = (None if np.isnan(value) else value for value in self._arcsec.tolist())
        return tuple(map(Pair, first, second, separations))


def _unchecked(kind: str, letter: str, reason: str) -> Check:
    return Check(kind, (letter,), 0, f"not checked: {reason}", is_checked=False)


def _reservation(checked: int, total: int, needed: str) -> tuple[str, ...]:
    """Say for how many images a check holds, unless it holds for all."""
    if checked == total:
        return ()
    return (f"this holds for the {plural(checked, 'image')} of {total:,} with {needed}",)


def _limit_text(limit: Floats) -> str:
    low, high = float(limit.min()), float(limit.max())
    return (
        f"closer than {high:.3g}″" if high - low < 0.05 else f"closer than {low:.3g} to {high:.3g}″"
    )
