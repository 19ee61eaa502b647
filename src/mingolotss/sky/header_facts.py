"""Read from a header what an image is: its unit, frequency, beam, telescope and survey.

The cards are found by one regular expression and read once for all images that have the same ones:
the cutouts of a survey differ in the cards of their place only.

>>> cards = "BUNIT   = 'JY/BEAM'", "RESTFRQ = 143650000.0", "BMAJ = 1.5D-3", "BMIN = .001"
>>> facts = read_header_facts("".join(card.ljust(80) for card in cards).encode())
>>> facts.unit, facts.frequency_mhz, facts.beam_major_arcsec, facts.telescope
('Jy/beam', 143.65, 5.4, None)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mingolotss.model import EqualWithNaN
from mingolotss.sky.fits_header import header_cards, header_end
from mingolotss.sky.similar_headers import MAX_KINDS, split_header
from mingolotss.sky.wcs_cards import Card, read_card

__all__ = [
    "SIMULATED",
    "SIMULATED_ORIGIN",
    "HeaderFacts",
    "header_facts",
    "jy_per_beam",
    "normal_unit",
    "read_header_facts",
]

# The axes 1 and 2 are those of the sky in all images with a frequency; their cards, which differ
# between cutouts, are left out. A keyword may be in lower case and begin with blanks. The reasons
# for the quantifiers are in `mingolotss.sky.wcs_cards`.
_RELEVANT = re.compile(
    rb"(?:(?! {0,72}(?:BUNIT|BM(?:AJ|IN)|BPA|CLEANBM|CLEANBPA|REST|OBSFREQ|CENTFREQ|FREQ|TELESCOP|"
    rb"INSTRUME|SURVEY|PROJECT|OBSERVER|ORIGIN|C(?:TYPE|RVAL|UNIT|DELT|RPIX)[3-9])).{80})*"
    rb"(?:(.{80})|.*\Z)",
    re.DOTALL | re.IGNORECASE,
)
_HISTORY = re.compile(
    rb"\b(BMAJ|BMIN|BPA) *= *([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[EeDd][-+]?\d+)?)(?![\w.])"
)
_PREFIXES = {
    "": 1.0, "k": 1e3, "m": 1e-3, "milli": 1e-3, "u": 1e-6, "U": 1e-6, "\N{MICRO SIGN}": 1e-6,
    "\N{GREEK SMALL LETTER MU}": 1e-6, "micro": 1e-6, "n": 1e-9, "nano": 1e-9, "M": 1e6,
}  # fmt: skip
_SHORT = {1e3: "k", 1.0: "", 1e-3: "m", 1e-6: "u", 1e-9: "n", 1e6: "M"}
_JANSKY = re.compile(
    "(" + "|".join(sorted(_PREFIXES, key=len, reverse=True)) + r")((?i:jy|jansk(?:y|ys|ies)))"
    r"(?:(?i:/|per)?((?i:beam|bm|pixel|pix|sr))(?:-1)?)?"
)
_PER = {"beam": "beam", "bm": "beam", "pixel": "pixel", "pix": "pixel", "sr": "sr"}
_HERTZ = {"": 1.0, "hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_UNIT_IN_COMMENT = re.compile(r"[\[(]?\b([kmg]?hz)\b", re.IGNORECASE)
_LOWEST_HZ, _HIGHEST_HZ = 1e6, 1e13  # of radio images; other values are in another unit
_REST_FREQUENCY = ("RESTFRQ", "RESTFREQ", "OBSFREQ", "CENTFREQ", "FREQ", "FREQUENC")
_BEAM = (("BMAJ", "CLEANBMJ"), ("BMIN", "CLEANBMN"), ("BPA", "CLEANBPA"))
_SURVEY = re.compile(
    r"\b(LoTSS|LoLSS|TGSS|GLEAM|GLEAM-X|MSSS|VLSSr?|WENSS|WISH|NVSS|FIRST|SUMSS|MGPS|VLASS|RACS|"
    r"EMU|VAST|POSSUM|WALLABY|MIGHTEE|MALS|LADUMA|SMGPS|APERTIF|AT20G|ATLAS|GMRT|Hetdex)\b",
    re.IGNORECASE,
)
_SURVEY_CARDS = ("PROJECT", "OBSERVER", "ORIGIN")  # where some surveys write their name
SIMULATED = "simulated"
"""Telescope and survey of the images of `mingolotss.simulate`."""
SIMULATED_ORIGIN = "mingolotss simulate"
"""The card ORIGIN of these images, by which a reader recognises them."""


@dataclass(frozen=True, slots=True, eq=False)
class HeaderFacts(EqualWithNaN):
    """What the header of an image says of the image; NaN and None where it says nothing.

    Attributes
    ----------
    unit : str or None
        Of the pixels; ``Jy/beam`` and its multiples in one spelling, others as in the header.
    frequency_mhz : float
    beam_major_arcsec, beam_minor_arcsec : float
        FWHM of the restoring beam.
    beam_pa_deg : float
        Position angle of the major axis, east of north.
    telescope, survey : str or None
    """

    unit: str | None = None
    frequency_mhz: float = math.nan
    beam_major_arcsec: float = math.nan
    beam_minor_arcsec: float = math.nan
    beam_pa_deg: float = math.nan
    telescope: str | None = None
    survey: str | None = None


class _Beam(NamedTuple):
    major: float
    minor: float
    pa: float


def header_facts(wcs: object) -> HeaderFacts:
    """Return the facts of the header of a `mingolotss.model.Sky`.

    Parameters
    ----------
    wcs : Sky
        A `mingolotss.sky.wcs.SkyWCS` has read them; of others, the text of the header is read.
    """
    facts = getattr(wcs, "facts", None)
    if isinstance(facts, HeaderFacts):
        return facts
    lines = str(getattr(wcs, "header", "")).splitlines()
    cards = (line.encode("ascii", "replace")[:80].ljust(80) for line in lines)
    return read_header_facts(b"".join(cards))


def read_header_facts(header: bytes) -> HeaderFacts:
    """Read the facts of a FITS header.

    Parameters
    ----------
    header : bytes
        Whole 80-byte cards, as in the file; what follows END does not count.
    """
    # The numbers of the reference position are no facts of the image.
    split = split_header(header)
    return _read_rest(split.rest) if split.starts else _read(header)


def _read(header: bytes) -> HeaderFacts:
    cards = tuple(_RELEVANT.findall(header, 0, header_end(header)))
    history: tuple[tuple[bytes, bytes], ...] = ()
    if header.count(b"BMAJ") > sum(card[:8].count(b"BMAJ") for card in cards):
        # AIPS writes the beam into HISTORY. Every run of CLEAN adds a line, and the last counts.
        history = tuple(_HISTORY.findall(b"\n".join(header_cards(header))))
    return _facts(cards, history)


_read_rest = lru_cache(maxsize=MAX_KINDS)(_read)


@lru_cache(maxsize=4096)
def _facts(cards: tuple[bytes, ...], history: tuple[tuple[bytes, bytes], ...]) -> HeaderFacts:
    values: dict[str, Card] = {}
    for raw in cards:
        if raw:
            card = read_card(raw)
            values[card.keyword] = card
    beam = _beam(values, history)
    unit, telescope, survey = _text(values, "BUNIT"), _text(values, "TELESCOP"), _survey(values)
    if (_text(values, "ORIGIN") or "").startswith(SIMULATED_ORIGIN):
        telescope = survey = SIMULATED
    return HeaderFacts(
        unit=normal_unit(unit) if unit else None,
        frequency_mhz=_frequency_hz(values) / 1e6,
        beam_major_arcsec=beam.major,
        beam_minor_arcsec=beam.minor,
        beam_pa_deg=beam.pa,
        telescope=telescope or _text(values, "INSTRUME"),
        survey=survey,
    )


def _text(values: Mapping[str, Card], keyword: str) -> str | None:
    """Return a text of the header in one line, None without one."""
    value = values[keyword].value if keyword in values else None
    return (" ".join(value.split()) or None) if isinstance(value, str) else None


def _number(values: Mapping[str, Card], keyword: str) -> float:
    """Return a number of the header, NaN without one."""
    value = values[keyword].value if keyword in values else None
    return value if isinstance(value, float) else math.nan


def _survey(values: Mapping[str, Card]) -> str | None:
    """Return the card SURVEY, else the name of a known survey in another card."""
    if text := _text(values, "SURVEY"):
        return text
    for keyword in _SURVEY_CARDS:
        if match := _SURVEY.search(_text(values, keyword) or ""):
            return match[1]
    return None


def normal_unit(text: str) -> str:
    """Return a unit in one spelling if it is made of Jy, and as it is otherwise.

    >>> [normal_unit(text) for text in ("JY/BEAM", "Jy beam-1", "mJy beam^-1", "MJy/sr", "K")]
    ['Jy/beam', 'Jy/beam', 'mJy/beam', 'MJy/sr', 'K']
    """
    match = _jansky(text)
    if match is None:
        return text
    short = _SHORT[_PREFIXES[match[1]]]
    return f"{short}Jy" + (f"/{_PER[match[3].lower()]}" if match[3] else "")


def jy_per_beam(unit: str | None) -> float:
    """Return how many Jy/beam one unit of the pixels is, NaN for a unit of another kind.

    Images without a unit are taken to be in Jy/beam.

    >>> jy_per_beam("mJy/beam"), jy_per_beam(None), jy_per_beam("K")
    (0.001, 1.0, nan)
    """
    if unit is None:
        return 1.0
    match = _jansky(unit)
    is_per_beam = match is not None and match[3] and _PER[match[3].lower()] == "beam"
    return _PREFIXES[match[1]] if match is not None and is_per_beam else math.nan


def _jansky(text: str) -> re.Match[str] | None:
    """Return the parts of a unit made of Jy: prefix, Jy, and per what."""
    match = _JANSKY.fullmatch(re.sub(r"[\s.()\[\]*^]", "", text))
    # In capitals alone nobody knows whether M is milli or mega.
    return None if match is not None and match[1] == "M" and match[2] == "JY" else match


def _frequency_hz(values: Mapping[str, Card]) -> float:
    """Return the frequency of the frequency axis, else of the cards that name one; NaN if none."""
    # The axis comes first: RESTFRQ is the rest frequency of a line in an image of a line.
    for keyword in values:
        if keyword.startswith("CTYPE") and (_text(values, keyword) or "").upper().startswith(
            "FREQ"
        ):
            axis = keyword.removeprefix("CTYPE")
            if math.isfinite(frequency := _axis_frequency_hz(values, axis)):
                return frequency
    for keyword in _REST_FREQUENCY:
        if keyword in values:
            match = _UNIT_IN_COMMENT.search(values[keyword].comment)
            factor = _HERTZ[match[1].lower()] if match else 1.0
            if math.isfinite(frequency := _plausible_hz(_number(values, keyword) * factor)):
                return frequency
    return math.nan


def _axis_frequency_hz(values: Mapping[str, Card], axis: str) -> float:
    """Return the frequency of the first pixel of an axis, which is the one that is read."""
    factor = _HERTZ.get((_text(values, f"CUNIT{axis}") or "").lower(), math.nan)
    frequency = _number(values, f"CRVAL{axis}")
    step, pixel = _number(values, f"CDELT{axis}"), _number(values, f"CRPIX{axis}")
    if math.isfinite(step) and math.isfinite(pixel):
        frequency += (1 - pixel) * step
    return _plausible_hz(frequency * factor)


def _plausible_hz(frequency: float) -> float:
    return frequency if _LOWEST_HZ <= frequency <= _HIGHEST_HZ else math.nan


def _beam(values: Mapping[str, Card], history: tuple[tuple[bytes, bytes], ...]) -> _Beam:
    """Return the beam of the cards, else of the history; NaN where there is none."""
    past = {
        key.upper().decode(): float(value.upper().replace(b"D", b"E")) * 3600
        for key, value in history
    }
    axes = []
    for keywords in _BEAM:
        number = math.nan
        for keyword in keywords:
            if keyword in values and not math.isfinite(number):
                is_angle = keyword in _BEAM[2]
                in_arcsec = "arcsec" in values[keyword].comment.lower()
                number = _number(values, keyword) * (1 if is_angle or in_arcsec else 3600)
        axes.append(number)
    if not (axes[0] > 0 and axes[1] > 0):
        pa = past.get("BPA", math.nan) / 3600
        axes = [past.get("BMAJ", math.nan), past.get("BMIN", math.nan), pa]
    has_beam = math.inf > axes[0] > 0 and math.inf > axes[1] > 0
    return _Beam(*axes) if has_beam else _Beam(math.nan, math.nan, math.nan)
