"""Features of an image do not change when it is turned, mirrored or shifted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mingolotss.qa.audit.image_features import describe_images, turn_between

SIDE = 100


def draw(seed: int, turn: float = 0, mirrored: bool = False, shift=(0.0, 0.0)) -> np.ndarray:
    """Draw some Gaussian spots, exactly turned about the middle; float32, shape (1, side, side)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    image = np.zeros((SIDE, SIDE))
    for _ in range(4):
        (dx, dy), width, flux = rng.uniform(-20, 20, 2), rng.uniform(2, 4), rng.uniform(40, 200)
        dx = -dx if mirrored else dx
        cos, sin = np.cos(turn), np.sin(turn)
        dx, dy = cos * dx - sin * dy + shift[1], sin * dx + cos * dy + shift[0]
        image += flux * np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / (2 * width**2))
    return image[None].astype(np.float32)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    turn=st.floats(0, 6.28),
    mirrored=st.booleans(),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_amplitudes_do_not_depend_on_the_orientation(seed, turn, mirrored, shift):
    image, copy = draw(seed), draw(seed, turn, mirrored, shift)
    first, second = describe_images(image), describe_images(copy)
    other = describe_images(draw(seed + 1))
    for depth in (0, 1):
        change = np.linalg.norm(first.amplitudes(depth) - second.amplitudes(depth))
        difference = np.linalg.norm(first.amplitudes(depth) - other.amplitudes(depth))
        assert change < 0.1
        assert change < difference
    similarity, turns = turn_between(first.harmonics[:, 0], second.harmonics[:, 0])
    best = np.unravel_index(similarity[0].argmax(), similarity[0].shape)
    assert similarity[0][best] > 0.98
    assert similarity[0][int(mirrored)].max() > 0.98
    nearest = similarity[0][int(mirrored)].argmax()
    if similarity[0].max() - np.sort(similarity[0].ravel())[-20] > 0.05:  # no symmetry
        assert abs((turns[nearest] - turn + np.pi) % (2 * np.pi) - np.pi) < 0.1


@pytest.mark.parametrize("sigma", [3.0, 10.0, 30.0])
def test_noise_is_measured_in_noisy_clipped_and_cut_off_images(sigma):
    """The level of a clip is known from the faintest pixels, and so a little less well."""
    rng = np.random.default_rng(9)
    noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5)
    noisy = draw(1)[0] * 5 + noise * sigma / noise.std()
    clipped = np.where(noisy > 3 * sigma, noisy, 0)
    white = np.clip(draw(1)[0] / 4 + rng.normal(0, sigma, (SIDE, SIDE)), 0, 255)
    for image, error in ((noisy, 0.2), (white.astype(np.uint8), 0.2), (clipped, 0.35)):
        kind = np.uint8 if image.dtype == np.uint8 else np.float32
        measured = describe_images(image[None].astype(kind)).noise[0]
        assert measured == pytest.approx(sigma, rel=error)


def test_an_image_without_finite_pixels_has_no_features():
    features = describe_images(np.full((1, SIDE, SIDE), np.nan, np.float32))
    assert features.bright[0] == 0
    assert not features.harmonics.any()
