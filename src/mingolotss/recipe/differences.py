"""The settings in which two recipes differ.

>>> from mingolotss.recipe.load import load_recipe
>>> recipe = load_recipe("mingolotss")
>>> changed = recipe.changed({"noise.sigma": 4, "formats": ["png"]})
>>> for key, before, after in recipe_differences(recipe, changed): print(key, before, "->", after)
formats ['png', 'csv', 'batches', 'parquet'] -> ['png']
noise.sigma 3.0 -> 4.0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mingolotss.recipe.model import Recipe

__all__ = ["Difference", "recipe_differences"]

_MAX_LETTERS = 70  # of a value
_ABSENT = "absent"


class Difference(NamedTuple):
    """One setting with its two values, as text."""

    key: str
    first: str
    second: str


def recipe_differences(first: Recipe, second: Recipe) -> list[Difference]:
    """Return the settings in which two recipes differ, by their keys in the TOML file.

    The keys are dotted, as ``--set`` has them. The place in a list is a number from 0:
    ``steps.1.sigma``.
    """
    a, b = dict(_flatten(first.to_dict())), dict(_flatten(second.to_dict()))
    keys = sorted({*a, *b})
    values = [(key, a.get(key, _ABSENT), b.get(key, _ABSENT)) for key in keys]
    return [Difference(key, *_shown(x, y)) for key, x, y in values if x != y]


def _flatten(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield all values in tables and in lists of tables, with their dotted keys."""
    items: Mapping[object, object] | None = None
    if isinstance(value, Mapping) and value:
        items = value
    elif isinstance(value, Sequence) and value and all(isinstance(v, Mapping) for v in value):
        items = dict(enumerate(value))
    if items is None:
        yield key, repr(value)
        return
    for name, inner in items.items():
        yield from _flatten(inner, f"{key}.{name}" if key else str(name))


def _shown(first: str, second: str) -> tuple[str, str]:
    """Return two values that differ, each with at most `_MAX_LETTERS` letters."""
    if max(len(first), len(second)) <= _MAX_LETTERS:
        return first, second
    # Long texts, such as descriptions, are shown from a little before the first difference.
    pairs = enumerate(zip(first, second, strict=False))
    start = next((i for i, (x, y) in pairs if x != y), min(len(first), len(second)))
    start = max(0, start - _MAX_LETTERS // 3)
    return _excerpt(first, start), _excerpt(second, start)


def _excerpt(text: str, start: int) -> str:
    piece = text[start : start + _MAX_LETTERS]
    return f"{'...' if start else ''}{piece}{'...' if start + len(piece) < len(text) else ''}"
