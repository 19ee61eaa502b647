"""Where the pixels of stamps lie in an image: exact at nodes, and interpolated between them.

The projections of a stamp and of its image differ by much less than a pixel from a linear map, so
that a stamp is divided into 8 x 8 squares, whose corners are transformed exactly. The middles of
the squares are transformed, too: where the interpolation is off by more than 0.01 px there, near a
pole of a cylindrical projection or with strong distortions, the corners of all pixels are taken.

>>> from mingolotss.sky.stamp_grid import TangentGrids
>>> from mingolotss.sky.wcs import SkyWCS, simple_header
>>> wcs = SkyWCS.from_header(simple_header(10.0, 20.0, shape=(240, 240), scale_arcsec=1.5))
>>> grids = TangentGrids(*(np.array([value]) for value in (10.0, 20.0, 3.0, 0.0)), 101)
>>> nodes = map_stamps(grids, np.array([0]), wcs)[0]  # px; the image is 240 px wide
>>> nodes.shape, nodes[0, 0].round(2).tolist(), nodes[-1, -1].round(2).tolist()
((9, 9, 2), [18.5, 18.5], [220.5, 220.5])
"""

from __future__ import annotations

import numpy as np

from mingolotss.model import Ints, Sky
from mingolotss.sky.angles import Floats
from mingolotss.sky.stamp_grid import StampGrids

__all__ = ["MAX_ERROR_PX", "map_jacobian", "map_stamps"]

MAX_ERROR_PX = 0.01
"""The largest error of an interpolated place, in pixels of the image."""
_CELLS = 8


def map_stamps(grids: StampGrids, rows: Ints, image: Sky) -> list[Floats]:
    """Return where stamps lie in one image.

    Parameters
    ----------
    grids : StampGrids
    rows : int64 array, shape (k,)
        The stamps.
    image : Sky

    Returns
    -------
    list of float64 array, shape (cells + 1, cells + 1, 2), px from 0
        The places (x, y) in the image of the corners of equal squares of each stamp, from the
        outer corner of its first pixel to that of its last; NaN where there is no pixel.
    """
    cells = min(_CELLS, grids.side)
    nodes, middles = _nodes(grids, rows, image, cells, with_middles=True)
    corners = nodes[:, :-1, :-1], nodes[:, 1:, :-1], nodes[:, :-1, 1:], nodes[:, 1:, 1:]
    with np.errstate(invalid="ignore"):
        errors = np.hypot(*np.moveaxis(sum(corners) / 4 - middles, -1, 0)).max(axis=(1, 2))
    maps = list(nodes)
    # A stamp at a time: there are few of them, and each has a point for every pixel.
    for index in np.flatnonzero(~(errors <= MAX_ERROR_PX)).tolist():
        maps[index] = _nodes(grids, rows[index : index + 1], image, grids.side)[0][0]
    return maps


def _nodes(
    grids: StampGrids, rows: Ints, image: Sky, cells: int, *, with_middles: bool = False
) -> tuple[Floats, Floats]:
    """Return the places of the corners of the squares of stamps, and of the middles if asked."""
    edges = np.linspace(-0.5, grids.side - 0.5, cells + 1)
    x, y = (axis.ravel() for axis in np.meshgrid(edges, edges))
    if with_middles:
        between = (edges[:-1] + edges[1:]) / 2
        x, y = (
            np.concatenate([axis, middle.ravel()])
            for axis, middle in zip((x, y), np.meshgrid(between, between), strict=True)
        )
    ra, dec = grids.to_sky(rows, x, y)
    places = np.full((*ra.shape, 2), np.nan)
    known = np.isfinite(ra) & np.isfinite(dec)
    places[known] = np.stack(image.to_pixel(ra[known], dec[known]), axis=-1)
    count = (cells + 1) ** 2
    nodes = places[:, :count].reshape(-1, cells + 1, cells + 1, 2)
    middles = places[:, count:].reshape(-1, cells, cells, 2) if with_middles else places[:, count:]
    return nodes, middles


def map_jacobian(nodes: Floats, side: int) -> Floats:
    """Return the linear part of a map in the middle of the stamp.

    Parameters
    ----------
    nodes : float64 array, shape (cells + 1, cells + 1, 2), px
        As `map_stamps` returns them.
    side : int, px
        Of the stamp.

    Returns
    -------
    float64 array, shape (2, 2)
        How far x and y of the image go (rows) with x and y of the stamp (columns), px; NaN where
        the middle of the stamp is not on the image's projection.
    """
    cells = len(nodes) - 1
    first = max(cells // 2 - 1, 0)
    last = first + min(2, cells)
    low, high = nodes[first, first : last + 1], nodes[last, first : last + 1]
    along_x = (low[-1] - low[0] + high[-1] - high[0]) / 2
    along_y = (high[0] - low[0] + high[-1] - low[-1]) / 2
    return np.stack([along_x, along_y], axis=1) * (cells / side / (last - first))
