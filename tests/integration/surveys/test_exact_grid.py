"""Resampled stamps: their centre is the catalogue position, and they keep the flux."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from mingolotss.dataset.manifest import read_manifest
from mingolotss.simulate import Observation, SkyModel
from observed_skies import (
    observed,
    offsets_between,
    point_sources,
    random_places,
    recipe_of,
    stamps_of,
)

reproject = pytest.importorskip("reproject")
pytestmark = pytest.mark.slow

MODEL = SkyModel(sources=2, edge_cases=False, field_px=2400, background_per_deg2=1500)
SCALE = 1.5  # arcsec, of the images
AREA_ARCSEC2 = math.pi * 6**2 / (4 * math.log(2))
RATIOS = (0.5, 2 / 3, 0.9, 1.0, 1.2, 1.5, 2.2, 8 / 3, 4.0)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A sky with 1,000 lonely point sources, almost without noise."""
    root = tmp_path_factory.mktemp("exact")
    return observed(root, MODEL, quiet=replace(Observation(), noise=0.01))["quiet"]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """The same sky with noise, which has structure at every position."""
    return observed(tmp_path_factory.mktemp("noisy"), MODEL, noisy=Observation())["noisy"]


def moments(stamps):
    """Return the centroid (x, y) of each stamp within 6 pixels of its middle."""
    y, x = np.indices(stamps.shape[1:]) - stamps.shape[-1] // 2
    inside = np.hypot(x, y) < 6
    light = np.where(inside, stamps, 0).astype(float)
    total = light.sum(axis=(1, 2))
    return (
        np.stack([(light * x).sum(axis=(1, 2)), (light * y).sum(axis=(1, 2))], axis=1)
        / (total[:, None])
    )


@pytest.mark.parametrize("method", ["adaptive", "exact"])
def test_1000_point_sources_are_in_the_middle_of_the_middle_pixel(sky, tmp_path, method):
    places = point_sources(sky, 25)[:1000]
    assert len(places) == 1000
    recipe = recipe_of(stamp={"centre": "exact", "resample": method, "pixels": 31})
    stamps = stamps_of(tmp_path / "out", recipe, sky, places)
    assert np.hypot(*moments(stamps).T).max() < 0.1


@pytest.mark.parametrize("method", ["adaptive", "exact"])
def test_1000_random_positions_agree_with_reproject(noisy, tmp_path, method):
    """Reproject is run directly on a cutout of astropy, onto a grid written here."""
    places = random_places(noisy, 1000, 3)
    recipe = recipe_of(stamp={"centre": "exact", "resample": method, "pixels": 31})
    stamps = stamps_of(tmp_path / "out", recipe, noisy, places)
    mosaics = []
    for path in sorted(noisy.glob("*-mosaic.fits")):
        with fits.open(path) as hdus:
            mosaics.append((hdus[0].data.astype(float), WCS(hdus[0].header)))
    expected = np.full(stamps.shape, np.nan)
    for k in range(len(places)):
        grid = WCS(naxis=2)
        grid.wcs.ctype, grid.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
        grid.wcs.crval, grid.wcs.crpix = (places.ra[k], places.dec[k]), (16, 16)
        grid.wcs.cdelt = -SCALE / 3600, SCALE / 3600
        pixels, wcs = mosaics[k % len(mosaics)]
        part = Cutout2D(pixels, wcs.all_world2pix(*grid.wcs.crval, 0), (61, 61), wcs)
        expected[k], _ = reproject.reproject_adaptive(
            (part.data, part.wcs), grid, shape_out=(31, 31), kernel="gaussian",
            conserve_flux=False, boundary_mode="strict",
        )  # fmt: skip
    whole = np.isfinite(expected).all(axis=(1, 2)) & np.isfinite(stamps).all(axis=(1, 2))
    assert whole.sum() > 900
    assert np.hypot(*offsets_between(stamps[whole], expected[whole]).T).max() < 0.1


@pytest.mark.parametrize("method", ["adaptive", "exact"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_flux_is_kept_at_other_pixel_scales(sky, tmp_path, method, ratio):
    """Of the sum over the stamp in Jy/beam, times the area of a pixel over that of the beam."""
    places = point_sources(sky, 75)[:60]
    scale = SCALE * ratio
    pixels = 2 * round(36 / scale) + 1
    recipe = recipe_of(stamp={"resample": method, "pixel_arcsec": scale, "pixels": pixels})
    stamps = stamps_of(tmp_path / "out", recipe, sky, places)
    flux = stamps.sum(axis=(1, 2), dtype=float) * scale**2 / AREA_ARCSEC2
    assert np.abs(flux / places.flux - 1).max() < 0.005


def test_noise_follows_the_pixels(noisy, tmp_path):
    """The recorded noise of resampled empty stamps is their scatter, at every scale."""
    places = random_places(noisy, 300, 4)
    for method in ("adaptive", "exact"):
        for ratio in (0.5, 1.5, 4.0):
            out = tmp_path / f"{method}-{ratio}"
            stamp = {"resample": method, "pixel_arcsec": SCALE * ratio, "pixels": 21}
            stamps = stamps_of(out, recipe_of(stamp=stamp), noisy, places)
            noise = np.array([row["noise_jy"] for row in read_manifest(out).to_pylist()])
            # The scatter is that of most pixels, as the sky has sources.
            low, high = np.percentile(stamps, (15.87, 50))
            assert np.median(noise) == pytest.approx(high - low, rel=0.1), (method, ratio)
