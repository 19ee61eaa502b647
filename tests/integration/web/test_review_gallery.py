"""Decisions in the gallery of the review page in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs the extra browser")

from selenium.webdriver import Keys

from browsing import Browser, Serve, find, is_idle, press, save_picture, type_over, until
from mingolotss.candidates.decisions import Decision, DecisionLog
from review_data import names

pytestmark = pytest.mark.web


def _open(browser: Browser, serve: Serve, out: Path, query: str = "") -> None:
    server = serve(out)
    browser.get(server.address)
    browser.get(f"{server.root}/gallery{query}")
    until(browser, lambda: is_idle(browser))


def _focused(browser: Browser) -> str:
    return browser.execute_script(
        "const tile = document.activeElement.closest('.tile'); return tile ? tile.id : ''"
    )


def _rows(out: Path) -> list[tuple[str, str, str]]:
    rows = DecisionLog(out / "decisions.csv").rows()
    return [(row.source, row.field, row.verdict) for row in rows]


def test_decisions_by_keys(browser: Browser, serve: Serve, out: Path) -> None:
    """Arrow keys go from stamp to stamp; after a decision the next one has the focus."""
    _open(browser, serve, out, "?state=open")
    press(browser, "a")  # no stamp has the focus
    press(browser, Keys.ARROW_RIGHT)
    assert _focused(browser) == "tile-0"
    press(browser, "a", "r", "c")
    until(browser, lambda: len(_rows(out)) == 3 and is_idle(browser))
    assert sorted(_rows(out)) == [
        (names()[0], "P1", "accept"), (names()[1], "", "reject"), (names()[2], "", "confirm"),
    ]  # fmt: skip
    assert _focused(browser) == "tile-3"
    for row, text in enumerate(["accepted P1 by ann", "rejected by ann", "confirmed"]):
        assert text in find(browser, f"#tile-{row}").text
    save_picture(browser, "gallery-decided")
    press(browser, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert _focused(browser) == "tile-1"
    press(browser, "a")  # changes its mind: the stamp has the decisions that were just written
    until(browser, lambda: "accepted" in find(browser, "#tile-1").text)
    press(browser, "u")
    until(browser, lambda: "rejected" in _after_undo(browser))
    press(browser, Keys.ARROW_RIGHT, Keys.ENTER)
    until(browser, lambda: find(browser, "h1").text in names())


def _after_undo(browser: Browser) -> str:
    """Return the text of the second stamp, in the gallery of all stamps."""
    root = browser.current_url.split("/gallery")[0]
    if "state=open" in browser.current_url and is_idle(browser):
        browser.get(root + "/gallery")
    return find(browser, "#tile-1").text


def test_decisions_by_the_mouse_in_the_name_of_the_box(
    browser: Browser, serve: Serve, out: Path
) -> None:
    _open(browser, serve, out)
    type_over(browser, "#by", "bob")
    find(browser, "#tile-4 button[value=reject]").click()
    until(browser, lambda: "rejected by bob" in find(browser, "#tile-4").text)
    assert _rows(out) == [(names()[4], "", "reject")]
    type_over(browser, "#by", "")
    find(browser, "#tile-5 button[value=accept]").click()
    until(browser, lambda: "write your name first" in find(browser, "#tile-5").text)
    assert len(_rows(out)) == 1


def test_a_button_keeps_the_focus(browser: Browser, serve: Serve, out: Path) -> None:
    """Somebody who goes with Tab goes on where the decision was made."""
    _open(browser, serve, out)
    press(browser, Keys.ARROW_RIGHT, Keys.TAB, Keys.TAB, Keys.ENTER)
    until(browser, lambda: "rejected" in find(browser, "#tile-0").text and is_idle(browser))
    assert browser.switch_to.active_element.get_attribute("id") == "reject-0"
    press(browser, Keys.TAB, Keys.ENTER)
    until(browser, lambda: "confirmed" in find(browser, "#tile-0").text)


def test_a_newer_decision_is_shown_and_not_replaced(
    browser: Browser, serve: Serve, out: Path
) -> None:
    _open(browser, serve, out)
    DecisionLog(out / "decisions.csv").add(Decision(names()[2], "P2", "accept", "eve"))
    find(browser, "#tile-2 button[value=reject]").click()
    until(browser, lambda: "nothing was written" in find(browser, "#tile-2").text)
    assert "accepted P2 by eve" in find(browser, "#tile-2").text
    assert _rows(out) == [(names()[2], "P2", "accept")]
    find(browser, "#tile-2 button[value=reject]").click()
    until(browser, lambda: "rejected by ann" in find(browser, "#tile-2").text)


def test_without_scripts_the_gallery_still_decides(
    browser: Browser, serve: Serve, out: Path
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    server = serve(out)
    browser.get(server.address)
    browser.get(server.root + "/gallery")
    find(browser, "#by").clear()
    find(browser, "#by").send_keys("bob")
    find(browser, "#tile-3 button[value=accept]").click()
    until(browser, lambda: "accepted P1 by bob" in find(browser, "#tile-3").text)
    assert browser.current_url.endswith("#tile-3")
    assert _rows(out) == [(names()[3], "P1", "accept")]
