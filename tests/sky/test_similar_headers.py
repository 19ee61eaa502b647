"""What follows from a similar header equals what a header alone says, errors too."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from mingolotss.errors import ImageError
from mingolotss.io import fits_layout
from mingolotss.sky import alignment, celestial, header_facts, wcs
from mingolotss.sky.celestial import similar_celestial_wcs
from mingolotss.sky.fits_header import CARD, format_card, pad_to_block
from mingolotss.sky.similar_headers import split_header
from mingolotss.sky.wcs import SkyWCS, simple_header
from wcs_mutations import mutated

SHAPE = (30, 40)
FIRST = format_card("SIMPLE", "T") + format_card("BITPIX", -32)


def header(ra=10.0, dec=50.0, *further, before_end=True, projection="SIN"):
    """Return a header with further cards before its END, or after it."""
    cards = simple_header(ra, dec, shape=SHAPE, scale_arcsec=1.5, projection=projection)
    lines = b"".join(card.encode().ljust(CARD)[:CARD] for card in further)
    end = cards[-CARD:]
    rest = cards[:-CARD]
    whole = FIRST + rest + (lines + end if before_end else end + lines)
    return pad_to_block(whole, b" ")


def changed(raw, keyword, card):
    """Return a header with another card in the place of that of a keyword."""
    at = raw.index(keyword.ljust(8).encode())
    return raw[:at] + card.encode().ljust(CARD)[:CARD] + raw[at + CARD :]


UNUSUAL = {
    "another number": header(11.5, 49.0),
    "a D exponent": changed(header(), "CRVAL1", "CRVAL1  =             1.15D+01"),
    "free format": changed(header(), "CRVAL1", "CRVAL1  = 11.5 / deg"),
    "a long number": changed(header(), "CRVAL1", f"CRVAL1  = {'1' + '0' * 30}.5E-30"),
    "a text": changed(header(), "CRVAL1", "CRVAL1  = '11.5    '"),
    "no number": changed(header(), "CRVAL1", "CRVAL1  ="),
    "two numbers": changed(header(), "CRVAL1", "CRVAL1  = 1 2"),
    "only signs": changed(header(), "CRVAL1", "CRVAL1  = +-+-"),
    "infinite": changed(header(), "CRVAL1", "CRVAL1  = 1E999"),
    "off the sky": changed(header(), "CRVAL2", "CRVAL2  = 91.0"),
    "lower case": changed(header(), "CRVAL1", "crval1  = 12.5"),
    "not there": changed(header(), "CRVAL1", "COMMENT"),
    "twice": header(10.0, 50.0, "CRVAL1  =                 99.0"),
    "twice, once in lower case": header(10.0, 50.0, "crval1  = 99.0"),
    "continued": changed(header(), "CRVAL2", "CONTINUE  '99'"),
    "after END": header(10.0, 50.0, "CRVAL1  =                 99.0", before_end=False),
    "in a comment": header(10.0, 50.0, "HISTORY CRVAL1  =                 99.0"),
    "shifted in a comment": header(10.0, 50.0, "COMMENT    CRVAL1  =                 99.0"),
    "a beam in the history": header(10.0, 50.0, "HISTORY BMAJ=0.01 BMIN=0.01 BPA=3.0"),
    "of the third axis": header(10.0, 50.0, "CTYPE3  = 'FREQ    '", "CRVAL3  = 1.4E9"),
    "other axes": changed(
        header(10.0, 50.0, "CTYPE3  = 'RA---SIN'", "CRVAL3  = 30.0"), "CTYPE1", "CTYPE1  = 'FREQ'"
    ),
    "SIP": header(10.0, 50.0, "A_ORDER = 2", "B_ORDER = 2", "A_2_0   = 1E-5", projection="TAN"),
    "degrees per radian": header(10.0, 50.0, "CUNIT1  = 'rad     '"),
    "NCP": changed(header(projection="NCP"), "CTYPE1", "CTYPE1  = 'RA---NCP'"),
    "no WCS": changed(changed(header(), "CTYPE1", "COMMENT"), "CTYPE2", "COMMENT"),
    "other pixels": changed(header(), "BITPIX", "BITPIX  =                   16"),
    "another shape": changed(header(), "NAXIS1", "NAXIS1  =                   12"),
    "no shape": changed(header(), "NAXIS1", "NAXIS1  =                   -1"),
    "other axes of the array": changed(header(), "NAXIS", "NAXIS   =                    0"),
    "scaled": header(10.0, 50.0, "BSCALE  = 2.0"),
    "an extension": changed(header(), "SIMPLE", "XTENSION= 'IMAGE   '"),
    "a longer header": header(10.0, 50.0, *["HISTORY of it"] * 60),
    "a header of many blocks": header(10.0, 50.0, *["HISTORY of it"] * 2000),
}  # fmt: skip
MUTATED = {
    f"mutation {seed}": mutated(header(), random.Random(seed))  # noqa: S311
    for seed in range(300)
}


def described(raw):
    """Return all that is read from a header."""
    try:
        layout = fits_layout.find_image(raw, "x.fits")
    except ImageError as error:
        layout = (type(error), str(error))
    return layout, header_facts.read_header_facts(raw), _position(raw)


def _position(raw):
    try:
        sky = SkyWCS.from_header(raw, path="x.fits")
    except ImageError as error:
        return type(error), str(error)
    x, y = np.array([0.0, 7.0, 39.0]), np.array([0.0, 20.0, 29.0])
    cards = sky.cards and (sky.cards.text(), sky.cards.crpix1, sky.cards.crpix2)
    ra, dec = sky.to_sky(x, y)
    back = [one.tobytes() for one in sky.to_pixel(ra, dec)]
    return ra.tobytes(), dec.tobytes(), back, cards, sky.pixel_scale_arcsec, sky.header


def alone(monkeypatch, raw):
    """Return what is read from a header if none is similar to it."""
    unsplit = SimpleNamespace(rest=raw, starts=(), numbers=())
    with monkeypatch.context() as patched:
        for module in (fits_layout, header_facts, celestial, alignment):
            patched.setattr(module, "split_header", lambda _header: unsplit)
        return described(raw)


@pytest.mark.parametrize("kind", [*UNUSUAL, *MUTATED])
def test_a_header_says_the_same_alone_and_after_a_similar_one(monkeypatch, kind):
    """Whatever was read before, layout, position, facts and errors are those of this header."""
    raw = (UNUSUAL | MUTATED)[kind]
    expected = alone(monkeypatch, raw)
    for before in (header(), header(123.0, -4.0), *list(UNUSUAL.values())[:4]):
        described(before)
    assert repr(described(raw)) == repr(expected)  # NaN is unequal to itself
    assert repr(described(raw)) == repr(expected)


@pytest.mark.parametrize("kind", UNUSUAL)
def test_two_headers_have_the_same_position_by_their_cards(kind):
    """The short cut gives what the comparison of all cards gives, either way round."""
    raw, beam = UNUSUAL[kind], header(10.0, 50.0, "BMAJ    = 0.001")
    for other in (header(), header(11.5, 49.0), beam, raw, UNUSUAL["twice"], UNUSUAL["a text"]):
        expected = alignment._have_same_cards(raw, other)
        assert alignment.has_same_wcs(raw, other) is expected
        assert alignment.has_same_wcs(other, raw) is expected


def test_similar_headers_are_read_once(monkeypatch):
    """The cards of the second of two similar headers are not looked for, only its numbers."""
    described(header())
    monkeypatch.setattr(celestial, "read_wcs_cards", None)
    monkeypatch.setattr(wcs, "read_wcs_cards", None)
    monkeypatch.setattr(fits_layout, "card_values", None)
    second = header(200.0, -30.0)
    layout, _, position = described(second)
    assert (layout.header, layout.offset, layout.shape) == (second, 2880, SHAPE)
    assert np.frombuffer(position[0]).max() == pytest.approx(200.0, abs=0.1)


def test_a_header_can_be_put_together_from_its_parts():
    """Nothing of a header is lost or moved when its numbers are taken out."""
    for raw in (UNUSUAL | MUTATED).values():
        split = split_header(raw)
        whole = bytearray(split.rest)
        for start, number in zip(split.starts, split.numbers, strict=True):
            whole[start + 10 : start + 30] = number
        assert bytes(whole) == raw


def test_unusual_cards_are_read_with_all_others():
    """A card that continues, stands twice, is unread or no number gives no short cut."""
    for kind in ("twice", "twice, once in lower case", "continued", "infinite", "only signs"):
        assert similar_celestial_wcs(UNUSUAL[kind]) is None, kind
