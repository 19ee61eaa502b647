"""Recipes: the shipped ones load, a user's own works, and every wrong key or value is one line."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import tomli_w
from pydantic import BaseModel

from mingolotss.catalogue.labels import ColumnRules, FlagRules
from mingolotss.errors import RecipeError
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.model import FORMATS, PublishedSettings, Recipe, parse_recipe
from mingolotss.recipe.steps import STEPS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "recipes.md"
LEAST = {"name": "mine"}


def refused(settings, *words):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(LEAST | settings, "mine.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("mine.toml", *words)), message


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_comes_back(name):
    """A recipe written out and read again is the same recipe, with the same digest.

    The published dataset is among the settings that are written out if it has a list.
    """
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert len(recipe.summary.splitlines()) == 1
    again = parse_recipe(tomllib.loads(tomli_w.dumps(recipe.to_dict())), "again")
    published = recipe.published if recipe.published.list else PublishedSettings()
    assert again == recipe.model_copy(update={"published": published})
    assert again.digest == recipe.digest
    assert len({load_recipe(other).digest for other in recipe_names()}) == len(recipe_names())


def test_a_digest_is_the_same_in_another_process():
    """The digest hangs on the settings alone."""
    code = "from mingolotss.recipe.load import load_recipe; print(load_recipe('mirabest').digest)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == load_recipe("mirabest").digest


def test_the_published_recipe_is_the_designs():
    """Ten classes in the published order, the constants of the method."""
    recipe = load_recipe("mingolotss")
    assert isinstance(recipe.rules, FlagRules)
    assert recipe.class_names == (
        "FRI", "FRI NAT", "FRI WAT", "FRI Small", "FRII", "FRII Small", "Double Double",
        "Indeterminate", "Indeterminate Small", "Small",
    )  # fmt: skip
    assert recipe.step_list == [
        ("zero-nan", {}), ("clip", {"sigma": 3.0}), ("mask", {"radius": 75.0}), ("minmax", {}),
    ]  # fmt: skip
    assert (recipe.stamp.pixels, recipe.choose.near_arcsec) == (150, 15.0)
    assert isinstance(load_recipe("mirabest").rules, ColumnRules)
    assert load_recipe("lotss").rules is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"catalgue": {}}, ["'catalgue'", "'catalogue'"]),
        ({"catalogue": {"nme": "x"}}, ["'catalogue.nme'", "'name'"]),
        ({"classes": {"frm": "none"}}, ["'classes.frm'", "'from'"]),
        ({"classes": {"table": [{"label": 0, "name": "a", "flag": []}]}}, ["flag", "'flags'"]),
        ({"images": {"servce": ""}}, ["'images.servce'", "'service'"]),
        ({"choose": {"near": 1}}, ["'choose.near'", "near_arcsec"]),
        ({"recentre": {"enable": True}}, ["'recentre.enable'", "'enabled'"]),
        ({"noise": {"methd": ""}}, ["'noise.methd'", "'method'"]),
        ({"stamp": {"pixel": 1}}, ["'stamp.pixel'", "'pixels'"]),
        ({"batches": {"row": 1}}, ["'batches.row'", "'rows'"]),
        ({"steps": [{"do": "clip", "sigm": 1.0}]}, ["'clip'", "'sigma'"]),
        ({"steps": [{"do": "clp"}]}, ["'clp'", "'clip'"]),
    ],
)
def test_unknown_keys_suggest_the_nearest(settings, words):
    """At every level an unknown key names itself and the key that was meant."""
    refused(settings, *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "../x"}, ["name", "give letters, digits, '.', '_' and '-'"]),
        ({"channels": [{"name": "144 MHz"}]}, ["channels.0.name", "'144 MHz'", "letters, digits"]),
        ({"name": 7}, ["name"]),
        ({"stamp": {"pixels": "150"}}, ["stamp.pixels", "'150'"]),
        ({"stamp": {"pixels": 150.5}}, ["stamp.pixels"]),
        ({"stamp": {"pixels": True}}, ["stamp.pixels"]),
        ({"stamp": {"pixels": 0}}, ["stamp.pixels"]),
        ({"stamp": {"kind": "uint16"}}, ["stamp.kind", "float32"]),
        ({"stamp": {"name": "{field}.png"}}, ["stamp.name", "{source}"]),
        ({"stamp": {"name": "../{source}.png"}}, ["stamp.name"]),
        ({"stamp": {"name": "{source.__class__}{source}"}}, ["stamp.name"]),
        ({"stamp": {"name": "{source}{0}.png"}}, ["stamp.name"]),
        ({"images": {"rms": "{source}_{fild}.fits"}}, ["images.rms"]),
        ({"images": {"size_arcmin": 0}}, ["images.size_arcmin"]),
        ({"images": {"size_arcmin": float("nan")}}, ["images.size_arcmin"]),
        ({"images": {"size_arcmin": float("inf")}}, ["images.size_arcmin"]),
        ({"noise": {"method": "median"}}, ["noise.method", "sigma-clipped"]),
        ({"recentre": {"enabled": 1}}, ["recentre.enabled"]),
        ({"formats": ["gif"]}, ["formats"]),
        ({"formats": "png"}, ["formats"]),
        ({"stamp": {"kind": "float32"}}, ["formats", "float32"]),
        ({"batches": {"folder": "../x"}}, ["batches.folder"]),
        ({"batches": {"folder": "stamps"}}, ["batches.folder"]),
        ({"batches": {"archive": "manifest.parquet"}}, ["batches.archive"]),
        ({"catalogue": 5}, ["catalogue"]),
        ({"catalogue": {"names": "(?P<ra>"}}, ["catalogue.names", "regular expression"]),
        ({"catalogue": {"names": "(.*)"}}, ["catalogue.names", "(?P<ra>"]),
        ({"steps": [{"sigma": 1.0}]}, ["steps.0.do"]),
        ({"steps": [{"do": "clip", "sigma": "3"}]}, ["'clip'", "sigma"]),
        ({"steps": [{"do": "clip", "sigma": True}]}, ["'clip'", "sigma"]),
        ({"steps": [{"do": "clip", "sigma": float("nan")}]}, ["'clip'", "sigma"]),
        ({"steps": [{"do": "minmax", "inside": 1}]}, ["'minmax'", "inside"]),
        ({"classes": {"from": "flags"}}, ["needs a table"]),
        ({"classes": {"from": "column"}}, ["classes.column"]),
        ({"classes": {"from": "flags", "columns": ["A"],
                      "table": [{"label": 0, "name": "a", "flags": ["B"]}]}}, ["B"]),
        ({"classes": {"from": "flags", "columns": ["A"],
                      "table": [{"label": 0, "name": "a", "flags": ["A"]},
                                {"label": 1, "name": "b", "flags": ["A"]}]}}, ["same flags"]),
        ({"classes": {"table": [{"label": 1, "name": "a"}]}}, ["0, 1, 2"]),
        ({"classes": {"table": [{"label": 0, "name": "a"}, {"label": 1, "name": "a"}]}},
         ["same name"]),
        ({"classes": {"table": [{"label": 0, "name": "a"}], "binary": {"X": [3]}}}, ["binary"]),
    ],
)  # fmt: skip
def test_impossible_values_name_their_key(settings, words):
    """A wrong type or value is one line that names the file, the key and what is possible."""
    refused(settings, *words)


def test_changed_reaches_channels_by_name_and_lists_by_number():
    """A name or a number that is not there is an error, and adds nothing."""
    channels = [{"name": "low"}, {"name": "high", "steps": [{"do": "clip"}]}]
    recipe = parse_recipe({"name": "two", "formats": ["csv"], "channels": channels}, "a test")
    changes = {"channels.high.missing": "zero", "channels.high.steps.0.sigma": 4.0,
               "channels.0.images.service": "mosaics:low"}  # fmt: skip
    low, high = recipe.changed(changes).channels
    assert low.images.service == "mosaics:low"
    assert (high.missing, high.steps[0].settings) == ("zero", {"sigma": 4.0})
    for key in ("channels.middle.missing", "channels.2.missing", "channels.missing", "name.x"):
        with pytest.raises(RecipeError, match=rf"set {key}: \S+ is no table of the recipe"):
            recipe.changed({key: "zero"})


@pytest.mark.parametrize("names", [["a", "a"], ["nvss", "NVSS"], ["x.1", "X.1"]])
def test_channels_have_different_names(names):
    """Also on disks that ignore case, where each has a folder."""
    with pytest.raises(RecipeError, match="channels: two have the same name"):
        parse_recipe({"name": "two", "channels": [{"name": name} for name in names]}, "a test")


def test_changed_changes_and_checks():
    """A dotted key changes one setting; unknown ones and wrong values are refused as in a file."""
    recipe = load_recipe("mingolotss")
    other = recipe.changed({"noise.otherwise": "sigma-clipped", "stamp.pixels": 100})
    assert (other.noise.otherwise, other.stamp.pixels) == ("sigma-clipped", 100)
    assert other.digest != recipe.digest
    assert recipe.changed({}).digest == recipe.digest
    assert other.changed({"noise.otherwise": "reject", "stamp.pixels": 150}) == recipe
    for changes in (
        {"noise.othrwise": "reject"}, {"name.x": 1}, {"steps.9.sigma": 2}, {"stamp.pixels": "a"},
        {"": 1}, {"a.b.c": 1},
    ):  # fmt: skip
        with pytest.raises(RecipeError) as caught:
            recipe.changed(changes)
        assert "\n" not in str(caught.value)


def test_files_that_are_no_recipes(tmp_path):
    """No file, no TOML, no text, no table: one line each that names the file."""
    contents = {"a.toml": b"x = [", "b.toml": b"\xff\xfe", "c.toml": b"recipe = 'x'"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "none.toml"):
        with pytest.raises(RecipeError, match=name) as caught:
            load_recipe(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="did you mean 'mirabest'"):
        load_recipe("mirabst")


def test_the_pages_own_recipe_works(tmp_path):
    """The worked example of the docs is a recipe."""
    page = (DOCS / "howto" / "own-dataset.md").read_text()
    [text] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "spirals.toml"
    path.write_text(text)
    recipe = load_recipe(path)
    assert recipe.class_names == ("Spiral", "Elliptical")
    assert recipe.rules.label(["elliptical", "spiral"], ["a", "b"])[0].tolist() == [1, 0]


def keys(model=Recipe, prefix=""):
    """Return every key of the model, dotted as in the file, with its default."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = [
            one
            for one in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        if not inner or field.default in ((), None):
            yield key, field
        if inner and field.default is not None:
            yield from keys(inner[0], f"{key}.")


@pytest.mark.parametrize(("key", "field"), list(keys()), ids=[key for key, _ in keys()])
def test_every_key_is_documented_with_its_default(key, field):
    """Each key has a row in the page of recipes, with the default that is in force."""
    row = re.search(rf"^\| `{re.escape(key)}` \| (.*?) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert row, f"docs/reference/recipes.md has no row for {key}"
    if field.is_required():
        assert row[1] == "required"
    else:
        if field.default is None:
            assert row[1] == ("that of the recipe" if key.startswith("channels.") else "by size")
            return
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        shown = row[1].strip("`")
        assert tomllib.loads(f"x = {shown}")["x"] == default


def choices(annotation):
    """Return the values that a type allows, if it lists them; "" has no effect."""
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if value != ""]
    return [value for part in get_args(annotation) for value in choices(part)]


@pytest.mark.parametrize(
    ("key", "field"), [(key, field) for key, field in keys() if choices(field.annotation)]
)
def test_the_row_of_a_key_has_every_value(key, field):
    """Where a key takes one of several values, its row in the page names each."""
    [row] = re.findall(rf"^\| `{re.escape(key)}` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    for value in choices(field.annotation):
        assert re.search(rf"[`\"]{re.escape(str(value))}[`\"]", row), value


def test_the_page_documents_nothing_else():
    """A key, step or recipe that is gone is gone from the page, and none is missing there."""
    text = PAGE.read_text()
    rows = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    shipped = {
        name for name in STEPS.names() if STEPS.get(name).__module__ == "mingolotss.recipe.steps"
    }
    assert rows == {key for key, _ in keys()} | shipped | set(recipe_names())
    assert set(FORMATS) <= set(re.findall(r'"(\w+)"', text))
    assert {f"{name}.toml" for name in recipe_names()} == {
        item.name
        for item in files("mingolotss.recipe.shipped").iterdir()
        if item.name.endswith(".toml")
    }
