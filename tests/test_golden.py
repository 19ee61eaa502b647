"""The output is identical, pixel for pixel, to that of the original program and to MiraBest.

The first half needs nothing but `tests/data/golden`, which is part of the repository. The full
set of twelve sources, the published MiraBest images and the real catalogue are in ``../shared``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from PIL import Image

import oracle
from builds import run
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe

GOLDEN = Path(__file__).parent / "data" / "golden"
STAMP_START = 120 - 75  # first row and column of the stamp in a cutout of 240 pixels
NARROW, TIE, UNDECIDED = "narrow", "tie", "undecided"


def grey(path):
    """Return the pixels of a PNG image."""
    return np.asarray(Image.open(path))


def count_different(expected, actual):
    """Return how many of the images in a folder differ in any pixel."""
    names = sorted(path.name for path in expected.glob("*.png"))
    assert names == sorted(path.name for path in actual.glob("*.png"))
    return sum(bool((grey(expected / n) != grey(actual / n)).any()) for n in names)


def build_golden(folder, out):
    """Build from a folder as a person would, from the command line."""
    completed = run(
        "build", "--catalogue", folder / "catalogue.fits", "--service", f"folder:{folder / 'fits'}",
        "--out", out,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr


def assert_equals_the_original(folder, out):
    """Compare the images and the table of a build with those of the original program."""
    assert count_different(folder / "png", out / "png") == 0
    with (folder / "expected.csv").open() as a, (out / "MingoML.csv").open() as b:
        for expected, actual in zip(csv.DictReader(a), csv.DictReader(b), strict=True):
            for column in ("Source ID", "Field", "Class", "Map File", "Image File"):
                assert actual[column] == expected[column]
            assert float(actual["Percentage NaN"]) == float(expected["Percentage NaN"])
            separation = float(expected["Separation"])
            assert float(actual["Separation"]) == pytest.approx(separation, abs=1e-6)


def candidates_of(folder, source):
    """Return {field: (image, rms map)} of a source, by the names of the files."""
    images = sorted((folder / "fits").glob(f"{source}_*-mosaic.fits"))
    return {
        path.name[len(source) + 1 : -len("-mosaic.fits")]: (
            path,
            path.with_name(path.name.replace("-mosaic.fits", "-mosaic-rms.fits")),
        )
        for path in images
    }


def padded_sides(path, ra, dec):
    """Return the sides of an image at which recentring adds pixels, e.g. {"columns before"}."""
    data, wcs = oracle.open_image(path)
    x, y = (float(v) for v in wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")))
    sides = set()
    for name, length, position in (("rows", data.shape[0], y), ("columns", data.shape[1], x)):
        if int(length - 2 * position) > 0:
            sides.add(f"{name} before")
        elif int(2 * position - length) > 0:
            sides.add(f"{name} after")
    return sides


def survey_of(folder):
    """Return, of all sources in a folder: cases, padded sides, ties, ties of usable fields."""
    cases, sides, ties, usable_ties = set(), set(), 0, 0
    for row in Table.read(folder / "catalogue.fits"):
        ra, dec = row["RA"], row["DEC"]
        files = candidates_of(folder, row["Source_Name"])
        result = oracle.make(files, ra, dec)
        cases.add(result["case"])
        if result["recentred"]:
            sides |= padded_sides(files[result["field"]][0], ra, dec)
        measured = [oracle.measure(image, ra, dec) for image, _ in files.values()]
        ties += len({separation for separation, _ in measured}) < len(measured)
        usable = [separation for separation, percent_nan in measured if percent_nan < 100]
        usable_ties += len(set(usable)) < len(usable)
    return cases, sides, ties, usable_ties


def write_part(folder, source, field, pair, rows, columns, *, noise=1.0, fill=None):
    """Write rows and columns of an image and its rms map as the cutout of another source."""
    for path, end in zip(pair, ("mosaic", "mosaic-rms"), strict=True):
        with fits.open(path) as hdus:
            data, header = hdus[0].data[rows, columns], hdus[0].header
            header["CRPIX1"] -= columns.start or 0
            header["CRPIX2"] -= rows.start or 0
            if fill is not None:
                data = np.nan_to_num(data, nan=fill)
            if end == "mosaic-rms":
                data = data * np.float32(noise)
            fits.writeto(folder / f"{source}_{field}-{end}.fits", data, header)


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Make what the original set lacks; return its folder and the expected images.

    Each source is one of the committed sources under another name. Where columns or rows of its
    cutout are cut off, the expected image is the original program's with 0 in their place;
    where a second field is offered, it is the original program's image of the first one.
    """
    folder = tmp_path_factory.mktemp("variants")
    (folder / "fits").mkdir()
    catalogue = Table.read(GOLDEN / "catalogue.fits")
    row_of = {row["Source_Name"]: row for row in catalogue}
    full, partial = "ILTJ113922.05+500353.6", "ILTJ131645.92+565701.8"
    field, everything = "P11Hetdex12", slice(None)
    parts = {
        "columns-before": (everything, slice(60, None)),
        "rows-after": (slice(0, 180), everything),
        NARROW: (everything, slice(60, 180)),
    }
    rows, expected = [], {}
    original = grey(GOLDEN / "png" / f"{full}_{field}.png")
    for name, (part_y, part_x) in parts.items():
        write_part(folder / "fits", name, field, candidates_of(GOLDEN, full)[field], part_y, part_x)
        present = np.zeros((240, 240), bool)
        present[part_y, part_x] = True
        stamp = slice(STAMP_START, STAMP_START + 150)
        expected[name] = np.where(present[stamp, stamp], original, 0)
        rows.append((name, row_of[full]))
    second = "P99"  # after the first in the order of names, which decides a tie
    for name, source, (part_y, part_x), change in (
        (TIE, full, (everything, everything), {"noise": 10}),
        (UNDECIDED, partial, (everything, slice(0, 210)), {"fill": 0}),
    ):
        pair = candidates_of(GOLDEN, source)[field]
        write_part(folder / "fits", name, field, pair, everything, everything)
        write_part(folder / "fits", name, second, pair, part_y, part_x, **change)
        expected[name] = grey(GOLDEN / "png" / f"{source}_{field}.png")
        rows.append((name, row_of[source]))
    table = Table(rows=[tuple(row) for _, row in rows], names=catalogue.colnames)
    table["Source_Name"] = [name for name, _ in rows]
    table.write(folder / "catalogue.fits")
    return folder, expected


def test_the_committed_set_gives_the_images_and_the_table_of_the_original(tmp_path):
    """Six of six images are identical to those of the original program, and so is its table."""
    build_golden(GOLDEN, tmp_path / "out")
    assert_equals_the_original(GOLDEN, tmp_path / "out")


def test_the_committed_set_has_every_case(variants):
    """One candidate and cases 1 to 4, recentring at each side, and ties, computed from the files.

    What the original set has is in the committed files themselves; the rest is in their variants.
    """
    cases, sides, ties, _ = survey_of(GOLDEN)
    assert cases == {0, 1, 2, 3}
    assert sides == {"rows before", "columns after"}
    assert ties == 1
    more_cases, more_sides, _, usable_ties = survey_of(variants[0])
    assert cases | more_cases == {0, 1, 2, 3, 4}
    assert sides | more_sides == {
        "rows before", "rows after", "columns before", "columns after",
    }  # fmt: skip
    assert usable_ties == 1


@pytest.mark.slow
def test_variants_give_the_original_images_where_their_pixels_are(variants, tmp_path):
    """The pixels are the original program's where the cutout has pixels, and 0 elsewhere."""
    folder, expected = variants
    build_golden(folder, tmp_path)
    written = {path.stem: grey(path) for path in (tmp_path / "png").iterdir()}
    assert sorted(written) == sorted(f"{name}_P11Hetdex12" for name in expected)
    for name, pixels in expected.items():
        np.testing.assert_array_equal(written[f"{name}_P11Hetdex12"], pixels, name)
    rows = {row["source"]: row for row in read_manifest(tmp_path).to_pylist()}
    assert {name: row["case"] for name, row in rows.items()} == {
        "columns-before": 0, "rows-after": 0, NARROW: 0, TIE: 1, UNDECIDED: 4,
    }  # fmt: skip
    assert [name for name, row in rows.items() if row["recentred"]] == [
        "columns-before", "rows-after", NARROW,
    ]  # fmt: skip
    assert [name for name, row in rows.items() if row["undecided"]] == [UNDECIDED]


def test_variants_lose_pixels_that_were_not_zero(variants):
    """The comparison of cut-off cutouts tests more than a field of zeros."""
    original = grey(GOLDEN / "png" / "ILTJ113922.05+500353.6_P11Hetdex12.png")
    for name in ("columns-before", NARROW):
        assert 0 < np.count_nonzero(variants[1][name]) < np.count_nonzero(original)


@pytest.mark.parametrize("choose", [TIE, UNDECIDED])
def test_the_second_field_of_a_variant_gives_another_image(variants, tmp_path, choose):
    """Without the first field the image differs, so the comparison shows which field was taken."""
    folder, expected = variants
    files = candidates_of(folder, choose)
    row = next(row for row in Table.read(folder / "catalogue.fits") if row["Source_Name"] == choose)
    result = oracle.make({"P99": files["P99"]}, row["RA"], row["DEC"])
    assert (result["pixels"] != expected[choose]).any()


def test_the_committed_files_are_those_of_the_full_set(shared):
    """Images, rms maps and PNG are the same bytes; catalogue and table have the same rows."""
    full = shared / "golden"
    for path in [*GOLDEN.glob("fits/*"), *GOLDEN.glob("png/*")]:
        assert path.read_bytes() == (full / path.relative_to(GOLDEN)).read_bytes(), path.name
    lines = (full / "expected.csv").read_text().splitlines()
    assert set((GOLDEN / "expected.csv").read_text().splitlines()) <= set(lines)
    catalogue, part = (fits.getdata(one / "catalogue.fits") for one in (full, GOLDEN))
    assert part.dtype == catalogue.dtype
    assert {row.tobytes() for row in np.asarray(part)} <= {
        row.tobytes() for row in np.asarray(catalogue)
    }


def test_golden_images_and_table(shared, tmp_path):
    """12 of 12 images of the full set are identical to the original's, and so is its table."""
    build_golden(shared / "golden", tmp_path)
    assert_equals_the_original(shared / "golden", tmp_path)


def test_mirabest_images(shared, tmp_path):
    """8 of 8 published MiraBest images are identical, and their labels are the published ones."""
    first, out = shared / "data" / "first", tmp_path / "out"
    done = run("build", "mirabest", "--service", f"folder:{first / 'fits'}", "--out", out)
    assert done.returncode == 0, done.stderr
    assert count_different(first / "png", out / "png") == 0
    rows = read_manifest(out, ["source", "label"]).to_pylist()
    with (first / "expected.csv").open() as stream:
        expected = {row["name"]: int(row["label"]) for row in csv.DictReader(stream)}
    assert {row["source"]: row["label"] for row in rows} == expected


def test_real_lotss_without_an_rms_map(shared, tmp_path):
    """27 real sources, float64, no labels; the estimated noise is the catalogue's within 5 %."""
    from astropy.table import Table

    folder = shared / "data" / "lotss-dr1"
    summary = build(
        "lotss", out=tmp_path, catalogue=folder / "P205+55-sources.fits",
        service=f"mosaics:{folder}",
    )  # fmt: skip
    assert (summary.written, summary.rejected) == (27, 0)
    manifest = read_manifest(tmp_path)
    assert manifest["label"].null_count == 27
    catalogue = Table.read(folder / "P205+55-sources.fits")
    ratio = np.array(manifest["noise_jy"]) * 1e3 / np.array(catalogue["Isl_rms"])
    assert np.all(np.abs(ratio - 1) < 0.05)
    edge = np.array(manifest["percent_nan"]) > 0
    assert edge.any()
    assert not np.array(manifest["blank"]).any()


def test_real_catalogue_classes(shared):
    """The counts of the ten classes in the real catalogue."""
    recipe = load_recipe("mingolotss")
    path = shared / "data" / "Mingo19_LoMorph_Cat.fits"
    counts = read_catalogue(path, recipe.catalogue.columns, recipe.rules).counts()
    assert counts == [797, 264, 195, 1709, 423, 123, 19, 995, 246, 1034]


def test_the_published_test_batch(shared):
    """The last 805 rows hold 180 FRI (all kinds but Small) and 66 FRII, as published results do."""
    from mingolotss.formats.batches import batch_of_rows

    recipe = load_recipe("mingolotss")
    path = shared / "data" / "Mingo19_LoMorph_Cat.fits"
    labels = read_catalogue(path, recipe.catalogue.columns, recipe.rules).labels
    batch = batch_of_rows(len(labels), train=5, rows=1000, total=5805)
    test = labels[batch == 5]
    assert len(test) == 805
    assert (int(np.isin(test, [0, 1, 2]).sum()), int((test == 4).sum())) == (180, 66)
