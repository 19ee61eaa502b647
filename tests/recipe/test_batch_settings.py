"""The settings of batches: what is refused, and what the shipped recipes say."""

from __future__ import annotations

import pytest

from mingolotss.errors import RecipeError
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folder": "a/b"}, "'a/b' is no plain file name"),
        ({"archive": "manifest.tar"}, "the name of another file of the build"),
        ({"in_archive": "top"}, "Input should be 'folder' or 'root'"),
        ({"pickle": {"protocol": 2}}, "Input should be 3 or 4"),
        ({"pickle": {"filenames": "x.png"}}, r"expected a name with \{image_file\}"),
        ({"pickle": {"filenames": "{image_file}{field}"}}, r"expected a name with \{image_file\}"),
        ({"pickle": {"keys": ["labels"]}}, "keys needs 'labels' and 'data'"),
        ({"pickle": {"keys": ["labels", "data", "data"]}}, "a key comes twice"),
        ({"pickle": {"meta": ["num_vis"]}}, "meta needs 'label_names'"),
        ({"pickle": {"dtype_flags": "int"}}, "dtype_flags is for protocol = 3"),
        ({"pickle": {"imges": "flat"}}, "did you mean 'images'"),
    ],
)
def test_a_wrong_setting_is_one_line(settings, message):
    with pytest.raises(RecipeError, match=message) as error:
        parse_recipe({"name": "mine", "batches": settings}, "mine.toml")
    assert "\n" not in str(error.value)


def test_nvss_differs_from_first_in_names_and_scale():
    """The same sources, steps and pickles; another folder, archive, size of a pixel, checksums."""
    first, nvss = (load_recipe(f"frdeep-{survey}").to_dict() for survey in ("first", "nvss"))
    assert {key for key in first if first[key] != nvss[key]} == {
        "name", "title", "summary", "description", "citation", "licence", "keywords", "images",
        "batches", "published",
    }  # fmt: skip
    assert first["images"] | {"size_arcmin": 37.5} == nvss["images"]
    assert first["batches"] | {"folder": "NVSS", "archive": "NVSS.tar.gz"} == nvss["batches"]
