"""Regular expressions of recipes: one line, soon, for those that never end."""

from __future__ import annotations

import contextlib
import re
import time

import pytest

from mingolotss.catalogue.labels import ColumnRules
from mingolotss.catalogue.name_patterns import check_pattern, match_names
from mingolotss.catalogue.reading import catalogue_from_names
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.load import load_recipe

GROUPS = r"(?P<ra>\d+\.\d+)(?P<dec>[+-]\d+\.\d+)"
SLOW = [
    r"((a{0,1000}){0,1000}){0,1000}b", r"(?:a{1,65535}){1,65535}b", r"(.*a){12}b?c",
    r"(?:(?:a?){60}){60}b", r"(.*)(.*)(.*)(.*)(.*)\1\2\3x", r"(a|a?)+\d(?<=b)",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_never_ends(pattern):
    """Some are slow for the library, too; none takes longer than its time."""
    names = ["a" * 250 + "!", "a" * 240 + "b" * 10] * 20
    began = time.process_time()
    with contextlib.suppress(CatalogueError):
        assert not match_names(pattern, names)
    assert time.process_time() - began < 5


def test_no_warning_about_syntax_of_other_libraries():
    assert match_names("[[a](?P<a>.)", ["[1"]) == [{0: "[1", "a": "1"}]
    assert check_pattern("[[a]") == {}


@pytest.mark.slow
def test_the_error_names_the_pattern():
    with pytest.raises(CatalogueError, match=r"'\(\?:a.*takes more than 1 s; write it"):
        match_names(SLOW[1], ["a" * 250])


@pytest.mark.parametrize("pattern", [
    r"(?P<class>\d{3})_(?P<ra>\d+\.\d+)(?P<dec>[+-]\d+\.\d+)_.*", r"J(?P<a>\w+)?(?P<b>-.*)",
    r"(?i)j(?P<a>[^-]*)-(?P<b>.*?)", r"(?P<a>.)(?P<b>\d)*", "", r"\S+\Z", r"^(?P<a>é+)$",
])  # fmt: skip
def test_matches_are_those_of_the_standard_library(pattern):
    names = ["100_1.5+2.5_x", "J12-3", "j1--", "a123", "é", "éé", "x y", "", "J-", "\n"]
    expected = [
        {0: name, **{key: text or "" for key, text in match.groupdict().items()}}
        for name in names if (match := re.fullmatch(pattern, name))
    ]  # fmt: skip
    assert match_names(pattern, names) == expected


@pytest.mark.parametrize("pattern", ["(", "(?R)", "a" * 1001, "(" * 500 + ")" * 500,
                                     r"(?P<ra>1)(?P<ra>2)", "x{99999999999}"])  # fmt: skip
def test_what_is_no_pattern(pattern, tmp_path):
    with pytest.raises(ValueError, match="regular expression"):
        check_pattern(pattern)
    path = tmp_path / "a.toml"
    path.write_text(f"extends = 'mirabest'\nname = 'a'\n[catalogue]\nnames = '{pattern}'\n")
    with pytest.raises(RecipeError, match="regular expression"):
        load_recipe(path)


def test_a_position_that_is_no_number():
    pattern = r"(?P<class>\d+)_(?P<ra>.*)_(?P<dec>\S*)"
    for name in ("1_x_2", "1_2_", "1_1e_1"):
        with pytest.raises(CatalogueError, match="which is no number"):
            catalogue_from_names([name], pattern, ColumnRules("class"))
