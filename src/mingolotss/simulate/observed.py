"""Draw one field as an observation sees it: exact positions and fluxes, any beam and pixels.

The mosaics of `mingolotss.simulate.mosaic` have a round beam and the pixels of LoTSS. Here each
pixel is the brightness at its centre, as in the image of an interferometer, at any scale.
"""

from __future__ import annotations

import math

import numpy as np

from mingolotss.simulate.draw import Image
from mingolotss.simulate.layout import Field, Floats
from mingolotss.simulate.mosaic import add_stamp, nearby_galaxies
from mingolotss.simulate.noise import convolved_noise, rms_map
from mingolotss.simulate.observation import Observation
from mingolotss.simulate.place import Galaxy
from mingolotss.simulate.visible import VisibleSky

__all__ = ["draw_observation", "observed_field", "paint_cloud", "paint_point"]

_FINE_SIGMA = 2.5  # fine pixels in the standard deviation of the minor axis, at least
_REACH = 3.5  # FWHM of the major axis from a source to the edge of its drawing


def observed_field(field: Field, observation: Observation) -> Field:
    """Return a field on the pixels of an observation, before `Observation.shift_px`."""
    east, north = observation.centre_offset_arcsec
    dec = field.dec + north / 3600
    ra = (field.ra + east / 3600 / math.cos(math.radians(dec))) % 360
    side = round(field.side * field.pixel_arcsec / observation.pixel_arcsec)
    return Field(field.name, ra, dec, side, observation.pixel_arcsec)


def draw_observation(visible: VisibleSky, field: Field, key: int) -> tuple[Image, Image | None]:
    """Draw one field.

    Parameters
    ----------
    visible : VisibleSky
    field : Field
        Of `observed_field`.
    key : int
        Number of the field, for its noise.

    Returns
    -------
    image : float32 array, shape (side, side)
        Jy/beam, or nanomaggies in the optical band; NaN outside the coverage.
    rms : float32 array of the same shape, or None
        None in the optical band.
    """
    observation = visible.observation
    rng = np.random.default_rng([visible.model.seed, 8, observation.key, key])
    if observation.is_optical:
        rms = None
        image = rng.standard_normal((field.side, field.side), np.float32)
        image *= np.float32(observation.noise_level)
    else:
        nobody = np.empty((0, 3))
        rms, _ = rms_map(field, observation.noise_level * 1e-6, nobody, 1.0)
        image = convolved_noise(field.side, observation.beam_covariance, rng) * rms
    fluxes = {g.index: flux for g, flux in zip(visible.galaxies, visible.flux, strict=True)}
    for galaxy, _x, _y in nearby_galaxies(field, visible.galaxies):
        x, y, weight = _project(field, visible, galaxy)
        stamp, x0, y0 = paint_cloud(x, y, weight * fluxes[galaxy.index], observation)
        add_stamp(image, stamp, x0, y0)
    _add_points(image, visible, field)
    axis = np.arange(field.side) - field.side // 2
    outside = axis[:, None] ** 2 + axis[None, :] ** 2 > field.radius**2
    for pixels in (image, rms):
        if pixels is not None:
            pixels[outside] = np.nan
    columns, rows = observation.shift_px
    return image[rows:, columns:], None if rms is None else rms[rows:, columns:]


def _project(field: Field, visible: VisibleSky, galaxy: Galaxy) -> tuple[Floats, Floats, Floats]:
    """Return the pixels and the weights of the points of a galaxy on a field."""
    # The offsets are those of the tangent plane at the galaxy: a field of 1 arcsec pixels whose
    # pixel 0 is there.
    cloud = visible.cloud(galaxy)
    ra, dec = Field("", galaxy.ra, galaxy.dec, 0, 1.0).to_sky(-cloud.x, cloud.y)
    x, y = field.to_pixels(ra, dec)
    return x, y, cloud.weight


def _add_points(image: Image, visible: VisibleSky, field: Field) -> None:
    """Add the point sources to a field."""
    reach = _REACH * visible.observation.beam_major_arcsec / field.pixel_arcsec + 1
    x, y = field.to_pixels(visible.points_ra, visible.points_dec)
    with np.errstate(invalid="ignore"):
        middle, half = (field.side - 1) / 2, field.side / 2 + reach
        inside = (np.abs(x - middle) < half) & (np.abs(y - middle) < half)
    for k in np.flatnonzero(inside):
        add_stamp(image, *paint_point(x[k], y[k], visible.points_flux[k], visible.observation))


def paint_point(
    x: float, y: float, flux: float, observation: Observation
) -> tuple[Image, int, int]:
    """Draw a point source as an observation sees it, without noise.

    Parameters
    ----------
    x, y : float, pixels
    flux : float
        Jy, or nanomaggies in the optical band.
    observation : Observation

    Returns
    -------
    image : float32 array, shape (n, n)
    x0, y0 : int
        The pixel of the field that its first pixel is.
    """
    column, row = round(x), round(y)
    half = int(_REACH * observation.beam_major_arcsec / observation.pixel_arcsec) + 1
    dx = np.arange(-half, half + 1)[None, :] - (x - column)
    dy = np.arange(-half, half + 1)[:, None] - (y - row)
    (a, b), (_, d) = np.linalg.inv(observation.beam_covariance)
    peak = flux / observation.beam_area_px if observation.is_optical else flux
    spot = peak * np.exp(-0.5 * (a * dx**2 + 2 * b * dx * dy + d * dy**2))
    return spot.astype(np.float32), column - half, row - half


def paint_cloud(
    x: Floats, y: Floats, flux: Floats, observation: Observation
) -> tuple[Image, int, int]:
    """Draw points that together are one source, as an observation sees it, without noise.

    Parameters
    ----------
    x, y : float64 array, shape (points,), pixels
    flux : float64 array, shape (points,)
        Jy, or nanomaggies in the optical band.
    observation : Observation

    Returns
    -------
    image : float32 array, shape (n, n)
    x0, y0 : int
        The pixel of the field that its first pixel is.
    """
    # Strategy: the points are spread over pixels that are `fine` times smaller, convolved with the
    # beam as a product in Fourier space, and every `fine`-th pixel is kept. A point is spread by
    # a cubic B-spline, whose transform sinc^4 is divided out: the error of a peak is below 1e-4.
    widths = np.sqrt(np.linalg.eigvalsh(observation.beam_covariance))
    fine = max(1, math.ceil(_FINE_SIGMA / widths[0]))
    column, row = round(float(x.mean())), round(float(y.mean()))
    margin = _REACH * observation.beam_major_arcsec / observation.pixel_arcsec
    extent = max(np.abs(x - column).max(), np.abs(y - row).max())
    half = int(extent + margin) // 8 * 8 + 8
    side = 2 * half * fine
    grid = _spread((x - column + half) * fine, (y - row + half) * fine, flux, side)
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    (a, b), (_, d) = observation.beam_covariance * fine**2
    beam = np.exp(-2 * math.pi**2 * (a * kx**2 + 2 * b * kx * ky + d * ky**2))
    spread = (np.sinc(kx) * np.sinc(ky)) ** 4
    light = np.fft.irfft2(np.fft.rfft2(grid) * (beam / spread), s=(side, side))[::fine, ::fine]
    light *= fine**2 * (1.0 if observation.is_optical else observation.beam_area_px)
    return light.astype(np.float32), column - half, row - half


def _spread(x: Floats, y: Floats, flux: Floats, side: int) -> Floats:
    """Spread every point over 4 x 4 pixels by a cubic B-spline; return shape (side, side)."""
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    across, up = _spline(x - column), _spline(y - row)
    steps = np.arange(-1, 3)[:, None]
    pixel = ((row + steps) * side)[:, None] + (column + steps)[None, :]
    shares = flux * up[:, None] * across[None, :]
    grid = np.bincount(pixel.ravel(), shares.ravel(), side * side)
    return np.asarray(grid.reshape(side, side), float)


def _spline(t: Floats) -> Floats:
    """Return the cubic B-spline at -1 - t, -t, 1 - t and 2 - t, shape (4, points)."""
    return (
        np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
        / 6
    )
