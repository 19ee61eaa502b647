"""Lookup tables of a WCS in other HDUs: the positions of astropy, or one line about the table."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import ImageError, NoWCSError
from mingolotss.io.fits import read_image
from mingolotss.service.local.mosaic_file import open_mosaic

CARDS = {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 205.0, "CRVAL2": -30.0,
    "CRPIX1": 20.5, "CRPIX2": 10.0, "CD1_1": -4e-4, "CD2_2": 4e-4, "RADESYS": "ICRS",
    "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_1_1": 2e-4,
}  # fmt: skip
Hdus = fits.HDUList


def use(kind: str, record: str, axis: int, version: int, along: int | None = None) -> fits.Header:
    """Return the cards that give an axis a table."""
    axes = (along or axis, 3 - (along or axis))
    records = [f"EXTVER: {version}.0", "NAXES: 2.0", f"AXIS.{axis}: {axes[0]}.0"]
    records.append(f"AXIS.{3 - axis}: {axes[1]}.0")
    cards = [fits.Card(f"{kind}{axis}", "Lookup")]
    cards += [fits.Card.fromstring(f"{record}{axis:<{8 - len(record)}}= '{r}'") for r in records]
    return fits.Header(cards)


def table(name: str, version: int, values: np.ndarray, **cards: float) -> fits.ImageHDU:
    """Return an extension with a table of corrections."""
    grid = {"CRPIX1": 1.0, "CRPIX2": 2.0, "CRVAL1": 3.0, "CRVAL2": -4.0, "CDELT1": 8.0, "CDELT2": 9}
    header = fits.Header(list((grid | cards).items()))
    return fits.ImageHDU(values, header, name=name, ver=version)


def values(seed: int, shape: tuple[int, ...] = (5, 7)) -> np.ndarray:
    """Return corrections of up to half a pixel."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype("f4")


def hdus(*tables: fits.ImageHDU, uses: tuple[fits.Header, ...] = (), **cards: object) -> Hdus:
    """Return a file with an image and tables."""
    image = fits.ImageHDU(values(9, (30, 40)), fits.Header(list((CARDS | cards).items())))
    for header in uses:
        image.header.extend(header.cards)
    return Hdus([fits.PrimaryHDU(), image, *tables])


def written(file: Hdus) -> bytes:
    """Return the bytes of a file."""
    stream = io.BytesIO()
    file.writeto(stream)
    return stream.getvalue()


CPDIS1, CPDIS2 = use("CPDIS", "DP", 1, 1), use("CPDIS", "DP", 2, 2)
D2IM1, D2IM2 = use("D2IMDIS", "D2IM", 1, 1), use("D2IMDIS", "D2IM", 2, 4)
FIRST, SECOND = table("WCSDVARR", 1, values(1)), table("WCSDVARR", 2, values(2, (3, 4)))
SCALED = fits.ImageHDU(np.arange(35, dtype="i2").reshape(5, 7), FIRST.header.copy(), ver=1)
SCALED.scale("int16", bscale=0.02, bzero=-0.3)
BOTH = (CPDIS1, CPDIS2)  # astropy refuses CPDIS for one axis alone
FILES: dict[str, Callable[[], Hdus]] = {
    "image": lambda: hdus(FIRST, SECOND, uses=BOTH),
    "in another order": lambda: hdus(
        SECOND, table("WCSDVARR", 3, values(3)), table("D2IMARR", 1, values(3)), FIRST, uses=BOTH
    ),
    "transposed": lambda: hdus(FIRST, SECOND, uses=(use("CPDIS", "DP", 1, 1, along=2), CPDIS2)),
    "detector": lambda: hdus(
        table("D2IMARR", 4, values(4)), table("D2IMARR", 1, values(5, (1, 40))), uses=(D2IM1, D2IM2)
    ),
    "detector and image": lambda: hdus(
        FIRST, SECOND, table("D2IMARR", 1, values(6)), uses=(*BOTH, D2IM1)
    ),
    "AXISCORR": lambda: hdus(table("D2IMARR", 1, values(7, (40,))), AXISCORR=2),
    "AXISCORR before D2IMDIS": lambda: hdus(
        table("D2IMARR", 1, values(7, (40,))), FIRST, SECOND, uses=(D2IM1, *BOTH), AXISCORR=1
    ),
    "scaled integers": lambda: hdus(SCALED, SECOND, uses=BOTH),
    "compressed": lambda: hdus(
        fits.CompImageHDU(values(1), FIRST.header, compression_type="GZIP_2", quantize_level=0),
        SECOND, uses=BOTH,
    ),
    "TPV": lambda: hdus(
        FIRST, SECOND, uses=BOTH, CTYPE1="RA---TPV", CTYPE2="DEC--TPV", PV1_1=1.01, PV2_1=1.0
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.filterwarnings("ignore")
def test_positions_are_those_of_astropy(tmp_path, kind):
    """In cutouts and mosaics, and after a pickle, as the WCS is sent to workers."""
    raw = written(FILES[kind]())
    x, y = np.array([0.0, 5.3, 20.0, 39.0, -3.0]), np.array([0.0, 25.0, 11.1, 29.0, 40.0])
    with fits.open(io.BytesIO(raw)) as file:
        reference = WCS(file[1].header, file)
    ra, dec = reference.all_pix2world(x, y, 0)
    (tmp_path / "mosaic.fits").write_bytes(raw)
    image = read_image(raw, path="x.fits")
    for wcs in (image.wcs(), open_mosaic(str(tmp_path / "mosaic.fits")).wcs):
        for same in (wcs, pickle.loads(pickle.dumps(wcs))):
            np.testing.assert_allclose(same.to_sky(x, y), (ra, dec), rtol=0, atol=1e-10)
            back = reference.all_world2pix(ra, dec, 0, quiet=True)
            np.testing.assert_allclose(same.to_pixel(ra, dec), back, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (lambda: hdus(uses=(CPDIS1,)), "CPDIS1 needs the table WCSDVARR 1, which the file does"),
        (lambda: hdus(SECOND, uses=(D2IM1,)), "D2IMDIS1 needs the table D2IMARR 1"),
        (lambda: hdus(AXISCORR=1), "AXISCORR needs the table D2IMARR 1"),
        (lambda: hdus(FIRST, AXISCORR=3), "AXISCORR is 3"),
        (lambda: hdus(FIRST, uses=(CPDIS1[:2],)), "CPDIS1 has no card DP1 with 'AXIS.1'"),
        (lambda: hdus(FIRST, CPDIS1="TPD"), "kind that is not read .CPDIS1"),
        (lambda: hdus(FIRST, uses=(CPDIS1,), CTYPE3="FREQ", CTYPE1="X", CTYPE4="RA---TAN"), "axes"),
        (lambda: hdus(table("WCSDVARR", 1, values(1, (4,))), uses=(CPDIS1,)), "4, not 2 axes"),
        (lambda: hdus(table("WCSDVARR", 1, values(1, (2, 3, 4))), uses=(CPDIS1,)), "4 x 3 x 2"),
        (lambda: hdus(table("D2IMARR", 1, values(1)), AXISCORR=1), "7 x 5, not 1 axes"),
        (lambda: hdus(table("WCSDVARR", 1, None), uses=(CPDIS1,)), "no axes, not 2"),
        (lambda: hdus(table("WCSDVARR", 1, values(1) * np.nan), uses=(CPDIS1,)), "is not finite"),
        (lambda: hdus(table("WCSDVARR", 1, np.full((5, 7), 1e300)), uses=(CPDIS1,)), "not finite"),
        (lambda: hdus(table("WCSDVARR", 1, values(1), CDELT2=0.0), uses=(CPDIS1,)), "CDELT of 0"),
        (lambda: hdus(table("WCSDVARR", 1, values(1), CRVAL1="x"), uses=(CPDIS1,)), "not finite"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_one_line(file, words):
    """The line has the name of the table or the card."""
    with pytest.raises(ImageError, match=words) as caught:
        read_image(written(file()), path="x.fits").wcs()
    assert "\n" not in str(caught.value)
    assert "x.fits" in str(caught.value)


def test_enormous_and_truncated_tables():
    """An enormous table is refused before it is read, and a file that ends early is truncated."""
    raw = written(hdus(FIRST, uses=(CPDIS1,)))
    start = raw.rindex(b"XTENSION")
    for axis in (b"NAXIS1  =", b"NAXIS2  ="):
        place = raw.index(axis, start)
        large = raw[: place + 10] + b"99999".rjust(20) + raw[place + 30 :]
        with pytest.raises(ImageError, match=r"cut short|over the limit"):
            read_image(large, path="x.fits")
    with pytest.raises(ImageError, match="fetch it again"):
        read_image(raw[: start + 2900], path="x.fits")
    with pytest.raises(ImageError, match=r"no end|without the end"):
        read_image(raw[: start + 100], path="x.fits")


def test_an_image_without_tables_is_read_alone():
    """The rest of the file does not matter, damaged or not, though the history has the words."""
    file = hdus(FIRST)
    file[1].header["HISTORY"] = "CPDIS1 and D2IMDIS1 were removed"
    raw = written(file)
    image = read_image(raw[: raw.rindex(b"XTENSION") + 100], path="x.fits")
    assert image.tables == {}
    with pytest.raises(NoWCSError, match="CPDIS1"):
        type(image.wcs()).from_header(written(FILES["image"]())[2880:], path="x.fits")
