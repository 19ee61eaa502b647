"""FITS headers as bytes: find their end, split them into cards, read and write values.

This module knows how a card is spelled (FITS standard 4.0, sections 3 and 4); all others use it.
It is here and not in `mingolotss.io` because the WCS is written in cards.

>>> header = join_cards([format_card("NAXIS1", 240), format_card("CUNIT1", "'deg     '")])
>>> card_values(header)
{b'NAXIS1': b'240', b'CUNIT1': b"'deg     '"}
>>> data_offset(header), len(pad_to_block(header, b" "))
(2880, 2880)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

__all__ = [
    "BLOCK",
    "CARD",
    "MAX_AXES",
    "card_values",
    "data_offset",
    "format_card",
    "header_cards",
    "header_end",
    "join_cards",
    "pad_to_block",
    "real_value",
    "whole_value",
]

BLOCK = 2880  # bytes; headers and data are filled up to whole blocks
MAX_AXES = 999  # section 4.4.1.1; also the largest number of columns of a table
CARD = 80  # bytes
_END = b"END     "


def data_offset(
    raw: bytes | memoryview, start: int = 0, *, max_bytes: int | None = None
) -> int | None:
    """Return the offset of the first byte after a header, or None if the header does not end.

    Parameters
    ----------
    raw : bytes
        A file, or its beginning.
    start : int
        Where the header begins, at the start of a block.
    max_bytes : int, optional
        How far to search from there.
    """
    stop = len(raw) if max_bytes is None else min(len(raw), start + max_bytes)
    for block_start in range(start, stop, BLOCK):
        block = bytes(raw[block_start : block_start + BLOCK])
        # Blanks follow END, and to search from their end takes 0.5 µs instead of 3.
        last = block.rfind(_END.strip())
        if last >= 0 and last % CARD == 0 and block.startswith(_END, last):
            return block_start + BLOCK
        position = block.find(_END)
        while position >= 0:
            if position % CARD == 0:
                return block_start + BLOCK
            position = block.find(_END, position + 1)
    return None


def header_cards(header: bytes) -> Iterator[bytes]:
    """Yield the cards of a header up to END, which is left out."""
    for start in range(0, header_end(header), CARD):
        yield header[start : start + CARD]


def header_end(header: bytes) -> int:
    """Return the offset of the END card, or the length of a header without one."""
    position = header.find(_END)
    while position >= 0:
        if position % CARD == 0:
            return position
        position = header.find(_END, position + 1)
    return len(header)


def card_values(header: bytes) -> dict[bytes, bytes]:
    """Return the values of a header as they are written, without comments, by keyword.

    Of cards with the same keyword the first one counts. As in astropy, a keyword may be in lower
    case and begin with blanks, and the equals sign may stand too early.
    """
    values: dict[bytes, bytes] = {}
    for keyword, value in map(_split_card, header_cards(header)):
        values.setdefault(keyword, value)
    values.pop(b"", None)
    return values


# The files of a survey have mostly the same cards, so that few of them are split more than once:
# 6 µs for a header of 34 cards, and 25 µs without the cache (2 cores, median).
@lru_cache(maxsize=4096)
def _split_card(card: bytes) -> tuple[bytes, bytes]:
    """Return the keyword and the value of a card; both are empty if it has no value."""
    equals = 8 if card[8:10] == b"= " else card.find(b"= ", 0, 9)
    if equals < 0:
        return b"", b""
    return card[:equals].strip().upper(), card[equals + 2 :].partition(b"/")[0].strip()


def whole_value(values: Mapping[bytes, bytes], keyword: bytes, default: int) -> int:
    """Return a value as an integer; `default` if it is missing or no integer."""
    try:
        return int(values[keyword])
    except (KeyError, ValueError):
        return default


def real_value(values: Mapping[bytes, bytes], keyword: bytes, default: float) -> float:
    """Return a value as a float; `default` if it is missing, NaN if it is no number."""
    text = values.get(keyword)
    if text is None:
        return default
    try:
        return float(text.upper().replace(b"D", b"E"))  # section 4.2.4 allows both
    except ValueError:
        return math.nan


def format_card(keyword: str, value: object) -> bytes:
    """Return a card in the fixed format, with the value as `str` writes it."""
    return f"{keyword:8}= {value!s:>20}".ljust(CARD).encode()


def join_cards(cards: Iterable[bytes]) -> bytes:
    """Return a header that ends with END, not yet filled up to a whole block."""
    return b"".join([*cards, b"END".ljust(CARD)])


def pad_to_block(data: bytes, fill: bytes) -> bytes:
    """Return data filled up to whole blocks: headers with blanks, pixels with zeros."""
    return data.ljust(math.ceil(len(data) / BLOCK) * BLOCK, fill)
