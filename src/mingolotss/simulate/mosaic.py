"""Draw one field: its sources, its noise and its rms map."""

import math
from collections.abc import Iterator

import numpy as np

from mingolotss.simulate.draw import Image, draw_cloud, paint
from mingolotss.simulate.layout import Field
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.noise import beam_noise, rms_map, spokes
from mingolotss.simulate.place import Galaxy, Sky

__all__ = ["add_stamp", "draw_field", "galaxy_rng", "nearby_galaxies", "paint_galaxy"]

_BRIGHT_JY = 0.03  # brighter sources have artefacts


def galaxy_rng(model: SkyModel, galaxy: Galaxy) -> np.random.Generator:
    """Return the random generator of a galaxy, which looks the same in every field."""
    return np.random.default_rng([model.seed, 2, galaxy.index])


def draw_field(model: SkyModel, sky: Sky, index: int) -> tuple[Image, Image]:
    """Draw one field.

    Parameters
    ----------
    model : SkyModel
    sky : Sky
    index : int
        Index of the field.

    Returns
    -------
    image, rms : float32 array, shape (side, side), Jy/beam
        NaN outside the coverage.
    """
    # Every field and every galaxy has a random generator of its own, with the seed, a number for
    # the kind and its index as the key. The result does not depend on the order in which fields are
    # drawn, so that they can be drawn in parallel, and a galaxy in two fields looks the same in
    # both.
    field, rng = sky.fields[index], np.random.default_rng([model.seed, 3, index])
    near = list(nearby_galaxies(field, sky.galaxies))
    bright = np.array(sorted(((x, y, g.flux_mjy / 1000) for g, x, y in near), key=lambda b: b[2]))
    bright = bright.reshape(-1, 3)
    bright = bright[bright[:, 2] > _BRIGHT_JY]
    even, rms = rms_map(field, model.noise_ujy * 1e-6, bright, model.beam_px)
    image = beam_noise(field.side, model.beam_px, rng) * even
    image += spokes(field.side, bright, model.beam_px, rng)
    for galaxy, _x, _y in near:
        add_stamp(image, *paint_galaxy(model, field, galaxy))
    _add_background(image, model, field, sky)
    _limit_noise(image, rms, near)
    axis = np.arange(field.side) - field.side // 2
    outside = axis[:, None] ** 2 + axis[None, :] ** 2 > field.radius**2
    image[outside] = rms[outside] = np.nan
    return image, rms


def nearby_galaxies(field: Field, galaxies: list[Galaxy]) -> Iterator[tuple[Galaxy, float, float]]:
    """Yield the galaxies that touch a field, with their x and y on it."""
    x, y = field.to_pixels(np.array([g.ra for g in galaxies]), np.array([g.dec for g in galaxies]))
    for k in np.flatnonzero((np.abs(x - field.side / 2) < field.side) & np.isfinite(y)):
        reach = galaxies[k].size_arcsec / field.pixel_arcsec + 30
        if max(abs(x[k] - field.side / 2), abs(y[k] - field.side / 2)) < field.side / 2 + reach:
            yield galaxies[k], float(x[k]), float(y[k])


def paint_galaxy(model: SkyModel, field: Field, galaxy: Galaxy) -> tuple[Image, int, int]:
    """Draw one galaxy on the pixels of a field.

    Returns
    -------
    stamp : float32 array, shape (n, n), Jy/beam
    x0, y0 : int, pixels
        Its first pixel in the field.
    """
    rng = galaxy_rng(model, galaxy)
    cloud, _ = draw_cloud(galaxy.kind, galaxy.size_arcsec, galaxy.pa_deg, rng)
    rotation = _north_angle(field, galaxy)
    columns, rows = field.to_pixels(np.array([galaxy.ra]), np.array([galaxy.dec]))
    x, y = float(columns[0]), float(rows[0])
    column, row = round(x), round(y)
    stamp = paint(
        cloud, galaxy.flux_mjy, x - column, y - row, rotation, model.pixel_arcsec, model.beam_arcsec
    )
    return stamp, column - stamp.shape[1] // 2, row - stamp.shape[0] // 2


def _north_angle(field: Field, galaxy: Galaxy) -> float:
    """Return the angle from the y axis of a field to north at a galaxy, deg, counter-clockwise."""
    dec = np.array([galaxy.dec, galaxy.dec + 0.01])
    x, y = field.to_pixels(np.full(2, galaxy.ra), dec)
    return math.degrees(math.atan2(-(x[1] - x[0]), y[1] - y[0]))


def _add_background(image: Image, model: SkyModel, field: Field, sky: Sky) -> None:
    """Add the point sources to a field."""
    x, y = field.to_pixels(sky.background.ra, sky.background.dec)
    sigma = model.beam_px / math.sqrt(8 * math.log(2))
    half = int(4 * model.beam_px)
    axis = np.arange(-half, half + 1)
    side = field.side
    with np.errstate(invalid="ignore"):
        inside = (np.abs(x - side / 2) < side / 2 + half) & (np.abs(y - side / 2) < side / 2 + half)
    for k in np.flatnonzero(inside):
        column, row = round(x[k]), round(y[k])
        # A round Gaussian is the product of its profiles along x and y: two short exponentials and
        # an outer product for each source. The position within the pixel is kept.
        across = np.exp(-((axis - (x[k] - column)) ** 2) / (2 * sigma**2))
        up = np.exp(-((axis - (y[k] - row)) ** 2) / (2 * sigma**2))
        spot = np.outer(up, across) * sky.background.flux_mjy[k] / 1000
        add_stamp(image, spot.astype(np.float32), column - half, row - half)


def add_stamp(image: Image, stamp: Image, x0: int, y0: int) -> None:
    """Add the part of a stamp that is on the image; its first pixel is at column x0 and row y0."""
    ny, nx = image.shape
    skip_x, skip_y = max(0, -x0), max(0, -y0)
    part = stamp[skip_y : max(0, ny - y0), skip_x : max(0, nx - x0)]
    image[y0 + skip_y :, x0 + skip_x :][: part.shape[0], : part.shape[1]] += part


def _limit_noise(image: Image, rms: Image, near: list[tuple[Galaxy, float, float]]) -> None:
    """Limit the noise to 2.9 sigma around sources whose stamps are blank.

    Of the thousand beams on a stamp, one or two exceed 3 sigma by chance; on these stamps none may.
    """
    for galaxy, x, y in near:
        if galaxy.edge_case == "blank":
            y0, x0 = max(0, round(y) - 125), max(0, round(x) - 125)
            box = np.s_[y0 : max(0, round(y) + 126), x0 : max(0, round(x) + 126)]
            image[box] = np.minimum(image[box], np.float32(2.9) * rms[box])
