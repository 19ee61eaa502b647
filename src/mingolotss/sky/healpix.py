"""Places on the sky as HEALPix numbers, to put neighbours side by side.

Only the order matters here, so these few lines stand in for a HEALPix library and the tests hold
them to one.

>>> nested_pixel([10.0, 10.01, 200.0], [30.0, 30.01, -60.0], order=6).tolist()
[20309, 20309, 41707]
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["nested_pixel"]


def nested_pixel(ra: npt.ArrayLike, dec: npt.ArrayLike, order: int = 12) -> npt.NDArray[np.int64]:
    """Return the number of the HEALPix pixel that holds each place, nested scheme.

    Parameters
    ----------
    ra, dec : float array, deg, ICRS
    order : int
        The sky has ``12 * 4**order`` pixels; 12 makes them 52 arcsec wide.

    Returns
    -------
    int64 array
        Numbers near each other are places near each other (Gorski et al. 2005, ApJ 622, 759,
        section 4; NESTED numbering).
    """
    side = 1 << order
    z = np.sin(np.deg2rad(np.asarray(dec, float)))
    quarter = (np.asarray(ra, float) % 360.0) / 90.0  # 0 <= quarter < 4
    polar = np.abs(z) > 2 / 3
    face, x, y = (
        np.where(polar, cap, belt)
        for cap, belt in zip(_cap(z, quarter, side), _belt(z, quarter, side), strict=True)
    )
    return face * side * side + _spread(x) + 2 * _spread(y)


def _belt(
    z: npt.NDArray[np.float64], quarter: npt.NDArray[np.float64], side: int
) -> list[npt.NDArray[np.int64]]:
    """Return base pixel, x and y in it, of places with |z| <= 2/3."""
    rising = np.floor(side * (0.5 + quarter - 0.75 * z)).astype(np.int64)
    falling = np.floor(side * (0.5 + quarter + 0.75 * z)).astype(np.int64)
    up, down = rising // side, falling // side
    face = np.where(up == down, up % 4 + 4, np.where(up < down, up % 4, down % 4 + 8))
    return [face, falling % side, side - 1 - rising % side]


def _cap(
    z: npt.NDArray[np.float64], quarter: npt.NDArray[np.float64], side: int
) -> list[npt.NDArray[np.int64]]:
    """Return base pixel, x and y in it, of places near the poles."""
    base = np.minimum(np.floor(quarter), 3).astype(np.int64)
    along = quarter - base
    reach = side * np.sqrt(3 * np.maximum(1 - np.abs(z), 0))
    first = np.minimum((along * reach).astype(np.int64), side - 1)
    second = np.minimum(((1 - along) * reach).astype(np.int64), side - 1)
    north = z >= 0
    return [
        np.where(north, base, base + 8),
        np.where(north, side - 1 - second, first),
        np.where(north, side - 1 - first, second),
    ]


def _spread(bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Put a zero after every bit (Morton order)."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        bits = (bits | (bits << shift)) & mask
    return bits
