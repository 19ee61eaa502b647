"""The projections TNX and ZPX of IRAF: astropy's positions, or one line about the text in WAT."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS

LINEAR = {"CRVAL1": 205.0, "CRVAL2": -30.0, "CRPIX1": 20.5, "CRPIX2": 10.0}
MATRICES = (
    {"CD1_1": -4e-4, "CD1_2": 3e-5, "CD2_1": 2e-5, "CD2_2": 4e-4},
    {"CDELT1": -4e-4, "CDELT2": 4e-4, "PC1_2": 0.1, "PC2_1": -0.1},
    {"CDELT1": -4e-4, "CDELT2": 4e-4, "CROTA2": 10.0},
)
SIMPLE = 'wtype=tnx axtype={axis} {name} = "{numbers} "'
NUMBERS = "3. 2. 2. 1. -0.1 0.1 -0.1 0.1 1E-3 2E-3 3E-3 4E-3"


def cards_of(text: str, axis: int, width: int = 68) -> dict[str, str]:
    """Return the cards that continue a text, without its blanks at the ends of cards."""
    parts = [text[i : i + width] for i in range(0, len(text), width)]
    return {f"WAT{axis}_{number:03d}": part for number, part in enumerate(parts, 1)}


def header(values: dict[str, object]) -> bytes:
    """Return a header with values as astropy writes them."""
    return fits.Header(list(values.items())).tostring(padding=False).encode()


def tnx(numbers: str = NUMBERS, **changes: object) -> bytes:
    """Return a header with the same polynomial on both axes."""
    values: dict[str, object] = {"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}
    values |= LINEAR | MATRICES[0]
    for axis, (name, kind) in enumerate((("lngcor", "ra"), ("latcor", "dec")), 1):
        text = SIMPLE.format(axis=kind, name=name, numbers=numbers)
        values |= cards_of(text, axis)
    return header({key: value for key, value in (values | changes).items() if value is not None})


def control(rng: np.random.Generator) -> list[int]:
    """Return the kind, the orders and the cross terms of a polynomial."""
    return [int(rng.integers(*limits)) for limits in ((1, 4), (1, 6), (1, 6), (0, 3))]


def polynomial(
    rng: np.random.Generator, axis: int, numbers_of_control: list[int], *, is_zpx: bool
) -> str:
    """Return the text of an axis, of which no card ends with a blank: wcslib would stop there."""
    kind, nx, ny, cross = numbers_of_control
    full = [(m, n) for n in range(ny) for m in range(nx)]
    terms = {0: lambda m, n: not (m and n), 1: lambda *_: True, 2: lambda m, n: m + n < max(nx, ny)}
    count = sum(terms[cross](m, n) for m, n in full)
    projection = "projp0=0. projp1=1. projp3=337.74 projp5=632052. " if is_zpx else ""
    name = ("axtype=ra {}lngcor", "axtype=dec {}latcor")[axis - 1].format(projection)
    while True:
        numbers = [*rng.uniform(-0.2, -0.1, 1), 0.11, -0.15, 0.17, *rng.normal(0, 1e-4, count)]
        written = " ".join(repr(float(number)).upper() for number in numbers)
        text = (
            f'wtype={"zpx" if is_zpx else "tnx"} {name} = "{kind}. {nx}. {ny}. {cross}. {written} "'
        )
        if not any(part.endswith(" ") for part in cards_of(text, axis).values()):
            return text


@pytest.mark.slow
def test_generated_polynomials():
    """Five pixels of 200 headers of all kinds, orders, cross terms and matrices agree to 1e-6."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        is_zpx = bool(seed % 3 == 0)
        code = "ZPX" if is_zpx else "TNX"
        values = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "RADESYS": "ICRS"}
        values |= LINEAR | MATRICES[seed % len(MATRICES)]
        numbers = control(rng)  # wcslib mixes them up if they differ between the axes
        for axis in (1, 2):
            values |= cards_of(polynomial(rng, axis, numbers, is_zpx=is_zpx), axis)
        raw = header(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference = WCS(fits.Header.fromstring(raw.decode()))
        x, y = rng.uniform(-10, 60, (2, 5))
        ra, dec = reference.wcs_pix2world(x, y, 0)
        wcs = SkyWCS.from_header(raw, path="x.fits")
        np.testing.assert_allclose(
            wcs.to_sky(x, y), (ra, dec), rtol=0, atol=1e-10, err_msg=str(seed)
        )
        np.testing.assert_allclose(
            wcs.to_pixel(ra, dec), reference.wcs_world2pix(ra, dec, 0), rtol=0, atol=1e-6
        )


def test_the_polynomial_decides_and_not_ctype():
    """As in astropy, TAN with the text of TNX is TNX; with that of TAN it is not."""
    expected = SkyWCS.from_header(tnx()).to_sky(25.0, 12.0)
    plain = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
    assert SkyWCS.from_header(tnx(**plain)).to_sky(25.0, 12.0) == expected
    text = {"WAT1_001": "wtype=tan axtype=ra", "WAT1_002": None}
    undistorted = SkyWCS.from_header(tnx(**plain, **text)).to_sky(25.0, 12.0)
    assert undistorted == SkyWCS.from_header(header(plain | LINEAR | MATRICES[0])).to_sky(
        25.0, 12.0
    )
    assert np.abs(np.subtract(undistorted, expected)).max() > 1e-4


PV = {f"PV{i}_{m}": value for i in (1, 2) for m, value in {0: 1e-4, 1: 1.001, 5: 2e-4}.items()}
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "B_0_2": 2e-5}


CHANGES: tuple[dict[str, object], ...] = (
    {}, {"RADESYS": "FK4", "EQUINOX": 1950.0}, {"CUNIT1": "arcsec", "CUNIT2": "arcsec"}, SIP,
    {"LONPOLE": 170.0},
)  # fmt: skip
CODES = ("TAN", "SIN", "ARC", "CAR", "AIT", "TNX")


@pytest.mark.parametrize(
    ("code", "changes"), [*((code, cards) for code in CODES for cards in CHANGES), ("TAN", PV)]
)
@pytest.mark.filterwarnings("ignore")
def test_polynomials_with_other_cards(code, changes):
    """Frames, units, SIP, and SCAMP, which programs add to a header without removing WAT."""
    raw = tnx(CTYPE1=f"RA---{code}", CTYPE2=f"DEC--{code}", **changes)
    reference = WCS(fits.Header.fromstring(raw.decode()))
    sky = reference.pixel_to_world([25.0, -3.0], [12.0, 40.0]).icrs
    wcs = SkyWCS.from_header(raw)
    np.testing.assert_allclose(
        wcs.to_sky([25.0, -3.0], [12.0, 40.0]), (sky.ra.deg, sky.dec.deg), rtol=0, atol=1e-9
    )
    expected = reference.world_to_pixel(sky)
    np.testing.assert_allclose(wcs.to_pixel(sky.ra.deg, sky.dec.deg), expected, rtol=0, atol=1e-6)


def test_blanks_at_the_end_of_a_card_count():
    """Programs that copy a header leave them out; then the text has as many numbers as before."""
    expected = SkyWCS.from_header(tnx()).to_sky(25.0, 12.0)
    for blanks in range(1, 40):
        text = SIMPLE.format(axis="ra", name="lngcor", numbers=NUMBERS)
        text = text.replace(" axtype", " " * blanks + "axtype")
        wcs = SkyWCS.from_header(tnx(**cards_of(text, 1)))
        assert wcs.to_sky(25.0, 12.0) == expected


def test_a_position_far_off_has_no_pixel():
    """The inverse does not converge there, which is NaN and no error."""
    x, _ = SkyWCS.from_header(tnx()).to_pixel([205.0, 25.0], [-30.0, 30.0])
    assert np.isfinite(x).tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"WAT1_001": None}, "RA---TNX"), ({"WAT2_002": None}, "WAT2_001"),
        ({"WAT1_001": 5}, "WAT1_001"),
        ({"WAT2_001": "wtype=zpx", "WAT2_002": None}, "no polynomial"),
        ({"WAT2_001": 'wtype=tnx latcor="x"', "WAT2_002": None}, r"\(x\)"),
        ({"WAT2_001": "wtype=tnx wtype=tnx", "WAT2_002": None}, "wtype"),
        ({"WAT2_001": 'wtype=tnx latcor="1. 2."', "WAT2_002": None}, "2 numbers"),
        ({"WAT2_001": 'wtype=tnx latcor="3 3 1 2 -1 1 -1 1 1 2 3"', "WAT2_002": None,
          "WAT1_001": 'wtype=tnx lngcor="3 2 1 2 -1 1 -1 1 1 2"', "WAT1_002": None}, "2 and 3"),
        ({"CTYPE1": "RA---ZPX", "CTYPE2": "DEC--ZPX"}, "polynomials of tnx"),
        ({"CTYPE3": "DEC--TNX", "CTYPE2": "FREQ", "CD1_2": None, "CD2_1": None, "CD3_3": 4e-4},
         "polynomials of tnx"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_read_are_one_line(changes, words):
    """The line has the keyword, or what is wrong in the text."""
    with pytest.raises(NoWCSError, match=words) as caught:
        SkyWCS.from_header(tnx(**changes), path="x.fits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ("3. 2. 2. 1. -1 1 -1 1 1 2 3", "3 coefficients for 4"),
        ("3. 2. 2. 1. -1 1 -1 1 1 2 3 4 5", "5 coefficients for 4"),
        ("3. 99999. 99999. 1. -1 1 -1 1 1 2 3", "99999"), ("3. -1. 2. 1. -1 1 -1 1", "-1"),
        ("4. 1. 1. 1. -1 1 -1 1 1", "4 1 1 1"), ("3. 1. 1. 3. -1 1 -1 1 1", "3 1 1 3"),
        ("3.5 1. 1. 1. -1 1 -1 1 1", "3.5"), ("3. 1. 1. 1. -1 1 -1 1 nan", "nan"),
        ("3. 1. 1. 1. -1 1 -1 1 1e999", "1e999"), ("3. 1. 1. 1. -1 1 -1 1 0x1p3", "0x1p3"),
        ("1. 1. 1. 1. 1 1 -1 1 1", "X-span"), ("3. 10. 10. 1. -1 1 -1 1 " + "1 " * 100, "powers"),
        ("3. 2. 2. 1. -1 1 -1 1 1 0. 3 4", "coefficient of 0"),
    ],
)  # fmt: skip
def test_polynomials_that_cannot_be_used_are_one_line(numbers, words):
    """Counts have limits, and a text with too few or too many numbers has lost a piece."""
    with pytest.raises(NoWCSError, match=words) as caught:
        SkyWCS.from_header(tnx(numbers), path="x.fits")
    assert "\n" not in str(caught.value)


def test_zpx_takes_its_parameters_from_the_text():
    """Of the second axis, as wcslib does; a number that ZPN does not have is an error."""
    rng = np.random.default_rng(1)
    texts = [polynomial(rng, axis, [3, 2, 2, 1], is_zpx=True) for axis in (1, 2)]
    values = {"CTYPE1": "RA---ZPX", "CTYPE2": "DEC--ZPX"} | LINEAR | MATRICES[0]
    raw = header(
        values | cards_of(texts[0], 1) | cards_of(texts[1].replace("projp5", "projp30"), 2)
    )
    with pytest.raises(NoWCSError, match="projp30"):
        SkyWCS.from_header(raw)
