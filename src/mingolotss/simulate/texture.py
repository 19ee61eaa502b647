"""Small-scale structure of radio plasma: clumps and filaments.

Turbulence is a Gaussian random field with a power-law spectrum. Filaments are where a second such
field crosses zero, as in the resolved tails and lobes of LOFAR and MeerKAT images (e.g. Ramatsoku
et al. 2020, A&A 636, L1).
"""

import numpy as np

from mingolotss.simulate.layout import Floats

__all__ = ["clumps", "filaments"]

_SIDE = 96
_WAVE = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None, :]) * _SIDE
_AMPLITUDE = np.where(_WAVE >= 3, np.maximum(_WAVE, 1) ** -1.6, 0)


def clumps(rng: np.random.Generator, count: int, step: float = 0.22) -> Floats:
    """Return the brightness of the knots along a jet: a positive random walk with mean 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Length of the result.
    step : float
        How strong the knots are; 0 is smooth.
    """
    knots = rng.normal(0, 1, 20)
    fine = np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    rough = np.exp(2.2 * step * fine)
    return np.asarray(rough / rough.mean())


def filaments(rng: np.random.Generator, x: Floats, y: Floats, scale: float) -> Floats:
    """Return the brightness of the plasma at each point, 1 on average.

    Parameters
    ----------
    rng : numpy.random.Generator
    x, y : float64 array, shape (points,), arcsec
    scale : float, arcsec
        Size of the largest clumps; the pattern repeats after four times this.
    """
    cloud, sheet = _turbulence(rng), _turbulence(rng)
    bright = np.exp(0.45 * cloud) * (0.55 + 1.2 * np.exp(-((sheet / 0.38) ** 2)))
    pixel = 4 * scale / _SIDE
    column, row = (np.floor(a / pixel).astype(int) % _SIDE for a in (x, y))
    values = bright[row, column]
    return np.asarray(values / values.mean())


def _turbulence(rng: np.random.Generator) -> Floats:
    """Return a periodic Gaussian random field of unit variance, power as k^-3.2."""
    modes = rng.standard_normal((2, *_AMPLITUDE.shape))
    field = np.fft.irfft2(_AMPLITUDE * (modes[0] + 1j * modes[1]), s=(_SIDE, _SIDE))
    return np.asarray(field / field.std())
