"""Tiles that are decoded in this process: astropy's pixels to the last bit, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from compilers import needs_kernel
from mingolotss.errors import ImageError
from mingolotss.io.fits_compressed import CompressedImage
from mingolotss.io.fits_layout import find_image
from mingolotss.sky.wcs import simple_header

pytestmark = needs_kernel

SHAPE = (41, 53)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
RNG = np.random.default_rng(5)
NOISE = RNG.normal(0, 40, SHAPE)
HOLES = np.where(RNG.random(SHAPE) < 0.1, np.nan, NOISE)
HOLES[20:30] = 0  # zeros have a number of their own in SUBTRACTIVE_DITHER_2
HOLES[30:39, :30] = 3  # too smooth for a quantisation
LARGE = RNG.normal(0, 1, (130, 140))  # a tile of it needs more than all random numbers


def packed(data, kind="RICE_1", **options):
    """Return a file and its pixels as astropy reads them."""
    stream = io.BytesIO()
    image = fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


def opened(raw):
    return CompressedImage(raw, find_image(raw), "x")


def assert_equal_to_astropy(raw):
    """Compare the bits of the whole image, and of rectangles."""
    image = opened(raw)
    assert not image._is_isolated
    with fits.open(io.BytesIO(raw)) as hdus:
        expected = hdus[1].data.reshape(image.shape)
    ny, nx = image.shape
    for y0, y1, x0, x1 in (
        (0, ny, 0, nx), (0, 1, 0, 1), (ny - 1, ny, nx - 1, nx), (9, 11, 0, nx), (13, 33, 16, 51),
    ):  # fmt: skip
        box = image.box(y0, y1, x0, x1)
        same = expected[y0:y1, x0:x1].astype(box.dtype)
        assert box.tobytes() == same.tobytes()
    assert expected.dtype.kind != "f" or expected.dtype == box.dtype


TILES = [(1, 53), (16, 16), SHAPE, (41, 7)]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("method", [-1, 1, 2])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantised_floats(dtype, method, tile):
    """With every dither, undefined pixels, exact zeros, and tiles in gzip between the others."""
    options = {"quantize_method": method, "quantize_level": 4, "tile_shape": tile}
    assert_equal_to_astropy(packed(HOLES.astype(dtype), dither_seed=9990, **options))


@pytest.mark.parametrize("method", [-1, 1, 2])
def test_quantised_floats_in_gzip(method):
    options = {"quantize_method": method, "quantize_level": 4, "tile_shape": (16, 16)}
    assert_equal_to_astropy(packed(HOLES.astype("f4"), "GZIP_1", dither_seed=3, **options))


@pytest.mark.parametrize("method", [1, 2])
@pytest.mark.parametrize("seed", [1, 777, 10_000])
def test_the_random_numbers_go_on_in_large_tiles(seed, method):
    """After the last number, and after the last number to begin with."""
    options = {"quantize_method": method, "dither_seed": seed, "tile_shape": LARGE.shape}
    assert_equal_to_astropy(packed(LARGE.astype("f4"), **options))


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "u2", "u4"])
def test_integers(dtype, kind):
    limits = np.iinfo(dtype)
    for pixels in (NOISE * 1e3, np.round(NOISE / 60)):
        data = pixels.clip(limits.min, limits.max).astype(dtype)
        assert_equal_to_astropy(packed(data, kind, tile_shape=(16, 16)))


@pytest.mark.parametrize("kind", ["GZIP_1", "GZIP_2", "NOCOMPRESS"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_lossless_tiles(dtype, kind):
    data = HOLES.astype(dtype) if dtype[0] == "f" else NOISE.astype(dtype)
    assert_equal_to_astropy(packed(data, kind, quantize_level=0, tile_shape=(16, 16)))


def test_axes_of_length_1_around_the_image():
    """The tiles of a cube have as many axes."""
    data = HOLES.astype("f4")
    for shape, tile in (
        ((1, 1, *SHAPE), (1, 1, 16, 16)), ((*SHAPE, 1), (16, 16, 1)),
        ((SHAPE[0], 1, SHAPE[1]), (16, 1, 16)), ((1, *SHAPE, 1), (1, 5, 53, 1)),
    ):  # fmt: skip
        assert_equal_to_astropy(packed(data.reshape(shape), tile_shape=tile))


def card(raw, key, value):
    """Set a value of the header of the table, or insert it before END."""
    at = raw.find(key.ljust(8) + b"=", 2880)
    at = at if at >= 0 else raw.index(b"END".ljust(80), 2880) - 80
    return raw[:at] + (key.ljust(8) + b"= " + value.rjust(20)).ljust(80) + raw[at + 80 :]


def without(raw, key):
    return raw.replace(key.ljust(8) + b"=", b"COMMENT  ")


DITHERED = packed(HOLES.astype("f4"), quantize_method=1, dither_seed=1, tile_shape=(16, 16))


def test_a_dither_without_a_seed_begins_with_the_first_number():
    """So does cfitsio; astropy reads the number before it."""
    expected = opened(DITHERED).box(0, 41, 0, 53)
    assert without(DITHERED, b"ZDITHER0") != DITHERED
    np.testing.assert_array_equal(
        opened(without(DITHERED, b"ZDITHER0")).box(0, 41, 0, 53), expected
    )


@pytest.mark.parametrize("seed", [b"10001", b"9" * 60])
def test_seeds_go_round(seed):
    """Whatever their size; the standard allows 1 to 10,000."""
    other = str((int(seed) - 1) % 10_000 + 1).encode()
    boxes = [opened(card(DITHERED, b"ZDITHER0", text)).box(0, 41, 0, 53) for text in (seed, other)]
    np.testing.assert_array_equal(*boxes)


def test_a_tile_larger_than_its_image():
    """It is as large as the image."""
    raw = packed(HOLES.astype("f4"), tile_shape=SHAPE)
    expected = opened(raw).box(0, 41, 0, 53)
    for length in (b"70", b"9" * 9, b"9" * 18):
        larger = card(card(raw, b"ZTILE1", length), b"ZTILE2", length)
        image = opened(larger)
        np.testing.assert_array_equal(image.box(0, 41, 0, 53), expected)
        np.testing.assert_array_equal(image.box(7, 30, 5, 40), expected[7:30, 5:40])


@pytest.mark.parametrize("seed", [b"0", b"-1", b"-999999", b"1.5", b"T"])
def test_a_seed_that_points_before_the_random_numbers_is_left_to_the_helper(seed):
    """The process of astropy's decoder may end."""
    assert opened(card(DITHERED, b"ZDITHER0", seed))._is_isolated


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"ZQUANTIZ", b"'NONE'"), (b"ZVAL1", b"17"), (b"ZVAL2", b"8"), (b"ZCMPTYPE", b"'X'"),
     (b"TFORM1", b"'1PI(9)'"), (b"ZBLANK", b"1.5"), (b"TSCAL3", b"2.0")],
)  # fmt: skip
def test_unusual_settings_are_left_to_the_helper(key, value):
    raw = without(card(DITHERED, key, value), b"ZBLANK" if key != b"ZBLANK" else b"NONE")
    try:
        image = opened(raw)
    except ImageError:
        return
    assert image._is_isolated


def table_of(raw):
    """Return where the descriptors of the tiles are in a file: length and start of each."""
    layout = find_image(raw)
    return layout.offset, int(fits.Header.fromstring(layout.header.decode())["NAXIS1"])


@pytest.mark.parametrize(
    ("length", "start", "problem"),
    [
        (5, None, "its data end before its last pixel"),
        (3, None, "its data end before its last pixel"),
        (-5, None, "not in the file"),
        (2**31 - 1, None, "not in the file"),
        (None, 2**31 - 1, "not in the file"),
        (None, -1, "not in the file"),
        (0, None, "it has no data"),
    ],
)
def test_descriptors_that_lead_nowhere(length, start, problem):
    """Only the tile of the descriptor cannot be read."""
    offset, row = table_of(DITHERED)
    raw, at = bytearray(DITHERED), offset + 2 * row
    for value, place in ((length, at), (start, at + 4)):
        if value is not None:
            raw[place : place + 4] = value.to_bytes(4, "big", signed=True)
    image = opened(bytes(raw))
    with pytest.raises(ImageError, match=rf"^read x: damaged \(tile 3: .*{problem}\); fetch it ag"):
        image.box(0, 41, 0, 53)
    np.testing.assert_array_equal(image.box(0, 41, 0, 32), opened(DITHERED).box(0, 41, 0, 32))


GZIP = packed(NOISE.astype("f4"), "GZIP_1", quantize_level=0, tile_shape=(16, 16))


@pytest.mark.parametrize("at", [0, 1, 40, -1])
def test_damaged_gzip(at):
    offset, row = table_of(GZIP)
    raw = bytearray(GZIP)
    heap = offset + row * 12
    length = int.from_bytes(raw[offset : offset + 4], "big")
    raw[heap + at % length] ^= 0xFF
    with pytest.raises(ImageError, match=r"damaged \(tile 1: "):
        opened(bytes(raw)).box(0, 16, 0, 16)


@pytest.mark.slow
def test_without_the_kernel_tiles_in_rice_are_left_to_the_helper(use_library, tmp_path):
    """With the same pixels."""
    expected = opened(DITHERED).box(5, 40, 7, 60)
    use_library(tmp_path / "none.so")
    assert opened(DITHERED)._is_isolated
    assert not opened(GZIP)._is_isolated
    np.testing.assert_array_equal(opened(DITHERED).box(5, 40, 7, 60), expected)
