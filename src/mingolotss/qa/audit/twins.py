"""Find twins: images that are the same up to a turn, a mirror, a shift, a flux scale and noise.

A pair of images is a pair of twins if

1. the images agree within their noise after the best alignment, and
2. no other image agrees nearly as well with either of them.

The second condition is necessary since most sources of a survey are barely resolved and all look
alike: that two of them agree says nothing. The look-alikes of an image within the dataset tell how
much an agreement means, without a model of what sources look like.

Strategy: rings of angular harmonics (`image_features`) give the nearest neighbours of each image
in a KD tree; the harmonics correlate these pairs over all turns; the few pairs that stand out among
the look-alikes of both images are compared at full resolution (`image_alignment`).

>>> images = np.zeros((2, 64, 64), np.uint8)
>>> images[0, 20:40, 30:33] = 200
>>> images[0, 38:41, 30:50] = 90
>>> images[1] = np.fliplr(images[0])
>>> [twin] = find_twins([images]).pairs
>>> twin.first, twin.second, twin.equal_pixels, twin.mirrored, twin.angle_deg
(0, 1, True, True, 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather
from mingolotss.io.optional import import_optional
from mingolotss.model import Floats, Ints
from mingolotss.qa.audit.equal_images import are_constant, find_quarter_turn, order_free_sums
from mingolotss.qa.audit.image_alignment import AlignedImage, Alignment, align, first_turns
from mingolotss.qa.audit.image_features import (
    DEPTHS,
    ImageFeatures,
    clip_images,
    describe_images,
    turn_between,
)

__all__ = ["Twin", "Twins", "find_twins"]

_BATCH = 64  # images at a time: 6 MB as float32
_NEIGHBOURS = 10  # look-alikes of an image that are considered, and the largest family of twins
_DIMENSIONS = 12  # principal components in which neighbours are searched
_LEAST_BRIGHT = 12  # pixels above the noise, without which an image shows nothing
_MEMORY = 400  # images that are kept prepared for comparison: 300 MB

_GATE = 0.9  # of the median distance to the look-alikes: pairs that are compared in full
_MOST_COMPARED = 10_000  # of them, those that stand out most: about a minute
_WORST_GATE = 0.6  # distance of the harmonics
_AGREES = 1.2  # residual in units of the noise; 95 of 100 copies with other noise are below 1
_NEARLY_AGREES = 5.0  # the same for equal shapes: bright images have errors beyond the noise
_ALIKE = 0.25  # distance of the shapes of such pairs
_LARGEST = 0.5  # distance of the shapes of any pair of twins
_FAMILY = 1.25  # further copies have at most this many times the distance of a pair
_LOOK_ALIKES = 6  # of each image of a pair, at most
_LARGEST_FAMILY = 6  # further images that agree with a pair as well; plain sources have more
_LEAST_SIGNAL = 4.0  # brightness in units of the noise, root mean square
_SAME_SIGNAL = 0.4  # look-alikes with a smaller part of the signal agree with everything
_STANDS_OUT = 3.4  # the product of both measures of each look-alike, in units of those of the pair
_CLEARLY_STANDS_OUT = 6.0  # the same of small sources, or if a look-alike is closer in one measure
_EXTENDED = 200  # pixels above the noise, about ten beams; the shape of smaller sources is simple
_SMALLEST_RESIDUAL, _SMALLEST_DISTANCE = 0.25, 0.08  # of copies without other noise

_LARGEST_SCALE = 1.5  # ratio of pixel scales; beyond it, the images have different resolution

Progress = Callable[[int, int], None]


class Twin(NamedTuple):
    """A pair of images that are the same.

    Attributes
    ----------
    first, second : int
        Number of each image, counted through all sets; `first` is the smaller.
    similarity : float
        Cosine between the two images on a logarithmic scale of brightness; 1 for equal images.
    residual : float
        Root mean square of their difference, in units of the noise.
    mirrored : bool
        Whether the first image is mirrored left to right, before it is turned.
    angle_deg : float
        Turn of the first image to the second, counterclockwise if row 0 is at the bottom.
    shift : (float, float)
        Where the middle of the first image lies in the second, from its middle: (dy, dx), pixels.
    equal_pixels : bool
        Every pixel is the same, after turns by quarters and mirrors at most.
    """

    first: int
    second: int
    similarity: float
    residual: float
    mirrored: bool
    angle_deg: float
    shift: tuple[float, float]
    equal_pixels: bool

    @property
    def identical(self) -> bool:
        """Whether the two images are equal as they are."""
        return self.equal_pixels and not self.mirrored and self.angle_deg == 0


@dataclass(frozen=True, slots=True)
class Twins:
    """What `find_twins` found.

    Attributes
    ----------
    pairs : tuple of Twin
        By first and second image. Of images that are equal in every pixel, each is paired with the
        first of them only, and only the first is compared with others.
    empty : tuple of int
        Images without a source above the noise; only equal pixels are looked for in them.
    blank : tuple of int
        Images of one value only; they are not compared.
    not_compared : tuple of (int, int, str)
        Pairs of sets that cannot be compared, with the reason.
    """

    pairs: tuple[Twin, ...]
    empty: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()
    not_compared: tuple[tuple[int, int, str], ...] = ()


def find_twins(
    sets: Sequence[ImageArray | ImageStack],
    *,
    pixel_arcsec: Sequence[float | None] | None = None,
    progress: Progress | None = None,
) -> Twins:
    """Find the images of one or several sets that are the same up to a turn or mirror.

    Parameters
    ----------
    sets : sequence of array or ImageStack, shape (n, ny, nx), uint8 or float32
    pixel_arcsec : sequence of float or None, optional
        The pixel scale of each set, where it is known. Images of different shape or scale are
        compared on a common grid if both scales are known and differ by less than a factor of 1.5.
    progress : callable, optional
        Called with the number of images that have been read, and of all images.

    Raises
    ------
    MissingLibraryError
        scipy is not installed.
    """
    scales = pixel_arcsec or [None] * len(sets)
    offsets = np.cumsum([0, *map(len, sets)])
    notify = progress or _ignore
    pairs: list[Twin] = []
    empty: list[int] = []
    blank: list[int] = []
    groups, not_compared = _comparable_sets(sets, scales)
    done = 0
    for group in groups:
        if not any(map(len, (sets[k] for k in group))):
            continue
        members = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in group])
        images = _CommonGrid([sets[k] for k in group], [scales[k] for k in group])
        search = _Search(images, partial(_notify_after, notify, done, int(offsets[-1])))
        pairs += [
            twin._replace(first=int(members[twin.first]), second=int(members[twin.second]))
            for twin in search.twins()
        ]
        empty += members[search.empty].tolist()
        blank += members[search.blank].tolist()
        done += len(members)
    return Twins(
        tuple(sorted(pairs)), tuple(sorted(empty)), tuple(sorted(blank)), tuple(not_compared)
    )


def _notify_after(notify: Progress, before: int, total: int, done: int) -> None:
    notify(before + done, total)


def _ignore(_done: int, _total: int) -> None:
    """Show no progress."""


def _comparable_sets(
    sets: Sequence[ImageArray | ImageStack], scales: Sequence[float | None]
) -> tuple[list[list[int]], list[tuple[int, int, str]]]:
    """Group sets that can be compared; also return the pairs of sets that cannot."""
    groups: list[list[int]] = []
    for index in range(len(sets)):
        for group in groups:
            if all(not _obstacle(sets, scales, other, index) for other in group):
                group.append(index)
                break
        else:
            groups.append([index])
    place = {index: number for number, group in enumerate(groups) for index in group}
    return groups, [
        (a, b, _obstacle(sets, scales, a, b) or "compared with other sets of another scale")
        for a in range(len(sets))
        for b in range(a + 1, len(sets))
        if place[a] != place[b]
    ]


def _obstacle(
    sets: Sequence[ImageArray | ImageStack], scales: Sequence[float | None], a: int, b: int
) -> str:
    """Return why two sets cannot be compared; nothing if they can."""
    first, second = scales[a], scales[b]
    if first is None or second is None:
        shapes = [f"{s.shape[1]} x {s.shape[2]}" for s in (sets[a], sets[b])]
        same = shapes[0] == shapes[1]
        return "" if same else f"images of {shapes[0]} and {shapes[1]} pixels of unknown scale"
    ratio = max(first, second) / min(first, second)
    return "" if ratio < _LARGEST_SCALE else f"pixels of {first:g} and {second:g} arcsec"


class _CommonGrid:
    """The images of several sets as squares of one size and pixel scale."""

    def __init__(
        self, sets: Sequence[ImageArray | ImageStack], scales: Sequence[float | None]
    ) -> None:
        self._sets = sets
        self._starts = np.cumsum([0, *map(len, sets)])
        known = [scale for scale in scales if scale is not None]
        coarsest = max(known, default=1.0)
        self._zooms = [1.0 if scale is None else scale / coarsest for scale in scales]
        self.side = min(
            round(min(s.shape[1:]) * zoom) for s, zoom in zip(sets, self._zooms, strict=True)
        )

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batches(self) -> Iterator[tuple[int, ImageArray]]:
        """Give all images in batches, with the number of the first."""
        for number, (start, stop) in enumerate(pairwise(self._starts.tolist())):
            for first in range(start, stop, _BATCH):
                yield first, self._read(number, range(first, min(first + _BATCH, stop)))

    def one(self, index: int) -> ImageArray:
        """Return one image, shape (1, side, side)."""
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._read(number, range(index, index + 1))

    def _read(self, number: int, indices: range) -> ImageArray:
        start = int(self._starts[number])
        rows = range(indices.start - start, indices.stop - start)
        images = gather(self._sets[number], rows)
        if self._zooms[number] != 1:
            ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
            zoom = self._zooms[number]
            images = ndimage.zoom(images.astype(np.float32), (1, zoom, zoom), order=1)
        y, x = ((size - self.side) // 2 for size in images.shape[1:])
        return images[:, y : y + self.side, x : x + self.side]


@dataclass
class _Search:
    """The search for twins in images of one kind."""

    images: _CommonGrid
    notify: Callable[[int], None]
    empty: Ints = field(init=False)
    blank: Ints = field(init=False)

    def __post_init__(self) -> None:
        parts, sums, constant = [], [], []
        with ThreadPoolExecutor() as pool:
            jobs = []
            for first, batch in self.images.batches():
                sums.append(order_free_sums(batch))
                constant.append(are_constant(batch))
                jobs.append(pool.submit(describe_images, batch))
                if len(jobs) > 16:  # batches that wait; a reader may be faster
                    parts.append(jobs.pop(0).result())
                self.notify(first + len(batch))
            parts += [job.result() for job in jobs]
        self.features = ImageFeatures.join(parts)
        self._sums = np.concatenate(sums)
        is_blank = np.concatenate(constant)
        self.blank = np.flatnonzero(is_blank)
        self.empty = np.flatnonzero((self.features.bright < _LEAST_BRIGHT) & ~is_blank)
        self._prepared: dict[int, AlignedImage] = {}
        self._alignments: dict[tuple[int, int], Alignment | None] = {}

    def twins(self) -> Iterator[Twin]:
        """Give all pairs of twins."""
        has_source = np.ones(len(self.features), bool)
        has_source[self.blank] = False
        copies = list(self._equal_images(np.flatnonzero(has_source)))
        yield from copies
        has_source[self.empty] = False
        has_source[[twin.second for twin in copies]] = False
        yield from self._alike_images(np.flatnonzero(has_source))

    def _equal_images(self, members: Ints) -> Iterator[Twin]:
        """Pair images that are equal in every pixel, each with the first of its kind."""
        _, group = np.unique(self._sums[members], return_inverse=True)
        order = np.argsort(group, kind="stable")
        for kind in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            firsts: list[int] = []
            for index in members[kind].tolist() if len(kind) > 1 else ():
                for first in firsts:
                    turn = find_quarter_turn(self.images.one(first)[0], self.images.one(index)[0])
                    if turn is not None:
                        angle = -90.0 * turn.quarters % 360
                        yield Twin(first, index, 1.0, 0.0, turn.mirrored, angle, (0.0, 0.0), True)
                        break
                else:
                    firsts.append(index)

    def _alike_images(self, members: Ints) -> Iterator[Twin]:
        """Compare images with their look-alikes."""
        if len(members) < 2:
            return
        alike: list[list[int]] = [[] for _ in range(len(self.features))]
        pairs: dict[tuple[int, int], float] = {}
        for depth in range(DEPTHS):
            harmonics = self.features.harmonics[:, depth]
            nearest = members[_nearest(self.features.amplitudes(depth)[members])]
            distance = _turned_distances(harmonics, members, nearest)
            order = np.argsort(distance, axis=1)
            nearest = np.take_along_axis(nearest, order, axis=1)
            distance = np.take_along_axis(distance, order, axis=1)
            for pair, ratio in _outstanding(members, nearest, distance):
                pairs[pair] = min(ratio, pairs.get(pair, ratio))
            for index, row in zip(members.tolist(), nearest.tolist(), strict=True):
                alike[index] += row
        closest = sorted(pairs, key=pairs.__getitem__)[:_MOST_COMPARED]
        for first, second in sorted(closest):
            twin = self._judge(first, second, alike)
            if twin is not None:
                yield twin

    def _judge(self, first: int, second: int, alike: Sequence[list[int]]) -> Twin | None:
        """Compare two images at full resolution, and each with its own look-alikes."""
        pair = self._aligned(first, second)
        if pair is None or not _may_be_twins(pair):
            return None
        distance = max(pair.distance, _SMALLEST_DISTANCE)
        residual = max(pair.residual, _SMALLEST_RESIDUAL)
        is_extended = bool((self.features.bright[[first, second]] >= _EXTENDED).all())
        for other in self._look_alikes(pair, first, second, alike):
            if other is None:
                return None
            ratios = other.distance / distance, other.residual / residual
            is_both = min(ratios) > 1 and is_extended
            if ratios[0] * ratios[1] < (_STANDS_OUT if is_both else _CLEARLY_STANDS_OUT):
                return None
        angle = math.degrees(pair.angle) % 360
        return Twin(
            first, second, 1 - pair.distance**2 / 2, pair.residual, pair.mirrored, angle,
            pair.shift, False,
        )  # fmt: skip

    def _look_alikes(
        self, pair: Alignment, first: int, second: int, alike: Sequence[list[int]]
    ) -> Iterator[Alignment | None]:
        """Give the alignments of a pair with the images that are next like them.

        None tells that an image has too many of them to be distinct.
        """
        largest = _FAMILY * max(pair.distance, _SMALLEST_DISTANCE)
        for index in (first, second):
            image = self._image(index)
            gaussian = align(image, image.as_gaussian(), [(False, 0.0)])
            if gaussian is not None:
                yield gaussian
            family, compared = 0, 0
            for other in dict.fromkeys(alike[index]):
                if other in {first, second} or compared == _LOOK_ALIKES:
                    continue
                alignment = self._aligned(index, other)
                if alignment is None:
                    compared += 1
                elif alignment.signal < _SAME_SIGNAL * pair.signal:
                    continue
                elif alignment.distance <= largest and alignment.residual < _AGREES:
                    family += 1  # perhaps one more twin
                else:
                    compared += 1
                    yield alignment
                if family > _LARGEST_FAMILY:
                    yield None

    def _aligned(self, first: int, second: int) -> Alignment | None:
        a, b = min(first, second), max(first, second)
        if (a, b) not in self._alignments:
            harmonics = self.features.harmonics
            starts = first_turns(harmonics[a], harmonics[b])
            self._alignments[a, b] = align(self._image(a), self._image(b), starts)
        return self._alignments[a, b]

    def _image(self, index: int) -> AlignedImage:
        image = self._prepared.pop(index, None)
        if image is None:
            features = self.features
            pixels = clip_images(
                self.images.one(index),
                features.background[index : index + 1], features.noise[index : index + 1],
            )  # fmt: skip
            image = AlignedImage.of(pixels[0], features, index)
            if len(self._prepared) >= _MEMORY:
                del self._prepared[next(iter(self._prepared))]  # the one that was used longest ago
        self._prepared[index] = image
        return image


def _may_be_twins(pair: Alignment) -> bool:
    """Return whether two images agree within the noise, or have nearly equal shapes."""
    if pair.distance > _LARGEST or pair.signal < _LEAST_SIGNAL:
        return False
    return pair.residual < (_NEARLY_AGREES if pair.distance < _ALIKE else _AGREES)


def _outstanding(
    members: Ints, nearest: Ints, distance: Floats
) -> Iterator[tuple[tuple[int, int], float]]:
    """Give pairs that are closer to each other than to their usual neighbours, with the ratio."""
    usual = np.full(int(members.max()) + 1, np.inf)
    usual[members] = np.median(distance, axis=1)
    if nearest.shape[1] < _NEIGHBOURS:  # among fewer images, nothing is usual
        usual[members] = math.sqrt(2)
    ratio = distance / np.maximum(np.minimum(usual[members][:, None], usual[nearest]), 1e-9)
    rows, columns = np.nonzero((ratio < _GATE) & (distance < _WORST_GATE))
    pairs = np.sort(np.stack([members[rows], nearest[rows, columns]], axis=1), axis=1)
    keys = [(int(first), int(second)) for first, second in pairs]
    yield from zip(keys, ratio[rows, columns].tolist(), strict=True)


def _nearest(amplitudes: NDArray[np.float32]) -> Ints:
    """Return the nearest rows of each row, itself excluded, shape (n, neighbours)."""
    spatial = import_optional("scipy.spatial", "find twins", extra="audit")
    centred = amplitudes - amplitudes.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # by increasing variance
    points = centred @ axes[:, -_DIMENSIONS:]
    count = min(_NEIGHBOURS, len(points) - 1)
    _, rows = spatial.cKDTree(points).query(points, k=count + 1, workers=-1)
    is_other = rows != np.arange(len(rows))[:, None]
    is_other[is_other.all(axis=1), -1] = False  # among equal points, a row may not find itself
    nearest: Ints = rows[is_other].reshape(len(rows), count)
    return nearest


def _turned_distances(harmonics: NDArray[np.complex64], members: Ints, nearest: Ints) -> Floats:
    """Return the distance of each image to its neighbours in the best orientation."""
    distances = np.empty(nearest.shape)
    for start in range(0, len(members), 256):
        rows = slice(start, start + 256)
        first = harmonics[np.repeat(members[rows], nearest.shape[1])]
        similarity, _ = turn_between(first, harmonics[nearest[rows].ravel()])
        best = similarity.max(axis=(1, 2)).reshape(-1, nearest.shape[1])
        distances[rows] = np.sqrt(np.maximum(2 - 2 * best, 0))
    return distances
