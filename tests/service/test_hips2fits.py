"""Images of a HiPS lie where they are said to lie, as the server of the CDS delivers them."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from hips2fits_server import PATH, Hips, from_mosaics, hips2fits, hips_address, spots
from mingolotss import build
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header

RA, DEC = np.array([205.0, 205.3, 0.001, 90.0]), np.array([55.0, 54.2, -30.0, 88.9])
ID = "CDS/P/TEST/r"


@pytest.fixture(scope="module")
def server():
    sky = Hips("A test in r", spots(RA, DEC, np.array([1.0, 2.0, 3.0, 4.0]), 6.0))
    with hips2fits({ID: sky, "CDS/P/INT": Hips("Integers", sky.brightness, "i2")}) as running:
        yield running


def fetch(server, **words):
    text = "&".join(f"{name}={value}" for name, value in words.items())
    with urllib.request.urlopen(f"{server.url}{PATH}?{text}") as answer:  # noqa: S310
        return answer.read()


def test_header_is_that_of_the_cds(server, tmp_path):
    """Compared with a header that the CDS sent for 500 x 500 pixels."""
    path = tmp_path / "a.fits"
    words = {"hips": "CDS/P/INT", "ra": 243.584534, "dec": -19.11335065, "fov": 1 / 30}
    path.write_bytes(fetch(server, **words, width=500, height=500, format="fits"))
    header = fits.getheader(path)
    assert header["BITPIX"] == 16
    assert (header["CRPIX1"], header["CRPIX2"]) == (250.0, 250.0)
    assert header["CDELT2"] == pytest.approx(6.6666668547014e-05)
    assert (header["CTYPE1"], header["CRVAL1"]) == ("RA---TAN", 243.584534)
    assert (header["LONPOLE"], header["LATPOLE"], header["RADESYS"]) == (180, -19.11335065, "ICRS")
    assert "BUNIT" not in header
    assert str(header["HISTORY"]).endswith("From HiPS CDS/P/INT (Integers)")


@pytest.mark.parametrize("projection", ["TAN", "SIN", "STG"])
@pytest.mark.parametrize("angle", [0, 30])
def test_brightest_pixel_is_at_the_source(server, tmp_path, projection, angle):
    path = tmp_path / "a.fits"
    words = {"projection": projection, "rotation_angle": angle, "format": "fits"}
    words |= {"width": 121, "height": 80, "fov": 121 * 2 / 3600}
    path.write_bytes(fetch(server, hips=ID, ra=205.31, dec=54.21, **words))
    with fits.open(path) as hdus:
        y, x = np.unravel_index(hdus[0].data.argmax(), (80, 121))
        place = WCS(hdus[0].header).pixel_to_world(x, y)
    assert abs(place.ra.deg - 205.3) * 3600 * np.cos(np.radians(54.2)) < 1.1
    assert abs(place.dec.deg - 54.2) * 3600 < 1.1


def test_grid_can_be_given_as_a_wcs(server, tmp_path):
    path = tmp_path / "a.fits"
    cards = simple_header(205.3, 54.2, shape=(41, 51), scale_arcsec=2).decode()
    wanted = fits.Header.fromstring(cards)
    grid = urllib.parse.quote(json.dumps(dict(wanted)))
    path.write_bytes(fetch(server, hips=ID, format="fits", wcs=grid))
    with fits.open(path) as hdus:
        assert hdus[0].data.shape == (41, 51)
        corners = WCS(hdus[0].header).calc_footprint()
        assert corners == pytest.approx(WCS(wanted).calc_footprint(), abs=1e-9)
        assert hdus[0].data.max() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"hips": "CDS/P/NONE"}, {"width": 100_000}, {"projection": "SINE"}, {"fov": "wide"}]
)
def test_wrong_requests_are_refused(server, wrong):
    words = {"hips": ID, "ra": 10, "dec": 10, "fov": 1, "width": 1000, "height": 1000} | wrong
    with pytest.raises(urllib.error.HTTPError) as error:
        fetch(server, **words)
    assert error.value.code == 400
    assert json.loads(error.value.read())["title"] == "Bad Request"


def test_default_is_a_jpeg(server):
    words = {"hips": ID, "ra": 205, "dec": 55, "fov": 0.05, "width": 50, "height": 50}
    assert fetch(server, **words).startswith(b"\xff\xd8\xff")


def test_stamps_have_the_source_in_the_middle(server, tmp_path):
    """At the pole and at right ascension 0 as well."""
    names = [f"S{i}" for i in range(4)]
    result = build(
        load_recipe("lotss"), out=tmp_path / "build", service=hips_address(server, ID),
        catalogue=Catalogue.from_columns(names, RA, DEC),
    )  # fmt: skip
    assert result.written == 4
    for row in read_manifest(tmp_path / "build").to_pylist():
        assert row["separation_arcsec"] < 2.2  # one pixel of 1.5 arcsec on both axes
        assert row["peak_jy"] == pytest.approx(1.0 + int(row["source"][1]), rel=0.05)


def test_sky_of_mosaics_is_that_of_its_images(tmp_path):
    header = fits.Header.fromstring(simple_header(10, 20, shape=(60, 70), scale_arcsec=2).decode())
    rows, columns = np.indices((60, 70))
    pixels = np.float32(columns + 100 * rows)
    pixels[:, :5] = np.nan
    fits.writeto(tmp_path / "P1-mosaic.fits", pixels, header)
    sky = from_mosaics(tmp_path)
    x, y = np.meshgrid([3.0, 20.0, 40.25], [30.0, 31.5])
    light = sky(*WCS(header).all_pix2world(x, y, 0))
    assert np.isnan(light[:, 0]).all()
    assert light[:, 1:] == pytest.approx((x + 100 * y)[:, 1:], abs=0.01)
    assert np.isnan(sky(np.full((3, 3), 190.0), np.full((3, 3), -20.0))).all()
