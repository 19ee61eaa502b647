"""The HATS collection of a build: its rows, when it is made again, and when it is not."""

from __future__ import annotations

import hashlib
import sys
from shutil import rmtree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builds import contents
from mingolotss.cli import main
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError
from mingolotss.io.files import locate
from mingolotss.io.png import decode_png
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.exporting import export
from mingolotss.pipeline.run import build
from mingolotss.qa.status import status
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from skies import random_sky

pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")

FORMATS = ["csv", "parquet"]
RECIPE = load_recipe("mingolotss").changed({"formats": FORMATS, "hats.partition_rows": 5})
WITH = RECIPE.changed({"formats": [*FORMATS, "hats"]})


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A folder of cutouts, some of which cannot be used."""
    return random_sky(tmp_path_factory.mktemp("collections") / "in", 40, 7)


def make(sky, out, recipe=WITH, **options):
    return build(recipe, catalogue=sky.catalogue, service=f"folder:{sky.folder}", out=out,
                 **options).out  # fmt: skip


@pytest.fixture(scope="module")
def built(sky, tmp_path_factory):
    return make(sky, tmp_path_factory.mktemp("built") / "out")


@pytest.fixture(scope="module")
def without(sky, tmp_path_factory):
    return make(sky, tmp_path_factory.mktemp("without") / "out", RECIPE)


def times(out):
    """Return when each file of a build was written."""
    return {
        str(path.relative_to(out)): path.stat().st_mtime_ns
        for path in out.rglob("*")
        if path.is_file()
    }


def of_collection(names):
    return sorted(name for name in names if name.startswith("hats/"))


def test_the_collection_has_the_stamps_of_the_build(built, without):
    """Every written source once, with its pixels; nothing else of the build is different."""
    files = sorted(built.glob("hats/mingolotss/dataset/Norder=*/Dir=*/Npix=*.parquet"))
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in files]).sort_by("row")
    manifest = read_manifest(built)
    written = manifest.filter(pa.compute.equal(manifest["status"], "written"))
    assert 0 < len(written) < len(manifest)
    assert rows["source"].to_pylist() == written["source"].to_pylist()
    for row in rows.select(["stamp", "pixels_sha256"]).to_pylist():
        pixels = decode_png(row["stamp"]["bytes"], row["stamp"]["path"])
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixels_sha256"]
    assert (load(built / "hats").images == load(built).images).all()
    own, other = contents(built), contents(without)
    described = {"recipe.toml", "README.md", "croissant.json", "checksums.sha256"}
    extra = {"ledger/hats.json", *of_collection(own)}
    assert set(own) - set(other) == extra
    assert {name for name in other if own[name] != other[name]} == described


def test_the_build_lists_and_describes_it(built, capsys):
    listed = {line.split("  ")[1] for line in (built / "checksums.sha256").read_text().splitlines()}
    assert of_collection(listed) == of_collection(contents(built))
    assert verify(built).good
    assert 'lsdb.open_catalog("FOLDER/hats")' in (built / "README.md").read_text()
    counted = status(built).partitions
    assert counted == len(list(built.glob("hats/mingolotss/dataset/*/*/Npix=*.parquet"))) > 5
    with pytest.raises(SystemExit, match="0"):
        main(["status", str(built)])
    assert f"HATS collection: {built / 'hats'}, {counted} partitions" in capsys.readouterr().out


@pytest.mark.slow
def test_it_is_made_again_only_if_it_would_be_another(sky, tmp_path):
    """The stamps stay in any case, without --fresh."""
    out = make(sky, tmp_path / "out", RECIPE)
    before = times(out)
    make(sky, out)
    with_collection = times(out)
    parts = [name for name in before if name.startswith(("stamps/", "ledger/part"))]
    for changes, is_kept in (
        ({}, True),
        ({"date": "2026-11-26"}, True),
        ({"hats.partition_rows": 8}, False),
        ({"hats.margin_arcsec": 0}, False),
        ({"title": "Another title"}, False),
    ):
        make(sky, out, WITH.changed(changes))
        now = times(out)
        same = [name for name in now if now[name] == with_collection.get(name)]
        assert set(parts) <= set(same), changes
        assert (of_collection(same) == of_collection(now)) == is_kept, changes
        assert verify(out).good
        with_collection = now
    make(sky, out, RECIPE.changed({"title": "Another title"}))
    assert not (out / "hats").exists()
    assert not (out / "ledger" / "hats.json").exists()
    assert {name: times(out)[name] for name in parts} == {name: before[name] for name in parts}
    assert verify(out).good


def test_a_missing_file_is_made_again(sky, built, tmp_path):
    out = make(sky, tmp_path / "out")
    path = next(out.glob("hats/mingolotss/dataset/*/*/Npix=*.parquet"))
    path.unlink()
    missing, line = verify(out).problems
    assert missing == f"{path.relative_to(out)}: missing"
    assert f"hats/mingolotss: its partition {path.parts[-3]}, {path.stem} is missing" in line
    assert not status(out).finished
    make(sky, out)
    assert contents(out) == contents(built)


@pytest.mark.slow
def test_a_recipe_that_is_edited_in_the_build_is_followed(sky, built, tmp_path):
    """Whether the collection is added, has other settings, or is taken away."""
    out = make(sky, tmp_path / "out", RECIPE)
    for old, new, expected in (
        ('"parquet",\n]', '"parquet",\n    "hats",\n]', 5),
        ("partition_rows = 5", "partition_rows = 1000", 1000),
        ('"parquet",\n    "hats",\n]', '"parquet",\n]', None),
    ):
        text = (out / "recipe.toml").read_text()
        assert old in text
        (out / "recipe.toml").write_text(text.replace(old, new))
        assert not status(out).finished
        build(out=out)
        assert status(out).finished
        assert verify(out).good
        properties = list(out.glob("hats/mingolotss/hats.properties"))
        rows = [f"hats_max_rows={expected}\n" in path.read_text() for path in properties]
        assert rows == [True] * (expected is not None)


@pytest.mark.slow
@pytest.mark.parametrize("at", ["write_collection", "write_catalogue"])
def test_an_interrupted_run_leaves_no_collection(sky, built, tmp_path, monkeypatch, at):
    """Not even one that was there; the next run makes it, with the same bytes."""
    out = make(sky, tmp_path / "out", RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr(f"mingolotss.formats.hats.writer.{at}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make(sky, out)
    assert not (out / "hats").exists()
    assert not [path for path in out.iterdir() if path.name.startswith(".part")]
    assert not status(out).finished
    (out / ".part-hats" / "mingolotss").mkdir(parents=True)  # of a run that was killed
    make(sky, out)
    assert contents(out) == contents(built)


def interrupt(*_arguments):
    raise KeyboardInterrupt


def test_a_folder_that_is_not_ours_stays(sky, tmp_path):
    """For example a collection that was exported there."""
    out = make(sky, tmp_path / "out", RECIPE)
    export(out, "hats", out / "hats")
    before = contents(out)
    for fresh in (False, True):
        with pytest.raises(InputError, match="its folder hats was not written by this build"):
            make(sky, out, fresh=fresh)
    assert of_collection(before) == of_collection(contents(out))
    make(sky, out, RECIPE)
    assert contents(out) == before


def test_a_build_that_lost_the_tables_of_its_parts_knows_its_collection(sky, built, tmp_path):
    """The list of checksums has its files, so that it may be replaced."""
    out = make(sky, tmp_path / "out")
    rmtree(out / "ledger")
    make(sky, out)
    assert contents(out) == contents(built)


def test_a_missing_library_is_noticed_before_the_stamps(sky, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hats", None)
    with pytest.raises(InputError, match=r"write a HATS collection: this needs hats; pip install"):
        make(sky, tmp_path / "out")
    assert not (tmp_path / "out" / "stamps").exists()


def test_a_build_without_stamps_has_no_collection(sky, tmp_path):
    out = make(sky, tmp_path / "out", WITH.changed({"images.rms": "{source}_{field}.none.fits"}))
    assert not (out / "hats").exists()
    assert status(out).finished
    assert verify(out).good


@pytest.mark.slow
@pytest.mark.parametrize("margin", [10, 1e-6, 0])
def test_a_collection_in_an_object_store(sky, built, tmp_path, margin):
    """The same objects as files on a disk, with sources in the margin, without, and without one."""
    pytest.importorskip("upath", reason="needs pip install 'mingolotss[dask]'")
    out = locate(f"memory://{tmp_path.name}")
    recipe = WITH.changed({"hats.margin_arcsec": margin})
    make(sky, str(out / "build"), recipe)
    export(out / "build", "hats", str(out / "export"))
    make(sky, tmp_path / "build", recipe)
    export(tmp_path / "build", "hats", tmp_path / "export")
    for name in ("build", "export"):
        objects = {
            str(path.relative_to(out / name)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (out / name).rglob("*")
            if path.is_file() and path.name != "inputs.toml"
        }
        assert objects == contents(tmp_path / name)
