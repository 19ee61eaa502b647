"""Describe images so that a turned, mirrored or shifted copy has the same description.

An image is reduced to the pixels above its noise, its brightness is centred, and each ring about
the centre is expanded in angular harmonics. A turn by θ multiplies the harmonic of order m by
exp(-imθ), and a mirror image conjugates it, so that the amplitudes do not depend on either. Images
that are alike therefore lie close together in the space of amplitudes, and the harmonics also tell
the angle (`turn_between`). The distance of the amplitudes is never larger than that of the images
themselves in the best orientation (Parseval's theorem).

Harmonics of rings as invariant features: Granlund (1972, IEEE Trans. Comput. C-21, 195), Sheng &
Arsenault (1986, J. Opt. Soc. Am. A 3, 771).

>>> image = np.zeros((1, 64, 64), np.uint8)
>>> image[0, 20:40, 30:33] = 200
>>> image[0, 38:41, 30:50] = 90
>>> turned = describe_images(np.rot90(image, axes=(1, 2)))
>>> bool(np.allclose(turned.amplitudes(0), describe_images(image).amplitudes(0), atol=0.02))
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats

__all__ = [
    "CLIP",
    "ImageFeatures",
    "clip_images",
    "describe_images",
    "inscribed_disc",
    "measure_noise",
    "turn_between",
]

CLIP = 3.0
"""Pixels below this many times the noise are not used; stamps are clipped there as well."""

_GRID = 75  # pixels; harmonics are measured on an image that is averaged to about this side
_RINGS, _ANGLES, _ORDERS = 24, 72, 10
_TURNS = 128  # angles at which two images are compared
_SAMPLE = 3  # every third pixel is used to estimate the noise
_INNER = 0.7  # part of the radius; the noise is estimated outside, where sources seldom are
DEPTHS = 2
_DEPTHS = np.array([0, 0.1], np.float32)  # of the peak
_FAINTEST = 0.7  # of the noise; a single bright pixel becomes fainter when the image is smoothed

FloatStack = NDArray[np.float32]
Harmonics = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What is measured of n images.

    Attributes
    ----------
    background, noise : float32 arrays, shape (n,), in the unit of the pixels
    bright : int32 array, shape (n,)
        Number of pixels above the clip level, inside the inscribed disc.
    peak : float32 array, shape (n,)
        The brightest pixel above the background.
    centre : float32 array, shape (n, 2), pixels
        Centre of the squared brightness, (y, x) from 0.
    harmonics : complex64 array, shape (n, depths, rings, orders)
        Of the square root of the brightness; of norm 1, or 0 if nothing is above the noise. The
        first depth goes down to the noise. The second ends at a tenth of the peak, and so has what
        a much noisier copy still shows.
    """

    background: FloatStack
    noise: FloatStack
    bright: NDArray[np.int32]
    peak: FloatStack
    centre: FloatStack
    harmonics: Harmonics

    def __len__(self) -> int:
        return len(self.noise)

    def amplitudes(self, depth: int) -> FloatStack:
        """Return the part that does not depend on the orientation, shape (n, rings * orders)."""
        return np.abs(self.harmonics[:, depth]).reshape(len(self), -1)

    @classmethod
    def join(cls, parts: Sequence[ImageFeatures]) -> ImageFeatures:
        """Return the features of several batches as one."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def describe_images(images: ImageArray) -> ImageFeatures:
    """Measure the noise and the harmonics of a batch of images.

    Parameters
    ----------
    images : uint8 or float32 array, shape (n, side, side)
        NaN counts as 0.

    Raises
    ------
    MissingLibraryError
        scipy is not installed.
    """
    background, noise = measure_noise(images)
    clipped = clip_images(images, background, noise)
    bright = np.count_nonzero(clipped, axis=(1, 2)).astype(np.int32)
    factor = max(1, round(images.shape[1] / _GRID))
    centre, harmonics = _harmonics(_averaged(clipped, factor), noise)
    return ImageFeatures(
        background, noise, bright, clipped.max(axis=(1, 2)),
        (centre * factor + (factor - 1) / 2).astype(np.float32), harmonics,
    )  # fmt: skip


def clip_images(images: ImageArray, background: FloatStack, noise: FloatStack) -> FloatStack:
    """Return the brightness above the background, 0 below the clip level and outside the disc."""
    pixels = images.astype(np.float32)
    if images.dtype != np.uint8:
        np.nan_to_num(pixels, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    pixels -= background[:, None, None]
    # The noise of a clipped image is estimated from its faintest pixels, so a margin keeps them.
    level = (0.95 * CLIP * noise)[:, None, None]
    pixels *= (pixels > level) & inscribed_disc(images.shape[1])
    return pixels


@lru_cache(maxsize=8)
def inscribed_disc(side: int, part: float = 1.0) -> Bools:
    """Return which pixels of a square are in its inscribed disc, or in a part of its radius."""
    offset = np.arange(side) - (side - 1) / 2
    disc: Bools = offset[:, None] ** 2 + offset**2 <= (part * side / 2) ** 2
    return disc


def turn_between(first: Harmonics, second: Harmonics) -> tuple[Floats, Floats]:
    """Correlate pairs of images over all turns, without and with a mirror.

    Parameters
    ----------
    first, second : complex64 arrays, shape (pairs, rings, orders)

    Returns
    -------
    similarity : float array, shape (pairs, 2, turns)
        Between -1 and 1, from 1 for equal images; [:, 1] is for the mirror image of the first.
    turns : float array, shape (turns,), radians
        The angle by which the first image, perhaps mirrored, is turned to the second.
    """
    # b(φ + θ) = a(φ) means b_m = a_m exp(-imθ), so that the sum of conj(a_m) b_m exp(imθ) over m
    # has its maximum at θ. Mirroring x to -x maps φ to π - φ and a_m to (-1)^m conj(a_m).
    signs = (-1.0) ** np.arange(first.shape[2])
    plain = np.einsum("prm,prm->pm", first.conj(), second)
    mirrored = np.einsum("prm,prm->pm", first, second) * signs
    spectrum = np.stack([plain, mirrored], axis=1).astype(np.complex64)
    spectrum[..., 1:] /= 2  # a real signal has the same power at -m
    turns = np.linspace(0, 2 * np.pi, _TURNS, endpoint=False)
    similarity: Floats = np.asarray(np.fft.irfft(spectrum, _TURNS, axis=2), np.float64) * _TURNS
    return similarity, turns


def measure_noise(images: ImageArray) -> tuple[FloatStack, FloatStack]:
    """Estimate background and noise of each image.

    If the outer part of the disc is noisy, the number of pixels above a level tells the noise; only
    the upper half is used, since stamps may be cut off at 0. Otherwise the image has been clipped
    at 3 sigma, and its faintest pixels tell where.
    """
    special = import_optional("scipy.special", "compare images", extra="audit")
    ring = inscribed_disc(images.shape[1]) & ~inscribed_disc(images.shape[1], _INNER)
    outer = np.nan_to_num(images[:, ring][:, ::_SAMPLE]).astype(np.float32)
    middle = np.median(outer, axis=1).astype(np.float64)
    quantum = 1 if images.dtype == np.uint8 else 0
    level = np.maximum(np.percentile(outer, 75, axis=1), middle + quantum)
    height = level - middle
    share = (outer >= level[:, None]).mean(axis=1)
    # Between the background and the clip level there are no pixels; noise has them there.
    below = (outer > middle[:, None]) & (outer <= (middle + height / 2)[:, None])
    is_noisy = (height > 0) & (share > 0.1) & ((height <= quantum) | (below.mean(axis=1) > 0.04))
    noise = height / special.ndtri(1 - np.clip(share, 1e-6, 0.45))
    for index in np.flatnonzero(~is_noisy):
        above = images[index][images[index] > middle[index]]
        faintest = np.percentile(above, 5) - middle[index] if above.size else 0.0
        noise[index] = faintest / CLIP
    noise = np.hypot(noise, quantum * 12**-0.5)  # the error of whole numbers
    noise[noise <= 0] = 1
    return middle.astype(np.float32), noise.astype(np.float32)


def _averaged(images: FloatStack, factor: int) -> FloatStack:
    side = images.shape[1] // factor
    blocks = images[:, : side * factor, : side * factor]
    shape = (len(images), side, factor, side, factor)
    averaged: FloatStack = blocks.reshape(shape).mean(axis=(2, 4), dtype=np.float32)
    return averaged


def _harmonics(images: FloatStack, noise: FloatStack) -> tuple[Floats, Harmonics]:
    """Return the centre and the harmonics of averaged images, at each depth."""
    ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
    n, side, _ = images.shape
    smooth = ndimage.gaussian_filter(images, (0, 1, 1))
    # The squared brightness is dominated by the source, the brightness itself by peaks of noise.
    weight, axis = smooth**2, np.arange(side, dtype=np.float32)
    total = np.maximum(weight.sum(axis=(1, 2)), np.finfo(np.float32).tiny)
    centre = np.stack([weight.sum(axis=2) @ axis, weight.sum(axis=1) @ axis], axis=1)
    centre /= total[:, None]
    radius = (np.arange(_RINGS, dtype=np.float32) + 0.5) * (side / 2 / _RINGS)
    angle = np.arange(_ANGLES, dtype=np.float32) * np.float32(2 * np.pi / _ANGLES)
    rings = np.stack([np.outer(radius, np.sin(angle)), np.outer(radius, np.cos(angle))])
    places = np.empty((3, n, _RINGS, _ANGLES), np.float32)
    places[0] = np.arange(n)[:, None, None]
    places[1:] = centre.T[:, :, None, None] + rings[:, None]
    polar = ndimage.map_coordinates(smooth, places, order=1)
    faintest = np.maximum(_FAINTEST * noise, np.outer(_DEPTHS, smooth.max(axis=(1, 2))))
    above = np.maximum(polar - faintest[:, :, None, None], 0)
    # The root lets faint lobes count; the area of a ring grows with its radius.
    shape = np.sqrt(above * radius[:, None]).swapaxes(0, 1)
    harmonics = np.fft.rfft(shape, axis=3)[..., :_ORDERS].astype(np.complex64)
    harmonics[..., 1:] *= np.float32(2**0.5)
    norm = np.linalg.norm(harmonics.reshape(n, DEPTHS, -1), axis=2)
    return centre, harmonics / np.maximum(norm, np.finfo(np.float32).tiny)[:, :, None, None]
