"""The noise of a field: correlated as the beam, higher at the edge and around bright sources.

Both the noise and the map that describes it are made from one sigma, so that they agree.
"""

import math

import numpy as np

from mingolotss.simulate.draw import Image
from mingolotss.simulate.layout import Field, Floats

__all__ = ["beam_noise", "rms_map", "streaks"]

_REACH = 200  # pixels from a bright source within which its artefacts are drawn
_DYNAMIC = 1.2e-3  # artefacts next to a source over its flux: a dynamic range of about 800


def beam_noise(side: int, beam_px: float, rng: np.random.Generator) -> Image:
    """Return Gaussian noise of unit variance whose autocorrelation is the beam.

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
    sigma = beam_px / math.sqrt(8 * math.log(2))
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    window = np.exp(-((math.pi * sigma) ** 2) * (ky**2 + kx**2)).astype(np.float32)
    window *= 1 - 0.5 * np.exp(-(ky**2 + kx**2) * (12 * sigma) ** 2)  # no short baselines
    twice = np.sum(window.astype(float) ** 2) * 2 - np.sum(window[:, 0].astype(float) ** 2)
    modes = np.empty(window.shape, np.complex64)
    modes.real = rng.standard_normal(window.shape, np.float32)
    modes.imag = rng.standard_normal(window.shape, np.float32)
    modes *= window * np.float32(side * side / math.sqrt(2 * twice))
    return np.fft.irfft2(modes, s=(side, side)).astype(np.float32, copy=False)


def rms_map(field: Field, noise_jy: float, bright: Floats, beam_px: float) -> tuple[Image, Image]:
    """Return thermal noise and artefact level of every pixel, Jy/beam.

    Parameters
    ----------
    field : Field
    noise_jy : float, Jy/beam
        In the middle of the field.
    bright : float64 array, shape (sources, 3)
        x and y in pixels from 0, and flux in Jy.
    beam_px : float, pixels

    Returns
    -------
    thermal, artefacts : float32 array, shape (side, side)
    """
    axis = np.arange(field.side, dtype=np.float32) - np.float32(field.side // 2)
    axis /= np.float32(field.radius)
    r2 = axis[:, None] ** 2 + axis[None, :] ** 2
    thermal: Image = np.float32(noise_jy) * (1 + np.float32(0.25) * r2 + np.float32(0.6) * r2**3)
    artefacts = np.zeros_like(thermal)
    for x, y, flux in bright:
        window, dx, dy = _around(field.side, x, y)
        if artefacts[window].size:
            fall = np.exp(-(dx**2 + dy**2) / np.float32(2 * (10 * beam_px) ** 2))
            artefacts[window] += (np.float32(_DYNAMIC * flux) * fall) ** 2
    return thermal, np.sqrt(artefacts)


def streaks(side: int, bright: Floats, rng: np.random.Generator) -> Image:
    """Return a pattern of unit variance, radial about bright sources, 0 away from all.

    Imperfect calibration leaves such spokes beside strong sources.

    Parameters
    ----------
    side : int, pixels
    bright : float64 array, shape (sources, 3)
        x and y in pixels from 0, and flux in Jy; strongest last.
    rng : numpy.random.Generator
    """
    pattern = np.zeros((side, side), np.float32)
    for x, y, _ in bright:
        window, dx, dy = _around(side, x, y)
        turn = np.linspace(-math.pi, math.pi, 2048, endpoint=False)
        orders, phases = rng.integers(3, 26, (12, 1)), rng.uniform(0, 2 * math.pi, (12, 1))
        waves = np.cos(orders * turn + phases).sum(axis=0) / math.sqrt(6)
        at = ((np.arctan2(dy, dx) + np.float32(math.pi)) * np.float32(1024 / math.pi)).astype(int)
        pattern[window] = waves[at % 2048]
    return pattern


def _around(side: int, x: float, y: float) -> tuple[tuple[slice, slice], Image, Image]:
    """Return the part of an array near a place, and the offsets of its columns and rows."""
    left, right = max(0, int(x) - _REACH), min(side, int(x) + _REACH)
    low, high = max(0, int(y) - _REACH), min(side, int(y) + _REACH)
    dx = (np.arange(left, max(right, left), dtype=np.float32) - np.float32(x))[None, :]
    dy = (np.arange(low, max(high, low), dtype=np.float32) - np.float32(y))[:, None]
    return (slice(low, max(high, low)), slice(left, max(right, left))), dx, dy
