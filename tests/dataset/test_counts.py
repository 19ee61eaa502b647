"""The number of images with a flag: only among those for which this was looked at."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.dataset.counts import Count, count_flags
from mingolotss.recipe.model import RecentreSettings


def table(**columns):
    values = {
        "recentred": [True, False, False], "blank": [False, True, True],
        "undecided": [False, False, True], "exceeds_stamp": [True, False, False],
        "size_arcsec": [300.0, 20.0, np.nan], "pixel_scale_arcsec": [1.5] * 3, "case": [0, 1, 4],
        "incomplete": [True, False, False],
    }  # fmt: skip
    return pa.table(values | columns)


def texts(written, *, recentre=True):
    counts = count_flags(written, RecentreSettings(enabled=recentre))
    return {name: str(count) for name, count in counts.items()}


def test_all_is_known():
    assert texts(table(size_arcsec=[300.0, 20.0, 0.0])) == {
        "recentred": "1", "blank": "2", "undecided": "1", "exceeds_stamp": "1", "incomplete": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "flag", "text"),
    [
        ({}, "exceeds_stamp", "1 of the 2 whose size is known"),
        ({"size_arcsec": [np.nan] * 3}, "exceeds_stamp", "not known (no size is known)"),
        ({"size_arcsec": pa.nulls(3, pa.float64())}, "exceeds_stamp",
         "not known (no size is known)"),
        ({"pixel_scale_arcsec": [np.nan] * 3}, "exceeds_stamp", "not known (no size is known)"),
        ({"blank": pa.nulls(3, pa.bool_())}, "blank", "not known (no range of values is known)"),
        ({"incomplete": pa.nulls(3, pa.bool_())}, "incomplete",
         "not known (no missing part is known)"),
        ({"blank": [None, True, False]}, "blank", "1 of the 2 whose range of values is known"),
        ({"undecided": [False] * 3, "case": [0] * 3}, "undecided",
         "0 (no source has several images)"),
        ({"undecided": pa.nulls(3, pa.bool_())}, "undecided",
         "not known (no choice of field is known)"),
    ],
)  # fmt: skip
def test_what_was_not_looked_at_is_not_counted(columns, flag, text):
    assert texts(table(**columns))[flag] == text


def test_a_recipe_that_does_not_recentre_says_so():
    assert texts(table(), recentre=False)["recentred"] == "0 (the recipe does not recentre)"


def test_no_image_at_all_is_a_known_nothing():
    assert set(texts(table().slice(0, 0)).values()) == {"0"}
    assert Count(0, 0, 0).is_known
