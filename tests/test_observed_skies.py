"""The measures of the acceptance tests are right where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import shift

from mingolotss.simulate import Observation
from mingolotss.simulate.noise import convolved_noise
from observed_skies import classifier_auc, correlation_length, offsets_between, radial_power


def noise(beam_arcsec: float, seed: int, count: int = 200) -> np.ndarray:
    side = 41
    covariance = Observation(beam_major_arcsec=beam_arcsec).beam_covariance
    field = convolved_noise(side * 20, covariance, np.random.default_rng(seed))
    tiles = field.reshape(20, side, 20, side).swapaxes(1, 2).reshape(-1, side, side)
    return tiles[:count]


@pytest.mark.parametrize("beam", [6.0, 9.0])
def test_correlation_length_of_noise_of_a_beam(beam):
    assert correlation_length(noise(beam, 1, 400), 1.5) == pytest.approx(beam * 2**0.5, rel=0.03)


def test_classifier_tells_beams_apart_and_not_equal_ones():
    six, six_again, nine = (radial_power(noise(b, s)) for b, s in ((6, 1), (6, 2), (9, 3)))
    assert classifier_auc(six, nine) > 0.99
    assert classifier_auc(six, six_again) < 0.57
    rng = np.random.default_rng(1)
    close = rng.normal(0, 1, (4000, 1)), rng.normal(1, 1, (4000, 1))
    assert classifier_auc(*close) == pytest.approx(0.760, abs=0.015)  # normal CDF of 1/sqrt(2)


def test_offset_of_a_shifted_image():
    images = noise(9, 4, 5)
    moved = np.stack([shift(image, (0.05, -0.2), order=5, mode="mirror") for image in images])
    assert offsets_between(images, moved) == pytest.approx(np.tile([-0.2, 0.05], (5, 1)), abs=0.02)
