"""Single galaxies look like their class, by the field's own measures."""

import math

import numpy as np
import pytest

from mingolotss.errors import InputError
from mingolotss.simulate import draw_source
from mingolotss.simulate.classes import SHAPES, draw_shape
from mingolotss.simulate.draw import beam_area
from mingolotss.simulate.population import CLASSES

SEEDS = range(20)


def _along(image, pa):
    """Distances in pixels along and across the position angle, from the middle."""
    half = image.shape[0] // 2
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - half
    east, north = -x, y
    turn = math.radians(pa)
    along = east * math.sin(turn) + north * math.cos(turn)
    return along, -east * math.cos(turn) + north * math.sin(turn)


def _peak_ratio(kind, seed):
    """Separation of the brightest places on both sides over the whole extent.

    Fanaroff & Riley (1974) call a source below 0.5 class I and above class II.
    """
    pa = 37 * seed % 180
    image = draw_source(kind, 100, 100, pa, np.random.default_rng(seed))
    along, _ = _along(image, pa)
    peaks = [along[side].flat[image[side].argmax()] for side in (along > 0, along < 0)]
    extent = np.ptp(along[image > 0.03 * image.max()])
    return (peaks[0] - peaks[1]) / extent


def test_classes_are_those_of_the_dataset():
    assert list(SHAPES) == list(CLASSES)


@pytest.mark.parametrize("kind", SHAPES)
def test_flux_is_kept_and_light_is_positive(kind):
    image = draw_source(kind, 60, 80, 20, np.random.default_rng(5))
    assert image.dtype == np.float32
    assert image.sum() / beam_area(4) * 1000 == pytest.approx(80, rel=1e-3)
    assert image.min() > -1e-5 * image.max()


@pytest.mark.parametrize("kind", SHAPES)
def test_sides_are_empty_so_nothing_wraps_round(kind):
    image = draw_source(kind, 60, 80, 20, np.random.default_rng(6))
    frame = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert np.abs(frame).max() < 1e-4 * image.max()


@pytest.mark.parametrize("kind", SHAPES)
def test_centre_of_flux_is_in_the_middle_pixel(kind):
    image = draw_source(kind, 60, 80, 20, np.random.default_rng(7))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - image.shape[0] // 2
    assert abs((image * x).sum() / image.sum()) < 0.05
    assert abs((image * y).sum() / image.sum()) < 0.05


@pytest.mark.parametrize("kind", SHAPES)
def test_extent_is_the_size_asked_for(kind):
    extents = []
    for seed in range(8):
        image = draw_source(kind, 120, 100, 30, np.random.default_rng(seed))
        angles = np.radians(np.arange(0, 180, 15))
        y, x = np.nonzero(image > 2e-4 * image.sum())
        extents.append(max(np.ptp(x * math.cos(a) + y * math.sin(a)) for a in angles) * 1.5)
    assert 0.6 * 120 < np.median(extents) < 1.2 * 120


@pytest.mark.parametrize("kind", ["FRI", "FRII", "FRI WAT"])
def test_long_axis_follows_the_position_angle(kind):
    widths = []
    for seed in SEEDS:
        image = draw_source(kind, 90, 100, 11 * seed, np.random.default_rng(seed))
        along, across = _along(image, 11 * seed)
        widths.append((image * along**2).sum() / (image * across**2).sum())
    assert np.median(widths) > 3


def test_fri_is_brightest_near_the_core():
    ratios = [_peak_ratio("FRI", seed) for seed in SEEDS]
    assert np.mean(np.array(ratios) < 0.5) > 0.9


def test_frii_is_brightest_near_the_ends():
    ratios = [_peak_ratio("FRII", seed) for seed in SEEDS]
    assert np.mean(np.array(ratios) > 0.5) > 0.9


def test_nat_and_wat_have_their_opening_angles():
    nat = [draw_shape("FRI NAT", np.random.default_rng(s)).bend for s in SEEDS]
    wat = [draw_shape("FRI WAT", np.random.default_rng(s)).bend for s in SEEDS]
    fri = [draw_shape("FRI", np.random.default_rng(s)).bend for s in SEEDS]
    assert max(nat) < 75
    assert np.mean(np.array(nat) < 60) > 0.9
    assert min(wat) > 85
    assert max(wat) < 165
    assert np.median(fri) > 150


def _one_sidedness(kind, seed):
    """How much of the far light lies in one direction from the brightest place, 0 to 1."""
    image = draw_source(kind, 100, 100, 30, np.random.default_rng(seed))
    y0, x0 = np.unravel_index(image.argmax(), image.shape)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    way = (x - x0) + 1j * (y - y0)
    far = np.abs(way) > 15
    return abs((image[far] * way[far] / np.abs(way[far])).sum() / image[far].sum())


@pytest.mark.slow
def test_tails_of_a_nat_lie_on_one_side_of_its_head():
    assert np.median([_one_sidedness("FRI NAT", s) for s in SEEDS]) > 0.8
    assert np.median([_one_sidedness("FRI", s) for s in SEEDS]) < 0.6


def _sagitta(kind, seed):
    """Bow of the light about the long axis, in sizes, from a parabola weighted by brightness."""
    image = draw_source(kind, 100, 100, 0, np.random.default_rng(seed))
    along, across = _along(image, 0)
    curve = np.polyfit(along.ravel(), across.ravel(), 2, w=np.sqrt(np.abs(image.ravel())))
    return abs(curve[0]) * (50 / 1.5) ** 2 / (100 / 1.5)


@pytest.mark.slow
def test_wat_is_bowed_and_frii_is_not():
    wat, frii = (np.median([_sagitta(k, s) for s in SEEDS]) for k in ("FRI WAT", "FRII"))
    assert wat > 0.08
    assert frii < 0.04


@pytest.mark.slow
def test_double_double_has_two_pairs_of_peaks():
    """Profile along the axis: bright inside and a second, fainter maximum of light outside."""
    inner, outer = [], []
    for seed in SEEDS:
        image = draw_source("Double Double", 150, 150, 90, np.random.default_rng(seed))
        along, _ = _along(image, 90)
        bins = np.bincount((np.abs(along).astype(int) // 5).ravel(), image.ravel(), minlength=12)
        inner.append(bins[2:5].max() / bins[1])
        outer.append(bins[6:10].max() / bins[12:].max())
    assert np.median(inner) > 1
    assert np.median(outer) > 1.5


def test_no_two_galaxies_are_alike():
    one, two = (draw_source("FRI", 60, 60, 0, np.random.default_rng(s)) for s in (1, 2))
    side = min(len(one), len(two)) // 2
    parts = [
        a[len(a) // 2 - side :, len(a) // 2 - side :][: 2 * side, : 2 * side] for a in (one, two)
    ]
    assert np.abs(parts[0] - parts[1]).max() > 0.1 * one.max()


def test_unknown_class_is_refused_by_name():
    with pytest.raises(InputError, match=r"no class 'FRIII'.*FRI NAT"):
        draw_source("FRIII", 10, 10, 0, np.random.default_rng(1))
