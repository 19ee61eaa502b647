"""Builds with stamps of any pixel size, exactly centred, sized and turned by the catalogue."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import Planck18
from astropy.io import fits
from astropy.wcs import WCS

import mingolotss
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.typed_columns import kept_field
from mingolotss.errors import CatalogueError, ImageError, RecipeError
from mingolotss.model import Cutout
from mingolotss.recipe.model import Recipe, parse_recipe
from mingolotss.sky.wcs import SkyWCS, simple_header

reproject = pytest.importorskip("reproject")
SIZE, RA, DEC, NOISE = 420, 359.97, 62.0, 1e-4
STEPS = [{"do": "zero-nan"}]


def recipe_of(**stamp: object) -> Recipe:
    """Return a recipe for float32 stamps without any change of the brightness."""
    settings = {
        "name": "mine", "formats": ["parquet"], "steps": STEPS,
        "images": {"size_arcmin": 3.0, "image": "{source}.fits", "rms": "{source}-rms.fits"},
        "stamp": {"pixels": 40, "kind": "float32"} | stamp,
    }  # fmt: skip
    return parse_recipe(settings, "mine.toml")


def header() -> fits.Header:
    cards = fits.Header.fromstring(
        simple_header(RA, DEC, shape=(SIZE, SIZE), scale_arcsec=1.5).decode()
    )
    cards.update(BMAJ=6 / 3600, BMIN=6 / 3600, BPA=0.0, BUNIT="JY/BEAM")
    return cards


def write_mosaic(folder: Path, *, with_rms: bool = True) -> tuple[np.ndarray, SkyCoord]:
    """Write a mosaic of elongated sources with a beam of 6 arcsec; return it and the positions."""
    rng = np.random.default_rng(4)
    x, y = rng.uniform(130, SIZE - 130, (2, 12))
    rows, columns = np.indices((SIZE, SIZE))
    image = np.zeros((SIZE, SIZE))
    for px, py in zip(x, y, strict=True):
        along, across = (columns - px), (rows - py)
        image += np.exp(-(along**2 / (2 * 4.0**2) + across**2 / (2 * 1.7**2))) * 0.01
    image = image.astype(np.float32)
    fits.writeto(folder / "P1-mosaic.fits", image, header())
    if with_rms:
        fits.writeto(folder / "P1-mosaic-rms.fits", np.full((SIZE, SIZE), NOISE, "f4"), header())
    sky = WCS(header()).pixel_to_world(x, y)
    return image, sky


def catalogue_of(positions: SkyCoord, **columns: object) -> Catalogue:
    names = [f"S{number}" for number in range(len(positions))]
    kept = pa.table(columns) if columns else None
    if kept is not None:
        fields = [kept_field(field.name, field.type, "") for field in kept.schema]
        kept = kept.cast(pa.schema(fields))
    return Catalogue.from_columns(names, positions.ra.deg, positions.dec.deg, kept=kept)


def build_stamps(tmp_path: Path, recipe: Recipe, catalogue: Catalogue) -> tuple[pa.Table, list]:
    """Build; return the manifest, and the stamps by row (None for a rejected source)."""
    out = tmp_path / "out"
    mingolotss.build(
        recipe, out=out, catalogue=catalogue, service=f"mosaics:{tmp_path}", mapper=map
    )
    manifest = pq.read_table(out / "manifest.parquet")
    stamps = {}
    for path in sorted(out.rglob("*.parquet")):
        table = pq.read_table(path)
        if "pixels" in table.column_names:
            for row, raw in zip(table["row"].to_pylist(), table["pixels"].to_pylist(), strict=True):
                side = math.isqrt(len(raw) // 4)
                stamps[row] = np.frombuffer(raw, "<f4").reshape(side, side)
    return manifest, [stamps.get(row) for row in range(len(manifest))]


def stamp_wcs(row: dict) -> WCS:
    """Return the WCS that astropy reads from the columns of the manifest."""
    text = f"{row['wcs']}\nCRPIX1  = {row['crpix1']}\nCRPIX2  = {row['crpix2']}"
    return WCS(fits.Header.fromstring(text, sep="\n"))


@pytest.mark.slow
@pytest.mark.parametrize("pixel_arcsec", [4.0, 2.25, 1.8, 1.0])
def test_any_pixel_scale_is_built_or_refused_when_planned(tmp_path, pixel_arcsec):
    """With `stamp.resample` the stamps are those of reproject; without, one line names it."""
    image, positions = write_mosaic(tmp_path)
    catalogue = catalogue_of(positions)
    with pytest.raises(RecipeError, match=r"no whole number of the image's 1\.5 .*stamp\.resample"):
        build_stamps(tmp_path, recipe_of(pixel_arcsec=pixel_arcsec), catalogue)
    assert not (tmp_path / "out").exists()
    method = "exact" if pixel_arcsec in {4.0, 1.8} else "adaptive"
    recipe = recipe_of(pixel_arcsec=pixel_arcsec, resample=method)
    manifest, stamps = build_stamps(tmp_path, recipe, catalogue)
    resample = getattr(reproject, f"reproject_{method}")
    for row, position, stamp in zip(manifest.to_pylist(), positions, stamps, strict=True):
        target = stamp_wcs(row)
        x, y = target.world_to_pixel(position)
        assert (float(x), float(y)) == pytest.approx((20, 20), abs=0.001)
        expected, _ = resample((image, WCS(header())), target, shape_out=stamp.shape)
        np.testing.assert_allclose(stamp, expected, atol=2e-8)
        assert row["pixel_scale_arcsec"] == pixel_arcsec
        assert row["stamp_size_arcsec"] == pytest.approx(40 * pixel_arcsec)
        assert (row["resampling"], row["rotation_deg"]) == (method, 0.0)
        assert (row["wcs_error_arcsec"], row["percent_nan"], row["recentred"]) == (0.0, 0.0, False)
        assert row["beam_major_arcsec"] == pytest.approx(6.0)
        assert row["stamp_beam_major_arcsec"] > 6.0
        assert 0 < row["noise_jy"] < NOISE
        assert "resampled pixels with the beam" in row["noise_method"]


def test_exact_centres_keep_the_pixels_of_the_image(tmp_path):
    """`stamp.centre = "exact"` alone resamples to the scale of the image."""
    _, positions = write_mosaic(tmp_path)
    manifest, stamps = build_stamps(tmp_path, recipe_of(centre="exact"), catalogue_of(positions))
    for row, position, stamp in zip(manifest.to_pylist(), positions, stamps, strict=True):
        x, y = stamp_wcs(row).world_to_pixel(position)
        assert (float(x), float(y)) == pytest.approx((20, 20), abs=0.001)
        assert row["pixel_scale_arcsec"] == pytest.approx(1.5)
        assert np.unravel_index(np.argmax(stamp), stamp.shape) == (20, 20)


def test_sizes_and_orientations_follow_the_catalogue(tmp_path):
    """Sources without a usable value are rejected, one line each, and their images not asked."""
    _, positions = write_mosaic(tmp_path)
    las = pa.array([30.0, 60.0, None, -1.0, 0.0, math.nan, 25.0, 40.0, 40.0, 40.0, 40.0, 50000.0])
    pa_deg = pa.array([0.0, 45.0, 10.0, 0, 0, 0, math.nan, None, -999.0, 90.0, 300.0, 0.0])
    catalogue = catalogue_of(positions, LAS=las, PA=pa_deg)
    recipe = recipe_of(size="2 * LAS", rotate="PA")
    manifest, stamps = build_stamps(tmp_path, recipe, catalogue)
    reasons = manifest["reason"].to_pylist()
    for row, text in {
        2: "LAS has no value", 3: "LAS is -1, and a positive", 4: "LAS is 0",
        5: "LAS has no value", 6: "PA has no value", 7: "PA has no value", 8: "PA is -999",
        11: "27.8 deg, and a stamp has at most 10 deg",
    }.items():  # fmt: skip
        assert text in reasons[row]
        assert "\n" not in reasons[row]
        assert manifest["stage"][row].as_py() == "stamp"
        assert manifest["candidates"][row].as_py() == 0
        assert stamps[row] is None
    for row, size, angle in ((0, 60, 0), (1, 120, 45), (9, 80, 90), (10, 80, 300)):
        record = manifest.slice(row, 1).to_pylist()[0]
        assert reasons[row] is None
        assert record["stamp_size_arcsec"] == pytest.approx(size)
        assert record["pixel_scale_arcsec"] == pytest.approx(size / 40)
        assert record["rotation_deg"] == pytest.approx(angle)
        assert record["LAS"] == las[row].as_py()
        wcs = stamp_wcs(record)
        here, up = (wcs.pixel_to_world(20, y) for y in (20, 21))
        assert here.position_angle(up).deg == pytest.approx(angle, abs=0.01)
        assert here.separation(positions[row]).arcsec < 0.001
        # The sources are elongated from east to west: with 90 deg up, upright in the stamp.
        y, x = np.indices((40, 40)) - 20
        weights = np.where(np.hypot(x, y) < 10, stamps[row], 0)
        wide, high = (weights * x**2).sum(), (weights * y**2).sum()
        if angle in {0, 90}:
            assert (wide > 2 * high) == (angle == 0)


def test_sizes_in_kpc_follow_the_redshift(tmp_path):
    """By the angular diameter distance of the named cosmology."""
    _, positions = write_mosaic(tmp_path)
    z = pa.array([0.1, 0.5, None, 0.0, -0.2, 3.0] + [0.3] * 6)
    manifest, _ = build_stamps(
        tmp_path, recipe_of(size="300 kpc", redshift="z"), catalogue_of(positions, z=z)
    )
    sizes = manifest["stamp_size_arcsec"].to_pylist()
    for row in (0, 1, 5, 6):
        expected = 300 * Planck18.arcsec_per_kpc_proper(z[row].as_py()).value
        assert sizes[row] == pytest.approx(expected, rel=1e-9)
    for row, text in {2: "z has no value", 3: "z is 0", 4: "z is -0.2"}.items():
        assert text in manifest["reason"][row].as_py()


def test_a_missing_column_is_named_before_anything_is_read(tmp_path):
    """Of a table in memory, and one that holds text."""
    _, positions = write_mosaic(tmp_path)
    recipe = recipe_of(size="2 * LAS")
    with pytest.raises(CatalogueError, match=r"stamp\.size: .*'LAS'.*did you mean 'LAS_err'"):
        build_stamps(tmp_path, recipe, catalogue_of(positions, LAS_err=[1.0] * 12))
    with pytest.raises(CatalogueError, match="numbers are needed"):
        build_stamps(tmp_path, recipe, catalogue_of(positions, LAS=["large"] * 12))
    assert not (tmp_path / "out").exists()


def test_the_cutouts_are_as_large_as_the_stamps_need(tmp_path):
    """A turned stamp that is larger than `images.size_arcmin` has no gaps."""
    _, positions = write_mosaic(tmp_path)
    recipe = recipe_of(size="2.4 arcmin", rotate="PA").changed({"images.size_arcmin": 0.2})
    manifest, stamps = build_stamps(
        tmp_path, recipe, catalogue_of(positions, PA=np.linspace(0, 355, 12))
    )
    assert manifest["percent_nan"].to_pylist() == [0.0] * 12
    assert all(np.isfinite(stamp).all() for stamp in stamps)


def test_pixels_past_the_edge_are_counted(tmp_path):
    """`percent_nan` is that of the resampled stamp."""
    for kind in ("", "-rms"):
        fits.writeto(tmp_path / f"P1-mosaic{kind}.fits", np.ones((SIZE, SIZE), "f4"), header())
    corner = WCS(header()).pixel_to_world(np.array([1.0, 200.0]), np.array([200.0, 1.0]))
    manifest, _ = build_stamps(tmp_path, recipe_of(centre="exact"), catalogue_of(corner))
    assert manifest["reason"].to_pylist() == [None, None]
    np.testing.assert_allclose(manifest["percent_nan"].to_pylist(), 47.5, atol=2.6)


def test_estimated_noise_is_that_of_the_resampled_pixels(tmp_path):
    """Without an rms map, the scatter of the stamp's own pixels."""
    rng = np.random.default_rng(2)
    image = rng.normal(0, NOISE, (SIZE, SIZE)).astype("f4")
    fits.writeto(tmp_path / "P1-mosaic.fits", image, header())
    positions = WCS(header()).pixel_to_world(np.array([200.0]), np.array([210.0]))
    recipe = recipe_of(pixel_arcsec=3.7, resample="exact").changed(
        {"noise.method": "sigma-clipped"}
    )
    manifest, stamps = build_stamps(tmp_path, recipe, catalogue_of(positions))
    assert manifest["noise_method"][0].as_py() == "sigma-clipped of the resampled pixels"
    assert manifest["noise_jy"][0].as_py() == pytest.approx(stamps[0].std(), rel=0.05)


@pytest.mark.parametrize("unit", ["Jy/beam", "mJy/pixel", "Jy pix-1", "K"])
def test_flux_per_pixel_goes_with_the_area_of_the_pixels(tmp_path, unit):
    """The sum over the pixels stays; of a brightness, the sum times their area."""
    image, positions = write_mosaic(tmp_path)
    for kind in ("", "-rms"):
        fits.setval(tmp_path / f"P1-mosaic{kind}.fits", "BUNIT", value=unit)
    recipe = recipe_of(pixel_arcsec=3.0, resample="exact", pixels=100)
    _, stamps = build_stamps(tmp_path, recipe, catalogue_of(positions[:1]))
    x, y = (round(float(value)) for value in WCS(header()).world_to_pixel(positions[0]))
    window = image[y - 99 : y + 99, x - 99 : x + 99]
    factor = 4 if unit in {"Jy/beam", "K"} else 1
    middle = stamps[0][1:, 1:].sum() * factor
    assert middle == pytest.approx(window.sum(), rel=0.02)


def test_make_stamp_is_what_a_build_makes(tmp_path):
    """Also of a size and an orientation by the catalogue, whose values are given."""
    image, positions = write_mosaic(tmp_path)
    recipe = recipe_of(size="2 * LAS", rotate="PA")
    columns = {"LAS": [30.0] * 12, "PA": [20.0] * 12}
    _, stamps = build_stamps(tmp_path, recipe, catalogue_of(positions, **columns))
    sky = SkyWCS.from_header(header().tostring().encode())
    cutout = Cutout(image, np.full(image.shape, NOISE, "f4"), sky)
    for position, stamp in zip(positions[:3], stamps, strict=False):
        values = {"LAS": 30.0, "PA": 20.0}
        own = mingolotss.make_stamp(cutout, position, recipe, columns=values)
        np.testing.assert_array_equal(own, stamp)
    with pytest.raises(CatalogueError, match="LAS"):
        mingolotss.make_stamp(cutout, positions[0], recipe)
    with pytest.raises(ImageError, match="PA has no value"):
        mingolotss.make_stamp(cutout, positions[0], recipe, columns={"LAS": 30.0, "PA": math.nan})


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ({"size": "90"}, "is no size of a stamp"), ({"size": "big"}, "is no size"),
        ({"size": "0 arcsec"}, "not positive"), ({"size": "-3 arcsec"}, "is no size"),
        ({"size": "9 parsec"}, "kpc"), ({"size": "200 kpc"}, "needs the column of the redshift"),
        ({"size": "2 kpc", "redshift": "z", "cosmology": "Planck99"}, "Planck99"),
        ({"size": "9 arcsec", "pixel_arcsec": 2.0}, "leave pixel_arcsec out"),
        ({"resample": "nearest"}, "adaptive"), ({"centre": "middle"}, "pixel"),
        ({"size": 90}, 'needs a unit, e.g. "90 arcsec"'), ({"size": 2.5}, "needs a unit"),
        ({"size": "10.1 deg"}, "has at most 10 deg"), ({"size": "1e9 arcsec"}, "at most 10 deg"),
        ({"pixel_arcsec": 40000.0, "centre": "exact"}, "at most 10 deg"),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(stamp, text):
    """When the recipe is read, with one line."""
    with pytest.raises(RecipeError, match=text) as error:
        recipe_of(**stamp)
    assert "\n" not in str(error.value)
    assert "{" not in str(error.value)  # no table of settings, as Python writes it


def test_recipes_without_resampling_keep_their_columns_and_digest(tmp_path):
    """The manifest of a plain recipe has no further column."""
    _, positions = write_mosaic(tmp_path)
    manifest, _ = build_stamps(tmp_path, recipe_of(), catalogue_of(positions))
    assert not {"resampling", "stamp_size_arcsec", "rotation_deg"} & {*manifest.column_names}
    assert recipe_of(centre="pixel", size="", rotate="").digest == recipe_of().digest
