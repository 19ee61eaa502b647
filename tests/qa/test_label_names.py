"""Columns of a catalogue that are called like those of tags, votes and masks are no labels."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mingolotss.dataset.mask_census import describe_masks
from mingolotss.publish.summary import read_summary
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.label_section import label_values
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.mask_settings import MaskSettings
from readers_build import make_build


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    recipe = load_recipe("mingolotss").changed({"formats": ["parquet"]})
    return make_build(tmp_path_factory.mktemp("build"), recipe)


@pytest.mark.parametrize("name", ["tags", "votes", "label_from", "mask_pixels"])
def test_a_column_of_an_older_build_is_no_label(built, name):
    """Before, such a column of the catalogue kept its name."""
    view, summary = BuildView.read(built), read_summary(built)
    column = pa.array(["a; b"] * len(view.manifest))
    object.__setattr__(view, "manifest", view.manifest.append_column(name, column))
    assert view.vectors is view.tags is view.votes is None
    assert view.mask_words == ""
    values = label_values(view)
    assert values["kind"] == "classes"
    record = view.record(0)
    assert values["labels_of"](record) == record["class"]
    column = pa.array(["a; b"] * len(summary.manifest))
    object.__setattr__(summary, "manifest", summary.manifest.append_column(name, column))
    assert summary.label_kind == "classes"
    assert summary.label_origins is None
    assert describe_masks(summary.manifest, MaskSettings()) == []
