r"""Tables in a page of the documentation that are replaced by those of a run.

>>> replace_tables("<!-- bench: a -->\nold\n<!-- end -->\n", {"a": "new", "b": "other"})
'<!-- bench: a -->\nnew\n<!-- end -->\n'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["names", "replace_tables", "write"]

_PLACE = re.compile(r"(?<=<!-- bench: )([\w-]+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def names(text: str) -> list[str]:
    """Return the names of the tables of a page."""
    return [place[0] for place in _PLACE.findall(text)]


def replace_tables(text: str, tables: Mapping[str, str]) -> str:
    """Return a page with new tables between the marks that bear their names."""

    def new(place: re.Match[str]) -> str:
        name, mark, old = place.groups()
        return f"{name}{mark}" + (f"{tables[name]}\n" if name in tables else old)

    return _PLACE.sub(new, text)


def write(path: Path, tables: Mapping[str, str]) -> None:
    """Replace the tables of a page that has marks; otherwise write a file with all tables."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = replace_tables(old, tables) if _PLACE.search(old) else "\n\n".join(tables.values()) + "\n"
    path.write_text(new, encoding="utf-8")
