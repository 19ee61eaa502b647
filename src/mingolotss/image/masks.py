"""Which pixels of an image are emission of a source, and what can be measured in them.

A mask has `BACKGROUND`, `OWN` and `OTHER` pixels. Emission is flooded from the ellipses of the
source as Mingo et al. (2019, MNRAS 488, 2701, section 3) describe it: every island of pixels above
a level that an ellipse of the source touches belongs to the source, and no emission of ellipses
that do not belong to it. Where such islands meet, `share_emission` divides them.

>>> bright = np.zeros((1, 3, 7), bool); bright[0, 1, 1:6] = True
>>> nearer = np.zeros_like(bright); nearer[..., :3] = True  # the left half
>>> own, other = np.zeros_like(bright), np.zeros_like(bright)
>>> own[0, 1, 1] = other[0, 1, 5] = True
>>> share_emission(bright, nearer, own, other)[0, 1].tolist()
[0, 1, 1, 2, 2, 2, 0]
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.model import Bools, FloatImage, Floats, Ints

__all__ = [
    "BACKGROUND",
    "OTHER",
    "OWN",
    "Masks",
    "PixelEllipses",
    "farthest_pixels",
    "flood",
    "inside_polygon",
    "peak_of_mask",
    "share_emission",
]

Masks = npt.NDArray[np.uint8]
BACKGROUND, OWN, OTHER = 0, 1, 2
"""The values of a mask: no emission, this source, another source."""

_HALF_PIXEL = 0.5  # px^2: the square of half the diagonal of a pixel


class PixelEllipses(NamedTuple):
    """Ellipses on the pixels of an image, as columns of shape (k,).

    Attributes
    ----------
    x, y : float64 array, px
        Centres, from 0.
    xx, xy, yy : float64 array, px^-2
        The squared distance of a pixel in units of the ellipse is
        ``xx dx^2 + 2 xy dx dy + yy dy^2``, which is 1 on the ellipse.
    """

    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats

    @classmethod
    def from_axes(cls, centre: Floats, major: Floats, minor: Floats) -> PixelEllipses:
        """Make ellipses from their centres and the ends of their semi-axes.

        Parameters
        ----------
        centre : float64 array, shape (2, k), px
            x and y.
        major, minor : float64 array, shape (2, k), px
            The vectors from the centre along the two semi-axes.
        """
        # The matrix whose unit circle is the ellipse, S = a a^T + b b^T. An ellipse that is smaller
        # than a pixel would contain no pixel: each is widened by half a pixel in quadrature.
        xx, xy, yy = (
            major[i] * major[j] + minor[i] * minor[j] + _HALF_PIXEL * (i == j)
            for i, j in ((0, 0), (0, 1), (1, 1))
        )
        determinant = xx * yy - xy * xy
        return cls(centre[0], centre[1], yy / determinant, -xy / determinant, xx / determinant)

    def take(self, rows: Ints | Bools) -> PixelEllipses:
        """Return some of the ellipses."""
        return PixelEllipses(*(column[rows] for column in self))

    def nearest(self, x: Floats, y: Floats) -> Floats:
        """Return the distance of pixels to the nearest ellipse, relative to its size.

        Parameters
        ----------
        x, y : float64 array, shape (m,), px

        Returns
        -------
        float64 array, shape (m,)
            The square of the distance from the centre in units of the semi-axis in that direction:
            up to 1 inside an ellipse. Infinite without ellipses.
        """
        least = np.full(len(x), np.inf)
        for x0, y0, xx, xy, yy in zip(*self, strict=True):
            dx, dy = x - x0, y - y0
            np.fmin(least, xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy, out=least)
        return least


def flood(allowed: Bools, seeds: Bools) -> Bools:
    """Return the islands of allowed pixels in which a seed lies.

    Pixels that touch at a side or a corner are in one island.

    Parameters
    ----------
    allowed, seeds : bool array, shape (n, ny, nx)
        n images, each for itself. Seeds that are not allowed do not count.
    """
    reached = np.zeros(allowed.shape, bool)
    island, lengths = _islands_of_runs(allowed)
    if not len(island):
        return reached
    has_seed = np.logical_or.reduceat(seeds[allowed], np.cumsum(lengths) - lengths)
    is_reached = np.zeros(len(island), bool)
    is_reached[island[has_seed]] = True
    reached[allowed] = np.repeat(is_reached[island], lengths)
    return reached


def _islands_of_runs(allowed: Bools) -> tuple[Ints, Ints]:
    """Return the island of each run of allowed pixels, and how many pixels the run has.

    Runs are counted row by row, so that the pixels of all runs are ``allowed`` in C order.
    """
    # Strategy: a row of pixels is a list of runs. Runs of adjoining rows that overlap, or touch at
    # a corner, are joined: the number of each run is lowered to that of its neighbours, and then to
    # the number of that number, until nothing changes, which takes a few rounds (Shiloach &
    # Vishkin 1982, J. Algorithms 3, 57). Runs are far fewer than pixels, and those of all images
    # are joined at once.
    _, ny, nx = allowed.shape
    lines = allowed.reshape(-1, nx)
    rows = np.flatnonzero(lines.any(axis=1))  # most rows of a stamp have no emission
    padded = np.zeros((len(rows), nx + 2), np.int8)
    padded[:, 1:-1] = lines[rows]
    edges = np.diff(padded, axis=1)
    row, start = np.nonzero(edges > 0)
    row, stop = rows[row], np.nonzero(edges < 0)[1]
    width = nx + 2
    first = np.searchsorted(row * width + stop, (row + 1) * width + start, "left")
    last = np.searchsorted(row * width + start, (row + 1) * width + stop, "right")
    count = np.where(row % ny == ny - 1, 0, np.maximum(last - first, 0))
    one = np.repeat(np.arange(len(row)), count)
    other = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    other += np.repeat(first, count)
    number = np.arange(len(row))
    while True:
        lowest = np.minimum(number[one], number[other])
        changed = number.copy()
        for runs in (one, other):
            np.minimum.at(changed, number[runs], lowest)
            np.minimum.at(changed, runs, lowest)
        changed = changed[changed]
        if np.array_equal(changed, number):
            return number, stop - start
        number = changed


def share_emission(bright: Bools, nearer: Bools, own: Bools, other: Bools) -> Masks:
    """Divide emission between a source and all others by flooding it from their ellipses.

    Parameters
    ----------
    bright : bool array, shape (n, ny, nx)
        Pixels with emission.
    nearer : bool array, shape (n, ny, nx)
        Pixels whose nearest ellipse is one of the source.
    own, other : bool array, shape (n, ny, nx)
        Pixels in an ellipse of the source, and in one of another source.

    Returns
    -------
    uint8 array, shape (n, ny, nx)
        `OWN`, `OTHER`, and `BACKGROUND` where there is no emission, or only emission that no
        ellipse touches.
    """
    # First each side floods the emission that is nearer to its own ellipses. What is left of the
    # islands then lies beyond the other side's emission, and goes to the side that it touches; to
    # the nearer one if it touches both.
    of_source = flood(bright & nearer, own)
    of_others = flood(bright & ~nearer, other)
    rest = bright & ~of_source & ~of_others
    if rest.any():
        touches_source = flood(of_source | rest, of_source) & rest
        touches_others = flood(of_others | rest, of_others) & rest
        of_source |= touches_source & (~touches_others | nearer)
        of_others |= touches_others & (~touches_source | ~nearer)
    masks = np.zeros(bright.shape, np.uint8)
    masks[of_others] = OTHER
    masks[of_source] = OWN
    return masks


def inside_polygon(x: Floats, y: Floats, corner_x: Floats, corner_y: Floats) -> Bools:
    """Return which points lie in a polygon, by the number of edges on their right (even-odd).

    Parameters
    ----------
    x, y : float64 array, shape (m,), px
    corner_x, corner_y : float64 array, shape (k,), px
        The corners in order; the last one is joined to the first.
    """
    inside = np.zeros(len(x), bool)
    ends_x, ends_y = np.roll(corner_x, -1), np.roll(corner_y, -1)
    for x0, y0, x1, y1 in zip(corner_x, corner_y, ends_x, ends_y, strict=True):
        crosses = (y0 > y) != (y1 > y)
        if y0 != y1:
            inside ^= crosses & (x < x0 + (x1 - x0) * (y - y0) / (y1 - y0))
    return inside


def farthest_pixels(mask: Bools, steps: Floats) -> Floats:
    """Return the vector between the two pixels of a mask that are farthest apart.

    Parameters
    ----------
    mask : bool array, shape (ny, nx)
    steps : float64 array, shape (2, 2), arcsec
        How far east and north (rows) one step along x and y (columns) leads.

    Returns
    -------
    float64 array, shape (2,), arcsec
        East and north from one centre of a pixel to the other; NaN for an empty mask.
    """
    # The two pixels are corners of the convex hull, and these are the first or the last pixel of
    # their row.
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.full(2, np.nan)
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    corners = np.array([*_hull(first, rows, 1), *_hull(last, rows, -1)], float) @ steps.T
    between = corners[:, None] - corners[None, :]
    index = int(np.argmax(np.hypot(between[..., 0], between[..., 1])))
    farthest: Floats = between.reshape(-1, 2)[index]
    return farthest


def _hull(columns: Ints, rows: Ints, side: int) -> list[tuple[int, int]]:
    """Return the corners of one side of a convex hull (Andrew 1979, Inf. Proc. Letters 9, 216).

    Parameters
    ----------
    columns, rows : int64 array, shape (k,)
        The outermost pixel of each row, in the order of the rows.
    side : {1, -1}
        1 for the side of small columns.
    """
    corners: list[tuple[int, int]] = []
    for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if side * ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < 0:
                break
            corners.pop()
        corners.append((x, y))
    return corners


def peak_of_mask(image: FloatImage, mask: Bools) -> tuple[int, int] | None:
    """Return row and column of the brightest part of a mask, None for an empty one.

    Each pixel is averaged with its four neighbours, all of which must be in the mask, with half of
    the weight on the pixel: a single noisy pixel is no peak (Mingo et al. 2019, section 3). In a
    mask without such a pixel it is the brightest pixel.

    Parameters
    ----------
    image : float array, shape (ny, nx)
        Finite in the mask.
    mask : bool array, shape (ny, nx)
    """
    y, x = np.nonzero(mask)
    if not len(y):
        return None
    box = slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1)
    values = np.pad(
        np.where(mask[box], image[box], -np.inf).astype(float), 1, constant_values=-np.inf
    )
    middle = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    mean = (4 * middle + around) / 8
    best = mean if math.isfinite(mean.max()) else middle
    row, column = np.unravel_index(int(np.argmax(best)), best.shape)
    return int(row + box[0].start), int(column + box[1].start)
