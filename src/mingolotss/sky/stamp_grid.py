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
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mingolotss.model import Ints, Sky
from mingolotss.sky.angles import Floats, position_angle, separation_arcsec
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.reference_cards import ReferenceCards, place_in_window

__all__ = ["ImageGrids", "StampGrids", "StampSky", "TangentGrids"]


class StampGrids(Protocol):
    """The grids of n stamps of one size."""

    @property
    def side(self) -> int:
        """Return the pixels of a stamp, along an axis."""

    def __len__(self) -> int: ...

    def take(self, rows: Ints) -> StampGrids:
        """Return the grids of some of the stamps."""

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

    def steps_arcsec(self, rows: Ints) -> Floats:
        """Return where one pixel leads, in the middle of some stamps.

        Returns
        -------
        float64 array, shape (k, 2, 2)
            How far east and north (rows) one step along x and y (columns) leads.
        """

    def to_pixel(self, row: int, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Return x and y, pixels from 0 of one stamp, of positions; NaN where there is none."""

    def cards(self, row: int) -> ReferenceCards | None:
        """Return the cards of one stamp's grid, None if none can say it."""


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

    def take(self, rows: Ints) -> TangentGrids:
        """Return the grids of some of the stamps."""
        scale, angle = self.pixel_scale_arcsec[rows], self.angle_deg[rows]
        return TangentGrids(self.ra[rows], self.dec[rows], scale, angle, self.side)

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

    def steps_arcsec(self, rows: Ints) -> Floats:
        """Return where one pixel leads, as `StampGrids.steps_arcsec`."""
        angle = np.radians(self.angle_deg[rows])
        sine, cosine = np.sin(angle), np.cos(angle)
        turned = np.array([[-cosine, sine], [sine, cosine]])
        return np.moveaxis(turned * self.pixel_scale_arcsec[rows], -1, 0)

    def to_pixel(self, row: int, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Return x and y of positions in one stamp; NaN behind the tangent plane."""
        lon, lat = np.radians(ra - self.ra[row]), np.radians(dec)
        lat0, angle = math.radians(self.dec[row]), math.radians(self.angle_deg[row])
        depth = math.sin(lat0) * np.sin(lat) + math.cos(lat0) * np.cos(lat) * np.cos(lon)
        depth = np.where(depth > 0, depth, np.nan)
        east = np.cos(lat) * np.sin(lon) / depth
        north = math.cos(lat0) * np.sin(lat) - math.sin(lat0) * np.cos(lat) * np.cos(lon)
        north /= depth
        step = math.radians(self.pixel_scale_arcsec[row] / 3600)
        right = north * math.sin(angle) - east * math.cos(angle)
        up = north * math.cos(angle) + east * math.sin(angle)
        return right / step + self.side // 2, up / step + self.side // 2

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

    def take(self, rows: Ints) -> ImageGrids:
        """Return the grids of some of the stamps."""
        index, x0, y0, factor = (
            self.sky_index[rows], self.x0[rows], self.y0[rows], self.factor[rows],
        )  # fmt: skip
        return ImageGrids(self.skies, index, x0, y0, factor, self.side)

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

    def steps_arcsec(self, rows: Ints) -> Floats:
        """Return where one pixel leads, as `StampGrids.steps_arcsec`."""
        middle = self.side // 2
        x, y = np.array([0.0, 1.0, 0.0]) + middle, np.array([0.0, 0.0, 1.0]) + middle
        ra, dec = self.to_sky(rows, x, y)
        ends = ra[:, :1], dec[:, :1], ra[:, 1:], dec[:, 1:]
        distance, angle = separation_arcsec(*ends), np.radians(position_angle(*ends))
        return np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=1)

    def to_pixel(self, row: int, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Return x and y of positions in one stamp; NaN where the image has no pixel."""
        if self.sky_index[row] < 0:
            return np.full(np.shape(ra), np.nan), np.full(np.shape(ra), np.nan)
        x, y = self.skies[self.sky_index[row]].to_pixel(ra, dec)
        factor = self.factor[row]
        first = (factor - 1) / 2  # the middle of the first block
        return (x - self.x0[row] - first) / factor, (y - self.y0[row] - first) / factor

    def cards(self, row: int) -> ReferenceCards | None:
        """Return the cards of one stamp's grid, None if those of its image cannot say it."""
        index, factor = int(self.sky_index[row]), int(self.factor[row])
        cards = getattr(self.skies[index], "cards", None) if index >= 0 else None
        if not isinstance(cards, ReferenceCards) or (factor > 1 and not cards.can_bin):
            return None
        reference = np.array([cards.crpix1, cards.crpix2])
        start = np.array([self.x0[row], self.y0[row]])
        crpix1, crpix2 = place_in_window(reference, start, np.array([factor, factor])).tolist()
        return replace(cards.averaged(factor), crpix1=crpix1, crpix2=crpix2)


class StampSky:
    """The grid of one resampled stamp as a `mingolotss.model.Sky`.

    Parameters
    ----------
    grids : StampGrids
    row : int
        Which of the stamps.
    facts : HeaderFacts
        What the header of the image says of the image.
    """

    __slots__ = ("_grid", "facts", "pixel_scale_arcsec")

    def __init__(self, grids: StampGrids, row: int, facts: HeaderFacts) -> None:
        self._grid = grids.take(np.array([row]))
        self.facts = facts
        self.pixel_scale_arcsec = float(grids.pixel_scale_arcsec[row])

    @property
    def cards(self) -> ReferenceCards | None:
        """Return the cards of the grid and its reference pixel, None if none can say it."""
        return self._grid.cards(0)

    @property
    def header(self) -> str:
        """Return the cards of the grid, one per line."""
        cards = self.cards
        if cards is None:
            return "END"
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
        ra, dec = np.broadcast_arrays(np.asarray(ra, float), np.asarray(dec, float))
        x, y = self._grid.to_pixel(0, ra.ravel(), dec.ravel())
        return x.reshape(ra.shape), y.reshape(ra.shape)

    def to_sky(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return ICRS ra and dec (deg) of pixel positions, from 0."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        ra, dec = self._grid.to_sky(np.array([0]), x.ravel(), y.ravel())
        return ra.reshape(x.shape), dec.reshape(x.shape)
