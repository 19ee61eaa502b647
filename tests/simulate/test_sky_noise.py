"""The noise is what the rms map says it is."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.simulate.layout import Field, place_fields
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.mosaic import draw_field
from mingolotss.simulate.noise import beam_noise, rms_map, spokes
from mingolotss.simulate.place import populate_sky

FIELD = Field("P205+55", 205.0, 55.0, 1500, 1.5)


def test_noise_has_unit_variance_and_the_beam_as_autocorrelation():
    noise = beam_noise(1500, 4.0, np.random.default_rng(1))
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert abs(noise.mean()) < 0.02
    for lag in (1, 2, 3, 4):
        beam = 0.5 ** ((lag / 2) ** 2)
        assert np.mean(noise[:, lag:] * noise[:, :-lag]) == pytest.approx(beam, abs=0.04)
        assert np.mean(noise[lag:] * noise[:-lag]) == pytest.approx(beam, abs=0.04)


def test_empty_field_scatters_as_its_rms_map_says_from_middle_to_edge():
    model = SkyModel(sources=2, edge_cases=False, background_per_deg2=0)
    sky = populate_sky(model)
    image, rms = draw_field(model, sky, 0)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - image.shape[0] // 2
    away = np.hypot(x, y) / sky.fields[0].radius
    ratio = image / rms
    for galaxy in sky.galaxies:
        column, row = sky.fields[0].to_pixels(np.array([galaxy.ra]), np.array([galaxy.dec]))
        half = image.shape[0] // 2
        ratio[np.hypot(x + half - column, y + half - row) < galaxy.size_arcsec + 30] = np.nan
    for low in (0.0, 0.3, 0.5, 0.7, 0.85):
        ring = ratio[(away >= low) & (away < low + 0.15)]
        assert np.nanstd(ring) == pytest.approx(1, abs=0.03)
    assert np.nanmin(rms) == pytest.approx(70e-6, rel=0.02)
    assert np.nanmax(rms) > 1.5 * np.nanmin(rms)


def test_artefacts_of_bright_sources_have_the_variance_that_the_map_adds():
    bright = np.array([[750.0, 750.0, 2.0]])
    even, rms = rms_map(FIELD, 70e-6, bright, 4.0)
    added = np.sqrt(rms**2 - even**2)
    near = np.s_[700:801, 700:801]
    patterns = [spokes(1500, bright, 4.0, np.random.default_rng(s))[near] for s in range(12)]
    assert np.sqrt(np.mean(np.square(patterns) / added[near] ** 2)) == pytest.approx(1, abs=0.1)
    assert rms[750, 750] > 5 * rms[750, 1400]


def test_rms_map_is_smooth():
    _, rms = rms_map(FIELD, 70e-6, np.array([[700.0, 800.0, 0.5], [100.0, 900.0, 0.05]]), 4.0)
    assert np.abs(np.diff(rms, axis=0)).max() < 0.03 * rms.max()


def test_coverage_is_a_circle_cut_by_straight_edges():
    model = SkyModel(sources=2, edge_cases=False, background_per_deg2=0)
    image, rms = draw_field(model, populate_sky(model), 1)
    assert (np.isnan(image) == np.isnan(rms)).all()
    assert np.isnan(image[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    middle = image.shape[0] // 2
    assert np.isfinite(image[[0, -1, middle, middle], [middle, middle, 0, -1]]).all()
    assert np.isfinite(image[0]).sum() > 0.3 * image.shape[0]


def test_projection_agrees_with_astropy():
    for field in place_fields(SkyModel(sources=600)):
        header = fits.Header()
        for axis, value, step in ((1, field.ra, -1.5), (2, field.dec, 1.5)):
            header[f"CRPIX{axis}"] = field.side // 2 + 1
            header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = value, step / 3600
        header["CTYPE1"], header["CTYPE2"] = "RA---SIN", "DEC--SIN"
        x, y = np.random.default_rng(1).uniform(0, field.side, (2, 50))
        ra, dec = field.to_sky(x, y)
        assert np.allclose(WCS(header).all_world2pix(ra, dec, 0), (x, y), atol=1e-6)
        assert np.allclose(field.to_pixels(ra, dec), (x, y), atol=1e-6)
