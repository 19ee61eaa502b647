"""The numbers of a source do not depend on its orientation, nor on what is beside it."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.qa.suspects.shape_features import describe_shapes
from mingolotss.simulate.draw import draw_source

SIDE = 151  # odd, so that a turned image has the same middle pixel
CLASSES = "FRI", "FRI NAT", "FRI WAT", "FRII", "Double Double", "Indeterminate", "Small"


def draw(kind: str, seed: int, size_arcsec: float = 90) -> np.ndarray:
    """Draw a source in the middle of a stamp without noise, clipped at 1 % of its peak."""
    rng = np.random.default_rng(seed)
    source = draw_source(kind, size_arcsec, 200, rng.uniform(0, 180), rng)
    margin = max(0, SIDE // 2 - source.shape[0] // 2)
    image = np.pad(source, margin + 1)
    start = image.shape[0] // 2 - SIDE // 2
    image = image[start : start + SIDE, start : start + SIDE]
    return np.where(image > 0.01 * image.max(), image, 0).astype(np.float32)


@pytest.fixture(scope="module")
def images():
    return np.stack([draw(kind, seed) for kind in CLASSES for seed in range(3)])


@pytest.fixture(scope="module")
def features(images):
    return describe_shapes(images)


@pytest.mark.parametrize(
    "turn",
    [
        lambda images: np.rot90(images, axes=(1, 2)),
        lambda images: images[:, ::-1, ::-1],
        lambda images: images[:, :, ::-1],
        lambda images: images.transpose(0, 2, 1),
    ],
    ids=["quarter", "half", "mirror", "diagonal"],
)
def test_a_turned_image_has_the_same_numbers(images, features, turn):
    """Beside the spread of all sources; a tie (which arm is the brighter) may change a few."""
    changed = np.abs(describe_shapes(np.ascontiguousarray(turn(images))) - features)
    relative = changed / (features.std(axis=0) + 1e-6)
    assert (relative < 0.05).mean() > 0.99
    assert features.std(axis=0).astype(bool).mean() > 0.95  # nearly all numbers tell something


def test_brightness_does_not_matter(images, features):
    """Also as whole numbers from 0 to 255, up to their rounding.

    Rounding moves a few pixels across a level; with numpy 1.26 that changes 4 of the numbers.
    """
    brighter = describe_shapes(images * np.float32(7))
    assert np.isclose(brighter, features, rtol=1e-3, atol=1e-3).mean() > 0.99
    assert np.allclose(brighter, features, atol=0.02)
    grey = images / images.max(axis=(1, 2), keepdims=True) * 255
    assert np.median(np.abs(describe_shapes(grey.round().astype(np.uint8)) - features)) < 0.02


def test_a_brighter_neighbour_is_left_out(images, features):
    """It is an island of its own, far from the middle."""
    crowded = images.copy()
    neighbour = draw("Small", 9, size_arcsec=10)
    crowded[:, 4:24, 4:24] += 5 * neighbour[66:86, 66:86]
    free = [index for index, image in enumerate(images) if not image[:32, :32].any()]
    assert len(free) > 10
    # The noise of a stamp is measured in all of it, so that the clip level changes a little.
    changed = np.abs(describe_shapes(crowded[free]) - features[free])
    assert (changed < 0.1 * features.std(axis=0) + 1e-6).mean() > 0.98


def test_what_a_mask_gives_to_another_source_is_left_out(images, features):
    """Also where it touches the source, and is much brighter."""
    blended, masks = images.copy(), np.zeros(images.shape, np.uint8)
    masks[images > 0] = 1
    masks[:, 60:90, 95:110] = 2
    clean = np.where(masks == 2, 0, images).astype(np.float32)
    blended[masks == 2] = 50
    assert np.array_equal(describe_shapes(blended, masks), describe_shapes(clean))
    unmasked = np.abs(describe_shapes(blended) - describe_shapes(clean))
    assert (unmasked < 0.1 * features.std(axis=0) + 1e-6).mean() < 0.5


def test_a_blank_image_has_zeros(images, features):
    """So has one of NaN; the others have their numbers as without it."""
    blank = np.zeros((1, SIDE, SIDE), np.float32)
    mixed = describe_shapes(np.concatenate([blank, images[:2], np.full_like(blank, np.nan)]))
    assert not mixed[[0, 3]].any()
    assert np.array_equal(mixed[1:3], features[:2])
    assert describe_shapes(blank).shape == (1, 0)


@pytest.mark.parametrize("side", [8, 20, 33, 400])
def test_images_of_any_size(side):
    """One bright pixel in the middle or at the edge is a source as well; all numbers are finite."""
    images = np.zeros((2, side, side), np.uint8)
    images[0, side // 2, side // 2] = 200
    images[1, side // 2, 1:] = 90
    assert np.isfinite(describe_shapes(images)).all()
