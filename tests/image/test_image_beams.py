"""Kernels and convolution against astropy and radio-beam, and noise against noise."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.convolution import convolve, convolve_fft
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.image.beams import MIN_WEIGHT, convolve_images, gaussian_kernel, noise_kernel
from mingolotss.sky.beams import beam_covariance

pytest.importorskip("scipy")


def on_pixels(major, minor, pa):
    """Return the covariance of a beam in pixels, with north up and east to the left."""
    return beam_covariance(major, minor, -pa)


def moments(kernel):
    """Return the covariance of a kernel."""
    y, x = np.indices(kernel.shape) - np.array(kernel.shape)[:, None, None] // 2
    xy = np.stack([x.ravel(), y.ravel()])
    return (kernel.ravel() * xy) @ xy.T


@pytest.mark.parametrize(
    "beam", [(3.0, 3.0, 0.0), (6.0, 3.5, 30.0), (12.7, 4.0, 111.0), (30.0, 10.0, 95.0)]
)
def test_a_wide_kernel_is_that_of_radio_beam(beam):
    """Of at least three pixels, the kernel has the Gaussian's values at the pixel centres.

    They differ only in frequencies that no sampled image has: 0.4 % for the narrowest.
    """
    radio_beam = pytest.importorskip("radio_beam")
    expected = radio_beam.Beam(beam[0] * u.arcsec, beam[1] * u.arcsec, beam[2] * u.deg)
    kernel = gaussian_kernel(on_pixels(*beam))
    ny, nx = kernel.shape
    array = expected.as_kernel(1 * u.arcsec, x_size=nx, y_size=ny).array
    assert kernel == pytest.approx(array / array.sum(), abs=4e-3 * kernel.max())


@settings(max_examples=40)
@given(major=st.floats(0.2, 20), ratio=st.floats(0, 1), pa=st.floats(0, 180), width=st.floats(3, 9))
def test_a_gaussian_convolved_with_a_kernel_is_a_wider_gaussian(major, ratio, pa, width):
    """Widths add in squares, for kernels of any width: also less than a pixel, and none.

    To 0.6 % for an image of three pixels in a beam, as FIRST and NVSS have.
    """
    covariance = on_pixels(major, ratio * major, pa)
    kernel = gaussian_kernel(covariance)
    assert kernel.sum() == pytest.approx(1)
    before = beam_covariance(width, width)
    half = 12
    side = 2 * half + 1
    y, x = np.indices((side + kernel.shape[0] - 1, side + kernel.shape[1] - 1))
    y, x = y - (y.max() + 1) // 2, x - (x.max() + 1) // 2
    offset = np.array([0.3, -0.4])  # between pixels
    result = convolve_images(gauss(before, x - offset[0], y - offset[1])[None], kernel)[0]
    y, x = np.indices((side, side)) - half
    after = gauss(before + covariance, x - offset[0], y - offset[1])
    expected = after * np.sqrt(np.linalg.det(before) / np.linalg.det(before + covariance))
    assert result == pytest.approx(expected, abs=6e-3 * expected.max())


def gauss(covariance, x, y):
    """Return a Gaussian with the peak 1."""
    (a, b), (_, d) = np.linalg.inv(covariance)
    return np.exp(-0.5 * (a * x**2 + 2 * b * x * y + d * y**2))


@pytest.mark.parametrize("beam", [(0.3, 0.3, 0.0), (1.5, 0.0, 20.0), (4.5, 4.5, 0.0)])
def test_a_kernel_has_its_covariance_and_no_further_pixels(beam):
    """The kernel of a narrow Gaussian is small."""
    kernel, covariance = gaussian_kernel(on_pixels(*beam)), on_pixels(*beam)
    assert moments(kernel) == pytest.approx(covariance, abs=0.01)
    assert max(kernel.shape) <= 25


@pytest.mark.parametrize("oracle", [convolve, convolve_fft])
@pytest.mark.parametrize("beam", [(4.5, 4.5, 0.0), (8.0, 3.0, 25.0)])
def test_convolution_is_that_of_astropy(oracle, beam):
    """With unknown pixels, which astropy interpolates by the same weights, and without."""
    rng = np.random.default_rng(5)
    images = rng.normal(0, 1, (3, 70, 90)).astype("f4")
    images[1, 30:33, 40:42] = np.nan
    images[2, :, :25] = np.nan
    images[2, 50, 60] = np.inf
    kernel = gaussian_kernel(on_pixels(*beam))
    my, mx = np.array(kernel.shape) // 2
    results = convolve_images(images, kernel)
    for image, result in zip(images, results, strict=True):
        known = np.where(np.isfinite(image), image, np.nan).astype(float)
        expected = oracle(
            known, kernel, nan_treatment="interpolate", preserve_nan=True,
            normalize_kernel=True, boundary="fill" if oracle is convolve_fft else "extend",
        )[my:-my, mx:-mx]  # fmt: skip
        compared = np.isfinite(result)
        assert result[compared] == pytest.approx(expected[compared], abs=1e-10)
    assert np.isfinite(results[0]).all()


def test_where_too_little_is_known_there_is_nothing():
    """NaN grows into the image until the known pixels have enough weight, and stays where it is."""
    kernel = gaussian_kernel(on_pixels(4.5, 4.5, 0.0))
    m = kernel.shape[0] // 2
    image = np.ones((1, 60, 60))
    image[0, :, 30:] = np.nan
    image[0, 20, 15] = np.nan  # one pixel alone
    (result,) = convolve_images(image, kernel)
    weight = np.cumsum(kernel.sum(axis=0))  # of the columns up to the last known one
    columns = np.arange(result.shape[1]) + m
    enough = np.array([weight[min(29 - c + m, 2 * m)] if c <= 29 else 0 for c in columns])
    assert np.isfinite(result[40]).tolist() == (enough >= MIN_WEIGHT).tolist()
    assert np.isnan(result[20 - m, 15 - m])
    assert np.isfinite(result[20 - m, 16 - m])
    assert result[np.isfinite(result)] == pytest.approx(1)


def test_an_image_of_nan_stays_one():
    """Without a warning."""
    result = convolve_images(np.full((1, 30, 30), np.nan, "f4"), gaussian_kernel(np.eye(2)))
    assert np.isnan(result).all()


@pytest.mark.slow
@pytest.mark.parametrize("beam", [(4.0, 4.0, 0.0), (6.0, 3.0, 40.0)])
@pytest.mark.parametrize("kernel_beam", [(4.5, 4.5, 0.0), (1.5, 0.5, 10.0), (9.0, 4.0, 120.0)])
def test_the_scatter_of_convolved_noise(beam, kernel_beam):
    """Noise with the beam as autocorrelation, three times as strong on one side of the image."""
    rng, side = np.random.default_rng(8), 96
    covariance, kernel = on_pixels(*beam), gaussian_kernel(on_pixels(*kernel_beam))
    f = np.fft.fftfreq(side)
    fx, fy = np.meshgrid(f, f)
    (a, b), (_, d) = covariance
    power = np.exp(-2 * np.pi**2 * (a * fx**2 + 2 * b * fx * fy + d * fy**2))
    white = np.fft.fft2(rng.normal(size=(400, side, side)))
    noise = np.fft.ifft2(white * np.sqrt(power / power.mean())).real
    rms = np.linspace(1, 3, side) * np.ones((side, 1))
    scatter = convolve_images(noise * rms, kernel).std(axis=0)
    variance = convolve_images(rms[None] ** 2, noise_kernel(kernel, covariance))[0]
    ratio = scatter / np.sqrt(variance)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    thirds = np.array_split(ratio, 3, axis=1)
    assert [part.mean() for part in thirds] == pytest.approx([1, 1, 1], abs=0.03)
    even = np.sqrt(
        np.linalg.det(covariance) / np.linalg.det(covariance + 2 * on_pixels(*kernel_beam))
    )
    assert noise_kernel(kernel, covariance).sum() == pytest.approx(even, rel=2e-3)
