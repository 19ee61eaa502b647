"""Convolve images with Gaussian kernels: the kernel on pixels, and many images in one FFT.

Sampling a Gaussian at the pixel centres gives the right kernel only if it is wider than about two
pixels. A survey of 8.7 arcsec is brought to 9 arcsec by a kernel of 2.3 arcsec, which is narrower.
`gaussian_kernel` therefore starts from the transform of the Gaussian. What images are convolved
with, and what becomes of their unit and noise, is decided in `mingolotss.pipeline.common_beam`.

>>> kernel = gaussian_kernel(np.diag([2.0, 2.0]))
>>> y, x = np.indices(kernel.shape) - np.array(kernel.shape)[:, None, None] // 2
>>> round(float(kernel.sum()), 9), round(float((kernel * x * x).sum()), 2)
(1.0, 2.0)
>>> image = np.ones((1, 30, 30), np.float32)
>>> convolve_images(image, kernel).shape, kernel.shape
((1, 20, 20), (11, 11))
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mingolotss.model import Floats

__all__ = ["MIN_WEIGHT", "convolve_images", "gaussian_kernel", "noise_kernel"]

MIN_WEIGHT = 0.9
"""Of a kernel: a pixel is NaN if the pixels that it is computed from have less than this."""

_INDEPENDENT = 1e-6  # px^2; a correlation of this width leaves the pixels independent
_TERMS = 12  # of the series for a frequency and its square
_REACH = 4.0  # standard deviations, beyond which a Gaussian has 6e-5 of its weight on either side
_NEGLIGIBLE = 6e-5  # of the weight of a kernel, in the rows and columns that are cut off


def gaussian_kernel(covariance: Floats) -> Floats:
    """Return a Gaussian on pixels, whose sum is 1 and whose covariance is the given one.

    Parameters
    ----------
    covariance : float64 array, shape (2, 2), px^2
        For the axes x and y. One axis of the Gaussian may have no width.

    Returns
    -------
    float64 array, shape (2 m + 1, 2 n + 1)
        The centre is the pixel (m, n). Rows and columns without weight are left out.

    Notes
    -----
    Where the Gaussian is wider than two pixels, these are its values at their centres. The
    transform of a kernel on pixels is periodic, that of a Gaussian is not: exp(-q / 2) with the
    quadratic form q of the frequencies. Here each frequency w is replaced in q by a series in
    sin^2(w / 2), which is periodic and agrees with w and w^2 up to high order (the series of the
    arcsine and its square). Covariance and fourth moments are then exact for every width, and the
    kernel has no ripples.
    """
    reach = [math.ceil((_REACH + 2) * math.sqrt(max(v, 0.0))) for v in np.diag(covariance)]
    nx, ny = (2 * (pixels + _TERMS) + 1 for pixels in reach)
    linear, square = zip(_frequencies(nx), _frequencies(ny), strict=True)
    form = (
        covariance[0, 0] * square[0][None, :]
        + 2 * covariance[0, 1] * linear[1][:, None] * linear[0][None, :]
        + covariance[1, 1] * square[1][:, None]
    )
    kernel = np.fft.fftshift(np.fft.ifft2(np.exp(-0.5 * form)).real)
    kernel = _cut(_cut(kernel).T).T
    normalised: Floats = kernel / kernel.sum()
    return normalised


@lru_cache(maxsize=256)
def _frequencies(n: int) -> tuple[Floats, Floats]:
    """Return the angular frequencies of n pixels and their squares, made periodic.

    2 arcsin^2(s) is the sum over k > 0 of (2 s)^(2 k) / (k^2 C(2 k, k)), and its derivative gives
    the series of 2 arcsin(s). With s = sin(w / 2), these are w^2 / 2 and w.
    """
    w = 2 * np.pi * np.fft.fftfreq(n)
    s2 = np.sin(w / 2) ** 2
    square, linear = np.zeros(n), np.zeros(n)
    for k in range(1, _TERMS + 1):
        term = 4.0**k / (k * math.comb(2 * k, k))
        square += 2 * term / k * s2**k
        linear += 0.5 * term * s2 ** (k - 1)
    return linear * np.sin(w), square


def _cut(kernel: Floats) -> Floats:
    """Leave out the outer rows of a kernel, as many on either side, that have no weight."""
    middle = len(kernel) // 2
    weights = np.abs(kernel).sum(axis=1)
    outside = np.cumsum(weights + weights[::-1])[:middle] / weights.sum()
    first = int(np.searchsorted(outside, 2 * _NEGLIGIBLE))
    return kernel[first : len(kernel) - first]


def noise_kernel(kernel: Floats, correlation: Floats) -> Floats:
    """Return the kernel with which the variance of noise is convolved.

    Parameters
    ----------
    kernel : float64 array, shape (ny, nx)
        With which the image is convolved.
    correlation : float64 array, shape (2, 2), px^2
        Covariance of the Gaussian that is the autocorrelation of the noise.

    Returns
    -------
    float64 array, shape (ny, nx)
        Its sum is the factor by which the convolution changes the variance of even noise.

    Notes
    -----
    The variance of a pixel is the sum of k(u) k(v) r(u - v) s(u) s(v) over all pairs of pixels,
    with the kernel k, the correlation r and the noise s. Noise that changes little within a beam
    has s(u) s(v) = (s(u)^2 + s(v)^2) / 2, and the sum becomes that of s(u)^2 times k(u) (k * r)(u).
    """
    ny, nx = kernel.shape
    y, x = np.indices((2 * ny - 1, 2 * nx - 1))
    offsets = np.stack([x - (nx - 1), y - (ny - 1)], axis=-1)
    inverse = np.linalg.inv(correlation + _INDEPENDENT * np.eye(2))
    exponent = np.einsum("...i,ij,...j", offsets, inverse, offsets)
    correlated = convolve_images(np.exp(-0.5 * exponent)[None], kernel)[0]
    product: Floats = kernel * correlated
    return product


def convolve_images(images: npt.NDArray[np.floating], kernel: Floats) -> Floats:
    """Convolve images of one size, as far as the kernel lies inside them.

    Parameters
    ----------
    images : float array, shape (n, height, width)
        Pixels that are not finite are unknown.
    kernel : float64 array, shape (2 m + 1, 2 n + 1)

    Returns
    -------
    float64 array, shape (n, height - 2 m, width - 2 n)
        NaN where a pixel is unknown, and where the pixels around it that are known have less than
        `MIN_WEIGHT` of the kernel; elsewhere, unknown pixels are left out of the weighted mean.
    """
    ky, kx = kernel.shape
    pixels = np.asarray(images, np.float64)
    known = np.isfinite(pixels)
    complete = known.all(axis=(1, 2))
    if complete.all():
        return _convolve(pixels, kernel)
    result = _convolve(np.where(known, pixels, 0.0), kernel)
    gaps = np.flatnonzero(~complete)
    weight = _convolve(known[gaps].astype(np.float64), kernel / kernel.sum())
    ny, nx = result.shape[1:]
    centre = known[gaps, ky // 2 : ky // 2 + ny, kx // 2 : kx // 2 + nx]
    with np.errstate(all="ignore"):
        result[gaps] = np.where(centre & (weight >= MIN_WEIGHT), result[gaps] / weight, np.nan)
    return result


def _convolve(images: Floats, kernel: Floats) -> Floats:
    """Convolve images without NaN; see `convolve_images`."""
    from scipy import fft  # it takes 0.1 s

    # The transform is periodic: what the kernel brings round from the other side lands within its
    # reach of the edge, which is cut off.
    ky, kx = kernel.shape
    height, width = images.shape[1:]
    shape = fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True)
    transfer = fft.rfft2(kernel, shape)
    product = fft.rfft2(images, shape)
    product *= transfer
    convolved: Floats = fft.irfft2(product, shape, overwrite_x=True)
    return convolved[:, ky - 1 : height, kx - 1 : width]
