"""The units of a catalogue's columns, in the spellings that files and people use.

`u.Unit` of astropy knows the spellings of the standards. The others are names of the same few
units, in any case, with brackets or in the plural.

>>> find_unit("DEGREES", "ra").name, find_unit("[deg]", "dec").name, find_unit('"h:m:s"', "ra").name
('deg', 'deg', 'hms')
>>> find_unit("mJy", "flux").scale
1.0
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings
from mingolotss.io.error_text import first_line

__all__ = ["TARGETS", "Quantity", "Unit", "find_unit"]

Quantity = Literal["ra", "dec", "size", "flux"]
TARGETS: dict[Quantity, str] = {"ra": "deg", "dec": "deg", "size": "arcsec", "flux": "mJy"}
"""The unit of each quantity inside the program, which a column without a unit must have."""

# Names are in lower case and singular. "mjy" is in neither table: "MJY" can be mega or milli.
_ANGLES = {
    "deg": ("deg", "degree", "°", "decimal degree", "decimaldegree"),
    "arcmin": ("arcmin", "arcminute", "amin", "arc min", "'", "\N{PRIME}"),
    "arcsec": ("arcsec", "arcsecond", "asec", "arc sec", '"', "''", "\N{DOUBLE PRIME}"),
    "mas": ("mas", "milliarcsec", "milliarcsecond", "marcsec"),
    "uas": ("uas", "µas", "\N{GREEK SMALL LETTER MU}as", "microarcsec", "microarcsecond"),
    "rad": ("rad", "radian"),
}
_HOURS = {"hourangle": ("hourangle", "hour angle", "h", "hr", "hour")}
_HMS = ("hms", "h:m:s", "h m s", "hh:mm:ss", "hh mm ss", "hh:mm:ss.s", "hh:mm:ss.ss")
_DMS = ("dms", "d:m:s", "d m s", "dd:mm:ss", "dd mm ss", "dd:mm:ss.s", "dd:mm:ss.ss")
_FLUXES = {
    "Jy": ("jy", "jansky"),
    "mJy": ("millijy", "millijansky"),
    "uJy": ("ujy", "µjy", "\N{GREEK SMALL LETTER MU}jy", "microjy", "microjansky"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a column.

    Attributes
    ----------
    name : str
    scale : float
        By which a number in this unit is multiplied to be in the unit of `TARGETS`.
    sexagesimal : {"hms", "dms", ""}
        How text with three parts (``12:34:56``) is read: in hours, in degrees, or not at all.
    """

    name: str
    scale: float
    sexagesimal: Literal["hms", "dms", ""] = ""


def find_unit(text: str, quantity: Quantity) -> Unit:
    """Return the unit that a text means in a column of this quantity.

    Parameters
    ----------
    text : str
        In the spelling of FITS, VOTable or astropy, or ``hms`` and ``dms``; "" is the unit of
        `TARGETS`.
    quantity : {"ra", "dec", "size", "flux"}
        ``h`` is an angle in right ascension, and a time anywhere else.

    Raises
    ------
    CatalogueError
        There is no such unit, or it is none of this quantity.
    """
    target = TARGETS[quantity]
    text = text.strip()
    # Brackets are only decoration around the unit of a position. In catalogues of the CDS they
    # mean the logarithm (astropy's dex), which a size or a flux may be, so they are refused there.
    if quantity in {"ra", "dec"}:
        text = re.sub(r"^(?:\[(.*)\]|dex\((.*)\))$", r"\1\2", text).strip()
    if text[:1] + text[-1:] in {"()", '""', "''"} and len(text) > 2:
        text = text[1:-1].strip()
    if text in {"", target}:  # without importing the units of astropy
        return Unit(target, 1.0, _sexagesimal(text, quantity))
    names = (_FLUXES if quantity == "flux" else _ANGLES) | (_HOURS if quantity == "ra" else {})
    lowered = " ".join(text.lower().rstrip(".").split())
    if quantity in {"ra", "dec"}:
        if lowered in _DMS:
            return Unit("dms", 1.0, "dms")
        if lowered in _HMS and quantity == "ra":
            return Unit("hms", _scale("hourangle", text, quantity), "hms")
    known = {spelling: name for name, spellings in names.items() for spelling in spellings}
    known |= {spelling + "s": name for spelling, name in known.items() if len(spelling) > 1}
    name = "mJy" if lowered == "mjy" and text[0] == "m" else known.get(lowered, text)
    return Unit(name, _scale(name, text, quantity), _sexagesimal(name, quantity))


def _scale(name: str, text: str, quantity: Quantity) -> float:
    from astropy import units as u

    with mute_warnings():
        try:
            return float(u.Unit(name).to(TARGETS[quantity]))
        except (ValueError, TypeError, AttributeError) as error:
            raise CatalogueError(
                f"the unit {text!r} is no unit of {_NOUNS[quantity]} ({first_line(error)})"
            ) from error


_NOUNS: dict[Quantity, str] = {
    "ra": "right ascension", "dec": "declination", "size": "angles", "flux": "flux density",
}  # fmt: skip


def _sexagesimal(name: str, quantity: Quantity) -> Literal["hms", "dms", ""]:
    """Return how text with three parts is read in a column with this unit.

    Right ascension is in hours unless the unit is in degrees. With the unit deg it is ambiguous,
    since many files declare deg for text in hours; only ``dms`` says that it is in degrees.
    """
    if quantity == "ra" and name in {"", "hourangle"}:
        return "hms"
    return "dms" if name in {"", "deg"} and quantity == "dec" else ""
