"""Damaged images in tiles of PLIO, which has no check of its own."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.errors import ImageError
from mingolotss.io.fits import read_image
from mingolotss.io.plio_lists import line_list_problem
from mingolotss.sky.wcs import simple_header

pytestmark = pytest.mark.slow  # together they take long

HEADER = fits.Header.fromstring(simple_header(180, 50, shape=(9, 9), scale_arcsec=1.5).decode())


def packed(pixels: np.ndarray, **options: object) -> bytes:
    hdu = fits.CompImageHDU(pixels, HEADER, compression_type="PLIO_1", **options)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    return buffer.getvalue()


def mask(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Blocks and single pixels of few values, as masks have them; some empty rows."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(0, 5000, (-(-shape[0] // 8), -(-shape[1] // 8))), np.ones((8, 8)))
    pixels = blocks[: shape[0], : shape[1]].astype("i4")
    pixels[rng.random(shape) < 0.01] = 8191
    pixels[rng.random(shape[0]) < 0.3] = 0
    return pixels


@pytest.mark.parametrize("shape", [(40, 50), (33, 9000), (64, 64)])
@pytest.mark.parametrize("tile", [None, (16, 16), (7, 13), (1, 50)])
def test_whole_files_are_read(shape, tile):
    """Tiles of any shape, and those at the edges; the values are those that were written."""
    if tile == (1, 50) and shape[1] > 50:
        pytest.skip("one shape for these tiles is enough")
    pixels = mask(sum(shape), shape)
    options = {} if tile is None else {"tile_shape": tile}
    assert np.array_equal(read_image(packed(pixels, **options)).data, pixels)


@pytest.mark.parametrize("bit", range(16))
def test_most_damage_of_instructions_is_noticed(bit):
    """A run of another length, and another instruction, change how many pixels there are."""
    raw, generator = packed(mask(3, (40, 200))), random.Random(bit)  # noqa: S311
    start = (raw.rindex(b"END     ") // 2880 + 1) * 2880
    end = len(raw.rstrip(b"\0"))
    refused = 0
    for _ in range(12):
        damaged = bytearray(raw)
        place = generator.randrange(start + 40 * 8, end - 1) & ~1
        damaged[place + (bit < 8)] ^= 1 << (bit % 8)
        try:
            read_image(bytes(damaged))
        except ImageError as error:
            refused += "tile" in str(error)
    assert refused


@pytest.mark.parametrize(("words", "pixels", "problem"), [
    ([], 5, "a list of 0 words"), ([0, 7], 5, "a list of 2 words"),
    ([0, 7, -100, 8, 0, 0, 0, 0x5], 5, ""), ([0, 0, 4, 0x5], 5, ""),
    ([0, 7, -100, 9, 0, 0, 0, 0x5], 5, "header says otherwise"),
    ([0, 9, -100, 8, 0, 0, 0, 0x5], 5, "header says otherwise"),
    ([0, 7, -100, 8, 0, 0, 0, 0x4], 5, "4 pixels in a tile of 5"),
    ([0, 7, -100, 8, 0, 0, 0, -0x8000], 0, "an instruction that does not exist"),
    # The number after 0x1 is none of the instructions that it looks like.
    ([0, 7, -100, 10, 0, 0, 0, 0x1001, 0x1001, 0x4005], 5, ""),
    ([0, 7, -100, 11, 0, 0, 0, 0x1001, 0x1001, 0x1000, -1], 0, ""),
    ([0, 7, -100, 10, 0, 0, 0, 0x1001, -1, 0x6001], 1, ""),
    ([0, 7, -100, 7, 0, 0, 0], 0, ""),
])  # fmt: skip
def test_line_lists(words, pixels, problem):
    found = line_list_problem(np.array(words, np.int64), pixels)
    assert found == "" if not problem else problem in found
