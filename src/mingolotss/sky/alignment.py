"""Whether two images of one size, an image and its rms map, show the same piece of sky.

>>> from mingolotss.sky.wcs import SkyWCS, simple_header
>>> headers = [simple_header(ra, 0.0, shape=(9, 9), scale_arcsec=3600.0) for ra in (10.0, 12.0)]
>>> has_same_wcs(headers[0], headers[0] + b"BUNIT   = 'Jy'".ljust(80)), has_same_wcs(*headers)
(True, False)
>>> displacement(*map(SkyWCS.from_header, headers), (9, 9)).__round__(3)
2.0
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mingolotss.model import Sky
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.fits_header import header_cards
from mingolotss.sky.similar_headers import MAX_KINDS, split_header
from mingolotss.sky.wcs_cards import read_wcs_cards

__all__ = ["displacement", "has_same_wcs"]


def has_same_wcs(header: bytes, other: bytes) -> bool:
    """Return whether no card of the WCS is in one of two headers only."""
    if header == other:
        return True
    first, second = split_header(header), split_header(other)
    if first.starts and first[1:] == second[1:]:
        return _have_same_rest(first.rest, second.rest)
    return _have_same_cards(header, other)


def _have_same_cards(header: bytes, other: bytes) -> bool:
    differing = set(header_cards(header)) ^ set(header_cards(other))
    return not read_wcs_cards(b"".join(differing)).values


_have_same_rest = lru_cache(maxsize=MAX_KINDS)(_have_same_cards)


def displacement(wcs: Sky, other: Sky, shape: tuple[int, int]) -> float:
    """Return how far apart on the sky the same pixel of two images is.

    Parameters
    ----------
    wcs, other : Sky
    shape : (int, int)
        Rows and columns of both images.

    Returns
    -------
    float, px
        The largest distance at the centre and the four corners; 0 where one of the images has no
        position.
    """
    right, top = shape[1] - 1, shape[0] - 1
    x = np.array([right / 2, 0, right, 0, right])
    y = np.array([top / 2, 0, 0, top, top])
    with np.errstate(invalid="ignore"):
        arcsec = separation_arcsec(*wcs.to_sky(x, y), *other.to_sky(x, y))
    return float(np.nan_to_num(arcsec).max()) / wcs.pixel_scale_arcsec
