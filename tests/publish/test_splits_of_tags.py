"""Tags in the splits of a build and of its exports: counted alike wherever they are stated."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import mingolotss
from builds import run
from mingolotss.qa.split_of_build import split_of_build
from skies import random_sky

TAGS = ("bent", "FR I + II", "x; y")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build of 60 sources with tags, and the tags by the names of the sources."""
    folder = tmp_path_factory.mktemp("tags")
    sky = random_sky(folder / "images", 60, 3, ("float32",))
    tags = (np.random.default_rng(1).random((60, 3)) < [0.5, 0.3, 0.1]).astype(int)
    with (folder / "c.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Source_Name", "RA", "DEC", *TAGS])
        writer.writerows(
            [name, ra, dec, *row]
            for name, ra, dec, row in zip(sky.names, sky.ra, sky.dec, tags.tolist(), strict=True)
        )
    settings = {
        "classes.from": "tags", "classes.columns": list(TAGS), "formats": ["parquet", "csv"],
        "split.plan": "stratified:train=0.7,val=0.1,test=0.2",
    }  # fmt: skip
    mingolotss.build(
        "lotss", out=folder / "build", catalogue=folder / "c.csv", service=sky.folder,
        settings=settings,
    )  # fmt: skip
    return folder / "build", dict(zip(sky.names, tags, strict=True))


def counts_of(table, tags):
    """Count the tags of the rows of each split in the catalogue, and those without any."""
    sums = {}
    for row in table.select(["source", "split"]).to_pylist():
        own = tags[row["source"]]
        sums.setdefault(row["split"], np.zeros(4, int))
        sums[row["split"]] += [*own, not own.any()]
    return {split: counts.tolist() for split, counts in sums.items()}


@pytest.mark.slow
def test_the_split_of_a_build_counts_tags(build):
    """As `status` and the terminal print them."""
    folder, tags = build
    manifest = pq.read_table(folder / "manifest.parquet")
    written = manifest.filter(np.array(manifest["status"]) == "written")
    expected = counts_of(written, tags)
    result = split_of_build(folder)
    assert (result.kind, result.classes) == ("tags", (*TAGS, "no tag"))
    assert dict(zip(result.splits, result.counts.T.tolist(), strict=True)) == expected
    rows = run("status", folder).stdout.splitlines()
    at = next(number for number, row in enumerate(rows) if row.startswith("tag "))
    for number, name in enumerate((*TAGS, "no tag"), at + 1):
        row = number - at - 1
        numbers = [expected[split][row] for split in ("train", "val", "test")]
        assert rows[number].removeprefix(name).split() == [str(sum(numbers)), *map(str, numbers)]
    sizes = [(np.array(written["split"]) == split).sum() for split in ("train", "val", "test")]
    assert rows[at + 5].split() == ["all", str(len(written)), *map(str, sizes)]


def test_the_recorded_pairs_across_splits_are_those_of_the_stamps(build, tmp_path):
    folder = shutil.copytree(build[0], tmp_path / "copy")
    recorded = split_of_build(folder)
    recipe = (folder / "recipe.toml").read_text()
    line = f"pairs_across = {recorded.pairs_across}\n"
    assert line in recipe
    (folder / "recipe.toml").write_text(recipe.replace(line, ""))
    assert split_of_build(folder).lines() == recorded.lines()


@pytest.mark.parametrize("plan", ["k-fold:folds=3,seed=2", "blocks:train=0.6,test=0.4"])
def test_an_export_is_split_by_its_tags(build, tmp_path, plan):
    """What is loaded from each split has the tags of the catalogue; `like` keeps the splits."""
    folder, tags = build
    for number, text in enumerate((plan, f"like:{tmp_path / '0'},seed=1")):
        out = tmp_path / str(number)
        exported = mingolotss.export(folder, format="parquet", split=text, out=out)
        expected = counts_of(pq.read_table(out / "manifest.parquet"), tags)
        for split, counts in expected.items():
            arrays = mingolotss.load(out, split=split)
            values = arrays.vectors.values
            loaded = [*values.sum(axis=0).tolist(), int((values.sum(axis=1) == 0).sum())]
            assert loaded == counts
            assert len(arrays.images) == (np.array(arrays.splits) == split).sum()
        assert exported.split.kind == "tags"
        table = dict(zip(exported.split.splits, exported.split.counts.T.tolist(), strict=True))
        assert table == expected
    first, second = (pq.read_table(tmp_path / n / "manifest.parquet") for n in "01")
    assert first["split"].to_pylist() == second["split"].to_pylist()


def test_a_dataset_class_opens_one_split_of_tags(build):
    pytest.importorskip("torch")
    folder, tags = build
    for split in ("train", "test", "not train"):
        data = mingolotss.MingoLoTSS(folder, split=split)
        targets = np.array([np.asarray(target) for _, target in data])
        assert targets.tolist() == [tags[name].tolist() for name in data.sources]
