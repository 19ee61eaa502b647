"""Images of 6 and of 9 arcsec, convolved to 9 arcsec, are the same images."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.simulate import Observation, SkyModel
from observed_skies import (
    Places,
    classifier_auc,
    correlation_length,
    observed,
    point_sources,
    radial_power,
    random_places,
    recipe_of,
    stamps_of,
)

pytestmark = pytest.mark.slow

POINTS = SkyModel(sources=2, edge_cases=False, field_px=2400, background_per_deg2=1000)
GALAXIES = SkyModel(sources=300, edge_cases=False, field_px=2400, background_per_deg2=200)
EMPTY = SkyModel(sources=2, edge_cases=False, field_px=1500, background_per_deg2=0)
SIX, NINE = Observation(), Observation(beam_major_arcsec=9)
COMMON = recipe_of(beam={"common": "9 arcsec"})
AREA_PX = math.pi * 6**2 / (4 * math.log(2))  # of a beam of 9 arcsec, pixels of 1.5 arcsec


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """500 point sources as both observations see them, and their stamps at 9 arcsec."""
    root = tmp_path_factory.mktemp("points")
    skies = observed(root, POINTS, six=replace(SIX, noise=0.1), nine=replace(NINE, noise=0.1))
    places = point_sources(skies["six"], 50)[:500]
    assert len(places) == 500
    stamps = {n: stamps_of(root / f"{n}-out", COMMON, sky, places) for n, sky in skies.items()}
    return places, stamps, root


def test_peaks_of_500_point_sources_agree_within_2_percent(quiet):
    places, stamps, _ = quiet
    six, nine = (stamps[name].max(axis=(1, 2)) for name in ("six", "nine"))
    assert np.abs(six / nine - 1).max() < 0.02
    assert np.abs(nine / places.flux - 1).max() < 0.05  # up to half a pixel from a pixel's centre


def test_integrated_fluxes_agree_within_1_percent(quiet):
    places, stamps, _ = quiet
    six, nine = (stamps[name].sum(axis=(1, 2), dtype=float) / AREA_PX for name in ("six", "nine"))
    assert np.abs(six / nine - 1).max() < 0.01
    assert np.abs(six / places.flux - 1).max() < 0.01


def test_beam_before_and_after_is_in_the_manifest(quiet):
    _, _, root = quiet
    for name, before in (("six", 6.0), ("nine", 9.0)):
        rows = read_manifest(root / f"{name}-out").to_pylist()
        assert {round(row["beam_major_arcsec"], 6) for row in rows} == {before}
        assert {round(row["stamp_beam_major_arcsec"], 6) for row in rows} == {9.0}
        assert {round(row["stamp_beam_minor_arcsec"], 6) for row in rows} == {9.0}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Stamps of 400 empty places: their noise, and the rows of the manifest."""
    root = tmp_path_factory.mktemp("empty")
    skies = observed(root, EMPTY, six=SIX, nine=NINE)
    places = random_places(skies["six"], 400, 5)
    stamps = {n: stamps_of(root / f"{n}-out", COMMON, sky, places) for n, sky in skies.items()}
    rows = {name: read_manifest(root / f"{name}-out").to_pylist() for name in skies}
    return stamps, rows


def test_correlation_length_of_the_noise_agrees_within_5_percent(empty):
    stamps, _ = empty
    six, nine = (correlation_length(stamps[name], 1.5) for name in ("six", "nine"))
    assert six == pytest.approx(nine, rel=0.05)
    assert six == pytest.approx(9 * math.sqrt(2), rel=0.05)


def test_noise_in_the_manifest_is_the_scatter_of_the_stamps(empty):
    stamps, rows = empty
    for name, pixels in stamps.items():
        recorded = np.array([row["noise_jy"] for row in rows[name]])
        scatter = pixels.std(axis=(1, 2))
        assert np.median(scatter / recorded) == pytest.approx(1, abs=0.1), name


def test_classifier_cannot_tell_the_beams_apart_afterwards(tmp_path):
    """A logistic regression on radial power spectra, cross-validated, of 150 galaxies of each."""
    skies = observed(tmp_path, GALAXIES, six=SIX, nine=NINE)
    catalogue = read_catalogue(skies["six"] / "catalogue.fits")
    flux = np.full(len(catalogue), np.nan)
    places = Places(np.asarray(catalogue.ra), np.asarray(catalogue.dec), flux)
    halves = {"six": places[::2], "nine": places[1::2]}
    auc = {}
    for kind, recipe in (("before", recipe_of()), ("after", COMMON)):
        spectra = [
            radial_power(stamps_of(tmp_path / f"{kind}-{name}", recipe, skies[name], halves[name]))
            for name in skies
        ]
        auc[kind] = classifier_auc(*spectra)
    assert auc["before"] > 0.99
    assert auc["after"] < 0.55, auc


@pytest.mark.parametrize("method", ["adaptive", "exact"])
def test_resampled_stamps_have_the_common_beam(tmp_path, method):
    """Images of two beams and two sizes of pixels, resampled to a third: one beam of 12 arcsec."""
    most = {"adaptive": 0.02, "exact": 0.03}[method]  # the width of `exact` depends on the place
    observations = {"six": replace(SIX, noise=0.1), "nine": replace(NINE, noise=0.1)}
    observations["nine"] = replace(observations["nine"], pixel_arcsec=2.0)
    skies = observed(tmp_path, POINTS, **observations)
    places = point_sources(skies["six"], 50)[:100]
    stamp = {"pixel_arcsec": 1.7, "centre": "exact", "resample": method}
    recipe = recipe_of(beam={"common": "12 arcsec"}, stamp=stamp)
    stamps = {n: stamps_of(tmp_path / f"{n}-out", recipe, sky, places) for n, sky in skies.items()}
    area_px = math.pi * 12**2 / (4 * math.log(2)) / 1.7**2
    for name, images in stamps.items():
        peaks, fluxes = images.max(axis=(1, 2)), images.sum(axis=(1, 2), dtype=float) / area_px
        assert np.abs(peaks / places.flux - 1).max() < most
        assert np.median(np.abs(fluxes / places.flux - 1)) < 0.003  # a few have neighbours
        beams = read_manifest(tmp_path / f"{name}-out")["stamp_beam_major_arcsec"].to_pylist()
        assert beams == pytest.approx([12] * len(places))
    six, nine = stamps["six"], stamps["nine"]
    assert np.abs(six.max(axis=(1, 2)) / nine.max(axis=(1, 2)) - 1).max() < most
    fluxes = [images.sum(axis=(1, 2), dtype=float) for images in (six, nine)]
    assert np.abs(fluxes[0] / fluxes[1] - 1).max() < 0.01
