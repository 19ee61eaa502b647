"""The curves that jets and tails follow, in units of the source's half-length.

A spine is a polyline of equally spaced points that starts at the core, and a source has two of
them. The *opening angle* between the directions of their far halves is 180 degrees for a straight
source, more than 90 for a wide-angle tail and less than 60 for a narrow-angle tail
(Miley 1980, ARA&A 18, 165; Mingo et al. 2019, MNRAS 488, 2701, section 3).
"""

import math
from dataclasses import dataclass

import numpy as np

from mingolotss.simulate.layout import Floats

__all__ = ["POINTS", "Spine", "opening_angle", "straight", "swept"]

POINTS = 400
"""Number of points of a spine."""


@dataclass(frozen=True)
class Spine:
    """A curve from the core outwards.

    Attributes
    ----------
    x, y : float64 array, shape (POINTS,), half-lengths
    angle : float64 array, shape (POINTS,), radians
        Direction of travel, from the x axis towards the y axis.
    """

    x: Floats
    y: Floats
    angle: Floats


def straight(
    rng: np.random.Generator, direction: float, length: float, wiggle: float = 0.1
) -> Spine:
    """Return a spine in one direction, with wiggles that grow outwards.

    Parameters
    ----------
    rng : numpy.random.Generator
    direction : float, radians
    length : float, half-lengths
    wiggle : float, radians
        Typical change of direction.
    """
    s = np.linspace(0, 1, POINTS)
    waves, phase = rng.uniform(0.6, 1.7), rng.uniform(0, 2 * math.pi)
    wave = np.sin(2 * math.pi * waves * s + phase) - math.sin(phase)
    angle = direction + wiggle * (rng.normal() * s + wave * s**0.5)
    return _follow(angle, length)


def swept(
    rng: np.random.Generator,
    first: float,
    last: float,
    turn: tuple[float, float],
    length: float,
    wiggle: float = 0.1,
) -> Spine:
    """Return a spine that bends from one direction into another.

    Parameters
    ----------
    rng : numpy.random.Generator
    first, last : float, radians
        Directions at the core and at the far end.
    turn : (float, float)
        The position of the bend's middle, and its width; relative to the length.
    length : float, half-lengths
    wiggle : float, radians
    """
    s = np.linspace(0, 1, POINTS)
    # A logistic function turns the direction; it is rescaled to go from exactly 0 to exactly 1, so
    # that the spine begins and ends in the given directions however close to an end the bend is.
    bent = 1 / (1 + np.exp(-(s - turn[0]) / turn[1]))
    bent = (bent - bent[0]) / (bent[-1] - bent[0])
    waves, phase = rng.uniform(0.8, 2.2), rng.uniform(0, 2 * math.pi)
    wave = np.sin(2 * math.pi * waves * s + phase) - math.sin(phase)
    return _follow(first + (last - first) * bent + wiggle * wave * s, length)


def opening_angle(first: Spine, second: Spine) -> float:
    """Return the angle between the far halves of two spines, degrees from 0 to 180."""
    half = POINTS // 2
    ends = [math.atan2(a.y[-1] - a.y[half], a.x[-1] - a.x[half]) for a in (first, second)]
    angle = abs(ends[0] - ends[1]) % (2 * math.pi)
    return math.degrees(min(angle, 2 * math.pi - angle))


def _follow(angle: Floats, length: float) -> Spine:
    """Return the spine from the core along the given directions."""
    step = length / POINTS
    return Spine(np.cumsum(np.cos(angle)) * step, np.cumsum(np.sin(angle)) * step, angle)
