"""FITS units: astropy and CFITSIO read what is written, and every text comes back."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from mingolotss.io.fits_units import format_cards, header_text, image_unit, plain_text

TEXTS = [
    "", " ", "  two", "ends ", "&", "a &", "a&&  ", "'", "''", "it's", "50%", "%41", "100 %25",
    "K\u00f6ln", "\u540d\u524d", "tab\t", "line\nfeed", "nul\0", "/ no comment", "=", "x" * 68,
    "x" * 69, "y'" * 60, "\u00e9" * 200, "HISTORY", "CONTINUE  '&'", "\udcff",
]  # fmt: skip


def read(raw: bytes) -> fits.HDUList:
    hdus = fits.open(io.BytesIO(raw), checksum=True)
    hdus.verify("exception")
    return hdus


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(text):
    """Through astropy, whatever its characters, its length and its end."""
    cards = format_cards([("OBJECT", header_text(text), "a comment that is long " * 2)])
    raw = image_unit(cards, np.zeros((2, 3), np.float32), is_primary=True)
    with read(raw) as hdus:
        assert plain_text(hdus[0].header["OBJECT"]) == text
    assert raw.isascii()


@given(st.text())
def test_any_text_comes_back(text):
    encoded = header_text(text)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not encoded.endswith((" ", "&"))
    assert plain_text(encoded) == text


@pytest.mark.parametrize("seed", range(20))
def test_both_checksums_are_those_of_astropy(seed):
    """Of images of either type, with headers of one and of several blocks."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=rng.integers(1, 90, 2)).astype(np.float32)
    cards = format_cards([(f"KEY{number}", float(number), "") for number in range(seed * 4)])
    raw = image_unit(cards, pixels, is_primary=True)
    raw += image_unit(cards, (pixels > 0).astype(np.uint8), is_primary=False)
    with read(raw) as hdus:
        for hdu in hdus:
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1
        np.testing.assert_array_equal(hdus[0].data, pixels)
        np.testing.assert_array_equal(hdus[1].data, pixels > 0)
        assert len(raw) % 2880 == 0


def test_pixels_keep_their_bits():
    """Also those of NaN, infinity and -0."""
    pixels = np.array([[np.nan, -np.inf], [-0.0, 1e-45]], np.float32)
    with read(image_unit(b"", pixels, is_primary=True)) as hdus:
        back = hdus[0].data.astype("<f4" if sys.byteorder == "little" else ">f4")
    assert back.tobytes() == pixels.tobytes()


def test_equal_numbers_of_other_types_are_other_cards():
    """1, 1.0 and True are equal in Python, and not in FITS."""
    texts = [format_cards([("KEY", value, "")])[10:30].decode().strip() for value in (1, 1.0, True)]
    assert texts == ["1", "1.0", "T"]


def test_a_comment_without_room_is_left_out():
    """It is no part of a comment, and the value stays whole."""
    (card,) = fits.Header.fromstring(format_cards([("SHA", "0" * 64, "a long comment")])).cards
    assert (card.value, card.comment) == ("0" * 64, "")
