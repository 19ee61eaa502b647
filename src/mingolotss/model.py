"""The basic types: a source, a candidate, a cutout, and names for arrays.

All classes are immutable. Positions are ICRS in degrees, pixel centres are integers from 0, and
arrays have the shape ``(ny, nx)`` and the unit Jy/beam unless stated otherwise. The program passes
whole catalogues as columns (`mingolotss.catalogue.catalogue.Catalogue`); these classes stand for
single rows, for users and plug-ins.

>>> Source(row=0, name="ILTJ104416.22+524037.3", ra=161.0676, dec=52.677).label is None
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bools",
    "Candidate",
    "Cutout",
    "EqualWithNaN",
    "FloatImage",
    "Floats",
    "Ints",
    "Objects",
    "Sky",
    "Source",
]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FloatImage = npt.NDArray[np.floating[Any]]
Objects = npt.NDArray[np.object_]


class EqualWithNaN:
    """A base of dataclasses of scalars (``eq=False``) in which NaN is equal to NaN.

    NaN stands for what is not known, so that two of them that say the same are equal. Since Python
    3.13, a dataclass with a NaN is not even equal to itself.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Return whether all fields are equal."""
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        """Return a number that is the same for equal values."""
        return hash(self._values())

    def _values(self) -> tuple[object, ...]:
        values = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return tuple("NaN" if value != value else value for value in values)  # noqa: PLR0124


@dataclass(frozen=True, slots=True, eq=False)
class Source(EqualWithNaN):
    """One row of the catalogue.

    Attributes
    ----------
    row : int
        Index of the row in the catalogue, from 0.
    name : str
        The name in the catalogue.
    ra, dec : float, deg, ICRS
        The position.
    label : int or None
        None in an unlabelled dataset, and for a source without a class.
    size_arcsec, flux_mjy : float
        NaN if the catalogue does not give them.
    field_hint : str
        The field that the catalogue names for the source (LoTSS ``Mosaic_ID``); "" if none.

    Examples
    --------
    >>> import mingolotss
    >>> source = mingolotss.read_catalogue("demo/sky/catalogue.fits").source(0)
    >>> source.row, source.name
    (0, 'ILTJ133432.21+555713.8')
    """

    row: int
    name: str
    ra: float
    dec: float
    label: int | None = None
    size_arcsec: float = math.nan
    flux_mjy: float = math.nan
    field_hint: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image whose footprint contains the position of a source.

    Attributes
    ----------
    field : str
        The survey's name of the area, e.g. ``P205+55``; "" if the images have no fields.
    image, rms : str
        Path or URL of the image and of its rms map ("" if it has none).
    source : str
        Name of the source.

    Examples
    --------
    >>> from mingolotss import Candidate
    >>> Candidate("P205+55", "P205+55-mosaic.fits", "P205+55-mosaic-rms.fits").field
    'P205+55'
    """

    field: str
    image: str
    rms: str = ""
    source: str = ""


class Sky(Protocol):
    """The position of an image on the sky, as `mingolotss.sky.wcs.SkyWCS` implements it."""

    pixel_scale_arcsec: float

    @property
    def header(self) -> str:
        """Return the cards of the header, one per line."""

    @property
    def beam(self) -> tuple[float, float, float] | None:
        """Return major and minor axis (FWHM, arcsec) and position angle (deg), if known."""

    def to_pixel(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return x and y, pixels from 0, of ICRS positions in deg; NaN where there is no pixel."""

    def to_sky(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return ICRS ra and dec, deg, of pixel positions from 0; NaN off the projection."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """Pixels around a source, on the image's own grid.

    Attributes
    ----------
    image : float array, shape (ny, nx), Jy/beam
        NaN marks a pixel that was not observed. May be a view of a mosaic, in any byte order.
    rms : float array, shape (ny, nx), Jy/beam, or None
        Local noise; None if the service has no rms map.
    wcs : Sky
        Of the image that contains the cutout.
    origin : tuple of int
        (x, y) of the cutout's first pixel in that image.
    sha256, rms_sha256 : str
        Checksums of the files; "" if the cutout is not a file of its own.
    fully_observed : bool
        Whether every pixel of the image is known to be finite, and one known not to be 0. False
        means that it is unknown.
    file : str
        Name of the local file, if it differs from the end of the candidate's address.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> import mingolotss
    >>> service = mingolotss.open_service("simulated:demo/sky")
    >>> position = SkyCoord(203.634, 55.954, unit="deg")
    >>> [candidate] = service.search(position, 6 * u.arcmin)
    >>> cutout = service.cutout(candidate, position, 6 * u.arcmin)
    >>> cutout.image.shape == cutout.rms.shape == (240, 240)
    True
    """

    image: FloatImage
    rms: FloatImage | None
    wcs: Sky
    origin: tuple[int, int] = (0, 0)
    sha256: str = ""
    rms_sha256: str = ""
    fully_observed: bool = False
    file: str = ""
