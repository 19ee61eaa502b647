"""The regular expressions of the package: linear in what comes from outside, in every Python."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from functools import cache

import pytest

import mingolotss
from mingolotss.errors import MingoError
from mingolotss.sky.header_facts import read_header_facts
from mingolotss.sky.wcs_cards import read_wcs_cards

# One of a piece, and many of it, is what makes an expression try every way to divide a text.
PIECES = [" ", "a", "0", "<", "'", '"', "=", "-", ".", "/", "\n", "C", "(", "x1", "a-", "a.", "0.",
          "://", "a:", "a@", "1e", "<a ", "C "]  # fmt: skip
LENGTH = 8000
LONGEST_S = 0.5


@cache
def patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Return the expressions of all modules by module and name."""
    found = {}
    for module in pkgutil.walk_packages(mingolotss.__path__, "mingolotss."):
        if module.name.endswith("__main__"):
            continue
        try:
            names = vars(importlib.import_module(module.name))
        except ImportError:  # an optional library is not installed
            continue
        found |= {f"{module.name}.{key}": value for key, value in names.items()
                  if isinstance(value, re.Pattern)}  # fmt: skip
    return found


def test_no_possessive_groups():
    """Python 3.11.0 to 3.11.4 gives wrong matches for them (python/cpython#106052)."""
    assert len(patterns()) > 30
    for name, pattern in patterns().items():
        text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
        assert not re.search(r"\)(?:[*+?]|\{\d*,?\d*\})\+|\(\?>", text), name


@pytest.mark.parametrize("piece", PIECES)
def test_no_expression_is_slow_on_a_long_text(piece):
    """A value, a name or a page may be as long as its file."""
    text = piece * (LENGTH // len(piece)) + "\x01"
    for name, pattern in patterns().items():
        began = time.process_time()
        pattern.fullmatch(text if isinstance(pattern.pattern, str) else text.encode())
        assert time.process_time() - began < LONGEST_S, name


@pytest.mark.parametrize("card", [b"", b"COMMENT", b"HISTORY ''", b"        / x", b"= '"])
def test_headers_with_many_cards_of_one_kind(card):
    """Space is reserved in headers with blank cards."""
    cards = b"CTYPE1  = 'RA---SIN'".ljust(80) + b"BUNIT   = 'Jy/beam'".ljust(80)
    header = cards + card.ljust(80) * 20_000 + b"CRVAL1  = 5.5".ljust(80) + b"END".ljust(80)
    began = time.process_time()
    assert read_wcs_cards(header).values == {"CTYPE1": "RA---SIN", "CRVAL1": 5.5}
    assert read_header_facts(header).unit == "Jy/beam"
    assert time.process_time() - began < 5


@pytest.mark.parametrize("piece", ["a-", "a://", "a://b:", "http://a", "@", "\x1b"])
def test_messages_about_long_values_are_short(piece):
    """A cell of a catalogue can be a megabyte long, and is in the message about it."""
    began = time.process_time()
    message = str(MingoError(f"begin {piece * (1_000_000 // len(piece))}@ end"))
    assert time.process_time() - began < 5
    assert message.startswith("begin ")
    assert message.endswith(" end")
    assert len(message) < 10_000
