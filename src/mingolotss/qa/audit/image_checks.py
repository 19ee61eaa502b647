"""The images that `twins` finds, as answers: equal ones, and twins, in one dataset or between two.

>>> twin = Twin(0, 1, 0.99, 0.7, True, 90.0, shift=(0.0, 0.0), equal_pixels=False)
>>> describe_turn(twin)
'mirrored and turned by 90°'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.model import Ints
from mingolotss.qa.audit.families import complete_pairs
from mingolotss.qa.audit.result import (
    IDENTICAL,
    MAX_PAIRS,
    TWINS,
    Check,
    Member,
    Pair,
    listed,
    plural,
)
from mingolotss.qa.audit.samples import AuditSamples
from mingolotss.qa.audit.twins import Twin, find_twins
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.stamp_regions import StampRegions

__all__ = [
    "AlikeImages",
    "check_images",
    "check_twins_between",
    "describe_turn",
    "find_alike",
    "is_one_source",
]

_SMALLEST_TURN, _SMALLEST_SHIFT = 2.5, 1.5  # degrees and pixels that are worth saying
_NEAR_ARCSEC = 600.0  # stamps of unknown extent that are closer may show the same piece of sky
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AlikeImages:
    """Images of several datasets that are the same, by their numbers in each.

    Attributes
    ----------
    pairs : tuple of (Twin, int, int, int, int)
        A pair, then the dataset and the index of its first and of its second image.
    empty, blank : tuple of int
        Number of images of each dataset with nothing above the noise, and of one value only.
    not_compared : dict of (int, int) to str
        Datasets whose images cannot be compared, with the reason.
    """

    pairs: tuple[tuple[Twin, int, int, int, int], ...]
    empty: tuple[int, ...]
    blank: tuple[int, ...]
    not_compared: dict[tuple[int, int], str]

    def between(self, first: int, second: int) -> list[tuple[Twin, int, int]]:
        """Return the pairs of two datasets, or of one: the twin, and the index in each."""
        return [
            (twin, one, other)
            for twin, in_one, one, in_other, other in self.pairs
            if (in_one, in_other) == (first, second)
        ]


def find_alike(samples: Sequence[AuditSamples], progress: Progress) -> AlikeImages:
    """Read the images of all datasets, and find those that are the same.

    Raises
    ------
    DatasetError
        An image is damaged.
    MissingLibraryError
        scipy is not installed.
    """
    scales = [_usual_scale(one) for one in samples]
    result = find_twins([one.images for one in samples], pixel_arcsec=scales, progress=progress)
    starts = np.cumsum([0, *map(len, samples)])

    def place(number: int) -> tuple[int, int]:
        dataset = int(np.searchsorted(starts, number, "right")) - 1
        return dataset, number - int(starts[dataset])

    return AlikeImages(
        tuple(
            (twin, *place(twin.first), *place(twin.second))
            for twin in complete_pairs(result.pairs, starts.tolist())
        ),
        _counts(result.empty, starts),
        _counts(result.blank, starts),
        {(first, second): reason for first, second, reason in result.not_compared},
    )


def check_images(
    samples: AuditSamples, letter: str, alike: AlikeImages, number: int
) -> tuple[list[Check], Ints]:
    """Return the checks of equal images and of twins of one dataset, and the pairs of both.

    Parameters
    ----------
    samples : AuditSamples
    letter : str
    alike : AlikeImages
    number : int
        The place of the dataset among those that were compared.

    Returns
    -------
    checks : list of Check
    pairs : int64 array, shape (k, 2)
        Those that show one source.
    """
    pairs = alike.between(number, number)
    equal = [one for one in pairs if one[0].identical]
    others = [one for one in pairs if not one[0].identical]
    # Stamps that overlap on the sky are alike where they overlap. They are counted as such.
    turned = [one for one in others if not _is_overlap(one[0], samples, one[1], samples, one[2])]
    overlapping = len(others) - len(turned)
    datasets = ((samples, letter), (samples, letter))
    checks = [
        Check(
            IDENTICAL, (letter,), len(equal), _identical_sentence(len(equal)),
            _pairs(equal, datasets), _blank_lines(alike.blank[number]),
        ),
        Check(
            TWINS, (letter,), len(turned), _twins_sentence(len(turned)),
            _pairs(turned, datasets), _empty_lines(alike.empty[number], overlapping),
        ),
    ]  # fmt: skip
    one_source = [
        (one, other)
        for twin, one, other in pairs
        if is_one_source(twin, samples, one, samples, other)
    ]
    return checks, np.array(one_source, np.int64).reshape(-1, 2)


def _identical_sentence(copies: int) -> str:
    if not copies:
        return "no two images are equal in every pixel"
    return f"{plural(copies, 'image is', 'images are')} equal to another in every pixel"


def _twins_sentence(twins: int) -> str:
    if not twins:
        return "no two images are the same up to a turn, a mirror or noise"
    are = "is" if twins == 1 else "are"
    return f"{plural(twins, 'pair')} of images {are} the same up to a turn, a mirror or noise"


def _blank_lines(blank: int) -> tuple[str, ...]:
    if not blank:
        return ()
    was = "was" if blank == 1 else "were"
    return (f"{plural(blank, 'image is', 'images are')} blank and {was} not compared",)


def _empty_lines(empty: int, overlapping: int) -> tuple[str, ...]:
    lines = []
    if empty:
        show = "shows" if empty == 1 else "show"
        lines.append(f"{plural(empty, 'image')} {show} too little above the noise to be compared")
    if overlapping:
        are = "is" if overlapping == 1 else "are"
        lines.append(
            f"{plural(overlapping, 'pair')} of stamps that overlap on the sky {are} not counted"
        )
    return tuple(lines)


def check_twins_between(
    first: AuditSamples,
    second: AuditSamples,
    letters: tuple[str, str],
    alike: Sequence[tuple[Twin, int, int]],
    known: Ints,
    obstacle: str,
) -> Check:
    """Find images of two datasets that are the same and are of other names and places on the sky.

    Parameters
    ----------
    first, second : AuditSamples
    letters : (str, str)
    alike : list of (Twin, int, int)
        The pairs of both.
    known : int64 array, shape (k, 2)
        The pairs that are one source by position or name.
    obstacle : str
        Why the images cannot be compared; "" if they can.
    """
    if obstacle:
        return Check(TWINS, letters, 0, f"not checked: {obstacle}", is_checked=False)
    shared = {tuple(pair) for pair in known.tolist()}
    found = [
        one
        for one in alike
        if one[1:] not in shared and not _is_overlap(one[0], first, one[1], second, one[2])
    ]
    total = len(found)
    sentence = (
        f"{plural(total, 'pair')} of images {'is' if total == 1 else 'are'} the same under another "
        "name and position"
        if total
        else "no image is in both under another name and position"
    )
    datasets = ((first, letters[0]), (second, letters[1]))
    return Check(TWINS, letters, total, sentence, _pairs(found, datasets))


def describe_turn(twin: Twin) -> str:
    """Return how the first image of a pair becomes the second, in words."""
    angle, shift = twin.angle_deg % 360, float(np.hypot(*twin.shift))
    words = ["mirrored"] if twin.mirrored else []
    if _SMALLEST_TURN < angle < 360 - _SMALLEST_TURN:
        words.append(f"turned by {angle:.0f}°")
    words += [f"shifted by {shift:.0f} pixels"] if shift > _SMALLEST_SHIFT else []
    if not words:
        return "" if twin.equal_pixels else "with other noise"
    return listed(words)


def is_one_source(
    twin: Twin, first: AuditSamples, one: int, second: AuditSamples, other: int
) -> bool:
    """Return whether two images that are the same are images of one source.

    Two stamps around neighbours are alike where they overlap, and are of two sources.
    """
    if twin.equal_pixels or _is_turned(twin):
        return True
    separation = _separation(first, one, second, other)
    if separation is None:
        return True
    if not (first.regions.known[one] and second.regions.known[other]):
        return separation > _NEAR_ARCSEC
    return not _is_overlap(twin, first, one, second, other)


def _is_turned(twin: Twin) -> bool:
    angle = twin.angle_deg % 360
    return twin.mirrored or _SMALLEST_TURN < angle < 360 - _SMALLEST_TURN


def _is_overlap(
    twin: Twin, first: AuditSamples, one: int, second: AuditSamples, other: int
) -> bool:
    """Return whether two images are alike because their stamps share pixels on the sky."""
    if twin.equal_pixels or _is_turned(twin):
        return False
    a, b = first.regions, second.regions
    angles = None
    if a.angle_deg is not None and b.angle_deg is not None:
        angles = np.array([a.angle_deg[one], b.angle_deg[other]])
    regions = StampRegions(
        np.array([a.ra[one], b.ra[other]]),
        np.array([a.dec[one], b.dec[other]]),
        np.array([a.extent_arcsec[one], b.extent_arcsec[other]]),
        a.shape if a.shape == b.shape else "square",
        angles,
    )
    return bool(regions.known.all() and regions.share_pixels([0], [1])[0])


def _pairs(
    found: Sequence[tuple[Twin, int, int]],
    datasets: tuple[tuple[AuditSamples, str], tuple[AuditSamples, str]],
) -> tuple[Pair, ...]:
    (first, letter), (second, other_letter) = datasets
    return tuple(
        Pair(
            _member(first, letter, one),
            _member(second, other_letter, other),
            _separation(first, one, second, other),
            describe_turn(twin),
        )
        for twin, one, other in found[:MAX_PAIRS]
    )


def _member(samples: AuditSamples, letter: str, row: int) -> Member:
    return samples.members(letter, np.array([row]))[0]


def _separation(first: AuditSamples, one: int, second: AuditSamples, other: int) -> float | None:
    a, b = first.positions, second.positions
    arcsec = float(separation_arcsec(a.ra[one], a.dec[one], b.ra[other], b.dec[other]))
    return arcsec if np.isfinite(arcsec) else None


def _usual_scale(samples: AuditSamples) -> float | None:
    """Return the median pixel scale of a dataset, arcsec; None if it is not known."""
    scale = samples.extent_arcsec[np.isfinite(samples.extent_arcsec)]
    return float(np.median(scale)) / max(samples.images.shape[1:]) if scale.size else None


def _counts(numbers: Sequence[int], starts: Ints) -> tuple[int, ...]:
    """Count the images of each dataset among numbers that go through all of them."""
    return tuple(np.histogram(np.array(numbers, float), starts)[0].tolist())
