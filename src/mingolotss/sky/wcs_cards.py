"""Read the cards of a header that say where its image is on the sky.

`read_wcs_cards` takes these cards from any header and gives each of them its standard keyword and
a number or a text as value. A card in the usual form (FITS standard 4.0, section 4.2) is read
here, in half a microsecond; all others are read by `astropy.io.fits.Card`, which repairs lower-case
keywords, shifted equals signs, blanks within numbers and strings that continue on further cards.
Old keywords are renamed (Calabretta & Greisen 2002, A&A 395, 1077, and the conventions that wcslib
knows): ``PC001002`` and ``PC01_02`` become ``PC1_2``, ``RADECSYS`` becomes ``RADESYS``. The records
of a distortion (WCS Paper IV), ``DP1 = 'EXTVER: 2'``, become ``DP1.EXTVER``. Of cards with the same
keyword the last one counts, as in wcslib.

wcslib's own parser of headers is not used: it reads ``4.1D-04`` as 4.1, ignores what it cannot
read, and writes its complaints into a buffer that is too small for them
(https://github.com/astropy/astropy/issues/20349).

>>> cards = read_wcs_cards(b"CRVAL1  = 1.8D+02 / deg".ljust(80) + b"PC001002= -.5".ljust(80))
>>> cards.number("CRVAL1", 0.0), cards.number("PC1_2", 0.0), cards.number("CRPIX1", 0.0)
(180.0, -0.5, 0.0)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mingolotss.foreign import mute_warnings
from mingolotss.sky.fits_header import CARD, header_end

__all__ = [
    "PLATE_KEYWORDS",
    "Card",
    "CardError",
    "Unreadable",
    "WCSCards",
    "are_usual_cards",
    "read_card",
    "read_number",
    "read_wcs_cards",
]

PLATE_KEYWORDS = {
    "CNPIX1",
    "CNPIX2",
    "PPO3",
    "PPO6",
    "XPIXELSZ",
    "YPIXELSZ",
    "PLTRAH",
    "PLTRAM",
    "PLTRAS",
    "PLTDECSN",
    "PLTDECD",
    "PLTDECM",
    "PLTDECS",
}  # of a plate solution of the Digitized Sky Survey
_MAX_INDEX = 99  # of an axis or a parameter (FITS standard 4.0, section 8.2)
_RENAMED = {"RADECSYS": "RADESYS"}
_KEYWORD = re.compile(
    "LONPOLE|LATPOLE|RADESYS|EQUINOX|EPOCH|NAXIS|WCSAXES|BMAJ|BMIN|BPA|[AB]P?_ORDER|"
    r"(?:D2IM|DP)[12]\.(?:EXTVER|AXIS\.[12])|D2IMDIS[12]|AXISCORR|"
    r"(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA|CPDIS|CQDIS|NAXIS|AMD[XY])[1-9]\d?|"
    r"[AB]P?_\d_\d|WAT[12]_\d{3}|PROJP\d|" + "|".join(sorted(PLATE_KEYWORDS))
)
_INDEXED = re.compile(r"(PC|CD|PV)(?:0*(\d{1,2})_0*(\d{1,2})|(?<=PC|CD)(\d{3})(\d{3}))")
_TEXT = re.compile(r"CTYPE|CUNIT|RADESYS|CPDIS|CQDIS|D2IMDIS|WAT|PLTDECSN")
_NEEDS_VALUE = re.compile(r"CTYPE|CRVAL|CRPIX|CDELT")

# Strategy: the regular expression passes over all other cards without a step of Python, and each
# match is one card that may matter, with the cards that continue its string. A header has 10 to 40
# of them among up to thousands of cards of history.
_BEGINNING = (
    rb"C(?:TYPE|R(?:VAL|PIX|OTA)|DELT|UNIT|[PQ]DIS|NPIX|D\d)|P(?:[CV]\d|ROJP|LT|PO)|"
    rb"(?:LON|LAT)POLE|RADE(?:C?SYS)|E(?:QUINOX|POCH)|WCSAXES|NAXIS|BM(?:AJ|IN)|BPA|"
    rb"[AB]P?_[O\d]|AMD|WAT\d|[XY]PIX|D2IM|DP[12]|AXISCORR"
)
# The blanks before a keyword are counted, or each of many blank cards would be compared with all
# that follow it. A possessive quantifier for the cards would skip all of them in Python 3.11.0 to
# 3.11.4 (https://github.com/python/cpython/issues/106052); as one of the two alternatives always
# fits, there is nothing to try again.
_RELEVANT = re.compile(
    rb"(?:(?! {0,72}(?:" + _BEGINNING + rb")).{80})*(?:(.{80}(?:CONTINUE  .{70})*)|.*\Z)",
    re.DOTALL | re.IGNORECASE,
)
_USUAL = re.compile(
    rb"(?=.{8}= )(?!(?:DP|D2IM)\d )([A-Z0-9_-]+) *= *"
    rb"(?:([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[EeDd][-+]?\d+)?)|'([ -%(-~]*)') *(/.*)?",
    re.DOTALL,
)
_EXPONENT = bytes.maketrans(b"Dd", b"EE")


class CardError(ValueError):
    """A card that the position on the sky depends on cannot be used."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The value of a card that is neither a number nor a text, or the wrong one of the two.

    Attributes
    ----------
    card : str
        The card, for messages.
    """

    card: str


@dataclass(frozen=True, slots=True)
class WCSCards:
    """The values of a header that say where its image is on the sky.

    Attributes
    ----------
    values : dict
        By standard keyword; an `Unreadable` value is an error only for who needs it.
    """

    values: dict[str, float | str | Unreadable]

    def value(self, keyword: str) -> float | str:
        """Return the value of a keyword that is there.

        Raises
        ------
        CardError
            The card cannot be read.
        """
        value = self.values[keyword]
        if isinstance(value, Unreadable):
            raise CardError(f"its card {value.card!r} cannot be read")
        return value

    def number(self, keyword: str, default: float) -> float:
        """Return the value of a numeric keyword, or `default` without such a card.

        Raises
        ------
        CardError
            The card cannot be read.
        """
        return float(self.value(keyword)) if keyword in self.values else default


def read_wcs_cards(header: bytes) -> WCSCards:
    """Read the cards of a header that say where its image is on the sky.

    Parameters
    ----------
    header : bytes
        Whole 80-byte cards, as in the file; what follows END does not count.
    """
    values: dict[str, float | str | Unreadable] = {}
    for _, card in _relevant_cards(header):
        keyword, value = _parse_one(card) if len(card) == CARD else _parse_card(card)
        # wcslib takes the last card of a keyword, but EPOCH only as long as there is no equinox.
        if value is not None and (keyword != "EPOCH" or keyword not in values):
            values[keyword] = value
    return WCSCards(values)


def are_usual_cards(header: bytes, starts: Sequence[int]) -> bool:
    """Return whether some cards are read, alone with their keywords, and do not continue.

    Parameters
    ----------
    header : bytes
    starts : sequence of int
        The first byte of each of these cards.
    """
    cards = dict(_relevant_cards(header))
    keywords = [_parse_card(card)[0] for card in cards.values()]
    return all(
        len(card := cards.get(start, b"")) == CARD and keywords.count(_parse_card(card)[0]) == 1
        for start in starts
    )


def read_number(card: bytes) -> tuple[str, float] | None:
    """Return the standard keyword and the value of a card that the position depends on.

    None if it has no number.
    """
    keyword, value = _parse_one(card)
    return (keyword, value) if isinstance(value, float) else None


def _relevant_cards(header: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each card that may matter with those that continue it, and before it its first byte."""
    for match in _RELEVANT.finditer(header, 0, header_end(header)):
        if match[1] is None:
            return
        yield match.start(1), match[1]


def _parse_card(card: bytes) -> tuple[str, float | str | Unreadable | None]:
    """Return the standard keyword and the value of a card with those that continue its string.

    The value is None if the position does not depend on the card.
    """
    raw_keyword, value = _read(card)
    keyword, is_text = _standard_keyword(raw_keyword)
    if not keyword:
        return "", None
    if value is None:  # FITS standard 4.0, section 4.1.2.1: as if there were no such card
        return keyword, Unreadable(_printable(card)) if _NEEDS_VALUE.match(keyword) else None
    if isinstance(value, str) is not is_text or value in (math.inf, -math.inf):
        return keyword, Unreadable(_printable(card))
    return keyword, value


# The images of a survey share most of these cards. One that is continued can be as long as a header
# and is not kept.
_parse_one = lru_cache(maxsize=4096)(_parse_card)


class Card(NamedTuple):
    """A card of a header: an upper-case keyword, its value, None if undefined, and its comment."""

    keyword: str
    value: float | str | Unreadable | None
    comment: str


def read_card(card: bytes) -> Card:
    """Read one card of a header, 80 bytes.

    >>> read_card(b"RESTFRQ =           1.4D+09 / [Hz]".ljust(80))
    Card(keyword='RESTFRQ', value=1400000000.0, comment='[Hz]')
    """
    keyword, value = _read(card)
    usual = _USUAL.fullmatch(card)
    comment = usual[4] if usual else card.rpartition(b"/")[2] if b"/" in card else b""
    return Card(keyword.strip(), value, (comment or b"").decode("ascii", "replace").strip(" /"))


def _read(card: bytes) -> tuple[str, float | str | Unreadable | None]:
    """Return keyword and value of a card with those that continue it; None if undefined."""
    usual = _USUAL.fullmatch(card) if len(card) == CARD else None
    if usual is None:
        return _read_unusual(card)
    if usual[2] is not None:
        return usual[1].decode(), float(usual[2].translate(_EXPONENT))
    return usual[1].decode(), usual[3].decode().rstrip()


@lru_cache(maxsize=4096)
def _standard_keyword(keyword: str) -> tuple[str, bool]:
    """Return the standard spelling of a keyword and whether its value is a text.

    The spelling is empty if the position does not depend on the card.
    """
    keyword = _RENAMED.get(keyword, keyword)
    if _KEYWORD.fullmatch(keyword):
        return keyword, bool(_TEXT.match(keyword))
    if match := _INDEXED.fullmatch(keyword):
        family, *indices = match.groups()
        first, second = (int(index) for index in indices if index is not None)
        if 1 <= first <= _MAX_INDEX and (family != "PV") <= second <= _MAX_INDEX:
            return f"{family}{first}_{second}", False
    return "", False


def _read_unusual(card: bytes) -> tuple[str, float | str | Unreadable | None]:
    """Return keyword and value of a card as astropy repairs it; None for an undefined value."""
    from astropy.io import fits

    with mute_warnings():  # it reports each repair
        parsed = fits.Card.fromstring(card)
        keyword = str(parsed.rawkeyword).upper()
        if parsed.field_specifier:
            return f"{keyword}.{parsed.field_specifier}", float(parsed.value)
        try:
            value = parsed.rawvalue
        except (fits.VerifyError, ValueError):
            return keyword, Unreadable(_printable(card))
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return keyword, value.rstrip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return keyword, float(value)
    return keyword, None if isinstance(value, fits.card.Undefined) else Unreadable(_printable(card))


def _printable(card: bytes) -> str:
    """Return the keyword and the value of a card for a message, in ASCII and on one line."""
    return card[:CARD].partition(b"/")[0].decode("ascii", "backslashreplace").strip()
