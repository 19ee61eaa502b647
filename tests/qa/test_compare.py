"""`compare` says first how two datasets were made differently, then what follows from it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import mingolotss
from builds import run
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.samples import Arrays
from mingolotss.qa.compare import compare
from mingolotss.qa.compare_labels import compare_labels
from mingolotss.qa.comparison import CONTENTS, PIXELS, SETTINGS, Comparison, DifferenceRow
from mingolotss.recipe.differences import recipe_differences
from mingolotss.recipe.load import load_recipe
from skies import random_sky

N = 20


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return random_sky(tmp_path_factory.mktemp("compared") / "in", N, seed=6, kinds=("float32",))


def build(sky, out: Path, **arguments: object) -> Path:
    given = {"catalogue": sky.catalogue, "service": f"folder:{sky.folder}", **arguments}
    mingolotss.build("mingolotss", out=out, **given)
    return out


@pytest.fixture(scope="module")
def plain(sky, tmp_path_factory):
    return build(sky, tmp_path_factory.mktemp("plain") / "out")


def kinds(comparison: Comparison) -> dict[str, list[str]]:
    lines = [*comparison.causes(), *comparison.differences()]
    return {kind: of_kind for kind, of_kind in lines if of_kind}


def test_a_setting_comes_first_and_its_images_follow(sky, plain, tmp_path):
    other = build(sky, tmp_path / "out", settings={"stamp.pixels": 140, "noise.iterations": 9})
    comparison = compare(plain, other)
    assert kinds(comparison)[SETTINGS] == ["noise.iterations: 5 and 9", "stamp.pixels: 150 and 140"]
    assert comparison.rows[0].kind == SETTINGS
    assert comparison.rows[-1].kind == PIXELS
    assert not comparison.same


@pytest.mark.slow
def test_a_setting_without_effect_is_named_although_the_datasets_are_equal(sky, plain, tmp_path):
    other = build(sky, tmp_path / "out", settings={"noise.iterations": 9})
    comparison = compare(plain, other)
    assert kinds(comparison) == {SETTINGS: ["noise.iterations: 5 and 9"]}
    assert comparison.same
    done = run("compare", plain, other)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "nothing differs but what is listed"


def test_catalogue_rows_and_decisions_and_their_consequences(sky, plain, tmp_path):
    """A class, a position and a row of the catalogue, and a source that a person left out."""
    from astropy.table import Table

    written = read_manifest(plain).to_pylist()
    first, second, third, *_ = [row for row in written if row["status"] == "written"]
    rejected = next(row["source"] for row in written if row["status"] == "rejected")
    table = Table.read(sky.catalogue)
    row = list(table["Source_Name"]).index(first["source"])
    table["LM_Flux"][row] += 1
    table = table[[name != second["source"] for name in table["Source_Name"]]]
    table.write(tmp_path / "edited.fits")
    decisions = tmp_path / "mine.csv"
    decisions.write_text(f"source,field,verdict,by,date,note\n{third['source']},,reject,me,,\n")
    other = build(sky, tmp_path / "out", catalogue=tmp_path / "edited.fits", decisions=decisions)
    found = kinds(compare(plain, other))
    assert list(found)[:2] == ["inputs that differ", "catalogue values that differ"]
    assert found["inputs that differ"][1] == f"rows of the catalogue: {N} and {N - 1}"
    assert found["catalogue values that differ"] == [
        f"{first['source']}, flux_mjy: {first['flux_mjy']:.10g} and {first['flux_mjy'] + 1:.10g}"
    ]
    lines = found["sources only in A"]
    assert second["source"] in lines
    assert any(line.startswith(f"{third['source']}: rejected in B: ") for line in lines)
    assert rejected not in "".join(lines)


def test_images_that_were_read_are_named(sky, plain, tmp_path):
    """A pixel of one file: the file first, then the stamp."""
    folder = tmp_path / "in"
    shutil.copytree(sky.folder, folder)
    row = next(r for r in read_manifest(plain).to_pylist() if r["status"] == "written")
    path = folder / row["map_file"]
    raw = bytearray(path.read_bytes())
    raw[2880:2884] = b"\x41\x20\x00\x00"  # 10 Jy/beam in a corner
    path.write_bytes(raw)
    found = kinds(compare(plain, build(sky, tmp_path / "out", service=f"folder:{folder}")))
    assert [line.split(":")[0] for line in found["images read that differ"]] == [path.name]


@pytest.mark.slow
def test_versions_are_named(plain, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(plain, copy)
    recipe = copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('numpy = "', 'numpy = "0.'))
    found = kinds(compare(plain, copy))
    assert list(found) == ["versions that differ"]
    assert found["versions that differ"][0].startswith("numpy: ")


@pytest.mark.slow
def test_the_terminal_is_short_and_the_table_is_whole(sky, plain, tmp_path):
    """A few lines of each kind; the CSV has a row for each difference, as --show does."""
    other = build(sky, tmp_path / "out", settings={"stamp.pixels": 140})
    table = tmp_path / "all.csv"
    done = run("compare", plain, other, "--table", table)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) < 12
    comparison = compare(plain, other)
    assert len(comparison.pixels) > 3
    assert f"... {len(comparison.pixels) - 3} more (--show N" in done.stdout
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["kind"] for row in rows] == [row.kind for row in comparison.rows]
    assert [row["name"] for row in rows] == [row.name for row in comparison.rows]
    shown = run("compare", plain, other, "--show", 99).stdout
    assert all(line in shown for line in comparison.pixels)


def test_a_comparison_of_nothing():
    assert Comparison(0, 0).same
    assert not Comparison(1, 0, (DifferenceRow(CONTENTS[0], "J1"),)).same


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": [{"do": "minmax"}]}, ["steps.0.do", "steps.1.do"]),
        ({"title": "x" * 300}, ["title"]),
        ({"images.size_arcmin": 7.0, "recentre.separation_arcsec": 3.0}, None),
    ],
)
def test_differences_of_recipes(changes, expected):
    """Keys are those of --set; a value that is long is shown around its first difference."""
    recipe = load_recipe("mingolotss")
    found = recipe_differences(recipe, recipe.changed(changes))
    assert {one.key for one in found} >= set(expected or changes)
    assert all(len(value) < 90 for one in found for value in one[1:])
    assert recipe_differences(recipe, recipe) == []


def test_tags_whose_names_make_one_text_have_their_numbers():
    """The text A + B is one tag, or two."""
    tags = [LabelVectors.of_tags([row]) for row in ([1, 1, 0], [0, 0, 1])]
    images, labels = np.zeros((1, 2, 2), np.uint8), np.array([-1])
    first, second = (
        Arrays(images, labels, ("A", "B", "A + B"), ("S",), vectors=one) for one in tags
    )
    (row,) = compare_labels(first, second, [("S", 0, 0)])
    assert (row.a, row.b) == ("0 A + 1 B", "2 A + B")
