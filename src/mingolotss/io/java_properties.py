r"""Files of properties as Java has them, which describe HATS catalogues: names with texts.

Follows ``java.util.Properties.load`` (Java SE 21): a name ends at the first ``=``, ``:`` or blank
that no backslash precedes, a line that ends with a backslash goes on in the next one, and ``#`` and
``!`` begin a comment.

>>> parse_properties("#HATS catalog\nobs_collection=demo\nobs_title = A \\u0041\n")
{'obs_collection': 'demo', 'obs_title': 'A A'}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["parse_properties"]

_LINE = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\f"
_NAME = re.compile(r"(?:[^\\=: \t\f]|\\.)*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.?)", re.DOTALL)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    """Return the properties of a file by name; of a name that is there twice, the last text."""
    properties = {}
    for line in _logical_lines(text):
        name = _NAME.match(line)
        end = name.end() if name else 0
        separator = _SEPARATOR.match(line, end)
        properties[_unescape(line[:end])] = _unescape(line[separator.end() if separator else end :])
    return properties


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines that are no comments, each with the lines in which it goes on."""
    parts: list[str] = []
    for line in _LINE.split(text):
        stripped = line.lstrip(_BLANKS)
        if not parts and (not stripped or stripped[0] in "#!"):
            continue
        backslashes = len(stripped) - len(stripped.rstrip("\\"))
        goes_on = backslashes % 2 == 1
        parts.append(stripped[:-1] if goes_on else stripped)
        if not goes_on:
            yield "".join(parts)
            parts = []
    if parts:
        yield "".join(parts)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    name = escape[1]
    if len(name) > 1:
        return chr(int(name[1:], 16))
    return _CONTROLS.get(name, name)
