"""What an observation sees of a simulated sky: the light of each galaxy, and point sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mingolotss.simulate.draw import draw_cloud
from mingolotss.simulate.layout import Floats
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import galaxy_rng
from mingolotss.simulate.observation import Observation
from mingolotss.simulate.optical import draw_host, stars
from mingolotss.simulate.place import Galaxy, Sky
from mingolotss.simulate.shapes import Cloud

__all__ = ["CATALOGUE_MHZ", "VisibleSky", "visible_sky"]

CATALOGUE_MHZ = 143.65
"""Frequency of the fluxes of the catalogue."""

# Of radio galaxies between 150 MHz and 1.4 GHz (de Gasperin et al. 2018, MNRAS 474, 5008).
_SPECTRAL_INDEX, _SCATTER = -0.78, 0.24


@dataclass(frozen=True)
class VisibleSky:
    """The light of a sky in the band and at the frequency of an observation.

    Fluxes are in Jy; those of the optical band are in nanomaggies.

    Attributes
    ----------
    model : SkyModel
    observation : Observation
    galaxies : list of Galaxy
    flux : float64 array, shape (galaxies,)
    spectral_index : float64 array, shape (galaxies,)
        Of the radio flux, which is in proportion to frequency ** spectral_index.
    points_ra, points_dec : float64 array, shape (points,), deg
    points_flux : float64 array, shape (points,)
    """

    model: SkyModel
    observation: Observation
    galaxies: list[Galaxy]
    flux: Floats
    spectral_index: Floats
    points_ra: Floats
    points_dec: Floats
    points_flux: Floats

    @property
    def unit(self) -> str:
        """Unit of the fluxes."""
        return "nanomaggy" if self.observation.is_optical else "Jy"

    def cloud(self, galaxy: Galaxy) -> Cloud:
        """Return the light of a galaxy: offsets to east and north in arcsec, total weight 1."""
        if self.observation.is_optical:
            return draw_host(self.model, galaxy)[0]
        rng = galaxy_rng(self.model, galaxy)
        return draw_cloud(galaxy.kind, galaxy.size_arcsec, galaxy.pa_deg, rng)[0]


def visible_sky(model: SkyModel, sky: Sky, observation: Observation) -> VisibleSky:
    """Return what an observation sees of a sky."""
    # A source has one spectral index in all observations: they are drawn from generators of their
    # own, in the order of the galaxies' indices and of the point sources.
    count = len(sky.galaxies)
    of_galaxies = np.random.default_rng([model.seed, 4]).normal(_SPECTRAL_INDEX, _SCATTER, count)
    index = of_galaxies[[g.index for g in sky.galaxies]]
    if observation.is_optical:
        flux = np.array([draw_host(model, galaxy)[1] for galaxy in sky.galaxies])
        points = stars(model, sky)
        points_flux = points.flux_mjy
    else:
        points, ratio = sky.background, observation.frequency_mhz / CATALOGUE_MHZ
        of_points = np.random.default_rng([model.seed, 7]).normal(
            _SPECTRAL_INDEX, _SCATTER, len(points.ra)
        )
        flux = np.array([g.flux_mjy for g in sky.galaxies]) / 1000 * ratio**index
        points_flux = points.flux_mjy / 1000 * ratio**of_points
    return VisibleSky(
        model, observation, sky.galaxies, flux, index, points.ra, points.dec, points_flux
    )
