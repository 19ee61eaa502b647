"""Images of point sources with any beam on any pixels, painted with astropy."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.model import Cutout
from mingolotss.sky.beams import FWHM, Beam
from mingolotss.sky.wcs import SkyWCS


def header(
    beam: Beam | None,
    *,
    side: int,
    scale: float = 1.5,
    angle: float = 0.0,
    mirrored: bool = False,
    centre: tuple[float, float] = (150.0, 50.0),
    crpix: tuple[float, float] | None = None,
    unit: str | None = "JY/BEAM",
) -> fits.Header:
    """Return the header of a square image; `angle` turns its pixels, deg."""
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    east = 1 if mirrored else -1
    cd = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([east, 1]) * scale / 3600
    x, y = crpix or (side / 2, side / 2)
    cards = fits.Header({
        "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": centre[0], "CRVAL2": centre[1],
        "CRPIX1": x, "CRPIX2": y, "CD1_1": cd[0, 0], "CD1_2": cd[0, 1], "CD2_1": cd[1, 0],
        "CD2_2": cd[1, 1], "RADESYS": "ICRS",
    })  # fmt: skip
    if unit is not None:
        cards["BUNIT"] = unit
    if beam is not None:
        cards["BMAJ"], cards["BMIN"] = beam.major_arcsec / 3600, beam.minor_arcsec / 3600
        cards["BPA"] = beam.pa_deg
    return cards


def sky_of(cards: fits.Header) -> SkyWCS:
    """Return the WCS of a header as the program has it."""
    return SkyWCS.from_header(cards.tostring().encode())


def paint(cards: fits.Header, side: int, beam: Beam, position: SkyCoord) -> np.ndarray:
    """Return the beam at a position, with the peak 1: by astropy's separations and angles."""
    y, x = np.indices((side, side))
    pixels = WCS(cards).pixel_to_world(x, y)
    separation = position.separation(pixels).to_value("arcsec")
    angle = (position.position_angle(pixels) - beam.pa_deg * u.deg).to_value("rad")
    along, across = separation * np.cos(angle), separation * np.sin(angle)
    widths = (along * FWHM / beam.major_arcsec) ** 2 + (across * FWHM / beam.minor_arcsec) ** 2
    return np.exp(-0.5 * widths)


def cutout_of(image: np.ndarray, cards: fits.Header, rms: np.ndarray | None = None) -> Cutout:
    """Return an image as a cutout."""
    return Cutout(image, rms, sky_of(cards))
