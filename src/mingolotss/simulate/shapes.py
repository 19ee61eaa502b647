"""The parts of a radio galaxy: clouds of weighted points along spines.

The function of a class returns a `Shape` in a frame of its own: the core at the origin, half-length
1, the long axis along x, and total weight 1. `simulate.draw` scales, rotates and convolves it.

Morphologies follow Fanaroff & Riley (1974, MNRAS 167, 31P), Miley (1980, ARA&A 18, 165),
Schoenmakers et al. (2000, MNRAS 315, 371) for double-doubles and Mingo et al. (2019) for the rest.
"""

import math
from dataclasses import dataclass

import numpy as np

from mingolotss.simulate.layout import Floats
from mingolotss.simulate.spines import POINTS, Spine

__all__ = ["Cloud", "Shape", "blob", "join", "lobe", "tube"]


@dataclass(frozen=True)
class Cloud:
    """Weighted points.

    Attributes
    ----------
    x, y, weight : float64 array, shape (points,)
    rough : float64 array, shape (points,)
        1 for points with the texture of the plasma, 0 for cores and hot spots.
    """

    x: Floats
    y: Floats
    weight: Floats
    rough: Floats


@dataclass(frozen=True)
class Shape:
    """A galaxy without scale: its cloud, and the opening angle of its arms in degrees."""

    cloud: Cloud
    bend: float


def join(*parts: tuple[float, Cloud]) -> Cloud:
    """Combine several clouds, each with its share of the flux."""
    total = sum(share for share, _ in parts)
    weight = [share / total * c.weight / c.weight.sum() for share, c in parts]
    x, y, rough = (np.concatenate([getattr(c, k) for _, c in parts]) for k in ("x", "y", "rough"))
    return Cloud(x, y, np.concatenate(weight), rough)


def blob(rng: np.random.Generator, x: float, y: float, width: float, points: int = 700) -> Cloud:
    """Return a round Gaussian spot: a core, or a hot spot."""
    dx, dy = rng.normal(0, width, (2, points))
    return Cloud(x + dx, y + dy, np.ones(points), np.zeros(points))


def tube(
    rng: np.random.Generator, spine: Spine, light: Floats, width: Floats, points: int = 9000
) -> Cloud:
    """Return plasma along a spine.

    Parameters
    ----------
    rng : numpy.random.Generator
    spine : Spine
    light : float64 array, shape (POINTS,)
        Flux per length along the spine.
    width : float64 array, shape (POINTS,), half-lengths
        Half-width along the spine, about two sigma of the Gaussian profile.
    points : int
    """
    # The points are uniform along the spine and weighted with its light, so that faint parts have
    # as many points as bright ones and look as smooth.
    index = rng.integers(0, POINTS, points)
    across, angle = rng.normal(0, 0.52, points) * width[index], spine.angle[index]
    x, y = spine.x[index] - across * np.sin(angle), spine.y[index] + across * np.cos(angle)
    return Cloud(x, y, light[index], np.ones(points))


def lobe(
    rng: np.random.Generator,
    direction: float,
    span: tuple[float, float],
    width: float,
    lean: float = 1.5,
    points: int = 9000,
) -> Cloud:
    """Return the cocoon of an FRII: an ellipse that brightens towards its far end.

    Parameters
    ----------
    rng : numpy.random.Generator
    direction : float, radians
    span : (float, float), half-lengths
        The positions of its two ends on the axis.
    width : float, half-lengths
        Largest half-width, nearer to the far end.
    lean : float
        How much brighter it becomes outwards; 0 is uniform.
    points : int
    """
    # A beta distribution puts more points towards the far end, and the envelope is an egg whose
    # broad side is there. The fuzz hides its edge; the last term bends the base of the lobe to a
    # random side.
    s = rng.beta(1.4 + 0.5 * lean, 1.3, points)
    envelope = np.clip(s, 0, 1) ** 0.55 * (1 - s**3.5) ** 0.5
    fuzz = rng.normal(0, 0.13 * width, (2, points))
    along = span[0] + s * (span[1] - span[0]) + fuzz[0]
    across = fuzz[1] + _disc(rng, points) * width * 1.35 * envelope
    across += rng.normal(0, 0.25) * width * (1 - s) ** 2
    x = along * math.cos(direction) - across * math.sin(direction)
    y = along * math.sin(direction) + across * math.cos(direction)
    return Cloud(x, y, np.ones(points), np.ones(points))


def _disc(rng: np.random.Generator, points: int) -> Floats:
    """Return offsets in a filled, slightly limb-brightened cylinder seen from the side."""
    return np.sin(rng.uniform(-math.pi / 2, math.pi / 2, points)) * rng.uniform(0.35, 1, points)
