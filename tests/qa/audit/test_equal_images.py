"""Images that are equal in every pixel are found in every orientation."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.qa.audit.equal_images import QuarterTurn, find_quarter_turn, order_free_sums
from mingolotss.qa.audit.twins import find_twins


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_each_of_eight_orientations_is_recognised(kind, mirrored, quarters):
    image = np.random.default_rng(1).uniform(0, 255, (32, 32)).astype(kind)
    copy = np.rot90(np.fliplr(image) if mirrored else image, quarters)
    assert find_quarter_turn(image, copy) == QuarterTurn(mirrored, quarters)
    first, second = order_free_sums(np.stack([image, copy]))
    assert first == second


@pytest.mark.parametrize("value", [1, np.nan])
def test_one_other_pixel_makes_another_image(value):
    image = np.random.default_rng(2).uniform(2, 255, (32, 32)).astype(np.float32)
    other = image.copy()
    other[3, 4] = value
    assert find_quarter_turn(image, other) is None
    first, second = order_free_sums(np.stack([image, other]))
    assert first != second


def test_equal_pixels_are_reported_with_their_orientation():
    """Also of an image that has too few bright pixels to be compared in any other way."""
    images = np.zeros((4, 64, 64), np.uint8)
    images[0, 30:34, 20:45] = 180
    images[0, 20:30, 42:45] = 90
    images[1] = images[0]
    images[2] = np.rot90(np.fliplr(images[0]))
    images[3, 10, 10] = 255
    first, second = find_twins([images]).pairs
    assert (first.first, first.second, first.identical) == (0, 1, True)
    assert (second.first, second.second, second.equal_pixels) == (0, 2, True)
    assert (second.mirrored, second.angle_deg, second.identical) == (True, 270.0, False)
