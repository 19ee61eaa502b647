"""Links of pages to files in the root of the repository, which the site shows as pages of its own.

A page links `../CONTRIBUTING.md`, so that the link works where a forge shows the repository. In
the site this is the page `project/contributing`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {
    "CHANGELOG.md": "project/changes.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}
LINK = re.compile(r"\]\((?P<up>(?:\.\./)+)(?P<name>[A-Z_]+\.md)(?P<anchor>#[\w-]+)?\)")


def _link_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace links to such files in the text of one page, which is `source[0]`."""
    folder = Path(app.srcdir, docname).parent

    def page(link: re.Match[str]) -> str:
        if (folder / link["up"]).resolve() != Path(app.srcdir).parent.resolve():
            return link[0]
        target = os.path.relpath(Path(app.srcdir, PAGES[link["name"]]), folder)
        return f"]({target}{link['anchor'] or ''})"

    source[0] = LINK.sub(page, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
