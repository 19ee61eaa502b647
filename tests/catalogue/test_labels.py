"""Labels from flags: every combination is a class or an error that names it."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules, name_rows
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.classes import classes
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe

RULES = load_recipe("mingolotss").rules


def test_every_combination_of_flags():
    """Of the 128 combinations of seven flags ten are classes, each with its own label."""
    known = {frozenset(rule.flags): rule.label for rule in RULES.classes}
    for chosen in itertools.product([False, True], repeat=len(RULES.columns)):
        flags = {name: np.array([one]) for name, one in zip(RULES.columns, chosen, strict=True)}
        names = frozenset(name for name, one in zip(RULES.columns, chosen, strict=True) if one)
        if names in known:
            assert RULES.label(flags, ["A"]).tolist() == [known[names]]
        else:
            expected = " + ".join(c for c in RULES.columns if c in names) or "no flag"
            with pytest.raises(CatalogueError) as caught:
                RULES.label(flags, ["A"])
            assert f"({expected})" in str(caught.value)
            assert "row 1 (A)" in str(caught.value)
    assert sorted(known.values()) == list(range(10))


def test_rows_are_named_from_one_and_counted():
    """A message shows three rows and how many more."""
    names = [f"S{i}" for i in range(9)]
    assert name_rows([4], names) == "row 5 (S4)"
    assert name_rows([0, 1, 2, 3, 8], names) == "row 1 (S0), row 2 (S1), row 3 (S2) and 2 more"


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([str(i) for i in range(12)], [str(i) for i in range(12)]),
        (["10", "9", "-1", "0"], ["-1", "0", "9", "10"]),
        (["1.5", "10.0", "-0.5", "2.0"], ["-0.5", "1.5", "2.0", "10.0"]),
        (["1e3", "20", "+5"], ["+5", "20", "1e3"]),
        ([str(2**62 + 1), str(2**62), "7"], ["7", str(2**62), str(2**62 + 1)]),
        (["True", "False"], ["False", "True"]),
        (["b", "10", "A", "2", "a2", "a10"], ["2", "10", "A", "a10", "a2", "b"]),
        (["FRII", "FRI", "é", "Z"], ["FRI", "FRII", "Z", "é"]),
        (["010", "9", "1"], ["1", "9", "010"]),
        (["nan", "inf", "3"], ["3", "inf", "nan"]),
    ],
)
def test_numbers_sort_as_numbers(values, classes):
    """Class codes are in numerical order, before words in alphabetical order."""
    labels, names = ColumnRules("kind").label(values, values)
    assert list(names) == classes
    assert [classes[label] for label in labels] == values


@pytest.mark.parametrize("pair", [("1", "1.0"), ("01", "1"), ("1e1", "10"), ("-0", "0")])
def test_one_number_in_two_spellings_is_no_two_classes(pair):
    """Two spellings of one number are an error that names both."""
    with pytest.raises(CatalogueError, match="which are the same number"):
        ColumnRules("kind").label([*pair, "x"], ["a", "b", "c"])


@pytest.mark.parametrize(("values", "label"), [(["1.0", "2.0"], 0), (["01", "2"], 0)])
def test_a_code_of_the_recipe_matches_as_a_number(values, label):
    """A column of integers that was written as floats still has the recipe's classes."""
    rules = ColumnRules("kind", (("1", 0, "FRI"), ("2", 1, "FRII")))
    assert rules.label(values, ["a", "b"])[0].tolist() == [0, 1]
    with pytest.raises(CatalogueError, match=r"'1\.5', which is no class"):
        rules.label(["1.5", "2"], ["a", "b"])
    exact = ColumnRules("kind", (("1", 0, "FRI"), ("01", 1, "FRII"), ("2", 2, "x")))
    assert exact.label(["1", "01", "2.0"], ["a", "b", "c"])[0].tolist() == [0, 1, 2]


TABLE = (("x", 0, "X"), ("y", 1, "Y"))


@pytest.mark.parametrize("classes", [(), TABLE])
@pytest.mark.parametrize("null", [(), ("N/A",), ("N/A", "?")])
def test_a_row_without_a_class(classes, null):
    """It is an error that names rows, or a source without a label if the recipe says so."""
    values, names = ["x", *null, "", "y"], list("abcde")
    rows = ", ".join(f"row {row + 2} ({names[row + 1]})" for row in range(len(null) + 1))
    with pytest.raises(CatalogueError, match=re.escape(f"no value in {rows}; give")):
        ColumnRules("kind", classes, null=null).label(values, names)
    rules = ColumnRules("kind", classes, "unlabelled", null)
    labels, found = rules.label(values, names)
    assert labels.tolist() == [0, *([-1] * (len(null) + 1)), 1]
    assert found == (("X", "Y") if classes else ("x", "y"))


def test_a_row_without_a_flag():
    """Without any flag a row has no class; a combination that is no class stays an error."""
    rules = FlagRules(("f", "g"), (ClassRule(0, "one", ("f",)),), "unlabelled")
    flags = {"f": np.array([True, False]), "g": np.array([False, False])}
    assert rules.label(flags, ["a", "b"]).tolist() == [0, -1]
    with pytest.raises(CatalogueError, match=r"1 rows have flags.*row 1 \(a\)"):
        rules.label(flags | {"g": np.array([True, False])}, ["a", "b"])
    with pytest.raises(CatalogueError, match=r"no flag.*row 2 \(b\)"):
        FlagRules(rules.columns, rules.classes).label(flags, ["a", "b"])
    none = FlagRules(("f",), (ClassRule(0, "none", ()), ClassRule(1, "f", ("f",))), "unlabelled")
    assert none.label({"f": flags["f"]}, ["a", "b"]).tolist() == [1, 0]


def test_the_classes_of_a_recipe_count_the_rest(tmp_path):
    """`classes` ends with the sources without a class, if the recipe permits them."""
    (tmp_path / "a.csv").write_text("id,ra,dec,kind\nA,1,2,10\nB,1,3,\nC,1,4,9\nD,1,5,?\n")
    settings = {
        "name": "x", "catalogue": {"name": "id", "ra": "ra", "dec": "dec"},
        "classes": {"from": "column", "column": "kind", "missing": "unlabelled", "null": ["?"]},
    }  # fmt: skip
    rows = classes(parse_recipe(settings, "x.toml"), tmp_path / "a.csv")
    assert [(row.label, row.name, row.count) for row in rows] == [
        (0, "9", 1), (1, "10", 1), (-1, "without a class", 2),
    ]  # fmt: skip
    table = [{"label": 0, "name": "?"}]
    with pytest.raises(RecipeError, match=r"null has values of the table: \?"):
        parse_recipe(settings | {"classes": settings["classes"] | {"table": table}}, "x.toml")
    settings["classes"] |= {"missing": "maybe"}
    with pytest.raises(RecipeError, match=r"classes\.missing = 'maybe'"):
        parse_recipe(settings, "x.toml")
