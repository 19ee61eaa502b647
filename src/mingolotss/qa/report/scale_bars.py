"""The lengths of scale bars, for stamps and for cutouts.

>>> longest_bar(225.0), longest_bar(0.1)
(30, None)
"""

from __future__ import annotations

__all__ = ["LENGTHS_ARCSEC", "longest_bar"]

LENGTHS_ARCSEC = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600, 7200, 18000,
)  # fmt: skip
_ROOM, _SHORTEST = 1 / 4, 1 / 25  # of the width of a picture


def longest_bar(width_arcsec: float) -> float | None:
    """Return the length of a bar of up to a quarter of a picture, arcsec; None if there is none."""
    room = _ROOM * width_arcsec
    length = max((length for length in LENGTHS_ARCSEC if length <= room), default=0)
    return length if 0 < length >= _SHORTEST * width_arcsec else None
