"""Arithmetic on images against plain loops, Pillow, and literally padding and cropping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mingolotss.errors import RecipeError
from mingolotss.image.pixels import (
    asinh_stretch,
    block_mean,
    clip_below,
    disc,
    fill_nan,
    has_signal,
    minmax,
    percent_nan,
    take_window,
    to_uint8,
    window_start,
    zero_where,
)

RNG = np.random.default_rng(3)


def literal_window(image, side, at=None):
    """Pad with NaN until the source is in the middle and the image is large enough; then crop."""
    pads = [(0, 0), (0, 0)]
    if at is not None:
        for axis in (0, 1):
            n, place = image.shape[axis], at[axis]
            pads[axis] = (int(n - 2 * place), 0) if place < n / 2 else (0, int(2 * place - n))
    image = np.pad(image, pads, constant_values=np.nan)
    short = [-(-max(side - n, 0) // 2) for n in image.shape]
    image = np.pad(image, [(n, n) for n in short], constant_values=np.nan)
    y0, x0 = (n // 2 - side // 2 for n in image.shape)
    return image[y0 : y0 + side, x0 : x0 + side]


@settings(max_examples=300)
@given(
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.sampled_from([2, 10, 15, 16]),
    st.tuples(st.integers(0, 320), st.integers(0, 320)) | st.none(),
)
def test_a_window_equals_padding_and_cropping(shape, side, eighths):
    """`window_start` and `take_window` give the same, for any position of the source."""
    image = np.arange(shape[0] * shape[1], dtype="f4").reshape(shape)
    at = (
        None
        if eighths is None
        else tuple(one / 8 * n / 40 for one, n in zip(eighths, shape, strict=True))
    )
    start = [
        window_start(n, side, None if at is None else at[axis]) for axis, n in enumerate(shape)
    ]
    window = take_window(image, *start, side)
    np.testing.assert_array_equal(window, literal_window(image, side, at))
    assert window.shape == (side, side)


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "<f8"])
@pytest.mark.parametrize("start", [(0, 0), (-3, 2), (7, 9), (50, 50), (-50, 0)])
def test_a_window_is_a_native_copy(dtype, start):
    """It has native byte order and the image's precision, shares no memory, and is NaN outside."""
    image = RNG.normal(size=(12, 14)).astype(dtype)
    window = take_window(image, *start, 6)
    assert window.dtype == np.dtype(dtype).newbyteorder("=")
    assert window.dtype.isnative
    assert not np.shares_memory(window, image)
    for y in range(6):
        for x in range(6):
            at = y + start[0], x + start[1]
            inside = 0 <= at[0] < 12 and 0 <= at[1] < 14
            assert window[y, x] == image[at] if inside else np.isnan(window[y, x])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_types_are_kept(dtype):
    """float32 stays float32, and float64 float64, in every function with any setting."""
    image = RNG.normal(size=(2, 8, 8)).astype(dtype)
    noise = np.abs(RNG.normal(size=(2, 8, 8))).astype(dtype)
    sigma = np.float64(3.0)
    for result in (
        fill_nan(image), clip_below(image, noise, sigma), minmax(image), block_mean(image, 2),
        minmax(image, disc(8, 3.0)), asinh_stretch(image, np.float64(0.1), np.float64(2.0)),
    ):  # fmt: skip
        assert result.dtype == np.dtype(dtype)


def test_percent_nan_and_signal():
    """NaN in percent; a signal is a pixel that is finite and not zero."""
    image = np.zeros((4, 5), "f4")
    assert percent_nan(image) == 0
    assert not has_signal(image)
    image[0, :3] = np.nan
    assert percent_nan(image) == pytest.approx(15)
    assert not has_signal(image)
    assert not has_signal(np.full((2, 2), np.inf, "f4"))
    image[3, 4] = -1e-9
    assert has_signal(image)


def test_fill_and_clip_equal_loops():
    """NaN becomes 0, and so does a pixel at sigma times the noise; one above is kept."""
    image = np.array([[[np.nan, 1.0, 3.0], [3.0000002, -5.0, np.inf]]], "f4")
    filled = fill_nan(image)
    assert filled.tolist()[0][0] == [0, 1, 3]
    kept = clip_below(filled, np.ones((1, 1, 1), "f4"), 3.0)
    for new, old in zip(kept.ravel(), filled.ravel(), strict=True):
        assert new == (old if old > 3 else 0)


@pytest.mark.parametrize("side", [1, 2, 5, 150, 149, 151])
@pytest.mark.parametrize("radius", [0.0, 1.0, 2.5, 75.0])
def test_a_disc_is_around_the_pixel_of_the_source(side, radius):
    """Its centre is pixel (side // 2, side // 2) for even and odd sides; the edge belongs to it."""
    middle = side // 2
    inside = disc(side, radius)
    for y in range(0, side, max(1, side // 12)):
        for x in range(side):
            assert inside[y, x] == ((y - middle) ** 2 + (x - middle) ** 2 <= radius**2)
    assert inside[middle, middle]
    assert window_start(side, side) == 0


def test_minmax_is_per_image():
    """Each image is scaled by its own smallest and largest pixel; a constant one is 0."""
    stack = np.stack([RNG.normal(size=(6, 6)), np.full((6, 6), 7.0), RNG.normal(size=(6, 6))])
    stack = stack.astype("f4")
    for scaled, image in zip(minmax(stack), stack, strict=True):
        span = image.max() - image.min()
        expected = (image - image.min()) / span if span else np.zeros_like(image)
        np.testing.assert_array_equal(scaled, expected)
    inside = disc(6, 2.0)
    for scaled, image in zip(minmax(stack, inside), stack, strict=True):
        low, high = image[inside].min(), image[inside].max()
        expected = np.where(inside, (image - low) / (high - low), 0) if high > low else image * 0
        np.testing.assert_array_equal(scaled, expected)


def test_blocks_are_averaged():
    """Each pixel is the mean of its block; sides that do not divide are refused."""
    stack = RNG.normal(size=(2, 6, 9))
    binned = block_mean(stack, 3)
    for n, y, x in np.ndindex(2, 2, 3):
        block = stack[n, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3]
        assert binned[n, y, x] == pytest.approx(block.mean(), rel=1e-14)
    with pytest.raises(RecipeError, match="divides"):
        block_mean(stack, 4)


def test_asinh_is_linear_below_and_logarithmic_above():
    """It is 0 at 0 and 1 at the top, and NaN is kept; impossible limits are refused."""
    image = np.array([0.0, 1e-3, 1.0, 2.0, np.nan, -1.0], "f4")
    scaled = asinh_stretch(image, 1e-2, 1.0)
    assert scaled[[0, 2, 3, 5]].tolist() == [0, 1, 1, 0]
    assert scaled[1] == pytest.approx(np.arcsinh(0.1) / np.arcsinh(100), rel=1e-6)
    assert np.isnan(scaled[4])
    for rms, top in ((0, 1), (1, 1), (-1, 1), (np.nan, 1)):
        with pytest.raises(RecipeError):
            asinh_stretch(image, rms, top)


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.sampled_from(["f4", "f8"]))
def test_bytes_are_those_of_pillow(seed, dtype):
    """Grey levels are those of Pillow's own conversion of a float image."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(-0.1, 1.1, (16, 16)).astype(dtype)
    image[0, :8] = np.arange(8) / 255
    scaled = (image * 255).astype("f4")
    np.testing.assert_array_equal(
        to_uint8(image), np.asarray(Image.fromarray(scaled, mode=None).convert("L"))
    )


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 5, 7), (5, 7), (3, 1, 1)])
def test_zero_where_keeps_every_other_bit(kind, shape):
    """NaN with any payload, infinities, -0 and subnormals are kept; masked pixels are +0."""
    image = RNG.integers(0, 256, (3, 5, 7, int(kind[2])), np.uint8).view(kind)[..., 0]
    image[0, 0, :4] = np.nan, -np.inf, -0.0, 1e-45
    before, gone = image.copy(), RNG.random(shape) < 0.5
    found = zero_where(image, gone)
    assert found.dtype == image.dtype
    everywhere = np.broadcast_to(gone, image.shape)
    integer = np.dtype(f"u{kind[2]}")
    np.testing.assert_array_equal(found.view(integer)[everywhere], 0)
    np.testing.assert_array_equal(
        found.view(integer)[~everywhere], before.view(integer)[~everywhere]
    )
    np.testing.assert_array_equal(image.view(integer), before.view(integer))  # and it is a copy
    np.testing.assert_array_equal(found, np.where(gone, before.dtype.type(0), before))
