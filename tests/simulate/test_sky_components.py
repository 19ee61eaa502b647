"""The components of a simulated sky: all light of a source, in ellipses that hold it."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from mingolotss.simulate import Observation, SkyFolder, SkyModel, SkyTruth, write_sky
from mingolotss.simulate.components import cloud_parts
from mingolotss.simulate.draw import draw_cloud
from mingolotss.sky.beams import beam_covariance

BEAM = beam_covariance(6.0, 6.0, 0.0)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    path = tmp_path_factory.mktemp("sky")
    return SkyFolder(write_sky(SkyModel(sources=6, seed=5, field_px=1200), path))


def test_the_parts_of_a_cloud_have_all_of_its_light():
    """Shares add up to 1, and their mean is the centre; a point is one part as wide as the beam."""
    for kind in ("FRII", "FRI NAT", "Double Double", "Small"):
        cloud, _ = draw_cloud(kind, 90.0, 40.0, np.random.default_rng(2))
        parts = list(cloud_parts(cloud, BEAM))
        share = np.array([part.share for part in parts])
        assert share.sum() == pytest.approx(1)
        assert 1 < len(parts) <= 8
        for axis in ("east", "north"):
            mean = sum(part.share * getattr(part, axis) for part in parts)
            assert mean == pytest.approx(0, abs=1e-6)
        assert all(part.major >= part.minor >= 6 for part in parts)
    cloud, _ = draw_cloud("Small", 0.001, 0.0, np.random.default_rng(2))
    [part] = cloud_parts(cloud, BEAM)
    assert (part.major, part.minor) == pytest.approx((6, 6), abs=1e-3)


def test_components_have_the_flux_and_the_names_of_their_sources(sky):
    """Each source of the catalogue is the parent of components with all of its flux."""
    table, catalogue = Table.read(sky.components), Table.read(sky.catalogue)
    parents = np.char.strip(table["Parent_Source"].astype(str))
    for row in catalogue:
        own = table[parents == row["Source_Name"].strip()]
        assert own["Total_flux"].sum() == pytest.approx(row["LM_Flux"])
    others = table[~np.isin(parents, np.char.strip(catalogue["Source_Name"].astype(str)))]
    assert len(others) > 5
    assert (others["Parent_Source"] == others["Component_Name"]).all()
    assert np.asarray(others["Maj"]) == pytest.approx(6.0)
    assert (others["Peak_flux"] > 5 * 0.07).all()
    assert str(table["Maj"].unit) == "arcsec"


def test_components_lie_on_the_brightness_of_their_sources(sky):
    """The brightness at the middle of the brightest component is a good part of the peak."""
    truth, table = SkyTruth(sky.path), Table.read(sky.components)
    parents = np.char.strip(table["Parent_Source"].astype(str))
    field = truth.sky.fields[0]
    checked = 0
    for name in truth.galaxies:
        image, x0, y0 = truth.brightness(name, field.name)
        own = table[parents == name]
        brightest = own[np.argmax(own["Peak_flux"])]
        x, y = field.to_pixels(np.array([brightest["RA"]]), np.array([brightest["DEC"]]))
        column, row = round(float(x[0])) - x0, round(float(y[0])) - y0
        assert image[row, column] > 0.3 * image.max()
        checked += 1
    assert checked == 6


def test_the_true_brightness_is_what_the_mosaic_has(sky):
    """Mosaic less true brightness is noise: the source is gone, to a few times the noise."""
    truth = SkyTruth(sky.path)
    field = truth.sky.fields[0]
    mosaic, rms = (fits.getdata(path) for path in (sky.mosaic(field.name), sky.rms(field.name)))
    name, _ = max(
        ((name, one) for name, one in truth.galaxies.items() if not one.edge_case),
        key=lambda pair: pair[1].flux_mjy,
    )
    image, x0, y0 = truth.brightness(name, field.name)
    y, x = np.unravel_index(np.argmax(image), image.shape)
    if not (0 <= y + y0 < field.side and 0 <= x + x0 < field.side):
        field = truth.sky.fields[1]
        mosaic, rms = (fits.getdata(path) for path in (sky.mosaic(field.name), sky.rms(field.name)))
        image, x0, y0 = truth.brightness(name, field.name)
        y, x = np.unravel_index(np.argmax(image), image.shape)
    before = mosaic[y + y0, x + x0]
    after = before - image[y, x]
    assert before > 20 * rms[y + y0, x + x0]
    assert abs(after) < 6 * rms[y + y0, x + x0] + 0.02 * before


@pytest.mark.slow
def test_an_observation_has_components_with_its_beam(tmp_path):
    """At another resolution the ellipses are wider; an optical band has none."""
    wide = Observation(beam_major_arcsec=20.0, pixel_arcsec=4.5)
    model = SkyModel(sources=3, seed=5, field_px=1200)
    radio = SkyFolder(write_sky(model, tmp_path / "radio", wide))
    table = Table.read(radio.components)
    assert np.asarray(table["Min"]).min() == pytest.approx(20, rel=0.01)
    optical = SkyFolder(write_sky(model, tmp_path / "optical", Observation(band="optical")))
    assert not optical.components.exists()
    places = SkyCoord(table["RA"], table["DEC"], unit="deg")
    assert places.separation(SkyCoord(205, 55, unit="deg")).deg.max() < 2
