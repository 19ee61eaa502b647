"""Stamps turned back into Jy/beam on the sky, compared with astropy on the images themselves.

Every pixel of an image has another value, so that a wrong pixel is a wrong brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import skycoord_to_pixel

import mingolotss
from mingolotss import stamp_flux, stamp_wcs
from mingolotss.dataset.calibration import _value
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.records import read_records
from mingolotss.errors import InputError

pytestmark = pytest.mark.slow  # together they take long

BEAM_PX = 4.0
RECIPES = ("mingolotss", "mingolotss-wide", "lotss", "mirabest")


def pixels(rng: np.random.Generator, ny: int, nx: int, *, noise: float = 1e-4) -> np.ndarray:
    """Return noise with sources, float32; no two pixels of a source are equal."""
    image = rng.normal(0, noise, (ny, nx))
    y, x = np.ogrid[:ny, :nx]
    places = [(nx / 2, ny / 2), *rng.uniform(0, [nx, ny], (6, 2)).tolist()]
    for column, row in places:
        image += 0.02 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 9.0**2))
    return image.astype("f4")


def wcs_cards(ra: float, dec: float, nx: int, ny: int, kind: str) -> fits.Header:
    """Return the cards of an image that has its reference pixel elsewhere."""
    scale = 1.8 if kind == "first" else 1.5
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = ("RA---SIN", "DEC--SIN")
    header["CRVAL1"], header["CRVAL2"] = ra, dec
    header["CRPIX1"], header["CRPIX2"] = nx / 2 + 0.3, ny / 2 - 0.4
    header["CDELT1"], header["CDELT2"] = -scale / 3600, scale / 3600
    header["BUNIT"], header["BMAJ"], header["BMIN"] = "mJy/beam", 6 / 3600, 6 / 3600
    if kind == "rotated":
        angle = np.radians(31.0)
        header["PC1_1"] = header["PC2_2"] = np.cos(angle)
        header["PC1_2"], header["PC2_1"] = -np.sin(angle), np.sin(angle)
    if kind == "galactic":
        header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
        place = SkyCoord(ra, dec, unit="deg").galactic
        header["CRVAL1"], header["CRVAL2"] = place.l.deg, place.b.deg
    if kind == "fk4":
        header["RADESYS"], header["EQUINOX"] = "FK4", 1950.0
        place = SkyCoord(ra, dec, unit="deg").transform_to("fk4")
        header["CRVAL1"], header["CRVAL2"] = place.ra.deg, place.dec.deg
    if kind == "sip":
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        header["A_ORDER"], header["B_ORDER"] = 2, 3
        header["A_2_0"], header["A_1_1"], header["B_0_2"] = 2e-5, -1e-5, 1.5e-5
        header["B_2_1"] = 3e-8
    if kind == "tpv":
        header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"
        for axis in (1, 2):
            header[f"PV{axis}_0"], header[f"PV{axis}_1"] = 0.0, 1.0
        header["PV1_4"], header["PV2_7"] = 0.05, 0.8
        for axis in (1, 2):  # wcslib applies these polynomials before CDELT
            header[f"CD{axis}_{axis}"] = header.pop(f"CDELT{axis}")
    if kind == "wide":  # far from the reference pixel, in a projection of the whole sky
        header["CTYPE1"], header["CTYPE2"] = "RA---ZEA", "DEC--ZEA"
        header["CRVAL1"], header["CRVAL2"] = (ra + 40.0) % 360, dec - 30.0
        place = WCS(header).world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        header["CRPIX1"] += nx / 2 - float(place[0])
        header["CRPIX2"] += ny / 2 - float(place[1])
    return header


@dataclass
class Image:
    """What the test put into a file."""

    data: np.ndarray
    rms: np.ndarray | None
    wcs: WCS


def write(path: Path, data: np.ndarray, header: fits.Header) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU((data * 1000).astype("f4"), header).writeto(path)  # in mJy/beam


def build_of(folder: Path, name: str, kind: str = "plain", **changes: object):
    """Build one source with a shipped recipe; return the row, the stamp and the image."""
    recipe = mingolotss.load_recipe(name).changed(changes)
    rng = np.random.default_rng(3)
    side = 1530 if recipe.stamp.pixel_arcsec else 260
    ny, nx = side, side + 6
    header = wcs_cards(195.3, 41.2, nx, ny, kind)
    wcs = WCS(header)
    # The source is not in the middle, so that the stamp is recentred where the recipe does that.
    ra, dec = (float(angle) for angle in sky_of(wcs, nx / 2 + 14.2, ny / 2 - 12.7))
    data = pixels(rng, ny, nx)
    has_rms = bool(recipe.images.rms) and name != "lotss"
    rms = rng.uniform(0.9e-4, 1.1e-4, data.shape).astype("f4") if has_rms else None
    names = {"mirabest": f"100_{ra:.6f}+{dec:.6f}_0.1_1"}
    source = names.get(name, "ILTJ130112.00+411200.0")
    image = recipe.images.image.format(source=source, field="P195+41")
    write(folder / "fits" / image, data, header)
    if rms is not None:
        rms_name = recipe.images.rms.format(source=source, field="P195+41")
        write(folder / "fits" / rms_name, rms, header)
    catalogue = Table({"Source_Name": [source], "RA": [ra], "DEC": [dec]})
    catalogue["Maj"] = catalogue["Total_flux"] = catalogue["LM_dec_size"] = [30.0]
    catalogue["LM_Flux"] = [5.0]
    for flag in recipe.classes.columns:
        catalogue[flag] = [flag == "FR1"]
    catalogue.write(folder / "catalogue.fits")
    out = folder / "out"
    made = {} if recipe.catalogue.names else {"catalogue": folder / "catalogue.fits"}
    mingolotss.build(recipe, out=out, service=f"folder:{folder / 'fits'}", **made)
    (row,) = read_manifest(out).to_pylist()
    assert row["status"] == "written", row["reason"]
    return row, read_records(out).images()[0], Image(data, rms, wcs), recipe


def sky_of(wcs: WCS, x: float, y: float) -> tuple[float, float]:
    place = wcs.pixel_to_world(x, y).icrs
    return place.ra.deg, place.dec.deg


def in_image(row: dict, image: Image, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel of the image that each pixel of a stamp shows, by way of the sky."""
    y, x = np.mgrid[:side, :side]
    places = stamp_wcs(row).pixel_to_world(x.ravel(), y.ravel())
    px, py = skycoord_to_pixel(places, image.wcs, mode="all")
    return px.reshape(side, side), py.reshape(side, side)


def expected_stamp(row: dict, image: Image, recipe) -> np.ndarray:
    """Return the brightness of a stamp, with numpy, at the positions that `stamp_wcs` gives."""
    side = recipe.stamp.pixels
    factor = round(recipe.stamp.pixel_arcsec / 1.5) if recipe.stamp.pixel_arcsec else 1
    px, py = in_image(row, image, side)
    x0, y0 = px - (factor - 1) / 2, py - (factor - 1) / 2
    assert np.abs(x0 - np.round(x0)).max() < 2e-4  # the stamp's pixels are whole pixels
    assert np.abs(y0 - np.round(y0)).max() < 2e-4
    data, rms = image.data.astype(float), image.rms
    if rms is None:
        rms = np.full(data.shape, sigma_clipped_stats(image.data, sigma=3, maxiters=5)[2])
    clipped = np.where(data > 3 * rms, data, 0.0)
    ny, nx = data.shape
    total = np.zeros((side, side))
    for dy in range(factor):
        for dx in range(factor):
            xi, yi = np.round(x0).astype(int) + dx, np.round(y0).astype(int) + dy
            inside = (xi >= 0) & (yi >= 0) & (xi < nx) & (yi < ny)
            total[inside] += clipped[yi[inside], xi[inside]]
    y, x = np.mgrid[:side, :side] - side // 2
    return np.where(np.hypot(x, y) <= 75, total / factor**2, 0.0)


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe(tmp_path, name):
    """Position and brightness are those of the image, to half a step of the 8 bits."""
    kind = "first" if name == "mirabest" else "plain"
    row, stamp, image, recipe = build_of(tmp_path, name, kind)
    flux, expected = stamp_flux(stamp, row), expected_stamp(row, image, recipe)
    step = (row["scale_max"] - row["scale_min"]) / 255 / 1000
    assert step > 1e-6
    assert np.abs(flux - expected).max() <= step * 1.001
    bright = stamp > 0
    assert bright.sum() > 100
    assert np.abs(flux - expected)[bright].max() <= step * 0.501
    # Pixels below one step are grey 0, so that faint wings are lost.
    assert flux.sum() == pytest.approx(expected.sum(), rel=0.025)
    assert (row["unit"], row["wcs_error_arcsec"]) == ("mJy/beam", 0.0)
    assert row["peak_jy"] == pytest.approx(expected.max(), rel=1e-5 if name != RECIPES[1] else 0.05)


@pytest.mark.parametrize("kind", ["rotated", "galactic", "fk4", "sip", "tpv", "wide"])
@pytest.mark.parametrize("binned", [False, True])
def test_every_kind_of_position(tmp_path, kind, binned):
    """Rotation, other frames, distortions and fields far from the reference pixel are exact."""
    scale = 1.5 * (2 if binned else 1)
    changes = {"stamp.pixel_arcsec": scale, "stamp.pixels": 60 if binned else 120}
    if binned:
        changes["steps"] = [{"do": "zero-nan"}, {"do": "bin"}, {"do": "minmax"}]
    row, _, image, _ = build_of(tmp_path, "mingolotss", kind, **changes)
    factor = 2 if binned else 1
    px, py = in_image(row, image, changes["stamp.pixels"])
    x0, y0 = px - (factor - 1) / 2, py - (factor - 1) / 2
    for start in (x0, y0):
        assert np.abs(start - np.round(start)).max() < 1e-4
        assert np.unique(np.round(start)).size == changes["stamp.pixels"]
    assert (np.round(x0[0, 1]) - np.round(x0[0, 0])) == factor
    middle = changes["stamp.pixels"] // 2
    here = stamp_wcs(row).pixel_to_world(middle, middle).icrs
    source = SkyCoord(row["ra"], row["dec"], unit="deg")
    assert here.separation(source).arcsec < 2 * scale


STEPS = {
    "none": [{"do": "zero-nan"}],
    "minmax": [{"do": "zero-nan"}, {"do": "minmax"}],
    "minmax-then-mask": [{"do": "minmax"}, {"do": "mask", "radius": 40.0}],
    "asinh": [{"do": "zero-nan"}, {"do": "asinh"}],
    "zscale": [{"do": "zero-nan"}, {"do": "zscale"}],
}


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("steps", STEPS)
def test_every_scaling(tmp_path, kind, steps):
    """What is between the limits comes back: to the float, or to half a step of the 8 bits."""
    if (kind, steps) == ("uint8", "none"):
        pytest.skip("grey stamps are scaled")
    row, stamp, image, recipe = build_of(
        tmp_path, "lotss", **{"stamp.kind": kind, "steps": STEPS[steps],
                              "formats": ["parquet"]},
    )  # fmt: skip
    px, py = in_image(row, image, recipe.stamp.pixels)
    data = image.data[np.round(py).astype(int), np.round(px).astype(int)].astype(float)
    flux = stamp_flux(stamp, row)
    y, x = np.mgrid[: len(stamp), : len(stamp)] - len(stamp) // 2
    usable = np.hypot(x, y) <= (40 if "mask" in steps else 999)
    if steps != "none":
        low, high = row["scale_min"] / 1000, row["scale_max"] / 1000
        usable &= (data > low) & (data < high)
        if kind == "uint8":
            usable &= stamp > 0
            upper, lower = (
                stamp_flux(level, row) for level in ((stamp + 1.0) / 255, stamp.astype(float) / 255)
            )
            assert (data[usable] <= upper[usable] + 1e-9).all()
            assert (data[usable] >= lower[usable] - 1e-9).all()
            return
    assert usable.sum() > 400
    assert flux[usable] == pytest.approx(data[usable], rel=2e-4, abs=2e-8)
    assert row["scaling"] == {"none": "none", "asinh": "asinh"}.get(steps, "linear")


def test_kernel_and_steps_agree(tmp_path, use_library):
    """The limits are the same numbers, whether the compiled kernel made the stamp or numpy."""
    rows = [build_of(tmp_path / "kernel", "mingolotss")[0]]
    use_library(tmp_path / "no-such-file.so")
    rows.append(build_of(tmp_path / "numpy", "mingolotss")[0])
    assert rows[0] == rows[1]
    assert rows[0]["scale_max"] > 0


def test_a_table_of_distortions_gets_a_fitted_position(tmp_path):
    """Its error is stated, and astropy confirms it."""
    folder = tmp_path / "fits"
    folder.mkdir()
    ny = nx = 260
    header = wcs_cards(10.0, 20.0, nx, ny, "plain")
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    tables = []
    for axis in (1, 2):
        bend = (np.arange(5, dtype="f4") ** 2 * 0.4)[None, :].repeat(5, axis=0)
        table = fits.ImageHDU(bend, name="WCSDVARR", ver=axis)
        for key, value in (("CRPIX", 1.0), ("CRVAL", 1.0), ("CDELT", 65.0)):
            table.header[f"{key}1"] = table.header[f"{key}2"] = value
        header[f"CPDIS{axis}"] = "LOOKUP"
        for record in (f"EXTVER: {axis}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2"):
            card = fits.Card.fromstring(f"DP{axis}     = '{record}'")
            header.append(card, end=True)
        tables.append(table)
    primary = fits.PrimaryHDU(pixels(np.random.default_rng(1), ny, nx), header)
    path = folder / "A.fits"
    fits.HDUList([primary, *tables]).writeto(path)
    with fits.open(path) as hdus:
        wcs = WCS(hdus[0].header, hdus)
        assert wcs.cpdis1 is not None
        ra, dec = (float(angle) for angle in wcs.all_pix2world(130, 131, 0))
    Table({"Source_Name": ["A"], "RA": [ra], "DEC": [dec]}).write(tmp_path / "c.fits")
    recipe = mingolotss.load_recipe("lotss").changed(
        {"images.image": "{source}.fits", "stamp.name": "{source}.png", "catalogue.size": "",
         "catalogue.flux": "", "catalogue.field": ""}
    )  # fmt: skip
    out = tmp_path / "out"
    mingolotss.build(recipe, out=out, catalogue=tmp_path / "c.fits", service=f"folder:{folder}")
    (row,) = read_manifest(out).to_pylist()
    assert 0.01 < row["wcs_error_arcsec"] < 2.0
    y, x = np.mgrid[:150:10, :150:10]
    first = 260 // 2 - 150 // 2
    there = SkyCoord(*wcs.all_pix2world(x + first, y + first, 0), unit="deg")
    distance = stamp_wcs(row).pixel_to_world(x, y).separation(there).arcsec
    assert distance.max() <= row["wcs_error_arcsec"] * 1.2


@pytest.mark.parametrize("row", [{}, {"wcs": None, "scaling": None}, {"scaling": "unknown"}])
def test_an_older_row_is_one_line(row):
    """A row without the columns cannot be turned back, and says so."""
    for call in (lambda: stamp_wcs(row), lambda: stamp_flux(np.zeros((2, 2), "u1"), row)):
        with pytest.raises(InputError, match="row of the manifest") as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="int64"):
        stamp_flux(np.zeros((2, 2), int), {"scaling": "none"})


def test_rows_of_other_libraries():
    """Values of pyarrow and of pandas, whose null is NaN."""
    row = {"unit": pa.scalar(None, pa.string()), "scaling": pa.scalar("linear"),
           "scale_min": 0.0, "scale_max": pa.scalar(2.0), "scale_rms": float("nan")}  # fmt: skip
    assert stamp_flux(np.array([255], "u1"), row).tolist() == [2.0]
    assert _value(row, "scale_rms") is None
