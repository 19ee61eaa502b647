"""The beam of a header, in every form that numbers have."""

from __future__ import annotations

import pytest

from mingolotss.sky.wcs import SkyWCS, simple_header

Beam = tuple[float, float, float] | None


def header(*cards: str) -> bytes:
    """Return cards of 80 bytes, with END."""
    return b"".join(card.encode().ljust(80) for card in [*cards, "END"])


def read_beam(cards: bytes) -> Beam:
    """Return the beam of an image with these cards."""
    place = simple_header(10.0, 20.0, shape=(9, 9), scale_arcsec=1.5).removesuffix(b"END".ljust(80))
    return SkyWCS.from_header(place + cards).beam


@pytest.mark.parametrize(
    ("major", "minor", "angle", "expected"),
    [
        ("1.5E-03", "1.0E-03", "90.0", (5.4, 3.6, 90.0)),
        ("1.5D-3", ".001", "-9.", (5.4, 3.6, -9.0)),
        ("1.5d-03/FWHM", "1.D-3 / x", "9/x", (5.4, 3.6, 9.0)), ("1", "1.", "0", (3600, 3600, 0.0)),
        ("0.0015", "+1e-3", "'x'", (5.4, 3.6, 0.0)), ("'1.5E-3'", "1.0E-03", "90.0", None),
        ("", "1.0E-03", "90.0", None),
    ],
)  # fmt: skip
def test_cards(major, minor, angle, expected):
    """Free format, exponents with D, and values that are no numbers."""
    beam = read_beam(header(f"BMAJ    = {major}", f"BMIN    ={minor:>21}", f"BPA     = {angle}"))
    assert beam == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["AIPS   CLEAN BMAJ=  1.5000E-03 BMIN=  1.0000E-03 BPA=  45.00"], (5.4, 3.6, 45.0)),
        (["AIPS   CLEAN BMAJ=  1.5D-03 BMIN=1.D-3 BPA=-45."], (5.4, 3.6, -45.0)),
        (["CLEAN BMAJ= 9.0 BMIN= 9.0", "CLEAN BMAJ= .0015 BMIN= .001"], (5.4, 3.6, 0.0)),
        (["OLDBMAJ= 1.5E-3 BMIN= 1.0E-3"], None), (["BMAJ= 1.5E-3"], None),
        (["BMAJ= 1.5.3 BMIN= 1.0E-3"], None),
    ],
)  # fmt: skip
def test_history(lines, expected):
    """The last run of CLEAN counts, and words that only contain the name do not."""
    beam = read_beam(header(*(f"HISTORY {line}" for line in lines)))
    assert beam == (expected and pytest.approx(expected))


def test_cards_go_before_history():
    """An image that was smoothed later has its beam in the cards."""
    beam = read_beam(
        header("BMAJ    = 1.5E-03", "BMIN    = 1.0E-03", "HISTORY CLEAN BMAJ= 1.0 BMIN= 1.0")
    )
    assert beam == pytest.approx((5.4, 3.6, 0.0))
