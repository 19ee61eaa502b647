"""The beam of an image: its axes and position angle, as text, and on the pixels of an image.

A Gaussian beam is described by a covariance, so that the beam of a convolved image is a sum, and
the beam on the pixels of an image is a change of axes.

>>> parse_beam("0.15 arcmin"), str(parse_beam("12 x 9 arcsec, 225 deg"))
(Beam(major_arcsec=9.0, minor_arcsec=9.0, pa_deg=0.0), '12 x 9 arcsec, 45 deg')
>>> parse_beam("9 parsec")
Traceback (most recent call last):
    ...
ValueError: '9 parsec' is no beam; write "9 arcsec", or "12 x 9 arcsec, 45 deg" with the position
angle of the major axis, east of north
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mingolotss.model import Floats, Sky
from mingolotss.sky.angles import position_angle, separation_arcsec

__all__ = [
    "FWHM",
    "Beam",
    "beam_covariance",
    "beam_of_covariance",
    "parse_beam",
    "pixel_covariances",
]

FWHM = math.sqrt(8 * math.log(2))
"""Of a Gaussian, in standard deviations."""

_UNITS = {"arcsec": 1.0, '"': 1.0, "arcmin": 60.0, "'": 60.0, "deg": 3600.0, "mas": 1e-3}
_NUMBER, _UNIT = r"(\d+(?:\.\d*)?(?:[eE][-+]?\d{1,2})?|\.\d+)", r"(arcsec|arcmin|deg|mas|\"|')"
_BEAM = re.compile(
    rf"{_NUMBER}\s*{_UNIT}?(?:\s*[xX\u00d7]\s*{_NUMBER}\s*{_UNIT})?"
    rf"(?:\s*,\s*([-+]?){_NUMBER}\s*deg)?"
)
_POLAR = 80.0  # deg; below, differences of the coordinates are exact to 1e-4
_SMALLEST, _LARGEST = 1e-3, 36_000.0  # arcsec


class Beam(NamedTuple):
    """An elliptical Gaussian beam.

    Attributes
    ----------
    major_arcsec, minor_arcsec : float, arcsec
        FWHM.
    pa_deg : float, deg
        Position angle of the major axis, east of north.
    """

    major_arcsec: float
    minor_arcsec: float
    pa_deg: float = 0.0

    def __str__(self) -> str:
        """Return the beam as `parse_beam` reads it, with six digits."""
        if f"{self.major_arcsec:.6g}" == f"{self.minor_arcsec:.6g}":
            return f"{self.major_arcsec:.6g} arcsec"
        return f"{self.major_arcsec:.6g} x {self.minor_arcsec:.6g} arcsec, {self.pa_deg:.6g} deg"

    @property
    def area(self) -> float:
        """Return the product of the axes, arcsec^2; the solid angle is 1.133 times as large."""
        return self.major_arcsec * self.minor_arcsec

    @property
    def covariance(self) -> Floats:
        """Return the covariance for the axes east and north, shape (2, 2), arcsec^2."""
        return beam_covariance(*self)


def parse_beam(text: str) -> Beam:
    """Read a beam as a recipe writes it.

    Parameters
    ----------
    text : str
        ``9 arcsec``, ``0.15 arcmin`` or ``12 x 9 arcsec, 45 deg``; the units are arcsec, arcmin,
        deg and mas.

    Raises
    ------
    ValueError
        It is no beam, or not one of a possible size.
    """
    match = _BEAM.fullmatch(text.strip())
    if match is None or not (match[2] or match[4]):
        raise ValueError(
            f'{text!r} is no beam; write "9 arcsec", or "12 x 9 arcsec, 45 deg" with the position '
            "angle of the major axis, east of north"
        )
    first, first_unit, second, second_unit, sign, angle = match.groups()
    major = float(first) * _UNITS[first_unit or second_unit]
    minor = float(second) * _UNITS[second_unit] if second else major
    if not (minor >= _SMALLEST and major <= _LARGEST):
        raise ValueError(
            f"the axes of the beam {text!r} are not between {_SMALLEST:g} arcsec and "
            f"{_LARGEST / 3600:g} deg"
        )
    if minor > major:
        raise ValueError(f"the first axis of the beam {text!r} is the major one, and is smaller")
    if minor == major:
        return Beam(major, minor)
    if angle is None:
        raise ValueError(
            f"the beam {text!r} is no circle and needs the position angle of its major axis, east "
            f'of north: "{text.strip()}, 45 deg"'
        )
    return Beam(major, minor, float(sign + angle) % 180)


def beam_covariance(major: float, minor: float, pa_deg: float = 0.0) -> Floats:
    """Return the covariance of a Gaussian beam for the axes east and north.

    Parameters
    ----------
    major, minor : float
        FWHM, in any unit; the covariance is in its square.
    pa_deg : float, deg
        Position angle of the major axis, east of north.
    """
    sine, cosine = math.sin(math.radians(pa_deg)), math.cos(math.radians(pa_deg))
    axes = np.array([[sine, cosine], [cosine, -sine]])  # columns: the major axis, the minor axis
    covariance: Floats = axes @ np.diag([(major / FWHM) ** 2, (minor / FWHM) ** 2]) @ axes.T
    return covariance


def beam_of_covariance(covariance: Floats) -> Beam:
    """Return the beam with a covariance for the axes east and north, arcsec^2.

    Examples
    --------
    >>> beam = beam_of_covariance(beam_covariance(12.0, 9.0, 45.0))
    >>> [round(value, 6) for value in beam]
    [12.0, 9.0, 45.0]
    """
    (minor, major), axes = np.linalg.eigh(covariance)
    pa = math.degrees(math.atan2(axes[0, 1], axes[1, 1])) % 180
    return Beam(FWHM * math.sqrt(major), FWHM * math.sqrt(minor), pa)


def pixel_covariances(covariance: Floats, wcs: Sky, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """Return the covariance of a beam for the axes x and y of an image, at n of its pixels.

    The orientation of the pixels is that of the WCS there: far from the centre of a projection,
    north is not where the y axis points.

    Parameters
    ----------
    covariance : float64 array, shape (2, 2) or (n, 2, 2), arcsec^2
        For the axes east and north.
    wcs : Sky
    x, y : float array, shape (n,), px from 0

    Returns
    -------
    float64 array, shape (n, 2, 2), px^2
        Where the WCS has no position, that of square pixels with north up and east to the left.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    # How far east and north one step along x and y leads: columns of the matrix `steps`, arcsec.
    ra, dec = wcs.to_sky(x[:, None] + [0, 1, 0], y[:, None] + [0, 0, 1])
    east = ((ra[:, 1:] - ra[:, :1] + 180) % 360 - 180) * np.cos(np.radians(dec[:, :1]))
    steps = np.stack([east, dec[:, 1:] - dec[:, :1]], axis=1) * 3600
    polar = np.abs(dec[:, 0]) > _POLAR  # one step can lead through many hours of right ascension
    if polar.any():
        ends = ra[polar, :1], dec[polar, :1], ra[polar, 1:], dec[polar, 1:]
        length, angle = separation_arcsec(*ends), np.radians(position_angle(*ends))
        steps[polar] = np.stack([length * np.sin(angle), length * np.cos(angle)], axis=1)
    with np.errstate(all="ignore"):
        unknown = ~(np.abs(np.linalg.det(steps)) > 1e-12)
    if unknown.any():
        steps[unknown] = np.diag([-1.0, 1.0]) * wcs.pixel_scale_arcsec
    to_pixels = np.linalg.inv(steps)
    covariances: Floats = to_pixels @ covariance @ to_pixels.transpose(0, 2, 1)
    return covariances
