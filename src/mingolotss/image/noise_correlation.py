"""How wide the autocorrelation of the noise of an image is, relative to its beam.

The noise of naturally weighted visibilities has the beam as its autocorrelation, that of uniformly
weighted ones with a taper is wider by sqrt(2), and residuals of CLEAN are narrower (in LoTSS DR1,
0.8 times). What a convolution or a resampling leaves of the noise depends on it, by a quarter from
6 to 9 arcsec, so it is measured.

>>> noise = np.random.default_rng(1).normal(size=(128, 128))  # independent pixels
>>> correlation_scale(noise, np.diag([4.0, 4.0])) < 0.2
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mingolotss.model import Floats

__all__ = ["correlation_scale"]

_WINDOW = 128  # px, side of a window
_WINDOWS = 4  # on each axis, of a large image
_FEWEST_BEAMS = 100  # from which a correlation is measured
_LIMITS = (0.03, 2.5)
_STEPS = 8  # in a factor of 2
_LOST = 0.15  # a correlation that is not measured well


def correlation_scale(image: npt.NDArray[np.floating], covariance: Floats) -> float:
    """Return the covariance of the autocorrelation of the noise, in units of that of the beam.

    Parameters
    ----------
    image : float array, shape (ny, nx)
        In which most pixels are noise. Of a large one, 16 windows on a grid are read.
    covariance : float64 array, shape (2, 2), px^2
        Of the beam, for the axes x and y.

    Returns
    -------
    float
        From 0.03 to 2.5 in steps of 9 %; 1 where there are fewer than 100 beams, or no noise.
    """
    # Strategy: noise of variance s^2 and correlation r has differences of variance 2 s^2 (1 - r)
    # at a lag. Both variances come from percentiles: sources are few pixels, and positive, so that
    # s is that of the lower side. With r = exp(-q / (2 f)) for the form q of the lag, each axis
    # gives f. The lag is that at which the beam falls to about one half, or one pixel for noise
    # that has lost its correlation there.
    width_px = math.sqrt(float(np.linalg.det(covariance)))
    half = max(1, round(math.sqrt(2 * math.log(2) * width_px)))
    windows = _windows(image)
    values = _known(part[::2, ::3] for part in windows)
    if values.size * 6 < _FEWEST_BEAMS * 2 * math.pi * width_px:
        return 1.0
    low, middle = np.percentile(values, (15.87, 50.0))
    variance = float(middle - low) ** 2
    if not variance:
        return 1.0
    inverse = np.linalg.inv(covariance)
    scale = 1.0
    for lag in dict.fromkeys((half, 1)):
        across = _correlation((w[::3, lag::2] - w[::3, :-lag:2] for w in windows), variance)
        up = _correlation((w[lag::2, ::3] - w[:-lag:2, ::3] for w in windows), variance)
        forms = lag**2 * inverse[0, 0], lag**2 * inverse[1, 1]
        scales = [form / (-2 * math.log(r)) for form, r in zip(forms, (across, up), strict=True)]
        scale = math.sqrt(scales[0] * scales[1])
        if min(across, up) > _LOST:
            break
    scale = min(max(scale, _LIMITS[0]), _LIMITS[1])
    return math.exp2(round(_STEPS * math.log2(scale)) / _STEPS)


def _correlation(differences: Iterable[npt.NDArray[np.floating]], variance: float) -> float:
    """Return the correlation of noise of a variance from its differences at a lag."""
    known = _known(differences)
    if not known.size:
        return 0.5
    lower, upper = np.percentile(known, (15.87, 84.13))
    correlation = 1 - (float(upper - lower) / 2) ** 2 / (2 * variance)
    return min(max(correlation, 1e-6), 1 - 1e-6)


def _known(parts: Iterable[npt.NDArray[np.floating]]) -> Floats:
    """Return the finite values of some arrays."""
    values = np.concatenate([part.ravel() for part in parts] or [np.empty(0)])
    known: Floats = values[np.isfinite(values)]
    return known


def _windows(image: npt.NDArray[np.floating]) -> list[Floats]:
    """Return all of an image in squares of `_WINDOW`, or some squares of a large one."""
    starts = [
        range(0, size - _WINDOW + 1, max(1, (size - _WINDOW) // (_WINDOWS - 1)))[:_WINDOWS]
        if size > _WINDOWS * _WINDOW
        else range(0, size, _WINDOW)
        for size in image.shape
    ]
    return [
        image[y0 : y0 + _WINDOW, x0 : x0 + _WINDOW].astype(np.float64)
        for y0 in starts[0]
        for x0 in starts[1]
    ]
