"""The review page and the report in a real Chromium: keys, pointer, two tabs, accessibility.

``make test-web`` installs the browser. If MINGOLOTSS_SCREENSHOTS names a folder, the tests write
pictures of the pages into it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from builds import command
from mingolotss.candidates.decisions import DecisionLog
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.page import report
from review_data import HOSTILE, UNDECIDED, environment, make_build, names, rebuild

selenium = pytest.importorskip("selenium", reason="needs the extra browser")

from selenium import webdriver  # noqa: E402
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.web
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
PHONE, DESKTOP = (390, 844), (1366, 900)
Browser = webdriver.Chrome


def _find(name: str, *others: str) -> str:
    program = next((path for path in map(shutil.which, (name, *others)) if path), None)
    if program is None:
        pytest.skip(f"{name} is not installed: apt-get install chromium chromium-driver")
    return program


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, which `make test-web` fetches from npm."""
    path = Path(os.environ.get("MINGOLOTSS_AXE", ".venv/axe/package/axe.min.js"))
    if not path.exists():
        pytest.skip(f"{path} is not there: make test-web, or set MINGOLOTSS_AXE")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A separate Chromium with a new profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = _find("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(_find("chromedriver"))
    started = webdriver.Chrome(options=options, service=service)
    _size(started, DESKTOP)
    yield started
    started.quit()


class Server:
    """`mingolotss review` as a person starts it."""

    def __init__(self, out: Path, by: str = "ann") -> None:
        self.process = subprocess.Popen(
            command("review", str(out), "--port", "0", "--by", by),
            env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.root = self.address.split("/?")[0]

    def kill(self) -> None:
        """Kill it with SIGKILL, as the system would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """Start servers, and end them with the test."""
    running: list[Server] = []

    def start(out: Path) -> Server:
        running.append(Server(out))
        return running[-1]

    yield start
    for server in running:
        server.kill()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_build(tmp_path)


def _size(browser: Browser, size: tuple[int, int], *, dark: bool = False) -> None:
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]},
    )


def _press(browser: Browser, *keys: str) -> None:
    """Send keys to the element that has the focus."""
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def _until(browser: Browser, condition: Callable[[], Any]) -> Any:
    return WebDriverWait(browser, 20, 0.05, ignored_exceptions=(Exception,)).until(
        lambda _: condition()
    )


def _heading(browser: Browser) -> str:
    return browser.find_element(By.TAG_NAME, "h1").text


def _shown(browser: Browser, name: str) -> None:
    _until(browser, lambda: _heading(browser) == name and _idle(browser))


def _idle(browser: Browser) -> bool:
    busy = "return document.readyState !== 'complete' || !!document.querySelector('.htmx-request,"
    return not browser.execute_script(busy + ".htmx-swapping,.htmx-settling')")


def _picture(browser: Browser, name: str) -> None:
    folder = os.environ.get("MINGOLOTSS_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_ten_sources_by_keyboard_and_a_kill_after_the_seventh(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    """No mouse is needed, and every decision before the kill is complete in the file."""
    server = serve(out)
    browser.get(server.address)
    for row in range(7):
        _shown(browser, names()[row])
        if row % 3 == 0:
            _press(browser, "n", *f"note {row}", Keys.ENTER)
        _press(browser, "2", "a") if row % 2 else _press(browser, "r")
    _shown(browser, names()[7])
    server.kill()
    rows = DecisionLog(out / "decisions.csv").rows()
    assert [row.source for row in rows] == names()[:7]
    assert [row.verdict for row in rows] == ["reject", "accept"] * 3 + ["reject"]
    assert [row.note for row in rows] == ["note 0", "", "", "note 3", "", "", "note 6"]
    assert {row.field for row in rows} == {"P2", ""}

    browser.get(serve(out).address)
    for row in range(7, 10):
        _shown(browser, names()[row])
        _press(browser, "1", "a")
    _shown(browser, names()[10])
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


def test_undo_label_find_and_help_by_keyboard(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    browser.get(serve(out).address)
    _shown(browser, names()[0])
    _press(browser, "a")
    _shown(browser, names()[1])
    _press(browser, "j", "j")
    _until(browser, lambda: _heading(browser) in names()[2:4])
    _shown(browser, names()[3])
    _press(browser, "k")
    _shown(browser, names()[2])
    _press(browser, "u")
    _shown(browser, names()[0])
    assert DecisionLog(out / "decisions.csv").standing() == []

    _press(browser, "l", *"FRI W", Keys.TAB, *"a bent tail", Keys.ENTER)
    _until(browser, lambda: "questioned" in browser.find_element(By.CLASS_NAME, "notice").text)
    row = DecisionLog(out / "decisions.csv").rows()[-1]
    assert (row.verdict, row.note) == ("label", "looks like FRI WAT: a bent tail")

    _press(browser, "?")
    _until(browser, lambda: browser.find_element(By.ID, "keys").is_displayed())
    _press(browser, Keys.ESCAPE)
    _until(browser, lambda: not browser.find_element(By.ID, "keys").is_displayed())
    _press(browser, "/", *"LARGE")
    _until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "#results a").text == "LARGE")
    _press(browser, Keys.TAB, Keys.ENTER)
    _shown(browser, "LARGE")
    _press(browser, "g")
    _shown(browser, "Gallery")


def test_pixels_are_read_by_pointer_and_by_arrow_keys(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    browser.get(serve(out).address)
    _shown(browser, names()[0])
    panel = browser.find_element(By.CSS_SELECTOR, "[data-cutout]")
    ActionChains(browser).move_to_element(panel).perform()
    readout = browser.find_element(By.ID, "readout-0")
    text = _until(browser, lambda: "mJy/beam" in readout.text and readout.text)
    assert re.search(r"\d\dh\d\dm\d\d\.\d\ds [+−]\d\d°\d\d′\d\d\.\d″", text)  # noqa: RUF001
    assert "× noise" in text  # noqa: RUF001
    x, y = map(int, re.search(r"pixel (\d+), (\d+)", text).groups())
    assert abs(x - 120) <= 2
    assert abs(y - 120) <= 2
    browser.execute_script("arguments[0].focus()", panel)
    _press(browser, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_UP)
    _until(browser, lambda: f"pixel {x + 1}, {y + 2}" in readout.text)


def test_a_hostile_name_and_header_run_nothing(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    server = serve(out)
    browser.get(server.address)
    for path in (f"/source/{names().index(HOSTILE)}", "/gallery", "/find?name=script", "/queue"):
        browser.get(server.root + path)
        assert browser.title != "owned"
        assert browser.execute_script("return document.querySelector('img[src=x]')") is None
    browser.get(f"{server.root}/source/{names().index(HOSTILE)}")
    assert _heading(browser) == HOSTILE
    browser.get(report(out).as_uri())
    assert browser.title != "owned"


def test_two_tabs_on_one_source(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    server = serve(out)
    browser.get(server.address)
    _shown(browser, names()[0])
    browser.switch_to.new_window("tab")
    browser.get(f"{server.root}/source/0")
    _shown(browser, names()[0])
    _press(browser, "2", "a")
    _shown(browser, names()[1])
    browser.switch_to.window(browser.window_handles[0])
    _press(browser, "r")
    _until(
        browser, lambda: "nothing was written" in browser.find_element(By.CLASS_NAME, "notice").text
    )
    assert "accept" in browser.find_element(By.CSS_SELECTOR, ".lower table").text
    _press(browser, "r")
    _shown(browser, names()[1])
    assert [row.verdict for row in DecisionLog(out / "decisions.csv").rows()] == [
        "accept",
        "reject",
    ]


def test_everything_is_reached_with_tab(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    browser.get(serve(out).address)
    _shown(browser, names()[0])
    reachable = browser.execute_script(
        "return [...document.querySelectorAll('a[href],button,input:not([type=hidden]),select,"
        '[tabindex="0"],summary\')].filter(n => !n.disabled && n.checkVisibility()'
        " && !(n.type === 'radio' && !n.checked)).length"
    )
    focused = set()
    for _ in range(reachable + 15):
        _press(browser, Keys.TAB)
        focused.add(browser.switch_to.active_element.id)
    assert len(focused) >= reachable - 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious(
    browser: Browser, serve: Callable[[Path], Server], out: Path, axe: str,
    size: tuple[int, int], dark: bool,
) -> None:  # fmt: skip
    server = serve(out)
    browser.get(server.address)
    _size(browser, size, dark=dark)
    pages = {"source": "/source/0", "hostile": f"/source/{names().index(HOSTILE)}",
             "lost": f"/source/{names().index('LOST')}", "gallery": "/gallery",
             "find": "/find?name=ILTJ", "done": "/queue?why=all&name=nobody"}  # fmt: skip
    addresses = {name: server.root + path for name, path in pages.items()}
    addresses["report"] = report(out).as_uri()
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
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= size[0], f"{name} is wider than the screen"
        _picture(browser, f"{name}-{size[0]}-{'dark' if dark else 'light'}")


def test_without_scripts_the_page_still_decides(
    browser: Browser, serve: Callable[[Path], Server], out: Path
) -> None:
    server = serve(out)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(server.address)
    browser.find_element(By.CSS_SELECTOR, "input[name=field][value=P2]").click()
    browser.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    time.sleep(0.5)
    assert _heading(browser) == names()[1]
    row = DecisionLog(out / "decisions.csv").rows()[0]
    assert (row.source, row.field, row.verdict) == (names()[0], "P2", "accept")
    assert UNDECIDED > 10
