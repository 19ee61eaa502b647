"""What each class of radio galaxy is made of: clouds of weighted points along spines.

A recipe of a class returns a `Shape` in its own frame: core at the origin, unit half-length,
long axis along x, total weight 1. `simulate.draw` scales, turns and convolves it.

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
        How much of the plasma's texture a point takes; a core and a hot spot take none.
    """

    x: Floats
    y: Floats
    weight: Floats
    rough: Floats


@dataclass(frozen=True)
class Shape:
    """A drawn class: its cloud and the opening angle of its arms, degrees."""

    cloud: Cloud
    bend: float


def join(*parts: tuple[float, Cloud]) -> Cloud:
    """Return one cloud of several, each with its share of the flux."""
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
        Half-width of the tube there: about two sigma of its Gaussian profile.
    points : int
    """
    at = rng.integers(0, POINTS, points)
    across, angle = rng.normal(0, 0.52, points) * width[at], spine.angle[at]
    x, y = spine.x[at] - across * np.sin(angle), spine.y[at] + across * np.cos(angle)
    return Cloud(x, y, light[at], np.ones(points))


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
        Where it begins and ends on the axis.
    width : float, half-lengths
        Greatest half-width, nearer to the far end.
    lean : float
        How strongly it brightens outwards; 0 is even.
    points : int
    """
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
    """Return heights in a filled, slightly limb-brightened cylinder seen from the side."""
    return np.sin(rng.uniform(-math.pi / 2, math.pi / 2, points)) * rng.uniform(0.35, 1, points)
