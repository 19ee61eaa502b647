"""Positions where choosing and cutting are hard, found by asking the fields what they see.

The numbers of the cases are those of the choice among candidates: 1 no cutout has NaN, 2 the
nearest has the fewest, 3 all are near, 4 somebody has to decide. Margins keep every place true
to its name whichever way a service rounds to pixels.
"""

import numpy as np

from mingolotss.model import Bools
from mingolotss.simulate.layout import Field, Floats, View, view

__all__ = ["EDGE_CASES", "edge_places"]


EDGE_CASES = (
    "case-1",
    "case-2",
    "case-3",
    "case-4",
    "recentre-x",
    "recentre-y",
    "blank",
    "rejected-outside",
    "rejected-nan",
    "exceeds-stamp",
    "neighbours",
)
"""Why a source was put where it is, in the words of ``truth.parquet``."""

_SOME = 0.03  # a share of NaN that no rounding hides
_CLEAR = 5.0  # arcsec between separations that no rounding turns round


def edge_places(fields: list[Field], rng: np.random.Generator) -> dict[str, Floats]:
    """Find places for every edge case that depends on the position.

    Parameters
    ----------
    fields : list of Field
        From the middle of the sky outwards; places are sought over two in the middle, for
        overlaps, and two on the rim, for what lies beyond.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to float64 array, shape (places, 2), deg
        Right ascension and declination, in random order.
    """
    searched = fields if len(fields) <= 4 else [*fields[:2], *fields[-2:]]
    ra, dec = _everywhere(searched, rng)
    fields = [f for f in fields if _near(f, searched)]
    seen = view(fields, ra, dec)
    masks = {**_cases(seen), **_single(seen), "rejected-outside": ~seen.held.any(axis=0)}
    return {name: np.column_stack([ra[mask], dec[mask]]) for name, mask in masks.items()}


def _everywhere(fields: list[Field], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw positions over and around every field, most of them along the sides of its array."""
    places = []
    for field in fields:
        x, y = rng.uniform(-0.15, 1.15, (2, 36000)) * field.side
        margin = rng.uniform(0, 130, 32000)
        x[:32000] = np.where(rng.random(32000) < 0.5, margin, field.side - margin)
        x[:16000], y[:16000] = y[:16000].copy(), x[:16000].copy()
        places.append(field.to_sky(x, y))
    ra, dec = np.concatenate(places, axis=1)
    return ra, dec


def _near(field: Field, others: list[Field]) -> bool:
    """Say whether a field may see places over one of the others."""
    x, y = field.to_pixels(np.array([o.ra for o in others]), np.array([o.dec for o in others]))
    away = np.hypot(x - field.side // 2, y - field.side // 2)
    return bool((away < 2.2 * field.side).any())


def _cases(seen: View) -> dict[str, Bools]:
    """Mark where two or more usable cutouts fall under each rule of choosing."""
    usable = seen.held & (seen.empty < 1)
    offset = np.where(usable, seen.offset, np.inf)
    first, second = np.sort(offset, axis=0)[:2]
    nearest = np.take_along_axis(seen.empty, offset.argmin(axis=0)[None], axis=0)[0]
    least = np.where(usable, seen.empty, np.inf).min(axis=0)
    most = np.where(usable, seen.empty, 0).max(axis=0)
    farthest = np.where(usable, seen.offset, 0).max(axis=0)
    sure = ((seen.empty == 0) | (seen.empty > _SOME) | ~usable).all(axis=0)
    deep = ((seen.depth > 45) | ~usable).all(axis=0)
    several = (usable.sum(axis=0) > 1) & sure & deep
    apart = several & (first + _CLEAR < second) & (second < np.inf)
    beaten = apart & (nearest > least + _SOME)
    return {
        "case-1": several & (most == 0),
        "case-2": apart & (nearest == least) & (most > _SOME),
        "case-3": beaten & (farthest < 13),
        "case-4": beaten & (farthest > 20) & (farthest < 70),
    }


def _single(seen: View) -> dict[str, Bools]:
    """Mark where exactly one field offers a cutout, whole, truncated or empty."""
    single = seen.held.sum(axis=0) == 1
    full = single & ((seen.empty == 0) | ~seen.held).all(axis=0)
    cut_x = (seen.cut_x & seen.held).any(axis=0)
    cut_y = (seen.cut_y & seen.held).any(axis=0)
    offset = np.where(seen.held, seen.offset, 0).max(axis=0)
    far = (offset > 55) & (offset < 75)
    return {
        "recentre-x": full & cut_x & ~cut_y & far,
        "recentre-y": full & cut_y & ~cut_x & far,
        "rejected-nan": single & ((seen.empty == 1) & seen.held).any(axis=0),
        "blank": full & ~cut_x & ~cut_y,
    }
