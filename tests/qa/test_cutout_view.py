"""What is drawn over a cutout: the mask of the recipe, and the scale bar."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.candidates.selection import SourcePixel
from mingolotss.model import Cutout, Source
from mingolotss.pipeline.stamp_geometry import StampPlace
from mingolotss.pipeline.stamps import stamp_of_cutout
from mingolotss.qa.report.cutout_view import overlay, scale_bar
from mingolotss.recipe.model import Recipe
from mingolotss.sky.wcs import SkyWCS, simple_header

RA, DEC = 150.0, 50.0


def _recipe(steps: list[dict[str, object]], **stamp: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "own",
            "catalogue": {"name": "name"},
            "classes": {"from": "none"},
            "images": {"image": "{source}.fits"},
            "noise": {"method": "sigma-clipped"},
            "stamp": {"kind": "float32", **stamp},
            "formats": ("parquet",),
            "steps": tuple(steps),
        }
    )


@pytest.mark.parametrize(
    ("steps", "stamp"),
    [
        ([{"do": "mask"}], {}),
        ([{"do": "mask", "radius": 40.0}], {}),
        ([{"do": "mask", "radius": 33.0}], {"pixels": 91}),
        ([{"do": "bin"}, {"do": "mask", "radius": 20.0}], {"pixels": 60, "pixel_arcsec": 3.0}),
        ([{"do": "mask", "radius": 50.0}, {"do": "bin"}], {"pixels": 50, "pixel_arcsec": 4.5}),
        ([{"do": "mask", "radius": 50.0}, {"do": "mask", "radius": 30}], {}),
        ([], {}),
    ],
    ids=["default", "radius", "odd", "after bin", "before bin", "two", "none"],
)
def test_the_circle_is_where_the_recipe_masks(
    steps: list[dict[str, object]], stamp: dict[str, object]
) -> None:
    """Where the stamp of an image of ones is not zero is inside the circles, and only there."""
    ny, nx = 230, 240
    header = simple_header(RA, DEC, shape=(ny, nx), scale_arcsec=1.5, centre=(nx // 2, ny // 2))
    cutout = Cutout(np.ones((ny, nx), np.float32), None, SkyWCS.from_header(header))
    source = Source(0, "A", RA, DEC, None)
    recipe = _recipe(steps, **stamp)
    lines = overlay(cutout, source, recipe, contour=False)
    pixels = stamp_of_cutout(
        cutout, SourcePixel(nx // 2, ny // 2, 0.0), recipe, StampPlace(0.0, 0.0)
    )

    x0, y0, side = lines.box
    size = side / len(pixels)  # of a pixel of the stamp, in pixels of the picture
    row, column = np.mgrid[: len(pixels), : len(pixels)] + 0.5
    x, y = x0 + column * size, y0 + side - row * size
    inside = np.ones(pixels.shape, bool)
    near_edge = np.zeros(pixels.shape, bool)
    for circle in lines.masks:
        distance = np.hypot(x - circle.x, y - circle.y)
        inside &= distance <= circle.radius
        # A binned pixel is outside if any of its pixels is.
        near_edge |= abs(distance - circle.radius) < size * 0.75
    assert len(lines.masks) == sum(step["do"] == "mask" for step in steps)
    assert np.array_equal((pixels > 0)[~near_edge], inside[~near_edge])
    if not stamp.get("pixel_arcsec"):
        assert np.array_equal(pixels > 0, inside)


@pytest.mark.parametrize(
    ("width", "bar"),
    [(360.0, (60, "1'")), (50.0, (10, '10"')), (2.0, (1, '1"')), (7200.0, (1200, "20'"))],
)
def test_the_bar_is_at_most_a_quarter_of_the_picture(width: float, bar: tuple[int, str]) -> None:
    assert scale_bar(width) == bar


@pytest.mark.parametrize("dec", [0.0, 50.0, -75.0, 89.999, 89.9999, -89.9995])
@pytest.mark.parametrize("flip", [False, True])
def test_the_directions_are_those_of_astropy(dec: float, flip: bool) -> None:
    """To points of one arcsecond to the north and to the east, near the poles as well."""
    header = simple_header(RA, dec, shape=(101, 101), scale_arcsec=1.5, centre=(50, 50))
    if flip:
        header = header.replace(b"CDELT1  = -", b"CDELT1  =  ")
    wcs = SkyWCS.from_header(header)
    cutout = Cutout(np.ones((101, 101), np.float32), None, wcs)
    recipe = _recipe([], pixels=50)
    lines = overlay(cutout, Source(0, "A", RA, dec, None), recipe, contour=False)
    here = SkyCoord(RA, dec, unit="deg")
    for direction, angle in ((lines.north, 0), (lines.east, 90)):
        there = here.directional_offset_by(angle * units.deg, 1 * units.arcsec)
        x, y = wcs.to_pixel(there.ra.deg, there.dec.deg)
        expected = np.array([float(x) - 50, 50 - float(y)])
        assert direction == pytest.approx(expected / np.hypot(*expected), abs=1e-3)


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.5), (30.0, 2.25), (200.0, 0.7)])
def test_the_outline_of_a_resampled_stamp_is_where_astropy_says(angle: float, scale: float) -> None:
    """Its corners are those of a tangential projection that is turned about the source."""
    ny, nx, side = 230, 240, 60
    header = simple_header(RA, DEC, shape=(ny, nx), scale_arcsec=1.5, centre=(100.0, 130.0))
    cutout = Cutout(np.ones((ny, nx), np.float32), None, SkyWCS.from_header(header))
    source = Source(0, "A", RA, DEC, None)
    recipe = _recipe([], pixels=side, resample="adaptive")
    lines = overlay(cutout, source, recipe, contour=False, place=StampPlace(RA, DEC, scale, angle))
    own = WCS(naxis=2)
    own.wcs.ctype, own.wcs.crval = ("RA---TAN", "DEC--TAN"), (RA, DEC)
    own.wcs.crpix, own.wcs.cdelt = (side // 2 + 1,) * 2, (-scale / 3600, scale / 3600)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    own.wcs.pc = [[cosine, -sine], [sine, cosine]]
    ends = [-0.5, side - 0.5]
    corners = own.pixel_to_world(
        [ends[0], ends[1], ends[1], ends[0]], [ends[0]] * 2 + [ends[1]] * 2
    )
    image = WCS(fits.Header.fromstring(header.decode()))
    x, y = image.world_to_pixel(corners)
    points = np.array(lines.corners)
    assert re.fullmatch(r"M([-\d.]+ [-\d.]+L){3}[-\d.]+ [-\d.]+z", lines.outline)
    assert points[:, 0] == pytest.approx(x + 0.5, abs=0.02)
    assert points[:, 1] == pytest.approx(ny - 0.5 - y, abs=0.02)
    assert lines.box[2] == pytest.approx(side * scale / 1.5, rel=1e-3)
    turned = abs(cosine) + abs(sine)
    assert lines.outline_width == pytest.approx(lines.box[2] * turned, rel=0.05)
