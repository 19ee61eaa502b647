"""The sky map: every source at its place on the map, compared with astropy."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from mingolotss.qa.report.plotting import figure_style
from mingolotss.qa.report.sky_map import draw_sky


def around(ra, dec, radius, count=200):
    rng = np.random.default_rng(count)
    sky = SkyCoord(ra, dec, unit="deg").directional_offset_by(
        rng.uniform(0, 360, count) * u.deg, radius * np.sqrt(rng.uniform(0, 1, count)) * u.deg
    )
    return sky.ra.deg, sky.dec.deg


PLACES = {
    "RA 0": (0, 20, 8), "north pole": (0, 90, 10), "south pole": (120, -89.5, 3),
    "tiny": (10, 0, 0.01), "half the sky": (90, 50, 90), "one mosaic": (205, 55, 1.5),
}  # fmt: skip


def axes_of(ra, dec, rejected):
    with figure_style():
        sky = draw_sky(np.asarray(ra, float), np.asarray(dec, float), np.asarray(rejected, bool))
    return sky, sky.figure.axes[0]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_source_is_on_the_map_at_its_place(place):
    """Distances on the map are those on the sky; neither RA 0 nor a pole cuts a field in two."""
    ra, dec = around(*place)
    rejected = np.arange(len(ra)) % 4 == 0
    _, axes = axes_of(ra, dec, rejected)
    x, y = np.concatenate([line.get_xydata() for line in axes.lines[:2]]).T
    assert len(x) == len(ra)
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert ((x > x0) & (x < x1) & (y > y0) & (y < y1)).all()
    back = axes.wcs.pixel_to_world(x, y)
    order = np.concatenate([np.flatnonzero(~rejected), np.flatnonzero(rejected)])
    assert back.separation(SkyCoord(ra[order], dec[order], unit="deg")).arcsec.max() < 0.01
    if place[2] <= 10:
        sky = SkyCoord(ra[order], dec[order], unit="deg")
        true = sky[0].separation(sky[1:]).deg
        assert np.hypot(x[1:] - x[0], y[1:] - y[0]) * 0.01 == pytest.approx(true, rel=0.01)


def test_a_survey_all_over_the_sky():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    _, axes = axes_of(ra, dec, np.zeros(500))
    assert axes.wcs.wcs.ctype[0] == "RA---MOL"
    assert np.isfinite(axes.lines[0].get_xydata()).all()


def test_many_sources_are_counted_in_cells_of_equal_area():
    """A pixel of the picture is blue where there are stamps, orange where all are rejected."""
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 40, 200_000), rng.uniform(0, 20, 200_000)
    sky, axes = axes_of(ra, dec, ra > 20)
    assert len(axes.lines) == 0
    (picture,) = axes.images
    rgba = np.asarray(picture.get_array())
    blue = (rgba[..., 2] > rgba[..., 0]) & (rgba[..., 3] > 0)
    orange = (rgba[..., 0] > rgba[..., 2]) & (rgba[..., 3] > 0)
    assert blue.sum() > 5000
    assert orange.sum() > 5000
    width = blue.shape[1]
    assert np.nonzero(blue)[1].mean() > width / 2 > np.nonzero(orange)[1].mean()  # east is left
    area = 20 * np.degrees(np.sin(np.radians(20)))  # of the stamps, square degrees
    assert sky.most == pytest.approx(100_000 / area * sky.cell_deg2, rel=0.5)


@pytest.mark.parametrize("place", [(0.0, 90.0), (0.0, -90.0), (359.999, 0.0)])
def test_one_source_alone(place):
    _, axes = axes_of([place[0]], [place[1]], [False])
    x, y = axes.lines[0].get_xydata()[0]
    assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
    assert axes.get_ylim()[0] < y < axes.get_ylim()[1]
