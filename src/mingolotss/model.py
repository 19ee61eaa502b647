"""The words of the program: what passes from one layer to the next.

Everything here is frozen. Positions are ICRS in degrees, pixel centres are integers from 0,
arrays are ``(ny, nx)`` in Jy/beam unless said otherwise. Whole catalogues travel as columns
(`mingolotss.catalogue.catalogue.Catalogue`); these classes are one row of them, for people and
plug-ins.

>>> Source(row=0, name="ILTJ104416.22+524037.3", ra=161.0676, dec=52.677).label is None
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bools",
    "Candidate",
    "Cutout",
    "FloatImage",
    "Floats",
    "Ints",
    "Objects",
    "Record",
    "Rejection",
    "Sky",
    "Source",
    "Stamp",
]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FloatImage = npt.NDArray[np.floating[Any]]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the catalogue.

    Attributes
    ----------
    row : int
        Place in the catalogue, from 0.
    name : str
    ra, dec : float, deg, ICRS
    label : int or None
        None in an unlabelled dataset.
    size_arcsec, flux_mjy : float
        NaN where the catalogue does not say.
    field_hint : str
        The field that the catalogue itself names (LoTSS ``Mosaic_ID``), "" if none.
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
    """An image that holds a source's position.

    Attributes
    ----------
    field : str
        The survey's name of the area, e.g. ``P205+55``; "" where images have no field.
    image, rms : str
        Address of the image and of its rms map ("" if it has none): a path or a URL.
    source : str
        Name of the source it was found for.
    """

    field: str
    image: str
    rms: str = ""
    source: str = ""


class Sky(Protocol):
    """An image's place on the sky, as `mingolotss.sky.wcs.SkyWCS` is one."""

    pixel_scale_arcsec: float

    @property
    def header(self) -> str:
        """Return the header's cards, one a line."""

    @property
    def beam(self) -> tuple[float, float, float] | None:
        """Return major and minor axis (FWHM, arcsec) and position angle (deg), None if unsaid."""

    def to_pixel(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return x and y, pixels from 0, of ICRS places in deg; NaN where there is no pixel."""

    def to_sky(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return ICRS ra and dec, deg, of pixel positions from 0; NaN off the projection."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """Pixels around a source, on the image's own grid.

    Attributes
    ----------
    image : float array, shape (ny, nx), Jy/beam
        NaN marks a pixel that was never observed. May be a view into a mosaic, any byte order.
    rms : float array, shape (ny, nx), Jy/beam, or None
        Local noise; None where the service has no rms map.
    wcs : Sky
        Of the image that the cutout comes from.
    origin : tuple of int
        (x, y) of the cutout's first pixel in that image.
    sha256, rms_sha256 : str
        Of the files read; "" where no file stands for just this cutout.
    fully_observed : bool
        The service knows that every pixel of the image is finite and that not all are 0. False
        means unknown.
    file : str
        Name of the image's file here, if it is not the end of the candidate's address.
    """

    image: FloatImage
    rms: FloatImage | None
    wcs: Sky
    origin: tuple[int, int] = (0, 0)
    sha256: str = ""
    rms_sha256: str = ""
    fully_observed: bool = False
    file: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A finished image: fixed size, the source in the centre.

    Attributes
    ----------
    pixels : array, shape (side, side)
        uint8, or float32 in Jy/beam, as the recipe says. Row 0 is FITS row 0.
    blank : bool
        Nothing was left after clipping.
    noise_jy, peak_jy : float, Jy/beam
        Median noise under the stamp; brightest pixel before normalisation.
    """

    pixels: npt.NDArray[Any]
    blank: bool
    noise_jy: float
    peak_jy: float


@dataclass(frozen=True, slots=True)
class Record:
    """A source that has a stamp: one row of the manifest with status ``written``."""

    source: Source
    candidate: Candidate
    stamp: Stamp
    case: int
    separation_arcsec: float
    percent_nan: float
    flags: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A source that has no stamp: where it was lost, and why.

    Attributes
    ----------
    source : Source
    stage : str
        ``search``, ``fetch``, ``validate``, ``choose`` or ``stamp``.
    reason : str
        One line for a person.
    """

    source: Source
    stage: str
    reason: str
