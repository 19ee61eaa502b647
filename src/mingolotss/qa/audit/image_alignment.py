"""Lay one image over another at full resolution, and measure how much they differ.

Two measures are used, since each is blind where the other sees:

- the **distance** compares shapes on a logarithmic scale of brightness, so that faint lobes count
  as much as a bright core; 0 for equal shapes, 1.41 for images without a common pixel;
- the **residual** is the root mean square of the difference in units of the noise of both images,
  after a fit of the flux scale and of a small blur; about 0.7 for two images of the same sky.

A turned copy is resampled, which blurs it by a part of the beam that depends on the method. To
first order, a blur adds a multiple of the Laplacian, which is fitted together with the flux scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.image_features import (
    CLIP,
    Harmonics,
    ImageFeatures,
    inscribed_disc,
    turn_between,
)

__all__ = ["AlignedImage", "Alignment", "align", "first_turns"]

LARGEST_DISTANCE = 0.75
"""Of shapes that are compared any further."""

_SMOOTHING = 0.7  # pixels; less than the beam, and enough that pixels can be interpolated
_SUPPORT = 2.0  # noise; pixels above it are compared, in either image
_SHAPE_ERROR = 0.03  # of the Laplacian: what remains of the interpolation after the fit of the blur
_FLUX_ERROR = 0.005  # of the brightness: rounding, and calibration within an image
_BLUR = 0.3  # pixels squared, the largest blur that a copy may have, to either side
_STARTS = 3  # orientations from which an alignment begins
_APART = 0.3  # radians between two of them
_LEAST_COSINE = 0.6  # of the best start; shapes that fit worse are not alike in any orientation
_HOPELESS = 0.15  # cosine below that of the best start; such starts are not refined
_STEPS, _SMALL_GAIN = 10, 1e-3
_FIT_STEPS = 3


class Alignment(NamedTuple):
    """How the first image of a pair is laid over the second.

    Attributes
    ----------
    mirrored : bool
        Whether the first image is mirrored left to right, before it is turned.
    angle : float, radians
        Counterclockwise, if row 0 is at the bottom.
    shift : (float, float), pixels
        Where the middle of the first image lies in the second, from its middle, (y, x).
    distance : float
        Of the shapes, from 0 to sqrt(2).
    residual : float
        Root mean square of the difference, in units of the noise.
    signal : float
        Root mean square of the brightness in the same units.
    flux_ratio : float
        Brightness of the first image in units of the second.
    """

    mirrored: bool
    angle: float
    shift: tuple[float, float]
    distance: float
    residual: float
    signal: float
    flux_ratio: float


class AlignedImage:
    """The pixels of one image, ready to be compared at full resolution.

    Parameters
    ----------
    smooth : float64 array, shape (side, side)
        The clipped image, slightly smoothed.
    noise : float
    centre : float64 array, shape (2,)
    """

    def __init__(self, smooth: Floats, noise: float, centre: Floats) -> None:
        self.smooth, self.noise, self.centre = smooth, noise, centre
        self.peak = float(smooth.max())
        self.places: Ints = np.argwhere(smooth > _SUPPORT * noise)

    @classmethod
    def of(cls, clipped: NDArray[np.float32], features: ImageFeatures, index: int) -> AlignedImage:
        """Prepare a clipped image, the one at `index` of `features`."""
        ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
        smooth = ndimage.gaussian_filter(clipped.astype(np.float64), _SMOOTHING)
        return cls(smooth, float(features.noise[index]), features.centre[index].astype(np.float64))

    def as_gaussian(self) -> AlignedImage:
        """Return the elliptical Gaussian with the centre, the extent and the noise of this image.

        Every barely resolved source looks like it, whichever images a dataset has.
        """
        y, x = self.places.T - self.centre[:, None]
        weight = self.values(self.smooth) ** 2  # its extent is that of the Gaussian over sqrt(2)
        moments = np.array([[y * y, y * x], [y * x, x * x]]) @ weight / weight.sum() * 2
        grid = np.indices(self.smooth.shape) - self.centre[:, None, None]
        precision = np.linalg.inv(moments + 1e-3 * np.eye(2))
        model = np.exp(-0.5 * np.einsum("iyx,ij,jyx->yx", grid, precision, grid))
        return AlignedImage(model * self.peak, self.noise, self.centre)

    @cached_property
    def spline(self) -> Floats:
        """Give the coefficients as a cubic spline."""
        ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
        coefficients: Floats = ndimage.spline_filter(self.smooth, 3)
        return coefficients

    @cached_property
    def laplacian(self) -> Floats:
        """Give the Laplacian."""
        ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
        laplacian: Floats = ndimage.laplace(self.smooth)
        return laplacian

    @cached_property
    def slopes(self) -> Floats:
        """Give the derivatives along y and x, shape (2, side, side)."""
        return _slopes(self.smooth)

    def values(self, array: Floats) -> Floats:
        """Return the values of an array at the pixels above the noise."""
        return array[self.places[:, 0], self.places[:, 1]]

    def in_disc(self, places: Floats, margin: float = 0.5) -> Bools:
        """Return which places, shape (2, k), are in the inscribed disc."""
        middle = (len(self.smooth) - 1) / 2
        inside: Bools = ((places - middle) ** 2).sum(axis=0) < (middle + margin) ** 2
        return inside


def first_turns(first: Harmonics, second: Harmonics) -> list[tuple[bool, float]]:
    """Return the most promising orientations of two images from their harmonics, best first.

    Parameters
    ----------
    first, second : complex64 arrays, shape (depths, rings, orders)
    """
    similarity, turns = turn_between(first, second)
    is_peak = similarity >= np.roll(similarity, 1, axis=2)
    is_peak &= similarity > np.roll(similarity, -1, axis=2)
    depth, mirrored, place = np.nonzero(is_peak)
    order = np.argsort(-similarity[depth, mirrored, place], kind="stable")
    starts: list[tuple[bool, float]] = []
    for k in order.tolist():
        start = bool(mirrored[k]), float(turns[place[k]])
        if not any(_are_close(start, other) for other in starts):
            starts.append(start)
    return starts[:_STARTS]


def _are_close(first: tuple[bool, float], second: tuple[bool, float]) -> bool:
    return first[0] == second[0] and abs(math.remainder(first[1] - second[1], math.tau)) < _APART


def align(
    first: AlignedImage,
    second: AlignedImage,
    starts: Sequence[tuple[bool, float]],
) -> Alignment | None:
    """Find the best alignment of two images.

    Parameters
    ----------
    first, second : AlignedImage
    starts : sequence of (bool, float)
        Orientations to begin from: mirrored or not, and the angle in radians.

    Returns
    -------
    Alignment or None
        None if the shapes are farther from each other than `LARGEST_DISTANCE`.
    """
    shapes = _Shapes(first, second)
    fits = [_ShapeFit(shapes, mirrored, angle) for mirrored, angle in starts]
    if not fits or max(fit.cosine for fit in fits) < _LEAST_COSINE:
        return None
    promising = max(fit.cosine for fit in fits) - _HOPELESS
    best = max(
        (fit.refined() for fit in fits if fit.cosine >= promising), key=lambda fit: fit.cosine
    )
    distance = math.sqrt(max(0.0, 2 - 2 * best.cosine))
    fit = (
        None
        if distance > LARGEST_DISTANCE
        else _fit_pixels(first, second, best.mirrored, best.pose)
    )
    if fit is None:
        return None
    residual, signal, flux_ratio, pose = fit
    middle = np.full((2, 1), (len(first.smooth) - 1) / 2)
    shift = _onto(middle, first.centre, second.centre, best.mirrored, pose) - middle
    return Alignment(
        best.mirrored, float(pose[0]), (float(shift[0, 0]), float(shift[1, 0])),
        distance, residual, signal, flux_ratio,
    )  # fmt: skip


def _onto(places: Floats, source: Floats, target: Floats, mirrored: bool, pose: Floats) -> Floats:
    """Return where pixels of the first image, shape (2, k), lie in the second."""
    y, x = places - source[:, None]
    if mirrored:
        x = -x
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    return np.stack([cos * y + sin * x, cos * x - sin * y]) + (target + pose[1:])[:, None]


def _back(places: Floats, source: Floats, target: Floats, mirrored: bool, pose: Floats) -> Floats:
    """Return where pixels of the second image, shape (2, k), lie in the first."""
    y, x = places - (target + pose[1:])[:, None]
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    y, x = cos * y - sin * x, cos * x + sin * y
    return np.stack([y, -x if mirrored else x]) + source[:, None]


def _tangent(places: Floats, source: Floats, mirrored: bool, pose: Floats) -> Floats:
    """Return the derivative of `_onto` with respect to the angle, shape (2, k)."""
    y, x = places - source[:, None]
    if mirrored:
        x = -x
    cos, sin = math.cos(pose[0]), math.sin(pose[0])
    return np.stack([cos * x - sin * y, -cos * y - sin * x])


def _sampled(image: Floats, places: Floats, *, order: int = 1) -> Floats:
    ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
    values: Floats = ndimage.map_coordinates(image, places, order=order, prefilter=False)
    return values


def _log_scale(brightness: Floats, level: float) -> Floats:
    """Return brightness on a scale that is 0 up to `level`, and logarithmic far above it."""
    scaled: Floats = np.arcsinh(brightness / level) - math.asinh(1)
    return np.maximum(scaled, 0, out=scaled)


class _Shapes:
    """Two images on a logarithmic scale of brightness that is 0 at the clip level of both."""

    def __init__(self, first: AlignedImage, second: AlignedImage) -> None:
        flux_ratio = first.peak / second.peak
        level = CLIP * max(first.noise, flux_ratio * second.noise)
        self.first, self.second = first, second
        self.centres = first.centre, second.centre
        self.places = first.places.T.astype(np.float64)
        self.other_places = second.places.T.astype(np.float64)
        self.own = _log_scale(first.values(first.smooth), level)
        self.shape = _log_scale(flux_ratio * second.smooth, level)
        self.other = second.values(self.shape)

    @cached_property
    def slopes(self) -> Floats:
        """Give the derivatives of the shape of the second image, shape (2, side, side)."""
        return _slopes(self.shape)


class _ShapeFit:
    """Maximises the cosine between two shapes by the method of Levenberg and Marquardt.

    Only pixels that both inscribed discs have are counted, so that a source at the edge of one
    stamp does not speak against a shifted copy.
    """

    def __init__(self, shapes: _Shapes, mirrored: bool, angle: float) -> None:
        self.mirrored = mirrored
        self.pose = np.array([angle, 0.0, 0.0])
        self._shapes = shapes
        self.cosine, self._seen = self._compare(self.pose)

    def _compare(self, pose: Floats) -> tuple[float, Floats]:
        """Return the cosine in one pose, and the second image at the pixels of the first."""
        shapes = self._shapes
        target = _onto(shapes.places, *shapes.centres, self.mirrored, pose)
        inside = shapes.second.in_disc(target)
        back = _back(shapes.other_places, *shapes.centres, self.mirrored, pose)
        seen = _sampled(shapes.shape, target) * inside
        norm = np.linalg.norm(shapes.own[inside])
        norm *= np.linalg.norm(shapes.other[shapes.first.in_disc(back)])
        return (float(shapes.own @ seen / norm) if norm > 0 else 0.0), seen

    def refined(self) -> _ShapeFit:
        """Maximise the cosine from the present pose."""
        normal, right = self._normal_equations()
        damping = 1.0
        for _ in range(_STEPS):
            damped = normal + np.diag(damping * np.diag(normal) + 1e-6)
            trial = self.pose + np.linalg.solve(damped, right)
            cosine, seen = self._compare(trial)
            gain = cosine - self.cosine
            if gain > 0:
                self.cosine, self.pose, self._seen = cosine, trial, seen
                damping /= 4
                if gain < _SMALL_GAIN:
                    break
                normal, right = self._normal_equations()
            else:
                damping *= 6
                if damping > 30:
                    break
        return self

    def _normal_equations(self) -> tuple[Floats, Floats]:
        shapes = self._shapes
        target = _onto(shapes.places, *shapes.centres, self.mirrored, self.pose)
        tangent = _tangent(shapes.places, shapes.centres[0], self.mirrored, self.pose)
        jacobian = _jacobian(shapes.slopes, target, tangent)
        return jacobian @ jacobian.T, jacobian @ (shapes.own - self._seen)


def _slopes(image: Floats) -> Floats:
    """Return the derivatives of an image along y and x, shape (2, side, side)."""
    slopes: Floats = np.stack([np.gradient(image, axis=axis) for axis in (0, 1)])
    return slopes


def _jacobian(slopes: Floats, target: Floats, tangent: Floats) -> Floats:
    """Return the derivative of sampled values with respect to angle and shift, shape (3, k)."""
    along = np.stack([_sampled(slopes[0], target), _sampled(slopes[1], target)])
    return np.concatenate([(along * tangent).sum(axis=0, keepdims=True), along])


def _fit_pixels(
    first: AlignedImage, second: AlignedImage, mirrored: bool, pose: Floats
) -> tuple[float, float, float, Floats] | None:
    """Fit scale, blur, angle and shift, weighted with the noise; return residual, signal, scale."""
    side, centres = len(first.smooth), (first.centre, second.centre)
    is_compared = np.zeros_like(first.smooth, bool)
    is_compared[first.places[:, 0], first.places[:, 1]] = True
    back = np.rint(_back(second.places.T.astype(np.float64), *centres, mirrored, pose)).astype(int)
    back = back[:, ((back >= 0) & (back < side)).all(axis=0)]
    is_compared[back[0], back[1]] = True
    is_compared &= inscribed_disc(side)
    places = np.argwhere(is_compared).T.astype(np.float64)
    own, curvature = first.smooth[is_compared], np.abs(first.laplacian[is_compared])
    scale, blur = first.peak / second.peak, 0.0
    best: tuple[float, float, float, Floats] | None = None
    for _ in range(_FIT_STEPS + 1):
        target = _onto(places, *centres, mirrored, pose)
        inside = second.in_disc(target, margin=-1.0)
        if np.count_nonzero(inside) < 8 or scale <= 0:
            break
        other = _sampled(second.spline, target, order=3)
        curved = _sampled(second.laplacian, target)
        brightness = np.maximum(own, scale * other)
        variance = (
            first.noise**2 + (scale * second.noise) ** 2
            + (_SHAPE_ERROR * curvature) ** 2 + (_FLUX_ERROR * brightness) ** 2
        )  # fmt: skip
        weight = inside / variance
        difference = own - scale * other - blur * curved
        counted = np.count_nonzero(inside)
        residual = math.sqrt(float(weight @ difference**2) / counted)
        if best is None or residual < best[0]:
            signal = math.sqrt(float(weight @ brightness**2) / counted)
            best = residual, signal, float(scale), pose
        slopes = _jacobian(
            scale * second.slopes, target, _tangent(places, first.centre, mirrored, pose)
        )
        jacobian = np.concatenate([other[None], curved[None], slopes])
        normal = (jacobian * weight) @ jacobian.T
        normal += np.diag(0.02 * np.diag(normal) + 1e-12 * np.trace(normal))
        step = np.linalg.lstsq(normal, (jacobian * weight) @ difference, rcond=None)[0]
        scale += step[0]
        blur = float(np.clip(blur + step[1], -_BLUR * abs(scale), _BLUR * abs(scale)))
        pose = pose + np.clip(step[2:], [-0.2, -2, -2], [0.2, 2, 2])
    return best
