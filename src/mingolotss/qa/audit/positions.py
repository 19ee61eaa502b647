"""The positions of images: from the manifest, a table, their names, or a published list.

>>> from mingolotss.recipe.load import load_recipe
>>> names = ("100_123.251+043.797_0.1281_0034.09", "3C 294")
>>> positions = find_positions(NO_POSITIONS, names, (), load_recipe("mirabest"), None)
>>> positions.ra.tolist(), positions.origin
([123.251, nan], 'the names of the images')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path, PurePosixPath

import numpy as np

from mingolotss.catalogue.column_names import ColumnNames, Frame
from mingolotss.catalogue.name_patterns import match_names
from mingolotss.catalogue.positions import positions_of_names
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.errors import CatalogueError
from mingolotss.model import Bools, Floats
from mingolotss.recipe.model import Recipe
from mingolotss.recipe.published_list import PublishedList, read_list

__all__ = ["NO_POSITIONS", "PositionTable", "Positions", "find_positions"]


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions of images.

    Attributes
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
        NaN where the position is not known.
    error_arcsec : float64 array, shape (n,)
        How far the true position may be from the written one, by its last digit; 0 where that is
        not said.
    origin : str
        Where they come from, for the reader; "" if none is known.
    """

    ra: Floats
    dec: Floats
    error_arcsec: Floats
    origin: str

    @property
    def known(self) -> Bools:
        """Which images have a position."""
        return np.asarray(np.isfinite(self.ra) & np.isfinite(self.dec))


NO_POSITIONS = Positions(np.empty(0), np.empty(0), np.empty(0), "")


@dataclass(frozen=True, slots=True)
class PositionTable:
    """A table of names and positions that a person gives.

    Attributes
    ----------
    origin : str
    places : dict of str to (float, float), deg, ICRS
    error_arcsec : float
        How far a true position may be from the written one; 0 where that is not said.
    """

    origin: str
    places: dict[str, tuple[float, float]]
    error_arcsec: float

    @classmethod
    def read(cls, path: Path) -> PositionTable:
        """Read a catalogue with the columns ``name``, ``ra`` and ``dec``.

        Raises
        ------
        CatalogueError
            The file cannot be read, or lacks a column.
        """
        catalogue = read_catalogue(path, ColumnNames(name="name", ra="ra", dec="dec"))
        places = zip(catalogue.ra.tolist(), catalogue.dec.tolist(), strict=True)
        error = catalogue.precision_arcsec
        return cls(
            path.name,
            dict(zip(catalogue.names, places, strict=True)),
            error if math.isfinite(error) else 0.0,
        )


def find_positions(
    stated: Positions,
    names: Sequence[str],
    files: Sequence[str],
    recipe: Recipe | None,
    table: PositionTable | None,
) -> Positions:
    """Return the position of each image, from the first of these that has it.

    Parameters
    ----------
    stated : Positions
        Those of the manifest, or `NO_POSITIONS`.
    names, files : sequence of str
        Of the sources and of the images.
    recipe : Recipe or None
        Of the dataset; its pattern ``catalogue.names`` or ``catalogue.positions`` reads positions
        from names, and its published list has those of the published images.
    table : PositionTable or None
        What a person gives.
    """
    if stated.origin:
        return stated
    spellings = [_spellings(name, file) for name, file in _pairs(names, files)]
    sources = []
    if table is not None:
        places = [next(filter(None, map(table.places.get, one)), None) for one in spellings]
        sources.append(_positions(places, np.full(len(places), table.error_arcsec), table.origin))
    if recipe is not None and (pattern := recipe.catalogue.names or recipe.catalogue.positions):
        sources.append(_by_pattern(pattern, recipe.catalogue.frame, spellings))
    if recipe is not None and recipe.published.list:
        sources.append(_by_list(read_list(recipe.published.list), spellings))
    return reduce(_completed, sources, _unknown(len(names)))


def _completed(positions: Positions, others: Positions) -> Positions:
    """Return positions with those of others where none is known."""
    known = positions.known
    if not (others.known & ~known).any():
        return positions
    return Positions(
        np.where(known, positions.ra, others.ra),
        np.where(known, positions.dec, others.dec),
        np.where(known, positions.error_arcsec, others.error_arcsec),
        " and ".join(filter(None, (positions.origin, others.origin))),
    )


def _pairs(names: Sequence[str], files: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(names, files if len(files) == len(names) else names, strict=True))


def _spellings(name: str, file: str) -> tuple[str, ...]:
    """Return the names by which a table may call an image: the source, the file, and its stem."""
    path = PurePosixPath(file)
    return tuple(dict.fromkeys([name, file, path.name, path.stem]))


def _by_pattern(pattern: str, frame: Frame, spellings: Sequence[tuple[str, ...]]) -> Positions:
    """Read positions from names by the pattern of a recipe."""
    candidates = {spelling for one in spellings for spelling in one}
    try:
        matches = {match[0]: match for match in match_names(pattern, sorted(candidates))}
    except CatalogueError:
        return _unknown(len(spellings))
    matched = [
        next((matches[spelling] for spelling in one if spelling in matches), None)
        for one in spellings
    ]
    rows = [index for index, match in enumerate(matched) if match is not None]
    known = [match for match in matched if match is not None]
    if not known:
        return _unknown(len(spellings))
    try:
        read = positions_of_names(known, pattern, frame)
    except CatalogueError:
        return _unknown(len(spellings))
    ra, dec = np.full((2, len(spellings)), np.nan)
    errors = np.zeros(len(spellings))
    ra[rows], dec[rows] = read.ra, read.dec
    # Sexagesimal names are truncated, so that a whole unit of the last digit may be missing.
    errors[rows] = (
        read.digit_arcsec
        if "ra_hms" in known[0]
        else [_rounding_arcsec(match["ra"], match["dec"]) for match in known]
    )
    return Positions(ra, dec, errors, "the names of the images")


def _by_list(images: PublishedList, spellings: Sequence[tuple[str, ...]]) -> Positions:
    """Take positions from the published list of a recipe, by the names of the images."""
    rows = [
        next((images.row_of[name] for name in one if name in images.row_of), -1)
        for one in spellings
    ]
    places = [None if row < 0 else (float(images.ra[row]), float(images.dec[row])) for row in rows]
    return _positions(places, np.zeros(len(rows)), f"the published list {images.name}")


def _rounding_arcsec(ra: str, dec: str) -> float:
    """Return half a unit of the last digit of a position in degrees, in arcsec."""
    digits = min(len(text.partition(".")[2]) for text in (ra, dec))
    return float(3600 * 0.5 * 10.0**-digits)


def _positions(
    places: Sequence[tuple[float, float] | None], errors: Floats, origin: str
) -> Positions:
    values = np.array([(np.nan, np.nan) if one is None else one for one in places], float)
    ra, dec = values.reshape(-1, 2).T
    return Positions(ra, dec, errors, origin if np.isfinite(ra).any() else "")


def _unknown(count: int) -> Positions:
    return Positions(np.full(count, np.nan), np.full(count, np.nan), np.zeros(count), "")
