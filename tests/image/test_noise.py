"""Noise without an rms map: astropy's clipping, photutils' map, in the image's own type."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats

from mingolotss.errors import RecipeError
from mingolotss.image.noise import background2d_noise, sigma_clipped_noise


def sky(dtype, nan=False):
    rng = np.random.default_rng(4)
    image = rng.normal(0, 2e-4, (120, 130))
    image[50:60, 50:60] += 0.1
    if nan:
        image[:, :40] = np.nan
    return image.astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", ">f8"])
@pytest.mark.parametrize("nan", [False, True])
def test_sigma_clipping_ignores_sources_and_nan(dtype, nan):
    """The value is that of astropy's sigma_clipped_stats, and close to the truth."""
    image = sky(dtype, nan)
    noise = sigma_clipped_noise(image)
    clean = image[np.isfinite(image)]
    _, _, expected = sigma_clipped_stats(clean, sigma=3.0, maxiters=5)
    assert noise.shape == (1, 1)
    assert noise.dtype == np.dtype(dtype).newbyteorder("=")
    assert noise[0, 0] == pytest.approx(expected, rel=1e-5)
    assert noise[0, 0] == pytest.approx(2e-4, rel=0.05)


def test_settings_reach_the_clipping():
    """A tighter clip gives a smaller noise; more rounds clip more."""
    image = sky("f8")
    assert sigma_clipped_noise(image, sigma=2.0) < sigma_clipped_noise(image, sigma=4.0)
    assert sigma_clipped_noise(image, iterations=1) > sigma_clipped_noise(image, iterations=5)


def test_an_image_of_nan_has_no_noise():
    """The noise of an image without values is NaN, without a warning or an error."""
    assert np.isnan(sigma_clipped_noise(np.full((9, 9), np.nan, "f4")))


@pytest.mark.slow
def test_a_noise_map_has_the_shape_of_the_image_or_names_photutils():
    """The map has the shape and type of the image; without photutils, the error names it."""
    image = sky("f4")
    try:
        import photutils  # noqa: F401
    except ImportError:
        with pytest.raises(RecipeError, match="pip install"):
            background2d_noise(image)
        return
    noise = background2d_noise(image, box=30)
    assert (noise.shape, noise.dtype) == (image.shape, image.dtype)
    assert np.median(noise) == pytest.approx(2e-4, rel=0.1)
