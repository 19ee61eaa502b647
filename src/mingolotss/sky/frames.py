"""Frames of the sky that headers use, and the way from and to ICRS.

>>> import numpy as np
>>> frame = celestial_frame("GLON", "", None)
>>> lon, lat = from_icrs(frame, np.array([266.0]), np.array([-28.9]))
>>> float(lon[0].round(3)), float(lat[0].round(3))
(359.846, 0.321)
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mingolotss.sky.angles import Floats

if TYPE_CHECKING:
    from astropy.coordinates import BaseCoordinateFrame

__all__ = ["celestial_frame", "from_icrs", "to_icrs"]

_AXES = {"RA": ("RA---TAN", "DEC--TAN"), "GLON": ("GLON-TAN", "GLAT-TAN")}


@lru_cache(maxsize=1024)
def celestial_frame(
    longitude: str, radesys: str, equinox: float | None
) -> BaseCoordinateFrame | None:
    """Return the frame of a header, or None for ICRS (FITS standard 4.0, section 8.3, Table 24).

    Parameters
    ----------
    longitude : str
        Type of the longitude axis: RA, GLON, ...
    radesys : str
        Reference system, empty if the header has none.
    equinox : float or None
        Year.

    Raises
    ------
    ValueError
        The frame is not known.
    """
    if longitude == "RA" and radesys == "ICRS":
        return None  # as for nearly all images, which then need no more of astropy
    from astropy.coordinates import FK4, FK5, ICRS, FK4NoETerms, Galactic
    from astropy.wcs import WCS
    from astropy.wcs.utils import wcs_to_celestial_frame

    # Of ecliptic axes with RADESYS, astropy says that they are right ascension and declination.
    if longitude not in _AXES:
        raise ValueError(f"its coordinates are of a kind that is not read ({longitude})")
    # The frame does not depend on the projection, and some projections need parameters.
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = _AXES[longitude]
    wcs.wcs.radesys = radesys
    if equinox is not None:
        wcs.wcs.equinox = equinox
    try:
        frame = wcs_to_celestial_frame(wcs)
    except ValueError:
        frame = None
    # All other frames move, or are not of the sky.
    if type(frame) not in (ICRS, FK4, FK4NoETerms, FK5, Galactic):
        raise ValueError(f"its reference system is not known (RADESYS {radesys!r})")
    return None if isinstance(frame, ICRS) else frame


def from_icrs(frame: BaseCoordinateFrame | None, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Return longitude and latitude of ICRS positions (deg) in a frame; None is ICRS."""
    if frame is None:
        return ra, dec
    from astropy.coordinates import ICRS

    return _change_frame(ICRS(), frame, ra, dec)


def to_icrs(frame: BaseCoordinateFrame | None, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return ICRS positions (deg) of longitude and latitude in a frame; None is ICRS."""
    if frame is None:
        return lon % 360.0, lat
    from astropy.coordinates import ICRS

    return _change_frame(frame, ICRS(), lon, lat)


def _change_frame(
    start: BaseCoordinateFrame, end: BaseCoordinateFrame, lon: Floats, lat: Floats
) -> tuple[Floats, Floats]:
    from astropy.coordinates import SkyCoord

    position = SkyCoord(lon, lat, unit="deg", frame=start).transform_to(end)
    return position.spherical.lon.deg, position.spherical.lat.deg
