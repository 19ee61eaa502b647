"""Physical values: BSCALE, BZERO and BLANK of every kind of number, plain and in tiles.

The right value comes from FITS standard 4.0, sections 4.4.2.5 and 5.3, in plain numpy: astropy has
no NaN for BLANK in unsigned integers (its issue 16636) nor for BLANK = 0.
"""

from __future__ import annotations

import io
import warnings
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.errors import ImageError
from mingolotss.io.fits import read_image
from mingolotss.io.fits_scaling import PixelScaling
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.mosaic_file import ScaledMosaic, open_mosaic
from mingolotss.sky.wcs import simple_header

SHAPE = (13, 9)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8"}
UNSIGNED = {8: -128, 16: 1 << 15, 32: 1 << 31, 64: 1 << 63}  # int8 for 8 bits


def stored_pixels(bitpix, seed=1):
    """Return numbers over the whole range of a type, with both ends, 0 and 1."""
    limits = np.iinfo(STORED[bitpix])
    rng = np.random.default_rng(seed)
    pixels = rng.integers(limits.min, limits.max, SHAPE, dtype=np.int64, endpoint=True)
    pixels[0, :4] = limits.min, limits.max, 0, 1
    pixels[5, 2:6] = pixels[5, 2]
    return pixels


def written(path, bitpix, stored, **cards):
    """Write a FITS file card by card, as no library would for some of these cards."""
    values = {"SIMPLE": True, "BITPIX": bitpix, **CARDS, **cards}
    text = fits.Header(values.items()).tostring(padding=True).encode()
    data = stored.astype(STORED.get(bitpix, f">f{-bitpix // 8}")).tobytes()
    path.write_bytes(text + data + bytes(-len(data) % 2880))
    return path


def physical(stored, scale, zero, blank, dtype):
    """Return the values of the standard: exact for unsigned integers, else in floats."""
    if scale == 1 and zero in UNSIGNED.values():
        exact = [float(int(value) + int(zero)) for value in stored.ravel()]
        values = np.array(exact, dtype).reshape(stored.shape)
    else:
        values = stored.astype(dtype) * dtype(scale) + dtype(zero)
    if blank is not None:
        values[stored == blank] = np.nan
    return values


def same_by_both_ways(path, expected, kind):
    """Compare the whole image, and rectangles of the mosaic, with the right values."""
    image = read_image(path).data
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    mosaic = open_mosaic(str(path))
    assert isinstance(mosaic, kind)
    # The helper process, which decodes some kinds of tiles, forks for each rectangle.
    some = slice(2, 3) if isinstance(mosaic, CompressedMosaic) else slice(None)
    for y0, y1, x0, x1 in ((0, 13, 0, 9), (0, 1, 0, 4), (4, 8, 1, 7), (12, 13, 8, 9))[some]:
        box = mosaic.box(y0, y1, x0, x1)
        assert box.dtype == expected.dtype
        np.testing.assert_array_equal(box, expected[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("bitpix", "linear", "blank"),
    list(
        product(
            STORED,
            ("none", "unsigned", "scaled", "shifted", "D exponents"),
            ("none", "inside", "lowest", "highest", "zero", "too large", "too small", "real"),
        )
    ),
)
def test_integers_of_every_kind(tmp_path, bitpix, linear, blank):
    """A pixel that BLANK marks is NaN, every other one has its physical value."""
    stored, limits = stored_pixels(bitpix), np.iinfo(STORED[bitpix])
    scale, zero, cards = {
        "none": (1, 0, {}),
        "unsigned": (1, UNSIGNED[bitpix], {"BSCALE": 1.0, "BZERO": UNSIGNED[bitpix]}),
        "scaled": (0.25, -3.5, {"BSCALE": 0.25, "BZERO": -3.5}),
        "shifted": (1, 1000, {"BZERO": 1000}),
        "D exponents": (0.5, 20.0, {"BSCALE": 0.5, "BZERO": 20.0}),
    }[linear]
    value = {
        "none": None, "inside": int(stored[5, 2]), "lowest": limits.min, "highest": limits.max,
        "zero": 0, "too large": limits.max + 1, "too small": limits.min - 1, "real": -32768.5,
    }[blank]  # fmt: skip
    if value is not None:
        cards = {**cards, "BLANK": value}
    path = written(tmp_path / "x.fits", bitpix, stored, **cards)
    if linear == "D exponents":
        raw = path.read_bytes()
        raw = raw.replace(b"                 0.5", b"              0.5D+0")
        path.write_bytes(raw.replace(b"                20.0", b"              2.0D01"))
    dtype = np.float32 if bitpix <= 16 else np.float64
    marked = value if isinstance(value, int) else None
    expected = physical(stored, scale, zero, marked, dtype)
    assert np.isnan(expected).any() == (blank in ("inside", "lowest", "highest", "zero"))
    same_by_both_ways(path, expected, ScaledMosaic)


def test_unsigned_integers_of_64_bits_are_rounded_once():
    """The float64 next to the integer, where adding BZERO as a float would round twice."""
    stored = np.array([[-(2**63) + 2**53 + 1, -1, 2**62 + 513, 2**63 - 1]], ">i8")
    values = PixelScaling(zero=2.0**63, blanks=(-1,)).apply(stored)
    exact = [int(value) + 2**63 for value in stored[0]]
    for value, right in zip(values[0, [0, 2, 3]], [exact[0], *exact[2:]], strict=True):
        assert abs(Fraction(float(value)) - right) <= abs(Fraction(np.nextafter(value, 0)) - right)
        assert float(value) == float(right)
    assert np.isnan(values[0, 1])


@pytest.mark.parametrize("bitpix", [-32, -64])
@pytest.mark.parametrize("cards", [{}, {"BSCALE": 2.0, "BZERO": 0.5}])
def test_blank_has_no_meaning_in_floats(tmp_path, bitpix, cards):
    """A float image keeps the value that a card BLANK names, and its own NaN."""
    dtype = np.float32 if bitpix == -32 else np.float64
    stored = np.random.default_rng(2).integers(-3, 3, SHAPE).astype(dtype)
    stored[2, 3] = np.nan
    path = written(tmp_path / "x.fits", bitpix, stored, BLANK=-1, **cards)
    expected = stored * dtype(cards.get("BSCALE", 1)) + dtype(cards.get("BZERO", 0))
    image = read_image(path).data
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(open_mosaic(str(path)).box(1, 9, 2, 8), expected[1:9, 2:8])
    assert np.isnan(image).sum() == 1


def packed(path, data, kind, cards, **options):
    """Write an image in compressed tiles."""
    header = CARDS.copy()
    header.update(cards)
    hdu = fits.CompImageHDU(data, header, compression_type=kind, tile_shape=(7, 5), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def with_cards(path, **cards):
    """Add cards to the header of the table that has the tiles."""
    with fits.open(path, disable_image_compression=True, mode="update") as hdus:
        hdus[1].header.update(cards)
    return path


TILES = [*product(("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"), ("u1", "i2", "u2", "i4", "u4"))]
TILES += [("PLIO_1", "u1"), ("PLIO_1", "i2")]  # which holds positive integers below 2**24 only


@pytest.mark.parametrize("blank", ["BLANK", "ZBLANK"])
@pytest.mark.parametrize(("kind", "dtype"), TILES)
def test_integers_in_tiles(tmp_path, dtype, kind, blank):
    """BLANK and ZBLANK mark the pixels of an integer image in tiles, unsigned ones too."""
    data = np.random.default_rng(3).integers(0, 120, SHAPE).astype(dtype)
    zero = UNSIGNED[8 * data.itemsize] if dtype in ("u2", "u4") else 0
    data[4, 2:7] = 77
    path = packed(tmp_path / "x.fits", data, kind, {})
    with_cards(path, **{blank: 77 - zero})
    expected = physical(data, 1, 0, 77, np.float32 if data.itemsize <= 2 else np.float64)
    assert np.isnan(expected).sum() >= 5
    same_by_both_ways(path, expected, CompressedMosaic)


def test_scaled_integers_in_tiles(tmp_path):
    """BSCALE and BZERO of an integer image in tiles are applied, and BLANK before them."""
    stored = np.random.default_rng(4).integers(-500, 500, SHAPE).astype("i2")
    path = with_cards(packed(tmp_path / "x.fits", stored, "RICE_1", {}), BSCALE=0.5, BZERO=7.0)
    expected = physical(stored, 0.5, 7.0, None, np.float32)
    same_by_both_ways(path, expected, CompressedMosaic)
    with_cards(path, BLANK=int(stored[6, 6]))
    expected = physical(stored, 0.5, 7.0, int(stored[6, 6]), np.float32)
    same_by_both_ways(path, expected, CompressedMosaic)


def with_column(path, name, values):
    """Add a column of integers to the table that has the tiles, and return the new file."""
    with fits.open(path, disable_image_compression=True) as hdus:
        header, at = hdus[1].header.copy(), hdus.fileinfo(1)["datLoc"]
    rows, width = header["NAXIS2"], header["NAXIS1"]
    table, heap = np.split(np.fromfile(path, "u1", offset=at), [rows * width])
    column = np.array(values, ">i4").view("u1").reshape(rows, 4)
    wider = np.concatenate([table.reshape(rows, width), column], axis=1)
    header.update({"NAXIS1": width + 4, "TFIELDS": header["TFIELDS"] + 1})
    header[f"TTYPE{header['TFIELDS']}"], header[f"TFORM{header['TFIELDS']}"] = name, "1J"
    data = wider.tobytes() + heap[: header["PCOUNT"]].tobytes()
    start = fits.PrimaryHDU().header.tostring() + header.tostring()
    path.with_name("column.fits").write_bytes(start.encode() + data + bytes(-len(data) % 2880))
    return path.with_name("column.fits")


def test_a_column_of_zblank_marks_integers(tmp_path):
    """Undefined pixels by a column ZBLANK, with or without BLANK; several values are refused."""
    data = np.random.default_rng(5).integers(0, 50, SHAPE).astype("i2")
    data[7, 1:8] = -9
    path = packed(tmp_path / "x.fits", data, "RICE_1", {})
    expected = physical(data, 1, 0, -9, np.float32)
    same_by_both_ways(with_column(path, "ZBLANK", [-9] * 4), expected, CompressedMosaic)
    several = with_column(path, "ZBLANK", [-9] * 3 + [0])
    for read in (read_image, lambda path: open_mosaic(str(path))):
        with pytest.raises(ImageError, match=r"2 values of ZBLANK.*funpack"):
            read(several)


@pytest.mark.parametrize("method", [-1, 1, 2])
@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantised_floats_in_tiles(tmp_path, dtype, kind, method):
    """Floats in tiles are those of astropy, with every dithering, and NaN where they were NaN."""
    data = np.random.default_rng(6).normal(0, 3, (40, 30)).astype(dtype)
    data[3, 4:9] = np.nan
    data[20, 2:5] = 0
    path = packed(
        tmp_path / "x.fits", data, kind, {}, quantize_level=16, quantize_method=method,
        dither_seed=42,
    )  # fmt: skip
    with fits.open(path) as hdus:
        expected = hdus[1].data.astype(dtype)
    assert np.array_equal(np.isnan(expected), np.isnan(data))
    np.testing.assert_array_equal(read_image(path).data, expected)
    np.testing.assert_array_equal(open_mosaic(str(path)).box(2, 33, 3, 29), expected[2:33, 3:29])


def test_floats_in_tiles_without_quantisation_ignore_blank(tmp_path):
    """Lossless floats keep the value that a card BLANK names."""
    data = np.random.default_rng(7).integers(-3, 3, SHAPE).astype("f4")
    data[1, 1] = np.nan
    path = with_cards(packed(tmp_path / "x.fits", data, "GZIP_1", {}, quantize_level=0), BLANK=-1)
    same_by_both_ways(path, data, CompressedMosaic)


def test_damaged_scaling_is_one_line():
    """BSCALE or BZERO without a number is an error of one line."""
    for keyword in ("BSCALE", "BZERO"):
        hdu = fits.PrimaryHDU(np.ones(SHAPE, "i2"), CARDS.copy())
        hdu.header[keyword] = "one"
        stream = io.BytesIO()
        hdu.writeto(stream, output_verify="ignore")
        with pytest.raises(ImageError, match=r"BSCALE or BZERO is not a number.*fetch it again"):
            read_image(stream.getvalue(), path="x.fits")
