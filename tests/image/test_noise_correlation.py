"""The width of the noise's autocorrelation, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.image.noise_correlation import correlation_scale
from mingolotss.simulate import Observation
from mingolotss.simulate.noise import beam_noise, convolved_noise

BEAMS = {
    "6 arcsec": Observation(),
    "9 arcsec": Observation(beam_major_arcsec=9),
    "ellipse": Observation(beam_major_arcsec=12, beam_minor_arcsec=7, beam_pa_deg=30),
}


@pytest.mark.parametrize("beam", BEAMS.values(), ids=BEAMS)
@pytest.mark.parametrize("side", [240, 1500])
def test_white_noise_convolved_with_the_beam_is_twice_as_wide(beam, side):
    noise = convolved_noise(side, beam.beam_covariance, np.random.default_rng(2))
    tolerance = 0.25 if side == 240 else 0.1
    assert correlation_scale(noise, beam.beam_covariance) == pytest.approx(2, rel=tolerance)


def test_noise_with_the_beam_as_autocorrelation():
    noise = beam_noise(1500, 4.0, np.random.default_rng(1)).astype(">f4")
    assert correlation_scale(noise, BEAMS["6 arcsec"].beam_covariance) == pytest.approx(1, rel=0.1)


def test_sources_and_gaps_change_little():
    beam = BEAMS["6 arcsec"].beam_covariance
    rng = np.random.default_rng(3)
    noise = convolved_noise(600, beam, rng)
    for x, y in rng.integers(20, 580, (40, 2)):
        noise[y - 8 : y + 9, x - 8 : x + 9] += 30 * np.outer(np.hanning(17), np.hanning(17))
    noise[200:300, 100:500] = np.nan
    assert correlation_scale(noise, beam) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((240, 240)),
        np.full((240, 240), np.nan),
        np.random.default_rng(1).normal(size=(20, 20)),
        np.ones((3, 500)),
        np.empty((0, 5)),
    ],
)
def test_images_without_enough_noise_have_that_of_the_beam(image):
    assert correlation_scale(image, np.diag([3.0, 3.0])) == 1


def test_limits_hold():
    """Noise that is independent, or that changes over the whole image."""
    white = np.random.default_rng(1).normal(size=(256, 256))
    slow = np.add.outer(np.arange(256.0), np.arange(256.0))
    assert correlation_scale(white, np.diag([9.0, 9.0])) < 0.3
    assert correlation_scale(slow, np.diag([3.0, 3.0])) == pytest.approx(2.5, rel=0.1)
