"""Names are shown as they are: they become no markup, no formula and no control character."""

from __future__ import annotations

import re
import warnings
from html import unescape
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from builds import run
from mingolotss.qa.report.montage import montage
from mingolotss.qa.report.page import report
from named_builds import build_named

CLASSES = (
    "$\\frac{$", "$x_$", "[bold]a[/red]", "<script>alert(1)</script>", "\u540d\u524d", "L" * 300,
    "two\nlines", "\x1b[31mred", "\u202etxt", "{{7*7}}", "a & b",
)  # fmt: skip
SOURCES = ("<b>bold</b>", "a\nb", "\U0001f30c", 'it\'s "q"', "{{7*7}}", "%41", "a?b#c", "L" * 300)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    names = [f"{name}{row}" for row in range(3) for name in SOURCES]
    return build_named(tmp_path_factory.mktemp("pages"), names, CLASSES)


@pytest.mark.slow
def test_the_report_shows_names(built):
    """No name becomes a tag, a template or a formula, and nothing warns of a missing letter."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = report(built).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    text = unescape(page)
    for name in ("<script>alert(1)</script>", "{{7*7}}", "$\\frac{$", "\u540d\u524d", "a & b"):
        assert name in text


@pytest.mark.slow
def test_figures_are_well_formed_and_short(built):
    """A figure is XML with any name in it, and a name of 300 letters leaves room for the bars."""
    report(built)
    texts = []
    for path in (built / "figures").glob("*.svg"):
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - the program wrote it
        texts += [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"$\\frac{$", "$x_$", "[bold]a[/red]", "two lines", "\ufffd[31mred"} <= set(texts)
    assert [text for text in texts if re.fullmatch("L{20,39}\u2026", text or "")]


@pytest.mark.parametrize("name", [*CLASSES, "", " ", "Indeterminate Small"])
def test_a_montage_draws_any_name(name):
    """Its size depends on the stamps alone."""
    stamps = np.zeros((2, 150, 150), np.uint8)
    stamps[:, 70:80, 60:90] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert montage(stamps, [0, 0], [name], per_class=2).size == (480, 162)


@pytest.mark.slow
def test_tables_of_the_command_line_have_a_line_for_each_row(built):
    """A line break or a colour in a name changes neither the table nor the terminal."""
    done = run("status", built)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for name in ("two lines", "[bold]a[/red]", "$\\frac{$"):
        assert [line for line in lines if line.startswith(name)]
