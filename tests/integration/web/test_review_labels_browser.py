"""Judging labels in a real Chromium: keys, tags, several reviewers, phone, names for readers."""

from __future__ import annotations

import json
import shutil
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
    find,
    find_all,
    heading,
    press,
    save_picture,
    set_screen,
    type_over,
    until,
    wait_for,
)
from label_data import CLASSES, label_names, make_label_build
from mingolotss.candidates.decisions import Decision, DecisionLog

pytestmark = pytest.mark.web

NAMES = label_names(4)


@pytest.fixture(scope="session")
def label_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("label-builds")
    for kind in ("classes", "tags", "votes"):
        make_label_build(folder / kind, kind)
    return folder


@pytest.fixture
def builds(label_builds: Path, tmp_path: Path) -> dict[str, Path]:
    """A build of each kind of label, of this test."""
    shutil.copytree(label_builds, tmp_path / "builds")
    return {kind: tmp_path / "builds" / kind / "out" for kind in ("classes", "tags", "votes")}


def rows(out: Path) -> list[Decision]:
    """Return the rows of the decisions."""
    return DecisionLog(out / "decisions.csv").rows()


def test_classes_by_keys_alone(browser: Browser, serve: Serve, builds: dict[str, Path]) -> None:
    """Class, note, none of them, confirmation, undo, and the end: no mouse is needed."""
    out = builds["classes"]
    browser.get(serve(out, "--labels").address)
    wait_for(browser, NAMES[0])
    press(browser, "n", *"2 tails", Keys.ENTER, "2")
    wait_for(browser, NAMES[1])
    assert "Your last judgement" in find(browser, ".notice").text
    assert "1 of 4 judged by you" in find(browser, "#progress").text
    press(browser, "x")
    wait_for(browser, NAMES[2])
    press(browser, "u")
    wait_for(browser, NAMES[1])
    press(browser, "c")
    wait_for(browser, NAMES[2])
    press(browser, "j")
    wait_for(browser, NAMES[3])
    press(browser, "9", "3")  # there is no ninth class
    wait_for(browser, NAMES[2])
    press(browser, "1")
    wait_for(browser, "You have judged every source")
    expected = [
        (NAMES[0], "classify", (CLASSES[1],), "2 tails"), (NAMES[1], "classify", (), ""),
        (NAMES[1], "undo", (), ""), (NAMES[1], "confirm", (CLASSES[1],), f"is {CLASSES[1]}"),
        (NAMES[3], "classify", (CLASSES[2],), ""), (NAMES[2], "classify", (CLASSES[0],), ""),
    ]  # fmt: skip
    assert [(row.source, row.verdict, row.classes, row.note) for row in rows(out)] == expected


def test_tags_are_ticked_and_stored_by_keys(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    out = builds["tags"]
    browser.get(serve(out, "--labels").address)
    wait_for(browser, NAMES[0])
    chosen = find(browser, "#chosen")
    assert chosen.text == "no tag is chosen"
    press(browser, "1", "3", "2", "1")
    until(browser, lambda: chosen.text == f"Chosen: {CLASSES[1]}, {CLASSES[2]}")
    press(browser, Keys.ENTER)
    wait_for(browser, NAMES[1])
    press(browser, Keys.ENTER)
    wait_for(browser, NAMES[2])
    # With Tab and Space, as by a screen reader; Enter stores from the checkbox, too.
    find(browser, "input[name=class][value='0']").send_keys(Keys.SPACE, Keys.ENTER)
    wait_for(browser, NAMES[3])
    assert [row.classes for row in rows(out)] == [CLASSES[1:], (), CLASSES[:1]]
    press(browser, "k", "k", "k")
    wait_for(browser, NAMES[0])
    ticked = find_all(browser, "input[name=class]:checked")
    assert [box.get_attribute("value") for box in ticked] == ["1", "2"]


def test_digits_work_on_a_keyboard_whose_digits_need_shift(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    """On a French keyboard, the key of the digit 2 gives é."""
    browser.get(serve(builds["votes"], "--labels").address)
    wait_for(browser, NAMES[0])
    event = {"type": "keyDown", "key": "é", "code": "Digit2", "text": "é"}
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    wait_for(browser, NAMES[1])
    assert [row.classes for row in rows(builds["votes"])] == [(CLASSES[1],)]


def test_more_than_ten_classes_have_letters_and_the_last_ones_tab(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    out = make_label_build(tmp_path / "many", "classes", classes=24)
    browser.get(serve(out, "--labels").address)
    wait_for(browser, NAMES[0])
    keys = [button.get_attribute("data-key") for button in find_all(browser, "button[name=class]")]
    assert keys[:11] == [*"1234567890", "a"]
    assert keys[-3:] == [None, None, None]
    used = [node.get_attribute("data-key") for node in find_all(browser, "[data-key]")]
    assert len(set(used)) == len(used)
    press(browser, "0")
    wait_for(browser, NAMES[1])
    press(browser, "y")
    wait_for(browser, NAMES[2])
    find(browser, "button[name=class][value='23']").send_keys(Keys.ENTER)
    wait_for(browser, NAMES[3])
    assert [row.classes for row in rows(out)] == [("class 9",), ("class 19",), ("class 23",)]


def test_everything_has_a_name_for_screen_readers(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    browser.get(serve(builds["classes"], "--labels").address)
    wait_for(browser, NAMES[0])
    button = find(browser, "button[name=class][value='1']")
    assert button.accessible_name == f"2 {CLASSES[1]} the note of 1"
    assert (button.aria_role, button.get_attribute("aria-keyshortcuts")) == ("button", "2")
    assert find(browser, ".choices").accessible_name == "Its class: one of"
    assert find(browser, "[name=note]").accessible_name.startswith("Note")
    assert find(browser, "#by").accessible_name == "Your name"
    nameless = [
        node.get_attribute("outerHTML")[:200]
        for node in find_all(
            browser, "a[href], button, input:not([type=hidden]), select, [role=img]"
        )
        if node.is_displayed() and not node.accessible_name
    ]
    assert nameless == []
    browser.get(serve(builds["tags"], "--labels").address)
    wait_for(browser, NAMES[0])
    box = find(browser, "input[name=class][value='1']")
    assert box.accessible_name == f"2 {CLASSES[1]} the note of 1"
    assert box.aria_role == "checkbox"


@pytest.mark.parametrize("kind", ["classes", "tags"])
def test_without_scripts_the_page_still_judges(
    browser: Browser, serve: Serve, builds: dict[str, Path], kind: str
) -> None:
    out = builds[kind]
    server = serve(out, "--labels")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(server.address)
    find(browser, "[name=note]").send_keys("seen")
    find(browser, "[name=class][value='1']").click()
    if kind == "tags":
        find(browser, "[name=class][value='2']").click()
        find(browser, "button[value=classify]").click()
    until(browser, lambda: heading(browser) == NAMES[1])
    row = rows(out)[0]
    assert (row.source, row.note) == (NAMES[0], "seen")
    assert row.classes == (CLASSES[1:] if kind == "tags" else CLASSES[1:2])
    until(browser, lambda: find(browser, "[data-key=u]").is_displayed())
    find(browser, "[data-key=u]").click()
    until(browser, lambda: heading(browser) == NAMES[0])
    assert [row.verdict for row in rows(out)] == ["classify", "undo"]


def test_a_typed_name_judges_from_then_on_and_only_for_this_server(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    out = builds["classes"]
    first = serve(out, "--labels", by="ann")
    browser.get(first.address)
    wait_for(browser, NAMES[0])
    type_over(browser, "#by", "Zoë")
    find(browser, "button[name=class][value='0']").click()
    wait_for(browser, NAMES[1])
    assert find(browser, "#by").get_property("value") == "Zoë"
    browser.get(serve(out, "--labels", by="bob").address)
    wait_for(browser, NAMES[0])
    assert find(browser, "#by").get_property("value") == "bob"
    assert "Zoë" in find(browser, ".judgements").text
    browser.get(first.root + "/labels")
    wait_for(browser, NAMES[1])
    assert find(browser, "#by").get_property("value") == "Zoë"


def test_two_windows_of_one_person_lose_nothing(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    out = builds["classes"]
    server = serve(out, "--labels")
    browser.get(server.address)
    wait_for(browser, NAMES[0])
    browser.switch_to.new_window("tab")
    browser.get(f"{server.root}/label/0")
    wait_for(browser, NAMES[0])
    press(browser, "2")
    wait_for(browser, NAMES[1])
    browser.switch_to.window(browser.window_handles[0])
    press(browser, "3")
    until(browser, lambda: "nothing was written" in find(browser, ".notice").text)
    assert f"you: {CLASSES[1]}" in find(browser, ".judgements").text
    press(browser, "3")
    wait_for(browser, NAMES[1])
    assert [row.classes for row in rows(out)] == [(CLASSES[1],), (CLASSES[2],)]


def test_a_server_that_went_away_is_said(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    server = serve(builds["classes"], "--labels")
    browser.get(server.address)
    wait_for(browser, NAMES[0])
    server.kill()
    press(browser, "1")
    until(browser, lambda: "does not answer" in find(browser, "#problem").text)
    assert heading(browser) == NAMES[0]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_on_pages_of_labels(
    browser: Browser, serve: Serve, builds: dict[str, Path], axe: str,
    size: tuple[int, int], dark: bool,
) -> None:  # fmt: skip
    for kind, options in (("classes", ()), ("tags", ()), ("votes", ("--blind",))):
        out = builds[kind]
        for by in ("ann", "bob"):
            DecisionLog(out / "decisions.csv").add(
                Decision("J00", "", "classify", by, "", "a note", CLASSES[:1])
            )
        server = serve(out, "--labels" if not options else "--blind")
        browser.get(server.address)
        set_screen(browser, size, dark=dark)
        for path in ("/label/0", "/label/2", "/labels?why=all&name=nobody", "/find?name=J"):
            browser.get(server.root + path)
            browser.execute_script(axe)
            violations = browser.execute_async_script(
                "const done = arguments[0];axe.run().then(r => done(JSON.stringify(r.violations)))"
            )
            serious = [
                (one["id"], [node["target"] for node in one["nodes"]][:3])
                for one in json.loads(violations)
                if one["impact"] in {"serious", "critical"}
            ]
            assert serious == [], (kind, path)
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= size[0], (kind, path)
            small = [
                node.text
                for node in find_all(browser, "main button, .choice")
                if node.is_displayed() and node.size["height"] < 24
            ]
            assert small == [], (kind, path)
            name = path.split("?")[0].replace("/", "-")
            save_picture(browser, f"{kind}{name}-{size[0]}-{'dark' if dark else 'light'}")
        server.kill()


def test_names_of_classes_run_nothing_and_nothing_is_refused(
    browser: Browser, serve: Serve, builds: dict[str, Path]
) -> None:
    browser.get(serve(builds["tags"], "--labels").address)
    wait_for(browser, NAMES[0])
    assert find_all(browser, ".choice b b") == []
    press(browser, "1", "+", "b", "v", Keys.ENTER)
    wait_for(browser, NAMES[1])
    assert browser.find_elements(By.CSS_SELECTOR, "b")
    assert [entry["message"] for entry in browser.get_log("browser")] == []
