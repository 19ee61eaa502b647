"""Every link of the built site resolves, and no page loads anything from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from built_site import ROOT, SITE, Page, broken_links, is_external, pages, read_page

pytestmark = [
    pytest.mark.docs,
    pytest.mark.skipif(not pages(), reason="the site is not built: make docs"),
]


def test_every_link_and_anchor_resolves():
    """Exact file names and exact ids, also those of pictures, styles and scripts."""
    broken = {page.name: [*broken_links(read_page(page))] for page in pages()}
    assert {name: links for name, links in broken.items() if links} == {}


def test_an_id_stands_once_in_its_page():
    """Or a link could lead to the wrong one of two places."""
    for path in pages():
        twice = [name for name, n in Counter(read_page(path).ids).items() if n > 1]
        assert twice == [], path


def test_no_link_stands_in_another():
    """A browser would end the outer one before its text."""
    nested = {path.name: read_page(path).nested for path in pages()}
    assert {name: links for name, links in nested.items() if links} == {}


def test_no_page_loads_from_another_host():
    """No fonts, scripts, pictures or frames: the site works without the network."""
    for path in pages():
        page = read_page(path)
        assert [address for address in page.loaded if is_external(address)] == [], path
        assert [style for style in page.styles if loads_elsewhere(style)] == [], path


def test_no_style_loads_from_another_host():
    """Also those of the theme and of the extensions."""
    styles = [*SITE.rglob("*.css")]
    assert styles
    for path in styles:
        assert not loads_elsewhere(path.read_text(encoding="utf-8")), path


def loads_elsewhere(style: str) -> list[str]:
    """List what a style sheet loads from other hosts."""
    return re.findall(r"(?:url\(\s*|@import\s+)[\"']?(?:https?:)?//[^\"')\s]+", style)


def test_every_picture_has_a_text():
    """An attribute alt, which is empty only for decoration."""
    for path in pages():
        assert read_page(path).untold == [], path


def test_every_page_of_the_sources_is_built():
    """A page for each Markdown file and each notebook."""
    docs = ROOT / "docs"
    sources = {
        path.relative_to(docs).with_suffix(".html")
        for kind in ("*.md", "*.ipynb")
        for path in docs.rglob(kind)
        if "_build" not in path.parts
    }
    assert sources <= {path.relative_to(SITE) for path in pages()}


def test_broken_links_are_found(tmp_path: Path):
    """The check itself: a missing page, a missing id, a file outside, and a host in a style."""
    (tmp_path / "site").mkdir()
    (tmp_path / "outside.html").write_text("<p id='a'>")
    (tmp_path / "site/other.html").write_text("<p id='Exact'>")
    text = """<a href="other.html#Exact">1</a><a href="other.html#exact">2</a><a href="#no">3</a>
        <a href="missing.html">4</a><a href="../outside.html#a">5</a><img srcset="p.png 2x, q.png">
        <a href="https://example.org/">6</a><p style="background: url(//example.org/x.png)">"""
    (tmp_path / "site/page.html").write_text(text)
    page = Page(tmp_path / "site/page.html")
    broken = [line.split(":")[0] for line in broken_links(page, tmp_path / "site")]
    assert broken == [
        "other.html#exact", "#no", "missing.html", "../outside.html#a", "p.png", "q.png",
    ]  # fmt: skip
    assert loads_elsewhere(page.styles[0])
    assert page.untold == [""]
