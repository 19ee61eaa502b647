"""The channels of stamps in a real Chromium: in the review page and in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs the extra browser")

from browsing import (
    DESKTOP,
    PHONE,
    Browser,
    Serve,
    Server,
    find,
    find_all,
    is_idle,
    save_picture,
    set_screen,
    until,
)
from mingolotss.qa.report.page import report
from several_surveys import build_surveys

pytestmark = pytest.mark.web

CHANNELS = ("low", "high", "optical")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three channels; the first three sources have no optical image."""
    return build_surveys(tmp_path_factory.mktemp("channels"), CHANNELS)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Resampled stamps, each with its own size and orientation."""
    return build_surveys(
        tmp_path_factory.mktemp("turned"), stamp={"size": "2.5 * LAS", "rotate": "PA"}
    )


def _open(browser: Browser, server: Server, row: int) -> None:
    browser.get(server.address)
    browser.get(f"{server.root}/source/{row}")
    until(browser, lambda: is_idle(browser))


def _are_loaded(browser: Browser) -> bool:
    script = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    return bool(browser.execute_script(script))


def _overflow(browser: Browser) -> int:
    script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(browser.execute_script(script))


def test_review_shows_the_channels_side_by_side(
    browser: Browser, serve: Serve, built: Path
) -> None:
    """The reference is marked, and contours of it lie over all channels if they are asked for."""
    _open(browser, serve(built), 5)
    panels = find_all(browser, ".channels li")
    assert [one.find_element("css selector", "b").text for one in panels] == [*CHANNELS, "colours"]
    assert "reference" in panels[0].text
    assert "native" in panels[0].text
    assert "6″ beam" in panels[0].text
    assert "resampled" in panels[1].text
    assert "1.4 GHz" in panels[1].text
    until(browser, lambda: _are_loaded(browser))
    lines = find_all(browser, ".channels .plane svg")
    assert len(lines) == 3
    assert not any(line.is_displayed() for line in lines)
    find(browser, "#lines").click()
    assert all(line.is_displayed() for line in lines)
    save_picture(browser, "review-channels")
    set_screen(browser, PHONE)
    assert _overflow(browser) <= 0
    save_picture(browser, "review-channels-phone")


def test_review_says_which_channel_has_no_image(
    browser: Browser, serve: Serve, built: Path
) -> None:
    _open(browser, serve(built), 1)
    panel = find_all(browser, ".channels li")[2]
    assert "No image" in panel.text
    assert panel.find_elements("css selector", "img") == []
    until(browser, lambda: _are_loaded(browser))
    browser.get(browser.current_url.split("/source")[0] + "/gallery")
    until(browser, lambda: len(find_all(browser, ".tile")) == 12 and _are_loaded(browser))


def test_review_works_with_turned_stamps(browser: Browser, serve: Serve, turned: Path) -> None:
    """Pictures, outline and stamp of a source whose stamp is resampled."""
    _open(browser, serve(turned), 7)
    until(browser, lambda: _are_loaded(browser))
    assert find_all(browser, ".candidate .missing") == []
    assert find_all(browser, ".channels") == []
    save_picture(browser, "review-turned")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", ["built", "turned"])
def test_the_report_has_no_overflow(
    browser: Browser, request: pytest.FixtureRequest, name: str, size: tuple[int, int]
) -> None:
    page = report(request.getfixturevalue(name))
    set_screen(browser, size)
    browser.get(page.as_uri())
    until(browser, lambda: _are_loaded(browser))
    assert _overflow(browser) <= 0
    save_picture(browser, f"report-{name}-{size[0]}")
