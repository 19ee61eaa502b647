"""One field as pixels: sky, noise and the rms map."""

import math
from collections.abc import Iterator

import numpy as np

from mingolotss.simulate.draw import Image, draw_cloud, paint
from mingolotss.simulate.layout import Field
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.noise import beam_noise, rms_map, spokes
from mingolotss.simulate.place import Galaxy, Sky

__all__ = ["draw_field", "galaxy_rng"]

_BRIGHT = 0.03  # Jy, from which a source leaves artefacts


def galaxy_rng(model: SkyModel, galaxy: Galaxy) -> np.random.Generator:
    """Return the random numbers that make a galaxy look as it does, in whichever field."""
    return np.random.default_rng([model.seed, 2, galaxy.index])


def draw_field(model: SkyModel, sky: Sky, index: int) -> tuple[Image, Image]:
    """Draw one field.

    Parameters
    ----------
    model : SkyModel
    sky : Sky
    index : int
        Of the field.

    Returns
    -------
    image, rms : float32 array, shape (side, side), Jy/beam
        NaN outside the coverage.
    """
    field, rng = sky.fields[index], np.random.default_rng([model.seed, 3, index])
    near = list(_near(field, sky.galaxies))
    bright = np.array(sorted(((x, y, g.flux_mjy / 1000) for g, x, y in near), key=lambda b: b[2]))
    bright = bright.reshape(-1, 3)
    bright = bright[bright[:, 2] > _BRIGHT]
    even, rms = rms_map(field, model.noise_ujy * 1e-6, bright, model.beam_px)
    image = beam_noise(field.side, model.beam_px, rng) * even
    image += spokes(field.side, bright, model.beam_px, rng)
    for galaxy, x, y in near:
        _add_galaxy(image, model, field, galaxy, x, y)
    _add_background(image, model, field, sky)
    _quieten(image, rms, near)
    axis = np.arange(field.side) - field.side // 2
    outside = axis[:, None] ** 2 + axis[None, :] ** 2 > field.radius**2
    image[outside] = rms[outside] = np.nan
    return image, rms


def _near(field: Field, galaxies: list[Galaxy]) -> Iterator[tuple[Galaxy, float, float]]:
    """Yield the galaxies that touch a field, and where they are on it."""
    x, y = field.to_pixels(np.array([g.ra for g in galaxies]), np.array([g.dec for g in galaxies]))
    for k in np.flatnonzero((np.abs(x - field.side / 2) < field.side) & np.isfinite(y)):
        reach = galaxies[k].size_arcsec / field.pixel_arcsec + 30
        if max(abs(x[k] - field.side / 2), abs(y[k] - field.side / 2)) < field.side / 2 + reach:
            yield galaxies[k], float(x[k]), float(y[k])


def _add_galaxy(
    image: Image, model: SkyModel, field: Field, galaxy: Galaxy, x: float, y: float
) -> None:
    """Add one galaxy, on this field's own grid."""
    rng = galaxy_rng(model, galaxy)
    cloud, _ = draw_cloud(galaxy.kind, galaxy.size_arcsec, galaxy.pa_deg, rng)
    turn = _north(field, galaxy)
    column, row = round(x), round(y)
    stamp = paint(
        cloud, galaxy.flux_mjy, x - column, y - row, turn, model.pixel_arcsec, model.beam_arcsec
    )
    _add(image, stamp, column - stamp.shape[1] // 2, row - stamp.shape[0] // 2)


def _north(field: Field, galaxy: Galaxy) -> float:
    """Return the angle of north at a galaxy from a field's y axis, deg, counter-clockwise."""
    dec = np.array([galaxy.dec, galaxy.dec + 0.01])
    x, y = field.to_pixels(np.full(2, galaxy.ra), dec)
    return math.degrees(math.atan2(-(x[1] - x[0]), y[1] - y[0]))


def _add_background(image: Image, model: SkyModel, field: Field, sky: Sky) -> None:
    """Add the point sources."""
    x, y = field.to_pixels(sky.background.ra, sky.background.dec)
    sigma = model.beam_px / math.sqrt(8 * math.log(2))
    half = int(4 * model.beam_px)
    axis = np.arange(-half, half + 1)
    side = field.side
    with np.errstate(invalid="ignore"):
        inside = (np.abs(x - side / 2) < side / 2 + half) & (np.abs(y - side / 2) < side / 2 + half)
    for k in np.flatnonzero(inside):
        column, row = round(x[k]), round(y[k])
        across = np.exp(-((axis - (x[k] - column)) ** 2) / (2 * sigma**2))
        up = np.exp(-((axis - (y[k] - row)) ** 2) / (2 * sigma**2))
        spot = np.outer(up, across) * sky.background.flux_mjy[k] / 1000
        _add(image, spot.astype(np.float32), column - half, row - half)


def _add(image: Image, stamp: Image, left: int, low: int) -> None:
    """Add a stamp whose first pixel falls on (left, low), as far as it lies on the image."""
    ny, nx = image.shape
    cut_left, cut_low = max(0, -left), max(0, -low)
    part = stamp[cut_low : max(0, ny - low), cut_left : max(0, nx - left)]
    image[low + cut_low :, left + cut_left :][: part.shape[0], : part.shape[1]] += part


def _quieten(image: Image, rms: Image, near: list[tuple[Galaxy, float, float]]) -> None:
    """Hold the noise below 2.9 sigma around a source that is to be blank.

    Of the thousand beams on a stamp one or two exceed 3 sigma by chance; the truth says that
    none does here.
    """
    for galaxy, x, y in near:
        if galaxy.edge_case == "blank":
            low, left = max(0, round(y) - 125), max(0, round(x) - 125)
            box = np.s_[low : max(0, round(y) + 126), left : max(0, round(x) + 126)]
            image[box] = np.minimum(image[box], np.float32(2.9) * rms[box])
