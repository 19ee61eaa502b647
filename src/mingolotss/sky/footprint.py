"""The footprint of an image: which positions are on it, and how far away the others are.

This is the only test of a footprint: the services use it for their searches and cutouts, and a
build uses it for every cutout that it gets. A position is on an image if its pixel, by the WCS of
the image, is on the array to the edges of the outer pixels, and if that pixel has the position. The
second condition is needed since a WCS may give two positions the same pixel. The formulae of TAN,
for example, map both hemispheres onto one plane (Calabretta & Greisen 2002, A&A 395, 1077, section
5.1.3), and an image service of another package may have a WCS that does not check that.

>>> from mingolotss.sky.wcs import SkyWCS, simple_header
>>> wcs = SkyWCS.from_header(simple_header(10.0, 20.0, shape=(240, 240), scale_arcsec=1.5))
>>> contains(wcs, (240, 240), [10.0, 10.0, 190.0], [20.0, 21.0, -20.0]).tolist()
[True, False, False]
>>> outside_reason(wcs, (240, 240), 10.0, 21.0)
'the source is 57 arcmin outside the image'
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.model import Bools, Floats, Ints, Sky
from mingolotss.sky.angles import separation_arcsec, unit_vectors

__all__ = [
    "SAME_PIXELS",
    "WHOLE_SKY",
    "SkyCircle",
    "bounding_circle",
    "contains",
    "find_pixels",
    "is_other_position",
    "on_array",
    "outside_reason",
    "projection_error_arcsec",
]

SAME_PIXELS = 0.5
"""A position and that of its pixel are the same if they are less than this apart, in pixels."""
_ROUNDING = 1e-6  # px; two transformations of a position on the edge differ by less
_CSC = re.compile(r"^CTYPE\d *= *'[^']*-CSC", re.MULTILINE)
_CSC_ERROR_ARCSEC = 60.0  # the polynomials are off by up to 24 arcsec, along each axis
_CELLS = 12  # of the grid on an image, on each axis
_ZOOM_STEPS = 10  # of 1/3 each: the nearest point is known to a millionth of the image
_DOT_PRODUCT_RAD = 1e-7  # angles below it vanish in the cosine of an angle in double precision


class SkyCircle(NamedTuple):
    """A circle on the sky, or k of them.

    Attributes
    ----------
    centre : float64 array, shape (3,) or (k, 3)
        Unit vectors.
    cosine : float or float64 array of shape (k,)
        Of the radius; less than -1 if the circle is the whole sky.
    """

    centre: Floats
    cosine: float | Floats

    def contains(self, vectors: Floats) -> Bools:
        """Return which positions are in the circle.

        Parameters
        ----------
        vectors : float64 array, shape (3,) or (n, 3)
            Unit vectors; one, if there are k circles.
        """
        # einsum, since the matrix product would start the threads of BLAS, which then spin
        inside: Bools = np.einsum("...j,...j->...", vectors, self.centre) >= self.cosine
        return inside


WHOLE_SKY = SkyCircle(np.array([0.0, 0.0, 1.0]), -2.0)


def on_array(x: Floats, y: Floats, ny: int | Ints, nx: int | Ints) -> Bools:
    """Return which pixel positions are on arrays, to the outer edges of their pixels.

    Parameters
    ----------
    x, y : float64 array, px from 0
        NaN is not on the array.
    ny, nx : int or int array, px
        Rows and columns of the arrays.
    """
    low, high = -0.5 - _ROUNDING, -0.5 + _ROUNDING
    with np.errstate(invalid="ignore"):
        inside: Bools = (x >= low) & (x <= nx + high) & (y >= low) & (y <= ny + high)
    return inside


def is_other_position(
    ra1: Floats, dec1: Floats, ra2: Floats, dec2: Floats, tolerance_arcsec: float | Floats
) -> Bools:
    """Return which positions (deg) are farther apart than allowed; NaN is no other position."""
    # A pixel on the limb of a projection is off it by rounding about every third time. Its position
    # is then NaN, and does not contradict that of the source.
    with np.errstate(invalid="ignore"):
        apart = separation_arcsec(ra1, dec1, ra2, dec2)
        other: Bools = apart > tolerance_arcsec
    return other


def projection_error_arcsec(wcs: Sky) -> float:
    """Return how far from a position the position of its pixel may be, beyond `SAME_PIXELS`.

    All projections are exact except CSC, whose two directions are approximated by polynomials
    (Calabretta & Greisen 2002, A&A 395, 1077, section 5.6.2).
    """
    return _CSC_ERROR_ARCSEC if _CSC.search(wcs.header) else 0.0


def find_pixels(
    wcs: Sky, shape: tuple[int, int], ra: npt.ArrayLike, dec: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Return the pixels of positions on an image.

    Parameters
    ----------
    wcs : Sky
    shape : (int, int)
        Rows and columns of the image.
    ra, dec : float or float64 array, deg, ICRS

    Returns
    -------
    x, y : float64 array, px from 0
        NaN where the position is not on the image.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    x, y = wcs.to_pixel(ra, dec)
    inside = np.asarray(on_array(x, y, *shape))
    if inside.any():
        ra, dec = np.broadcast_arrays(ra, dec)
        here, back = (ra[inside], dec[inside]), wcs.to_sky(x[inside], y[inside])
        other = is_other_position(*here, *back, SAME_PIXELS * wcs.pixel_scale_arcsec)
        if other.any():
            other &= is_other_position(*here, *back, projection_error_arcsec(wcs))
        inside[inside] = ~other
    return np.where(inside, x, np.nan), np.where(inside, y, np.nan)


def contains(wcs: Sky, shape: tuple[int, int], ra: npt.ArrayLike, dec: npt.ArrayLike) -> Bools:
    """Return which positions are on an image; the arguments are those of `find_pixels`."""
    return np.isfinite(find_pixels(wcs, shape, ra, dec)[0])


def bounding_circle(wcs: Sky, shape: tuple[int, int]) -> SkyCircle:
    """Return a circle on the sky that contains every position on an image.

    Parameters
    ----------
    wcs : Sky
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    SkyCircle
        The whole sky if a part of the image is off the projection, or if the circle would be larger
        than a hemisphere.
    """
    # A grid divides the image into cells, and no point of a cell is farther from one of its corners
    # than half the lengths of two sides, if the sides are measured along the image of the grid line
    # on the sky. A circle around all corners of cells that is wider by the whole lengths of the
    # longest sides therefore contains the image, as long as no grid line between two corners is
    # longer than twice the great circle between them. That holds for every projection except where
    # it ends (the limb of SIN, the poles of MOL) inside a cell, and an image that extends past the
    # end of its projection has corners without a position.
    vectors = unit_vectors(*wcs.to_sky(*_grid(shape, _CELLS)))
    if not np.isfinite(vectors).all():
        return WHOLE_SKY
    total = vectors.sum((0, 1))
    length = float(np.sqrt(total @ total))
    if not length > 0:
        return WHOLE_SKY
    centre = total / length
    radius = float(_angle(vectors, centre).max()) + _DOT_PRODUCT_RAD
    radius += float(_angle(vectors[1:], vectors[:-1]).max())
    radius += float(_angle(vectors[:, 1:], vectors[:, :-1]).max())
    return SkyCircle(centre, math.cos(radius)) if radius < math.pi / 2 else WHOLE_SKY


def outside_reason(
    wcs: Sky,
    shape: tuple[int, int],
    ra: float,
    dec: float,
    *,
    origin: tuple[float, float] = (0, 0),
) -> str:
    """Return in words how far from an image a position is.

    Parameters
    ----------
    wcs : Sky
    shape : (int, int)
        Rows and columns of the image, or of a cutout from it.
    ra, dec : float, deg, ICRS
        A position that is not on the image.
    origin : tuple of float, px
        (x, y) of the first pixel of the cutout in the image.
    """
    arcsec = _distance_arcsec(wcs, shape, ra, dec, origin)
    if not arcsec > 0:
        return "the source's place is not on the image's projection"
    value, unit = next(
        ((arcsec / size, name) for size, name in ((3600, "deg"), (60, "arcmin")) if arcsec >= size),
        (arcsec, "arcsec"),
    )
    return f"the source is {value:.3g} {unit} outside the image"


def _distance_arcsec(
    wcs: Sky, shape: tuple[int, int], ra: float, dec: float, origin: tuple[float, float]
) -> float:
    """Return the angle from a position to the nearest point of an image; NaN if it has no sky."""
    # The nearest point is searched on a grid over the image to its edges, then on finer and finer
    # grids around the best point. Unlike a search along the edges of the array, this also finds the
    # limb of a projection that ends inside the array, to 5 % of the distance.
    x, y = _grid(shape, 2 * _CELLS)
    low, high = (-0.5, -0.5), (shape[1] - 0.5, shape[0] - 0.5)
    half = [(high[axis] - low[axis]) / _CELLS for axis in (0, 1)]
    distance = math.nan
    for _ in range(1 + _ZOOM_STEPS):
        with np.errstate(invalid="ignore"):
            distances = separation_arcsec(ra, dec, *wcs.to_sky(x + origin[0], y + origin[1]))
        if np.isnan(distances).all():
            break
        best = np.unravel_index(np.nanargmin(distances), distances.shape)
        distance = float(distances[best])
        axes = [
            np.linspace(max(at - step, first), min(at + step, last), _CELLS + 1)
            for at, step, first, last in zip((x[best], y[best]), half, low, high, strict=True)
        ]
        x, y = np.meshgrid(*axes)
        half = [step / 3 for step in half]
    return distance


def _grid(shape: tuple[int, int], cells: int) -> tuple[Floats, Floats]:
    """Return x and y, px, of a grid over an image from edge to edge, shape (cells + 1,) twice."""
    x, y = (np.linspace(-0.5, length - 0.5, cells + 1) for length in (shape[1], shape[0]))
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def _angle(first: Floats, second: Floats) -> Floats:
    """Return the angle between unit vectors, rad, accurate for small ones."""
    difference = first - second
    half_chord = np.sqrt(np.einsum("...j,...j->...", difference, difference)) / 2
    angle: Floats = 2 * np.arcsin(np.minimum(half_chord, 1.0))
    return angle
