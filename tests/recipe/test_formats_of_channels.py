"""Which formats a recipe with channels can have is known when it is read."""

from __future__ import annotations

import pytest

from mingolotss.errors import RecipeError
from mingolotss.recipe.model import parse_recipe


def recipe(count: int, kind: str = "uint8", **settings: object):
    """Read a recipe with channels."""
    channels = [{"name": f"c{index}"} for index in range(count)]
    return parse_recipe(
        {"name": "a", "channels": channels, "stamp": {"kind": kind}, **settings}, "a.toml"
    )


@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_channels_are_png(count):
    """The default formats hold them."""
    assert "png" in recipe(count).formats


@pytest.mark.parametrize(
    ("count", "kind"), [(2, "uint8"), (4, "uint8"), (5, "uint8"), (1, "float32"), (3, "float32")]
)
def test_other_channels_are_no_png(count, kind):
    """One line, which names the formats that are possible, and these are accepted."""
    with pytest.raises(RecipeError, match=r"png holds uint8 images of 1 or 3 channels") as caught:
        recipe(count, kind)
    line = str(caught.value)
    assert "\n" not in line
    assert line.endswith("use formats = ['csv', 'batches', 'parquet']")
    assert recipe(count, kind, formats=["csv", "batches", "parquet"])


def test_batches_of_protocol_3_are_bytes():
    """They are written as numpy 1 did, which is known of uint8 alone."""
    batches = {"pickle": {"protocol": 3}}
    assert recipe(2, formats=["batches"], batches=batches)
    with pytest.raises(RecipeError, match="batches of protocol 3 hold uint8 images"):
        recipe(2, "float32", formats=["batches"], batches=batches)


def test_too_many_channels_are_no_recipe():
    """As many as a dataset can have, and one more."""
    formats = ["parquet"]
    assert len(recipe(256, formats=formats).channels) == 256
    with pytest.raises(RecipeError, match="at most 256 items"):
        recipe(257, formats=formats)
