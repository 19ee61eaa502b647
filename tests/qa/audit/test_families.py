"""Pairs that follow from others have the turn that the images have."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.qa.audit.families import complete_pairs
from mingolotss.qa.audit.twins import find_twins

IMAGE = np.zeros((40, 40), np.uint8)
IMAGE[8:30, 12:17] = 200
IMAGE[26:31, 12:28] = 90


def turned(image, *, mirrored, angle):
    return np.rot90(np.fliplr(image) if mirrored else image, round(-angle / 90))


@pytest.mark.parametrize("seed", range(6))
def test_the_turn_of_every_pair_makes_the_second_image_of_the_first(seed):
    """Copies in any orientation, in three datasets: each is paired in its own and in the others."""
    rng = np.random.default_rng(seed)
    images = [
        turned(IMAGE, mirrored=rng.random() < 0.5, angle=90 * k) for k in rng.integers(0, 4, 7)
    ]
    sets = [np.stack(images[:3]), np.stack(images[3:4]), np.stack(images[4:])]
    pairs = complete_pairs(find_twins(sets).pairs, [0, 3, 4, 7])
    for twin in pairs:
        made = turned(images[twin.first], mirrored=twin.mirrored, angle=twin.angle_deg)
        assert np.array_equal(made, images[twin.second])
    assert {(one.first, one.second) for one in pairs} == {
        (0, 1), (0, 2), (4, 5), (4, 6), (0, 3), (1, 3), (2, 3), (3, 4), (3, 5), (3, 6), (0, 4),
        (0, 5), (0, 6), (1, 4), (2, 4),
    }  # fmt: skip
