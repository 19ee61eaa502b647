"""The shipped lists are the published batches, image by image."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mingolotss.errors import RecipeError
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe
from mingolotss.recipe.published_list import list_names, pixels_sha256, read_list

ARCHIVES = {
    "frdeep-first": ("frdeep/FIRST.tar.gz", ""),
    "mirabest": ("mirabest/MiraBest_F_batches.tar.gz", "F_batches"),
}


def test_lists_are_sound():
    """Names are unique, positions count from 0 in each batch, labels are classes."""
    for name, count in (("frdeep", 658), ("mirabest", 1256)):
        images = read_list(name)
        assert len(images) == len(images.row_of) == count
        for batch, size in images.batch_sizes().items():
            rows = [row for row, own in enumerate(images.batches) if own == batch]
            assert images.positions[rows].tolist() == list(range(size))
        assert images.batch_names[-1] == "test_batch"
        assert images.rows_of(["nobody", images.names[3]]).tolist() == [-1, 3]


def test_every_list_is_used():
    used = {load_recipe(name).published.list for name in ("mirabest", "frdeep-first")}
    assert set(list_names()) == used
    assert load_recipe("mingolotss").published.read_list() is None
    assert not any(read_list("frdeep").pixels_sha256)


@pytest.mark.parametrize("name", ARCHIVES)
def test_list_is_that_of_the_published_batches(shared, tmp_path, name):
    """Labels, order, names and pixels of all 658 and 1,256 published images."""
    archive, inner = ARCHIVES[name]
    recipe = load_recipe(name)
    images = recipe.published.read_list()
    template = recipe.batches.pickle.filenames
    with tarfile.open(shared / "data" / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    row = 0
    for batch in images.batch_names:
        content = load_pickle(tmp_path / inner / batch)
        rows = range(row, row + len(content["labels"]))
        assert [images.batches[i] for i in rows] == [batch] * len(rows)
        assert images.labels[rows].tolist() == content["labels"]
        names = [template.format(image_file=f"{images.names[i]}.png") for i in rows]
        assert names == content["filenames"]
        digests = [pixels_sha256(image) for image in content["data"]]
        assert [images.pixels_sha256[i] for i in rows] == digests
        row += len(rows)
    assert row == len(images)
    with (shared / "data" / archive).with_name("published.csv").open() as stream:
        published = list(csv.DictReader(stream))
    assert [int(one["label"]) for one in published] == images.labels.tolist()
    if "ra" in published[0]:
        assert np.array_equal([float(one["ra"]) for one in published], images.ra)
        assert np.array_equal([float(one["dec"]) for one in published], images.dec)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"list": "frdeeep"}, "no published list of this name: did you mean 'frdeep'"),
        ({"list": "mirabest", "pixels": "first_sha256"}, "it has pixels_sha256"),
    ],
)
def test_wrong_list_is_one_line(settings, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"name": "mine", "published": settings}, "mine.toml")


def test_list_is_a_setting_and_checksums_are_not():
    """A build follows the list; the address and the checksums only say what was published."""
    recipe = load_recipe("mirabest")
    assert recipe.changed({"published.md5": "0"}).digest == recipe.digest
    assert recipe.changed({"published.list": ""}).digest != recipe.digest
    assert recipe.to_dict()["published"]["list"] == "mirabest"


def test_list_is_not_inherited(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text('extends = "mirabest"\nname = "own"\n')
    assert not load_recipe(path).published.list
