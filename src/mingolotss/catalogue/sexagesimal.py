r"""Sexagesimal angles: a column of text in hours or degrees, minutes and seconds, as numbers.

pyarrow reads the usual spellings for all rows at once, with RE2, whose time does not depend on the
expression. astropy reads what remains, and says what is wrong with it.

>>> import pyarrow as pa
>>> angles = parse_angles(pa.array(["-00 30 00.0", "12h00m"]), "dms", "read a column")
>>> angles.degrees.round(9).tolist()
[-0.5, 180.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings
from mingolotss.io.error_text import first_line
from mingolotss.model import Bools, Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SexagesimalAngles", "parse_angles", "plain_signs", "separate_digits"]

_SPELLINGS = {
    "-": "[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]",  # hyphens, dashes and the minus sign
    "+": "[\ufe62\uff0b]",
    " ": "[\\s\u00a0\u2000-\u200a\u202f\u205f\u3000]+",
    "'": "[\u2019\u2032]",
    '"': "''|[\u201d\u2033]",
}
# The degrees of a longitude have three digits. Only the last part has decimal places.
_ANGLE = (
    r"^(?P<sign>[+-]?) ?(?P<whole>\d{1,3}) ?(?P<unit>[hHdD°:]| ) ?"
    r"(?:(?P<minutes>\d{1,2}) ?(?:[mM':]| ) ?(?P<seconds>\d{1,2}(?:\.\d*)?) ?[sS\"]?"
    r"|(?P<last_minutes>\d{1,2}(?:\.\d*)?) ?[mM']?)$"
)
_LONGEST = 100  # characters of one value


@dataclass(frozen=True, slots=True)
class SexagesimalAngles:
    """Angles, and how many digits their text has.

    Attributes
    ----------
    degrees : float64 array, shape (n,), deg
        NaN for empty text.
    digit : float64 array, shape (n,), deg
        One unit of the last digit; NaN where the text is not sexagesimal.
    """

    degrees: Floats
    digit: Floats


def plain_signs(texts: pa.Array) -> pa.Array:
    """Return text with the signs, blanks and primes of ASCII, and single blanks."""
    from pyarrow import compute as pc

    for plain, pattern in _SPELLINGS.items():
        texts = pc.replace_substring_regex(texts, pattern, plain)
    return pc.utf8_trim_whitespace(texts)


def separate_digits(texts: pa.Array) -> pa.Array:
    """Return ``hhmmss.s``, ``hhmm.m`` and the like with colons between the parts.

    The formats of names are those of https://cds.unistra.fr/Dic/formats.html.
    """
    from pyarrow import compute as pc

    for pattern, parts in (
        (r"^(\d\d)(\d\d)(\d)$", r"\1:\2.\3"),  # HHMMm of the CDS: tenths of minutes
        (r"^([+-]?\d\d)(\d\d)(\d\d(?:\.\d*)?)$", r"\1:\2:\3"),
        (r"^([+-]?\d\d)(\d\d(?:\.\d*)?)$", r"\1:\2"),
    ):
        texts = pc.replace_substring_regex(texts, pattern, parts)
    return texts


def parse_angles(texts: pa.Array, unit: Literal["hms", "dms"], action: str) -> SexagesimalAngles:
    """Return sexagesimal angles in deg, as astropy reads them.

    Parameters
    ----------
    texts : array of str, length n
        Empty text is no value. A value that says itself that it is in hours or degrees
        (``12h34m56s``, ``188d44m``) needs no unit. 60 seconds are the next minute.
    unit : {"hms", "dms"}
        The unit of the other values.
    action : str
        The beginning of a message.

    Raises
    ------
    CatalogueError
        A value is no angle; the message names its row.
    """
    from astropy import units as u
    from pyarrow import compute as pc

    hour = float(u.hourangle.to(u.deg))  # not quite 15; the last bit is that of astropy
    texts = plain_signs(texts)
    groups = pc.extract_regex(texts, _ANGLE)
    read = groups.is_valid().to_numpy(zero_copy_only=False)
    fields = {field.name: groups.field(index) for index, field in enumerate(groups.type)}
    whole, minutes, seconds, last_minutes = (
        _numbers(fields[name]) for name in ("whole", "minutes", "seconds", "last_minutes")
    )
    has_seconds = _is(fields["seconds"], "", negate=True)
    minutes = np.where(has_seconds, minutes, last_minutes)
    letter = pc.utf8_lower(fields["unit"])
    in_degrees = _is(letter, "d") | _is(letter, "°")
    in_hours = _is(letter, "h") | (~in_degrees & (unit == "hms"))
    read &= (minutes < 60) & (seconds <= 60) & ~(in_hours & (whole > 24))
    value = whole + minutes / 60 + seconds / 3600
    value = np.where(_is(fields["sign"], "-"), -value, value) * np.where(in_hours, hour, 1.0)
    places = np.where(has_seconds, _places(fields["seconds"]), _places(fields["last_minutes"]))
    digit = np.where(in_hours, hour, 1.0) * np.where(has_seconds, 1 / 3600, 1 / 60) / 10.0**places
    degrees = np.where(read, value, math.nan)
    is_empty = pc.equal(texts, "").to_numpy(zero_copy_only=False)
    remaining = np.flatnonzero(~read & ~is_empty)
    for row in remaining.tolist():
        degrees[row] = _by_astropy(texts[row].as_py(), unit, f"{action} holds", row)
    return SexagesimalAngles(degrees, np.where(read, digit, math.nan))


def _numbers(texts: pa.Array) -> Floats:
    """Return the numbers that a group of the expression holds, 0 where it is empty."""
    import pyarrow as pa
    from pyarrow import compute as pc

    filled = pc.if_else(pc.equal(pc.fill_null(texts, ""), ""), "0", texts)
    numbers: Floats = filled.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def _is(texts: pa.Array, text: str, *, negate: bool = False) -> Bools:
    from pyarrow import compute as pc

    equal: Bools = pc.equal(pc.fill_null(texts, ""), text).to_numpy(zero_copy_only=False)
    return ~equal if negate else equal


def _places(texts: pa.Array) -> Floats:
    """Return the number of decimal places."""
    from pyarrow import compute as pc

    places = pc.utf8_length(pc.replace_substring_regex(pc.fill_null(texts, ""), r"^\d*\.?", ""))
    numbers: Floats = places.to_numpy(zero_copy_only=False).astype(float)
    return numbers


def _by_astropy(text: str, unit: str, action: str, row: int) -> float:
    from astropy import units as u
    from astropy.coordinates import Angle

    shown = repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")
    problem = f"{action} {shown} in row {row + 1}, which is no sexagesimal angle"
    if len(text) > _LONGEST:
        raise CatalogueError(f"{problem}: it has {len(text)} characters")
    with mute_warnings():
        try:
            return float(Angle(text, unit=u.hourangle if unit == "hms" else u.deg).deg)
        except (ValueError, TypeError, u.UnitsError) as error:
            raise CatalogueError(f"{problem} ({first_line(error)})") from error
