"""The grids of stamps: where each pixel of a stamp is on the sky.

The grid of a resampled stamp is a tangential projection (TAN) with the catalogue position on the
middle pixel, number ``side // 2`` from 0: `TangentGrids`. That of a stamp of whole pixels is the
grid of its image: `ImageGrids`. Both hold many stamps as columns.

>>> grids = TangentGrids(np.array([10.0]), np.array([90.0]), np.array([2.0]), np.array([0.0]), 150)
>>> ra, dec = grids.to_sky(np.array([0]), np.array([75.0, 75.0]), np.array([75.0, 74.0]))
>>> ra.round(6).tolist(), ((90 - dec) * 3600).round(6).tolist()
([[10.0, 10.0]], [[0.0, 2.0]])
>>> print(grids.cards(0).text())
CTYPE1  = 'RA---TAN'
CTYPE2  = 'DEC--TAN'
CRVAL1  = 10.0
CRVAL2  = 90.0
CDELT1  = -0.0005555555555555556
CDELT2  = 0.0005555555555555556
PC1_1   = 1.0
PC1_2   = 0.0
PC2_1   = 0.0
PC2_2   = 1.0
LONPOLE = 180.0
RADESYS = 'ICRS    '
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mingolotss.model import Ints, Sky
from mingolotss.sky.angles import Floats
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.reference_cards import ReferenceCards

__all__ = ["ImageGrids", "StampGrids", "StampSky", "TangentGrids"]


class StampGrids(Protocol):
    """The grids of n stamps of one size.

    Attributes
    ----------
    side : int, px
    """

    side: int

    def __len__(self) -> int: ...

    @property
    def pixel_scale_arcsec(self) -> Floats:
        """Return the side of a pixel of each stamp, shape (n,); NaN for one without a grid."""

    def to_sky(self, rows: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the positions of the same pixels of some stamps.

        Parameters
        ----------
        rows : int64 array, shape (k,)
            The stamps.
        x, y : float64 array, shape (p,), px from 0

        Returns
        -------
        ra, dec : float64 array, shape (k, p), deg, ICRS
            NaN off the projection, and for a stamp without a grid.
        """


@dataclass(frozen=True, slots=True)
class TangentGrids:
    """Tangential projections of their own, each centred on a position.

    Attributes
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
        The position on the middle pixel; NaN for a source without a stamp.
    pixel_scale_arcsec : float64 array, shape (n,)
    angle_deg : float64 array, shape (n,)
        The position angle of the direction that is up, from north to east.
    side : int, px
    """

    ra: Floats
    dec: Floats
    pixel_scale_arcsec: Floats
    angle_deg: Floats
    side: int

    def __len__(self) -> int:
        return len(self.ra)

    def to_sky(self, rows: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the positions of the same pixels of some stamps, as `StampGrids.to_sky`."""
        # Strategy: a point of the tangent plane is its centre plus offsets to the east and to the
        # north, as vectors in space. This has no exception at the poles or at RA 0 (Calabretta &
        # Greisen 2002, A&A 395, 1077, section 5.1.3, in vectors).
        step = np.radians(self.pixel_scale_arcsec[rows, None] / 3600)
        right, up = (x - self.side // 2) * step, (y - self.side // 2) * step
        angle = np.radians(self.angle_deg[rows, None])
        east = up * np.sin(angle) - right * np.cos(angle)
        north = up * np.cos(angle) + right * np.sin(angle)
        ra, dec = np.radians(self.ra[rows, None]), np.radians(self.dec[rows, None])
        outward = np.cos(dec) - north * np.sin(dec)  # from the axis of the Earth
        height = np.sin(dec) + north * np.cos(dec)
        longitude = np.degrees(ra + np.arctan2(east, outward)) % 360.0
        return longitude, np.degrees(np.arctan2(height, np.hypot(east, outward)))

    def cards(self, row: int) -> ReferenceCards:
        """Return the cards of one stamp's grid."""
        angle = math.radians(float(self.angle_deg[row]))
        step = float(self.pixel_scale_arcsec[row]) / 3600
        sine, cosine = math.sin(angle) + 0.0, math.cos(angle)
        # LONPOLE is 180 by default, but 0 at the pole: it is always written.
        values = (
            ("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"),
            ("CRVAL1", float(self.ra[row])), ("CRVAL2", float(self.dec[row])),
            ("CDELT1", -step), ("CDELT2", step), ("PC1_1", cosine), ("PC1_2", 0.0 - sine),
            ("PC2_1", sine), ("PC2_2", cosine), ("LONPOLE", 180.0), ("RADESYS", "ICRS"),
        )  # fmt: skip
        middle = self.side // 2 + 1.0
        return ReferenceCards(values, (), middle, middle, can_bin=True)

    def sky(self, row: int, facts: HeaderFacts) -> StampSky:
        """Return the grid of one stamp with what the header of its image says of the image."""
        return StampSky(self, row, facts)


@dataclass(frozen=True, slots=True)
class ImageGrids:
    """Windows of images, each on the grid of its image.

    Attributes
    ----------
    skies : sequence of Sky
        Each image once.
    sky_index : int64 array, shape (n,)
        The image of each stamp; -1 for a source without a stamp.
    x0, y0 : float64 array, shape (n,), px
        The first pixel of the stamp in its image.
    factor : int64 array, shape (n,)
        Pixels of the image, along an axis, for each pixel of the stamp.
    side : int, px
        Of the stamp.
    """

    skies: Sequence[Sky]
    sky_index: Ints
    x0: Floats
    y0: Floats
    factor: Ints
    side: int

    def __len__(self) -> int:
        return len(self.sky_index)

    @property
    def pixel_scale_arcsec(self) -> Floats:
        """Return the side of a pixel of each stamp, shape (n,); NaN for one without a grid."""
        scales = np.array([*(sky.pixel_scale_arcsec for sky in self.skies), np.nan])
        arcsec: Floats = scales[self.sky_index] * self.factor
        return arcsec

    def to_sky(self, rows: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the positions of the same pixels of some stamps, as `StampGrids.to_sky`."""
        factor = self.factor[rows, None]
        to_image = (factor - 1) / 2  # from the first pixel to the middle of its block
        image_x = self.x0[rows, None] + to_image + factor * x
        image_y = self.y0[rows, None] + to_image + factor * y
        sky = np.full((2, *image_x.shape), np.nan)
        for index in np.unique(self.sky_index[rows]).tolist():
            if index >= 0:
                members = self.sky_index[rows] == index
                sky[:, members] = self.skies[index].to_sky(image_x[members], image_y[members])
        return sky[0], sky[1]


class StampSky:
    """The grid of one resampled stamp as a `mingolotss.model.Sky`.

    Parameters
    ----------
    grids : TangentGrids
    row : int
        Which of the stamps.
    facts : HeaderFacts
        What the header of the image says of the image.
    """

    __slots__ = ("_grid", "facts", "pixel_scale_arcsec")

    def __init__(self, grids: TangentGrids, row: int, facts: HeaderFacts) -> None:
        one = slice(row, row + 1)
        self._grid = TangentGrids(
            grids.ra[one], grids.dec[one], grids.pixel_scale_arcsec[one], grids.angle_deg[one],
            grids.side,
        )  # fmt: skip
        self.facts = facts
        self.pixel_scale_arcsec = float(grids.pixel_scale_arcsec[row])

    @property
    def cards(self) -> ReferenceCards:
        """Return the cards of the grid and its reference pixel."""
        return self._grid.cards(0)

    @property
    def header(self) -> str:
        """Return the cards of the grid, one per line."""
        cards = self.cards
        return f"{cards.text()}\nCRPIX1  = {cards.crpix1}\nCRPIX2  = {cards.crpix2}\nEND"

    @property
    def beam(self) -> tuple[float, float, float] | None:
        """Return the beam of the image: major and minor axis (FWHM, arcsec), angle (deg)."""
        facts = self.facts
        if math.isnan(facts.beam_major_arcsec):
            return None
        pa = 0.0 if math.isnan(facts.beam_pa_deg) else facts.beam_pa_deg
        return facts.beam_major_arcsec, facts.beam_minor_arcsec, pa

    def to_pixel(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return x and y, pixels from 0, of ICRS positions (deg); NaN behind the tangent plane."""
        grid = self._grid
        lon, lat = (
            np.radians(np.asarray(ra, float) - grid.ra[0]),
            np.radians(np.asarray(dec, float)),
        )
        lat0, angle = np.radians(grid.dec[0]), np.radians(grid.angle_deg[0])
        depth = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
        depth = np.where(depth > 0, depth, np.nan)
        east = np.cos(lat) * np.sin(lon) / depth
        north = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)) / depth
        step = np.radians(self.pixel_scale_arcsec / 3600)
        right = north * np.sin(angle) - east * np.cos(angle)
        up = north * np.cos(angle) + east * np.sin(angle)
        middle = grid.side // 2
        return right / step + middle, up / step + middle

    def to_sky(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return ICRS ra and dec (deg) of pixel positions, from 0."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        ra, dec = self._grid.to_sky(np.array([0]), x.ravel(), y.ravel())
        return ra.reshape(x.shape), dec.reshape(x.shape)
