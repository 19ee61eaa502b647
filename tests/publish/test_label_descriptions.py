"""Machines read the tags and votes of a dataset: Croissant, and the header for Hugging Face."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
import yaml

from tagged_builds import TAGS, build_tags, build_votes


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    return build_tags(tmp_path_factory.mktemp("tags"))


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    return build_votes(tmp_path_factory.mktemp("votes"))


def record_sets(folder):
    described = json.loads((folder / "croissant.json").read_text())
    return {one["name"]: one for one in described["recordSet"]}


@pytest.mark.parametrize(("kind", "names"), [("tags", TAGS), ("votes", "ABC")])
def test_croissant_names_the_classes_and_the_lists(kind, names, tagged, voted):
    sets = record_sets(tagged if kind == "tags" else voted)
    assert [(one["classes/label"], one["classes/name"]) for one in sets["classes"]["data"]] == [
        *enumerate(names)
    ]
    for name in ("records", "images"):
        fields = {one["name"]: one for one in sets[name]["field"]}
        number = "sc:Integer" if kind == "tags" else "sc:Float"
        assert fields[kind]["dataType"] == [number, "cr:Label"]
        assert fields[kind]["isArray"] is True
        assert "classes" in fields[kind]["description"]


def test_the_header_for_hugging_face_has_the_task_and_the_names_of_tags(tagged, voted):
    head = yaml.safe_load((tagged / "README.md").read_text().split("---\n")[1])
    assert head["task_ids"] == ["multi-label-image-classification"]
    features = {one["name"]: one for one in head["dataset_info"]["features"]}
    assert features["tags"]["sequence"]["class_label"]["names"] == {
        str(label): name for label, name in enumerate(TAGS)
    }
    head = yaml.safe_load((voted / "README.md").read_text().split("---\n")[1])
    assert "task_ids" not in head
    features = {one["name"]: one for one in head["dataset_info"]["features"]}
    assert features["votes"]["sequence"] == "float64"


def test_the_notes_for_zenodo_say_what_the_labels_are(tagged, voted):
    notes = [json.loads((one / ".zenodo.json").read_text())["notes"] for one in (tagged, voted)]
    assert "Each image has any number of 5 tags." in notes[0]
    assert "Each image has a fraction of the votes for each of 3 classes." in notes[1]


@pytest.mark.readers
@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_mlcroissant_reads_every_list(kind, tagged, voted):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    folder = tagged if kind == "tags" else voted
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert [*dataset.metadata.issues.errors, *dataset.metadata.issues.warnings] == []
    rows = pq.read_table(folder / "manifest.parquet").to_pylist()
    read = [one[f"records/{kind}"] for one in dataset.records("records")]
    assert [None if one is None else list(one) for one in read] == [row[kind] for row in rows]
    assert len(list(dataset.records("images"))) == sum(row["status"] == "written" for row in rows)
