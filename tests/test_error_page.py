"""The page of the errors has lines that the program prints, and speaks of every class of errors."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import mingolotss
from mingolotss import errors

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
LINES = re.findall(r"^- `(.*)`$", PAGE.read_text(), re.MULTILINE)
FEWEST_LETTERS = 8  # of a text between two placeholders that is looked for
SYSTEM = "No space left on device"  # the words of the system


@cache
def texts():
    """Return every text of the package, with what is filled in as a NUL."""
    parts = []
    for path in Path(mingolotss.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts.append(
                    "".join(
                        one.value if isinstance(one, ast.Constant) else "\0" for one in node.values
                    )
                )
    return "\n".join(parts)


@pytest.mark.parametrize("line", LINES)
def test_the_program_has_the_text_of_each_line(line):
    """Each piece between two placeholders is written in the sources, and one of them is long.

    What was found and what to do are often joined by the program, with a semicolon.
    """
    pieces = re.split(r"<[^<>]*>|; |, then ", line.replace(SYSTEM, ""))
    pieces = [piece.strip() for piece in pieces if re.search(r"\w", piece)]
    assert any(len(piece) >= FEWEST_LETTERS for piece in pieces), line
    for piece in pieces:
        assert piece in texts(), piece


def test_each_line_is_there_once():
    """A line that is pasted into the search leads to one place."""
    assert len(LINES) == len(set(LINES)) > 60


def test_the_page_names_every_class_of_errors():
    """The table at its top has each class of ``mingolotss.errors`` and no other."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {name for name in errors.__all__ if inspect.isclass(getattr(errors, name))}
