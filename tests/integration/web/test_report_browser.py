"""The report in a real Chromium: any width, stamps with their marks, and on paper."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

import pytest

from browsing import Browser, set_screen
from mingolotss.qa.report.page import report

pytestmark = pytest.mark.web
WIDTHS = (320, 390, 768, 1400)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_scrolls_sideways(browser: Browser, out: Path, width: int) -> None:
    """Wide tables scroll inside themselves; names without blanks break."""
    set_screen(browser, (width, 900))
    browser.get(report(out).as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_each_stamp_has_a_bar_of_its_length_and_blank_ones_a_word(
    browser: Browser, out: Path
) -> None:
    """30 arcsec are 20 of the 150 pixels of a stamp, at whatever size it is shown."""
    browser.get(report(out).as_uri())
    ratios = browser.execute_script("""
        return [...document.querySelectorAll('.stamp svg use')].map(use => {
            const bar = document.querySelector(use.getAttribute('href') + ' path');
            const stamp = use.closest('.stamp').getBoundingClientRect();
            const box = use.getBoundingClientRect();
            return [bar.getTotalLength() / 150, box.left >= stamp.left, box.right <= stamp.right];
        });""")
    assert len(ratios) > 20
    assert all(ratio == [pytest.approx(20 / 150, rel=1e-3), True, True] for ratio in ratios)
    words = browser.execute_script("""
        return [...document.querySelectorAll('.stamp b')].map(
            word => [word.textContent, word.parentElement.querySelector('img').alt]);""")
    assert {tuple(word) for word in words} == {("blank", "stamp of BLANK")}


def test_paper_has_the_folded_names_and_no_navigation(browser: Browser, out: Path) -> None:
    browser.get(report(out).as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = browser.execute_script("""
        const isShown = selector => document.querySelector(selector).checkVisibility(
            {contentVisibilityAuto: true});
        return [isShown('.contents'), isShown('.theme'), isShown('#choice details .names')];""")
    rules = browser.execute_script("""
        const style = selector => getComputedStyle(document.querySelector(selector));
        return [style('h2').breakAfter, style('h3').breakAfter, style('figure').breakInside,
                style('tbody tr').breakInside];""")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == [False, False, True]
    assert rules == ["avoid", "avoid", "avoid", "avoid"]


def test_no_heading_is_the_last_line_of_a_printed_page(browser: Browser, out: Path) -> None:
    """In the PDF file of Chromium, whose tagged text comes in the order of the page."""
    browser.get(report(out).as_uri())
    browser.execute_script(
        "document.querySelectorAll('h2, h3').forEach(h => { h.style.color = 'rgb(1, 254, 3)'; })"
    )
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"generateTaggedPDF": False})
    pages = _pages(base64.b64decode(printed["data"]))
    assert len(pages) > 3
    headings = 0
    for page in pages:
        # Text is drawn in the colour that was set before it: green is that of headings.
        drawn = re.findall(rb"([\d.]+ [\d.]+ [\d.]+) rg\b|\bT[jJ]\b|\bDo\b", page)
        colour, order = b"", []
        for one in drawn:
            colour = one or colour
            if not one:
                order.append(colour.startswith(b".00392157 .99607843") or b".996" in colour)
        headings += sum(order)
        assert not order or not order[-1]
    assert headings > 10


def _pages(pdf: bytes) -> list[bytes]:
    """Return the content streams of a PDF file that show text, inflated."""
    streams = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            content = zlib.decompress(match[1])
        except zlib.error:
            continue
        if b" Tf" in content and b"BT" in content:
            streams.append(content)
    return streams
