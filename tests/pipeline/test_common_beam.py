"""One beam for all images: on the sky of astropy, with units, noise, margins and refusals."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

import mingolotss
from beam_images import cutout_of, header, paint, sky_of
from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.errors import ImageError, RecipeError
from mingolotss.model import Cutout
from mingolotss.pipeline.common_beam import (
    beam_of,
    beam_problem,
    convolve_cutouts,
    noise_covariance,
    with_common_beam,
)
from mingolotss.simulate import Observation
from mingolotss.simulate.noise import beam_noise, convolved_noise
from mingolotss.sky.beams import Beam
from mingolotss.sky.header_facts import HeaderFacts

pytest.importorskip("radio_beam")
pytest.importorskip("scipy")

SIX, NINE = Beam(6.0, 6.0), Beam(9.0, 9.0)


def windows(plane: Cutout, corners: list[tuple[int, int]], ny: int, nx: int) -> CutoutArray:
    """Return windows of one plane."""
    cutouts = CutoutArray(len(corners))
    y0, x0 = np.array(corners).T
    cutouts.set_windows(np.arange(len(corners)), plane, y0=y0, x0=x0, ny=ny, nx=nx)
    return cutouts


@pytest.mark.slow
@settings(max_examples=25)
@given(
    scale=st.floats(1, 3),
    axes=st.tuples(st.floats(3, 6), st.floats(1, 2)),
    kernel=st.tuples(st.floats(0.2, 6), st.floats(0, 1)),
    angles=st.tuples(st.floats(0, 180), st.floats(0, 180), st.floats(0, 360)),
    mirrored=st.booleans(),
    centre=st.tuples(st.floats(0, 360), st.floats(-85, 85)),
    far=st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)),
)
def test_a_point_source_gets_the_common_beam(scale, axes, kernel, angles, mirrored, centre, far):
    """Of any beam, on pixels of any size and orientation, anywhere on a mosaic.

    The oracles are astropy, for positions and angles on the sky, and radio-beam, for the beam
    that two others give.
    """
    import radio_beam

    before = Beam(axes[0] * axes[1] * scale, axes[0] * scale, angles[0])
    small = radio_beam.Beam(*(a * u.arcsec for a in before[:2]), before.pa_deg * u.deg)
    wide = kernel[0] * scale * u.arcsec
    both = small.convolve(radio_beam.Beam(wide, wide * kernel[1], angles[1] * u.deg))
    common = Beam(
        *(a.to_value("arcsec") for a in (both.major, both.minor)), both.pa.to_value("deg")
    )
    side = 91
    cards = header(
        before, side=side, scale=scale, angle=angles[2], mirrored=mirrored, centre=centre,
        crpix=(side / 2 + far[0], side / 2 + far[1]),
    )  # fmt: skip
    position = WCS(cards).pixel_to_world(44.7, 45.4)
    image = paint(cards, side, before, position)
    result = with_common_beam(cutout_of(image, cards), common).image
    expected = paint(cards, side, common, position)
    known = np.isfinite(result)
    assert known[35:56, 35:56].all()
    assert result[known] == pytest.approx(expected[known], abs=0.006)
    assert result[known].sum() / expected[known].sum() == pytest.approx(1, abs=0.003)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("JY/BEAM", 2.25), ("mJy/beam", 2.25), ("uJy beam-1", 2.25), (None, 2.25),
        ("W / (m2 Hz beam)", 2.25), ("K", 1), ("mK", 1), ("MJy/sr", 1), ("Jy/pixel", 1),
        ("Jy/arcsec**2", 1), ("adu/pix", 1),
    ],
)  # fmt: skip
def test_the_unit_decides_whether_the_brightness_grows(unit, factor):
    """Jy/beam is rescaled by the areas of the beams; a surface brightness stays."""
    cards = header(SIX, side=40, unit=unit)
    cutout = cutout_of(np.ones((40, 40), "f4"), cards)
    assert with_common_beam(cutout, NINE).image[20, 20] == pytest.approx(factor)


@pytest.mark.parametrize("unit", ["Jy", "mag", "beam", "Jy/beam2", "apples", "ct"])
def test_another_unit_is_refused(unit):
    """The line names the unit."""
    problem = beam_problem(sky_of(header(SIX, side=40, unit=unit)), NINE)
    assert repr(unit) in problem
    assert "surface brightness" in problem


@pytest.mark.parametrize(
    ("beam", "words"),
    [
        (None, ("no beam", "BMAJ", "9 arcsec")),
        (Beam(20.0, 20.0), ("20 arcsec", "9 arcsec", "larger")),
        (Beam(12.0, 5.0, 30.0), ("12 x 5 arcsec, 30 deg", "9 arcsec")),
        (Beam(9.02, 9.02), ("9.02 arcsec", "9 arcsec")),
    ],
)
def test_an_image_that_cannot_have_the_beam_is_refused(beam, words):
    """Its beam is unknown, or larger in one direction at least; both sizes are in the line."""
    wcs = sky_of(header(beam, side=40))
    problem = beam_problem(wcs, NINE)
    assert all(word in problem for word in words), problem
    with pytest.raises(ImageError, match=r"beam\.common"):
        with_common_beam(Cutout(np.ones((40, 40)), None, wcs), NINE)


def test_a_beam_of_very_many_pixels_is_refused():
    """Its kernel would fill the memory; the line says how wide it is."""
    problem = beam_problem(sky_of(header(SIX, side=40)), Beam(36000.0, 36000.0))
    assert "has a width of 24000 of the image's pixels" in problem
    assert not beam_problem(sky_of(header(SIX, side=40)), Beam(290.0, 290.0))


def test_a_table_of_beams_is_named():
    """CASA writes one beam for each plane into a table, and the header says so."""
    cards = header(None, side=40)
    cards["CASAMBM"] = True
    assert "CASAMBM" in beam_problem(sky_of(cards), NINE)


@pytest.mark.parametrize("beam", [NINE, Beam(9.004, 8.996, 12.0), Beam(9.0, 9.0, 77.0)])
def test_an_image_that_has_the_beam_keeps_every_bit(beam):
    """Also one whose header is rounded: no copy is made."""
    image = np.random.default_rng(1).normal(size=(40, 40)).astype(">f4")
    cutouts = CutoutArray.from_outcomes([cutout_of(image, header(beam, side=40), image)])
    result = convolve_cutouts(cutouts, np.array([0]), NINE)
    assert result.cutouts.cutout(0).image.base is image
    assert len(result.convolved) == 0


@pytest.mark.parametrize("beam", [Beam(9.0, 4.0, 20.0), Beam(9.005, 5.0, 140.0)])
def test_a_beam_as_long_as_the_common_one(beam):
    """In that direction the kernel has no width, also after rounding."""
    cards = header(beam, side=60)
    position = WCS(cards).pixel_to_world(30, 30)
    image = paint(cards, 60, beam, position)
    result = with_common_beam(cutout_of(image, cards), NINE).image
    inside = np.s_[20:41, 20:41]
    assert result[inside] == pytest.approx(paint(cards, 60, NINE, position)[inside], abs=0.005)


def test_a_window_uses_the_pixels_around_it():
    """A cutout of a mosaic is the same window of the convolved mosaic, up to rounding."""
    rng = np.random.default_rng(2)
    image = rng.normal(size=(200, 230)).astype(">f4")
    image[100:104, 90:95] = np.nan
    rms = rng.uniform(1, 2, (200, 230)).astype(">f4")
    plane = cutout_of(image, header(SIX, side=200), rms)
    whole = with_common_beam(plane, NINE)
    corners = [(60, 70), (0, 0), (150, 180), (150, 0), (75, 60)]
    result = convolve_cutouts(windows(plane, corners, 50, 50), np.arange(5), NINE)
    for index, (y, x) in enumerate(corners):
        cutout = result.cutouts.cutout(index)
        window = np.s_[y : y + 50, x : x + 50]
        assert cutout.image == pytest.approx(whole.image[window], abs=1e-5, nan_ok=True)
        assert cutout.rms == pytest.approx(whole.rms[window], rel=1e-4, nan_ok=True)
        assert cutout.origin == (x, y)
        assert (cutout.image.dtype, cutout.wcs) == (np.dtype("f4"), plane.wcs)
    assert result.has_gaps.tolist() == [True, True, True, True, True]
    edge = np.isnan(result.cutouts.cutout(1).image)
    reach = int(edge[:, 40].argmin())
    assert 4 <= reach <= 9
    assert edge[:reach].all()
    assert edge[:, :reach].all()
    assert not edge[reach:40, reach:40].any()


def test_only_the_pixels_that_are_needed():
    """A window of a cutout has the pixels of the convolved cutout; the rest is NaN."""
    rng = np.random.default_rng(6)
    image, rms = rng.normal(size=(200, 200)).astype("f4"), rng.uniform(1, 2, (200, 200))
    image[105, 120] = np.nan
    plane = cutout_of(image, header(SIX, side=200), rms)
    cutouts = windows(plane, [(30, 40), (90, 100)], 80, 90)
    whole = convolve_cutouts(cutouts, np.arange(2), NINE)
    needed = np.array([[10, 20, 30, 40], [0, 0, 80, 90]])
    part = convolve_cutouts(cutouts, np.arange(2), NINE, needed)
    assert (whole.has_gaps.tolist(), part.has_gaps.tolist()) == ([True] * 2, [False, True])
    inside = np.s_[10:40, 20:60]
    for name in ("image", "rms"):
        expected, result = (getattr(one.cutouts.cutout(0), name) for one in (whole, part))
        assert result[inside] == pytest.approx(expected[inside], abs=1e-5)
        assert np.isfinite(result).sum() == 30 * 40
        assert result.shape == (80, 90)
        others = [getattr(one.cutouts.cutout(1), name) for one in (whole, part)]
        assert others[0].tobytes() == others[1].tobytes()


def test_the_pixels_do_not_depend_on_their_company():
    """One cutout alone, and among many of several sizes and images, gives the same bits."""
    rng = np.random.default_rng(3)
    planes = [
        cutout_of(rng.normal(size=(300, 300)).astype("f4"), header(beam, side=300))
        for beam in (SIX, Beam(7.0, 5.0, 30.0))
    ]
    cutouts = CutoutArray(60)
    for number, plane in enumerate(planes):
        members = np.arange(number, 60, 2)
        corners = rng.integers(0, 200, (2, 30))
        cutouts.set_windows(members, plane, y0=corners[0], x0=corners[1], ny=80, nx=90)
    together = convolve_cutouts(cutouts, np.arange(60), NINE).cutouts
    for index in (0, 1, 31, 58):
        alone = convolve_cutouts(cutouts, np.array([index]), NINE).cutouts
        assert alone.cutout(index).image.tobytes() == together.cutout(index).image.tobytes()
        assert alone.cutout((index + 2) % 60).image.base is planes[index % 2].image


def test_the_noise_of_a_common_beam():
    """Of an image without scatter to measure: as if the beam were its autocorrelation."""
    for unit, factor in (("Jy/beam", 2.25), ("K", 1.0)):
        cards = header(SIX, side=60, unit=unit)
        rms = np.full((60, 60), 2.0, "f4")
        result = with_common_beam(cutout_of(np.zeros((60, 60), "f4"), cards, rms), NINE)
        expected = 2.0 * factor * (36 / (36 + 2 * 45)) ** 0.5
        assert result.rms[30, 30] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["natural", "uniform", "white"])
def test_the_noise_map_is_the_scatter_of_the_convolved_pixels(kind):
    """With the beam as its autocorrelation, white noise convolved with it, and white noise."""
    rng = np.random.default_rng(5)
    noise = {
        "natural": lambda: beam_noise(600, 4.0, rng),
        "uniform": lambda: convolved_noise(600, Observation().beam_covariance, rng),
        "white": lambda: rng.normal(size=(600, 600)).astype("f4"),
    }[kind]()
    plane = cutout_of(noise, header(SIX, side=600), np.ones((600, 600), "f4"))
    result = with_common_beam(plane, NINE)
    assert np.nanstd(result.image) == pytest.approx(float(np.nanmedian(result.rms)), rel=0.05)
    common = noise_covariance(with_common_beam(plane, NINE), NINE)
    expected = {"natural": (2 * NINE.covariance - SIX.covariance), "uniform": 2 * NINE.covariance}
    if kind in expected:
        assert common == pytest.approx(expected[kind], rel=0.15)


def test_gaps_of_an_rms_map():
    """Where the noise is unknown it stays so, and the image does not change."""
    image, rms = np.ones((60, 60), "f4"), np.ones((60, 60), "f4")
    rms[20:40, 20:40], rms[5, 50] = np.nan, np.inf
    result = with_common_beam(cutout_of(image, header(SIX, side=60), rms), NINE)
    assert np.isnan(result.rms[25:35, 25:35]).all()
    assert np.isnan(result.rms[5, 50])
    assert np.isfinite(result.image[10:50, 10:50]).all()


def test_a_header_with_its_axes_exchanged():
    """The longer axis is the major one, and the angle is turned."""
    facts = HeaderFacts(beam_major_arcsec=5.0, beam_minor_arcsec=8.0, beam_pa_deg=10.0)
    assert beam_of(facts) == (8.0, 5.0, 100.0)


@pytest.mark.parametrize(
    "cards",
    [
        {"BMAJ": 1e-300, "BMIN": 1e-300}, {"BMAJ": 0.0, "BMIN": 0.0}, {"BMAJ": 2e-3},
        {"BMAJ": "six", "BMIN": "six"}, {"BMAJ": 1e30, "BMIN": 1e30}, {"BMAJ": 6.0, "BMIN": 6.0},
        {"BMAJ": -2e-3, "BMIN": 2e-3},
    ],
)  # fmt: skip
def test_an_impossible_beam_is_refused(cards):
    """Zero, negative, infinite and texts: as unknown, or as larger than the common beam."""
    image = header(None, side=40)
    image.update(cards)
    problem = beam_problem(sky_of(image), NINE)
    assert "no beam" in problem or "is larger than" in problem


@pytest.mark.parametrize("axes", [(1e-9, 1e-9), (2.4999e-3, 1e-9), (2e-3, 2e-3)])
@pytest.mark.parametrize("fill", ["noise", "nan", "huge"])
def test_odd_pixels_and_beams_raise_no_warning(axes, fill):
    """A needle of a beam, an image of NaN, and pixels that overflow."""
    image = {
        "noise": np.random.default_rng(0).normal(size=(80, 80)).astype("f4"),
        "nan": np.full((80, 80), np.nan, "f4"),
        "huge": np.full((80, 80), 3e38, "f4"),
    }[fill]
    cards = header(Beam(axes[0] * 3600, axes[1] * 3600), side=80)
    result = with_common_beam(cutout_of(image, cards, np.abs(image)), NINE)
    assert np.isfinite(result.image).any() == (fill == "noise")
    assert result.rms.shape == image.shape


def test_one_stamp_without_a_build():
    """`make_stamp` convolves as a build does; "largest" needs the images of a build."""
    cards = header(SIX, side=240)
    position = SkyCoord(150.0, 50.0, unit="deg")
    image = paint(cards, 240, SIX, position).astype("f4")
    recipe = mingolotss.load_recipe("lotss").changed({
        "beam.common": "9 arcsec", "steps": [], "stamp.kind": "float32", "formats": ["parquet"],
        "noise.otherwise": "sigma-clipped",
    })  # fmt: skip
    stamp = mingolotss.make_stamp(cutout_of(image, cards), position, recipe)
    expected = paint(cards, 240, NINE, position)
    assert stamp.max() == pytest.approx(expected.max(), rel=2e-3)
    with pytest.raises(RecipeError, match=r"beam.common = .largest. .* give the beam"):
        mingolotss.make_stamp(
            cutout_of(image, cards), position, recipe.changed({"beam.common": "largest"})
        )
