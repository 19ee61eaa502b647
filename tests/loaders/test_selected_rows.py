"""Which images of an array are those of another: all of them, moved, changed, equal or absent."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.loaders.selected_rows import matching_rows

IMAGES = np.random.default_rng(3).integers(1, 255, (6, 4, 4), np.uint8)
BLANK = np.zeros((2, 4, 4), np.uint8)
ALL = np.concatenate([IMAGES, BLANK])
CASES = {
    "all": (ALL, [0, 1, 2, 3, 4, 5, 6, 7]),
    "in another order": (ALL[::-1], [6, 7, 5, 4, 3, 2, 1, 0]),
    "some, one twice": (ALL[[3, 3, 0]], [3, 3, 0]),
    "some with all the blank ones": (ALL[[6, 2, 7]], [6, 2, 7]),
    "one blank image of two": (ALL[[6, 2]], None),
    "an image that is not there": (ALL[:2] + 1, None),
    "all of them changed": (ALL + 1, [0, 1, 2, 3, 4, 5, 6, 7]),
}


@pytest.mark.parametrize(("new", "rows"), CASES.values(), ids=CASES.keys())
def test_rows_are_found(new, rows):
    """Equal images are told apart only if all of them are there, in their order."""
    matches = matching_rows(new, ALL)
    assert (None if matches is None else matches.tolist()) == rows


def test_many_equal_images_are_not_compared_in_pairs():
    """20,000 blank images, the last one moved: pairs of them would take gigabytes."""
    old = np.zeros((20_000, 2, 2), np.uint8)
    old[-1] = 1
    matches = matching_rows(np.roll(old, 1, axis=0), old)
    assert matches.tolist() == [19_999, *range(19_999)]
