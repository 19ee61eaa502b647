"""The components of a simulated sky: the ellipses that a source finder fits to its sources.

A real finder, such as PyBDSF, fits Gaussians to the islands of an image. Here they follow from what
was drawn: the light of a galaxy is divided until no part is much longer than the beam, and each
part gives the Gaussian with its moments, convolved with the beam. Nothing about masks is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from mingolotss.model import Floats
from mingolotss.simulate.draw import draw_cloud
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import galaxy_rng
from mingolotss.simulate.place import Sky
from mingolotss.simulate.shapes import Cloud
from mingolotss.simulate.tables import source_name
from mingolotss.simulate.visible import VisibleSky
from mingolotss.sky.angles import tangent_positions
from mingolotss.sky.beams import FWHM, beam_covariance, beam_of_covariance

__all__ = ["CloudPart", "cloud_parts", "write_components"]

_LONGEST = 3.0  # beams; longer parts are divided
_MOST_DIVISIONS = 3
_DETECTION = 5.0  # peak of a point source in units of the noise, to be in the catalogue


class CloudPart(NamedTuple):
    """One Gaussian of a galaxy.

    Attributes
    ----------
    east, north : float, arcsec
        Offset from the centre of the galaxy.
    major, minor : float, arcsec
        FWHM after the convolution.
    pa : float, deg
    share : float
        Of the flux.
    """

    east: float
    north: float
    major: float
    minor: float
    pa: float
    share: float


def cloud_parts(cloud: Cloud, beam: Floats) -> Iterator[CloudPart]:
    """Yield the Gaussians of a cloud.

    Parameters
    ----------
    cloud : Cloud
        Offsets to the east and north in arcsec, total weight 1.
    beam : float64 array, shape (2, 2), arcsec^2
        Covariance of the beam for the axes east and north.
    """
    points = np.stack([cloud.x, cloud.y])
    yield from _parts(points, cloud.weight, beam, 0)


def _parts(points: Floats, weight: Floats, beam: Floats, divisions: int) -> Iterator[CloudPart]:
    total = float(weight.sum())
    if total <= 0:
        return
    centre = points @ weight / total
    offsets = points - centre[:, None]
    covariance = (offsets * weight) @ offsets.T / total
    sizes, axes = np.linalg.eigh(covariance)
    length = FWHM * np.sqrt(max(sizes[-1], 0.0))
    if divisions < _MOST_DIVISIONS and length > _LONGEST * FWHM * np.sqrt(beam[0, 0]):
        is_first = axes[:, -1] @ offsets < 0
        for side in (is_first, ~is_first):
            yield from _parts(points[:, side], weight[side], beam, divisions + 1)
        return
    major, minor, pa = beam_of_covariance(covariance + beam)
    yield CloudPart(float(centre[0]), float(centre[1]), major, minor, pa, total)


def write_components(
    path: Path, model: SkyModel, sky: Sky, visible: VisibleSky | None = None
) -> None:
    """Write the components of a sky, with the names and units of those of LoTSS.

    Parameters
    ----------
    path : Path
    model : SkyModel
    sky : Sky
    visible : VisibleSky, optional
        What an observation in the radio band sees.
    """
    beam, noise_jy = (
        beam_covariance(model.beam_arcsec, model.beam_arcsec, 0.0),
        model.noise_ujy / 1e6,
    )
    if visible is not None:
        observation = visible.observation
        axes = observation.beam_major_arcsec, observation.minor_arcsec, observation.beam_pa_deg
        beam, noise_jy = beam_covariance(*axes), observation.noise_level / 1e6
    area = FWHM**2 * float(np.sqrt(np.linalg.det(beam)))
    rows: list[tuple[float, float, float, float, float, float, str]] = []
    for index, galaxy in enumerate(sky.galaxies):
        flux = galaxy.flux_mjy / 1000 if visible is None else float(visible.flux[index])
        name, rng = source_name(galaxy.ra, galaxy.dec), galaxy_rng(model, galaxy)
        cloud, _ = draw_cloud(galaxy.kind, galaxy.size_arcsec, galaxy.pa_deg, rng)
        for part in cloud_parts(cloud, beam):
            ra, dec = tangent_positions(galaxy.ra, galaxy.dec, part.east, part.north)
            rows.append(
                (float(ra), float(dec), flux * part.share, part.major, part.minor, part.pa, name)
            )
    points = sky.background
    columns = (points.ra, points.dec, points.flux_mjy / 1000)
    if visible is not None:
        columns = (visible.points_ra, visible.points_dec, visible.points_flux)
    major, minor, pa = beam_of_covariance(beam)
    for ra, dec, flux in zip(*columns, strict=True):
        if flux > _DETECTION * noise_jy:
            rows.append((float(ra), float(dec), float(flux), major, minor, pa, ""))
    _write(path, rows, area)


def _write(
    path: Path, rows: list[tuple[float, float, float, float, float, float, str]], area: float
) -> None:
    """Write the table. A component of no galaxy of the catalogue is its own source."""
    names = [source_name(row[0], row[1]) for row in rows]
    ra, dec, flux, major, minor, pa = np.array([row[:6] for row in rows], float).reshape(-1, 6).T
    parents = [row[6] or name for row, name in zip(rows, names, strict=True)]
    columns = [
        fits.Column("Component_Name", "22A", array=np.array(names, "S22")),
        fits.Column("RA", "D", "deg", array=ra),
        fits.Column("DEC", "D", "deg", array=dec),
        fits.Column("Total_flux", "D", "mJy", array=flux * 1000),
        fits.Column("Peak_flux", "D", "mJy/beam", array=flux * 1000 * area / (major * minor)),
        fits.Column("Maj", "D", "arcsec", array=major),
        fits.Column("Min", "D", "arcsec", array=minor),
        fits.Column("PA", "D", "deg", array=pa),
        fits.Column("Parent_Source", "22A", array=np.array(parents, "S22")),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="Components")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
