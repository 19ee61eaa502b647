"""Recipes and decisions that are no files, extend what they may not, or are nested too deep."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mingolotss.candidates.decisions import read_decisions
from mingolotss.errors import DecisionError, RecipeError
from mingolotss.recipe.load import load_recipe

LONGEST_S = 5.0


def refused(path: Path | str) -> str:
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert time.process_time() - began < LONGEST_S
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    "base",
    [
        "../a.toml", "/etc/passwd", "/etc/a.toml", "~/a.toml", "..\\\\a.toml", "own.toml", "b.toml",
        "http://192.0.2.1/a.toml", "file:///etc/a.toml", "//192.0.2.1/a.toml", "\\u0000.toml", "",
        "a" * 5000 + ".toml", "\\u202e.toml", "folder.toml", "pipe.toml",
    ],
)  # fmt: skip
def test_a_recipe_extends_nothing_elsewhere(tmp_path, base):
    """Only a shipped recipe, or a file in the same folder; the canary sees everything else."""
    (tmp_path / "own.toml").write_text(f'extends = "{base}"\nname = "own"\n')
    (tmp_path / "b.toml").write_text('extends = "own.toml"\nname = "b"\n')
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    refused(tmp_path / "own.toml")


def test_a_long_chain(tmp_path):
    for number in range(1500):
        text = f'extends = "{number + 1}.toml"\nname = "x"\n'
        (tmp_path / f"{number}.toml").write_text(text)
    assert "more than 20 recipes extend one another" in refused(tmp_path / "0.toml")


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "{a=" * 100_000,
        "[" + "a." * 3000 + "b]",
        "x = " + "9" * 9999,
    ],
)  # fmt: skip
def test_toml_that_exceeds_the_parser(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    refused(tmp_path / "a.toml")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    os.mkfifo(tmp_path / "decisions.csv")
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(2 << 30)
    for path in (tmp_path / "pipe.toml", tmp_path / "large.toml", "/dev/zero", "a\0/b.toml"):
        refused(path)
    with pytest.raises(DecisionError, match="a pipe"):
        read_decisions(tmp_path / "decisions.csv")
