"""The polynomials of the IRAF projections TNX and ZPX, from the text in WAT1_001, WAT2_001, ...

The cards of each axis continue one text, 68 characters a card
(https://fits.gsfc.nasa.gov/registry/tnx.html and zpxwcs.html), with this grammar::

    wtype=tnx axtype=ra lngcor = "kind nx ny cross xmin xmax ymin ymax coefficient ..."

ZPX has the parameters of ZPN in front, ``projp0=0. projp1=1.``. wcslib reads such a text with
fixed buffers, stops at a card that ends with a blank, loses its place at a coefficient of 0, and
mixes up the orders of the two axes. So the polynomials are read here and given to it as its own
records DQ1 and DQ2 (``wcslib/C/dis.h``). Where astropy would have other positions than those of the
polynomial, the header is refused.

>>> text = 'wtype=tnx axtype=ra lngcor = "3. 1. 2. 1. -1. 1. -1. 1. 1E-4 2E-5 "'
>>> read_axis(text, 1).records[1:3], read_axis(text, 1).records[-1]
(('WAT.POLY: 3', 'WAT.XMIN: -1.0'), 'WAT.MONO.0_1: 2E-05')
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mingolotss.sky.wcs_cards import CardError, WCSCards

__all__ = ["AxisPolynomial", "read_axis", "read_iraf_polynomials"]

_TEXT_OF_CARD = 68
_ATTRIBUTE = re.compile(r' *([A-Za-z]\w*) *= *(?:"([^"]*)"|([^ "=]+))(?: +|$)', re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][-+]?\d+)?", re.ASCII)
_PARAMETER = re.compile(r"projp(\d{1,2})", re.ASCII)
_TYPES = ("tnx", "zpx")
_KINDS = {1: "CHBY", 2: "LEGR", 3: "MONO"}  # Chebyshev, Legendre, powers
_DOMAIN = ("XMIN", "XMAX", "YMIN", "YMAX")
_MAX_ORDER = 10  # terms along an axis; wcslib has polynomials of degree 9
_MAX_PARAMETERS = 30  # of ZPN
_NO_CROSS, _FULL_CROSS, _HALF_CROSS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class AxisPolynomial:
    """The polynomial of an axis.

    Attributes
    ----------
    wtype : str
        ``tnx`` or ``zpx``.
    records : tuple of str
        The values of the cards DQi.
    parameters : dict of int to float
        Those of ZPN, by number.
    order : int
        The number of terms along the longer of its two axes.
    has_half_cross : bool
        Its products of two powers are limited in their degree.
    """

    wtype: str
    records: tuple[str, ...]
    parameters: dict[int, float]
    order: int
    has_half_cross: bool


def read_iraf_polynomials(cards: WCSCards) -> tuple[AxisPolynomial, AxisPolynomial] | None:
    """Return the polynomials of axis 1 and axis 2, or None if an axis has none.

    Raises
    ------
    CardError
        The text of an axis cannot be read.
    """
    if "WAT1_001" not in cards.values and "WAT2_001" not in cards.values:
        return None
    # As in wcslib, wtype decides, and not CTYPE; it may be "tan", and then the text says no more.
    texts = [_text(cards, axis) for axis in (1, 2)]
    if not all(text.startswith(tuple(f"wtype={wtype}" for wtype in _TYPES)) for text in texts):
        return None
    first, second = (read_axis(text, axis) for axis, text in enumerate(texts, 1))
    if first.wtype != second.wtype:
        raise CardError(f"its axes have polynomials of {first.wtype} and {second.wtype} in WAT")
    if first.has_half_cross and first.order != second.order:
        # wcslib limits the terms of the first axis by the order of the second.
        orders = f"orders {first.order} and {second.order}"
        raise _unreadable(1, f"half cross terms of {orders}, of which astropy reads others")
    return first, second


def read_axis(text: str, axis: int) -> AxisPolynomial:
    """Read the text of an axis.

    Raises
    ------
    CardError
        It does not follow the grammar, or has too many terms.
    """
    attributes = _attributes(text, axis)
    wtype = attributes.get("wtype", "")
    correction = attributes.get("lngcor" if axis == 1 else "latcor")
    if wtype not in _TYPES or correction is None:
        raise _unreadable(axis, "no polynomial")
    parameters = {}
    for name, value in attributes.items():
        if match := _PARAMETER.fullmatch(name):
            number = int(match[1])
            if number >= _MAX_PARAMETERS:
                raise _unreadable(axis, name)
            parameters[number] = _number(value, axis)
    numbers = [_number(word, axis) for word in correction.split(" ") if word]
    records = _records(numbers, axis)
    order, has_half_cross = int(max(numbers[1:3])), numbers[3] == _HALF_CROSS
    return AxisPolynomial(wtype, records, parameters, order, has_half_cross)


def _text(cards: WCSCards, axis: int) -> str:
    """Return the text that the cards of an axis continue."""
    parts: list[str] = []
    while (keyword := f"WAT{axis}_{len(parts) + 1:03d}") in cards.values:
        # Programs that copy a header leave out blanks at the end of a text.
        parts.append(str(cards.value(keyword)).ljust(_TEXT_OF_CARD))
    return "".join(parts).strip()


def _attributes(text: str, axis: int) -> dict[str, str]:
    attributes: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if match is None or match[1] in attributes:
            raise _unreadable(axis, text[position : position + 20])
        attributes[match[1]] = match[3] if match[2] is None else match[2]
        position = match.end()
    return attributes


def _records(numbers: list[float], axis: int) -> tuple[str, ...]:
    """Return the values of the cards for the numbers of a correction."""
    if len(numbers) < 8:  # kind, two orders, cross terms and domain
        raise _unreadable(axis, f"{len(numbers)} numbers")
    kind, nx, ny, cross = numbers[:4]
    orders = range(1, _MAX_ORDER + 1)
    if kind not in _KINDS or nx not in orders or ny not in orders or cross not in (0, 1, 2):
        raise _unreadable(axis, f"{kind:g} {nx:g} {ny:g} {cross:g}")
    terms = [
        (m, n)
        for n in range(int(ny))
        for m in range(int(nx))
        if cross == _FULL_CROSS
        or (cross == _NO_CROSS and not (m and n))
        or (cross == _HALF_CROSS and m + n < max(nx, ny))
    ]
    coefficients = numbers[8:]
    if len(coefficients) != len(terms):
        raise _unreadable(axis, f"{len(coefficients)} coefficients for {len(terms)} terms")
    last = max((i for i, value in enumerate(coefficients) if value), default=-1)
    if 0.0 in coefficients[:last]:
        raise _unreadable(axis, "a coefficient of 0 before others, where astropy loses its place")
    return (
        "NAXES: 2",
        f"WAT.POLY: {kind:.0f}",
        *(f"WAT.{k}: {_written(v)}" for k, v in zip(_DOMAIN, numbers[4:8], strict=True)),
        *(
            f"WAT.{_KINDS[int(kind)]}.{m}_{n}: {_written(value)}"
            for (m, n), value in zip(terms, coefficients, strict=True)
            if value
        ),
    )


def _written(value: float) -> str:
    return repr(value).upper()


def _number(word: str, axis: int) -> float:
    value = float(word) if _NUMBER.fullmatch(word) else math.nan
    if not math.isfinite(value):
        raise _unreadable(axis, word)
    return value


def _unreadable(axis: int, problem: str) -> CardError:
    return CardError(f"its polynomial in WAT{axis}_001 cannot be read ({problem[:60]})")
