"""The column ``image`` of a collection has the values of the FITS files of the same build."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

import mingolotss
from builds import contents
from fits_skies import KINDS, PLACES, PLAIN, build, build_channels, recipe, write_sky
from mask_sky import build_masked, write_masked_sky
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.hats.partitions import healpix_index
from mingolotss.pipeline.executors.local import processes
from mingolotss.pipeline.recorded_sources import RecordedSources
from mingolotss.recipe.stamp_settings import StepSettings
from misbehave import running
from survey_images import write_images
from survey_server import Survey

HATS = {"hats__flux": True, "formats": ["parquet"]}
NAMES = ("flux", "ivar", "mask", "psf_fwhm", "scale")

FAST = ("native",)
CASES = [kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flux") / "images"
    write_sky(folder)
    return folder


def read_images(collection: Path, catalogue: str = "lotss") -> dict[str, dict[str, list]]:
    """Return the column ``image`` of a collection by the name of the source, and its row."""
    files = sorted((collection / catalogue / "dataset").glob("Norder=*/Dir=*/Npix=*.parquet"))
    assert files
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return {row["object_id"]: row for row in rows}


def plane(image: dict[str, list], name: str, channel: int = 0) -> np.ndarray:
    return np.array(image[name][channel], bool if name == "mask" else "f4")


def check_units(path: Path, image: dict[str, list], channels: list[str]) -> None:
    """Compare a row of the column with a FITS file, to the bit."""
    with fits.open(path) as hdus:
        for number, name in enumerate(channels):
            flux = hdus[name or 0]
            expected = flux.data.astype("f4")
            assert plane(image, "flux", number).tobytes() == expected.tobytes()
            good = np.isfinite(expected)
            np.testing.assert_array_equal(plane(image, "mask", number), good)
            rms = f"{name}_RMS" if name else "RMS"
            ivar = np.zeros(expected.shape)
            if rms in hdus:
                ivar[good] = 1 / hdus[rms].data.astype(float)[good] ** 2
            np.testing.assert_array_equal(plane(image, "ivar", number), ivar.astype("f4"))
            axes = [flux.header.get(f"PSF{axis}", flux.header.get(f"B{axis}"))
                    for axis in ("MAJ", "MIN")]  # fmt: skip
            known = None not in axes
            width = np.sqrt(axes[0] * axes[1]) * 3600 if known else np.nan
            assert image["psf_fwhm"][number] == pytest.approx(width, rel=1e-6, nan_ok=True)
            scale = 3600 * np.sqrt(proj_plane_pixel_area(WCS(flux.header)))
            assert image["scale"][number] == pytest.approx(scale, rel=1e-5)


def export_both(out: Path, folder: Path) -> tuple[Path, Path]:
    """Export a build as a collection and as FITS files."""
    settings = {"hats": {"hats": {"flux": True}}, "fits": {}}
    exports = (mingolotss.export(out, name, folder / name, **settings[name]) for name in settings)
    return tuple(done.out for done in exports)


@pytest.mark.parametrize("kind", CASES)
def test_flux_is_that_of_the_fits_files(sky, tmp_path, kind):
    """Every kind of stamp and header: windows, means of blocks, other grids, a common beam."""
    pytest.importorskip("hats.io", reason="needs mingolotss[hats]")
    used = recipe(**KINDS[kind] | HATS)
    rows = build(sky, tmp_path / "out", used)
    hats, exported = export_both(tmp_path / "out", tmp_path)
    images = read_images(hats)
    assert set(images) == set(PLACES)
    for row in rows:
        image = images[row["source"]]["image"]
        path = exported / row["split"] / f"{row['image_file'].removesuffix('.png')}.fits"
        check_units(path, image, [""])
        assert image["band"] == ["144 MHz"]


@pytest.mark.slow
def test_each_channel_is_an_element(sky, tmp_path):
    """A missing channel has its place: NaN, ivar 0 and the mask False."""
    build_channels(sky, tmp_path)
    rows = mingolotss.load(tmp_path / "out")
    hats, exported = export_both(tmp_path / "out", tmp_path)
    images = read_images(hats)
    for source, split in zip(rows.sources, rows.splits, strict=True):
        [path] = (exported / split).glob(f"{source}*.fits")
        check_units(path, images[source]["image"], ["high", "low", "none"])
        assert images[source]["image"]["band"] == ["high", "low", "none"]
        status = images[source]["channels"]["status"][2]
        assert status == ("native" if source == "sip" else "missing")


@pytest.mark.slow
def test_images_in_mjy_are_jy(tmp_path):
    """The same sky in another unit gives the same column, but for rounding."""
    write_sky(tmp_path / "images")
    for path in (tmp_path / "images").glob("*.fits"):
        with fits.open(path, mode="update") as hdus:
            hdus[0].data = hdus[0].data * np.float32(1000)
            hdus[0].header["BUNIT"] = "mJy/beam"
    rows = build(tmp_path / "images", tmp_path / "out", recipe(**HATS))
    hats, exported = export_both(tmp_path / "out", tmp_path)
    images = read_images(hats)
    for row in rows:
        [path] = (exported / row["split"]).glob(f"{row['source']}*.fits")
        with fits.open(path) as hdus:
            flux, rms = hdus[0].data / 1000, hdus["RMS"].data / 1000
        image = images[row["source"]]["image"]
        np.testing.assert_allclose(plane(image, "flux"), flux, rtol=3e-7)
        good = np.isfinite(flux)
        np.testing.assert_allclose(plane(image, "ivar")[good], (1 / rms**2)[good], rtol=1e-6)
    [file, *_] = (hats / "lotss" / "dataset").glob("Norder=*/Dir=*/*.parquet")
    fields = pq.read_schema(file).field("image").type
    assert fields.field("flux").metadata[b"unit"] == b"Jy/beam"
    assert fields.field("ivar").metadata[b"unit"] == b"beam**2/Jy**2"


@pytest.mark.parametrize("case", ["gone", pytest.param("changed", marks=pytest.mark.slow)])
def test_images_that_are_not_as_they_were_are_one_line(tmp_path, case):
    write_sky(tmp_path / "images")
    build(tmp_path / "images", tmp_path / "out", recipe(**HATS))
    path = tmp_path / "images" / "turned_P1-mosaic.fits"
    if case == "gone":
        path.unlink()
    else:
        with fits.open(path, mode="update") as hdus:
            hdus[0].data[230, 100] += 1e-6
    expected = r"as hats: .* 1 of 6 sources .*turned: turned_P1-mosaic.fits is gone, or was changed"
    with pytest.raises(DatasetError, match=expected):
        mingolotss.export(tmp_path / "out", "hats", tmp_path / "export")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["images", "out"]


@pytest.mark.slow
def test_stamps_that_are_the_brightness_need_no_images(sky, tmp_path):
    """Their noise is not known without the images, and a line says so."""
    images = tmp_path / "images"
    shutil.copytree(sky, images)
    used = recipe(**HATS | {"steps": [], "stamp__kind": "float32"})
    build(images, tmp_path / "out", used)
    known = read_images(mingolotss.export(tmp_path / "out", "hats", tmp_path / "known").out)
    shutil.rmtree(images)
    done = mingolotss.export(tmp_path / "out", "hats", tmp_path / "export")
    assert "image has no inverse variances, which need the images" in done.notices[0]
    for source, row in read_images(done.out).items():
        flux = plane(row["image"], "flux")
        np.testing.assert_array_equal(flux, plane(known[source]["image"], "flux"))
        np.testing.assert_array_equal(flux, np.array(row["pixels"], "f4"))
        ivar = plane(row["image"], "ivar")
        assert np.isnan(ivar[np.isfinite(flux)]).all()
        assert not ivar[np.isnan(flux)].any()
        assert (plane(known[source]["image"], "ivar")[np.isfinite(flux)] > 0).all()


@pytest.mark.slow
def test_brightness_that_is_lost_is_one_line(sky, tmp_path):
    build(sky, tmp_path / "out", recipe(**HATS))
    mingolotss.export(tmp_path / "out", "parquet", tmp_path / "parquet")
    with pytest.raises(InputError, match=r"lost the brightness .* export the build itself"):
        mingolotss.export(tmp_path / "parquet", "hats", tmp_path / "export")


@pytest.mark.slow
def test_steps_that_use_the_mask_have_the_recorded_one(tmp_path):
    """The components are not read again; the mask of a pixel says nothing of the source."""
    sky = write_masked_sky(tmp_path / "sky")
    steps = [StepSettings(do=name) for name in ("zero-nan", "keep-source", "minmax")]
    build_masked(sky, tmp_path / "out", steps=tuple(steps), formats=("parquet",))
    sky.components.unlink()
    hats, exported = export_both(tmp_path / "out", tmp_path)
    images, stamps = read_images(hats, "masked"), mingolotss.load(tmp_path / "out")
    assert not stamps.images[stamps.masks != 1].any()
    for source, split, mask in zip(stamps.sources, stamps.splits, stamps.masks, strict=True):
        [path] = (exported / split).glob(f"{source}*.fits")
        check_units(path, images[source]["image"], [""])
        assert plane(images[source]["image"], "flux")[mask != 1].any()


@pytest.mark.slow
def test_downloads_are_read_and_not_fetched_again(tmp_path):
    """The server is gone when the collection is written."""
    images = write_images(tmp_path / "images")
    table = Table({"Source_Name": ["A"], "RA": [205.0], "DEC": [55.0]})
    table.write(tmp_path / "catalogue.csv")
    used = mingolotss.load_recipe("lotss").changed({
        "stamp.pixels": 20, "images.size_arcmin": 0.5, "recentre.enabled": False,
        "formats": ["parquet"], "noise.otherwise": "sigma-clipped", "catalogue.size": "",
        "catalogue.flux": "", "catalogue.field": "",
    })  # fmt: skip
    with running(Survey(images, tmp_path).replies()) as server:
        service = f"lotss-dr2:{server.url}/dr2-cutout.fits"
        mingolotss.build(
            used, out=tmp_path / "out", catalogue=tmp_path / "catalogue.csv", service=service
        )
    hats, exported = export_both(tmp_path / "out", tmp_path)
    [path] = exported.glob("*/*.fits")
    check_units(path, read_images(hats)["A"]["image"], [""])


@pytest.mark.slow
def test_rows_of_the_margin_are_those_of_the_catalogue(sky, tmp_path):
    """Two sources 5 arcsec apart, on both sides of an edge of partitions."""
    ra, dec = 180 + np.arange(-200, 200) / 3600, np.full(400, 52.0)
    edge = np.flatnonzero(np.diff(healpix_index(ra, dec) >> 2 * (29 - 12)))[1]
    images = tmp_path / "images"
    images.mkdir()
    for name, path in itertools.product("AB", sky.glob("sin_*.fits")):
        shutil.copyfile(path, images / path.name.replace("sin", name))
    pair = {"Source_Name": ["A", "B"], "RA": ra[[edge - 3, edge + 4]], "DEC": dec[:2]}
    Table(pair | {"Class": ["FR I", "FR II"]}).write(images / "catalogue.csv")
    used = recipe(**HATS | {"hats__partition_rows": 1})
    mingolotss.build(
        used, out=tmp_path / "out", catalogue=images / "catalogue.csv", service=f"folder:{images}"
    )
    calls = []
    done = mingolotss.export(
        tmp_path / "out", "hats", tmp_path / "export", progress=lambda *call: calls.append(call)
    )
    assert calls[0] == (0, 2, "reading images")
    assert calls[-1] == (2, 2, "reading images")
    own = read_images(done.out)
    margin = read_images(done.out, "lotss_10arcs")
    assert set(margin) == set(own) == {"A", "B"}
    for name, row in margin.items():
        np.testing.assert_equal(row, own[name])


@pytest.mark.slow
def test_other_images_under_the_same_stamps_renew_the_collection(tmp_path):
    """A pixel below the clip of a mosaic changes; another run of the same recipe keeps all."""
    folder, out = tmp_path / "mosaics", tmp_path / "out"
    folder.mkdir()
    header = fits.Header(PLAIN | {"CRPIX1": 150.5, "CRPIX2": 150.5})
    image = np.random.default_rng(5).normal(0, 1e-4, (300, 300)).astype("f4")
    image[148:152, 148:152] += 0.01
    fits.PrimaryHDU(image, header).writeto(folder / "P1-mosaic.fits")
    fits.PrimaryHDU(np.full_like(image, 1e-4), header).writeto(folder / "P1-mosaic-rms.fits")
    sources = Catalogue.from_columns(["a"], np.array([180.0]), np.array([52.0]))
    used = recipe(
        stamp__pixels=80, formats=["parquet", "hats"], hats__flux=True, classes__from="none",
        classes__column="",
    )  # fmt: skip
    fluxes, stamps, written = [], [], []
    for change in (0, 0, 1e-6):
        if change:
            with fits.open(folder / "P1-mosaic.fits", mode="update") as hdus:
                hdus[0].data[120, 120] = change
        mingolotss.build(used, out=out, catalogue=sources, service=f"mosaics:{folder}")
        [file] = (out / "hats" / "lotss" / "dataset").glob("Norder=*/Dir=*/*.parquet")
        fluxes.append(plane(read_images(out / "hats")["a"]["image"], "flux"))
        stamps.append(mingolotss.load(out).images[0].tobytes())
        written.append(file.stat().st_mtime_ns)
    assert stamps[0] == stamps[1] == stamps[2]
    assert written[0] == written[1] != written[2]
    np.testing.assert_array_equal(fluxes[0], fluxes[1])
    assert (fluxes[2] != fluxes[1]).sum() == 1
    assert (fluxes[2] == np.float32(1e-6)).sum() == 1


@pytest.mark.slow
def test_workers_write_the_same_bytes_and_name_the_same_sources(tmp_path, monkeypatch):
    """An image is changed after the images were looked at: the worker that reads it notices."""
    images = tmp_path / "images"
    write_sky(images)
    build(images, tmp_path / "out", recipe(**HATS | {"hats__partition_rows": 1}))
    with processes(2) as mapper:
        alone, together = (
            mingolotss.export(tmp_path / "out", "hats", tmp_path / name, mapper=one).out
            for name, one in (("alone", map), ("together", mapper))
        )
        assert contents(together) == contents(alone)
        with fits.open(images / "turned_P1-mosaic.fits", mode="update") as hdus:
            hdus[0].data[230, 100] += 1e-6
        monkeypatch.setattr(RecordedSources, "changed", lambda _: [])
        for one in (map, mapper):
            with pytest.raises(DatasetError, match=r"1 of \d sources of one task .*turned: turned"):
                mingolotss.export(tmp_path / "out", "hats", tmp_path / "export", mapper=one)
            assert not (tmp_path / "export").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["object_id", "stamp", "Npix"])
def test_a_kept_column_with_the_name_of_a_column_of_collections(sky, tmp_path, name):
    table = Table.read(sky / "catalogue.csv")
    table[name] = range(len(table))
    table.write(tmp_path / "catalogue.csv")
    mingolotss.build(
        recipe(formats=["parquet"], catalogue__keep=[name]), out=tmp_path / "out",
        catalogue=tmp_path / "catalogue.csv", service=f"folder:{sky}",
    )  # fmt: skip
    with pytest.raises(InputError, match=f"{name}.*, which is kept from the catalogue"):
        mingolotss.export(tmp_path / "out", "hats", tmp_path / "export")
    assert not (tmp_path / "export").exists()
