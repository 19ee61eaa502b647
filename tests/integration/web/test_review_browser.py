"""The review page and the report in a real Chromium: decisions, names, two tabs, accessibility.

``make test-web`` installs the browser. If MINGOLOTSS_SCREENSHOTS names a folder, the tests write
pictures of the pages into it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs the extra browser")

from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from browsing import (
    DESKTOP,
    PHONE,
    Browser,
    Serve,
    Server,
    find,
    heading,
    press,
    save_picture,
    set_screen,
    type_over,
    until,
    wait_for,
)
from mingolotss.candidates.decisions import DecisionLog
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.page import report
from review_data import (
    HOSTILE,
    LONG_NAME,
    UNDECIDED,
    make_build,
    make_own_build,
    names,
    rebuild,
    write_image,
)

pytestmark = pytest.mark.web


def test_ten_sources_by_keyboard_and_a_kill_after_the_seventh(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    """No mouse is needed, and every decision before the kill is complete in the file."""
    out = make_build(tmp_path)
    server = serve(out)
    browser.get(server.address)
    for row in range(7):
        wait_for(browser, names()[row])
        if row % 3 == 0:
            press(browser, "n", *f"note {row}", Keys.ENTER)
        press(browser, "2", "a") if row % 2 else press(browser, "r")
    wait_for(browser, names()[7])
    server.kill()
    rows = DecisionLog(out / "decisions.csv").rows()
    assert [row.source for row in rows] == names()[:7]
    assert [row.verdict for row in rows] == ["reject", "accept"] * 3 + ["reject"]
    assert [row.note for row in rows] == ["note 0", "", "", "note 3", "", "", "note 6"]
    assert {row.field for row in rows} == {"P2", ""}

    browser.get(serve(out).address)
    for row in range(7, 10):
        wait_for(browser, names()[row])
        press(browser, "1", "a")
    wait_for(browser, names()[10])
    assert len(DecisionLog(out / "decisions.csv").rows()) == 10

    rebuild(out.parent)
    records = BuildView.read(out).records(list(range(10)))
    for row, record in enumerate(records):
        if row < 7 and row % 2 == 0:
            assert record["reason"].startswith("rejected by ann")
        else:
            field = "P2" if row < 7 else "P1"
            assert (record["field"], record["decided_by"]) == (field, "ann")
    browser.get(report(out).as_uri())
    table = browser.find_element(By.ID, "decided").text
    assert table.count("ann") == 10
    assert "not yet" not in table


def test_undo_label_find_and_help_by_keyboard(browser: Browser, serve: Serve, out: Path) -> None:
    browser.get(serve(out).address)
    wait_for(browser, names()[0])
    press(browser, "a")
    wait_for(browser, names()[1])
    press(browser, "j", "j")
    until(browser, lambda: heading(browser) in names()[2:4])
    wait_for(browser, names()[3])
    press(browser, "k")
    wait_for(browser, names()[2])
    press(browser, "u")
    wait_for(browser, names()[0])
    assert DecisionLog(out / "decisions.csv").standing() == []

    press(browser, "l", *"FRI W", Keys.TAB, *"a bent tail", Keys.ENTER)
    until(browser, lambda: "questioned" in browser.find_element(By.CLASS_NAME, "notice").text)
    row = DecisionLog(out / "decisions.csv").rows()[-1]
    assert (row.verdict, row.note) == ("label", "looks like FRI WAT: a bent tail")

    press(browser, "?")
    until(browser, lambda: browser.find_element(By.ID, "keys").is_displayed())
    press(browser, Keys.ESCAPE)
    until(browser, lambda: not browser.find_element(By.ID, "keys").is_displayed())
    press(browser, "/", *"LARGE")
    until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "#results a").text == "LARGE")
    press(browser, Keys.TAB, Keys.ENTER)
    wait_for(browser, "LARGE")
    press(browser, "g")
    wait_for(browser, "Gallery")


def test_a_hostile_name_and_header_run_nothing(browser: Browser, site: Server) -> None:
    browser.get(site.address)
    for path in (f"/source/{names().index(HOSTILE)}", "/gallery", "/find?name=script", "/queue"):
        browser.get(site.root + path)
        assert browser.title != "owned"
        assert browser.execute_script("return document.querySelector('img[src=x]')") is None
    browser.get(f"{site.root}/source/{names().index(HOSTILE)}")
    assert heading(browser) == HOSTILE
    browser.get((site.out / "report.html").as_uri())
    assert browser.title != "owned"


def test_two_tabs_on_one_source(browser: Browser, serve: Serve, out: Path) -> None:
    server = serve(out)
    browser.get(server.address)
    wait_for(browser, names()[0])
    browser.switch_to.new_window("tab")
    browser.get(f"{server.root}/source/0")
    wait_for(browser, names()[0])
    press(browser, "2", "a")
    wait_for(browser, names()[1])
    browser.switch_to.window(browser.window_handles[0])
    press(browser, "r")
    until(
        browser, lambda: "nothing was written" in browser.find_element(By.CLASS_NAME, "notice").text
    )
    assert "accept" in browser.find_element(By.CSS_SELECTOR, ".lower table").text
    press(browser, "r")
    wait_for(browser, names()[1])
    assert [row.verdict for row in DecisionLog(out / "decisions.csv").rows()] == [
        "accept",
        "reject",
    ]


def _check_width(browser: Browser, width: int, name: str) -> None:
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width, f"{name} is wider than the screen"


def test_everything_is_reached_with_tab_and_shows_the_focus(browser: Browser, site: Server) -> None:
    browser.get(site.address)
    wait_for(browser, names()[0])
    reachable = browser.execute_script(
        "return [...document.querySelectorAll('a[href],button,input:not([type=hidden]),select,"
        '[tabindex="0"],summary\')].filter(n => !n.disabled && n.checkVisibility()'
        " && !(n.type === 'radio' && !n.checked)).length"
    )
    focused = set()
    for _ in range(reachable + 15):
        press(browser, Keys.TAB)
        focused.add(browser.switch_to.active_element.id)
        name, *outline = browser.execute_script(
            "const n = document.activeElement, c = getComputedStyle(n);"
            "return [n.outerHTML, c.outlineStyle, c.outlineWidth, n.matches(':focus-visible')]"
        )
        assert name.startswith("<body") or outline == ["solid", "2px", True], name
    assert len(focused) >= reachable - 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(
    browser: Browser, site: Server, axe: str,
    size: tuple[int, int], dark: bool,
) -> None:  # fmt: skip
    browser.get(site.address)
    set_screen(browser, size, dark=dark)
    pages = {"source": "/source/0", "hostile": f"/source/{names().index(HOSTILE)}",
             "lost": f"/source/{names().index('LOST')}", "gallery": "/gallery",
             "find": "/find?name=ILTJ", "done": "/queue?why=all&name=nobody"}  # fmt: skip
    addresses = {name: site.root + path for name, path in pages.items()}
    addresses["report"] = (site.out / "report.html").as_uri()
    for name, address in addresses.items():
        browser.get(address)
        browser.execute_script(axe)
        violations = browser.execute_async_script(
            "const done = arguments[0]; axe.run().then(r => done(JSON.stringify(r.violations)))"
        )
        serious = [
            (v["id"], v["impact"], [node["target"] for node in v["nodes"]][:3])
            for v in json.loads(violations)
            if v["impact"] in {"serious", "critical"}
        ]
        assert serious == [], name
        _check_width(browser, size[0], name)
        save_picture(browser, f"{name}-{size[0]}-{'dark' if dark else 'light'}")


def test_without_scripts_the_page_still_decides(browser: Browser, serve: Serve, out: Path) -> None:
    server = serve(out)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(server.address)
    browser.find_element(By.CSS_SELECTOR, "input[name=field][value=P2]").click()
    browser.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    time.sleep(0.5)
    assert heading(browser) == names()[1]
    row = DecisionLog(out / "decisions.csv").rows()[0]
    assert (row.source, row.field, row.verdict) == (names()[0], "P2", "accept")
    assert UNDECIDED > 10


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_refused(
    browser: Browser, serve: Serve, out: Path
) -> None:
    """Every request goes to the page's own server, and its security policy has no complaint."""
    server = serve(out)
    browser.get(server.address)
    for path in ("/source/0", "/gallery", "/find?name=ILTJ", "/queue?why=all&name=nobody"):
        browser.get(server.root + path)
        if path == "/source/0":
            press(browser, "+", "b", "2", "a")
            wait_for(browser, names()[1])
        loaded = browser.execute_script(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        )
        assert loaded
        assert [name for name in loaded if not name.startswith((server.root, "data:"))] == []
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert complaints == []


def _by(out: Path) -> list[str]:
    return [row.by for row in DecisionLog(out / "decisions.csv").rows()]


def test_the_name_is_the_one_in_the_box_at_the_decision(
    browser: Browser, serve: Serve, out: Path
) -> None:
    """Typed and not left: by the mouse, by keys, for labels and undo, and on the next page."""
    server = serve(out)
    browser.get(server.address)
    wait_for(browser, names()[0])
    type_over(browser, "#by", "bob")
    find(browser, "button[value=accept]").click()
    wait_for(browser, names()[1])
    assert find(browser, "#by").get_property("value") == "bob"
    type_over(browser, "#by", "Zoë")
    press(browser, Keys.ENTER, "r")
    wait_for(browser, names()[2])
    type_over(browser, "#by", "eve")
    press(browser, Keys.ESCAPE, "c")
    until(browser, lambda: "confirmed" in find(browser, ".notice").text)
    type_over(browser, "#by", "dan")
    press(browser, Keys.ESCAPE, "j")
    wait_for(browser, names()[3])
    assert find(browser, "#by").get_property("value") == "dan"
    browser.get(server.root + "/gallery")
    assert find(browser, "#by").get_property("value") == "dan"
    assert _by(out) == ["bob", "Zoë", "eve"]
    type_over(browser, "#by", "bob")
    press(browser, Keys.ESCAPE, "u")
    until(browser, lambda: len(_by(out)) == 4)
    assert [row.by for row in DecisionLog(out / "decisions.csv").standing()] == ["Zoë", "eve"]


def test_without_a_name_the_page_asks_for_it(browser: Browser, serve: Serve, out: Path) -> None:
    browser.get(serve(out).address)
    wait_for(browser, names()[0])
    type_over(browser, "#by", "")
    press(browser, Keys.ESCAPE, "a")
    until(browser, lambda: browser.switch_to.active_element == find(browser, "#by"))
    assert not (out / "decisions.csv").exists()
    press(browser, "bob", Keys.ENTER, "a")
    wait_for(browser, names()[1])
    assert _by(out) == ["bob"]


def test_an_image_without_a_field_is_accepted_by_key(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    for row, name in enumerate("AB"):
        write_image(tmp_path / f"{name}.fits", 150.0 + row, 50.0)
    out = make_own_build(tmp_path, ["A", "B"])
    server = serve(out)
    browser.get(server.address)
    browser.get(server.root + "/queue?why=all")
    wait_for(browser, "A")
    press(browser, "a")
    wait_for(browser, "B")
    row = DecisionLog(out / "decisions.csv").rows()[0]
    assert (row.source, row.field, row.verdict) == ("A", "", "accept")


def test_a_label_is_confirmed_by_key(browser: Browser, serve: Serve, out: Path) -> None:
    """With the filter for unchecked labels, the next source comes at once."""
    server = serve(out)
    browser.get(server.address)
    browser.get(server.root + "/queue?why=all&state=unchecked")
    wait_for(browser, names()[0])
    press(browser, "n", "sure", Keys.ENTER, "c")
    wait_for(browser, names()[1])
    row = DecisionLog(out / "decisions.csv").rows()[0]
    label = BuildView.read(out).record(0)["class"]
    assert (row.source, row.verdict, row.note) == (names()[0], "confirm", f"is {label}: sure")


def test_a_server_that_is_gone_is_said(browser: Browser, serve: Serve, out: Path) -> None:
    server = serve(out)
    browser.get(server.address)
    wait_for(browser, names()[0])
    server.kill()
    press(browser, "a")
    until(browser, lambda: "does not answer" in find(browser, "#problem").text)
    assert heading(browser) == names()[0]


def test_on_a_phone_the_filter_is_folded_and_nothing_scrolls_sideways(
    browser: Browser, site: Server, scales: Server
) -> None:
    set_screen(browser, PHONE)
    browser.get(scales.address)
    for path in ("/source/0", "/source/1", "/source/2", "/gallery", f"/find?name={LONG_NAME[:9]}"):
        browser.get(scales.root + path)
        _check_width(browser, PHONE[0], path)
        save_picture(browser, "phone" + path.replace("/", "-"))
    browser.get(site.address)
    browser.get(site.root + "/queue?why=undecided")
    assert not _is_visible(browser, ".filter")
    assert "undecided" in find(browser, ".fold summary").text
    assert find(browser, "button[value=accept]").is_displayed()
    find(browser, ".fold summary").click()
    until(browser, lambda: _is_visible(browser, ".filter"))
    _check_width(browser, PHONE[0], "an open filter")
    find(browser, ".filter [name=why]").send_keys("all sources")
    find(browser, ".filter button").click()
    until(browser, lambda: "all sources" in find(browser, ".fold summary").text)
    set_screen(browser, DESKTOP)
    assert _is_visible(browser, ".filter")


def _is_visible(browser: Browser, selector: str) -> bool:
    return browser.execute_script("return arguments[0].checkVisibility()", find(browser, selector))
