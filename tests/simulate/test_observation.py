"""Observations of one sky: the same sources in any beam, pixels and frequency, and other noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.convolution import Gaussian2DKernel, convolve_fft
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import InputError
from mingolotss.simulate import OBSERVATIONS, Observation, SkyModel, write_sky
from mingolotss.simulate.layout import place_fields
from mingolotss.simulate.noise import convolved_noise
from mingolotss.simulate.observed import observed_field, paint_cloud, paint_point
from mingolotss.simulate.place import populate_sky
from mingolotss.simulate.visible import visible_sky

FWHM = math.sqrt(8 * math.log(2))
QUIET = 0.001  # uJy/beam
MODEL = SkyModel(sources=4, edge_cases=False, field_px=1200, background_per_deg2=200)
BEAMS = {
    "6 arcsec": Observation(),
    "9 arcsec": Observation(beam_major_arcsec=9),
    "20 arcsec, 4.5 arcsec pixels": Observation(beam_major_arcsec=20, pixel_arcsec=4.5),
    "ellipse": Observation(beam_major_arcsec=12, beam_minor_arcsec=7, beam_pa_deg=30),
    "two pixels a beam": Observation(pixel_arcsec=3),
}


def moments(image: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return sum, mean (x, y) and covariance (x, y) of an image."""
    y, x = np.indices(image.shape)
    total = image.sum(dtype=float)
    mean = np.array([(image * x).sum(), (image * y).sum()]) / total
    dx, dy = x - mean[0], y - mean[1]
    cov = np.array([[(image * a * b).sum() for a in (dx, dy)] for b in (dx, dy)]) / total
    return total, mean, cov


@pytest.mark.parametrize("observation", BEAMS.values(), ids=BEAMS)
def test_point_source_has_its_flux_position_and_the_beam_of_the_header(observation):
    image, x0, y0 = paint_point(40.3, -7.6, 0.25, observation)
    total, mean, cov = moments(image.astype(float))
    major, minor = observation.beam_major_arcsec, observation.minor_arcsec
    area = math.pi * major * minor / (4 * math.log(2)) / observation.pixel_arcsec**2
    assert total / area == pytest.approx(0.25, rel=1e-4)
    assert (mean[0] + x0, mean[1] + y0) == pytest.approx((40.3, -7.6), abs=1e-3)
    widths, axes = np.linalg.eigh(cov * observation.pixel_arcsec**2)
    assert np.sqrt(widths) * FWHM == pytest.approx([minor, major], rel=2e-3)
    if major != minor:  # from north (y) to east (-x)
        angle = math.degrees(math.atan2(-axes[0, 1], axes[1, 1])) % 180
        assert angle == pytest.approx(observation.beam_pa_deg, abs=0.2)


@pytest.mark.parametrize("observation", BEAMS.values(), ids=BEAMS)
def test_cloud_of_points_is_the_sum_of_its_points(observation):
    rng = np.random.default_rng(3)
    x, y = rng.normal(50, 6, (2, 200))
    flux = rng.uniform(0, 1, 200)
    image, x0, y0 = paint_cloud(x, y, flux, observation)
    expected = np.zeros((200, 200))
    for point in zip(x, y, flux, strict=True):
        spot, left, low = paint_point(*point, observation)
        expected[50 + low :, 50 + left :][: len(spot), : len(spot)] += spot
    part = expected[50 + y0 :, 50 + x0 :][: len(image), : len(image)]
    assert np.abs(image - part).max() < 1e-4 * expected.max()
    assert image.sum(dtype=float) == pytest.approx(expected.sum(), rel=1e-4)


@pytest.mark.slow
def test_convolution_of_6_arcsec_gives_the_image_of_9_arcsec():
    """Sources and noise alike: the same sky, and noise of the same width."""
    six, nine = BEAMS["6 arcsec"], BEAMS["9 arcsec"]
    sigma = math.sqrt(81 - 36) / 1.5 / FWHM
    kernel = Gaussian2DKernel(sigma, x_size=41, y_size=41)
    rng = np.random.default_rng(2)
    x, y = 60 + rng.normal(0, 8, (2, 300))
    images = []
    for observation in (six, nine):
        image = np.zeros((121, 121))
        stamp, x0, y0 = paint_cloud(x, y, np.full(300, 1.0), observation)
        image[y0 : y0 + len(stamp), x0 : x0 + len(stamp)] += stamp[: 121 - y0, : 121 - x0]
        images.append(image)
    convolved = convolve_fft(images[0], kernel, boundary="wrap") * 81 / 36
    assert np.abs(convolved - images[1]).max() < 2e-3 * images[1].max()
    for seed in (1, 2):
        noise = convolved_noise(1000, six.beam_covariance, np.random.default_rng(seed))
        smooth = convolve_fft(noise, kernel, boundary="wrap")
        direct = convolved_noise(1000, nine.beam_covariance, np.random.default_rng(seed + 10))
        assert smooth.std() / noise.std() == pytest.approx(6 / 9, rel=0.02)
        assert direct.std() == pytest.approx(1, rel=0.02)
        for lag in (2, 4, 6):
            ratios = [(n[:, lag:] * n[:, :-lag]).mean() / n.var() for n in (smooth, direct)]
            assert ratios[0] == pytest.approx(ratios[1], abs=0.03)
            assert ratios[1] == pytest.approx(0.5 ** ((lag * 1.5 / 4.5) ** 2 / 2), abs=0.03)


def test_elliptical_noise_has_the_shape_of_the_beam():
    noise = convolved_noise(1200, BEAMS["ellipse"].beam_covariance, np.random.default_rng(1))
    power = np.abs(np.fft.fft2(noise)) ** 2
    correlation = np.fft.fftshift(np.fft.ifft2(power).real)[580:621, 580:621] / power.mean()
    y, x = np.mgrid[-20:21, -20:21]
    (a, b), (_, d) = np.linalg.inv(2 * BEAMS["ellipse"].beam_covariance)
    beam = np.exp(-0.5 * (a * x**2 + 2 * b * x * y + d * y**2))
    assert np.abs(correlation - beam).max() < 0.05
    # North through east: the noise is correlated farther towards the upper left.
    assert correlation[24, 18] > correlation[24, 22] + 0.1


def test_spectral_index_belongs_to_the_source():
    sky = populate_sky(MODEL)
    low, high, higher = (
        visible_sky(MODEL, sky, Observation(frequency_mhz=mhz)) for mhz in (143.65, 1400.0, 3000.0)
    )
    assert low.flux * 1000 == pytest.approx([g.flux_mjy for g in sky.galaxies])
    for flux in ("flux", "points_flux"):
        one, two, three = (getattr(seen, flux) for seen in (low, high, higher))
        index = np.log(two / one) / math.log(1400 / 143.65)
        assert three == pytest.approx(one * (3000 / 143.65) ** index)
        assert -2 < index.min() < index.max() < 0.2
        assert len(np.unique(index.round(9))) == len(index)
    assert low.spectral_index == pytest.approx(
        np.log(high.flux / low.flux) / math.log(1400 / 143.65)
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One sky, observed in six ways almost without noise."""
    root = tmp_path_factory.mktemp("observed")
    quiet = {
        "6": Observation(noise=QUIET),
        "20": replace(OBSERVATIONS["20arcsec"], noise=QUIET),
        "shifted": Observation(noise=QUIET, shift_px=(3, 17)),
        "moved": Observation(noise=QUIET, centre_offset_arcsec=(100.0, -40.3)),
        "optical": replace(OBSERVATIONS["optical"], noise=QUIET),
        "noisy": Observation(),
    }
    return {name: write_sky(MODEL, root / name, seen) for name, seen in quiet.items()}


def first_field(folder):
    """Return pixels, header and WCS of the first mosaic of a sky."""
    path = min(folder.glob("*-mosaic.fits"))
    with fits.open(path) as hdus:
        return hdus[0].data.astype(float), hdus[0].header, WCS(hdus[0].header)


def bright_points(folder, wcs, shape):
    """Return x, y and flux of the brighter half of the point sources that lie well inside."""
    table = pq.read_table(folder / "point-sources.parquet")
    ra, dec, flux = (np.array(table[name]) for name in ("ra", "dec", "observed_flux"))
    x, y = wcs.all_world2pix(ra, dec, 0)
    inside = (np.minimum(x, y) > 30) & (x < shape[1] - 30) & (y < shape[0] - 30)
    inside &= flux > np.median(flux)
    return x[inside], y[inside], flux[inside]


def distances(folder, wcs, x, y):
    """Return the distance of each place to the nearest other source, pixels."""
    places = []
    for name in ("point-sources", "truth"):
        table = pq.read_table(folder / f"{name}.parquet")
        places.append(wcs.all_world2pix(np.array(table["ra"]), np.array(table["dec"]), 0))
    others = np.concatenate(places, axis=1)
    apart = np.hypot(x[:, None] - others[0], y[:, None] - others[1])
    return np.where(apart < 1e-3, np.inf, apart).min(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["6", "20", "shifted", "moved"])
def test_point_sources_are_where_the_table_and_astropy_say(folders, name):
    image, header, wcs = first_field(folders[name])
    x, y, flux = bright_points(folders[name], wcs, image.shape)
    sigma = header["BMAJ"] / header["CDELT2"] / FWHM
    alone = distances(folders[name], wcs, x, y) > 10 * sigma + 30 / (header["CDELT2"] * 3600)
    checked = 0
    for cx, cy, peak in zip(x[alone], y[alone], flux[alone], strict=True):
        rows, columns = (slice(round(at) - 1, round(at) + 2) for at in (cy, cx))
        yy, xx = np.mgrid[rows, columns]
        spot = peak * np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * sigma**2))
        if np.isfinite(image[rows, columns]).all():
            assert image[rows, columns] == pytest.approx(spot, rel=2e-3)
            checked += 1
    assert checked > 5


def test_stars_have_their_fluxes(folders):
    image, _, wcs = first_field(folders["optical"])
    x, y, flux = bright_points(folders["optical"], wcs, image.shape)
    alone = (distances(folders["optical"], wcs, x, y) > 20) & (flux > 8)
    checked = 0
    for cx, cy, total in zip(x[alone], y[alone], flux[alone], strict=True):
        part = image[round(cy) - 8 : round(cy) + 9, round(cx) - 8 : round(cx) + 9]
        if np.isfinite(part).all():
            assert part.sum() == pytest.approx(total, rel=0.01)  # noise of 17 x 17 pixels: 0.017
            checked += 1
    assert checked > 5


def test_headers_say_how_the_sky_was_observed(folders):
    _, header, _ = first_field(folders["20"])
    assert header["BMAJ"] * 3600 == header["BMIN"] * 3600 == pytest.approx(20)
    assert header["CDELT2"] * 3600 == pytest.approx(4.5)
    assert header["RESTFRQ"] == 143.65e6
    _, six, _ = first_field(folders["6"])
    _, shifted, _ = first_field(folders["shifted"])
    assert (six["CRPIX1"] - shifted["CRPIX1"], six["CRPIX2"] - shifted["CRPIX2"]) == (3, 17)
    assert six["CRVAL1"] == shifted["CRVAL1"]
    assert (six["NAXIS1"] - shifted["NAXIS1"], six["NAXIS2"] - shifted["NAXIS2"]) == (3, 17)
    _, optical, _ = first_field(folders["optical"])
    assert optical["BUNIT"] == "nanomaggy"
    assert "BMAJ" not in optical
    assert "RESTFRQ" not in optical
    assert not list(folders["optical"].glob("*-rms.fits"))


def test_shifted_mosaic_has_the_same_pixels(folders):
    six, _, _ = first_field(folders["6"])
    shifted, _, _ = first_field(folders["shifted"])
    assert np.nanmax(np.abs(six[17:, 3:] - shifted)) < 1e-6  # other noise of 0.001 uJy


def test_noise_is_independent_and_as_the_rms_map_says(folders):
    quiet, _, _ = first_field(folders["6"])
    noisy, _, _ = first_field(folders["noisy"])
    with fits.open(min(folders["noisy"].glob("*-rms.fits"))) as hdus:
        scatter = (noisy - quiet) / hdus[0].data
    assert np.nanstd(scatter) == pytest.approx(1, abs=0.03)
    one, two = (
        convolved_noise(500, Observation().beam_covariance, np.random.default_rng(o.key))
        for o in (Observation(), Observation(beam_major_arcsec=9))
    )
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


def test_same_observation_same_bytes_and_another_replaces_it(tmp_path, folders):
    again = write_sky(MODEL, tmp_path, Observation(noise=QUIET))
    names = sorted(path.name for path in again.iterdir())
    assert names == sorted(path.name for path in folders["6"].iterdir())
    for name in names:
        assert (again / name).read_bytes() == (folders["6"] / name).read_bytes(), name
    write_sky(MODEL, tmp_path, replace(OBSERVATIONS["optical"], noise=QUIET))
    assert not list(tmp_path.glob("*-rms.fits"))


def test_grid_covers_the_same_sky():
    field = place_fields(MODEL)[0]
    for observation in (*BEAMS.values(), Observation(centre_offset_arcsec=(50.0, 20.0))):
        grid = observed_field(field, observation)
        assert grid.side * grid.pixel_arcsec == pytest.approx(field.side * 1.5, abs=5)
        x, y = grid.to_pixels(np.array([grid.ra]), np.array([grid.dec]))
        assert (x[0], y[0]) == pytest.approx((grid.side // 2,) * 2)
        assert (grid.dec - field.dec) * 3600 == pytest.approx(observation.centre_offset_arcsec[1])


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"beam_minor_arcsec": 7}, "beam_minor_arcsec"),
        ({"pixel_arcsec": 4}, "pixel_arcsec"),
        ({"frequency_mhz": 0}, "frequency_mhz"),
        ({"noise": 0.0}, "noise"),
        ({"shift_px": (-1, 0)}, "shift_px"),
    ],
)
def test_impossible_observations_are_refused(wrong, name):
    with pytest.raises(InputError, match=name):
        Observation(**wrong)
