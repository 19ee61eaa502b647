"""The places of stamps by their own WCS, compared with astropy's WCS."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.dataset.stamp_extents import stamp_extent, stamp_regions
from mingolotss.dataset.stamp_places import stamp_places
from mingolotss.recipe.load import load_recipe

SIDE = 150
AXES = {"RA": ("RA---", "DEC--"), "GLON": ("GLON-", "GLAT-")}


def cards(projection, crval, turn_deg, scale_arcsec, axes="RA"):
    turn, step = np.radians(turn_deg), scale_arcsec / 3600
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = (name + projection for name in AXES[axes])
    header["CRVAL1"], header["CRVAL2"] = crval
    header["CD1_1"], header["CD1_2"] = -step * np.cos(turn), step * np.sin(turn)
    header["CD2_1"], header["CD2_2"] = step * np.sin(turn), step * np.cos(turn)
    return header


def text_of(header):
    return "\n".join(card.image.rstrip() for card in header.cards)


def test_centres_and_angles_are_those_of_astropy():
    """Mosaics far from their reference point, turned, at a pole, and in Galactic coordinates."""
    headers = [
        cards("SIN", (180.0, 55.0), 0.0, 1.5),
        cards("TAN", (10.0, 89.0), 30.0, 2.0),
        cards("ZEA", (359.9, -30.0), -120.0, 5.0),
        cards("SIN", (120.0, 5.0), 10.0, 1.5, axes="GLON"),
    ]
    rng = np.random.default_rng(4)
    which = rng.integers(0, len(headers), 40)
    crpix = rng.uniform(-4000, 4000, (40, 2))
    texts = [text_of(headers[index]) for index in which]
    table = pa.table({"wcs": [*texts, None], "crpix1": [*crpix[:, 0], 1.0],
                      "crpix2": [*crpix[:, 1], 1.0]})  # fmt: skip
    places = stamp_places(table, SIDE // 2 + 1)
    for row, index in enumerate(which.tolist()):
        header = headers[index].copy()
        header["CRPIX1"], header["CRPIX2"] = crpix[row]
        wcs = WCS(header)
        centre, above = (
            wcs.pixel_to_world(SIDE // 2, SIDE // 2 + step).transform_to("icrs") for step in (0, 1)
        )
        own = SkyCoord(places.ra[row], places.dec[row], unit="deg")
        assert own.separation(centre).arcsec < 1e-6
        turn = (centre.position_angle(above).deg - places.angle_deg[row] + 180) % 360 - 180
        assert abs(turn) < 1e-5
    assert np.isnan([values[-1] for values in places]).all()


@pytest.fixture
def table():
    """Return two stamps of one mosaic, whose sources are not in their centres, and one that is."""
    header = text_of(cards("SIN", (180.0, 55.0), 0.0, 1.5))
    # The stamps are 100 and 200 pixels west of the reference point of the mosaic.
    crpix = np.array([76.0 - 100, 76.0 - 200, 76.0 + 900])
    ra, dec = np.array([180.0, 180.0, 180.0]), np.array([55.0, 55.1, 56.0])
    return pa.table({
        "ra": ra, "dec": dec, "pixel_scale_arcsec": [1.5] * 3, "wcs": [header] * 3, "crpix1": crpix,
        "crpix2": [76.0] * 3, "separation_arcsec": [150.0, 400.0, 0.5],
        "recentred": [False, False, False],
    })  # fmt: skip


def test_a_stamp_is_where_its_image_is(table):
    """Unless the source was moved to its centre."""
    recipe = load_recipe("mingolotss").changed({"recentre.enabled": False})
    stamps = stamp_regions(table, recipe)
    moved = SkyCoord(stamps.ra, stamps.dec, unit="deg").separation(SkyCoord(180, 55, unit="deg"))
    assert np.allclose(moved.to_value(u.arcsec)[:2], [150, 300], atol=0.01)
    assert (stamps.ra[2], stamps.dec[2]) == (180.0, 56.0)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    recentred = pa.table(columns | {"recentred": pa.chunked_array([[True, True, False]])})
    assert stamp_regions(recentred, recipe).dec.tolist() == [55.0, 55.1, 56.0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("circle", 150.0)),
        ({"steps": [{"do": "zero-nan"}, {"do": "minmax"}]}, ("square", 150.0)),
        ({"steps": [{"do": "mask", "radius": 60.0}]}, ("circle", 120.0)),
        ({"steps": [{"do": "mask", "radius": 90.0}]}, ("square", 150.0)),
        ({"steps": [{"do": "mask", "radius": 75.0}, {"do": "bin"}]}, ("square", 150.0)),
        ({"steps": [{"do": "bin"}, {"do": "mask", "radius": 40.0}]}, ("circle", 80.0)),
        ({"stamp.pixels": 100}, ("square", 100.0)),
    ],
)
def test_the_extent_follows_the_mask(changes, expected):
    assert stamp_extent(load_recipe("mingolotss").changed(changes)) == expected
