"""Cards are read as astropy.io.fits reads them, and have the keywords of the standard."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.sky.wcs_cards import CardError, Unreadable, read_wcs_cards
from wcs_headers import generated


def header(*cards: str) -> bytes:
    """Return cards of 80 bytes."""
    return b"".join(card.encode("latin1").ljust(80) for card in cards)


@pytest.mark.parametrize(
    ("card", "keyword", "value"),
    [
        ("CDELT1  = -4.16666D-04", "CDELT1", -4.16666e-4), ("CRVAL1  = 1.8d+02", "CRVAL1", 180.0),
        ("CRPIX1  =              5.D1 / D", "CRPIX1", 50.0), ("CD1_1   = .5E-3", "CD1_1", 5e-4),
        ("CRVAL2  =                 +50.", "CRVAL2", 50.0), ("CRPIX2  = 12", "CRPIX2", 12.0),
        ("CRVAL2  = -0.5/comment", "CRVAL2", -0.5), ("crval1  = 10.5", "CRVAL1", 10.5),
        ("CRVAL1= 10.5", "CRVAL1", 10.5), (" CRVAL1 = 10.5", "CRVAL1", 10.5),
        ("CRVAL1  = - 10.5", "CRVAL1", -10.5), ("CRVAL1  = 1.05 E 1", "CRVAL1", 10.5),
        ("CRVAL1  = 00010.5", "CRVAL1", 10.5), ("CRVAL1  = 7 / = 8 / 9", "CRVAL1", 7.0),
        ("CTYPE1  = 'RA---SIN'", "CTYPE1", "RA---SIN"), ("CUNIT1  = 'a''b'", "CUNIT1", "a'b"),
        ("CTYPE1  = 'RA---SIN   ' / 'x'", "CTYPE1", "RA---SIN"), ("CUNIT1  = ''", "CUNIT1", ""),
        ("CTYPE1  =           'RA/B'/", "CTYPE1", "RA/B"), ("Ctype1  = 'X'", "CTYPE1", "X"),
        ("PC001002= 0.5", "PC1_2", 0.5), ("PC01_02 = 0.5", "PC1_2", 0.5),
        ("CD002001= 0.5", "CD2_1", 0.5), ("CD02_01 = 0.5", "CD2_1", 0.5),
        ("PC1_02  = 0.5", "PC1_2", 0.5), ("PC001_2 = 0.5", "PC1_2", 0.5),
        ("PV02_001= 0.5", "PV2_1", 0.5), ("PV2_00  = 0.5", "PV2_0", 0.5),
        ("PC10_12 = 0.5", "PC10_12", 0.5), ("RADECSYS= 'FK4'", "RADESYS", "FK4"),
        ("radecsys= 'FK4'", "RADESYS", "FK4"), ("PROJP1  = 3", "PROJP1", 3.0),
        ("EPOCH   = 1950", "EPOCH", 1950.0),
    ],
)  # fmt: skip
def test_a_card_in_any_spelling(card, keyword, value):
    """Numbers and texts are those of astropy.io.fits, and old keywords have their new names."""
    [parsed] = fits.Header.fromstring(header(card).decode()).cards
    assert parsed.rawvalue == value
    assert read_wcs_cards(header(card)).values == {keyword: value}


@pytest.mark.parametrize(
    "card",
    [
        "CRVAL1A = 1.0", "PC1_2A  = 1.0", "HIERARCH CRVAL1 = 1.0", "PC1-2   = 1.0", "OBJECT  = 'x'",
        "PC0_1   = 1.0", "PC001000= 1.0", "PV1_100 = 1.0", "CRVAL100= 1.0", "CRVAL01 = 1.0",
        "EPOCHA  = 1950.0", "COMMENT CRVAL1  = 1.0", "HISTORY CRVAL1  = 1.0", "LONPOLE =",
        "        CRVAL1  = 1.0", "CRVAL   = 1.0", "PC      = 1.0", "EQUINOX = / unknown",
    ],
)  # fmt: skip
def test_other_cards_do_not_count(card):
    """Alternate descriptions, history, indices out of range, and cards without a value."""
    assert read_wcs_cards(header(card)).values == {}


@pytest.mark.parametrize(
    "card",
    [
        "CRVAL1  = 'abc'", "CRVAL1  = '180.0'", "CRVAL1  = NaN", "CRVAL1  = INDEF", "CRVAL1  = T",
        "CRVAL1  = 12:30:00", "CRVAL1  = 1E999", "CRVAL1  = (1.0, 2.0)", "CRVAL1  =", "CRVAL1",
        "CRVAL1  =1.0", "CRVAL1  = 1.0 deg", "CRVAL1  = 1.0\0", "CRVAL1  = 'abc: 1.0'",
        "CRVAL1  = '\xe4'", "CRVAL1  = 'abc", "CRVAL1  = --1", "CRVAL1  = 1,5",
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_an_error_for_who_needs_it(card):
    """The error shows the card; a card that nobody asks for is none."""
    cards = read_wcs_cards(header(card, "CRVAL2  = 2.0"))
    assert isinstance(cards.values["CRVAL1"], Unreadable)
    assert cards.number("CRVAL2", 0.0) == 2.0
    with pytest.raises(CardError, match="CRVAL1") as caught:
        cards.number("CRVAL1", 0.0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isascii()


def test_strings_continue_on_further_cards():
    """As in astropy: with ``&`` at the end, and a comment behind it; not without CONTINUE."""
    for first, second in (
        ("CTYPE1  = 'RA--&'", "CONTINUE  '-SIN'"),
        ("CTYPE1  = 'RA--&' / comment", "CONTINUE  '-SIN   ' / more"),
        ("CTYPE1  = 'RA---S&'", "CONTINUE  '&'".ljust(80) + "CONTINUE  'IN'"),
    ):
        raw = header(first, *[second[i : i + 80] for i in range(0, len(second), 80)])
        assert fits.Header.fromstring(raw.decode())["CTYPE1"].rstrip() == "RA---SIN"
        assert read_wcs_cards(raw + header("CRVAL1  = 1.0")).values == {
            "CTYPE1": "RA---SIN", "CRVAL1": 1.0
        }  # fmt: skip
    assert read_wcs_cards(header("CUNIT1  = 'deg&'", "CRVAL1  = 1.0")).values == {
        "CUNIT1": "deg&", "CRVAL1": 1.0
    }  # fmt: skip


def test_of_equal_keywords_the_last_counts():
    """In any spelling; but the first EPOCH, as in wcslib."""
    cards = header(
        "PC001002= 0.1", "PC1_2   = 0.2", "CRVAL1  = 1.0", "crval1  = 2.0", "RADESYS = 'FK5'",
        "RADECSYS= 'FK4'", "EPOCH   = 1950.0", "EPOCH   = 2000.0",
    )  # fmt: skip
    assert read_wcs_cards(cards).values == {
        "PC1_2": 0.2, "CRVAL1": 2.0, "RADESYS": "FK4", "EPOCH": 1950.0
    }  # fmt: skip


def test_where_a_header_ends():
    """At END, also if bytes follow; at the last whole card of a header without END."""
    whole = header("CRVAL1  = 1.0")
    assert read_wcs_cards(whole + header("END", "CRVAL1  = 2.0")).values == {"CRVAL1": 1.0}
    assert read_wcs_cards(whole + b"CRVAL1  = 2.0").values == {"CRVAL1": 1.0}
    assert read_wcs_cards(b"").values == {}
    assert read_wcs_cards(b"CRVAL1  = 1.0").values == {}


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_generated_headers_have_the_values_of_astropy(seed):
    """Every card of a header, whatever its order, spelling and comment."""
    case = generated(seed)
    expected = {
        card.keyword: card.value for card in fits.Header.fromstring(case.standard.decode()).cards
    }
    got = read_wcs_cards(case.header).values
    renamed = {"PROJP": "PV", "EPOCH": "EQUINOX"}
    assert len(got) == sum(1 for key in expected if not key.startswith(("COMMENT", "END")))
    for keyword, value in got.items():
        if keyword in expected:
            same = value == expected[keyword] or math.isclose(value, expected[keyword])
            assert same, keyword
        else:
            assert any(keyword.startswith(old) for old in renamed), keyword


def test_a_long_history_is_passed_over():
    """Cards after 9,000 lines of history count, and text in the history does not."""
    history = header("HISTORY CRVAL1  = 5.0 CRVAL1", "COMMENT PC001001= 1.0") * 4500
    values = read_wcs_cards(history + header("CRVAL1  = 1.0") + history).values
    assert values == {"CRVAL1": 1.0}
    assert np.isfinite(values["CRVAL1"])
