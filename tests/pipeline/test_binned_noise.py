"""After averaging, "3 sigma" is three times the noise: on simulated correlated noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.table import Table

import mingolotss
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.records import read_records
from mingolotss.pipeline.binned_noise import block_noise
from mingolotss.sky.beams import beam_covariance
from mingolotss.sky.wcs import simple_header

NOISE = 1e-4  # Jy/beam
SCALE = 1.5  # arcsec


def correlated(
    rng: np.random.Generator, side: int, covariance: np.ndarray, count: int = 1
) -> np.ndarray:
    """Return noise of unit variance whose autocorrelation is a Gaussian, in Fourier space."""
    (xx, xy), (_, yy) = covariance
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :]
    power = np.exp(-2 * np.pi**2 * (xx * kx**2 + 2 * xy * kx * ky + yy * ky**2))
    white = rng.standard_normal((count, side, side))
    return np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power / power.mean())).real


def means(noise: np.ndarray, n: int) -> np.ndarray:
    side = noise.shape[-1] // n * n
    return noise[:, :side, :side].reshape(len(noise), side // n, n, side // n, n).mean((2, 4))


@pytest.mark.parametrize("factor", [2, 3, 5, 10])
@pytest.mark.parametrize("beam", [(4.0, 4.0, 0.0), (8.0, 3.0, 35.0), (1e-3, 1e-3, 0.0)])
def test_the_noise_of_means_of_correlated_noise(factor, beam):
    """A round, an elongated and no beam: the scatter of the means is the one that is computed."""
    covariance = beam_covariance(*beam)
    noise = correlated(np.random.default_rng(7), 240, covariance, count=24)
    scatter = means(noise, factor).std() / noise.std()
    assert block_noise(covariance, factor) == pytest.approx(scatter, rel=0.03)


def test_limits():
    """One pixel, independent pixels, and a beam that is larger than everything."""
    assert block_noise(beam_covariance(4.0, 4.0), 1) == 1
    assert block_noise(beam_covariance(1e-6, 1e-6), 7) == pytest.approx(1 / 7)
    assert block_noise(beam_covariance(1e5, 1e5), 7) == pytest.approx(1)


def covariance_in_pixels(beam: tuple[float, float, float]) -> np.ndarray:
    """Return the beam on pixels with north up and east to the left, px^2."""
    east_north = beam_covariance(beam[0] / SCALE, beam[1] / SCALE, beam[2])
    flip = np.diag([-1.0, 1.0])
    return flip @ east_north @ flip


def write_noise(
    folder: Path, beam: tuple[float, float, float], *, has_rms: bool, has_beam: bool, side: int
) -> Path:
    """Write an image of noise alone, with its rms map; return the catalogue."""
    rng = np.random.default_rng(11)
    # Noise that rises across the image, as towards the edge of a field.
    rise = np.linspace(0.9, 1.1, side)[None, :] * NOISE
    image = correlated(rng, side, covariance_in_pixels(beam))[0] * rise
    cards = simple_header(150.0, 45.0, shape=(side, side), scale_arcsec=SCALE).decode()
    header = fits.Header.fromstring(cards)
    if has_beam:
        header["BMAJ"], header["BMIN"], header["BPA"] = beam[0] / 3600, beam[1] / 3600, beam[2]
    folder.mkdir()
    fits.PrimaryHDU(image.astype("f4"), header).writeto(folder / "A_P1-mosaic.fits")
    if has_rms:
        rms = np.broadcast_to(rise, image.shape).astype("f4")
        fits.PrimaryHDU(rms, header).writeto(folder / "A_P1-mosaic-rms.fits")
    catalogue = folder / "catalogue.csv"
    Table({"Source_Name": ["A"], "RA": [150.0], "DEC": [45.0]}).write(catalogue)
    return catalogue


CASES = [
    ("rms-map", True, True, "rms-map, propagated to the binned pixels with the beam"),
    ("rms-map", True, False, "rms-map, scaled to the scatter of the binned pixels"),
    ("rms-map", False, True, "sigma-clipped of the binned pixels"),
    ("sigma-clipped", True, True, "sigma-clipped of the binned pixels"),
    ("background2d", False, True, "background2d of the binned pixels"),
]


@pytest.mark.parametrize(
    "beam",
    [
        pytest.param((6.0, 6.0, 90.0), id="round", marks=pytest.mark.slow),
        pytest.param((14.0, 6.0, 35.0), id="long"),
    ],
)
@pytest.mark.parametrize(("method", "has_rms", "has_beam", "expected"), CASES)
def test_three_sigma_of_averaged_noise(tmp_path, beam, method, has_rms, has_beam, expected):
    """Of pure noise, 0.135 % is above 3 sigma, before and after averaging (Gaussian tail)."""
    if method == "background2d":
        pytest.importorskip("photutils")
    side, pixels = 1200, {1: 1200, 4: 300}
    fits_folder = tmp_path / "fits"
    catalogue = write_noise(fits_folder, beam, has_rms=has_rms, has_beam=has_beam, side=side)
    fractions = {}
    for factor in (1, 4):
        steps = [{"do": "zero-nan"}, {"do": "bin"}, {"do": "clip", "sigma": 3.0}]
        recipe = mingolotss.load_recipe("lotss").changed({
            "noise.method": method, "noise.otherwise": "sigma-clipped", "steps": steps,
            "stamp.kind": "float32", "stamp.pixels": pixels[factor], "formats": ["parquet"],
            "stamp.pixel_arcsec": SCALE * factor, "images.size_arcmin": 30.0,
            "catalogue.size": "", "catalogue.flux": "", "catalogue.field": "",
        })  # fmt: skip
        out = tmp_path / f"out{factor}"
        mingolotss.build(recipe, out=out, catalogue=catalogue, service=f"folder:{fits_folder}")
        (row,) = read_manifest(out).to_pylist()
        (stamp,) = read_records(out).images()
        fractions[factor] = np.count_nonzero(stamp) / stamp.size
        assert row["noise_method"] == (expected if factor > 1 else expected.split(" of ")[0]
                                       .split(",")[0])  # fmt: skip
        averaged = means(fits.getdata(fits_folder / "A_P1-mosaic.fits")[None].astype(float), factor)
        scatter = sigma_clipped_stats(averaged, sigma=5)[2]
        assert row["noise_jy"] == pytest.approx(scatter, rel=0.06)
        assert row["peak_jy"] == pytest.approx(averaged.max(), rel=1e-5)
    # 90,000 pixels in about 15,000 independent beams: the tail has 10 to 20 % of scatter.
    assert fractions[1] == pytest.approx(0.00135, rel=0.5)
    assert fractions[4] == pytest.approx(0.00135, rel=0.5)


def test_too_few_averaged_pixels(tmp_path):
    """Then the noise is not reduced, and the manifest says so."""
    folder = tmp_path / "fits"
    catalogue = write_noise(folder, (6.0, 6.0, 0.0), has_rms=False, has_beam=False, side=64)
    recipe = mingolotss.load_recipe("lotss").changed({
        "steps": [{"do": "bin"}, {"do": "minmax"}], "stamp.pixels": 4, "formats": ["parquet"],
        "stamp.pixel_arcsec": 16 * SCALE, "catalogue.size": "", "catalogue.flux": "",
        "catalogue.field": "",
    })  # fmt: skip
    out = tmp_path / "out"
    mingolotss.build(recipe, out=out, catalogue=catalogue, service=f"folder:{folder}")
    (row,) = read_manifest(out).to_pylist()
    assert row["noise_method"] == "sigma-clipped, as if all pixels of a bin had one noise"
    assert row["noise_jy"] == pytest.approx(NOISE, rel=0.2)
