"""Outlines of masks: exact for every pixel, closed, and in the orientation of the pictures."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.path import Path

from mingolotss.image.masks import OTHER, OWN
from mingolotss.qa.report.mask_outlines import outlines_of


def fill(path: str, ny: int, nx: int) -> np.ndarray:
    """Return which pixels an even number of lines of an SVG path does not separate from outside."""
    inside = np.zeros((ny, nx), bool)
    y, x = np.mgrid[:ny, :nx] + 0.5
    for loop in filter(None, path.split("M")):
        assert loop.endswith("z")
        numbers = re.match(r"(\d+) (\d+)", loop)
        corners = [tuple(map(float, numbers.groups()))]
        for letter, step in re.findall(r"([hv])(-?\d+)", loop):
            dx, dy = (float(step), 0) if letter == "h" else (0, float(step))
            corners.append((corners[-1][0] + dx, corners[-1][1] + dy))
        closing = np.subtract(corners[-1], corners[0])
        assert (closing == 0).sum() == 1  # a last line along an axis
        area = Path([*corners, corners[0]], closed=True)
        inside ^= area.contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(ny, nx)
    return inside


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)),
                     elements=st.integers(0, 2)))  # fmt: skip
def test_an_outline_surrounds_exactly_its_pixels(mask):
    """Pixels that touch at a corner, holes, and the border too; row 0 is at the bottom."""
    outlines = outlines_of(mask)
    ny, nx = mask.shape
    assert (outlines.nx, outlines.ny) == (nx, ny)
    np.testing.assert_array_equal(fill(outlines.own, ny, nx), mask[::-1] == OWN)
    np.testing.assert_array_equal(fill(outlines.other, ny, nx), mask[::-1] == OTHER)


def test_a_ring_has_two_closed_lines():
    """One outside and one around its hole, which dashes follow without a break."""
    mask = np.full((3, 3), OWN, np.uint8)
    mask[1, 1] = 0
    assert outlines_of(mask).own.count("M") == outlines_of(mask).own.count("z") == 2
    assert outlines_of(mask).other == ""
