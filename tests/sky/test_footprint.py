"""Which positions are on an image, and how far away the others are: astropy's WCS decides."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.selection import locate_sources
from mingolotss.model import Cutout
from mingolotss.sky.angles import unit_vectors
from mingolotss.sky.footprint import bounding_circle, contains, find_pixels, outside_reason
from mingolotss.sky.wcs import SkyWCS, simple_header

PARAMETERS = {
    "AZP": {1: 2.0, 2: 30.0}, "SZP": {1: 2.0, 2: 30.0, 3: 60.0}, "CYP": {1: 1.0, 2: 1.0},
    "COP": {1: 45.0, 2: 25.0}, "COE": {1: 45.0, 2: 25.0}, "COD": {1: 45.0, 2: 25.0},
    "COO": {1: 45.0, 2: 25.0}, "BON": {1: 45.0}, "ZPN": {1: 1.0, 3: -0.05},
}  # fmt: skip
PROJECTIONS = (
    "TAN", "STG", "SIN", "ARC", "ZEA", "AIR", "CEA", "CAR", "MER", "SFL", "PAR", "MOL", "AIT",
    "PCO", "TSC", "CSC", "QSC", "HPX", *PARAMETERS,
)  # fmt: skip
EDGE = 1e-6  # px: nearer to an edge, rounding decides


def header_of(projection="TAN", shape=(100, 100), ra=180.0, dec=0.0, step=1.0, **cards):
    """Return a header with its reference pixel in the middle, and other cards."""
    ny, nx = shape
    header = fits.Header({"NAXIS": 2, "NAXIS1": nx, "NAXIS2": ny, "RADESYS": "ICRS"})
    header["CTYPE1"], header["CTYPE2"] = f"RA---{projection}", f"DEC--{projection}"
    header["CRVAL1"], header["CRVAL2"] = ra, dec
    header["CRPIX1"], header["CRPIX2"] = (nx + 1) / 2, (ny + 1) / 2
    header["CDELT1"], header["CDELT2"] = -step, step
    header.update(cards)
    return header


def random_header(rng, projection):
    """Return a header of any size up to 200 deg, with any matrix, axes and reference pixel."""
    ny, nx = (int(length) for length in rng.integers(1, 300, 2))
    scale = 10 ** rng.uniform(-3, np.log10(200)) / max(ny, nx)
    turn, skew, ratio = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5), 10 ** rng.uniform(-1, 1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    matrix = scale * rotation @ np.array([[-1, skew], [0, ratio]])
    header = header_of(projection, (ny, nx))
    del header["CDELT1"], header["CDELT2"]
    header.update({f"CD{i + 1}_{j + 1}": matrix[i, j] for i in (0, 1) for j in (0, 1)})
    lng, lat = (1, 2) if rng.random() < 0.7 else (2, 1)
    names = ("RA--", "DEC-") if rng.random() < 0.7 else ("GLON", "GLAT")
    header[f"CTYPE{lng}"], header[f"CTYPE{lat}"] = (f"{name}-{projection}" for name in names)
    header[f"CRVAL{lng}"], header[f"CRVAL{lat}"] = (
        rng.choice([0, 180, 360, 33.3]),
        rng.choice([90.0, -90.0, 0.0, np.degrees(np.arcsin(rng.uniform(-1, 1)))]),
    )
    far = rng.choice([0, 0.5, 3])
    header["CRPIX1"] += far * nx * rng.normal()
    header["CRPIX2"] += far * ny * rng.normal()
    for number, value in PARAMETERS.get(projection, {}).items():
        header[f"PV{lat}_{number}"] = value
    return header


def ours(header):
    """Return our WCS of a header."""
    return SkyWCS.from_header(header.tostring().encode())


def by_astropy(header, sky):
    """Return which positions are on an image, and their distances from its edge in pixels."""
    wcs = WCS(header)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lon, lat = sky.ra.deg, sky.dec.deg
        if wcs.sip is None:
            x, y = wcs.world_to_pixel(sky)
        else:
            x, y = wcs.all_world2pix(lon, lat, 0, quiet=True)
        back = wcs.pixel_to_world(x, y).icrs.separation(sky).arcsec
    nx, ny = header["NAXIS1"], header["NAXIS2"]
    depth = np.min([x + 0.5, nx - 0.5 - x, y + 0.5, ny - 0.5 - y], axis=0)
    scale = np.sqrt(wcs.proj_plane_pixel_area().to_value("arcsec2"))
    # CSC is no exact inverse of itself: its positions come back up to 24 arcsec away
    other = back > (0.5 * scale if "CSC" not in header["CTYPE1"] else 60)
    return (depth >= 0) & ~other, np.where(other, np.inf, np.abs(depth))


def positions(rng, header, n=60):
    """Return positions on an image, on its edges and corners, beside it, and anywhere."""
    nx, ny = header["NAXIS1"], header["NAXIS2"]
    x = np.concatenate([rng.uniform(-0.5, nx - 0.5, 2 * n), rng.choice([-0.5, nx - 0.5], n),
                        rng.uniform(-0.5, nx - 0.5, n), rng.uniform(-nx, 2 * nx, n),
                        [-0.4, -0.4, nx - 0.6, nx - 0.6]])  # fmt: skip
    y = np.concatenate([rng.uniform(-0.5, ny - 0.5, 3 * n), rng.choice([-0.5, ny - 0.5], n),
                        rng.uniform(-ny, 2 * ny, n), [-0.4, ny - 0.6, -0.4, ny - 0.6]])  # fmt: skip
    sky = WCS(header).pixel_to_world(x, y).icrs
    known = np.isfinite(sky.ra.deg)
    anywhere = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    ra, dec = (
        np.concatenate([on[known], off])
        for on, off in zip((sky.ra.deg, sky.dec.deg), anywhere, strict=True)
    )
    return SkyCoord(ra, dec, unit="deg")


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_positions_are_on_the_images_that_astropy_says(projection):
    """Also in the corners of wide fields; and every circle contains the whole of its image."""
    rng, on_images, useful = np.random.default_rng(len(projection)), 0, 0
    for _ in range(12):
        header = random_header(rng, projection)
        sky = positions(rng, header)
        wcs, shape = ours(header), (header["NAXIS2"], header["NAXIS1"])
        expected, depth = by_astropy(header, sky)
        inside = contains(wcs, shape, sky.ra.deg, sky.dec.deg)
        clear = ~(depth < EDGE)
        np.testing.assert_array_equal(inside[clear], expected[clear], str(header))
        circle = bounding_circle(wcs, shape)
        assert circle.contains(unit_vectors(sky.ra.deg, sky.dec.deg))[inside].all()
        on_images += inside.sum()
        useful += not circle.contains(unit_vectors(sky.ra.deg, sky.dec.deg)).all()
    assert on_images > 1000
    assert useful > 2


@pytest.mark.parametrize(
    ("header", "on", "off"),
    [
        (header_of("CAR", (180, 360)), [(0.2, 3), (179.9, 80), (180.1, -80), (359.8, 0)], []),
        (header_of("AIT", (180, 360), ra=0.0), [(179, 3), (181, 3), (0, 89), (359.9, -89)], []),
        (header_of("MOL", (180, 360), ra=266.4), [(86, 3), (87, 3), (0, 89), (266.4, -89)], []),
        (header_of("CAR", (20, 20), ra=1.0), [(359.5, 2), (0.5, -2)], [(181, 0), (30, 2)]),
        # beyond 180 deg from the reference point, a pixel has no position
        (header_of("CAR", (20, 100), CRPIX1=200.5), [(359.5, 2)], [(5, 2), (100, 2)]),
        (header_of("TAN", (64, 64), step=0.01), [(180.1, 0.1)], [(0, 0), (0.1, -0.1), (180, 1)]),
        (header_of("SIN", (64, 64), step=0.01), [(179.9, 0.1)], [(0, 0), (0.1, 0.1), (0, -0.1)]),
        (header_of("ZEA", (64, 64), step=0.01), [(179.9, 0.1)], [(0, 0), (0.1, 0.1), (0, -0.1)]),
        (header_of("SIN", (200, 200)), [(180, 0), (110, 0), (180, 75)], [(75, -60), (20, 0)]),
        (header_of("STG", (300, 300), dec=90.0), [(5, 89.9), (77, -10)], [(0, -89)]),
        (header_of("TAN", (50, 100), CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=0.0,
                   CRVAL2=180.0, CDELT1=0.1, CDELT2=-0.1), [(181, 4)], [(184, 1)]),
    ],
)  # fmt: skip
def test_the_other_side_of_the_sky_is_off_the_image(header, on, off):
    """Not even where the formulae of a projection give its positions a pixel on the array."""
    sky = SkyCoord([*on, *off], unit="deg")
    expected, _ = by_astropy(header, sky)
    assert expected.tolist() == [True] * len(on) + [False] * len(off)
    shape = header["NAXIS2"], header["NAXIS1"]
    assert contains(ours(header), shape, sky.ra.deg, sky.dec.deg).tolist() == expected.tolist()


def test_a_distortion_that_does_not_converge_gives_no_pixel():
    """Far from the image, the inverse of SIP ends on pixels of other positions."""
    header = header_of(
        "TAN-SIP", (200, 300), ra=30.0, dec=40.0, step=1e-3,
        A_ORDER=2, A_2_0=1e-3, B_ORDER=2, B_0_2=-1e-3,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    sky = SkyCoord(30 + rng.uniform(-1, 1, 5000), 40 + rng.uniform(-0.8, 0.8, 5000), unit="deg")
    expected, depth = by_astropy(header, sky)
    inside = contains(ours(header), (200, 300), sky.ra.deg, sky.dec.deg)
    np.testing.assert_array_equal(inside[depth > EDGE], expected[depth > EDGE])
    assert 50 < inside.sum() < 400


class Unbounded:
    """The WCS of a plug-in: wcslib without its check that a position is on the projection."""

    def __init__(self, header):
        self.wcs = WCS(header)
        self.wcs.wcs.bounds_check(False, False)
        self.pixel_scale_arcsec = 3600 * header["CDELT2"]
        self.header = header.tostring(sep="\n")
        self.beam = None

    def to_pixel(self, ra, dec):
        """Return x and y."""
        return tuple(self.wcs.wcs_world2pix(ra, dec, 0))

    def to_sky(self, x, y):
        """Return ra and dec."""
        return tuple(self.wcs.wcs_pix2world(x, y, 0))


@pytest.mark.parametrize("projection", ["TAN", "SIN"])
def test_two_positions_with_one_pixel_are_not_both_on_the_image(projection):
    """A projection without bounds maps the other hemisphere onto the same array."""
    header = header_of(projection, (64, 64), ra=30.0, dec=40.0, step=0.01)
    wcs = Unbounded(header)
    x, y = np.array([5.0, 31.5, 60.0]), np.array([60.0, 31.5, 7.0])
    ra, dec = wcs.to_sky(x, y)
    if projection == "TAN":
        behind = (ra + 180) % 360, -dec
    else:  # mirrored at the plane of the limb
        mirrored = unit_vectors(ra, dec) - 2 * np.outer(
            unit_vectors(ra, dec) @ unit_vectors(30, 40), unit_vectors(30, 40)
        )
        behind = (
            np.degrees(np.arctan2(mirrored[:, 1], mirrored[:, 0])),
            np.degrees(np.arcsin(mirrored[:, 2])),
        )
    np.testing.assert_allclose(wcs.to_pixel(*behind), (x, y), atol=1e-6)
    assert contains(wcs, (64, 64), ra, dec).all()
    assert not contains(wcs, (64, 64), *behind).any()
    np.testing.assert_array_equal(find_pixels(wcs, (64, 64), ra, dec), wcs.to_pixel(ra, dec))
    assert np.isnan(find_pixels(wcs, (64, 64), *behind)).all()
    cutout = Cutout(np.ones((64, 64), "f4"), None, wcs)
    cutouts = CutoutArray.from_outcomes([cutout] * 6)
    both = (np.concatenate([here, there]) for here, there in zip((ra, dec), behind, strict=True))
    assert locate_sources(cutouts, *both).on_image.tolist() == [True] * 3 + [False] * 3


def test_pixels_end_at_their_edges():
    """Half a pixel before the first centre and after the last one, not at the centres."""
    wcs = SkyWCS.from_header(simple_header(10, 20, shape=(50, 60), scale_arcsec=1.5))
    for x, y, on in [
        (-0.499, 20, True), (-0.501, 20, False), (59.499, 20, True), (59.501, 20, False),
        (30, -0.499, True), (30, -0.501, False), (30, 49.499, True), (30, 49.501, False),
    ]:  # fmt: skip
        assert bool(contains(wcs, (50, 60), *wcs.to_sky(x, y))) is on


@pytest.mark.parametrize(
    ("header", "ra", "dec"),
    [
        (header_of("SIN", (64, 64), step=1.5 / 3600), 181.0, 0.0),
        (header_of("TAN", (64, 64), step=1.5 / 3600), 180.0, 0.0135),
        (header_of("SIN", (64, 64), ra=0.0, dec=-50.0, step=1.5 / 3600), 180.0, 50.0),
        (header_of("CAR", (64, 64), step=1.5 / 3600, ra=181.0), 180.0, 50.0),
        (header_of("TAN", (40, 90), ra=0.0, dec=80.0, step=0.5), 180.0, 60.0),
        (header_of("ZEA", (64, 64), CTYPE1="GLON-ZEA", CTYPE2="GLAT-ZEA"), 10.0, 10.0),
    ],
)
def test_the_distance_is_from_the_nearest_point_of_the_image(header, ra, dec):
    """Three digits in the unit that suits it, against the nearest of many pixels by astropy."""
    shape = ny, nx = header["NAXIS2"], header["NAXIS1"]
    reason = outside_reason(ours(header), shape, ra, dec)
    number, unit = re.fullmatch(r"the source is (\S+) (\w+) outside the image", reason).groups()
    axes = np.linspace(-0.5, nx - 0.5, 1201), np.linspace(-0.5, ny - 0.5, 1201)
    image = WCS(header).pixel_to_world(*np.meshgrid(*axes)).icrs
    nearest = np.nanmin(image.separation(SkyCoord(ra, dec, unit="deg")).to_value(unit))
    assert float(number) == pytest.approx(nearest, rel=0.006)
    low, high = {"arcsec": (0, 60), "arcmin": (1, 60), "deg": (1, 180)}[unit]
    assert low <= float(number) <= high


def test_the_limb_of_a_projection_inside_the_array_is_an_edge():
    """The hemisphere around RA 180 ends 40 deg from RA 50, whatever the size of the array.

    Pixels are so large at the limb that the distance is known to 5 % only.
    """
    reason = outside_reason(ours(header_of("SIN", (300, 300))), (300, 300), 50.0, 0.0)
    assert 40 <= float(re.fullmatch(r"the source is (\S+) deg outside the image", reason)[1]) < 42


def test_a_distance_from_a_cutout_is_from_its_edges():
    """The origin of a cutout counts; an image without any position says so."""
    wcs = SkyWCS.from_header(simple_header(10, 20, shape=(400, 400), scale_arcsec=1.5))
    place = (float(angle) for angle in wcs.to_sky(119.5, 50.0))
    ra, dec = place
    assert outside_reason(wcs, (20, 20), ra, dec, origin=(80, 40)) == (
        "the source is 30 arcsec outside the image"
    )
    off_the_sky = ours(header_of("AIT", (20, 20), CRPIX1=-500.0, CRPIX2=-500.0))
    assert outside_reason(off_the_sky, (20, 20), 10.0, 10.0) == (
        "the source's place is not on the image's projection"
    )


def test_circles_of_tiny_images_contain_them():
    """The cosine of an angle below 1e-8 rad is 1: a VLBI image of 2 mas has a circle even so."""
    header = header_of("SIN", (256, 256), ra=187.7, dec=12.39, step=1e-5 / 3600 / 1000)
    wcs = ours(header)
    x, y = np.meshgrid([-0.4, 100, 255.4], [-0.4, 100, 255.4])
    ra, dec = wcs.to_sky(x.ravel(), y.ravel())
    circle = bounding_circle(wcs, (256, 256))
    assert circle.contains(unit_vectors(ra, dec)).all()
    assert not circle.contains(unit_vectors(187.7, 12.39 + 1e-4))
