"""Islands, floods and measurements of masks, beside slow and plain ones of scipy."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from mingolotss.image.masks import (
    OTHER,
    OWN,
    PixelEllipses,
    farthest_pixels,
    flood,
    inside_polygon,
    peak_of_mask,
    share_emission,
)

CORNERS_TOUCH = np.ones((3, 3))


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45, 0.6, 0.9, 1.0])
def test_an_island_is_that_of_scipy(rng, share):
    """From one pixel, the flood is the island of that pixel, in each image for itself."""
    allowed = rng.random((4, 31, 23)) < share
    expected = [ndimage.label(image, CORNERS_TOUCH) for image in allowed]
    for number in range(1, max(count for _, count in expected) + 1):
        islands = np.array([labels == number for labels, _ in expected])
        seeds = np.zeros_like(allowed)
        for image, island in zip(seeds, islands, strict=True):
            image.ravel()[np.flatnonzero(island)[:1]] = True
        np.testing.assert_array_equal(flood(allowed, seeds), islands)


def test_an_island_that_winds_is_one():
    """A spiral of one pixel's width is one island, and so is a comb whose teeth meet at the end."""
    spiral = np.zeros((1, 41, 41), bool)
    y = x = 20
    for length, (dy, dx) in zip(
        range(2, 38, 2), [(0, 1), (1, 0), (0, -1), (-1, 0)] * 5, strict=False
    ):
        for _ in range(length):
            if 0 <= y < 41 and 0 <= x < 41:
                spiral[0, y, x] = True
            y, x = y + dy, x + dx
    comb = np.zeros((1, 21, 21), bool)
    comb[0, :-1, ::2] = comb[0, -1] = True
    for image in (spiral, comb):
        assert ndimage.label(image[0], CORNERS_TOUCH)[1] == 1
        seed = np.zeros_like(image)
        seed.ravel()[np.flatnonzero(image)[0]] = True
        np.testing.assert_array_equal(flood(image, seed), image)


def test_a_flood_fills_the_islands_of_its_seeds(rng):
    """It is the islands in which scipy finds a seed; seeds outside do not count."""
    allowed, seeds = rng.random((3, 40, 40)) < 0.4, rng.random((3, 40, 40)) < 0.01
    for image, seed, reached in zip(allowed, seeds, flood(allowed, seeds), strict=True):
        labels, _ = ndimage.label(image, CORNERS_TOUCH)
        wanted = np.isin(labels, np.unique(labels[seed & image])) & image
        assert np.array_equal(reached, wanted)


def test_emission_that_only_one_side_touches_is_its_own():
    """What lies nearer to the other side's ellipse, but touches only this side, is this side's."""
    bright, nearer = np.zeros((1, 5, 20), bool), np.zeros((1, 5, 20), bool)
    bright[0, 2, 2:15] = True  # reaches far into the half that is nearer to the other
    bright[0, 2, 17:19] = True
    nearer[..., :8] = True
    own, other = np.zeros_like(bright), np.zeros_like(bright)
    own[0, 2, 3] = other[0, 2, 18] = True
    (mask,) = share_emission(bright, nearer, own, other)
    assert (mask[2, 2:15] == OWN).all()
    assert (mask[2, 17:19] == OTHER).all()
    assert np.count_nonzero(mask) == 15


def test_emission_without_an_ellipse_is_background():
    """An island that no ellipse touches is of no known source."""
    bright = np.zeros((1, 5, 5), bool)
    bright[0, 1, 1] = bright[0, 3, 3] = True
    own = np.zeros_like(bright)
    own[0, 1, 1] = True
    (mask,) = share_emission(bright, np.ones_like(bright), own, np.zeros_like(bright))
    assert mask[1, 1] == OWN
    assert mask[3, 3] == 0


def test_the_farthest_pixels_are_those_of_all_pairs(rng):
    """The longest of all distances, on pixels that are turned and not square."""
    steps = np.array([[-1.4, 0.3], [0.2, 1.7]])
    for share in rng.random(60) ** 3:
        mask = rng.random((9, 14)) < share
        length = np.hypot(*farthest_pixels(mask, steps))
        y, x = np.nonzero(mask)
        if not len(y):
            assert np.isnan(length)
            continue
        points = np.stack([x, y], axis=1) @ steps.T
        assert length == pytest.approx(pdist(points).max() if len(y) > 1 else 0, abs=1e-9)


def test_ellipses_contain_the_pixels_that_they_should():
    """The distance is 1 on the ellipse, widened by half a pixel in quadrature."""
    angle = np.radians(30)
    along = np.array([[np.cos(angle)], [np.sin(angle)]])
    across = np.array([[-np.sin(angle)], [np.cos(angle)]])
    ellipses = PixelEllipses.from_axes(np.array([[5.0], [7.0]]), 10 * along, 4 * across)
    for direction, axis in ((along, 10), (across, 4)):
        x, y = np.array([[5.0], [7.0]]) + direction * np.hypot(axis, np.sqrt(0.5))
        assert ellipses.nearest(x, y) == pytest.approx([1.0])
    tiny = PixelEllipses.from_axes(np.array([[5.5], [7.5]]), 0.1 * along, 0.1 * across)
    assert tiny.nearest(np.array([5.0, 3.0]), np.array([7.0, 7.0])).__le__(1).tolist() == [
        True,
        False,
    ]
    none = ellipses.take(np.zeros(0, np.int64))
    assert none.nearest(np.zeros(2), np.zeros(2)).tolist() == [np.inf, np.inf]


def test_a_polygon_with_a_dent_contains_what_matplotlib_says(rng):
    """Points in a star are in it by the even-odd rule."""
    from matplotlib.path import Path

    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radius = np.where(np.arange(10) % 2, 3.0, 9.0)
    x, y = 10 + radius * np.cos(angle), 11 + radius * np.sin(angle)
    points = rng.uniform(0, 22, (500, 2))
    expected = Path(np.stack([x, y], axis=1)).contains_points(points)
    assert np.array_equal(inside_polygon(*points.T, x, y), expected)
    assert 50 < expected.sum() < 450


def test_the_peak_is_no_single_pixel():
    """A bright part of several pixels is the peak, also where one noisy pixel is brighter."""
    image = np.zeros((12, 12), np.float32)
    image[2:5, 2:5] = 5
    image[8:11, 8:11] = 1
    image[9, 9] = 8
    mask = image > 0
    assert peak_of_mask(image, mask) == (3, 3)
    assert peak_of_mask(image, mask & (image == 8)) == (9, 9)
    assert peak_of_mask(image, np.zeros_like(mask)) is None
