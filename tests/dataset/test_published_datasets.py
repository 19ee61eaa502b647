"""Published datasets as the readers know them: from the tables of the recipes, unchecked."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from mingolotss.dataset.published import (
    PublishedDataset,
    dataset_of_classes,
    namings,
    published_datasets,
)
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.tables import read_tables

PUBLISHED = [name for name in recipe_names() if load_recipe(name).published.files]


def test_published_datasets_are_those_with_published_files():
    """A recipe inherits no published files: that of another survey is no published dataset."""
    assert [one.recipe for one in published_datasets()] == PUBLISHED
    assert "mingolotss" in PUBLISHED
    assert read_tables("mingolotss-wide")["classes"] == read_tables("mingolotss")["classes"]
    assert "mingolotss-wide" not in PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_dataset_is_what_its_checked_recipe_says(name):
    """The classes are those after merging, in both namings, and the image name has its default."""
    recipe = load_recipe(name)
    files = {PurePosixPath(path).name: md5 for path, md5 in recipe.published.files.items()}
    [own] = (one for one in published_datasets() if one.recipe == name)
    expected = PublishedDataset(name, recipe.title, namings(recipe), files, recipe.stamp.name)
    assert own == expected
    assert len(files) == len(recipe.published.files)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_dataset_is_recognised_by_either_naming_and_by_nothing_less(name):
    names, published = namings(load_recipe(name))
    for classes in (names, published):
        dataset = dataset_of_classes(classes)
        assert dataset is not None
        assert classes in dataset.namings
        assert dataset_of_classes((*classes, "one more")) is None
        assert dataset_of_classes(classes[::-1]) is None
