"""Every page of the built site in Chromium: at two widths, in light and in dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from serving import serving

pytest.importorskip("selenium", reason="needs the extra browser")

from built_site import SITE, pages

from browsing import PHONE, Browser, save_picture, set_screen, until

pytestmark = pytest.mark.docs

SCREENS = {"desktop": (1280, 900), "phone": PHONE}
# What pushes the page wider than the screen, if anything does.
TOO_WIDE = """
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width) return [];
return [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > width + 1)
    .map(e => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`).slice(0, 8);
"""
# Buttons take a moment to change to the colours of the theme: axe looks at the page at rest.
AXE = """
const done = arguments[0];
Promise.allSettled(document.getAnimations().map(animation => animation.finished))
    .then(() => axe.run(document, {resultTypes: ["violations"]}))
    .then(result => done(JSON.stringify(result.violations)));
"""
REQUESTS = "return performance.getEntriesByType('resource').map(e => e.name)"


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that writes nothing to the terminal."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def root() -> Iterator[str]:
    """The address of the site on a free port of this machine."""
    handler = partial(Quiet, directory=SITE)
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/"


@pytest.mark.parametrize("page", [path.relative_to(SITE) for path in pages()], ids=str)
def test_a_page_fits_its_screen_and_axe_finds_nothing_serious(
    browser: Browser, root: str, axe: str, page: Path
) -> None:
    """And it complains of nothing, and asks no other host."""
    complaints = {}
    for is_dark in (False, True):
        for name, size in SCREENS.items():
            shown = f"{page} {name} {'dark' if is_dark else 'light'}"
            set_screen(browser, size, dark=is_dark)
            browser.get(root + page.as_posix())
            theme = "return document.documentElement.dataset.theme"
            assert browser.execute_script(theme) == ("dark" if is_dark else "light"), shown
            assert browser.execute_script(TOO_WIDE) == [], shown
            requests = browser.execute_script(REQUESTS)
            assert [address for address in requests if not address.startswith(root)] == [], shown
            save_picture(browser, f"{page.with_suffix('')}-{name}-{is_dark}".replace("/", "-"))
            browser.execute_script(axe)
            violations = json.loads(browser.execute_async_script(AXE))
            complaints[shown] = serious(violations)
    assert {shown: found for shown, found in complaints.items() if found} == {}
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def serious(violations: list[dict]) -> list[tuple[object, ...]]:
    """List what axe says is serious or critical, with the first elements of each."""
    return [
        (found["id"], found["impact"], [node["target"] for node in found["nodes"]][:4])
        for found in violations
        if found["impact"] in {"serious", "critical"}
    ]


@pytest.mark.skipif(not pages(), reason="the site is not built: make docs")
def test_the_search_finds_a_page(browser: Browser, root: str) -> None:
    """In the index of the site, without any server for it; the results appear one by one."""
    browser.get(f"{root}search.html?q=montage")
    link = "return !!document.querySelector('#search-results a[href*=\"gallery.html\"]')"
    assert until(browser, lambda: browser.execute_script(link))
