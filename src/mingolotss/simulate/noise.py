"""The noise of a field: correlated like the beam, higher at the edge and near bright sources.

The noise and the rms map are computed from the same sigma, so that they agree.
"""

import math

import numpy as np

from mingolotss.simulate.draw import Image
from mingolotss.simulate.layout import Field, Floats

__all__ = ["SPOKES", "beam_noise", "convolved_noise", "rms_map", "spokes"]

SPOKES = 0.15
"""Flux in Jy; the artefacts of brighter sources are spokes, those of fainter ones more noise."""

_ARTEFACT_RADIUS = 180  # pixels from a bright source within which its artefacts are drawn
_ARTEFACT_LEVEL = 4e-4  # relative to the flux of the source, as near a 1 Jy double in LoTSS DR2


def beam_noise(side: int, beam_px: float, rng: np.random.Generator) -> Image:
    """Return Gaussian noise of unit variance with the beam as its autocorrelation.

    Parameters
    ----------
    side : int, pixels
    beam_px : float, pixels
        FWHM of the beam.
    rng : numpy.random.Generator

    Returns
    -------
    float32 array, shape (side, side)
    """
    # Strategy: white noise is drawn directly in Fourier space and multiplied by the square root of
    # the power spectrum; `twice` is the sum of its power over both halves of the spectrum, of which
    # only one is stored, and gives the variance 1.
    sigma = beam_px / math.sqrt(8 * math.log(2))
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    window = np.exp(-((math.pi * sigma) ** 2) * (ky**2 + kx**2)).astype(np.float32)
    window *= 1 - 0.5 * np.exp(-(ky**2 + kx**2) * (30 * sigma) ** 2)  # no short baselines
    twice = np.sum(window.astype(float) ** 2) * 2 - np.sum(window[:, 0].astype(float) ** 2)
    modes = np.empty(window.shape, np.complex64)
    modes.real = rng.standard_normal(window.shape, np.float32)
    modes.imag = rng.standard_normal(window.shape, np.float32)
    modes *= window * np.float32(side * side / math.sqrt(2 * twice))
    return np.fft.irfft2(modes, s=(side, side)).astype(np.float32, copy=False)


def convolved_noise(side: int, covariance: Floats, rng: np.random.Generator) -> Image:
    """Return white noise convolved with a beam, of unit variance.

    Its autocorrelation is sqrt(2) wider than the beam. Convolved to a larger beam, it is the noise
    that this function returns for that beam.

    Parameters
    ----------
    side : int, pixels
    covariance : float64 array, shape (2, 2), px^2
        Of the Gaussian beam, for the axes x and y.
    rng : numpy.random.Generator

    Returns
    -------
    float32 array, shape (side, side)
    """
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    (a, b), (_, d) = covariance
    window = np.exp(-2 * math.pi**2 * (a * kx**2 + 2 * b * kx * ky + d * ky**2))
    modes = np.fft.rfft2(rng.standard_normal((side, side), np.float32))
    noise = np.fft.irfft2(modes * window, s=(side, side))
    variance = (2 * np.sum(window**2) - np.sum(window[:, 0] ** 2)) / side**2
    return np.asarray(noise / math.sqrt(variance), np.float32)


def rms_map(field: Field, noise_jy: float, bright: Floats, beam_px: float) -> tuple[Image, Image]:
    """Return the noise of every pixel, without and with the spokes of very bright sources.

    Parameters
    ----------
    field : Field
    noise_jy : float, Jy/beam
        Noise in the middle of the field.
    bright : float64 array, shape (sources, 3)
        x and y in pixels from 0, and flux in Jy.
    beam_px : float, pixels

    Returns
    -------
    even, rms : float32 array, shape (side, side), Jy/beam
    """
    # Strategy: variances are added, in windows around the bright sources only. The noise is drawn
    # with `even`; the spokes are drawn with their own variance, which only the rms map has.
    axis = np.arange(field.side, dtype=np.float32) - np.float32(field.side // 2)
    r2 = np.square(axis / np.float32(field.radius))
    r2 = r2[:, None] + r2[None, :]
    even = np.square(np.float32(noise_jy) * (1 + np.float32(0.25) * r2 + np.float32(0.6) * r2**3))
    spoked = np.zeros_like(even)
    for x, y, flux in bright:
        window, dx, dy = _window_around(field.side, x, y)
        part = even if flux < SPOKES else spoked
        if part[window].size:
            part[window] += np.square(_level(dx, dy, flux, beam_px))
    return np.sqrt(even), np.sqrt(even + spoked)


def spokes(side: int, bright: Floats, beam_px: float, rng: np.random.Generator) -> Image:
    """Return the artefacts of very bright sources: spokes and ripples, Jy/beam.

    Imperfect calibration causes such patterns near bright sources. `rms_map` adds their variance.

    Parameters
    ----------
    side : int, pixels
    bright : float64 array, shape (sources, 3)
        x and y in pixels from 0, and flux in Jy.
    beam_px : float, pixels
    rng : numpy.random.Generator
    """
    total = np.zeros((side, side), np.float32)
    angle = np.linspace(-math.pi, math.pi, 2048, endpoint=False)
    for x, y, flux in bright[bright[:, 2] >= SPOKES]:
        window, dx, dy = _window_around(side, x, y)
        orders, phases = rng.integers(4, 40, (2, 16, 1)), rng.uniform(0, 2 * math.pi, (2, 16, 1))
        waves = (np.cos(orders * angle + phases).sum(axis=1) / math.sqrt(8)).astype(np.float32)
        index = ((np.arctan2(dy, dx) + np.float32(math.pi)) * np.float32(1024 / math.pi)).astype(
            int
        )
        ripple = np.cos(np.hypot(dx, dy) * np.float32(2.2 / beam_px) + np.float32(phases[0, 0, 0]))
        pattern = np.float32(0.6) * waves[0][index % 2048]
        pattern += np.float32(0.8 * math.sqrt(2)) * ripple * waves[1][index % 2048]
        total[window] += pattern * _level(dx, dy, flux, beam_px)
    return total


def _level(dx: Image, dy: Image, flux_jy: float, beam_px: float) -> Image:
    """Return the rms of the artefacts of a source at offsets from it, Jy/beam."""
    fall = np.exp((dx**2 + dy**2) * np.float32(-0.5 / (9 * beam_px) ** 2))
    return np.asarray(fall * np.float32(_ARTEFACT_LEVEL * flux_jy), np.float32)


def _window_around(side: int, x: float, y: float) -> tuple[tuple[slice, slice], Image, Image]:
    """Return the window of an array near a pixel, and the offsets of its columns and rows."""
    x0, x1 = max(0, int(x) - _ARTEFACT_RADIUS), min(side, int(x) + _ARTEFACT_RADIUS)
    y0, y1 = max(0, int(y) - _ARTEFACT_RADIUS), min(side, int(y) + _ARTEFACT_RADIUS)
    dx = (np.arange(x0, max(x1, x0), dtype=np.float32) - np.float32(x))[None, :]
    dy = (np.arange(y0, max(y1, y0), dtype=np.float32) - np.float32(y))[:, None]
    return (slice(y0, max(y1, y0)), slice(x0, max(x1, x0))), dx, dy
