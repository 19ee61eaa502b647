"""Frames of the sky that headers use, and the way from and to ICRS.

>>> frame = celestial_frame("GLON-ZPN", "GLAT-ZPN", "", None)
>>> lon, lat = from_icrs(frame, np.array([266.405]), np.array([-28.936]))
>>> float(lon[0].round(3)) % 360, float(lat[0].round(3))
(0.0, -0.0)
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BaseCoordinateFrame,
    FK4NoETerms,
    Galactic,
    SkyCoord,
)
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from mingolotss.sky.angles import Floats

__all__ = ["celestial_frame", "from_icrs", "to_icrs"]

_FRAMES = (ICRS, FK4, FK4NoETerms, FK5, Galactic)  # all others move, or are not of the sky
_KNOWN_AXES = ({"RA--", "DEC-"}, {"GLON", "GLAT"})
_AXIS = 5  # the characters of CTYPE before the code of the projection


@lru_cache(maxsize=1024)
def celestial_frame(
    ctype1: str, ctype2: str, radesys: str, equinox: float | None
) -> BaseCoordinateFrame | None:
    """Return the frame of a header, or None for ICRS (FITS standard 4.0, section 8.3, Table 24).

    Parameters
    ----------
    ctype1, ctype2 : str
        Types of the two celestial axes.
    radesys : str
        Reference system, empty if the header has none.
    equinox : float or None
        Year.

    Raises
    ------
    ValueError
        The frame is not known.
    """
    # astropy takes the axes for right ascension and declination wherever RADESYS is one of their
    # systems, also ecliptic ones.
    axes = {ctype[: _AXIS - 1] for ctype in (ctype1, ctype2)}
    if axes not in _KNOWN_AXES:
        raise ValueError(f"its frame is not read ({ctype1}, {ctype2})")
    wcs = WCS(naxis=2)
    # Some projections cannot be set up without their parameters, and the frame does not depend on
    # the projection.
    wcs.wcs.ctype = [f"{ctype[:_AXIS]}TAN" for ctype in (ctype1, ctype2)]
    wcs.wcs.radesys = radesys
    if equinox is not None:
        wcs.wcs.equinox = equinox
    try:
        frame = wcs_to_celestial_frame(wcs)
    except ValueError:
        frame = None
    if not isinstance(frame, _FRAMES):
        raise ValueError(f"its frame is not known (RADESYS {radesys!r})")
    return None if isinstance(frame, ICRS) else frame


def from_icrs(
    frame: BaseCoordinateFrame | None, ra: Floats, dec: Floats
) -> tuple[Floats, Floats]:
    """Return longitude and latitude of ICRS positions (deg) in a frame; None is ICRS."""
    return (ra, dec) if frame is None else _change_frame(ICRS(), frame, ra, dec)


def to_icrs(frame: BaseCoordinateFrame | None, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return ICRS positions (deg) of longitude and latitude in a frame; None is ICRS."""
    return (lon % 360.0, lat) if frame is None else _change_frame(frame, ICRS(), lon, lat)


def _change_frame(
    start: BaseCoordinateFrame, end: BaseCoordinateFrame, lon: Floats, lat: Floats
) -> tuple[Floats, Floats]:
    position = SkyCoord(lon, lat, unit="deg", frame=start).transform_to(end)
    return position.spherical.lon.deg, position.spherical.lat.deg
