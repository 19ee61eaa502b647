"""Draw single galaxies: scale a shape, rotate it, add texture, and convolve it with the beam.

>>> image = draw_source("FRII", 80, 200, 45, np.random.default_rng(3))
>>> beam_px = 2 * math.pi * (6 / 1.5 / math.sqrt(8 * math.log(2))) ** 2
>>> round(float(image.sum() / beam_px * 1000))  # mJy
200
"""

import math

import numpy as np
from numpy.typing import NDArray

from mingolotss.simulate.classes import draw_shape
from mingolotss.simulate.layout import Floats
from mingolotss.simulate.shapes import Cloud
from mingolotss.simulate.texture import filaments

__all__ = ["Image", "beam_area", "draw_cloud", "draw_source", "paint"]

Image = NDArray[np.float32]


def draw_source(
    kind: str,
    size_arcsec: float,
    flux_mjy: float,
    pa_deg: float,
    rng: np.random.Generator,
    *,
    pixel_arcsec: float = 1.5,
    beam_arcsec: float = 6.0,
) -> Image:
    """Draw one galaxy as a telescope observes it, without noise.

    Parameters
    ----------
    kind : str
        A class name, as ``FRI WAT``.
    size_arcsec : float, arcsec
        Extent of the galaxy before convolution.
    flux_mjy : float, mJy
        Total flux density.
    pa_deg : float, deg
        Position angle of the long axis, east of north.
    rng : numpy.random.Generator
        The source of what differs between galaxies of one class.
    pixel_arcsec, beam_arcsec : float, arcsec
        Pixel scale, and FWHM of a round beam.

    Returns
    -------
    float32 array, shape (n, n), Jy/beam
        North up, east left; the centre of flux is in pixel ``(n // 2, n // 2)``.

    Raises
    ------
    InputError
        There is no such class.

    Examples
    --------
    >>> import numpy as np
    >>> from mingolotss.simulate import draw_source
    >>> image = draw_source("FRII", 60, 100, 45, np.random.default_rng(1))
    >>> image.dtype, image.shape[0] == image.shape[1]
    (dtype('float32'), True)
    """
    cloud, _ = draw_cloud(kind, size_arcsec, pa_deg, rng)
    return paint(cloud, flux_mjy, 0, 0, 0, pixel_arcsec, beam_arcsec)


def draw_cloud(
    kind: str, size_arcsec: float, pa_deg: float, rng: np.random.Generator
) -> tuple[Cloud, float]:
    """Draw one galaxy on the sky.

    Returns
    -------
    cloud : Cloud
        Offsets to the east (x) and north (y) of the centre of flux in arcsec; total weight 1.
    bend : float, deg
        Angle between the two arms.
    """
    shape = draw_shape(kind, rng)
    x, y = shape.cloud.x, shape.cloud.y
    scale = size_arcsec / _extent(x, y)
    x, y = x * scale, y * scale
    texture = filaments(rng, x, y, min(max(size_arcsec / 4, 12), 40))
    weight = shape.cloud.weight * np.where(shape.cloud.rough > 0, texture, 1)
    weight /= weight.sum()
    pa = math.radians(pa_deg)
    east, north = x * math.sin(pa) - y * math.cos(pa), x * math.cos(pa) + y * math.sin(pa)
    centred = Cloud(east - weight @ east, north - weight @ north, weight, shape.cloud.rough)
    return centred, shape.bend


def paint(
    cloud: Cloud,
    flux_mjy: float,
    dx: float,
    dy: float,
    rotation_deg: float,
    pixel_arcsec: float,
    beam_arcsec: float,
) -> Image:
    """Draw a cloud on pixels and convolve it with the beam.

    Parameters
    ----------
    cloud : Cloud
    flux_mjy : float, mJy
    dx, dy : float, pixels
        Offset of its origin from the centre of pixel ``(n // 2, n // 2)``.
    rotation_deg : float, deg
        Angle from the y axis of the grid to north, counter-clockwise.
    pixel_arcsec, beam_arcsec : float, arcsec

    Returns
    -------
    float32 array, shape (n, n), Jy/beam
    """
    cos, sin = math.cos(math.radians(rotation_deg)), math.sin(math.radians(rotation_deg))
    x = -(cloud.x * cos + cloud.y * sin) / pixel_arcsec + dx
    y = (cloud.y * cos - cloud.x * sin) / pixel_arcsec + dy
    margin = 3 * beam_arcsec / pixel_arcsec
    half = int(max(np.abs(x).max(), np.abs(y).max()) + margin) // 8 * 8 + 8
    grid = _bin(x + half, y + half, cloud.weight, 2 * half)
    area = beam_area(beam_arcsec / pixel_arcsec)
    return _convolve(grid, beam_arcsec / pixel_arcsec) * np.float32(flux_mjy / 1000 * area)


def beam_area(beam_px: float) -> float:
    """Return the area of a Gaussian beam in pixels, from its FWHM in pixels."""
    return math.pi * beam_px**2 / (4 * math.log(2))


def _extent(x: Floats, y: Floats) -> float:
    """Return the largest width, over all directions, that contains 98 % of the points."""
    # Twelve directions, 15 degrees apart, find the largest width to within 1 - cos(7.5 deg), 0.9 %.
    # The percentiles are those of 1,500 to 3,000 of the points.
    angles, step = np.arange(0, math.pi, math.pi / 12), max(1, len(x) // 1500)
    along = np.cos(angles)[:, None] * x[::step] + np.sin(angles)[:, None] * y[::step]
    low, high = np.percentile(along, (1, 99), axis=1)
    return float((high - low).max())


def _bin(x: Floats, y: Floats, weight: Floats, side: int) -> Image:
    """Distribute every point over the four pixels around it."""
    # Strategy: the weight of a point is divided bilinearly, and the points of one neighbour pixel
    # are summed over the image in one call, four calls in all.
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - column, y - row
    grid = np.zeros(side * side)
    for across, share_x in ((0, 1 - fx), (1, fx)):
        for up, share_y in ((0, 1 - fy), (1, fy)):
            pixel = (row + up) * side + column + across
            grid += np.bincount(pixel, weight * share_x * share_y, minlength=side * side)
    return grid.reshape(side, side).astype(np.float32)


def _convolve(image: Image, beam_px: float) -> Image:
    """Convolve with a Gaussian of unit sum; the image is periodic and needs empty margins."""
    # A product in Fourier space, where a Gaussian of unit sum is exp(-2 (pi sigma k)^2), k in
    # cycles per pixel. The margin of `paint` is 3 FWHM, 7 sigma, so that nothing wraps around the
    # edge.
    side, sigma = image.shape[0], beam_px / math.sqrt(8 * math.log(2))
    k2 = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None, :] ** 2
    window = np.exp(-2 * (math.pi * sigma) ** 2 * k2).astype(np.float32)
    result: Image = np.fft.irfft2(np.fft.rfft2(image) * window, s=image.shape).astype(np.float32)
    return result
