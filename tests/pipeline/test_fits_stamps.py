"""FITS stamps: astropy finds each source where the WCS says, and the pixels give the stamp."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import mingolotss
from builds import contents
from fits_skies import (
    BEAM,
    KINDS,
    PLACES,
    PLAIN,
    SIDE,
    build,
    build_channels,
    pattern,
    recipe,
    sky_pixel,
    stamp_file,
    write_sky,
)
from hips2fits_server import Hips, hips2fits, hips_address, spots
from mingolotss.candidates.selection import source_pixel
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.file_names import format_file_name
from mingolotss.pipeline.stamps import stamp_of_cutout
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.recipe.steps import Stack, finish, run_steps
from mingolotss.testing import Image
from survey_server import survey


def peak_near(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """Return the place of a point source near a pixel: a parabola of the logarithm."""
    column, row = round(x), round(y)
    box = image[row - 1 : row + 2, column - 1 : column + 2].astype(float)
    box = np.log(np.maximum(box, 1e-4))
    dy, dx = np.mgrid[-1:2, -1:2]
    terms = np.stack([np.ones(9), dx.ravel(), dy.ravel(), dx.ravel() ** 2, dy.ravel() ** 2,
                      (dx * dy).ravel()], 1)  # fmt: skip
    _, a, b, c, d, e = np.linalg.lstsq(terms, box.ravel(), rcond=None)[0]
    px, py = np.linalg.solve([[2 * c, e], [e, 2 * d]], [-a, -b])
    return column + px, row + py


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits") / "images"
    return folder, write_sky(folder)


@pytest.fixture(scope="module")
def native(sky, tmp_path_factory):
    out = tmp_path_factory.mktemp("native") / "out"
    return out, build(sky[0], out, recipe()), recipe()


FEW = ("native", "binned", "convolved and turned")
NO_WINDOWS = ("sized", "convolved and turned", "averaged last")


def _slow(cases: Iterable[tuple | str], fast: Collection[tuple | str]) -> list:
    """Leave all cases but a few to the slow suite."""
    return [one if one in fast else pytest.param(one, marks=pytest.mark.slow) for one in cases]


@pytest.mark.parametrize("kind", _slow(KINDS, FEW))
def test_sources_are_where_the_wcs_of_the_stamp_says(sky, tmp_path, kind):
    """Every kind of stamp and header: centre within half a pixel, the pattern within a tenth."""
    folder, centres = sky
    used, measured = recipe(**KINDS[kind]), 0
    for row in build(folder, tmp_path / "out", used):
        with fits.open(stamp_file(tmp_path / "out", row), checksum=True) as hdus:
            hdus.verify("exception")
            image, wcs = hdus[0].data, WCS(hdus[0].header)
            others = [WCS(hdu.header) for hdu in hdus[1:]]
        side = used.stamp.pixels
        assert image.shape == (side, side)
        assert image.dtype == ">f4"
        centre = centres[row["source"]]
        x, y = sky_pixel(wcs, centre)
        if row["source"] != "edge" or row.get("resampling"):
            tolerance = (
                0.1 if row.get("resampling") else 0.51 if used.stamp.pixel_arcsec == 0 else 1
            )
            assert abs(x - side // 2) < tolerance
            assert abs(y - side // 2) < tolerance
        for position in pattern(centre):
            x, y = sky_pixel(wcs, position)
            if not (3 < x < side - 4 and 3 < y < side - 4):
                continue
            if not np.isfinite(image[round(y), round(x)]):
                assert row["source"] == "edge"
                continue
            measured += 1
            assert np.hypot(*np.subtract(peak_near(image, x, y), (x, y))) < 0.1
            for other in others:
                assert sky_pixel(other, position) == pytest.approx((x, y), abs=1e-9)
    assert measured > 3 * len(PLACES)


def test_the_pixels_are_those_of_the_image_bit_for_bit(sky, native):
    """A window of the image, without clip, mask and scaling; the history says where it is."""
    folder, _ = sky
    out, rows, _ = native
    for row in rows:
        with fits.open(stamp_file(out, row)) as hdus:
            stamp, history = hdus[0].data, " ".join(hdus[0].header["HISTORY"])
        x0, y0 = (
            int(number) - 1 for number in history.split("its pixel (")[1].split(")")[0].split(", ")
        )
        image = fits.getdata(folder / f"{row['source']}_P1-mosaic.fits")
        expected = np.full(stamp.shape, np.nan, "f4")
        ys, xs = np.arange(150) + y0, np.arange(150) + x0
        inside = np.ix_((ys >= 0) & (ys < SIDE), (xs >= 0) & (xs < SIDE))
        expected[inside] = image[np.ix_(ys[(ys >= 0) & (ys < SIDE)], xs[(xs >= 0) & (xs < SIDE)])]
        np.testing.assert_array_equal(stamp, expected)


@pytest.mark.parametrize("kind", _slow(FEW, ["binned"]))
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_steps_of_the_recipe_give_the_stamp(tmp_path, kind, dtype):
    """Read by astropy, through the steps: the SHA-256 of the manifest, where the file says so."""
    write_sky(tmp_path / "images", dtype=dtype, rms=dtype == "f4")
    used = recipe(**KINDS[kind])
    repeated = 0
    for row in build(tmp_path / "images", tmp_path / "out", used):
        with fits.open(stamp_file(tmp_path / "out", row)) as hdus:
            brightness, rms = (hdus[index].data.astype("f4")[None] for index in (0, 1))
            header = hdus[0].header
        stack = run_steps(Stack(brightness, rms, used.stamp.pixels), used.step_list)
        pixels, _ = finish(stack, "uint8")
        equal = hashlib.sha256(pixels[0].tobytes()).hexdigest() == row["pixels_sha256"]
        assert header["STEPSEQ"] is equal
        assert header["STAMPSHA"] == row["pixels_sha256"]
        repeated += equal
    # A block with pixels without data has no mean, and the recipe took 0 for these pixels.
    assert repeated >= len(PLACES) - (kind == "binned") or dtype == "f8"


def test_the_mask_says_why_a_pixel_is_0(native):
    """1 no data, 2 clipped, 4 outside of the disc; the others are the pixels of the stamp."""
    out, rows, _ = native
    seen = set()
    for row in rows:
        with fits.open(stamp_file(out, row)) as hdus:
            brightness, rms, mask = (hdu.data for hdu in hdus)
        y, x = np.mgrid[:150, :150]
        np.testing.assert_array_equal((mask & 1) > 0, ~np.isfinite(brightness))
        np.testing.assert_array_equal((mask & 4) > 0, np.hypot(x - 75, y - 75) > 75)
        known = np.isfinite(brightness)
        clipped = (brightness <= np.float32(3) * rms) & known
        np.testing.assert_array_equal((mask & 2) > 0, clipped)
        seen |= {*np.unique(mask).tolist()}
    assert {0, 1, 2, 4, 6} <= seen


def test_the_header_says_what_the_stamp_is(native):
    """Position, beam, frequency, unit, source, image with its checksum, recipe, and the history."""
    out, rows, used = native
    row = rows[0]
    path = stamp_file(out, row)
    header = fits.getheader(path)
    assert (header["OBJECT"], header["CLASS"], header["BUNIT"]) == ("sin", "FR I", "Jy/beam")
    assert header["LABEL"] == row["label"]
    assert header["SPLIT"] == row["split"]
    assert (header["RA_OBJ"], header["DEC_OBJ"]) == pytest.approx((row["ra"], row["dec"]))
    assert header["BMAJ"] == pytest.approx(BEAM / 3600)
    assert header["BPA"] == pytest.approx(12.5)
    assert header["RESTFRQ"] == 144e6
    assert header["TELESCOP"] == "LOFAR"
    assert header["RADESYS"] == "ICRS"
    image = (path.parents[2] / "x").parent  # the folder is not in the file: only the name is
    assert str(image) not in path.read_bytes().decode("ascii", "ignore")
    assert header["IMAGE"] == "sin_P1-mosaic.fits"
    assert header["RECIPE"] == "lotss"
    assert header["RECIPSHA"] == used.digest
    assert header["CREATOR"] == f"mingolotss {mingolotss.__version__}"
    assert header["NOISE"] == pytest.approx(row["noise_jy"])
    history = " ".join(header["HISTORY"])
    assert "clip (sigma = 3.0), mask (radius = 75.0), minmax (inside = False)" in history
    assert "DATE" not in header
    turned = fits.getheader(stamp_file(out, rows[1]))
    assert (turned["RADESYS"], turned["EQUINOX"]) == ("FK5", 2000.0)


def test_the_checksum_of_the_image_is_that_of_its_file(sky, native):
    out, rows, _ = native
    for row in rows:
        header = fits.getheader(stamp_file(out, row))
        file = sky[0] / header["IMAGE"]
        assert header["IMAGESHA"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_fitsverify_finds_nothing(native):
    """The program of HEASARC, where it is installed (apt-get install fitsverify)."""
    program = shutil.which("fitsverify")
    if program is None:
        pytest.skip("fitsverify is not installed")
    out, rows, _ = native
    for row in rows:
        done = subprocess.run(
            [program, "-q", stamp_file(out, row)], capture_output=True, text=True, check=False
        )
        assert "verification OK" in done.stdout, done.stdout


def test_an_export_gives_the_bytes_of_the_build(sky, native, tmp_path):
    """From the images of the record; then verified, loaded as brightness, and compared."""
    out, rows, _ = native
    mingolotss.export(out, "fits", tmp_path / "export")
    for row in rows:
        built = stamp_file(out, row)
        exported = tmp_path / "export" / row["split"] / built.name
        assert exported.read_bytes() == built.read_bytes()
    checked = mingolotss.verify(tmp_path / "export")
    assert checked.good, checked.problems
    assert mingolotss.verify(out).good
    arrays = mingolotss.load(tmp_path / "export")
    assert arrays.images.dtype == np.float32
    assert arrays.sources == tuple(row["source"] for row in rows)
    assert arrays.labels.tolist() == [row["label"] for row in rows]
    assert arrays.splits == tuple(row["split"] for row in rows)
    np.testing.assert_array_equal(arrays.images[0], fits.getdata(stamp_file(out, rows[0])))
    assert mingolotss.compare(tmp_path / "export", out).pixels == []


@pytest.mark.parametrize(
    "kind", _slow(["sized", "convolved and turned", "averaged last"], ["sized"])
)
def test_an_export_of_stamps_that_are_no_windows(sky, tmp_path, kind):
    """Sizes, angles and beams are taken from the record: the same bytes, verified and compared."""
    out = tmp_path / "out"
    rows = build(sky[0], out, recipe(**KINDS[kind]))
    exported = mingolotss.export(out, "fits", tmp_path / "export").out
    for row in rows:
        built = stamp_file(out, row)
        assert (exported / row["split"] / built.name).read_bytes() == built.read_bytes()
    assert mingolotss.verify(exported).good
    assert mingolotss.compare(exported, out).pixels == []


@pytest.mark.slow
def test_the_history_names_each_operation(sky, tmp_path):
    """Convolved, resampled, turned; and the beam of the header is that of the unit."""
    (row, *_) = build(sky[0], tmp_path / "out", recipe(**KINDS["convolved and turned"]))
    header = fits.getheader(stamp_file(tmp_path / "out", row))
    history = " ".join(header["HISTORY"])
    assert (
        "Convolved from the beam of the image, 6 x 6 arcsec, to 9 x 9 arcsec, less what resampling "
        "adds." in history
    )
    assert "Resampled (adaptive) from sin_P1-mosaic.fits onto 140 x 140 pixels" in history
    assert header["BMAJ"] == pytest.approx(9 / 3600)
    assert row["stamp_beam_major_arcsec"] == pytest.approx(9)
    assert "PSFMAJ" not in header
    (row, *_) = build(sky[0], tmp_path / "turned", recipe(**KINDS["turned"]))
    header = fits.getheader(stamp_file(tmp_path / "turned", row))
    assert header["BMAJ"] == pytest.approx(6 / 3600)
    assert header["PSFMAJ"] == pytest.approx(row["stamp_beam_major_arcsec"] / 3600)
    (row, *_) = build(sky[0], tmp_path / "averaged", recipe(**KINDS["averaged last"]))
    history = " ".join(fits.getheader(stamp_file(tmp_path / "averaged", row))["HISTORY"])
    assert "each pixel is the mean of 3 x 3 pixels of the image." in history


def test_the_same_build_gives_the_same_bytes_and_resumes(sky, native, tmp_path):
    out, rows, used = native
    build(sky[0], tmp_path / "again", used)
    assert contents(tmp_path / "again") == contents(out)
    before = contents(tmp_path / "again")
    file = stamp_file(tmp_path / "again", rows[0])
    file.unlink()
    assert not mingolotss.verify(tmp_path / "again").good
    for part in (tmp_path / "again" / "ledger").iterdir():
        part.unlink()
    build(sky[0], tmp_path / "again", used)
    assert contents(tmp_path / "again") == before


@pytest.mark.parametrize("case", _slow(["gone", "changed", "clipped pixels changed"], ["gone"]))
def test_an_image_that_is_not_as_it_was(tmp_path, case):
    """One line that names the source and the image; nothing is left behind."""
    write_sky(tmp_path / "images")
    build(tmp_path / "images", tmp_path / "out", recipe())
    path = tmp_path / "images" / "turned_P1-mosaic.fits"
    if case == "gone":
        path.unlink()
    else:
        with fits.open(path, mode="update") as hdus:
            hdus[0].data[150:160, 150:160] += 0.2 if case == "changed" else 0
            hdus[0].data[230, 100] += 1e-6
    with pytest.raises(DatasetError, match=r"1 of 6 sources .*turned: turned_P1-mosaic.fits is go"):
        mingolotss.export(tmp_path / "out", "fits", tmp_path / "export")
    assert not (tmp_path / "export").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["images", "out"]


def test_damage_is_found(native, tmp_path):
    """A pixel, a label, and a file that is cut short, each in one line that names the file."""
    out, rows, _ = native
    mingolotss.export(out, "fits", tmp_path / "export")
    names = [f"{row['image_file'].removesuffix('.png')}.fits" for row in rows]
    paths = [next((tmp_path / "export").glob(f"*/{name}")) for name in names]
    raw = bytearray(paths[0].read_bytes())
    raw[len(raw) // 4] ^= 1
    paths[0].write_bytes(raw)
    fits.setval(paths[1], "LABEL", value=1 - rows[1]["label"])
    paths[2].write_bytes(paths[2].read_bytes()[:9000])
    problems = "\n".join(mingolotss.verify(tmp_path / "export").problems)
    assert f"{names[0]}: damaged (its data have the DATASUM" in problems
    assert f"{names[1]}: its source, label or split is not the manifest's" in problems
    assert f"{names[2]}: not a whole FITS export (it ends after 9000" in problems
    with pytest.raises(DatasetError, match="it ends after 9000"):
        mingolotss.load(tmp_path / "export")


def test_an_export_has_other_labels_and_splits_than_its_build(native, tmp_path):
    """Merged classes and a new split stand in the headers, in the folders and in the index."""
    out, _, _ = native
    mingolotss.export(
        out, "fits", tmp_path / "export", split="k-fold:folds=2,seed=1", merge={"two": ["FR II"]}
    )
    files = sorted((tmp_path / "export").glob("*/*.fits"))
    assert {path.parent.name for path in files} <= {"fold-0", "fold-1"}
    assert len(files) == 3
    for path in files:
        header = fits.getheader(path)
        assert (header["CLASS"], header["LABEL"]) == ("two", 0)
        assert header["SPLIT"] == path.parent.name
    index = Table.read(tmp_path / "export" / "index.csv")
    assert sorted(index["file"]) == [f"{path.parent.name}/{path.name}" for path in files]
    assert mingolotss.verify(tmp_path / "export").good


def test_float32_stamps_without_steps_are_the_brightness(sky, tmp_path):
    """Also without their images: from a Parquet export, as stored."""
    used = recipe(steps=[], stamp__kind="float32", formats=["parquet"])
    build(sky[0], tmp_path / "out", used)
    mingolotss.export(tmp_path / "out", "parquet", tmp_path / "parquet")
    mingolotss.export(tmp_path / "parquet", "fits", tmp_path / "stored")
    mingolotss.export(tmp_path / "out", "fits", tmp_path / "again")
    stored, again = mingolotss.load(tmp_path / "stored"), mingolotss.load(tmp_path / "again")
    np.testing.assert_array_equal(stored.images, again.images)
    np.testing.assert_array_equal(stored.images, mingolotss.load(tmp_path / "out").images)
    for name in ("stored", "again"):
        checked = mingolotss.verify(tmp_path / name)
        assert checked.good, checked.problems
    with fits.open(next((tmp_path / "stored").glob("*/*.fits"))) as hdus:
        assert [hdu.name for hdu in hdus] == ["BRIGHTNESS", "MASK"]


def test_float32_stamps_whose_images_are_gone(tmp_path):
    """They are written as stored, and a line says that the noise needs the images."""
    write_sky(tmp_path / "images")
    used = recipe(steps=[], stamp__kind="float32", formats=["parquet"])
    build(tmp_path / "images", tmp_path / "out", used)
    shutil.rmtree(tmp_path / "images")
    done = mingolotss.export(tmp_path / "out", "fits", tmp_path / "export")
    assert "no maps of the noise, which need the images" in done.notices[0]
    images = mingolotss.load(tmp_path / "export").images
    np.testing.assert_array_equal(images, mingolotss.load(tmp_path / "out").images)


def test_stamps_without_brightness_and_images(sky, native, tmp_path):
    out, _, _ = native
    mingolotss.export(out, "parquet", tmp_path / "parquet")
    with pytest.raises(InputError, match="export the build itself, whose record names the images"):
        mingolotss.export(tmp_path / "parquet", "fits", tmp_path / "export")


def test_names_that_a_header_or_a_disk_cannot_hold(sky, tmp_path):
    """Umlauts, quotes, percent signs, an ampersand at the end, 300 letters: nothing is lost."""
    folder, _ = sky
    names = ["Größe & 'Q' 50%", "x" * 300, "ends with &", "tab\tand /", "名前", "&"]
    images = tmp_path / "images"
    images.mkdir()
    table = Table.read(folder / "catalogue.csv")
    used = recipe(images__image="{source}_{field}-mosaic.fits")
    for old, new in zip(table["Source_Name"], names, strict=True):
        for suffix in ("-mosaic.fits", "-mosaic-rms.fits"):
            name = format_file_name("{source}_{field}" + suffix, source=new, field="P1")
            shutil.copyfile(folder / f"{old}_P1{suffix}", images / name)
    table["Source_Name"] = names
    table["Class"] = ["FR Ä", "FR Ä", "50 % 'ring'", "50 % 'ring'", "FR Ä", "FR Ä"]
    table.write(images / "catalogue.ecsv")
    mingolotss.build(
        used, out=tmp_path / "out", catalogue=images / "catalogue.ecsv", service=f"folder:{images}"
    )
    mingolotss.export(tmp_path / "out", "fits", tmp_path / "export")
    assert mingolotss.verify(tmp_path / "export").good
    arrays = mingolotss.load(tmp_path / "export")
    read = {}
    for path in (tmp_path / "export").glob("*/*.fits"):
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            read[hdus[0].header["OBJECT"]] = hdus[0].header["CLASS"]
    (tmp_path / "export" / "manifest.parquet").unlink()
    without = mingolotss.load(tmp_path / "export")
    assert {*without.sources} == {*arrays.sources} == {*names}
    assert set(read.values()) == {"FR %C3%84", "50 %25 'ring'"}


@pytest.fixture(scope="module")
def several(sky, tmp_path_factory):
    """Stamps of three channels: one of the same images, and one of no images but one."""
    root = tmp_path_factory.mktemp("channels")
    used = build_channels(sky[0], root)
    return root / "out", read_manifest(root / "out").to_pylist(), used


@pytest.mark.slow
def test_channels_are_extensions(sky, several, tmp_path):
    """The reference is the primary unit; each has its pixels, its noise and its mask."""
    out, rows, _ = several
    for row in rows:
        with fits.open(stamp_file(out, row), checksum=True) as hdus:
            hdus.verify("exception")
            names = [hdu.name.lower() for hdu in hdus]
            assert names[:6] == ["low", "low_rms", "low_mask", "high", "high_rms", "high_mask"]
            np.testing.assert_array_equal(hdus["high"].data, hdus["low"].data)
            is_there = row["source"] == "sip"
            assert hdus["none"].header["MISSING"] is not is_there
            assert ("NONE_RMS" in hdus) is is_there
            if not is_there:
                assert np.isnan(hdus["none"].data).all()
            assert {str(WCS(hdu.header).wcs.crpix.tolist()) for hdu in hdus} == {
                str([row["crpix1"], row["crpix2"]])
            }
    exported = mingolotss.export(out, "fits", tmp_path / "export").out
    for row in rows:
        built = stamp_file(out, row)
        assert (exported / row["split"] / built.name).read_bytes() == built.read_bytes()
    for folder in (out, exported):
        checked = mingolotss.verify(folder)
        assert checked.good, checked.problems
    arrays = mingolotss.load(exported)
    assert arrays.channels == ("high", "low", "none")
    assert arrays.images.shape == (len(rows), 3, 150, 150)
    with fits.open(stamp_file(out, rows[0])) as hdus:
        np.testing.assert_array_equal(arrays.images[0, 1], hdus[0].data)
    assert mingolotss.compare(exported, out).pixels == []


def check_review_cutouts(out: Path, rows: list[dict]) -> None:
    """Cutouts that the review page downloads again give the stamps of the build."""
    view = BuildView.read(out)
    cutouts, arrays = CutoutCache(view, remote=True), mingolotss.load(out)
    for row, stamp in zip(rows, arrays.images, strict=True):
        source = view.source(row["row"])
        cutout = cutouts.get(source, view.candidate_rows(row["row"])[0].candidate)
        pixel = source_pixel(cutout, source.ra, source.dec)
        shown = stamp_of_cutout(cutout, pixel, view.reference_recipe, view.stamp_place(row["row"]))
        np.testing.assert_array_equal(shown, stamp)


@contextlib.contextmanager
def cut_when_planned(_folder: Path, ra: np.ndarray, dec: np.ndarray) -> Iterator[str]:
    """Run a server whose addresses have the size of the cutout; yield that of the service."""
    light = Hips("optical", spots(ra, dec, np.ones(2), 30.0))
    with hips2fits({"CDS/P/T/r": light}) as server:
        yield hips_address(server, "CDS/P/T/r")


@contextlib.contextmanager
def cut_when_read(folder: Path, ra: np.ndarray, dec: np.ndarray) -> Iterator[str]:
    """Run a server of whole mosaics, of which a range is read; yield the address of the service."""
    (folder / "mosaics").mkdir()
    path = folder / "mosaics" / "P1-mosaic.fits"
    header = fits.Header(PLAIN | {"CRVAL1": ra.mean(), "CRVAL2": dec.mean()})
    header.update(CRPIX1=500.5, CRPIX2=300.5)
    pixels = np.random.default_rng(5).normal(0, 1e-4, (600, 1000)).astype("f4")
    fits.PrimaryHDU(pixels, header).writeto(path)
    with survey([Image("P1", path, path)], path.parent) as server:
        yield f"ranges:{server.url}/files"


@pytest.mark.slow
@pytest.mark.parametrize("running", [cut_when_planned, cut_when_read])
def test_downloads_are_as_large_as_the_stamps_need(tmp_path, running):
    """Stamps that are larger than `images.size_arcmin`, of downloads that are gone."""
    ra, dec = np.array([150.0, 150.2]), np.array([20.0, 20.1])
    kept = pa.table({"Width": pa.array([40.0, 150.0])})
    catalogue = Catalogue.from_columns(["a", "b"], ra, dec, kept=kept)
    used = recipe(
        stamp__pixels=40, stamp__size="2 * Width", images__size_arcmin=1.0,
        noise__method="sigma-clipped", formats=["parquet"], classes__from="none",
        classes__column="", images__rms="",
    )  # fmt: skip
    out = tmp_path / "out"
    with running(tmp_path, ra, dec) as service:
        built = mingolotss.build(used, out=out, catalogue=catalogue, service=service)
        assert built.written == 2
        rows = read_manifest(out).to_pylist()
        assert [row["stamp_size_arcsec"] for row in rows] == [80, 300]
        assert max(row["percent_nan"] for row in rows) == 0
        shutil.rmtree(out / "cutouts")
        check_review_cutouts(out, rows)
        shutil.rmtree(out / "cutouts", ignore_errors=True)
        mingolotss.export(out, "fits", tmp_path / "fits")
    assert mingolotss.verify(tmp_path / "fits").good
    assert mingolotss.compare(out, tmp_path / "fits").identical == 2
