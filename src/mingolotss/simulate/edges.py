"""Positions where the choice of a field, or the cutout, is difficult.

The cases have the numbers of the choice among candidates: in case 1 no cutout has NaN, in case 2
the nearest cutout has the fewest, in case 3 all are near, and in case 4 a person has to decide.
Every position has a margin, so that its case does not depend on how a service rounds to pixels.
"""

import numpy as np

from mingolotss.model import Bools
from mingolotss.simulate.layout import Field, Floats, PredictedCutouts, predict_cutouts

__all__ = ["EDGE_CASES", "edge_case_positions"]


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
"""The reasons for the position of a source, as ``truth.parquet`` spells them."""

_NAN_MARGIN = 0.03  # a share of NaN that does not depend on rounding
_OFFSET_MARGIN = 5.0  # arcsec; the order of two separations does not depend on rounding


def edge_case_positions(fields: list[Field], rng: np.random.Generator) -> dict[str, Floats]:
    """Return positions for every edge case that depends on the position.

    Parameters
    ----------
    fields : list of Field
        From the middle of the sky outwards. Positions are searched over two fields in the middle,
        where fields overlap, and two at the rim, beyond which there are no fields.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to float64 array, shape (positions, 2), deg
        Right ascension and declination, in random order.
    """
    searched = fields if len(fields) <= 4 else [*fields[:2], *fields[-2:]]
    ra, dec = _random_positions(searched, rng)
    fields = [f for f in fields if _nearby(f, searched)]
    cutouts = predict_cutouts(fields, ra, dec)
    outside = ~cutouts.covered.any(axis=0)
    masks = {**_cases(cutouts), **_single(cutouts), "rejected-outside": outside}
    return {name: np.column_stack([ra[mask], dec[mask]]) for name, mask in masks.items()}


def _random_positions(fields: list[Field], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw positions over and around every field, most of them along the sides of its array."""
    # Strategy: overlaps and truncated cutouts are in narrow strips along the sides. Of the 36,000
    # positions per field, 16,000 are near a horizontal side, 16,000 near a vertical one, and the
    # others anywhere.
    positions = []
    for field in fields:
        x, y = rng.uniform(-0.15, 1.15, (2, 36000)) * field.side
        margin = rng.uniform(0, 130, 32000)
        x[:32000] = np.where(rng.random(32000) < 0.5, margin, field.side - margin)
        x[:16000], y[:16000] = y[:16000].copy(), x[:16000].copy()
        positions.append(field.to_sky(x, y))
    ra, dec = np.concatenate(positions, axis=1)
    return ra, dec


def _nearby(field: Field, others: list[Field]) -> bool:
    """Return whether a field may cover positions over one of the others."""
    x, y = field.to_pixels(np.array([o.ra for o in others]), np.array([o.dec for o in others]))
    distance = np.hypot(x - field.side // 2, y - field.side // 2)
    return bool((distance < 2.2 * field.side).any())


def _cases(cutouts: PredictedCutouts) -> dict[str, Bools]:
    """Mark the positions with several usable cutouts to which each rule of the choice applies."""
    # Strategy: the rules compare offsets and shares of NaN over the usable cutouts of a position.
    # Unusable ones become infinite where the minimum counts, and 0 where the maximum counts.
    usable = cutouts.covered & (cutouts.nan_share < 1)
    offset = np.where(usable, cutouts.offset, np.inf)
    first, second = np.sort(offset, axis=0)[:2]
    nearest = np.take_along_axis(cutouts.nan_share, offset.argmin(axis=0)[None], axis=0)[0]
    least = np.where(usable, cutouts.nan_share, np.inf).min(axis=0)
    most = np.where(usable, cutouts.nan_share, 0).max(axis=0)
    farthest = np.where(usable, cutouts.offset, 0).max(axis=0)
    is_certain = ((cutouts.nan_share == 0) | (cutouts.nan_share > _NAN_MARGIN) | ~usable).all(
        axis=0
    )
    is_deep = ((cutouts.edge_distance > 45) | ~usable).all(axis=0)
    several = (usable.sum(axis=0) > 1) & is_certain & is_deep
    is_distinct = several & (first + _OFFSET_MARGIN < second) & (second < np.inf)
    nearest_is_worse = is_distinct & (nearest > least + _NAN_MARGIN)
    return {
        "case-1": several & (most == 0),
        "case-2": is_distinct & (nearest == least) & (most > _NAN_MARGIN),
        "case-3": nearest_is_worse & (farthest < 13),
        "case-4": nearest_is_worse & (farthest > 20) & (farthest < 70),
    }


def _single(cutouts: PredictedCutouts) -> dict[str, Bools]:
    """Mark the positions with one cutout that is complete, truncated or empty."""
    single = cutouts.covered.sum(axis=0) == 1
    full = single & ((cutouts.nan_share == 0) | ~cutouts.covered).all(axis=0)
    truncated_x = (cutouts.truncated_x & cutouts.covered).any(axis=0)
    truncated_y = (cutouts.truncated_y & cutouts.covered).any(axis=0)
    offset = np.where(cutouts.covered, cutouts.offset, 0).max(axis=0)
    far = (offset > 55) & (offset < 75)
    return {
        "recentre-x": full & truncated_x & ~truncated_y & far,
        "recentre-y": full & truncated_y & ~truncated_x & far,
        "rejected-nan": single & ((cutouts.nan_share == 1) & cutouts.covered).any(axis=0),
        "blank": full & ~truncated_x & ~truncated_y,
    }
