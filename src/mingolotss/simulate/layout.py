"""The fields of a simulated sky, and the cutouts that they have of a position.

A field is a square array on a SIN projection (Calabretta & Greisen 2002, A&A 395, 1077,
section 5.1.5). Its coverage is a circle with a radius a little larger than half the array, so that
only the four corners are empty.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mingolotss.simulate.model import SkyModel

__all__ = ["BOX", "Field", "Floats", "PredictedCutouts", "place_fields", "predict_cutouts"]

Floats = NDArray[np.float64]

BOX = 240
"""Side of an archive cutout of 0.1 degree, pixels."""

_COVERAGE_RADIUS = 1.08  # half-widths
# From a field to the next, half-widths. The lattice is tilted so that the straight edge of one
# array crosses the round edge of the next, where the four rules of the choice differ.
_LATTICE_STEP = (1.66, 0.55)


@dataclass(frozen=True)
class Field:
    """One mosaic: its name, its centre and its grid.

    Attributes
    ----------
    name : str
        As in LoTSS: ``P205+55``.
    ra, dec : float, deg
        Position of the reference pixel, which is pixel ``side // 2`` on both axes.
    side : int, pixels
    pixel_arcsec : float, arcsec
    """

    name: str
    ra: float
    dec: float
    side: int
    pixel_arcsec: float

    @property
    def radius(self) -> float:
        """Radius of the coverage, pixels."""
        return _COVERAGE_RADIUS * self.side / 2

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Project positions in degrees to pixels from 0; NaN for the far hemisphere."""
        alpha, delta, delta0 = np.radians(ra - self.ra), np.radians(dec), math.radians(self.dec)
        east = np.cos(delta) * np.sin(alpha)
        north = np.sin(delta) * math.cos(delta0) - np.cos(delta) * math.sin(delta0) * np.cos(alpha)
        near = np.sin(delta) * math.sin(delta0) + np.cos(delta) * math.cos(delta0) * np.cos(alpha)
        scale = np.where(near > 0, math.degrees(1) * 3600 / self.pixel_arcsec, np.nan)
        return self.side // 2 - east * scale, self.side // 2 + north * scale

    def to_sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return right ascension and declination, degrees, of pixels from 0."""
        scale = math.radians(self.pixel_arcsec / 3600)
        east, north = (self.side // 2 - x) * scale, (y - self.side // 2) * scale
        near, delta0 = np.sqrt(1 - east**2 - north**2), math.radians(self.dec)
        dec = np.arcsin(north * math.cos(delta0) + near * math.sin(delta0))
        ra = np.arctan2(east, near * math.cos(delta0) - north * math.sin(delta0))
        return (self.ra + np.degrees(ra)) % 360, np.degrees(dec)


@dataclass(frozen=True)
class PredictedCutouts:
    """The cutouts of positions from fields; every array has shape (fields, positions).

    Attributes
    ----------
    x, y : float64 array, pixels from 0
    covered : bool array
        Whether the array contains the position, so that the archive offers a cutout.
    offset : float64 array, arcsec
        From the position to pixel ``(nx // 2, ny // 2)`` of the truncated cutout.
    truncated_x, truncated_y : bool array
        Whether the edge of the array truncates the cutout on that axis.
    nan_share : float64 array
        Share of NaN in the cutout: exact if it is 0 or 1, else accurate to about 0.01.
    edge_distance : float64 array, pixels
        From the position to the round edge of the coverage; negative outside.
    """

    x: Floats
    y: Floats
    covered: NDArray[np.bool_]
    offset: Floats
    truncated_x: NDArray[np.bool_]
    truncated_y: NDArray[np.bool_]
    nan_share: Floats
    edge_distance: Floats


def place_fields(model: SkyModel) -> list[Field]:
    """Return the fields of a sky, from its middle outwards on a tilted hexagonal lattice."""
    # Strategy: more points of the lattice than needed are computed in the plane, sorted by their
    # distance from the middle, and the nearest ones become fields. The sort rounds distances and
    # prefers one side by 1e-6 degrees, so that equal distances have the same order everywhere.
    half = model.side / 2 * model.pixel_arcsec / 3600
    reach = math.ceil(math.sqrt(model.field_count)) + 2
    index = np.arange(-reach, reach + 1)
    i, j = (a.ravel() for a in np.meshgrid(index, index))
    second_step = (
        _LATTICE_STEP[0] / 2 - _LATTICE_STEP[1] * math.sqrt(0.75),
        _LATTICE_STEP[0] * math.sqrt(0.75) + _LATTICE_STEP[1] / 2,
    )
    west = half * (i * _LATTICE_STEP[0] + j * second_step[0])
    north = half * (i * _LATTICE_STEP[1] + j * second_step[1])
    order = np.lexsort((i, j, np.round(np.hypot(west - 1e-6, north - 2e-6), 9)))
    fields: list[Field] = []
    for k in order[: model.field_count]:
        dec = model.dec + north[k]
        ra = (model.ra - west[k] / math.cos(math.radians(dec))) % 360
        name = _free_name(ra, dec, {field.name for field in fields})
        fields.append(Field(name, float(ra), float(dec), model.side, model.pixel_arcsec))
    return fields


def predict_cutouts(fields: list[Field], ra: Floats, dec: Floats) -> PredictedCutouts:
    """Return the properties of the cutout of every position from every field.

    Parameters
    ----------
    fields : list of Field
    ra, dec : float64 array, shape (positions,), deg
    """
    columns = zip(*(_predict(field, ra, dec) for field in fields), strict=True)
    return PredictedCutouts(*map(np.stack, columns))


def _predict(field: Field, ra: Floats, dec: Floats) -> tuple[NDArray[np.generic], ...]:
    """Return the columns of `PredictedCutouts` for one field."""
    middle, side = field.side // 2, field.side
    x, y = field.to_pixels(ra, dec)
    with np.errstate(invalid="ignore"):
        covered = (np.abs(x + 0.5 - side / 2) < side / 2) & (np.abs(y + 0.5 - side / 2) < side / 2)
    low_x, high_x = _span(np.where(covered, x, middle), side)
    low_y, high_y = _span(np.where(covered, y, middle), side)
    offset = np.hypot((low_x + high_x) // 2 - x, (low_y + high_y) // 2 - y) * field.pixel_arcsec
    # The share of NaN is that of 13 x 13 points of the cutout, its corners included.
    share = np.linspace(0, 1, 13)[:, None]
    dx = low_x + share * (high_x - 1 - low_x) - middle
    dy = low_y + share * (high_y - 1 - low_y) - middle
    distance = np.hypot(dx[:, None], dy[None, :])
    nan_share = (distance > field.radius).mean(axis=(0, 1))
    edge_distance = field.radius - np.hypot(x - middle, y - middle)
    truncated_x, truncated_y = high_x - low_x < BOX, high_y - low_y < BOX
    return x, y, covered, offset, truncated_x, truncated_y, nan_share, edge_distance


def _span(centre: Floats, side: int) -> tuple[Floats, Floats]:
    """Return the range of pixels of a cutout on one axis, truncated at the edge of the array."""
    middle = np.rint(centre)
    return np.maximum(middle - BOX // 2, 0), np.minimum(middle + BOX // 2, side)


def _free_name(ra: float, dec: float, used: set[str]) -> str:
    """Return the name of a field: its centre in degrees, or the next free right ascension."""
    for step in range(360):
        name = f"P{(round(ra) + step) % 360:03d}{round(dec):+03d}"
        if name not in used:
            return name
    raise AssertionError(f"no free field name at {ra:.2f} {dec:+.2f}")
