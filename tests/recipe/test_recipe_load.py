"""Recipes are found by name and by path, and can extend one another."""

from __future__ import annotations

import pytest

import mingolotss
from mingolotss.errors import RecipeError
from mingolotss.recipe.load import load_recipe, recipe_names


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_recipe_extends_a_shipped_one(tmp_path):
    """Tables are merged key by key, other values are replaced, the name is the recipe's own.

    Title, description and what else is true of the other dataset alone are not inherited.
    """
    path = write(
        tmp_path, "mine.toml",
        'extends = "mingolotss"\nname = "mine"\ncitation = ["Me 2026"]\n'
        '[noise]\nsigma = 4.0\n[[steps]]\ndo = "zero-nan"\n',
    )  # fmt: skip
    mine, base = load_recipe(path), load_recipe("mingolotss")
    assert (mine.name, mine.title, mine.description) == ("mine", "", "")
    assert (mine.citation, mine.licence) == (("Me 2026",), base.licence)
    assert (mine.keywords, bool(base.keywords)) == ((), True)
    assert (mine.noise.sigma, mine.noise.method) == (4.0, base.noise.method)
    assert mine.classes == base.classes
    assert [one.do for one in mine.steps] == ["zero-nan"]
    assert base.published.md5
    assert not mine.published.md5, "the checksums are those of another dataset"


def test_a_recipe_extends_a_file_beside_it(tmp_path):
    """A chain of files ends in a shipped recipe; the file given last wins."""
    write(tmp_path, "base.toml", 'extends = "mirabest"\nname = "base"\n[stamp]\npixels = 64\n')
    path = write(
        tmp_path, "top.toml", 'extends = "base.toml"\nname = "top"\n[noise]\nsigma = 5.0\n'
    )
    top = load_recipe(path)
    assert (top.stamp.pixels, top.noise.sigma, top.noise.method) == (64, 5.0, "sigma-clipped")


def test_wide_is_mingolotss_but_for_what_it_says():
    """The wide recipe repeats no class, no catalogue and no checksum."""
    wide, base = load_recipe("mingolotss-wide").to_dict(), load_recipe("mingolotss").to_dict()
    different = {key for key in base if wide[key] != base[key]}
    assert different == {
        "name",
        "title",
        "summary",
        "description",
        "images",
        "stamp",
        "steps",
        "split",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "mine.toml"\nname = "mine"', "extends itself"),
        ('extends = "nothing"\nname = "mine"', "no recipe is called 'nothing'"),
        ('extends = "gone.toml"\nname = "mine"', "gone.toml: No such file"),
        ('extends = "../mine.toml"\nname = "mine"', "in the same folder"),
        ('extends = "/etc/passwd.toml"\nname = "mine"', "in the same folder"),
        ('extends = 3\nname = "mine"', "in the same folder"),
        ('extends = "mingolotss"', "name"),
        ('extends = "mingolotss"\nname = "mine"\nnoise = 3', "noise"),
        ('extends = "mingolotss"\nname = "mine"\n[noise]\nsigmma = 3', "did you mean 'sigma'"),
    ],
)
def test_a_wrong_extension_is_one_line(tmp_path, text, words):
    """The line names the recipe and says what was expected."""
    path = write(tmp_path, "mine.toml", text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


def test_the_library_lists_what_the_commands_list():
    """`recipes`, `services` and `classes` are the twins of the commands of these names."""
    assert list(mingolotss.recipes()) == list(recipe_names())
    summaries = {name: load_recipe(name).summary for name in recipe_names()}
    assert mingolotss.recipes() == summaries
    assert mingolotss.services()["folder"].startswith("folder:DIR")
    rows = mingolotss.classes("mingolotss")
    assert [(row.label, row.name) for row in rows][:2] == [(0, "FRI"), (1, "FRI NAT")]
    assert {row.count for row in rows} == {None}
    assert mingolotss.classes("lotss") == []
