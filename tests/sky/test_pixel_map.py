"""Stamps are where `reproject` puts them: 1,000 random positions, poles and RA 0 among them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.image.resample import resample
from mingolotss.sky.angles import offset_position
from mingolotss.sky.header_facts import HeaderFacts
from mingolotss.sky.pixel_map import MAX_ERROR_PX, map_jacobian, map_stamps
from mingolotss.sky.stamp_grid import StampSky, TangentGrids
from mingolotss.sky.wcs import SkyWCS, simple_header

reproject = pytest.importorskip("reproject")
SIDE, SIZE = 31, 120


def image_header(ra: float, dec: float, projection: str, turn_deg: float = 0.0) -> bytes:
    """Return the header of an image of 1.5 arcsec pixels around a position."""
    header = simple_header(ra, dec, shape=(SIZE, SIZE), scale_arcsec=1.5, projection=projection)
    turn = f"CROTA2  = {turn_deg}".ljust(80).encode()
    return turn + header


def centres(image: np.ndarray) -> tuple[float, float]:
    """Return the centroid of a source."""
    image = np.nan_to_num(image)
    y, x = np.indices(image.shape)
    return float((image * x).sum() / image.sum()), float((image * y).sum() / image.sum())


def positions(count: int) -> list[tuple[float, float]]:
    rng = np.random.default_rng(11)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    ra[::7], dec[::11], dec[1::11] = 0.0, 90.0 - rng.exponential(0.01), -90.0
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


@pytest.mark.slow  # 1,000 headers and images take 8 s
def test_1000_sources_are_in_the_centres_of_their_stamps():
    """A source drawn at the catalogue position by astropy's WCS is within 0.02 px of the middle."""
    rng = np.random.default_rng(12)
    y, x = np.indices((SIZE, SIZE))
    for number, (ra, dec) in enumerate(positions(1000)):
        projection = ("SIN", "TAN", "ZEA", "STG", "ARC")[number % 5]
        far = rng.uniform(0, 6000)
        centre = offset_position(ra, dec, rng.uniform(0, 360), far)
        raw = image_header(*centre, projection, rng.uniform(0, 360))
        wcs = WCS(fits.Header.fromstring(raw.decode()))
        pixel = wcs.wcs_world2pix([[ra, dec]], 0)[0]
        header = raw.replace(b"CRPIX1", b"IGNORE").replace(b"CRPIX2", b"IGNORE")
        shift = np.round(pixel) - SIZE // 2
        crpix = [float(wcs.wcs.crpix[i] - shift[i]) for i in (0, 1)]
        cards = "".join(f"CRPIX{i + 1}  = {value!r}".ljust(80) for i, value in enumerate(crpix))
        image_sky = SkyWCS.from_header(cards.encode() + header)
        px, py = pixel - shift
        image = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.0**2)).astype(np.float32)
        scale, angle = rng.uniform(1.0, 3.0), rng.uniform(0, 360)
        grids = TangentGrids(*np.array([[ra], [dec], [scale], [angle]]), SIDE)
        nodes = map_stamps(grids, np.array([0]), image_sky)[0]
        (stamp,) = resample([image], nodes, SIDE, ("adaptive", "exact")[number % 2])
        assert centres(stamp) == pytest.approx((SIDE // 2, SIDE // 2), abs=0.02)


@pytest.mark.parametrize("method", ["adaptive", "exact"])
@pytest.mark.parametrize("number", range(12))
def test_pixels_are_those_of_reproject(method, number):
    """To the rounding of float32, for every projection, scale and rotation."""
    rng = np.random.default_rng(number)
    ra, dec = positions(1000)[83 * number]
    projection = ("SIN", "TAN", "ZEA", "STG", "ARC", "NCP")[number % 6]
    if projection == "NCP":
        projection, dec = "SIN", max(dec, 30.0)
    raw = image_header(ra, dec, projection, rng.uniform(0, 360))
    image = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
    sky = SkyWCS.from_header(raw)
    place = sky.to_sky(*rng.uniform(50, 70, 2))
    scale, angle = rng.uniform(0.5, 2.0), (0.0, rng.uniform(0, 360))[number % 2]
    grids = TangentGrids(*np.array([[place[0]], [place[1]], [scale], [angle]]), SIDE)
    target = WCS(fits.Header.fromstring(StampSky(grids, 0, HeaderFacts()).header, sep="\n"))
    source = image, WCS(fits.Header.fromstring(raw.decode()))
    if method == "adaptive":
        options = {"boundary_mode": "ignore_threshold", "center_jacobian": True}
        shape = (SIDE, SIDE)
        expected, _ = reproject.reproject_adaptive(source, target, shape_out=shape, **options)
    else:
        expected, _ = reproject.reproject_exact(source, target, shape_out=(SIDE, SIDE))
    nodes = map_stamps(grids, np.array([0]), sky)[0]
    (stamp,) = resample([image], nodes, SIDE, method)
    assert np.isfinite(stamp).all()
    np.testing.assert_allclose(stamp, expected, atol=5e-5)


def sip_header() -> bytes:
    """Return the header of an image with strong distortions."""
    cards = {
        "CTYPE1": "'RA---TAN-SIP'", "CTYPE2": "'DEC--TAN-SIP'", "CRVAL1": 10.0, "CRVAL2": 20.0,
        "CRPIX1": 60.0, "CRPIX2": 60.0, "CD1_1": -1.5 / 3600, "CD1_2": 0.0, "CD2_1": 0.0,
        "CD2_2": 1.5 / 3600, "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-3, "B_0_2": -1.5e-3,
    }  # fmt: skip
    return "".join(f"{key:8}= {value}".ljust(80) for key, value in cards.items()).encode()


@pytest.mark.parametrize("case", ["pole of CAR", "SIP", "HPX", "smooth"])
def test_places_between_nodes_are_right_to_a_hundredth_of_a_pixel(case):
    """Where the map bends too much, every pixel is computed."""
    headers = {
        "pole of CAR": simple_header(0.0, 0.0, shape=(900, 900), scale_arcsec=900.0,
                                     projection="CAR"),
        "SIP": sip_header(),
        "HPX": simple_header(0.0, 0.0, shape=(900, 900), scale_arcsec=900.0, projection="HPX"),
        "smooth": simple_header(10.0, 20.0, shape=(120, 120), scale_arcsec=1.5, projection="SIN"),
    }  # fmt: skip
    sky = SkyWCS.from_header(headers[case])
    ra, dec = {"pole of CAR": (30.0, 88.7), "HPX": (20.0, 41.8)}.get(case, (10.0, 20.0))
    scale = 300.0 if case in {"pole of CAR", "HPX"} else 1.5
    grids = TangentGrids(*np.array([[ra], [dec], [scale], [10.0]]), SIDE)
    nodes = map_stamps(grids, np.array([0]), sky)[0]
    assert len(nodes) == (9 if case == "smooth" else SIDE + 1)
    # Of a stamp with a node for every pixel, those are exact; of the other, all between them.
    edges = np.linspace(-0.5, SIDE - 0.5, len(nodes))
    x, y = (axis.ravel() for axis in np.meshgrid(edges, edges))
    np.testing.assert_allclose(
        nodes.reshape(-1, 2).T, sky.to_pixel(*(one[0] for one in grids.to_sky(np.array([0]), x, y)))
    )
    if case == "smooth":
        middles = (edges[:-1] + edges[1:]) / 2
        x, y = (axis.ravel() for axis in np.meshgrid(middles, middles))
        exact = np.array(sky.to_pixel(*(one[0] for one in grids.to_sky(np.array([0]), x, y))))
        mean = (nodes[:-1, :-1] + nodes[1:, :-1] + nodes[:-1, 1:] + nodes[1:, 1:]) / 4
        assert np.abs(mean.reshape(-1, 2).T - exact).max() < MAX_ERROR_PX


def test_a_stamp_behind_the_projection_has_no_place():
    """NaN, and not another piece of sky."""
    sky = SkyWCS.from_header(simple_header(10.0, 20.0, shape=(120, 120), scale_arcsec=1.5))
    grids = TangentGrids(*np.array([[190.0], [-20.0], [1.5], [0.0]]), SIDE)
    assert np.isnan(map_stamps(grids, np.array([0]), sky)[0]).all()


def test_the_linear_part_of_a_map():
    """A rotation of the stamp and its scale, for any number of squares."""
    sky = SkyWCS.from_header(simple_header(10.0, 20.0, shape=(120, 120), scale_arcsec=1.5))
    for side in (1, 2, 31, 64):
        grids = TangentGrids(*np.array([[10.0], [20.0], [4.5], [90.0]]), side)
        nodes = map_stamps(grids, np.array([0]), sky)[0]
        np.testing.assert_allclose(map_jacobian(nodes, side), [[0, -3], [3, 0]], atol=1e-4)
