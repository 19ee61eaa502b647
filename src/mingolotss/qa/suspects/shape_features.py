"""Describe the source in each stamp by numbers that a turn or a mirror does not change.

Radio morphologies are told apart by where the light is: Fanaroff & Riley (1974, MNRAS 167, 31P)
compare the distance of the brightest regions with the extent of the source, and the tailed classes
differ by how far the arms bend. The numbers are the moments of the light (Hu 1962, IRE Trans. Inf.
Theory 8, 179) in the frame of its major axis, profiles along this axis, the radii and the angular
harmonics of the light about three centres, the brightest peaks and the gaps between them, and the
area above several levels.

>>> y, x = np.indices((65, 65)) - 32
>>> spots = ((1.0, -9, 2), (0.6, 8, -1), (0.4, 12, 6))  # brightness, x, y
>>> image = sum(flux * np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / 20) for flux, dx, dy in spots)
>>> image = np.where(image > 0.02, image, 0)[None].astype(np.float32)
>>> features = describe_shapes(image)
>>> bool(np.allclose(features, describe_shapes(np.rot90(image, axes=(1, 2))), atol=0.01))
True
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.image.masks import OTHER, Masks
from mingolotss.io.optional import import_optional
from mingolotss.model import Floats, Ints
from mingolotss.qa.audit.image_features import clip_images, measure_noise

__all__ = ["describe_shapes"]

_GRID = 150  # pixels; larger images are averaged to about this side
_JOIN = 2  # pixels by which islands grow before they are joined
_FAINTEST_ISLAND = 0.02  # of the light of the brightest one; below it are peaks of noise
_REACH, _MARGIN = 1.5, 0.08  # of the distance of the nearest island, and of the side of the stamp
_BINS = 16  # of the profiles along the major axis
_SHARES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)  # of the light, whose radii are measured
_LEVELS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # of the brightest pixel
_SCALES = (1.0, 2.0, 3.5)  # pixels of smoothing, at which peaks are looked for
_SECTORS = 40  # of nine degrees: a pixel row, a column and a diagonal are in the middle of one

_Light = NDArray[np.float32]


class _Pixels(NamedTuple):
    """The pixels of a source that are above the noise.

    Attributes
    ----------
    image : float32 array, shape (ny, nx)
        A part of the stamp with a margin, 0 outside the source; the brightest pixel is 1.
    middle : tuple of float
        The middle of the stamp in `image`, (y, x).
    y, x, light : float arrays, shape (pixels,)
    islands : int
        Number of separate regions.
    """

    image: _Light
    middle: tuple[float, float]
    y: Floats
    x: Floats
    light: Floats
    islands: int


class _Frame(NamedTuple):
    """Pixels in the frame of the major axis of the light.

    Attributes
    ----------
    along, across : float arrays, shape (pixels,)
        Distance from the centre of the light, in pixels.
    major, minor : float
        Standard deviations of the light along both axes, in pixels.
    y, x : float
        The centre.
    """

    along: Floats
    across: Floats
    major: float
    minor: float
    y: float
    x: float


def describe_shapes(images: ImageArray, masks: Masks | None = None) -> _Light:
    """Describe the source in the middle of each image.

    Parameters
    ----------
    images : uint8 or float32 array, shape (n, ny, nx)
        NaN counts as 0.
    masks : uint8 array, shape (n, ny, nx), optional
        Which pixels are of another source, as `mingolotss.image.masks` has them; they are left out.

    Returns
    -------
    float32 array, shape (n, features)
        0 in the whole row of an image with nothing above its noise.

    Raises
    ------
    MissingLibraryError
        scipy is not installed.
    """
    ndimage = import_optional("scipy.ndimage", "describe images", extra="suspects")
    if masks is not None:
        images = np.where(masks == OTHER, images.dtype.type(0), images)
    background, noise = measure_noise(images)
    clipped = clip_images(images, background, noise)
    factor = max(1, round(max(images.shape[1:]) / _GRID))
    rows = [_describe(ndimage, _averaged(image, factor)) for image in clipped]
    width = max((len(row) for row in rows), default=0)
    features = np.zeros((len(rows), width), np.float32)
    for index, row in enumerate(rows):
        features[index, : len(row)] = row
    return features


def _averaged(image: _Light, factor: int) -> _Light:
    ny, nx = (side // factor for side in image.shape)
    blocks = image[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    averaged: _Light = blocks.mean(axis=(1, 3), dtype=np.float32)
    return averaged


def _describe(ndimage: ModuleType, image: _Light) -> list[float]:
    """Return all numbers of one image; none if nothing is above its noise."""
    pixels = _own_pixels(ndimage, image)
    if pixels is None:
        return []
    frames = [_frame_of(pixels, power) for power in (1.0, 0.5, 0.0)]
    low, high = np.percentile(frames[1].along, (1, 99))
    length = float(high - low) + 1
    values = [pixels.islands, math.log(len(pixels.light)), math.log(length)]
    for power, frame in zip((1.0, 0.5, 0.0), frames, strict=True):
        values += _moments(pixels, frame, power)
    values += _profiles(pixels, frames[1], float(low) - 0.5, length)
    peak = np.unravel_index(np.argmax(pixels.image), pixels.image.shape)
    centres = (frames[0].y, frames[0].x), pixels.middle, (float(peak[0]), float(peak[1]))
    for centre in centres:
        values += _about(pixels, centre, length)
    for scale in _SCALES:
        values += _peaks(ndimage, pixels, scale, length)
    areas = [np.count_nonzero(pixels.light > level) for level in _LEVELS]
    values += [math.log(area + 1) for area in areas]
    values += [area / len(pixels.light) for area in areas]
    values += [math.log(pixels.light.sum()), float(pixels.light.mean())]
    return values


def _own_pixels(ndimage: ModuleType, image: _Light) -> _Pixels | None:
    """Return the pixels of the source in the middle, without those of its neighbours.

    The islands that belong to it are the one that is nearest to the middle and those that are
    hardly farther away, as the second lobe of a double is.
    """
    # Strategy: pixels above the noise are grown and joined to islands. The distance of an island is
    # that of its nearest pixel, so that both lobes of a double are equally near.
    labels, count = ndimage.label(ndimage.binary_dilation(image > 0, iterations=_JOIN))
    if not count:
        return None
    numbers = np.arange(1, count + 1)
    light = ndimage.sum_labels(image, labels, numbers)
    middle = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    radius = np.hypot(rows - middle[0], columns - middle[1])
    distance = ndimage.minimum(np.where(image > 0, radius, np.inf), labels, numbers)
    bright = light > _FAINTEST_ISLAND * light.max()
    near = bright & (distance <= _REACH * distance[bright].min() + _MARGIN * max(image.shape))
    near &= light > _FAINTEST_ISLAND * light[near].max()
    own = np.isin(labels, numbers[near])
    corner, part = _cut_out(ndimage, np.where(own, image, np.float32(0)))
    y, x = np.nonzero(part)
    shifted = middle[0] - corner[0], middle[1] - corner[1]
    values = part[y, x].astype(float)
    return _Pixels(part, shifted, y.astype(float), x.astype(float), values, int(near.sum()))


def _cut_out(ndimage: ModuleType, image: _Light) -> tuple[tuple[int, int], _Light]:
    """Return the part of an image that is not 0, with a margin for the smoothing."""
    box = ndimage.find_objects((image > 0).astype(np.int8))[0]
    margin = math.ceil(4 * max(_SCALES))
    part = np.pad(image[box], margin)
    part /= part.max()
    return (box[0].start - margin, box[1].start - margin), part


def _frame_of(pixels: _Pixels, power: float) -> _Frame:
    """Return the frame of the light to a power: 1 for the light itself, 0 for its footprint."""
    weight = pixels.light**power
    weight /= weight.sum()
    y, x = float(weight @ pixels.y), float(weight @ pixels.x)
    dy, dx = pixels.y - y, pixels.x - x
    tensor = np.array([[weight @ (dx * dx), weight @ (dx * dy)], [0, weight @ (dy * dy)]])
    spread, axes = np.linalg.eigh(tensor, UPLO="U")
    minor, major = np.sqrt(np.maximum(spread, 1 / 12))  # of one pixel
    cos, sin = axes[:, 1]
    return _Frame(dx * cos + dy * sin, dy * cos - dx * sin, float(major), float(minor), y, x)


def _moments(pixels: _Pixels, frame: _Frame, power: float) -> list[float]:
    """Return moments; the sign of an odd one depends on the orientation and is left out."""
    weight = pixels.light**power
    weight /= weight.sum()
    along, across = frame.along / frame.major, frame.across / frame.minor
    slim = frame.minor / frame.major
    offset = math.hypot(frame.y - pixels.middle[0], frame.x - pixels.middle[1])
    along2, across2 = along**2, across**2
    return [
        math.log(frame.major),
        math.log(frame.minor),
        slim,
        abs(float(weight @ along**3)),  # one side is brighter or longer
        float(weight @ along**4),  # from two spots, 1, to a bright middle
        abs(float(weight @ (along2 * across))) * slim,  # both ends bend to one side
        abs(float(weight @ (along * across2))) * slim**2,  # one end is wider
        abs(float(weight @ across**3)),
        float(weight @ across**4),
        float(weight @ (along2 * across2)),  # the ends are wider than the middle
        math.log(offset + 1),
        offset / frame.major,
    ]


def _profiles(pixels: _Pixels, frame: _Frame, low: float, length: float) -> list[float]:
    """Return profiles along the major axis, the brighter half first, bent to the positive side."""
    place = np.clip(((frame.along - low) / length * _BINS).astype(int), 0, _BINS - 1)
    light = _sums(place, pixels.light, _BINS)
    filled = np.maximum(light, 1e-9)
    offset = _sums(place, pixels.light * frame.across, _BINS) / filled
    spread = _sums(place, pixels.light * frame.across**2, _BINS) / filled - offset**2
    width = np.sqrt(np.maximum(spread, 0))
    peak = np.zeros(_BINS)
    np.maximum.at(peak, place, pixels.light)
    light = light / light.sum()
    middles = (np.arange(_BINS) + 0.5) / _BINS - 0.5
    bend = np.polynomial.Polynomial.fit(middles, offset / length, 2, w=np.sqrt(light + 1e-6))
    curvature = float(bend.convert().coef[-1])
    wiggles = offset / length - bend(middles)
    half = _BINS // 2
    if curvature < 0:
        offset = -offset
    if light[:half].sum() < light[half:].sum():
        light, offset, width, peak = light[::-1], offset[::-1], width[::-1], peak[::-1]
    both = [light + light[::-1], np.maximum(peak, peak[::-1]), np.minimum(peak, peak[::-1])]
    parts = [light, offset / length, width / length, peak, *(one[:half] for one in both)]
    numbers = [
        abs(curvature),
        math.sqrt(light @ wiggles**2),
        math.log(width.mean() + 0.5),
        math.log(width[_BINS // 4 : -_BINS // 4].mean() + 0.5),
        float(np.ptp(np.percentile(frame.across, (1, 99)))) / length,
    ]
    return [*numbers, *np.concatenate(parts).tolist()]


def _about(pixels: _Pixels, centre: tuple[float, float], length: float) -> list[float]:
    """Return how the light is distributed about a centre, in radius and in angle."""
    dy, dx = pixels.y - centre[0], pixels.x - centre[1]
    radius, angle = np.hypot(dy, dx), np.arctan2(dy, dx)
    order = np.argsort(radius, kind="stable")
    enclosed = np.cumsum(pixels.light[order]) / pixels.light.sum()
    radii = np.interp(_SHARES, enclosed, radius[order])
    values = [*np.log(radii + 1).tolist(), *(radii / length).tolist()]
    outer = np.sqrt(pixels.light) * (radius > 2)  # the angle is no measure near the centre
    for weight in (outer, pixels.light * radius):
        total = weight.sum() + 1e-9
        values += [float(abs(weight @ np.exp(1j * order * angle)) / total) for order in range(1, 5)]
    return [*values, *_arms(angle, pixels.light * radius)]


def _arms(angle: Floats, weight: Floats) -> list[float]:
    """Return the angle between the two brightest directions (deg), and the ratio of their light."""
    sector = np.floor(angle / (2 * np.pi) * _SECTORS + 0.5).astype(int) % _SECTORS
    light = _sums(sector, weight, _SECTORS)
    light = (np.roll(light, 1) + 2 * light + np.roll(light, -1)) / 4
    light = np.roll(light, -int(np.argmax(light)))  # the first arm is in sector 0
    second = int(np.argmax(light[4:-3])) + 4
    between = min(second, _SECTORS - second) * 360 / _SECTORS
    return [between, float(light[second] / max(light[0], 1e-9))]


def _peaks(ndimage: ModuleType, pixels: _Pixels, scale: float, length: float) -> list[float]:
    """Return the number of peaks, their brightness and distances, and how deep the gap is."""
    smooth = ndimage.gaussian_filter(pixels.image, scale)
    top = smooth.max()
    is_peak = (smooth == ndimage.maximum_filter(smooth, size=5)) & (smooth > 0.15 * top)
    places = np.argwhere(is_peak)
    height = smooth[is_peak] / top
    order = np.argsort(-height, kind="stable")
    places, height = places[order].astype(float), height[order]
    further = np.append(height[1:3], [0.0, 0.0])[:2]
    from_middle = float(np.hypot(*(places[0] - pixels.middle)))
    apart, farthest, halfway = 0.0, 0.0, places[0]
    if len(places) > 1:
        apart = float(np.hypot(*(places[0] - places[1])))
        between = places[:, None] - places
        farthest = float(np.hypot(between[..., 0], between[..., 1]).max())
        halfway = (places[0] + places[1]) / 2
    inside = np.array([halfway, pixels.middle]).T
    gap, in_middle = (ndimage.map_coordinates(smooth, inside, order=1) / top).tolist()
    return [
        len(places),
        int((height > 0.3).sum()),
        int((height > 0.5).sum()),
        *further.tolist(),
        apart,
        apart / length,
        farthest,
        farthest / length,
        gap,
        in_middle,
        from_middle,
        from_middle / length,
    ]


def _sums(place: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(place, values, minlength=count).astype(float)
