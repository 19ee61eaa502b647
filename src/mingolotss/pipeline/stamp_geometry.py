"""The size and the orientation of every stamp on the sky, from the recipe and the catalogue.

A source whose size, redshift or position angle is missing or means nothing gets no stamp, with one
line that names the column and the value.

>>> import pyarrow as pa
>>> from mingolotss.recipe.model import parse_recipe
>>> stamp = {"size": "2 * LAS", "pixels": 100}
>>> catalogue = Catalogue.from_columns(
...     ["A", "B"], [0, 1], [0, 0], kept=pa.table({"LAS": [25.0, None]}))
>>> recipe = parse_recipe({"name": "mine", "stamp": stamp}, "mine.toml")
>>> geometry = stamp_geometry(recipe, catalogue)
>>> geometry.pixel_scale_arcsec.tolist(), geometry.problems[1]
([0.5, nan], "stamp.size = '2 * LAS': LAS has no value, and a positive number is needed")
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.units import find_unit
from mingolotss.dataset.manifest import kept_unit
from mingolotss.errors import CatalogueError, ImageError
from mingolotss.model import Bools, Floats, Objects
from mingolotss.recipe.model import Recipe, StampSettings
from mingolotss.recipe.stamp_sizes import LARGEST_STAMP_DEG
from mingolotss.registry import nearest

__all__ = ["StampGeometry", "StampPlace", "place_of_stamp", "stamp_geometry"]

_LARGEST_ANGLE = 360.0  # in the unit of the column; catalogues write -999 for what is not known
_LARGEST_REDSHIFT = 1000.0


class StampGeometry(NamedTuple):
    """The stamps of n sources on the sky.

    Attributes
    ----------
    pixel_scale_arcsec : float64 array, shape (n,)
        NaN where it is that of the image, and for a source without a stamp.
    angle_deg : float64 array, shape (n,)
        Position angle of the direction that is up, from north to east.
    problems : object array of str, shape (n,)
        Why a source gets no stamp; "" for the others.
    """

    pixel_scale_arcsec: Floats
    angle_deg: Floats
    problems: Objects

    @property
    def notices(self) -> tuple[str, ...]:
        """Return a line about the sources that get no stamp, if there are some."""
        reasons = self.problems[self.problems != ""]
        if not len(reasons):
            return ()
        return (f"{len(reasons):,} of {len(self.problems):,} sources get no stamp: {reasons[0]}",)


class StampPlace(NamedTuple):
    """The stamp of one source on the sky: its position, and a row of `StampGeometry`."""

    ra: float
    dec: float
    pixel_scale_arcsec: float = math.nan
    angle_deg: float = 0.0


def place_of_stamp(
    recipe: Recipe,
    ra: float,
    dec: float,
    columns: Mapping[str, float] | pa.Table | None = None,
) -> StampPlace:
    """Return where the stamp of one source is.

    Parameters
    ----------
    recipe : Recipe
    ra, dec : float, deg, ICRS
    columns : mapping of str to float, or pyarrow.Table of one row, optional
        The columns of the catalogue that the recipe names, by the name of the column: sizes in
        arcsec and angles in deg, or in the units of the table.

    Raises
    ------
    ImageError
        A value is missing or means nothing.
    """
    kept = columns if isinstance(columns, pa.Table) else None
    if kept is None and columns:
        kept = pa.table({name: [float(value)] for name, value in columns.items()})
    catalogue = Catalogue.from_columns(["source"], [ra], [dec], kept=kept)
    geometry = stamp_geometry(recipe, catalogue)
    if geometry.problems[0]:
        raise ImageError(str(geometry.problems[0]))
    return StampPlace(ra, dec, float(geometry.pixel_scale_arcsec[0]), float(geometry.angle_deg[0]))


def stamp_geometry(recipe: Recipe, catalogue: Catalogue) -> StampGeometry:
    """Return the size and the orientation of the stamp of every source.

    Parameters
    ----------
    recipe : Recipe
    catalogue : Catalogue
        The columns that the recipe names are among those that it keeps.

    Raises
    ------
    CatalogueError
        One of them is not there, holds no numbers, or has a unit of another kind.
    """
    settings, n = recipe.stamp, len(catalogue)
    scale = np.full(n, settings.pixel_arcsec or np.nan)
    angle, problems = np.zeros(n), np.full(n, "", object)
    if settings.size:
        scale = _extents(recipe, catalogue, problems) / settings.pixels
    if settings.rotate:
        key, values = f"stamp.rotate = {settings.rotate!r}", _column(catalogue, recipe, "rotate")
        bad = ~(np.abs(values) <= _LARGEST_ANGLE)
        needed = f"an angle from -{_LARGEST_ANGLE:g} to {_LARGEST_ANGLE:g}"
        _note(problems, key, settings.rotate, values, bad, needed)
        to_deg = _to_arcsec(catalogue, recipe, settings.rotate, default="deg") / 3600
        angle = values * to_deg % 360.0
    scale[problems != ""] = angle[problems != ""] = np.nan
    return StampGeometry(scale, angle, problems)


def _extents(recipe: Recipe, catalogue: Catalogue, problems: Objects) -> Floats:
    """Return the side of each stamp, arcsec; enter the reason where there is none."""
    settings, size = recipe.stamp, recipe.stamp.parsed_size
    if size is None or size.kind == "angle":
        return np.full(len(catalogue), size.value if size else np.nan)
    key = f"stamp.size = {settings.size!r}"
    if size.kind == "column":
        values = _column(catalogue, recipe, "size")
        bad = ~(values > 0) | ~np.isfinite(values)
        _note(problems, key, size.column, values, bad, "a positive number")
        extents = size.value * values * _to_arcsec(catalogue, recipe, size.column)
    else:
        values = _column(catalogue, recipe, "redshift")
        bad = ~((values > 0) & (values <= _LARGEST_REDSHIFT))
        needed = f"a redshift between 0 and {_LARGEST_REDSHIFT:g}"
        _note(problems, key, settings.redshift, values, bad, needed)
        extents = size.value * _arcsec_per_kpc(np.where(bad, np.nan, values), settings)
    with np.errstate(invalid="ignore"):
        too_large = (problems == "") & ~(extents <= LARGEST_STAMP_DEG * 3600)
    for row in np.flatnonzero(too_large).tolist():
        problems[row] = (
            f"{key} is {extents[row] / 3600:.3g} deg, and a stamp has at most "
            f"{LARGEST_STAMP_DEG:g} deg"
        )
    return extents


def _note(
    problems: Objects, key: str, column: str, values: Floats, bad: Bools, needed: str
) -> None:
    """Enter why the value of a column cannot be used, for sources without an earlier reason."""
    for row in np.flatnonzero(bad & (problems == "")).tolist():
        value = float(values[row])
        stated = "has no value" if np.isnan(value) else f"is {value:g}"
        problems[row] = f"{key}: {column} {stated}, and {needed} is needed"


def _column(catalogue: Catalogue, recipe: Recipe, key: str) -> Floats:
    """Return a column of the catalogue as numbers, NaN where it has no value."""
    name, kept = recipe.stamp.columns[key], catalogue.kept
    if kept is None or name not in kept.column_names:
        where = f" {catalogue.path}" if catalogue.path else ""
        hint = nearest(name, kept.column_names if kept is not None else ())
        raise CatalogueError(
            f"make stamps by stamp.{key}: the catalogue{where} keeps no column {name!r}"
            f"{':' if hint else ''}{hint}"
        )
    column = kept[name]
    if column.null_count == len(column):
        return np.full(len(column), np.nan)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise CatalogueError(
            f"make stamps by stamp.{key}: the column {name!r} of the catalogue holds values of the "
            f"type {kind}, and numbers are needed"
        )
    numbers = pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan)
    return np.array(numbers.to_numpy(), float)


def _to_arcsec(
    catalogue: Catalogue, recipe: Recipe, name: str, *, default: str = "arcsec"
) -> float:
    """Return by which a column of angles is multiplied to be in arcsec."""
    settings = recipe.catalogue
    unit = settings.size_unit if name == settings.size else ""
    if catalogue.kept is not None:
        unit = unit or kept_unit(catalogue.kept.schema.field(name))
    try:
        return find_unit(unit or default, "size").scale
    except CatalogueError as error:
        raise CatalogueError(f"make stamps by the column {name!r}: {error}") from error


def _arcsec_per_kpc(redshift: Floats, settings: StampSettings) -> Floats:
    """Return the angle of a proper length of 1 kpc at redshifts; NaN where one is NaN."""
    import astropy.cosmology  # it takes 0.3 s

    cosmology = getattr(astropy.cosmology, settings.cosmology)
    angles, known = np.full(len(redshift), np.nan), np.isfinite(redshift)
    if known.any():
        angles[known] = cosmology.arcsec_per_kpc_proper(redshift[known]).to_value("arcsec / kpc")
    return angles
