"""One Chromium for the tests of pages, and axe-core, which looks at their accessibility."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browsing import Browser

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


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


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A separate Chromium with a new profile."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra browser")
    options = webdriver.ChromeOptions()
    options.binary_location = _find("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(_find("chromedriver"))
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture
def browser(_chromium: Browser) -> Browser:
    """The browser with one empty tab, no cookies, and a desktop's screen.

    Each server has a port of its own, so that nothing that is stored for one is seen by another.
    """
    from browsing import DESKTOP, set_screen

    first, *others = _chromium.window_handles
    for handle in others:
        _chromium.switch_to.window(handle)
        _chromium.close()
    _chromium.switch_to.window(first)
    _chromium.get("about:blank")
    _chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    _chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    _chromium.get_log("browser")  # and forget what it says of the test before
    set_screen(_chromium, DESKTOP)
    return _chromium
