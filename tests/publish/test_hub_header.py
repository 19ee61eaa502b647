"""A build opens with Hugging Face `datasets` and pandas, as its card says."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from mingolotss.loaders.arrays import load
from mingolotss.recipe.load import load_recipe
from readers_build import make_build
from readers_data import write_stamps


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("sky"))


@pytest.fixture(scope="module")
def jansky(tmp_path_factory):
    recipe = load_recipe("mingolotss").changed(
        {"stamp.kind": "float32", "steps": [], "formats": ["parquet"]}
    )
    return make_build(tmp_path_factory.mktemp("float"), recipe)


def header(folder):
    """Return the YAML header of a card."""
    [text] = re.findall(
        r"\A---\n(.*?)^---$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return yaml.safe_load(text)


def test_the_header_describes_every_column(built, jansky):
    """The pattern matches the stamps and nothing else, and each column has a type."""
    import pyarrow.parquet as pq

    for folder in (built, jansky):
        [config] = header(folder)["configs"]
        [files] = config["data_files"]
        assert sorted(folder.glob(files["path"])) == sorted((folder / "stamps").iterdir())
        features = header(folder)["dataset_info"]["features"]
        schema = pq.read_schema(folder / "stamps/part-00000.parquet")
        assert [feature["name"] for feature in features] == schema.names
    [label] = [one for one in features if one["name"] == "label"]
    assert list(label["dtype"]["class_label"]["names"].values()) == list(load(built).classes)


def test_names_of_classes_and_columns_are_quoted(tmp_path):
    """Whatever a recipe calls its classes is text in YAML."""
    from mingolotss.publish.hub_header import describe_stamps

    write_stamps(tmp_path / "stamps/part-00000.parquet", [b""] * 2, [0, 1], **{"a: b [Jy]": [1, 2]})
    classes = ["no", "1", "a: b # c", 'say "x"', "ÄÖ", "- y", "{z}"]
    described = yaml.safe_load("\n".join(describe_stamps(tmp_path, classes)))
    features = {one["name"]: one["dtype"] for one in described["dataset_info"]["features"]}
    assert list(features["label"]["class_label"]["names"].values()) == classes
    assert features["a: b [Jy]"] == "int64"


@pytest.mark.readers
@pytest.mark.parametrize("kind", ["built", "jansky"])
def test_hugging_face_opens_a_build(kind, request, tmp_path):
    """``load_dataset(FOLDER)``: the images, the class names and every column, in one split."""
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    folder = request.getfixturevalue(kind)
    expected = load(folder)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert list(loaded) == ["all_splits"]
    rows = {row["source"]: row for row in loaded["all_splits"]}
    assert len(rows) == len(expected)
    assert loaded["all_splits"].features["label"].names == list(expected.classes)
    for index, source in enumerate(expected.sources):
        row = rows[source]
        pixels = row["image"] if kind == "built" else np.frombuffer(row["pixels"], "<f4")
        np.testing.assert_array_equal(np.asarray(pixels).ravel(), expected.images[index].ravel())
        assert (row["label"], row["split"]) == (expected.labels[index], expected.splits[index])


@pytest.mark.readers
def test_the_lines_of_the_card_run(built, monkeypatch, tmp_path):
    """Each line of Python in the card opens the build, the whole of it."""
    datasets, pandas = pytest.importorskip("datasets"), pytest.importorskip("pandas")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    import mingolotss

    [code] = re.findall(
        r"^```python\n(.*?)^```", (built / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    names = {"mingolotss": mingolotss, "datasets": datasets, "pandas": pandas}
    lengths = [
        len(eval(line.replace("FOLDER", str(built)), names))  # noqa: S307 - a line of our own
        for line in code.splitlines()
    ]
    assert len(lengths) == 4
    assert set(lengths[1:]) == {59}
    frame = pandas.read_parquet(built / "stamps")
    png = frame.set_index("source").loc[load(built).sources[3], "image"]["bytes"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), load(built).images[3])
    manifest = pandas.read_parquet(built / "manifest.parquet")
    assert (len(manifest), (manifest["status"] == "written").sum()) == (60, 59)
