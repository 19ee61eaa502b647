"""What two datasets have in common: sources, test sources of one in the training of the other.

A source is in both if its positions are one, if its names are equal, or if its images are the same,
also after a turn or a mirror.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.classes import agreement, common_names
from mingolotss.qa.audit.image_checks import check_twins_between, is_one_source
from mingolotss.qa.audit.result import (
    LABELS,
    LEAKS,
    MAX_PAIRS,
    NAMES,
    SHARED_SOURCES,
    Check,
    Pair,
    listed,
    plural,
)
from mingolotss.qa.audit.samples import AuditSamples
from mingolotss.qa.audit.twins import Twin
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlap_blocks

__all__ = ["check_between", "equal_values"]

_TRAIN = "train"


def check_between(
    first: AuditSamples,
    second: AuditSamples,
    letters: tuple[str, str],
    alike: Sequence[tuple[Twin, int, int]] | None,
    obstacle: str = "",
) -> list[Check]:
    """Compare two datasets.

    Parameters
    ----------
    first, second : AuditSamples
    letters : (str, str)
        By which messages call them.
    alike : sequence of (Twin, int, int) or None
        The images of both that are the same; None if images were not read.
    obstacle : str
        Why images cannot be compared; "" if they can.
    """
    by_position = _by_position(first, second)
    by_name = equal_values(_plain_names(first), _plain_names(second))
    known = np.concatenate([by_position, by_name])
    ways = {"position": by_position, "name": by_name}
    checks = []
    if alike is not None:
        checks = [check_twins_between(first, second, letters, alike, known, obstacle)]
        # Stamps around neighbours are alike where they overlap, and are of two sources.
        one_source = [
            one[1:] for one in alike if is_one_source(one[0], first, one[1], second, one[2])
        ]
        ways["image"] = np.array(one_source, np.int64).reshape(-1, 2)
        known = np.concatenate([known, ways["image"]])
    pairs = np.unique(np.concatenate(list(ways.values())), axis=0).reshape(-1, 2)
    shared = _shared(
        first, second, letters, pairs, ways, has_images=alike is not None and not obstacle
    )
    if not shared.is_checked:  # then leaks and labels are not known either
        return [
            replace(shared, kind=kind) for kind in (SHARED_SOURCES, NAMES, LEAKS, LABELS)
        ] + checks
    return [
        shared,
        _names(first, second, letters, by_name),
        _leaks(first, second, letters, pairs),
        _labels(first, second, letters, np.unique(known, axis=0).reshape(-1, 2)),
        *checks,
    ]


def equal_values(first: Iterable[str], second: Iterable[str]) -> Ints:
    """Return the pairs of indices of equal texts, int64 array, shape (k, 2); "" equals nothing."""
    places: dict[str, list[int]] = {}
    for index, text in enumerate(second):
        if text:
            places.setdefault(text, []).append(index)
    pairs = [(index, other) for index, text in enumerate(first) for other in places.get(text, ())]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _plain_names(samples: AuditSamples) -> list[str]:
    return [
        " ".join(name.casefold().split()) if is_named else ""
        for name, is_named in zip(samples.names, samples.is_named, strict=True)
    ]


def _by_position(first: AuditSamples, second: AuditSamples) -> Ints:
    rows = [np.flatnonzero(_usable(one)) for one in (first, second)]
    if not all(len(one) for one in rows):
        return np.empty((0, 2), np.int64)
    ra, dec, limit = (
        np.concatenate([values[0][rows[0]], values[1][rows[1]]])
        for values in (
            (first.positions.ra, second.positions.ra),
            (first.positions.dec, second.positions.dec),
            (first.limit_arcsec, second.limit_arcsec),
        )
    )
    pairs = [np.empty((0, 2), np.int64)]
    border = len(rows[0])
    for one, other in overlap_blocks(ra, dec, float(limit.max())):
        low, high = np.minimum(one, other), np.maximum(one, other)
        is_between = (low < border) & (high >= border)
        low, high = low[is_between], high[is_between]
        separation = separation_arcsec(ra[low], dec[low], ra[high], dec[high])
        close = separation < np.maximum(limit[low], limit[high])
        pairs.append(np.column_stack([rows[0][low[close]], rows[1][high[close] - border]]))
    return np.concatenate(pairs)


def _usable(samples: AuditSamples) -> Bools:
    precise = samples.positions.error_arcsec <= samples.limit_arcsec
    return np.asarray(samples.positions.known & precise)


def _separations(first: AuditSamples, second: AuditSamples, pairs: Ints) -> Floats:
    """Return the separation of each pair, arcsec; NaN where a position is not known."""
    one, other = pairs[:, 0], pairs[:, 1]
    return separation_arcsec(
        first.positions.ra[one], first.positions.dec[one],
        second.positions.ra[other], second.positions.dec[other],
    )  # fmt: skip


def _pairs(
    first: AuditSamples, second: AuditSamples, letters: tuple[str, str], rows: Ints
) -> tuple[Pair, ...]:
    order = np.argsort(_separations(first, second, rows), kind="stable")  # unknown ones last
    rows = rows[order[:MAX_PAIRS]]
    separations = [
        None if np.isnan(one) else one for one in _separations(first, second, rows).tolist()
    ]
    ones, others = first.members(letters[0], rows[:, 0]), second.members(letters[1], rows[:, 1])
    return tuple(map(Pair, ones, others, separations))


def _shared(
    first: AuditSamples,
    second: AuditSamples,
    letters: tuple[str, str],
    pairs: Ints,
    ways: dict[str, Ints],
    *,
    has_images: bool,
) -> Check:
    a, b = letters
    if not len(pairs):
        comparable = [
            way
            for way, is_possible in (
                ("position", _usable(first).any() and _usable(second).any()),
                ("name", any(first.is_named) and any(second.is_named)),
                ("image", has_images),
            )
            if is_possible
        ]
        sentence = (
            f"no source is in {a} and {b}, by {listed(comparable)}"
            if comparable
            else f"not checked: {a} or {b} has neither positions nor names"
        )
        return Check(SHARED_SOURCES, letters, 0, sentence, is_checked=bool(comparable))
    ones, others = (len(np.unique(pairs[:, side])) for side in (0, 1))
    sentence = (
        f"{plural(ones, 'image')} of {len(first):,} of {a} and {others:,} of {len(second):,} of "
        f"{b} show the same sources"
    )
    lines = tuple(
        f"{plural(len(rows), 'pair')} by {way}" for way, rows in ways.items() if len(rows)
    )
    counts = _split_table(first, second, letters, pairs)
    return Check(
        SHARED_SOURCES, letters, 0, sentence, _pairs(first, second, letters, pairs), lines, counts
    )


def _split_table(
    first: AuditSamples, second: AuditSamples, letters: tuple[str, str], pairs: Ints
) -> dict[str, int]:
    """Count the pairs in each split of one dataset and each of the other."""
    ends = np.column_stack([first.split[pairs[:, 0]], second.split[pairs[:, 1]]])
    values, counts = np.unique(ends, axis=0, return_counts=True)
    names = [(*one.splits, "no split") for one in (first, second)]
    return {
        f"{names[0][row]} of {letters[0]}, {names[1][column]} of {letters[1]}": int(count)
        for (row, column), count in zip(values.tolist(), counts.tolist(), strict=True)
    }


def _names(
    first: AuditSamples, second: AuditSamples, letters: tuple[str, str], by_name: Ints
) -> Check:
    """Find names that stand for two positions."""
    separation = _separations(first, second, by_name)
    both_known = np.isfinite(separation)
    reach = np.maximum(
        np.fmax(first.extent_arcsec[by_name[:, 0]], second.extent_arcsec[by_name[:, 1]]) / 2,
        first.positions.error_arcsec[by_name[:, 0]] + second.positions.error_arcsec[by_name[:, 1]],
    )
    reach = np.where(np.isfinite(reach), reach, 60.0)
    far = both_known & (separation > reach)
    total = int(far.sum())
    a, b = letters
    if not both_known.any():
        sentence = f"not checked: no name in {a} and {b} has a position in both"
        return Check(NAMES, letters, 0, sentence, is_checked=False)
    sentence = (
        f"{plural(total, 'name')} in {a} and {b} {'stands' if total == 1 else 'stand'} for "
        "positions farther apart than half a stamp"
        if total
        else f"each name in {a} and {b} stands for one position"
    )
    return Check(NAMES, letters, total, sentence, _pairs(first, second, letters, by_name[far]))


def _leaks(
    first: AuditSamples, second: AuditSamples, letters: tuple[str, str], pairs: Ints
) -> Check:
    """Find sources that one dataset holds back and the other trains with."""
    a, b = letters
    trains = [_in_train(one) for one in (first, second)]
    held = [(one.split >= 0) & ~train for one, train in zip((first, second), trains, strict=True)]
    if not any(train.any() for train in trains) or not any(one.any() for one in held):
        sentence = f"not checked: neither {a} nor {b} has both training images and others"
        return Check(LEAKS, letters, 0, sentence, is_checked=False)
    one, other = pairs[:, 0], pairs[:, 1]
    into_second = held[0][one] & trains[1][other]
    into_first = trains[0][one] & held[1][other]
    lines = []
    for leak, here, there, side in ((into_second, a, b, 0), (into_first, b, a, 1)):
        if count := len(np.unique(pairs[leak, side])):
            samples = (first, second)[side]
            splits = listed(sorted({samples.split_of(row) for row in pairs[leak, side].tolist()}))
            lines.append(
                f"{plural(count, 'image')} in {splits} of {here} "
                f"{'shows a source' if count == 1 else 'show sources'} in train of {there}"
            )
    leaks = pairs[into_second | into_first]
    total = sum(
        len(np.unique(pairs[leak, side])) for leak, side in ((into_second, 0), (into_first, 1))
    )
    sentence = (
        f"{plural(total, 'image')} held back by one dataset {'is' if total == 1 else 'are'} "
        "in the training split of the other"
        if total
        else f"no source that {a} or {b} holds back is in the training split of the other"
    )
    return Check(
        LEAKS, letters, total, sentence, _pairs(first, second, letters, leaks), tuple(lines)
    )


def _in_train(samples: AuditSamples) -> Bools:
    if _TRAIN not in samples.splits:
        return np.zeros(len(samples), bool)
    return np.asarray(samples.split == samples.splits.index(_TRAIN))


def _labels(
    first: AuditSamples, second: AuditSamples, letters: tuple[str, str], pairs: Ints
) -> Check:
    """Find shared sources with labels that contradict each other."""
    result = _compare_labels(first, second, pairs)
    both = first.is_labelled[pairs[:, 0]] & second.is_labelled[pairs[:, 1]]
    contrary, comparable = result == 0, int((result >= 0).sum())
    total, unknown = int(contrary.sum()), int((both & (result < 0)).sum())
    if not comparable:
        reason = "no source is in both" if not len(pairs) else "their classes cannot be compared"
        sentence = f"not checked: {reason}"
        return Check(LABELS, letters, 0, sentence, is_checked=False)
    sentence = (
        f"the labels of {plural(total, 'pair')} of images of one source contradict each other"
        if total
        else f"the labels of {plural(comparable, 'pair')} of images of one source agree"
    )
    lines = (f"the classes of {plural(unknown, 'pair')} cannot be compared",) if unknown else ()
    return Check(
        LABELS, letters, total, sentence, _pairs(first, second, letters, pairs[contrary]), lines
    )


def _compare_labels(first: AuditSamples, second: AuditSamples, pairs: Ints) -> Ints:
    """Compare the labels of pairs of images: 1 if they agree, 0 if not, -1 if nobody can tell.

    Tags agree if they are equal as far as both datasets have a tag of that name. Tags of one
    dataset are not compared with classes of another.
    """
    if first.has_tags != second.has_tags:
        return np.full(len(pairs), -1, np.int64)
    if not first.has_tags:
        compared = agreement(first.classes, second.classes)
        result: Ints = compared[first.labels[pairs[:, 0]], second.labels[pairs[:, 1]]]
        return result
    own, other = common_names(first.classes, second.classes).T
    labelled = first.is_labelled[pairs[:, 0]] & second.is_labelled[pairs[:, 1]]
    tags, others = first.in_class[pairs[:, 0]][:, own], second.in_class[pairs[:, 1]][:, other]
    same = (tags == others).all(axis=1).astype(np.int64)
    return np.where(labelled & (len(own) > 0), same, -1)
