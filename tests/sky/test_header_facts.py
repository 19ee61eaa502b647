"""What headers of real surveys and programs say of an image, in their many spellings."""

from __future__ import annotations

import math

import pytest
from astropy import units as u

from mingolotss.sky.header_facts import (
    HeaderFacts,
    header_facts,
    jy_per_beam,
    normal_unit,
    read_header_facts,
)
from mingolotss.sky.wcs import SkyWCS, simple_header


def facts(*cards: str) -> HeaderFacts:
    """Return the facts of a header with these cards."""
    return read_header_facts(b"".join(card.encode().ljust(80) for card in [*cards, "END"]))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("JY/BEAM", "Jy/beam"), ("Jy/beam", "Jy/beam"), ("jy/bm", "Jy/beam"),
        ("Jy beam-1", "Jy/beam"), ("Jy beam^-1", "Jy/beam"), ("Jy beam**-1", "Jy/beam"),
        ("Jy.beam-1", "Jy/beam"), ("Jy per beam", "Jy/beam"), ("Janskies/beam", "Jy/beam"),
        ("mJy/beam", "mJy/beam"), ("mjy/beam", "mJy/beam"), ("uJy / beam", "uJy/beam"),
        ("UJY/BEAM", "uJy/beam"), ("microJy/beam", "uJy/beam"), ("MJY/BEAM", "MJY/BEAM"),
        ("MJy/sr", "MJy/sr"), ("Jy/pixel", "Jy/pixel"), ("Jy", "Jy"), ("K", "K"),
        ("Jy/beam.km/s", "Jy/beam.km/s"), ("counts", "counts"),
    ],
)  # fmt: skip
def test_units_in_one_spelling(written, expected):
    """Multiples of Jy have one spelling; MJY in capitals may be milli or mega and stays."""
    assert facts(f"BUNIT   = '{written}'").unit == normal_unit(written) == expected


@pytest.mark.parametrize("unit", ["Jy/beam", "mJy/beam", "uJy/beam", "nJy/beam", "kJy/beam"])
def test_multiples_of_jy_per_beam(unit):
    """The factors are those of astropy."""
    assert jy_per_beam(unit) == pytest.approx(u.Unit(unit).to(u.Jy / u.beam), rel=1e-12)


@pytest.mark.parametrize("unit", ["K", "Jy/pixel", "MJy/sr", "Jy", "counts", "MJY/BEAM"])
def test_other_units_are_no_flux_per_beam(unit):
    """They cannot be converted without more knowledge."""
    assert math.isnan(jy_per_beam(unit))


@pytest.mark.parametrize(
    ("cards", "mhz"),
    [
        (["RESTFRQ =          143650000.0"], 143.65),  # LoTSS
        (["RESTFREQ=            1.4000D+09"], 1400.0),  # NVSS, FIRST
        (["CTYPE3  = 'FREQ    '", "CRVAL3  = 1.4E9", "CDELT3  = 1.0E8", "CRPIX3  = 1.0"], 1400.0),
        (["CTYPE4  = 'FREQ'", "CRVAL4  = 887.5", "CUNIT4  = 'MHz'", "RESTFRQ = 1.42E9"], 887.5),
        (["CTYPE3  = 'FREQ'", "CRVAL3  = 1.284", "CUNIT3  = 'GHz'"], 1284.0),  # MeerKAT
        (["CTYPE3  = 'FREQ-LSR'", "CRVAL3  = 1.0E9", "CDELT3 = 2.0E6", "CRPIX3 = 11."], 980.0),
        (["RESTFREQ= 0.0", "RESTFRQ = 'x'"], math.nan),
        (["FREQ    =                150.0 / [MHz] of the band"], 150.0),
        (["FREQ    =                150.0"], math.nan),  # of what?
        (["CTYPE3  = 'STOKES'", "CRVAL3  = 1.4E9"], math.nan),
        (["CTYPE3  = 'FREQ'", "CRVAL3  = 1.4", "CUNIT3  = 'furlong'"], math.nan),
        (["RESTFRQ = 1.4E9 / in GHz"], math.nan), ([], math.nan),
    ],
)  # fmt: skip
def test_frequency(cards, mhz):
    """The axis comes first, in its unit; what cannot be true is not known."""
    assert facts(*cards).frequency_mhz == pytest.approx(mhz, nan_ok=True)


@pytest.mark.parametrize(
    ("cards", "beam"),
    [
        (["BMAJ    = 0.0025", "BMIN    = 0.0025"], (9.0, 9.0, math.nan)),
        (["BMAJ    = 25.0 / [arcsec]", "BMIN    = 20.0 / [arcsec]", "BPA = 7."], (25.0, 20.0, 7.0)),
        (["CLEANBMJ= 1.5E-3", "CLEANBMN= 1.0E-3", "CLEANBPA= 45.0"], (5.4, 3.6, 45.0)),
        (["bmaj    = 1.5E-3", "bmin    = 1.0E-3"], (5.4, 3.6, math.nan)),
        (["BMAJ    = 0.0", "BMIN    = 0.0"], (math.nan, math.nan, math.nan)),
        (["BMAJ    = -1.0", "BMIN    = 1.0E-3"], (math.nan, math.nan, math.nan)),
        (["BMAJ    =", "BMIN    = 1.0E-3"], (math.nan, math.nan, math.nan)),
        (["HISTORY AIPS   CLEAN BMAJ=  1.2500E-02 BMIN=  1.2500E-02 BPA=   0.00"], (45, 45, 0)),
        (["CASAMBM =                    T"], (math.nan, math.nan, math.nan)),  # in a table
    ],
)  # fmt: skip
def test_beam(cards, beam):
    """Cards of CASA, AIPS and others; the position angle is null where nobody wrote it."""
    of = facts(*cards)
    measured = of.beam_major_arcsec, of.beam_minor_arcsec, of.beam_pa_deg
    assert measured == pytest.approx(beam, nan_ok=True)


@pytest.mark.parametrize(
    ("cards", "telescope", "survey"),
    [
        (["TELESCOP= 'LOFAR   '", "OBSERVER= 'LoTSS   '"], "LOFAR", "LoTSS"),
        (["TELESCOP= 'VLA     '", "SURVEY  = 'NVSS'"], "VLA", "NVSS"),
        (["INSTRUME= 'ASKAP'", "PROJECT = 'RACS-low 1'"], "ASKAP", "RACS"),
        (["TELESCOP= ''", "ORIGIN  = 'AIPSsundog'", "OBSERVER= 'Becker'"], None, None),
        (["TELESCOP= 'LOFAR'", "ORIGIN  = 'mingolotss simulate'"], "simulated", "simulated"),
        (["TELESCOP= 'x' / a", "TELESCOP= 5"], None, None), ([], None, None),
    ],
)  # fmt: skip
def test_telescope_and_survey(cards, telescope, survey):
    """A simulated sky imitates the header of LOFAR, but is no observation of it."""
    assert (facts(*cards).telescope, facts(*cards).survey) == (telescope, survey)


def test_facts_of_any_sky():
    """The position of a service of another package has a text as its header."""

    class Sky:
        header = "BUNIT   = 'mJy/beam'\nBMAJ    = 0.001 / deg\nBMIN    = 0.001\nEND"

    header = simple_header(1.0, 2.0, shape=(9, 9), scale_arcsec=1.5)
    header = b"BUNIT   = 'JY/BEAM'".ljust(80) + header
    assert header_facts(SkyWCS.from_header(header)).unit == "Jy/beam"
    assert header_facts(Sky()) == facts(*Sky.header.splitlines())
    assert str(header_facts(None)) == str(HeaderFacts())
