"""Summaries: every name is shown and none is markup; numbers are aligned; lines are short."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from mingolotss.io.png import encode_png
from mingolotss.io.summaries import Picture, Summary, Table

NAMES = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b", "'quoted'",
    "\x1b[31mred\x07", "right\u202eleft", "two\nlines\r\tmore", "Ωmega 星系 <b>", "&lt;b&gt;",
]  # fmt: skip


class Tags(HTMLParser):
    """Collects the tags, their attributes, and the text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_and_never_markup(name):
    """In titles, facts, headers, cells and captions; control characters reach no terminal."""
    png = encode_png(np.zeros((2, 2), np.uint8))
    summary = Summary(
        name, {name: name}, Table((name, "n"), [(name, 1)]), [Picture(png, name, name)]
    )
    page = Tags()
    page.feed(summary.html())
    used = {"div", "style", "p", "table", "tr", "td", "th", "figure", "img", "figcaption"}
    assert page.tags <= used | {"br", "span"}
    assert page.attributes <= {"class", "alt", "src", "tabindex"}
    shown = name if name.isprintable() else name[:3]
    assert page.text.count(shown) >= 6 or not name.isprintable()
    assert all(line.isprintable() for line in repr(summary).splitlines())


def test_numbers_are_at_the_right():
    """Below their header, with thousands separators; texts are at the left."""
    table = Table(("label", "class", "weight"), [(0, "FRI", 0.51234), (10, "a", 12345.6)])
    assert repr(Summary("Title", table=table)).splitlines()[1:] == [
        "    label  class  weight",
        "        0  FRI     0.512",
        "       10  a      12,346",
    ]


def test_long_facts_are_wrapped():
    """No line is longer than 100 letters unless it is one word."""
    summary = Summary("Title", {"classes": ", ".join(f"class number {n}" for n in range(40))})
    assert max(map(len, repr(summary).splitlines())) <= 100
