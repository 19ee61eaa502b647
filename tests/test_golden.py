"""The original program's own images and table, and published MiraBest images, come out exactly."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from builds import run
from mingolotss.build import build
from mingolotss.catalogue import read_catalogue
from mingolotss.manifest import read_manifest
from mingolotss.recipe import load_recipe


def differing(expected, found):
    """Return how many of the images in a folder differ in any pixel."""
    names = sorted(path.name for path in expected.glob("*.png"))
    assert names == sorted(path.name for path in found.glob("*.png"))
    return sum(
        bool((np.asarray(Image.open(expected / n)) != np.asarray(Image.open(found / n))).any())
        for n in names
    )


def test_golden_images_and_table(shared, tmp_path):
    """12 of 12 images of the original are identical, and so is its table."""
    golden, out = shared / "golden", tmp_path / "out"
    done = run(
        "build", "--catalogue", golden / "catalogue.fits", "--service", f"folder:{golden / 'fits'}",
        "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert differing(golden / "png", out / "png") == 0
    with (golden / "expected.csv").open() as a, (out / "MingoML.csv").open() as b:
        for expected, found in zip(csv.DictReader(a), csv.DictReader(b), strict=True):
            for column in ("Source ID", "Field", "Class", "Map File", "Image File"):
                assert found[column] == expected[column]
            assert float(found["Percentage NaN"]) == float(expected["Percentage NaN"])
            separation = float(expected["Separation"])
            assert float(found["Separation"]) == pytest.approx(separation, abs=1e-6)


def test_mirabest_images(shared, tmp_path):
    """8 of 8 published MiraBest images are identical, and their labels are the published ones."""
    first, out = shared / "data" / "first", tmp_path / "out"
    done = run("build", "mirabest", "--service", f"folder:{first / 'fits'}", "--out", out)
    assert done.returncode == 0, done.stderr
    assert differing(first / "png", out / "png") == 0
    rows = read_manifest(out, ["source", "label"]).to_pylist()
    with (first / "expected.csv").open() as stream:
        expected = {row["name"]: int(row["label"]) for row in csv.DictReader(stream)}
    assert {row["source"]: row["label"] for row in rows} == expected


def test_real_lotss_without_an_rms_map(shared, tmp_path):
    """27 real sources, float64, no labels; the estimated noise is the catalogue's within 5 %."""
    from astropy.table import Table

    folder = shared / "data" / "lotss-dr1"
    made = build(
        "lotss", out=tmp_path, catalogue=folder / "P205+55-sources.fits",
        service=f"mosaics:{folder}",
    )  # fmt: skip
    assert (made.written, made.rejected) == (27, 0)
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
    from mingolotss.writers.batches import batch_of_rows

    recipe = load_recipe("mingolotss")
    path = shared / "data" / "Mingo19_LoMorph_Cat.fits"
    labels = read_catalogue(path, recipe.catalogue.columns, recipe.rules).labels
    batch = batch_of_rows(len(labels), train=5, rows=1000, of=5805)
    test = labels[batch == 5]
    assert len(test) == 805
    assert (int(np.isin(test, [0, 1, 2]).sum()), int((test == 4).sum())) == (180, 66)
