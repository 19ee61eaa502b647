r"""The regular expression of a recipe, matched with the names of images for a limited time.

A recipe may come from anybody, and an expression such as ``(a|a?)+`` takes longer than anybody
waits. Python's own module cannot be stopped; `regex` can.

>>> [match["ra"] for match in match_names(r"(?P<ra>\d+)_.*", ["10_a", "readme"])]
['10']
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings

__all__ = ["check_pattern", "match_names"]

LONGEST_S, _NAMES_PER_S = 1.0, 200_000  # of processor time, which is what `regex` counts
_LONGEST_PATTERN, _MOST_GROUPS = 1000, 50  # characters; each group inside another one recurses


def check_pattern(pattern: str) -> Mapping[str, int]:
    """Return the named groups of a regular expression.

    Raises
    ------
    ValueError
        It is none, or is very long.
    """
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a regular expression of {len(pattern)} characters; use a shorter one")
    if pattern.count("(") > _MOST_GROUPS:
        raise ValueError(f"a regular expression with more than {_MOST_GROUPS} groups")
    try:
        with mute_warnings():  # of syntax that other libraries have
            return re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error


def match_names(pattern: str, names: Sequence[str]) -> list[Mapping[str | int, str]]:
    """Return the groups of each name that matches a pattern as a whole.

    Parameters
    ----------
    pattern : str
        As `check_pattern` accepts it.
    names : sequence of str

    Returns
    -------
    list of mapping
        Its groups by name; group 0 is the whole name.

    Raises
    ------
    CatalogueError
        The names take too long.
    """
    import regex  # 20 ms, for the few recipes with a pattern

    limit = LONGEST_S + len(names) / _NAMES_PER_S
    end = time.process_time() + limit
    matches: list[Mapping[str | int, str]] = []
    try:
        with mute_warnings():
            compiled = regex.compile(pattern)
        for name in names:
            match = compiled.fullmatch(name, timeout=max(end - time.process_time(), 1e-3))
            if match is not None:
                groups = {key: text or "" for key, text in match.groupdict().items()}
                matches.append({0: name, **groups})
    except (TimeoutError, MemoryError, RecursionError, regex.error) as error:
        raise CatalogueError(
            f"match the recipe's pattern {pattern!r} with {len(names)} names: it takes more than "
            f"{limit:.2g} s; write it without repetitions inside repetitions"
        ) from error
    return matches
