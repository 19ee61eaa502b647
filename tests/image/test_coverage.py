"""The coverage map against a plain search of every box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.image.coverage import CoverageMap

SQUARE = 64


def plain(pixels, y, x, side):
    """Return the same answer by searching every square that a box touches."""
    top, left = y // SQUARE, x // SQUARE
    bottom, right = -(-(y + side) // SQUARE), -(-(x + side) // SQUARE)
    if side < 2 * SQUARE or bottom * SQUARE > len(pixels) or right * SQUARE > pixels.shape[1]:
        return False
    return all(
        np.isfinite(square := pixels[i * SQUARE :, j * SQUARE :][:SQUARE, :SQUARE]).all()
        and (square != 0).any()
        for i in range(top, bottom)
        for j in range(left, right)
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([100, 127, 128, 150, 300]))
def test_answers_are_those_of_a_plain_search(seed, side):
    """Random gaps, infinities and empty squares, in several queries of one map."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(side, 900, 2)
    pixels = rng.normal(size=shape).astype(rng.choice([">f4", "<f4", ">f8"]))
    for value in (np.nan, np.inf, -np.inf):
        for _ in range(rng.integers(0, 3)):
            pixels[tuple(rng.integers(0, shape))] = value
    y, x = rng.integers(0, shape)
    pixels[y : y + rng.integers(0, 300), x : x + rng.integers(0, 300)] = rng.choice([0, np.nan])
    if rng.random() < 0.3:
        pixels[:: rng.choice([1, 3, 8])] = 0
    coverage = CoverageMap(pixels)
    for count in (1, 5, 30, 0, 30):
        y0 = rng.integers(0, shape[0] - side + 1, count)
        x0 = rng.integers(0, shape[1] - side + 1, count)
        expected = [plain(pixels, y, x, side) for y, x in zip(y0, x0, strict=True)]
        covered = coverage.is_covered(y0, x0, side)
        assert covered.tolist() == expected
        for y, x in zip(y0[covered], x0[covered], strict=True):
            box = pixels[y : y + side, x : x + side]
            assert np.isfinite(box).all()
            assert box.any()


@pytest.mark.parametrize("side", [150, 200])
def test_only_the_squares_asked_for_are_read(side):
    """Squares that no box touches are not read: a mosaic may be far larger than its cutouts."""

    class Counted(np.ndarray):
        """An array that counts how often each pixel is read."""

        def __getitem__(self, key):
            reads[key] += 1
            return np.asarray(self).__getitem__(key)

    pixels = np.ones((1000, 1000), np.float32)
    reads = np.zeros(pixels.shape, int)
    y0, x0 = np.array([0, 10, 500, 640]), np.array([0, 100, 500, 0])
    coverage = CoverageMap(pixels.view(Counted))
    for _ in range(2):
        assert coverage.is_covered(y0, x0, side).all()
    expected = np.zeros(pixels.shape, int)
    for y, x in zip(y0, x0, strict=True):
        end = -(-(y + side) // SQUARE) * SQUARE, -(-(x + side) // SQUARE) * SQUARE
        expected[y // SQUARE * SQUARE : end[0], x // SQUARE * SQUARE : end[1]] = 1
    np.testing.assert_array_equal(reads, expected)
