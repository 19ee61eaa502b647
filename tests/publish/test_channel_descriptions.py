"""What is written about channels for machines: Croissant, and the header for Hugging Face."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from channel_builds import NAMES, SIDE, write_build
from mingolotss.publish.card import render_card
from mingolotss.publish.croissant import render_croissant
from mingolotss.publish.summary import read_summary
from mingolotss.publish.zenodo import render_zenodo


@pytest.fixture(params=[(1, "uint8"), (2, "uint8"), (3, "uint8"), (2, "float32"), (5, "float32")])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A build of each kind of image, with the descriptions; and its images."""
    channels, kind = request.param
    folder = tmp_path / "build"
    images = write_build(folder, channels, kind, date="2026-11-26")
    (folder / "LICENSE").write_text("not known")
    summary = read_summary(folder)
    (folder / "croissant.json").write_text(render_croissant(summary))
    (folder / "README.md").write_text(render_card(summary))
    return folder, images


def record_sets(folder: Path) -> dict[str, dict]:
    content = json.loads((folder / "croissant.json").read_text())
    return {one["@id"]: one for one in content["recordSet"]}


def test_croissant_names_the_channels_and_the_shape(dataset):
    folder, images = dataset
    sets = record_sets(folder)
    channels = images.shape[1]
    assert sets["channels"]["data"] == [
        {"channels/name": name, "channels/plane": plane}
        for plane, name in enumerate(NAMES[:channels])
    ]
    assert f"{channels} x {SIDE} x {SIDE} ({images.dtype})" in sets["channels"]["description"]
    fields = {one["name"]: one for one in sets["images"]["field"]}
    is_png = images.dtype == np.uint8 and channels in (1, 3)
    assert ("image" in fields, "pixels" in fields) == (is_png, not is_png)
    if not is_png:
        pixels = fields["pixels"]
        assert pixels["arrayShape"] == f"{channels},{SIDE},{SIDE}"
        assert pixels["isArray"] is True
        assert f"cr:{'UInt8' if images.dtype == np.uint8 else 'Float32'}" in pixels["dataType"]
    members = {one["name"] for one in fields["channels"]["subField"]}
    planes = {one["name"] for one in sets["planes"]["field"]}
    assert members == planes == set(pq.read_schema(folder / "channels.parquet").names)


def test_the_header_describes_the_list_of_channels(dataset):
    """Each column of the stamps has its feature, and that of the channels has all members."""
    folder, _ = dataset
    _, head, _ = (folder / "README.md").read_text().split("---\n", 2)
    features = {one["name"]: one for one in yaml.safe_load(head)["dataset_info"]["features"]}
    schema = pq.read_schema(next((folder / "stamps").glob("*.parquet")))
    assert set(features) == set(schema.names)
    members = {one["name"]: one["dtype"] for one in features["channels"]["list"]}
    assert set(members) == set(pq.read_schema(folder / "channels.parquet").names)
    assert (members["row"], members["noise_jy"], members["blank"]) == ("int64", "float64", "bool")


def test_the_card_says_what_the_stamps_are(dataset):
    folder, images = dataset
    card = (folder / "README.md").read_text()
    channels = images.shape[1]
    assert f"As an array it has the shape ({channels}, {SIDE}, {SIDE})" in card
    assert ("is red" in card) == (channels == 3 and images.dtype == np.uint8)
    is_png = images.dtype == np.uint8 and channels in (1, 3)
    assert ("PNG images and every column" in card) == is_png
    assert (f"the bytes of {images.dtype} images" in card) != is_png


@pytest.mark.readers
def test_mlcroissant_reads_every_plane(dataset):
    """Without an error or a warning; the bytes of an image are its pixels."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    folder, images = dataset
    read = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert [*read.metadata.issues.errors, *read.metadata.issues.warnings] == []
    names = [one["channels/name"] for one in read.records("channels")]
    assert names == list(NAMES[: images.shape[1]])
    assert len(list(read.records("planes"))) == images.shape[0] * images.shape[1]
    for one in read.records("images"):
        expected = images[one["images/row"]]
        if "images/pixels" in one:
            shown = np.frombuffer(one["images/pixels"], images.dtype).reshape(expected.shape)
        else:
            shown = np.asarray(one["images/image"])
            shown = shown[None] if shown.ndim == 2 else shown.transpose(2, 0, 1)
        assert shown.tobytes() == expected.tobytes()
        assert [c["images/channels/channel"].decode() for c in one["images/channels"]] == names


def test_zenodo_has_the_terms_and_the_papers_of_all_surveys(tmp_path):
    """As the services of the channels state them when a build is planned."""
    write_build(tmp_path / "build", 2)
    surveys = {
        "FIRST": {"terms of use": "for scholarly use", "to cite": "Becker 1995, ApJ 450, 559"},
        "NVSS": {"terms of use": "free", "to cite": "Condon 1998, AJ 115, 1693"},
        "Other": {"unit": "Jy/beam"},
    }
    provenance = replace(read_summary(tmp_path / "build").provenance, surveys=surveys)
    deposit = json.loads(render_zenodo(provenance))
    assert deposit["references"] == ["Becker 1995, ApJ 450, 559", "Condon 1998, AJ 115, 1693"]
    assert "Terms of use of the images of FIRST: for scholarly use." in deposit["notes"]
    assert "Terms of use of the images of NVSS: free." in deposit["notes"]
    assert "Other" not in deposit["notes"]
