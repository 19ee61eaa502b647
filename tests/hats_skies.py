"""Positions where partitions of the sky meet, and pairs of two catalogues around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord, concatenate
from astropy_healpix import boundaries_lonlat

__all__ = ["PairSky", "draw_pairs", "edge_positions", "pairs_within", "special_positions"]


@dataclass(frozen=True)
class PairSky:
    """Two catalogues with planted pairs.

    Attributes
    ----------
    radio, optical : SkyCoord
    """

    radio: SkyCoord
    optical: SkyCoord

    def pairs(self, radius: float) -> set[tuple[int, int]]:
        """Return the pairs of a radio and an optical source within a radius in arcsec."""
        return pairs_within(self.radio, self.optical, radius)


def pairs_within(first: SkyCoord, second: SkyCoord, radius: float) -> set[tuple[int, int]]:
    """Return the pairs of sources within a radius in arcsec, as astropy finds them."""
    i, j, _, _ = second.search_around_sky(first, radius * units.arcsec)
    return set(zip(i.tolist(), j.tolist(), strict=True))


def special_positions() -> tuple[np.ndarray, np.ndarray]:
    """Return positions at the poles, on both sides of RA 0, and on edges of base pixels."""
    below = np.nextafter(360, 0)
    ra = [0, 123.4, 0, 359.9, 0, below, 360 - 1e-9, 1e-12, below, 45, 45, 315, 90, 180]
    dec = [90, 90, -90, -90, 0, 0, 41, -41, 89.9999, 41.8103148957786, 0, -41.8103148957786, 60, 0]
    return np.array(ra, float), np.array(dec, float)


def edge_positions(orders: range, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` corners and points of edges of random pixels of each order, degrees."""
    rng = np.random.default_rng(11)
    ra, dec = [], []
    for order in orders:
        pixels = rng.integers(0, 12 << 2 * order, count)
        lon, lat = boundaries_lonlat(pixels, 4, 1 << order, order="nested")
        point = rng.integers(0, 16, count)  # every fourth point is a corner
        ra.append(lon.deg[np.arange(count), point] % 360)
        dec.append(lat.deg[np.arange(count), point])
    return np.concatenate(ra), np.concatenate(dec)


def draw_pairs(count: int = 4) -> PairSky:
    """Plant pairs 0.1 to 9.99 arcsec apart, and decoys from 10.1 arcsec, around edges of pixels.

    Some radio sources have no partner, some have several, and partners lie in all directions, so
    that many pairs are divided by the edge of a partition.
    """
    rng = np.random.default_rng(12)
    ra, dec = special_positions()
    more = edge_positions(range(13), count)
    place = SkyCoord(np.append(ra, more[0]), np.append(dec, more[1]), unit="deg")
    alone = np.ones(len(place), bool)  # places that are close to each other would mix up pairs
    for i, j in pairs_within(place, place, 120):
        alone[max(i, j)] &= i == j
    place = place[alone]
    place = concatenate([place, place])
    radio = _offset(rng, place, rng.choice([0, 0.01, 1, 5, 8], len(place)))
    optical = [
        _offset(rng, radio[rng.random(len(radio)) < fraction], separation)
        for separation, fraction in (
            (0.1, 0.6), (2.0, 0.3), (5.0, 0.3), (9.0, 0.3), (9.99, 0.5), (10.1, 0.8), (14.0, 0.8),
        )
    ]  # fmt: skip
    return PairSky(radio, concatenate(optical))


def _offset(rng: np.random.Generator, place: SkyCoord, arcsec: np.ndarray | float) -> SkyCoord:
    directions = rng.uniform(0, 360, len(place)) * units.deg
    return place.directional_offset_by(directions, arcsec * units.arcsec)
