"""The WCS of a part of an image as FITS cards: for windows, and for windows of averaged pixels.

All cards but CRPIX are those of the image, so that the stamps of one image share a text, and the
position of a stamp is two numbers. The result is exact for every projection and for distortions
that cards can describe (SIP, TPV, TNX, ZPX). Other images, with tables of distortions in further
HDUs or with a plate solution, get a tangential projection that is fitted to their positions under
the stamp, and its largest error.

>>> from mingolotss.sky.celestial import celestial_wcs
>>> from mingolotss.sky.wcs_cards import read_wcs_cards
>>> lines = "CTYPE1  = 'RA---SIN'", "CTYPE2  = 'DEC--SIN'", "CDELT1  = -0.1", "CRPIX1  = 200.0"
>>> header = "".join(line.ljust(80) for line in lines).encode()
>>> cards = reference_cards(celestial_wcs(read_wcs_cards(header)))
>>> print(cards.text(factor=10))
CTYPE1  = 'RA---SIN'
CTYPE2  = 'DEC--SIN'
CDELT1  = -1.0
CDELT2  = 10.0
>>> place_in_window(np.array([cards.crpix1] * 2), np.array([100.0] * 2), np.array([1, 10]))
array([100.  ,  10.45])
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mingolotss.model import Ints, Sky
from mingolotss.sky.angles import Floats, separation_arcsec
from mingolotss.sky.celestial import CelestialWCS, write_value
from mingolotss.sky.wcs_cards import PLATE_KEYWORDS

__all__ = [
    "FittedCards",
    "ReferenceCards",
    "fit_cards",
    "place_in_window",
    "reference_cards",
]

_CD = re.compile(r"CD[12]_[12]")
_PIXELS_PER_AXIS = re.compile(rf"CDELT[12]|{_CD.pattern}")
_SIP_TERM = re.compile(r"[AB]P?_(\d)_(\d)")
_GRID = 9  # points on a side of the stamp to which a WCS is fitted
_Values = tuple[tuple[str, float | str], ...]


@dataclass(frozen=True, slots=True)
class ReferenceCards:
    """The cards of two celestial axes, and the reference pixel of the whole image.

    Attributes
    ----------
    values : tuple of (keyword, value)
        Without CRPIX.
    records : tuple of bytes
        Further cards, of polynomials.
    crpix1, crpix2 : float, px from 1
    can_bin : bool
        Whether the cards can be those of larger pixels.
    """

    values: _Values
    records: tuple[bytes, ...]
    crpix1: float
    crpix2: float
    can_bin: bool

    def averaged(self, factor: int) -> ReferenceCards:
        """Return the cards for pixels that are means of `factor` x `factor`; CRPIX stays."""
        if factor == 1:
            return self
        return replace(self, values=_averaged(self.values, factor))

    def text(self, factor: int = 1) -> str:
        """Return the cards one per line, for pixels that are means of `factor` x `factor`."""
        return _text(self.values, self.records, factor)


@dataclass(frozen=True, slots=True)
class FittedCards:
    """A WCS that was fitted to a part of an image.

    Attributes
    ----------
    text : str
        As `ReferenceCards.text`.
    crpix1, crpix2 : float, px from 1
        In the stamp.
    error_arcsec : float
        The largest distance between its positions and those of the image.
    """

    text: str
    crpix1: float
    crpix2: float
    error_arcsec: float


def reference_cards(celestial: CelestialWCS) -> ReferenceCards | None:
    """Return the cards of an image, None if no cards describe a part of it."""
    values, records = celestial.values, celestial.records
    keywords = tuple(values)
    if not celestial.is_complete or _has_plate(keywords):
        return None
    crpix1, crpix2 = (float(values.get(keyword, 0.0)) for keyword in ("CRPIX1", "CRPIX2"))
    others = tuple([item for item in values.items() if item[0] not in ("CRPIX1", "CRPIX2")])
    can_bin = _can_bin(keywords, bool(records))
    return ReferenceCards(others, tuple(records), crpix1, crpix2, can_bin)


@lru_cache(maxsize=256)
def _has_plate(keywords: tuple[str, ...]) -> bool:
    return not PLATE_KEYWORDS.isdisjoint(keywords)


@lru_cache(maxsize=256)
def _can_bin(keywords: tuple[str, ...], has_records: bool) -> bool:
    # wcslib applies the polynomials of a projection before CDELT, to pixels, and after CD, to deg.
    has_polynomials = has_records or any(name.startswith("PV1_") for name in keywords)
    return not has_polynomials or any(_CD.fullmatch(name) for name in keywords)


def place_in_window(crpix: Floats, start: Floats, factor: Ints) -> Floats:
    """Return the reference pixels of windows of images; the arrays are broadcast.

    Parameters
    ----------
    crpix : float64 array, px from 1
        Of the image.
    start : float64 array, px from 0
        The first pixel of the window in the image.
    factor : int64 array
        Pixels of the image, along an axis, for each pixel of the window.
    """
    # The centre of the first block of pixels is (factor - 1) / 2 pixels after its first pixel. In
    # this form the place is exact where nothing is averaged.
    place: Floats = (crpix - start - 1 - (factor - 1) / 2) / factor + 1
    return place


@lru_cache(maxsize=1024)
def _text(values: _Values, records: tuple[bytes, ...], factor: int) -> str:
    """Return cards one per line."""
    cards = _averaged(values, factor)
    lines = [f"{keyword:8}= {write_value(value).rstrip()}" for keyword, value in cards]
    return "\n".join([*lines, *(record.decode().rstrip() for record in records)])


def _averaged(values: _Values, factor: int) -> _Values:
    """Return the cards of larger pixels, which change the scale, and polynomials in pixels."""
    cards = dict(values)
    if factor > 1:
        has_cd = any(_CD.fullmatch(keyword) for keyword in cards)
        for keyword in () if has_cd else ("CDELT1", "CDELT2"):
            cards.setdefault(keyword, 1.0)
        for keyword, value in cards.items():
            if isinstance(value, str):
                continue
            if _PIXELS_PER_AXIS.fullmatch(keyword):
                cards[keyword] = value * factor
            elif match := _SIP_TERM.fullmatch(keyword):  # pixels, of powers of pixels
                cards[keyword] = value * factor ** (int(match[1]) + int(match[2]) - 1.0)
    return tuple(cards.items())


def fit_cards(wcs: Sky, x0: float, y0: float, side: int, factor: int = 1) -> FittedCards | None:
    """Fit a tangential projection to a window of an image.

    Parameters
    ----------
    wcs : Sky
        Of the image.
    x0, y0 : float, px from 0
        The first pixel of the window in the image.
    side : int
        Pixels of the window, after averaging.
    factor : int
        Pixels of the image, along an axis, for each pixel of the window.

    Returns
    -------
    FittedCards or None
        None if fewer than three points of the window have a position.
    """
    # The positions are projected onto the plane that touches the sky in the middle (Calabretta &
    # Greisen 2002, section 5.1.3), and a linear function of the pixels is fitted there.
    steps = np.linspace(0, side - 1, _GRID)
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    to_image = (factor - 1) / 2
    ra, dec = wcs.to_sky(x0 + x * factor + to_image, y0 + y * factor + to_image)
    known = np.isfinite(ra) & np.isfinite(dec)
    if np.count_nonzero(known) < 3:
        return None
    x, y, ra, dec = x[known], y[known], ra[known], dec[known]
    middle = int(np.argmin(np.hypot(x - side / 2, y - side / 2)))
    ra0, dec0 = float(ra[middle]), float(dec[middle])
    xi, eta = _to_plane(ra, dec, ra0, dec0)
    terms = np.column_stack([x, y, np.ones_like(x)])
    plane = np.column_stack([xi, eta])
    (cd11, cd21), (cd12, cd22), (xi0, eta0) = np.linalg.lstsq(terms, plane, rcond=None)[0]
    determinant = cd11 * cd22 - cd12 * cd21
    if not determinant:
        return None
    crpix1 = (cd12 * eta0 - cd22 * xi0) / determinant + 1
    crpix2 = (cd21 * xi0 - cd11 * eta0) / determinant + 1
    xi, eta = (terms @ np.array([[cd11, cd21], [cd12, cd22], [xi0, eta0]])).T
    fitted = _from_plane(xi, eta, ra0, dec0)
    error = float(separation_arcsec(ra, dec, *fitted).max())
    values: _Values = (
        ("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CRVAL1", ra0), ("CRVAL2", dec0),
        ("CD1_1", float(cd11)), ("CD1_2", float(cd12)), ("CD2_1", float(cd21)),
        ("CD2_2", float(cd22)), ("RADESYS", "ICRS"),
    )  # fmt: skip
    return FittedCards(_text(values, (), 1), float(crpix1), float(crpix2), error)


def _to_plane(ra: Floats, dec: Floats, ra0: float, dec0: float) -> tuple[Floats, Floats]:
    """Project positions onto the plane that touches the sky at (ra0, dec0); all in deg."""
    delta, lat, lat0 = np.radians(ra - ra0), np.radians(dec), math.radians(dec0)
    depth = math.sin(lat0) * np.sin(lat) + math.cos(lat0) * np.cos(lat) * np.cos(delta)
    xi = np.cos(lat) * np.sin(delta) / depth
    eta = (math.cos(lat0) * np.sin(lat) - math.sin(lat0) * np.cos(lat) * np.cos(delta)) / depth
    return np.degrees(xi), np.degrees(eta)


def _from_plane(xi: Floats, eta: Floats, ra0: float, dec0: float) -> tuple[Floats, Floats]:
    """Return the positions of points of the plane; all in deg."""
    x, y, lat0 = np.radians(xi), np.radians(eta), math.radians(dec0)
    across = math.cos(lat0) - y * math.sin(lat0)
    ra = ra0 + np.degrees(np.arctan2(x, across))
    lat = np.arctan2(math.sin(lat0) + y * math.cos(lat0), np.hypot(x, across))
    return ra % 360.0, np.degrees(lat)
