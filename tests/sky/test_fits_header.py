"""FITS headers as bytes have the values that astropy reads, and end where astropy says."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.sky.fits_header import (
    BLOCK,
    CARD,
    card_values,
    data_offset,
    format_card,
    header_cards,
    join_cards,
    pad_to_block,
    real_value,
    whole_value,
)


def file_with(cards: int) -> bytes:
    """Return a FITS file with a number of additional cards in its header."""
    header = fits.Header()
    header["OBJECT"] = ("a / b", "a string with a slash")
    header["CRPIX1"] = (12.5, "a float")
    header["NOTE"] = (True, "END     of a comment")
    header["COMMENT"] = "END     is not the end here"
    for number in range(cards):
        header[f"K{number}"] = number
    file = io.BytesIO()
    fits.PrimaryHDU(np.zeros((3, 4), np.float32), header).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("cards", [0, 24, 25, 26, 27, 28, 29, 100])
def test_a_header_ends_where_astropy_says(cards):
    """Also if END is the first or the last card of a block, and if END occurs in a comment."""
    raw = file_with(cards)
    with fits.open(io.BytesIO(raw)) as hdus:
        offset = hdus[0].fileinfo()["datLoc"]
    assert data_offset(raw) == offset
    assert data_offset(memoryview(raw)) == offset
    assert data_offset(b"\0" * BLOCK + raw, BLOCK) == BLOCK + offset
    assert data_offset(raw[: offset - BLOCK]) is None
    assert data_offset(raw, max_bytes=offset - BLOCK) is None


def test_values_are_astropys():
    """Integers, floats, logical values and strings; the first of two cards counts."""
    raw = file_with(3)
    header = fits.Header.fromstring(raw[: data_offset(raw)].decode())
    values = card_values(raw[: data_offset(raw)])
    assert whole_value(values, b"BITPIX", 0) == header["BITPIX"] == -32
    assert real_value(values, b"CRPIX1", 0) == header["CRPIX1"] == 12.5
    assert values[b"NOTE"] == b"T"
    assert [whole_value(values, b"K%d" % number, -1) for number in range(3)] == [0, 1, 2]
    assert card_values(format_card("A", 1) + format_card("A", 2)) == {b"A": b"1"}


def test_missing_and_wrong_values():
    """A missing value is the default; a float that cannot be read is NaN."""
    values = card_values(format_card("A", "'word'"))
    assert whole_value(values, b"A", 7) == whole_value(values, b"B", 7) == 7
    assert real_value(values, b"B", 1.5) == 1.5
    assert np.isnan(real_value(values, b"A", 1.5))


def test_a_written_header_is_standard_fits():
    """Astropy reads it without a warning, and splitting it gives the cards back."""
    cards = [format_card("NAXIS1", 240), format_card("CDELT1", -0.0004166), format_card("A", "'b'")]
    header = join_cards(cards)
    assert list(header_cards(pad_to_block(header, b" "))) == cards
    assert len(header) == 4 * CARD
    parsed = fits.Header.fromstring(header.decode())
    for card in parsed.cards:
        card.verify("exception")
    assert dict(parsed) == {"NAXIS1": 240, "CDELT1": -0.0004166, "A": "b"}
    assert len(pad_to_block(b"x" * BLOCK, b"\0")) == BLOCK
    assert pad_to_block(b"x" * (BLOCK + 1), b"\0")[BLOCK:] == b"x" + b"\0" * (BLOCK - 1)
