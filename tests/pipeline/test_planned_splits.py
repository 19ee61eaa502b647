"""The split of a build: decided when it is planned, kept when it is repeated, followed by all."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import mingolotss
from builds import run
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import InputError, RecipeError
from mingolotss.formats.batches import batch_of_rows, list_batches
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.pipeline.planned_extents import planned_extents
from mingolotss.pipeline.planned_splits import divide_into_batches, plan_splits
from mingolotss.pipeline.run import build
from mingolotss.qa.status import status
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.model import DEFAULT_SPLIT, parse_recipe
from mingolotss.service.local.folder import FolderService
from mingolotss.service.local.mosaics import MosaicsService
from named_builds import make_recipe, write_mosaic

PUBLISHED = {"mingolotss", "mirabest", "frdeep-first", "frdeep-nvss"}
STRATIFIED = "stratified:train=0.6,val=0.2,test=0.2,seed=3"


class NoScale:
    """A service that does not know how large its pixels are."""


def catalogue_of(count: int, path: str = "", names: list[str] | None = None) -> Catalogue:
    """Return sources far apart, in three classes."""
    return Catalogue.from_columns(
        names or [f"S{row}" for row in range(count)], np.arange(count) * 2.0, np.zeros(count),
        labels=np.arange(count) % 3, classes=("A", "B", "C"), path=path,
    )  # fmt: skip


def candidates_of(catalogue: Catalogue) -> CandidateTable:
    return CandidateTable.from_lists([[] for _ in catalogue.names], catalogue.names)


def planned(recipe, catalogue):
    return plan_splits(recipe, catalogue, candidates_of(catalogue), NoScale())


# --- which plan -----------------------------------------------------------------------------------


def test_only_recipes_with_published_files_are_published():
    """Those that extend one, and a recipe of one's own, have a split of their own."""
    plans = {name: load_recipe(name).split.plan for name in recipe_names()}
    assert {name for name, plan in plans.items() if plan == "published"} == PUBLISHED
    assert {plan for name, plan in plans.items() if name not in PUBLISHED} == {DEFAULT_SPLIT}
    assert parse_recipe({"name": "mine"}, "mine.toml").split.plan == DEFAULT_SPLIT


def test_a_changed_setting_leaves_the_split(tmp_path):
    """Also in a recipe file that is printed, saved and changed."""
    assert load_recipe("mingolotss").changed({"noise.sigma": 4}).split.plan == "published"
    own = tmp_path / "own.toml"
    own.write_text('extends = "mingolotss"\nname = "own"\n')
    assert load_recipe(own).split.plan == DEFAULT_SPLIT
    own.write_text('extends = "mingolotss"\nname = "own"\n[split]\nplan = "k-fold:folds=3"\n')
    assert load_recipe(own).split.plan == "k-fold:folds=3"


@pytest.mark.parametrize("plan", ["random", "stratified:train=2", "k-fold:folds=1"])
def test_a_wrong_plan_is_one_line(plan):
    """It names the key and the recipe."""
    with pytest.raises(RecipeError, match=r"read split\.plan of the recipe named: split"):
        planned(make_recipe(**{"split.plan": plan}), catalogue_of(6))


def test_the_order_of_another_catalogue_is_not_called_published():
    """Its batches are those by order that `mingolotss` always had."""
    recipe = load_recipe("mingolotss")
    splits = planned(recipe, catalogue_of(100))
    assert splits.plan.kind == "catalogue-order"
    assert "its own catalogue" in splits.change
    expected = batch_of_rows(100, train=5, rows=1000, total=5805)
    assert splits.batch_index.tolist() == expected.tolist()
    assert [batch.name for batch in splits.batches][-1] == "test_batch"


@pytest.mark.parametrize(("change", "kind"), [(b"", "published"), (b"x", "catalogue-order")])
def test_the_published_catalogue_is_known_by_its_checksum(tmp_path, change, kind):
    """A byte more, and it is another; so is one of another number of rows."""
    path = tmp_path / "catalogue.csv"
    path.write_bytes(b"the published catalogue")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324 - as it was published
    path.write_bytes(path.read_bytes() + change)
    recipe = load_recipe("mingolotss").changed(
        {"catalogue.md5": md5, "batches.of": 6, "batches.rows": 1}
    )
    assert planned(recipe, catalogue_of(6, str(path))).plan.kind == kind
    assert planned(recipe, catalogue_of(5, str(path))).plan.kind == "catalogue-order"


def test_a_published_list_gives_batches_and_splits():
    """The test batch of MiraBest has the published number of images of each class."""
    recipe = load_recipe("mirabest")
    images = recipe.published.read_list()
    order = np.random.default_rng(1).permutation(len(images))
    catalogue = Catalogue.from_columns(
        [images.names[row] for row in order], images.ra[order], images.dec[order],
        labels=images.labels[order], classes=recipe.class_names,
    )  # fmt: skip
    splits = planned(recipe, catalogue)
    assert splits.plan.kind == "published"
    assert not splits.reasons
    test = np.array(splits.names) == "test"
    counts = Counter(catalogue.labels[test].tolist())
    assert [counts[label] for label in range(10)] == [42, 6, 1, 24, 1, 54, 1, 24, 2, 2]
    numbers = [splits.batches[index].name for index in splits.batch_index.tolist()]
    assert numbers == [images.batches[row] for row in order]


def test_sources_that_were_not_published_are_in_no_split():
    """If none was, the sources are dealt out."""
    recipe = load_recipe("mirabest")
    listed = recipe.published.read_list().names[:4]
    splits = planned(recipe, catalogue_of(6, names=[*listed, "X", "Y"]))
    assert splits.names[4:] == ["", ""]
    assert set(splits.reasons[4:]) == {"it is not in the published list"}
    assert set(splits.reasons[:4]) == {""}
    others = planned(recipe, catalogue_of(20))
    assert others.plan.kind == "stratified"
    assert "no source of this catalogue is in the published list" in others.change


# --- how large ------------------------------------------------------------------------------------


def one_candidate(catalogue: Catalogue, images: list[str]) -> CandidateTable:
    rows = np.arange(len(images))
    table = [("F", image, "") for image in images]
    return CandidateTable.from_pairs(table, rows, rows.astype(np.int32), catalogue.names)


def write_cutout(path: Path, scale_arcsec: float) -> str:
    header = fits.Header()
    header.update(
        CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=10.0, CRVAL2=0.0, CRPIX1=5, CRPIX2=5,
        CDELT1=-scale_arcsec / 3600, CDELT2=scale_arcsec / 3600, RADESYS="ICRS",
    )  # fmt: skip
    fits.writeto(path, np.ones((10, 10), "f4"), header)
    return str(path)


def test_the_extent_is_that_of_the_stamp_on_the_sky(tmp_path):
    """It is known from the recipe, from headers, or at most the cutout that is asked for."""
    catalogue = catalogue_of(4)
    recipe = load_recipe("lotss")  # a disc of 150 pixels in cutouts of 6 arcmin
    nvss = write_cutout(tmp_path / "S0_F-mosaic.fits", 15.0)
    first = write_cutout(tmp_path / "S1_F-mosaic.fits", 1.8)
    broken = tmp_path / "S2_F-mosaic.fits"
    broken.write_bytes(b"no image")
    table = one_candidate(catalogue, [nvss, first, str(broken)])
    for service in (FolderService(tmp_path), MosaicsService(str(tmp_path))):
        extents = planned_extents(recipe, catalogue, table, service)
        np.testing.assert_allclose(extents, [2250, 270, 360, 2250])
    np.testing.assert_array_equal(planned_extents(recipe, catalogue, table, NoScale()), 360)
    wide = load_recipe("mingolotss-wide")
    np.testing.assert_array_equal(planned_extents(wide, catalogue, table, NoScale()), 2250)


# --- batches --------------------------------------------------------------------------------------


def test_each_split_keeps_the_order_of_the_catalogue():
    """The training split is in equal batches, every other split in one."""
    names = np.array([("train", "test", "train", "val", "train", "")[row % 6] for row in range(60)])
    batches = list_batches(["train", "val", "test"], 4)
    index = divide_into_batches(names, batches)
    assert [batch.split for batch in batches] == ["train"] * 4 + ["val", "test"]
    for number, batch in enumerate(batches):
        rows = np.flatnonzero(index == number)
        assert set(names[rows]) == {batch.split}
        assert len(rows) in (7, 8, 10)
    assert (np.diff(index[names == "train"]) >= 0).all()
    assert ((index < 0) == (names == "")).all()


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A folder with a mosaic, and the sources on it; every second place is empty."""
    folder = tmp_path_factory.mktemp("sky")
    places = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", 120)[::2]
    return folder / "mosaics", places


def sources(sky, count: int, **columns: object) -> Catalogue:
    _, places = sky
    return Catalogue.from_columns(
        [f"S{row}" for row in range(count)], places.ra.deg[:count], places.dec.deg[:count],
        labels=np.arange(count) % 3, classes=("A", "B", "C"), **columns,
    )  # fmt: skip


def make(sky, out: Path, count: int = 45, plan: str = STRATIFIED, **options: object) -> Path:
    """Build the first sources of the sky; stamps of 4 pixels do not touch each other."""
    recipe = make_recipe(**{"split.plan": plan, "stamp.pixels": 4})
    catalogue = options.pop("catalogue", None) or sources(sky, count)
    return build(recipe, out=out, catalogue=catalogue, service=f"mosaics:{sky[0]}", **options).out


def splits_of(out: Path) -> dict[str, str]:
    with (out / "splits.csv").open(newline="") as file:
        return {row["name"]: row["split"] for row in csv.DictReader(file)}


def test_a_build_has_the_splits_of_its_plan(sky, tmp_path):
    """Manifest, list, batches, loading, exports and the record agree."""
    out = make(sky, tmp_path / "out")
    table = read_manifest(out)
    assert Counter(table["split"].to_pylist()) == {"train": 27, "val": 9, "test": 9}
    names, splits = table["source"].to_pylist(), table["split"].to_pylist()
    assert splits_of(out) == dict(zip(names, splits, strict=True))
    record = read_provenance(out).split
    assert record.plan == STRATIFIED
    assert record.sha256 == hashlib.sha256((out / "splits.csv").read_bytes()).hexdigest()
    assert record.batches == ("data_batch_1", "data_batch_2", "val_batch", "test_batch")
    for name in record.batches:
        batch = load_pickle(out / "mingo-batches-py" / name)
        rows = table.filter(np.array(table["batch"].to_pylist()) == name)
        assert batch["src_ids"] == rows["source"].to_pylist()
    assert load_pickle(out / "mingo-batches-py" / "val_batch")["batch_label"] == "val batch 1 of 1"
    assert not mingolotss.verify(out).problems
    for split, count in {"train": 27, "val": 9, "test": 9, "all": 45, "not test": 36}.items():
        assert len(mingolotss.load(out, split)) == count
    assert mingolotss.export(out, "png", tmp_path / "png").splits == {
        "train": 27, "val": 9, "test": 9,
    }  # fmt: skip
    batches = mingolotss.export(out, "batches", tmp_path / "batches").out / "mingo-batches-py"
    for path in (out / "mingo-batches-py").iterdir():
        assert (batches / path.name).read_bytes() == path.read_bytes()


def test_folds_have_a_batch_each(sky, tmp_path):
    out = make(sky, tmp_path / "out", plan="k-fold:folds=3")
    names = {path.name for path in (out / "mingo-batches-py").iterdir()}
    assert names == {
        "fold-0_batch", "fold-1_batch", "fold-2_batch", "batches.meta", "checksums",
    }  # fmt: skip
    assert len(mingolotss.load(out, "not fold-0")) == 30
    assert not mingolotss.verify(out).problems


def test_a_source_in_no_split_is_in_no_batch_and_no_export(sky, tmp_path):
    """It has its stamp and its reason."""
    lines = [f"S{row},{'test' if row % 5 == 0 else 'train'}," for row in range(40)]
    (tmp_path / "list.csv").write_text("\n".join(["name,split,reason", *lines, "S40,,a bad one"]))
    out = make(sky, tmp_path / "out", plan=f"file:{tmp_path / 'list.csv'}")
    table = read_manifest(out)
    left_out = [f"S{row}" for row in range(40, 45)]
    rows = [row for row in table.to_pylist() if row["source"] in left_out]
    assert {(row["status"], row["split"], row["batch"]) for row in rows} == {
        ("written", None, None)
    }
    assert all((out / "png" / row["image_file"]).is_file() for row in rows)
    result = status(out).split
    assert Counter(result.reasons[result.is_left_out].tolist()) == {
        "a bad one": 1, "not in list.csv": 4,
    }  # fmt: skip
    assert not mingolotss.verify(out).problems
    assert len(mingolotss.load(out)) == 40
    for path in (out / "mingo-batches-py").iterdir():
        path.unlink()  # the stamps are read instead
    (out / "mingo-batches-py").rmdir()
    for split, count in {"all": 40, "train": 32, "not test": 32}.items():
        assert len(mingolotss.load(out, split)) == count
    export = mingolotss.export(out, "parquet", tmp_path / "parquet")
    assert export.splits == {"train": 32, "test": 8}
    other = mingolotss.export(out, "png", tmp_path / "png", split="k-fold:folds=3")
    assert sum(other.splits.values()) == 45


def test_published_cannot_be_asked_of_a_split_of_another_kind(sky, tmp_path):
    out = make(sky, tmp_path / "out")
    with pytest.raises(InputError, match="the split of the build is stratified"):
        mingolotss.export(out, "png", tmp_path / "png", split="published")


# --- repeating ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_more_rows_move_nobody(sky, tmp_path):
    """What is in a split stays there, in whatever order the catalogue is; --fresh deals anew."""
    out = make(sky, tmp_path / "out")
    before = splits_of(out)
    more = sources(sky, 60)
    order = np.random.default_rng(1).permutation(60)
    shuffled = Catalogue.from_columns(
        [more.names[row] for row in order], more.ra[order], more.dec[order],
        labels=more.labels[order], classes=more.classes,
    )  # fmt: skip
    done = make(sky, out, catalogue=shuffled)
    after = splits_of(out)
    assert {name: after[name] for name in before} == before
    assert Counter(after.values()) == {"train": 36, "val": 12, "test": 12}
    assert not mingolotss.verify(done).problems
    change = read_provenance(out).split.change
    assert change == (
        "the 45 sources of the build before keep their splits, and 15 new ones were dealt out"
    )
    assert change in (out / "README.md").read_text()
    fresh = splits_of(make(sky, out, catalogue=shuffled, fresh=True))
    assert fresh == splits_of(make(sky, tmp_path / "new", catalogue=shuffled))
    assert fresh != after


@pytest.mark.parametrize("change", ["label", "place", "fewer"])
def test_another_catalogue_is_another_build(sky, tmp_path, change):
    """Its rows must be those of the build before, and more."""
    out = make(sky, tmp_path / "out")
    catalogue = sources(sky, 44 if change == "fewer" else 46)
    if change == "label":
        catalogue.labels[3] = 1
    if change == "place":
        catalogue.ra[3] += 0.001
    with pytest.raises(InputError, match="rows of the catalogue, not"):
        make(sky, out, catalogue=catalogue)


def test_more_rows_in_the_order_of_the_catalogue_are_another_build(sky, tmp_path):
    """They would move sources from the test set into the training set."""
    out = make(sky, tmp_path / "out", plan="catalogue-order")
    assert not (out / "splits.csv").exists()
    with pytest.raises(InputError, match="45 rows of the catalogue, not 60 rows"):
        make(sky, out, 60, plan="catalogue-order")


def test_a_build_is_repeated_without_its_list(sky, tmp_path):
    """The recipe of the build finds the splits beside it."""
    splits = tmp_path / "list.csv"
    lines = [f"S{row},{'test' if row % 5 == 0 else 'train'}" for row in range(40)]
    splits.write_text("\n".join(["name,split", *lines]))
    out = make(sky, tmp_path / "out", plan=f"file:{splits}")
    splits.unlink()
    again = build(
        out / "recipe.toml", out=tmp_path / "again", catalogue=sources(sky, 45),
        service=f"mosaics:{sky[0]}",
    ).out  # fmt: skip
    for name in ("splits.csv", "manifest.parquet", "mingo-batches-py/checksums"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    assert read_provenance(again).split == read_provenance(out).split


@pytest.mark.slow
def test_the_terminal_names_shares_and_missing_classes(sky, tmp_path):
    """After the plan, the build and in the status."""
    lines = ["name,ra,dec,kind"]
    catalogue = sources(sky, 12)
    for row in range(12):
        kind = "rare" if row == 3 else "common"
        lines.append(f"S{row},{catalogue.ra[row]},{catalogue.dec[row]},{kind}")
    (tmp_path / "c.csv").write_text("\n".join(lines))
    (tmp_path / "own.toml").write_text(
        'name = "own"\n[catalogue]\nname = "name"\nra = "ra"\ndec = "dec"\n[classes]\n'
        'from = "column"\ncolumn = "kind"\n[images]\nsize_arcmin = 1.0\n[noise]\n'
        'otherwise = "sigma-clipped"\n[stamp]\npixels = 4\n[[steps]]\ndo = "minmax"\n'
    )
    options = (
        tmp_path / "own.toml", "--catalogue", tmp_path / "c.csv", "--service",
        f"mosaics:{sky[0]}", "--out", tmp_path / "out",
    )  # fmt: skip
    warning = "warning: split 'test' has no image of class 'rare'"
    for command in (("plan", *options), ("build", *options), ("status", tmp_path / "out")):
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert f"split: {DEFAULT_SPLIT}" in done.stdout
        assert "split: 0 pairs of stamps share pixels across splits" in done.stdout
        assert warning in done.stdout
    assert (
        "The split test has no image of the class rare"
        in (tmp_path / "out" / "README.md").read_text()
    )
