"""Hugging Face `datasets` streams a HATS collection, and reads its catalogue alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from collection_builds import KINDS, write_collection
from mingolotss.dataset.hats_catalogue import find_catalogue
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.exporting import export
from readers_build import make_build

pytest.importorskip("hats.io", reason="needs mingolotss[hats]")


@pytest.fixture(scope="module")
def collection(request, tmp_path_factory):
    """Give a collection of each kind."""
    return write_collection(request.param, tmp_path_factory.mktemp("kind"))


def header(folder):
    """Return the YAML header of a card."""
    [text] = re.findall(
        r"\A---\n(.*?)^---$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return yaml.safe_load(text)


@pytest.mark.parametrize("collection", ["masks"], indirect=True)
def test_the_header_names_the_partitions_alone(collection):
    """All of them, and neither the margin, nor the index, nor the manifest."""
    [config] = header(collection)["configs"]
    [files] = config["data_files"]
    assert (config["config_name"], files["split"]) == ("default", "all_splits")
    matched = sorted(collection.glob(files["path"]))
    assert matched == sorted(find_catalogue(collection).files())
    assert 1 < len(matched) < len([*collection.rglob("*.parquet")]) - 2


def test_a_name_that_is_no_plain_yaml(tmp_path):
    """The pattern is quoted, and the folder is that of the safe name."""
    from mingolotss.publish.hub_header import describe_collection

    for name in ("yes", "a: b # c", "[x]", "1"):
        [config] = yaml.safe_load("\n".join(describe_collection(tmp_path, name)))["configs"]
        [files] = config["data_files"]
        folder = files["path"].partition("/")[0]
        (tmp_path / folder / "dataset/Norder=0/Dir=0").mkdir(parents=True)
        (tmp_path / folder / "dataset/Norder=0/Dir=0/Npix=4.parquet").touch()
        assert len([*tmp_path.glob(files["path"])]) == 1


def check_rows(rows, features, expected):
    """Compare rows of `datasets` with what ``load`` reads."""
    assert features["label"].names == list(expected.classes)
    by_source = {row["source"]: row for row in rows}
    assert len(rows) == len(by_source) == len(expected)
    for index, source in enumerate(expected.sources):
        row = by_source[source]
        image = row["stamp"] if row.get("stamp") is not None else row["pixels"]
        pixels = np.asarray(image)
        if expected.channels and row.get("stamp") is not None:
            pixels = pixels[..., None] if pixels.ndim == 2 else pixels
            pixels = pixels.transpose(2, 0, 1)
        np.testing.assert_array_equal(pixels.astype(expected.images.dtype), expected.images[index])
        label = int(expected.labels[index])
        assert row["label"] == (None if label < 0 else label)
        assert row["split"] == expected.splits[index]
        if expected.masks is not None:
            np.testing.assert_array_equal(np.asarray(row["mask"]), expected.masks[index])
        if expected.vectors is not None and expected.vectors.kind == "tags":
            values = expected.vectors.values[index]
            tags = None if values[0] < 0 else np.flatnonzero(values).tolist()
            assert row["tags"] == tags
        elif expected.vectors is not None:
            votes = expected.vectors.values[index]
            assert row["votes"] == (None if np.isnan(votes[0]) else votes.tolist())


@pytest.mark.readers
@pytest.mark.parametrize("collection", KINDS, indirect=True)
@pytest.mark.parametrize("streaming", [True, False])
def test_hugging_face_opens_a_collection(collection, streaming, tmp_path):
    """Of the folder and of the files: the same pixels, masks, labels, tags and votes."""
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    options = {"cache_dir": str(tmp_path), "streaming": streaming}
    loaded = datasets.load_dataset(str(collection), **options)
    assert list(loaded) == ["all_splits"]
    pattern = str(find_catalogue(collection).folder.path / "dataset/**/*.parquet")
    files = datasets.load_dataset("parquet", data_files=pattern, split="train", **options)
    expected = load(collection)
    for dataset in (loaded["all_splits"], files):
        check_rows(list(dataset), dataset.features, expected)


@pytest.mark.readers
def test_hugging_face_streams_the_collection_of_a_build(tmp_path):
    """``load_dataset(BUILD, "hats")``; without the name it reads the stamps."""
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    from mingolotss.recipe.load import load_recipe

    recipe = load_recipe("mingolotss").changed({"formats": ["parquet", "hats"]})
    folder = make_build(tmp_path, recipe)
    for names, column in ((("hats",), "stamp"), ((), "image")):
        loaded = datasets.load_dataset(str(folder), *names, streaming=True, split="all_splits")
        rows = {row["source"]: np.asarray(row[column]) for row in loaded}
        expected = load(folder)
        assert len(rows) == len(expected)
        for source, image in zip(expected.sources, expected.images, strict=True):
            np.testing.assert_array_equal(rows[source], image)


@pytest.mark.slow
def test_the_header_depends_on_the_content(tmp_path):
    """On the settings and on the files, and on nothing else."""
    build = make_build(tmp_path / "built")
    settings = {"a": {}, "b": {"arrays": True}, "c": {}, "d": {"partition_rows": 20}}
    lines = {}
    for name, hats in settings.items():
        folder = export(build, "hats", tmp_path / name / "set", hats=hats).out
        lines[name] = header(folder)["configs"][0]["description"]
    assert lines["a"] == lines["c"]
    assert len({*lines.values()}) == 3
    plain = export(build, "parquet", tmp_path / "plain").out
    assert header(plain)["configs"][0]["description"] not in lines.values()


@pytest.mark.readers
def test_folders_of_one_name_are_told_apart(tmp_path):
    """`datasets` keeps what it reads of local folders by their name, and by their header."""
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    build = make_build(tmp_path / "built")
    for place, arrays in (("a", True), ("b", False)):
        folder = export(build, "hats", tmp_path / place / "set", hats={"arrays": arrays}).out
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        assert ("pixels" in loaded["all_splits"].column_names) == arrays
