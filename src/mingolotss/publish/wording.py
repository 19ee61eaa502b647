"""Numbers and lists in sentences.

>>> counted(1, "image"), counted(1234, "image"), counted(2, "row has", "rows have")
('1 image', '1,234 images', '2 rows have')
>>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
('a', 'a and b', 'a, b and c')
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "listed", "plural"]


def plural(number: int, one: str, several: str) -> str:
    """Return the word that agrees with a number."""
    return one if number == 1 else several


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun; the plural takes an "s" unless it is given."""
    return f"{number:,} {plural(number, one, several or f'{one}s')}"


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """Return words as a list in a sentence."""
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last
