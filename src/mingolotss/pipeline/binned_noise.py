"""The noise of stamps whose pixels are means of blocks of the image's pixels.

The mean of n x n pixels has less noise than one pixel, but more than 1/n of it, since the noise of
neighbouring pixels is correlated. Where the noise was estimated, it is estimated again on the
means. An rms map is propagated with the beam: the noise of a radio image has about the beam as its
autocorrelation, so that the variance of a mean is the mean of the correlation over all pairs of its
pixels. Without a beam in the header, the map is scaled by what the means show.

>>> from mingolotss.sky.beams import beam_covariance
>>> round(float(block_noise(np.eye(2) * 1e-9, 4)), 6)  # independent pixels: 1 / 4
0.25
>>> round(float(block_noise(beam_covariance(4.0, 4.0), 10)), 3)  # LoTSS at 15 arcsec
0.37
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.errors import ImageError
from mingolotss.image.noise import sigma_clipped_noise
from mingolotss.image.pixels import block_mean
from mingolotss.model import Cutout, FloatImage, Floats, Ints, Objects
from mingolotss.pipeline.common_beam import beam_of, noise_covariance
from mingolotss.pipeline.stamp_windows import StampBoxes, noise_of
from mingolotss.recipe.model import NoiseSettings
from mingolotss.sky.beams import Beam, pixel_covariances
from mingolotss.sky.header_facts import header_facts

__all__ = ["BinnedNoise", "binned_noise", "block_noise"]

_FEWEST_BLOCKS = 64  # from which noise is estimated
_BY_BEAM = "rms-map, propagated to the binned pixels with the beam"
_BY_PIXELS = "rms-map, scaled to the scatter of the binned pixels"
_ESTIMATED = "of the binned pixels"
_UNKNOWN = "as if all pixels of a bin had one noise"


class BinnedNoise(NamedTuple):
    """The noise of stamps after binning.

    Attributes
    ----------
    relative : float64 array, shape (n,)
        The noise of a stamp's pixel, relative to the mean noise of the pixels that it is made of.
    methods : object array of str, shape (n,)
        How the noise of the stamp came about.
    """

    relative: Floats
    methods: Objects


def binned_noise(
    cutouts: CutoutArray,
    indices: Ints,
    boxes: StampBoxes,
    factors: Ints,
    estimates: Mapping[int, FloatImage],
    methods: Objects,
    settings: NoiseSettings,
    common_beam: Beam | None = None,
) -> BinnedNoise:
    """Return the noise of stamps after the step ``bin``.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        The cutout of each stamp.
    boxes : StampBoxes
        Where each stamp lies in its cutout.
    factors : int64 array, shape (n,)
        Pixels of the image, along an axis, for each pixel of the stamp.
    estimates : mapping of int to float array
        The noise of those cutouts that do not use their rms map, by the index of the cutout.
    methods : object array of str, shape (n,)
        How the noise of the unbinned pixels came about.
    settings : NoiseSettings
    common_beam : Beam, optional
        The beam that the images were convolved to.
    """
    relative, methods = np.ones(len(indices)), methods.copy()
    for stamp in np.flatnonzero(factors > 1).tolist():
        index, factor = int(indices[stamp]), int(factors[stamp])
        cutout = cutouts.cutout(index)
        corner = int(boxes.y0[stamp]), int(boxes.x0[stamp])
        beam = common_beam or beam_of(header_facts(cutout.wcs))
        if index not in estimates and beam is not None:
            covariance = noise_covariance(cutout, beam) if common_beam else beam.covariance
            in_pixels = _in_pixels(covariance, cutout)
            relative[stamp], methods[stamp] = block_noise(in_pixels, factor), _BY_BEAM
            continue
        measured = _measured(cutout, corner, factor, estimates.get(index), settings)
        if measured is None:
            methods[stamp] = f"{methods[stamp]}, {_UNKNOWN}"
            continue
        relative[stamp] = measured
        methods[stamp] = f"{methods[stamp]} {_ESTIMATED}" if index in estimates else _BY_PIXELS
    return BinnedNoise(relative, methods)


def _measured(
    cutout: Cutout,
    corner: tuple[int, int],
    factor: int,
    estimate: FloatImage | None,
    settings: NoiseSettings,
) -> float | None:
    """Return the noise of the means of a cutout relative to that of its pixels, None if unknown."""
    y0, x0 = (start % factor for start in corner)  # in blocks that the stamp is made of, too
    ny, nx = cutout.image.shape
    ny, nx = (ny - y0) // factor * factor, (nx - x0) // factor * factor
    native = cutout.image.dtype.newbyteorder("=")
    with np.errstate(all="ignore"):
        part = cutout.image[y0 : y0 + ny, x0 : x0 + nx].astype(native)
        means = block_mean(np.where(np.isfinite(part), part, np.nan), factor)
    if np.count_nonzero(np.isfinite(means)) < _FEWEST_BLOCKS:
        return None
    try:
        if estimate is None:
            before = sigma_clipped_noise(cutout.image)
            after = sigma_clipped_noise(means)
        else:
            before, after = estimate, noise_of(Cutout(means, None, cutout.wcs), settings)
    except ImageError:
        return None
    level, binned = (float(np.nanmedian(noise)) for noise in (before, after))
    ratio = binned / level if level > 0 else math.nan
    return ratio if math.isfinite(ratio) and ratio > 0 else None


def block_noise(covariance: Floats, factor: int) -> float:
    """Return the noise of the mean of a block relative to that of one pixel.

    Parameters
    ----------
    covariance : float64 array, shape (2, 2), px^2
        Of the Gaussian that is the autocorrelation of the noise, for the axes x and y.
    factor : int
        Pixels on a side of the block.

    Notes
    -----
    The variance of the mean of N pixels with the variance 1 is the sum of the correlation over all
    N^2 pairs, divided by N^2. In a square block, (n - |dx|) (n - |dy|) pairs lie (dx, dy) apart.
    """
    steps = np.arange(1 - factor, factor)
    dx, dy = np.meshgrid(steps, steps)
    (a, b), (_, d) = np.linalg.inv(covariance)
    correlation = np.exp(-0.5 * (a * dx**2 + 2 * b * dx * dy + d * dy**2))
    pairs = (factor - np.abs(dx)) * (factor - np.abs(dy))
    return math.sqrt(float((pairs * correlation).sum())) / factor**2


def _in_pixels(covariance: Floats, cutout: Cutout) -> Floats:
    """Return a covariance for the axes x and y of the pixels at the centre of a cutout, px^2."""
    ny, nx = cutout.image.shape
    x, y = cutout.origin[0] + nx / 2, cutout.origin[1] + ny / 2
    (in_pixels,) = pixel_covariances(covariance, cutout.wcs, [x], [y])
    return np.asarray(in_pixels, float)
