"""The text of a page as a reader sees it: blocks in their sections, and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "input", "br", "wbr", "path", "rect", "use", "ellipse", "image"}
_BLOCKS = {"p", "h1", "h2", "h3", "dt", "dd", "summary", "figcaption", "legend", "label", "title"}


@dataclass
class Element:
    """One element: its tag, attributes, and children, which are elements and texts."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def text(self) -> str:
        """Return the text in it, with one blank where a browser has white space."""
        parts = [child if isinstance(child, str) else child.text() for child in self.children]
        return " ".join("".join(parts).split())

    def all(self, *tags: str) -> list[Element]:
        """Return the elements with these tags in it, in their order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] * (child.tag in tags) + child.all(*tags)
        return found

    def has_class(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("page", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open[-1].tag != "style":
            self._open[-1].children.append(data)


def parse_page(html: str) -> Element:
    """Return a page as a tree; an element that is not closed is an error."""
    parser = _Parser()
    parser.feed(html)
    assert [element.tag for element in parser._open] == ["page"]
    return parser.root


@dataclass
class Block:
    """A piece of text that is read alone.

    Attributes
    ----------
    section : str
        The id of its section; "" above the sections.
    kind : str
        Tag of its element, "figure NAME" for a text in a figure, and "table LABEL" for a cell.
    text : str
    """

    section: str
    kind: str
    text: str


def blocks_of(element: Element, section: str = "", place: str = "") -> list[Block]:
    """Return all texts of a page in blocks, none left out; tables only as "table LABEL"."""
    blocks: list[Block] = []
    for child in element.children:
        if isinstance(child, str):
            if child.strip():
                blocks.append(Block(section, place or element.tag, " ".join(child.split())))
            continue
        inside = child.attributes.get("id", section) if child.tag == "section" else section
        if child.tag in _BLOCKS:
            names = child.attributes.get("class", "")
            kind = child.tag + (f".{names}" if names else "")
            spans = [one for one in child.all("span") if not one.attributes]
            text = " | ".join(one.text() for one in spans) if spans else child.text()
            blocks.append(Block(inside, f"{kind}.spans" if spans else kind, text))
        elif child.tag == "table":
            blocks.append(Block(inside, "table", table_label(element, child)))
        else:
            label = child.attributes.get("aria-label", "")
            blocks += blocks_of(
                child,
                inside,
                f"figure {label}"
                if "role" in child.attributes and child.attributes["role"] == "img"
                else place,
            )
    return blocks


def table_label(parent: Element, table: Element) -> str:
    return table.attributes.get("aria-label") or parent.attributes.get("aria-label", "")


def table_rows(root: Element, label: str) -> list[dict[str, str]]:
    """Return the rows of the table with this label; a repeated column gets a number."""
    for parent in [root, *root.all("div", "section", "details", "article")]:
        for child in parent.children:
            is_table = isinstance(child, Element) and child.tag == "table"
            if is_table and table_label(parent, child) == label:
                return _rows(child)
    raise AssertionError(f"no table {label}")


def _rows(table: Element) -> list[dict[str, str]]:
    head, *rest = table.all("tr")
    names: list[str] = []
    for cell in head.all("th"):
        names.append(cell.text() + ("" if cell.text() not in names else " 2"))
    rows = [[cell.text() for cell in row.all("th", "td")] for row in rest]
    return [dict(zip(names, row, strict=True)) for row in rows]
