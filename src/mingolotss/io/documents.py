"""JSON and TOML from files that anybody may have written.

The parsers of the standard library are recursive, and Python limits the digits of an integer. What
exceeds either is reported as any other text that cannot be parsed.

>>> parse_json("[" * 100_000)
Traceback (most recent call last):
    ...
json.decoder.JSONDecodeError: nested too deep: line 1 column 1 (char 0)
>>> parse_toml("a = 1")
{'a': 1}
"""

from __future__ import annotations

import json
import tomllib
from typing import Any

__all__ = ["parse_json", "parse_toml"]

_MAX_DEPTH = 50  # of TOML; recipes have less than ten


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises
    ------
    json.JSONDecodeError
        It is no JSON, nested too deep, not UTF-8, or has an integer of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError(_reason(error), "", 0) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises
    ------
    ValueError
        It is no TOML, nested too deep, or has an integer of thousands of digits.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_reason(error)) from error
    _check_depth(document)
    return document


def _check_depth(document: dict[str, Any]) -> None:
    """Refuse tables that are nested too deep, which ``[a.a.a]`` makes without recursion."""
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        inner = [v.values() if isinstance(v, dict) else v for v in level]
        level = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not level:
            return
    raise ValueError("nested too deep")


def _reason(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)
