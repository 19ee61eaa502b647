"""Drawings of the ten classes of MingoLoTSS.

>>> shape = draw_shape("FRI WAT", np.random.default_rng(1))
>>> bool(90 < shape.bend < 165)
True
"""

import math
from collections.abc import Callable

import numpy as np

from mingolotss.errors import InputError
from mingolotss.simulate.layout import Floats
from mingolotss.simulate.shapes import Cloud, Shape, blob, join, lobe, tube
from mingolotss.simulate.spines import POINTS, Spine, opening_angle, straight, swept
from mingolotss.simulate.texture import clumps

__all__ = [
    "SHAPES",
    "double_double",
    "draw_shape",
    "fri",
    "fri_small",
    "frii",
    "frii_small",
    "indeterminate",
    "nat",
    "small",
    "wat",
]

_S = np.linspace(0, 1, POINTS)


def draw_shape(kind: str, rng: np.random.Generator) -> Shape:
    """Draw a galaxy of a class in the frame of `Shape`.

    Parameters
    ----------
    kind : str
        A class name, as ``FRI WAT``.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        There is no such class.
    """
    if kind not in SHAPES:
        raise InputError(f"draw a galaxy: no class {kind!r}; the classes are {', '.join(SHAPES)}")
    return SHAPES[kind](rng)


def _fading(rng: np.random.Generator, peak: float, fade: float, knots: float = 0.25) -> Floats:
    """Return the flux per length of an edge-darkened jet: bright near the core, then fading."""
    # The sum of a flare that is brightest at `peak`, an exponential that fades from the core, and a
    # factor that lets the far end disappear without an edge. The clumps are the knots of the jet.
    rise = (_S / peak) * np.exp(1 - _S / peak)
    light = 0.6 * rise + np.exp(-_S / fade)
    light *= 1 - 0.9 * _S**4
    return np.asarray(light * clumps(rng, POINTS, knots))


def _flaring(first: float, last: float, at: float = 0.25) -> Floats:
    """Return the half-width of a jet that widens where it decelerates."""
    # A logistic function joins two nearly constant widths: the jets of FRI are narrow near the
    # core, flare where they decelerate, and are wide beyond (Laing & Bridle 2002, MNRAS 336, 328).
    return first + (last - first) / (1 + np.exp(-(_S - at - 0.15) / 0.12))


def _jets(
    rng: np.random.Generator,
    spines: tuple[Spine, Spine],
    core: float,
    light: tuple[float, float],
    width: tuple[float, float],
) -> Shape:
    """Return a core and two fading jets, one a little brighter than the other."""
    ratio = rng.uniform(0.55, 1)
    parts = [(core, blob(rng, 0, 0, 0.012))]
    for share, spine in zip((1, ratio), spines, strict=True):
        jet = tube(rng, spine, _fading(rng, *light), _flaring(*width))
        parts.append(((1 - core) * share / (1 + ratio), jet))
    return Shape(join(*parts), opening_angle(*spines))


def fri(rng: np.random.Generator) -> Shape:
    """Draw an FRI: two jets, brightest near the core, that widen and fade outwards."""
    tilt = rng.normal(0, 0.12)
    spines = (
        straight(rng, tilt, 1, 0.2),
        straight(rng, math.pi - tilt, rng.uniform(0.75, 1.1), 0.2),
    )
    fade = (rng.uniform(0.08, 0.15), rng.uniform(0.32, 0.5))
    return _jets(rng, spines, rng.uniform(0.05, 0.15), fade, (0.03, rng.uniform(0.16, 0.27)))


def fri_small(rng: np.random.Generator) -> Shape:
    """Draw an FRI Small: elongated, with one peak in the middle."""
    spines = (straight(rng, 0, 1, 0.12), straight(rng, math.pi, rng.uniform(0.8, 1), 0.12))
    return _jets(rng, spines, rng.uniform(0.12, 0.3), (0.1, 0.36), (0.05, 0.16))


def nat(rng: np.random.Generator) -> Shape:
    """Draw an FRI NAT: a head, and both jets bent into long tails on one side."""
    # The jets leave the core on opposite sides and bend close to it, at `turn`, into two tails with
    # the angle 2 `half` between them: at most 52 degrees before the wiggles, where the class ends
    # at 60 (`simulate.spines`). `drift` rotates both tails together.
    half, leave = math.radians(rng.triangular(2, 6, 26)), math.radians(rng.uniform(50, 88))
    turn = (rng.uniform(0.05, 0.13), rng.uniform(0.025, 0.05))
    drift, short = rng.normal(0, 0.2), rng.uniform(0.7, 1)
    spines = (
        swept(rng, leave, half + drift, turn, 2, 0.07),
        swept(rng, -leave, -half + drift, turn, 2 * short, 0.07),
    )
    fade = (rng.uniform(0.05, 0.09), rng.uniform(0.3, 0.6))
    width = (rng.uniform(0.03, 0.05), rng.uniform(0.12, 0.26))
    return _jets(rng, spines, rng.uniform(0.05, 0.14), fade, width)


def wat(rng: np.random.Generator) -> Shape:
    """Draw an FRI WAT: two collimated jets that widen at a bright spot and bend into a C."""
    # As in `nat`, but the bend is farther out, and the angle between the tails is 93 to 133 degrees
    # before the wiggles, where the class begins at 90.
    leave, half = math.radians(rng.uniform(72, 90)), math.radians(rng.uniform(50, 70))
    turn = (rng.uniform(0.26, 0.4), rng.uniform(0.03, 0.07))
    up = math.pi / 2
    spines = (
        swept(rng, up - leave, up - half + 0.06, turn, 1.15, 0.12),
        swept(rng, up + leave, up + half - 0.06, turn, rng.uniform(0.95, 1.2), 0.12),
    )
    shape = _jets(
        rng, spines, 0.07, (0.2, rng.uniform(0.55, 0.8)), (0.025, rng.uniform(0.15, 0.24))
    )
    parts: list[tuple[float, Cloud]] = [(1.0, shape.cloud)]
    # The jets end in a bright spot, where the plumes begin (Hardcastle & Sakelliou 2004, MNRAS 349,
    # 560).
    for spine in spines:
        at = int(POINTS * rng.uniform(0.24, 0.34))
        spot = blob(rng, float(spine.x[at]), float(spine.y[at]), 0.03)
        parts.append((rng.uniform(0.04, 0.12), spot))
    return Shape(join(*parts), shape.bend)


def _edge_bright(
    rng: np.random.Generator,
    direction: float,
    reach: float,
    start: float,
    hot: float,
    width: float = 0,
) -> Cloud:
    """Return one side of an FRII: hot spots at the end of a lobe, and a bridge to the core."""
    # There are two hot spots, as in many FRII: a primary with the share `hot`, and a weaker
    # secondary. Both lie just inside the end of the lobe and a little off its axis. The bridge is
    # fainter, narrower and reaches back to the core: it is the older plasma.
    width = width or rng.uniform(0.12, 0.21)
    cocoon = lobe(rng, direction, (start * reach, reach), width, rng.uniform(1, 2.5))
    bridge = lobe(rng, direction, (0.02, reach * 0.85), width * 0.8, 0.3, 4000)
    parts = [(1 - hot, cocoon), (rng.uniform(0.12, 0.32), bridge)]
    for share in (hot, hot * rng.uniform(0, 0.4)):
        turn = direction + rng.normal(0, 0.06)
        at = reach * rng.uniform(0.9, 0.97)
        spot = blob(rng, at * math.cos(turn), at * math.sin(turn), rng.uniform(0.02, 0.04))
        parts.append((share, spot))
    return join(*parts)


def frii(rng: np.random.Generator) -> Shape:
    """Draw an FRII: hot spots at the ends of two lobes, a bridge, and a faint core or none."""
    tilt, ratio = rng.normal(0, 0.07), rng.uniform(0.4, 1)
    sides = (
        _edge_bright(rng, tilt, 1, rng.uniform(0.1, 0.45), rng.uniform(0.18, 0.4)),
        _edge_bright(
            rng,
            math.pi - tilt,
            rng.uniform(0.75, 1),
            rng.uniform(0.3, 0.55),
            rng.uniform(0.12, 0.4),
        ),
    )
    core = rng.choice([0, 0.01, 0.03])
    cloud = join((1, sides[0]), (ratio, sides[1]), (core, blob(rng, 0, 0, 0.01)))
    return Shape(cloud, 180 - abs(math.degrees(2 * tilt)))


def frii_small(rng: np.random.Generator) -> Shape:
    """Draw an FRII Small: two close blobs."""
    ratio = rng.uniform(0.5, 1)
    sides = [_edge_bright(rng, a, 1, 0.55, rng.uniform(0.45, 0.65)) for a in (0, math.pi)]
    return Shape(join((1, sides[0]), (ratio, sides[1])), 180)


def double_double(rng: np.random.Generator) -> Shape:
    """Draw a Double Double: a bright young pair of lobes inside a faint old pair, with one core."""
    parts: list[tuple[float, Cloud]] = [(rng.uniform(0.02, 0.05), blob(rng, 0, 0, 0.01))]
    inner, tilt = rng.uniform(0.3, 0.48), rng.normal(0, 0.05)
    for direction in (0, math.pi):
        reach = rng.uniform(0.85, 1)
        old = lobe(rng, direction, (0.42 * reach, reach), rng.uniform(0.15, 0.22), 0.5)
        fossil = lobe(rng, direction, (0.05, 0.8 * reach), 0.12, 0.3, 3000)
        young = _edge_bright(rng, direction + tilt, inner * rng.uniform(0.85, 1.1), 0.6, 0.6, 0.07)
        parts += [(rng.uniform(0.2, 0.3), old), (0.05, fossil), (rng.uniform(0.16, 0.26), young)]
    return Shape(join(*parts), 180)


def small(rng: np.random.Generator) -> Shape:
    """Draw a Small: compact, slightly extended and asymmetric."""
    spines = (straight(rng, 0, 1, 0.3), straight(rng, math.pi, rng.uniform(0.4, 1), 0.3))
    return _jets(rng, spines, rng.uniform(0.2, 0.5), (0.2, 0.5), (0.15, rng.uniform(0.2, 0.4)))


def _hybrid(rng: np.random.Generator) -> Shape:
    """Return an FRI on one side and an FRII on the other."""
    jet = tube(rng, straight(rng, math.pi, 1, 0.3), _fading(rng, 0.12, 0.4), _flaring(0.03, 0.25))
    end = _edge_bright(rng, rng.normal(0, 0.25), rng.uniform(0.7, 1), 0.35, rng.uniform(0.2, 0.4))
    return Shape(join((0.5, jet), (rng.uniform(0.3, 0.7), end), (0.06, blob(rng, 0, 0, 0.01))), 180)


def _one_sided(rng: np.random.Generator) -> Shape:
    """Return a core and a single broad jet."""
    spine = straight(rng, 0, 2, 0.4)
    jet = tube(rng, spine, clumps(rng, POINTS, 0.4) * (1.2 - _S), _flaring(0.05, 0.32))
    return Shape(join((0.15, blob(rng, 0, 0, 0.012)), (0.85, jet)), 180)


def _amorphous(rng: np.random.Generator) -> Shape:
    """Return relaxed plasma without a core: a few overlapping clouds in random directions."""
    parts = []
    # A random walk of a few clouds: each is a short, wide tube in a random direction, which begins
    # 0.45 half-lengths from the one before, so that they overlap and no axis or core can be seen.
    x, y, heading = 0.0, 0.0, rng.uniform(0, 2 * math.pi)
    for _ in range(rng.integers(3, 6)):
        spine = straight(rng, rng.uniform(0, 2 * math.pi), 0.7, 0.6)
        cloud = tube(
            rng, spine, 1 - 0.7 * np.abs(2 * _S - 1), 0.08 + 0.3 * np.sin(np.pi * _S), 5000
        )
        parts.append(
            (rng.uniform(0.3, 1), Cloud(cloud.x + x, cloud.y + y, cloud.weight, cloud.rough))
        )
        heading += rng.normal(0, 0.9)
        x, y = x + 0.45 * math.cos(heading), y + 0.45 * math.sin(heading)
    return Shape(join(*parts), 180)


def _relaxed(rng: np.random.Generator) -> Shape:
    """Return two wide lobes without hot spots, filled to the middle and bent."""
    parts = []
    for direction in (rng.normal(0, 0.3), math.pi + rng.normal(0, 0.3)):
        cloud = lobe(rng, direction, (-0.1, rng.uniform(0.7, 1)), rng.uniform(0.28, 0.45), 0.2)
        parts.append((rng.uniform(0.35, 1), cloud))
    parts.append((rng.uniform(0, 0.08), blob(rng, 0.1, 0, 0.015)))
    return Shape(join(*parts), 180)


def indeterminate(rng: np.random.Generator) -> Shape:
    """Draw an Indeterminate: extended, and neither FRI nor FRII."""
    kinds = (_hybrid, _one_sided, _amorphous, _relaxed)
    return kinds[rng.choice(4, p=(0.3, 0.2, 0.3, 0.2))](rng)


SHAPES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "FRI": fri,
    "FRI NAT": nat,
    "FRI WAT": wat,
    "FRI Small": fri_small,
    "FRII": frii,
    "FRII Small": frii_small,
    "Double Double": double_double,
    "Indeterminate": indeterminate,
    "Indeterminate Small": indeterminate,
    "Small": small,
}
"""The function that draws each class, in the order of the labels."""
