"""The pages that `make docs` built, read without a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[3]
SITE = Path(os.environ.get("MINGOLOTSS_SITE", ROOT / "docs/_build/html"))

# Attributes whose value a browser loads by itself, and those of links that a reader follows.
_LOADED = {
    ("audio", "src"), ("embed", "src"), ("iframe", "src"), ("img", "src"), ("input", "src"),
    ("object", "data"), ("script", "src"), ("source", "src"), ("track", "src"), ("video", "poster"),
    ("video", "src"), ("image", "href"), ("use", "href"),
}  # fmt: skip
_FOLLOWED = {("a", "href"), ("area", "href"), ("form", "action")}
_NOT_LOADED = {
    "alternate",
    "author",
    "canonical",
    "help",
    "index",
    "license",
    "next",
    "prev",
    "search",
}


@dataclass
class Page(HTMLParser):
    """One page: its ids, what it loads, and where it leads."""

    path: Path
    ids: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._in_style, self._in_link = False, False
        self.feed(self.path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element has."""
        self._in_style = tag == "style"
        values = {name: value or "" for name, value in attrs}
        self._note_element(tag, values)
        for name, value in values.items():
            if name == "id" or (tag, name) == ("a", "name"):
                self.ids.append(value)
            elif name == "style":
                self.styles.append(value)
            elif name in {"srcset", "imagesrcset"}:
                self.loaded += [entry.split()[0] for entry in value.split(",") if entry.strip()]
            elif (tag, name.removeprefix("xlink:")) in _LOADED:
                self.loaded.append(value)
            elif (tag, name) in _FOLLOWED:
                self.followed.append(value)

    def _note_element(self, tag: str, values: dict[str, str]) -> None:
        """Note what elements of one kind alone have."""
        if tag == "a":
            self.nested += [values.get("href", "")] * self._in_link
            self._in_link = True
        if tag == "link" and "href" in values:
            relations = set(values.get("rel", "").lower().split())
            place = self.followed if relations and relations <= _NOT_LOADED else self.loaded
            place.append(values["href"])
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.followed.append(values["content"].partition("=")[2])
        if tag == "img" and "alt" not in values:
            self.untold.append(values.get("src", ""))

    def handle_data(self, data: str) -> None:
        """Note the text of a style element."""
        if self._in_style:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Note that a style element or a link ends."""
        self._in_style = False
        if tag == "a":
            self._in_link = False


@cache
def read_page(path: Path) -> Page:
    """Read a page, once."""
    return Page(path)


def pages() -> list[Path]:
    """List the pages of the site: none if it has not been built."""
    return sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)


def is_external(address: str) -> bool:
    """Return whether an address leads to another host."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in {"http", "https", "ftp"}


def broken_links(page: Page, site: Path = SITE) -> Iterator[str]:
    """Yield each link and each resource of a page that is not in the site, or not there exactly."""
    for address in [*page.followed, *page.loaded]:
        parts = urlsplit(address.strip())
        if is_external(address) or parts.scheme in {"mailto", "data", "javascript"}:
            continue
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if target.is_dir():
            target /= "index.html"
        if not target.is_relative_to(site.resolve()) or not target.is_file():
            yield f"{address}: there is no {target}"
        elif parts.fragment and target.suffix == ".html":
            ids = read_page(target).ids
            if unquote(parts.fragment) not in ids:
                yield f"{address}: {target.name} has no such id"
