"""The optical band of a simulated sky: the host galaxies of the radio galaxies, and stars.

Fluxes are in nanomaggies (AB magnitude 22.5 at 1; Stoughton et al. 2002, AJ 123, 485).
"""

import math

import numpy as np

from mingolotss.simulate.layout import Floats
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.place import Background, Galaxy, Sky, scatter_points
from mingolotss.simulate.shapes import Cloud

__all__ = ["draw_host", "stars"]

_POINTS = 4000
_STARS_PER_DEG2 = 3000.0
_HALF_LIGHT = 1.678  # radius with half of the light of an exponential disc, in scale lengths


def draw_host(model: SkyModel, galaxy: Galaxy) -> tuple[Cloud, float]:
    """Draw the host of a radio galaxy: an inclined exponential disc at its position.

    Returns
    -------
    cloud : Cloud
        Offsets to the east (x) and north (y) in arcsec; total weight 1.
    flux : float, nanomaggies
        Magnitude 19.5, +-1.
    """
    rng = np.random.default_rng([model.seed, 5, galaxy.index])
    flux = float(10 ** rng.normal(1.2, 0.4))
    half_light = math.exp(rng.normal(math.log(2.0), 0.35))
    # The light of an exponential disc within a radius is a gamma distribution of shape 2.
    radius = rng.gamma(2.0, half_light / _HALF_LIGHT, _POINTS)
    angle, ratio = rng.uniform(0, 2 * math.pi, _POINTS), rng.uniform(0.4, 1)
    along, across = radius * np.cos(angle), ratio * radius * np.sin(angle)
    turn = rng.uniform(0, math.pi)
    east = along * math.sin(turn) - across * math.cos(turn)
    north = along * math.cos(turn) + across * math.sin(turn)
    weight = np.full(_POINTS, 1 / _POINTS)
    cloud = Cloud(east - east.mean(), north - north.mean(), weight, np.zeros(_POINTS))
    return cloud, flux


def stars(model: SkyModel, sky: Sky) -> Background:
    """Return the stars of a sky, with N(>S) as S^-0.7 from 0.3 to 3,000 nanomaggies.

    Their fluxes are in nanomaggies.
    """
    rng = np.random.default_rng([model.seed, 6])

    def draw_flux(count: int) -> Floats:
        return np.asarray(0.3 * (1 - rng.uniform(0, 1 - 1e4**-0.7, count)) ** (-1 / 0.7))

    return scatter_points(model, sky.fields, _STARS_PER_DEG2, rng, draw_flux)
