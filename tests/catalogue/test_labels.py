"""Labels from flags: every combination is a class or an error that names it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mingolotss.catalogue.labels import name_rows
from mingolotss.errors import CatalogueError
from mingolotss.recipe.load import load_recipe

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
