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
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.image_features import CLIP, ImageFeatures, inscribed_disc, turn_between

__all__ = ["AlignedImage", "Alignment", "align", "first_turns"]

_SMOOTHING = 0.7  # pixels; less than the beam, and enough that pixels can be interpolated
_SUPPORT = 2.0  # noise; pixels above it are compared, in either image
_SHAPE_ERROR = 0.03  # of the Laplacian: what remains of the interpolation after the fit of the blur
_FLUX_ERROR = 0.005  # of the brightness: rounding, and calibration within an image
_BLUR = 0.3  # pixels squared, the largest blur that a copy may have, to either side
_STARTS = 3  # orientations from which an alignment begins
_STEPS = 10
_FIT_STEPS = 4


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


@dataclass(frozen=True, slots=True)
class AlignedImage:
    """The pixels of one image, ready to be compared at full resolution.

    Attributes
    ----------
    smooth : float64 array, shape (side, side)
        The clipped image, slightly smoothed.
    spline, laplacian : float64 arrays, shape (side, side)
        Its coefficients as a cubic spline, and its Laplacian.
    gradient : float64 array, shape (2, side, side)
    places : int64 array, shape (k, 2)
        The pixels above the noise, (y, x).
    noise, peak : float
    centre : float64 array, shape (2,)
    """

    smooth: Floats
    spline: Floats
    laplacian: Floats
    gradient: Floats
    places: Ints
    noise: float
    peak: float
    centre: Floats

    @classmethod
    def of(cls, clipped: NDArray[np.float32], features: ImageFeatures, index: int) -> AlignedImage:
        """Prepare a clipped image, the one at `index` of `features`."""
        ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
        smooth = ndimage.gaussian_filter(clipped.astype(np.float64), _SMOOTHING)
        centre = features.centre[index].astype(np.float64)
        return cls.from_pixels(smooth, float(features.noise[index]), centre)

    @classmethod
    def from_pixels(cls, smooth: Floats, noise: float, centre: Floats) -> AlignedImage:
        """Prepare an image that has been smoothed."""
        ndimage = import_optional("scipy.ndimage", "compare images", extra="audit")
        return cls(
            smooth,
            ndimage.spline_filter(smooth, 3),
            ndimage.laplace(smooth),
            _slopes(smooth),
            np.argwhere(smooth > _SUPPORT * noise),
            noise,
            float(smooth.max()),
            centre,
        )

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
        return AlignedImage.from_pixels(model * self.peak, self.noise, self.centre)

    def values(self, array: Floats) -> Floats:
        """Return the values of an array at the pixels above the noise."""
        return array[self.places[:, 0], self.places[:, 1]]

    def in_disc(self, places: Floats, margin: float = 0.5) -> Bools:
        """Return which places, shape (2, k), are in the inscribed disc."""
        middle = (len(self.smooth) - 1) / 2
        inside: Bools = ((places - middle) ** 2).sum(axis=0) < (middle + margin) ** 2
        return inside


def first_turns(
    first: NDArray[np.complex64], second: NDArray[np.complex64]
) -> list[tuple[bool, float]]:
    """Return the most promising orientations of two images from their harmonics, best first.

    Parameters
    ----------
    first, second : complex64 arrays, shape (rings, orders)
    """
    similarity, turns = turn_between(first[None], second[None])
    rows = similarity[0]
    is_peak = (rows >= np.roll(rows, 1, axis=1)) & (rows > np.roll(rows, -1, axis=1))
    mirrored, place = np.nonzero(is_peak)
    order = np.argsort(-rows[mirrored, place], kind="stable")[:_STARTS]
    return [(bool(mirrored[k]), float(turns[place[k]])) for k in order]


def align(
    first: AlignedImage, second: AlignedImage, starts: Sequence[tuple[bool, float]]
) -> Alignment | None:
    """Find the best alignment of two images; None if they have nothing in common."""
    shapes = [_align_shapes(first, second, mirrored, angle) for mirrored, angle in starts]
    if not shapes:
        return None
    similarity, (mirrored, pose) = max(shapes, key=lambda shape: shape[0])
    fit = _fit_pixels(first, second, mirrored, pose)
    if fit is None:
        return None
    residual, signal, flux_ratio, pose = fit
    middle = np.full((2, 1), (len(first.smooth) - 1) / 2)
    shift = _onto(middle, first.centre, second.centre, mirrored, pose) - middle
    return Alignment(
        mirrored, float(pose[0]), (float(shift[0, 0]), float(shift[1, 0])),
        math.sqrt(max(0.0, 2 - 2 * similarity)), residual, signal, flux_ratio,
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


def _align_shapes(
    first: AlignedImage, second: AlignedImage, mirrored: bool, angle: float
) -> tuple[float, tuple[bool, Floats]]:
    """Maximise the cosine between two shapes by the method of Levenberg and Marquardt.

    Only pixels that both inscribed discs have are counted, so that a source at the edge of one
    stamp does not speak against a shifted copy.
    """
    flux_ratio = first.peak / second.peak
    level = CLIP * max(first.noise, flux_ratio * second.noise)
    shape = _log_scale(flux_ratio * second.smooth, level)
    slopes = _slopes(shape)
    own, other = _log_scale(first.values(first.smooth), level), second.values(shape)
    places, other_places = first.places.T.astype(np.float64), second.places.T.astype(np.float64)
    centres = first.centre, second.centre
    best, pose = -1.0, np.array([angle, 0.0, 0.0])
    trial, damping = pose, 1.0
    for step in range(_STEPS):
        target = _onto(places, *centres, mirrored, trial)
        inside = second.in_disc(target)
        is_common = first.in_disc(_back(other_places, *centres, mirrored, trial))
        seen = _sampled(shape, target) * inside
        norm = np.linalg.norm(own[inside]) * np.linalg.norm(other[is_common])
        cosine = float(own @ seen / norm) if norm > 0 else 0.0
        if cosine > best + 1e-4:
            best, pose, damping = cosine, trial, damping / 4
            jacobian = _jacobian(slopes, target, _tangent(places, first.centre, mirrored, pose))
            normal, right = jacobian @ jacobian.T, jacobian @ (own - seen)
        elif step and damping > 30:
            break
        else:
            damping *= 6
        damped = normal + np.diag(damping * np.diag(normal) + 1e-6)
        trial = pose + np.linalg.solve(damped, right)
    return best, (mirrored, pose)


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
            scale * second.gradient, target, _tangent(places, first.centre, mirrored, pose)
        )
        jacobian = np.concatenate([other[None], curved[None], slopes])
        normal = (jacobian * weight) @ jacobian.T
        normal += np.diag(0.02 * np.diag(normal) + 1e-12 * np.trace(normal))
        step = np.linalg.lstsq(normal, (jacobian * weight) @ difference, rcond=None)[0]
        scale += step[0]
        blur = float(np.clip(blur + step[1], -_BLUR * abs(scale), _BLUR * abs(scale)))
        pose = pose + np.clip(step[2:], [-0.2, -2, -2], [0.2, 2, 2])
    return best
