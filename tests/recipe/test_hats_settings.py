"""The settings of HATS collections: what is refused, and what they leave as it is."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w

from mingolotss.errors import RecipeError
from mingolotss.recipe.hats_settings import HatsSettings
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partition_rows": 0}, r"hats\.partition_rows = 0: .*greater than or equal to 1"),
        ({"partition_rows": 10.5}, r"hats\.partition_rows = 10\.5: .*valid integer"),
        ({"margin_arcsec": -1}, r"hats\.margin_arcsec = -1: .*greater than or equal to 0"),
        ({"margin_arcsec": 3601}, r"hats\.margin_arcsec = 3601: a margin is at most 3600 arcsec"),
        ({"margin_arcsec": "10 arcsec"}, r"hats\.margin_arcsec = '10 arcsec': .*valid number"),
        ({"flux": "yes"}, r"hats\.flux = 'yes': .*valid boolean"),
        ({"margin": 10.0}, r"there is no key 'hats\.margin': did you mean 'margin_arcsec'"),
    ],
)
def test_a_wrong_setting_is_one_line(settings, message):
    with pytest.raises(RecipeError, match=message) as error:
        parse_recipe({"name": "mine", "hats": settings}, "mine.toml")
    assert "\n" not in str(error.value)


def test_a_recipe_is_written_with_the_settings_that_are_not_the_default():
    recipe = load_recipe("mingolotss")
    assert "hats" not in recipe.to_dict()
    changed = recipe.changed({"hats.margin_arcsec": 0, "hats.partition_rows": 500})
    assert changed.hats == HatsSettings(partition_rows=500, margin_arcsec=0.0)
    text = tomli_w.dumps(changed.to_dict())
    assert tomllib.loads(text)["hats"] == {"partition_rows": 500, "margin_arcsec": 0.0}
    assert parse_recipe(tomllib.loads(text), "mine.toml").hats == changed.hats


def test_the_digest_is_that_of_the_stamps():
    """A build with another collection keeps its parts, and one with FITS stamps does not."""
    recipe = load_recipe("mingolotss")
    names = list(recipe.formats)
    same = [{"hats.flux": True}, {"formats": [*names, "hats"]}, {"formats": ["hats", *names]}]
    assert {recipe.changed(changes).digest for changes in same} == {recipe.digest}
    assert recipe.changed({"formats": [*names, "fits"]}).digest != recipe.digest
