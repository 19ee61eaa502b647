"""Resample an image to the pixels of a stamp.

Both methods give weighted means of the image's pixels. They keep the brightness (Jy/beam), and so
the integral over the sky, whatever the size of the pixels is.

``adaptive``
    The weights are a Gaussian that is round in the stamp's pixels, with a standard deviation of
    0.65 of them, and in the image no narrower than for pixels of the image (DeForest 2004, Solar
    Physics 219, 3). That is `reproject.reproject_adaptive` with its default kernel.
``exact``
    The weights are the areas in which the pixels overlap, in the plane of the image. That is
    `reproject.reproject_exact` but for the curvature of the sky in one pixel.

A pixel of which less than half of the weight falls on known pixels is NaN. The compiled kernel
computes the same with the same definitions, to the rounding of float32, and about 30 times faster.

>>> image = np.arange(64.0).reshape(8, 8)
>>> corners = np.array([[[1.5, 1.5], [5.5, 1.5]], [[1.5, 5.5], [5.5, 5.5]]])  # 2 x 2 pixels of 2
>>> resample([image], corners, 2, "exact")[0].tolist()
[[22.5, 24.5], [38.5, 40.5]]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from mingolotss.image.compiled_resampling import LARGEST_PIXEL, Method, resample_by_kernel
from mingolotss.image.kernel_library import available
from mingolotss.model import Bools, FloatImage, Floats, Ints

__all__ = [
    "LEAST_KNOWN",
    "METHODS",
    "Resampling",
    "kernel_covariance",
    "noise_ratio",
    "resample",
    "resample_by_numpy",
    "sampled_box",
]

Resampling = Literal["adaptive", "exact"]
LEAST_KNOWN = 0.5
"""The share of a pixel that must be known."""
_PAIRS = 24  # steps on each side of the integral of `noise_ratio`
_SIGMA = 0.65  # reproject's kernel_width of 1.3 is the full width at 1/e^2 of 2 sigma
_REACH = 2.0  # half its sample_region_width
METHODS = {
    "adaptive": Method(False, _SIGMA, _REACH, LEAST_KNOWN),
    "exact": Method(True, _SIGMA, _REACH, LEAST_KNOWN),
}
"""The numbers of the methods, by name."""


def resample(
    planes: Sequence[FloatImage], nodes: Floats, side: int, method: Resampling
) -> list[FloatImage]:
    """Resample images of one shape, an image and its rms map, to a stamp.

    Parameters
    ----------
    planes : sequence of float array, shape (ny, nx)
        At most four. Pixels that are not finite are not known.
    nodes : float64 array, shape (cells + 1, cells + 1, 2), px
        The places (x, y) in the image, pixel centres from 0, of the corners of `cells` x `cells`
        equal squares that the stamp is divided into: its outer corners are the first and the last.
        Places between them are interpolated (`mingolotss.sky.pixel_map`).
    side : int, px
        Of the stamp; at least `cells`.
    method : {"adaptive", "exact"}

    Returns
    -------
    list of float array, shape (side, side)
        Of the types of the planes, in native byte order; NaN where too little is known.
    """
    known = [_known(plane) for plane in planes]
    run = resample_by_kernel if available() else resample_by_numpy
    results = run(planes, known, nodes, side, METHODS[method])
    return [
        result.astype(plane.dtype.newbyteorder("="), copy=False)
        for result, plane in zip(results, planes, strict=True)
    ]


def _known(plane: FloatImage) -> Bools | None:
    known = np.isfinite(plane)
    return None if known.all() else known


def sampled_box(nodes: Floats, side: int) -> tuple[float, float, float, float] | None:
    """Return the part of the image that a stamp can sample, None if it has no place there.

    Parameters
    ----------
    nodes, side
        As for `resample`.

    Returns
    -------
    left, right, low, high : float, px
    """
    known = np.isfinite(nodes).all(axis=-1)
    if not known.any():
        return None
    cells = len(nodes) - 1
    with np.errstate(invalid="ignore"):
        steps = [np.abs(np.diff(nodes, axis=axis)).max(axis=-1) for axis in (0, 1)]
    pixel = max(float(np.nanmax(step, initial=0.0)) for step in steps) * cells / side
    margin = _REACH * max(1.0, math.sqrt(2) * min(pixel, LARGEST_PIXEL)) + 1
    low, high = nodes[known].min(axis=0) - margin, nodes[known].max(axis=0) + margin
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def kernel_covariance(jacobian: Floats, method: Resampling) -> Floats:
    """Return the covariance of the weights of one pixel, which broaden the beam of the image.

    Parameters
    ----------
    jacobian : float64 array, shape (2, 2)
        How far x and y of the image go (rows) with x and y of the stamp (columns), px.
    method : {"adaptive", "exact"}

    Returns
    -------
    float64 array, shape (2, 2), px^2 of the image
    """
    # A square has the variance 1 / 12 on both axes. That of the stamp's pixel comes with that of
    # the image's, which counts as a square of one brightness; where the pixels of the image are
    # inside or across the edges, the sum is 1 / 12 px^2 smaller or larger.
    if method == "exact":
        return np.asarray((jacobian @ jacobian.T + np.eye(2)) / 12)
    values, vectors = np.linalg.eigh(jacobian @ jacobian.T)
    return np.asarray(vectors * np.maximum(values, 1.0) @ vectors.T * _SIGMA**2)


def noise_ratio(jacobian: Floats, covariance: Floats, method: Resampling) -> float:
    """Return the noise of a pixel of the stamp relative to that of a pixel of the image.

    Parameters
    ----------
    jacobian, method
        As for `kernel_covariance`.
    covariance : float64 array, shape (2, 2), px^2
        Of the Gaussian that is the autocorrelation of the noise, for the axes of the image.

    Notes
    -----
    The variance of a weighted mean is the mean of the correlation over all pairs of pixels, by
    their weights. For ``adaptive`` the distances of the pairs are normally distributed, with twice
    the covariance of the weights. For ``exact`` they are those of two points in one square, so
    that a pair (u, v) apart, in pixels of the stamp, has the weight (1 - |u|) (1 - |v|).
    """
    if method == "adaptive":
        broad = covariance + 2 * kernel_covariance(jacobian, method)
        return float((np.linalg.det(covariance) / np.linalg.det(broad)) ** 0.25)
    steps = (np.arange(-_PAIRS, _PAIRS) + 0.5) / _PAIRS
    u, v = np.meshgrid(steps, steps)
    apart = np.stack([u, v], axis=-1) @ jacobian.T
    distance = np.einsum("...i,ij,...j", apart, np.linalg.inv(covariance), apart)
    weights = (1 - np.abs(u)) * (1 - np.abs(v)) / _PAIRS**2
    return math.sqrt(float((weights * np.exp(-distance / 2)).sum()))


def resample_by_numpy(
    planes: Sequence[FloatImage],
    known: Sequence[Bools | None],
    nodes: Floats,
    side: int,
    method: Method,
) -> list[Floats]:
    """Do the same as `mingolotss.image.compiled_resampling.resample_by_kernel`, with numpy."""
    # Strategy: the loop is over the pixels of the image that a pixel of the stamp samples, counted
    # from the first of them; the arrays are of all pixels of the stamp.
    ny, nx = planes[0].shape
    samples = _overlaps if method.is_exact else _gaussian
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        used, steps = samples(nodes, side, method, (ny, nx))
    values = [
        np.where(True if mask is None else mask, plane, 0.0)
        for plane, mask in zip(planes, known, strict=True)
    ]
    sums, shares = np.zeros((2, len(planes), int(np.count_nonzero(used))))
    total = np.zeros(sums.shape[1])
    for x, y, weight in steps:
        total += weight
        inside = (x >= 0) & (y >= 0) & (x < nx) & (y < ny)
        x, y, weight = x[inside], y[inside], weight[inside]  # noqa: PLW2901
        for plane, mask in enumerate(known):
            sums[plane, inside] += weight * values[plane][y, x]
            shares[plane, inside] += weight if mask is None else weight * mask[y, x]
    enough = (total > 0) & (shares >= method.least_known * total * (1 - 1e-9))
    means = np.full(sums.shape, np.nan)
    np.divide(sums, shares, out=means, where=enough)
    results = np.full((len(planes), side, side), np.nan)
    results[:, used] = means
    return list(results)


_Samples = Iterator[tuple[Ints, Ints, Floats]]


def _gaussian(
    nodes: Floats, side: int, method: Method, shape: tuple[int, int]
) -> tuple[Bools, _Samples]:
    """Return which pixels of a stamp sample an image of a shape, and their samples, step by step.

    A step has the columns, the rows and the weights of one sample of each of these pixels.
    """
    centres = np.arange(0.5, side)
    x, y, x_dx, x_dy, y_dx, y_dy = _places(nodes, side, centres, centres)
    # The matrix J J^T of the map's linear part, with eigenvalues of at least 1, and its inverse.
    sxx, sxy, syy = x_dx**2 + x_dy**2, x_dx * y_dx + x_dy * y_dy, y_dx**2 + y_dy**2
    middle, half = (sxx + syy) / 2, (sxx - syy) / 2
    radius = np.sqrt(half**2 + sxy**2)
    major, minor = np.fmax(middle + radius, 1.0), np.fmax(middle - radius, 1.0)
    size, share = np.sqrt(major), 1 / (2 * method.sigma**2)
    mean, difference = (1 / major + 1 / minor) / 2, (1 / major - 1 / minor) / 2
    cosine, sine = (np.where(radius > 0, part / radius, 0.0) for part in (half, sxy))
    a, b = share * (mean + difference * cosine), share * difference * sine
    c = share * (mean - difference * cosine)
    reach = method.reach * size
    edges = [x - reach, x + reach, y - reach, y + reach]
    used = np.isfinite(sxx + sxy + syy) & (size <= LARGEST_PIXEL)
    used &= (np.floor(edges[1]) >= 0) & (np.ceil(edges[0]) < shape[1])
    used &= (np.floor(edges[3]) >= 0) & (np.ceil(edges[2]) < shape[0])
    a, b, c, x, y = (values[used] for values in (a, b, c, x, y))
    left, right, low, high = (values[used] for values in edges)
    first_x, first_y = np.ceil(left).astype(np.int64), np.ceil(low).astype(np.int64)
    columns = np.floor(right).astype(np.int64) - first_x + 1
    rows = np.floor(high).astype(np.int64) - first_y + 1

    def steps() -> _Samples:
        for dy in range(int(rows.max(initial=0))):
            for dx in range(int(columns.max(initial=0))):
                u, v = first_x + dx - x, first_y + dy - y
                weight = np.exp(-(a * u**2 + 2 * b * u * v + c * v**2))
                yield first_x + dx, first_y + dy, np.where((dx < columns) & (dy < rows), weight, 0)

    return used, steps()


def _overlaps(
    nodes: Floats,
    side: int,
    method: Method,  # noqa: ARG001
    shape: tuple[int, int],
) -> tuple[Bools, _Samples]:
    """Return the same as `_gaussian` for weights that are the areas of overlaps."""
    edges = np.arange(side + 1.0)
    x, y, *_ = _places(nodes, side, edges, edges)
    # The corners of each pixel, in order around it, counted from the corner of the image.
    corners = np.stack([
        np.stack([axis[:-1, :-1], axis[:-1, 1:], axis[1:, 1:], axis[1:, :-1]])
        for axis in (x + 0.5, y + 0.5)
    ])  # fmt: skip
    lowest, highest = corners.min(axis=1), corners.max(axis=1)
    next_x, next_y = np.roll(corners, -1, axis=1)
    area = (corners[0] * next_y - next_x * corners[1]).sum(axis=0) / 2
    used = np.isfinite(area) & (area != 0) & (highest - lowest <= LARGEST_PIXEL).all(axis=0)
    used &= (highest[0] >= 0) & (lowest[0] < shape[1])
    used &= (highest[1] >= 0) & (lowest[1] < shape[0])
    (first_x, first_y), (last_x, last_y) = (
        np.floor(values[:, used]).astype(np.int64) for values in (lowest, highest)
    )
    xs, ys, sign = corners[0][:, used], corners[1][:, used], np.sign(area[used])

    def steps() -> _Samples:
        for dy in range(int((last_y - first_y).max(initial=-1)) + 1):
            parts = [_clip(xs, ys, edge, first_y + dy) for edge in range(4)]
            right = _area_right(parts, first_x)
            for dx in range(int((last_x - first_x).max(initial=-1)) + 1):
                further = _area_right(parts, first_x + dx + 1)
                yield first_x + dx, first_y + dy, sign * (right - further)
                right = further

    return used, steps()


def _clip(xs: Floats, ys: Floats, edge: int, row: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the part of an edge of each pixel in one row: x at both ends, and how far y grows."""
    x1, x2 = xs[edge], xs[(edge + 1) % 4]
    y1, y2 = ys[edge] - row, ys[(edge + 1) % 4] - row
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (x2 - x1) / (y2 - y1)
        ends = [
            (np.where(np.clip(y, 0, 1) == y, x, x1 + slope * (np.clip(y, 0, 1) - y1)))
            for x, y in ((x1, y1), (x2, y2))
        ]
    rise = np.clip(y2, 0, 1) - np.clip(y1, 0, 1)
    return ends[0], ends[1], rise


def _area_right(parts: list[tuple[Floats, Floats, Floats]], column: Ints) -> Floats:
    """Return the area to the right of a column, integrated along the parts of the edges."""
    area = np.zeros(len(column))
    for start, end, rise in parts:
        x1, x2 = start - column, end - column
        right = np.maximum(x1, x2)
        with np.errstate(invalid="ignore", divide="ignore"):
            mixed = rise * right * right / (2 * np.abs(x2 - x1))
            both = np.where((x1 >= 0) & (x2 >= 0), rise * (x1 + x2) / 2, mixed)
        part = np.where((x1 <= 0) & (x2 <= 0), 0.0, both)
        area += np.where(rise == 0, 0.0, part)
    return area


def _places(nodes: Floats, side: int, x: Floats, y: Floats) -> tuple[Floats, ...]:
    """Return x and y in the image, and their derivatives, of a grid of points of the stamp.

    Parameters
    ----------
    nodes, side
        As for `resample`.
    x, y : float64 array, shape (n,), px
        Columns and rows of the points, from the corner of the stamp.

    Returns
    -------
    x, y, x_dx, x_dy, y_dx, y_dy : float64 array, shape (n, n)
    """
    cells = len(nodes) - 1
    scale = cells / side
    column, row = ((values * scale).astype(np.int64).clip(max=cells - 1) for values in (x, y))
    f, g = (x * scale - column)[None, :], (y * scale - row)[:, None]
    place = []
    for axis in (0, 1):
        corner = nodes[..., axis]
        a, b = corner[row[:, None], column], corner[row[:, None], column + 1]
        c, d = corner[row[:, None] + 1, column], corner[row[:, None] + 1, column + 1]
        bottom, top = a + f * (b - a), c + f * (d - c)
        along_x = ((b - a) + g * ((d - c) - (b - a))) * scale
        place.append((bottom + g * (top - bottom), along_x, (top - bottom) * scale))
    (x_place, x_dx, x_dy), (y_place, y_dx, y_dy) = place
    return x_place, y_place, x_dx, x_dy, y_dx, y_dy
