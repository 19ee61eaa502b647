r"""Positions of a catalogue, from columns or from names, in the frame of the recipe.

Names follow the IAU recommendations (https://cds.unistra.fr/Dic/iau-spec.html, section 3.2): their
coordinates are truncated, not rounded. A position is taken as the name writes it, so that the
source is up to one unit of the last digit further east, and further from the equator.

>>> match = {0: "ILTJ1200+3030", "ra_hms": "1200", "dec_dms": "+3030"}
>>> positions = positions_of_names([match], "", "icrs")
>>> positions.ra.round(9).tolist(), positions.dec.tolist(), round(positions.precision_arcsec)
([180.0], [30.5], 775)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mingolotss.catalogue.column_names import Frame, parts_of
from mingolotss.catalogue.columns import to_angles, to_floats, to_text
from mingolotss.catalogue.sexagesimal import parse_angles, plain_signs, separate_digits
from mingolotss.catalogue.table import Column, Table
from mingolotss.errors import CatalogueError
from mingolotss.model import Floats

__all__ = [
    "Positions",
    "positions_of_columns",
    "positions_of_names",
]

_MOST_PARTS = {"ra": 3, "dec": 4}


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions of sources.

    Attributes
    ----------
    ra, dec : float64 array, shape (n,), deg, ICRS
    digit_arcsec : float64 array, shape (n,), arcsec
        One unit of the last digit on the sky, the larger of the two coordinates; NaN for positions
        that are not sexagesimal.
    """

    ra: Floats
    dec: Floats
    digit_arcsec: Floats

    @property
    def precision_arcsec(self) -> float:
        """Return the coarsest unit of the last digit, NaN without sexagesimal positions."""
        known = self.digit_arcsec[np.isfinite(self.digit_arcsec)]
        return float(known.max()) if known.size else math.nan


def positions_of_columns(
    table: Table, ra: str, dec: str, *, ra_unit: str, dec_unit: str, frame: Frame
) -> Positions:
    """Return the positions of a table.

    Parameters
    ----------
    table : Table
    ra, dec : str
        A column, or the columns of the parts with commas between them: ``RAh, RAm, RAs`` and
        ``DE-, DEd, DEm, DEs`` (the first holds the sign) in catalogues of the CDS.
    ra_unit, dec_unit : str
        Replace the units of the file, if they are not "".
    frame : {"icrs", "fk5", "fk4", "galactic"}

    Raises
    ------
    CatalogueError
        A value is no number and no sexagesimal angle.
    """
    if frame == "galactic":
        if len(parts_of(ra)) > 1:
            raise CatalogueError(
                f"read the catalogue: the columns {ra!r} (catalogue.ra) hold hours, and a galactic "
                "longitude (catalogue.frame) is in degrees"
            )
        ra_unit = ra_unit or table.columns[ra].unit or "dms"
    east, east_digit = _column_or_parts(table, ra, "ra", ra_unit)
    north, north_digit = _column_or_parts(table, dec, "dec", dec_unit)
    return _positions(east, north, east_digit, north_digit, frame)


def positions_of_names(
    matches: Sequence[Mapping[str | int, str]],
    pattern: str,
    frame: Frame,
    action: str = "make a catalogue from the names of images",
) -> Positions:
    """Return the positions that names hold.

    Parameters
    ----------
    matches : sequence of mapping
        As `match_names` returns them, with the groups of one pair of `POSITION_GROUPS`.
    pattern : str
        For messages.
    frame : {"icrs", "fk5", "fk4", "galactic"}
    action : str
        What is attempted, for messages.

    Raises
    ------
    CatalogueError
        A group is no position, or a name says B1950 and the frame does not.
    """
    if not matches or "ra_hms" not in matches[0]:
        ra, dec = (
            np.array([_number(match, group, pattern, action) for match in matches], float)
            for group in ("ra", "dec")
        )
        unknown = np.full(len(matches), math.nan)
        return _positions(ra, dec, unknown, unknown, frame)
    if frame == "galactic":
        raise CatalogueError(
            f"{action}: the group 'ra_hms' of the recipe's pattern {pattern!r} holds hours; a "
            "galactic longitude (catalogue.frame) is in degrees"
        )
    if frame != "fk4":
        _refuse_b1950(matches, action)
    east, north = (_group(matches, group, pattern, action) for group in ("ra_hms", "dec_dms"))
    return _positions(*(east[0], north[0]), *(east[1], north[1]), frame)


def _number(match: Mapping[str | int, str], group: str, pattern: str, action: str) -> float:
    try:
        return float(match[group])
    except ValueError as error:
        raise CatalogueError(
            f"{action}: the group {group!r} of the recipe's pattern {pattern!r} is "
            f"{match[group]!r} in {match[0]!r}, which is no number"
        ) from error


def _refuse_b1950(matches: Sequence[Mapping[str | int, str]], action: str) -> None:
    for match in matches:
        name, text = match[0], match["ra_hms"]
        if text and name[: name.find(text)].endswith("B"):
            raise CatalogueError(
                f"{action}: {name!r} has a position of the "
                'equinox B1950; set the recipe\'s catalogue.frame to "fk4" to convert it'
            )


def _group(
    matches: Sequence[Mapping[str | int, str]], group: str, pattern: str, action: str
) -> tuple[Floats, Floats]:
    import pyarrow as pa
    from pyarrow import compute as pc

    texts = pa.array([match[group] for match in matches], pa.string())
    texts = separate_digits(plain_signs(texts))
    action = f"{action}: the group {group!r} of the recipe's pattern {pattern!r}"
    no_parts = pc.invert(pc.match_substring_regex(texts, r"\d[^\d.]+\d"))
    if pc.any(no_parts).as_py():
        match = matches[pc.index(no_parts, True).as_py()]
        raise CatalogueError(
            f"{action} is {match[group]!r} in {match[0]!r}, which is no sexagesimal angle such as "
            f"{'hhmmss.s or hhmm' if group == 'ra_hms' else '+ddmmss.s or +ddmm'}"
        )
    angles = parse_angles(texts, "hms" if group == "ra_hms" else "dms", action)
    return angles.degrees, angles.digit


def _column_or_parts(
    table: Table, column: str, quantity: Literal["ra", "dec"], unit: str
) -> tuple[Floats, Floats]:
    """Return the values of one coordinate, and one unit of their last digit, in deg."""
    parts = parts_of(column)
    if len(parts) == 1:
        numbers = to_angles(table.columns[column], column, quantity, unit=unit)
        return numbers.values, numbers.digit
    action = f"read the catalogue: the columns {column!r} (catalogue.{quantity})"
    if len(parts) > _MOST_PARTS[quantity]:
        raise CatalogueError(f"{action} are {len(parts)}, where at most {_MOST_PARTS[quantity]} "
                             "parts of an angle were expected")  # fmt: skip
    names, signs = list(parts), np.ones(len(table.columns[parts[0]].values))
    if quantity == "dec" and (len(parts) == _MOST_PARTS["dec"] or parts[0].endswith("-")):
        signs = _signs(table.columns[names.pop(0)], parts[0], action)
    whole, *fractions = (
        to_floats(Column(table.columns[name].values, table.columns[name].null), name, "dec")
        for name in names
    )
    if quantity == "dec" and len(names) == len(parts) and (zero := np.flatnonzero(whole == 0)).size:
        raise CatalogueError(
            f"{action} lose the sign of 0 degrees in row {zero[0] + 1}; name the column of the "
            'sign first, as in "DE-, DEd, DEm, DEs"'
        )
    size = np.abs(whole)
    for scale, name, values in zip((60, 3600), names[1:], fractions, strict=False):
        with np.errstate(invalid="ignore"):
            off = np.flatnonzero((values < 0) | (values > 60) | ((values == 60) & (scale == 60)))
        if off.size:
            raise CatalogueError(
                f"read the catalogue: column {name!r} holds {values[off[0]]:g} in row "
                f"{off[0] + 1}, where {'minutes' if scale == 60 else 'seconds'} from 0 to 60 were "
                "expected"
            )
        size = size + values / scale
    from astropy import units as u

    degrees = float(u.hourangle.to(u.deg)) if quantity == "ra" else 1.0  # as `parse_angles`
    value = np.where((signs < 0) | (whole < 0), -size, size)
    return value * degrees, np.full(len(value), math.nan)


def _signs(column: Column, name: str, action: str) -> Floats:
    import pyarrow as pa

    signs = plain_signs(pa.array(to_text(column, name), pa.string())).to_pylist()
    meaning = {"-": -1.0, "+": 1.0, "": 1.0}
    for row, sign in enumerate(signs):
        if sign not in meaning:
            raise CatalogueError(
                f"{action}: {name!r} holds {sign!r} in row {row + 1}, where + or - was expected"
            )
    return np.array([meaning[sign] for sign in signs])


def _positions(
    ra: Floats, dec: Floats, ra_digit: Floats, dec_digit: Floats, frame: Frame
) -> Positions:
    """Return positions in ICRS. Those that are not on the sky stay, for the message about them."""
    with np.errstate(invalid="ignore"):
        digit = 3600 * np.fmax(ra_digit * np.cos(np.radians(dec)), dec_digit)
        on_sky = (np.abs(dec) <= 90) & np.isfinite(ra)
    if frame != "icrs" and on_sky.any():
        from astropy.coordinates import SkyCoord

        coordinates = SkyCoord(ra[on_sky], dec[on_sky], unit="deg", frame=frame).icrs
        ra, dec = ra.copy(), dec.copy()
        ra[on_sky], dec[on_sky] = coordinates.ra.deg, coordinates.dec.deg
    return Positions(ra, dec, digit)
