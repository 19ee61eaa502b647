"""The Croissant description of a HATS collection: its files, and its columns of numbers."""

from __future__ import annotations

import json
from fnmatch import fnmatch

import pytest

from mingolotss import export
from mingolotss.dataset.stamp_files import stamp_files
from named_builds import build_named

pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hats")
    hats = {"partition_rows": 8, "arrays": True, "flux": True}
    build = build_named(folder, [f"S{row}" for row in range(30)], hats=hats)
    return export(build, "hats", folder / "hats").out


def test_the_partitions_of_the_catalogue_are_described(collection):
    """One pattern has all of them, and no file of the margin, whose rows are copies."""
    described = json.loads((collection / "croissant.json").read_text())
    names = {path.relative_to(collection).as_posix() for path in stamp_files(collection)}
    (files,) = [one for one in described["distribution"] if one["@type"] == "cr:FileSet"]
    existing = [path.relative_to(collection).as_posix() for path in collection.rglob("*")]
    assert {name for name in existing if fnmatch(name, files["includes"])} == names
    listed = {one["@id"] for one in described["distribution"]}
    assert len(names) > 3
    assert names < listed
    fields = {field["name"]: field for one in described["recordSet"] for field in one["field"]
              if one["@id"] == "images"}  # fmt: skip
    assert fields["pixels"]["arrayShape"] == "8,8"
    assert fields["pixels"]["dataType"] == "cr:UInt8"
    parts = {part["name"]: part.get("arrayShape") for part in fields["image"]["subField"]}
    assert parts["flux"] == parts["mask"] == "-1,-1,-1"
    assert parts["band"] == "-1"


@pytest.mark.readers
def test_mlcroissant_reads_the_numbers(collection):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    dataset = mlcroissant.Dataset(str(collection / "croissant.json"))
    assert list(dataset.metadata.issues.errors) == []
    records = list(dataset.records("images"))
    assert len(records) == 30
    assert len(records[0]["images/image"]["images/image/flux"][0][0]) == 8
