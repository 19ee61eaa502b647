"""Outlines of masks in a real Chromium: the key that hides them, and where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs the extra browser")

from browsing import Browser, Serve, find, find_all, press, until
from mask_sky import build_masked, write_masked_sky

pytestmark = pytest.mark.web


def test_a_key_hides_the_outlines_on_all_pages(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    """They cover the stamp's own pixels, and stay hidden on the next source."""
    build_masked(write_masked_sky(tmp_path), tmp_path / "build", formats=("parquet",))
    server = serve(tmp_path / "build")
    browser.get(server.address)
    browser.get(f"{server.root}/source/3")
    lines = find_all(browser, ".masked .of-source")
    assert [line.is_displayed() for line in lines] == [True]
    image, drawing = find(browser, ".masked img").rect, find(browser, ".masked svg").rect
    assert all(abs(image[key] - drawing[key]) < 1 for key in ("x", "y", "width", "height"))
    button = find(browser, "[data-do=masks]")
    assert button.get_attribute("aria-pressed") == "true"
    press(browser, "m")
    until(browser, lambda: button.get_attribute("aria-pressed") == "false")
    assert not any(line.is_displayed() for line in find_all(browser, ".masks path"))
    find(browser, "a[data-key=k], a[data-key=j]").click()
    until(browser, lambda: "source/3" not in browser.current_url)
    assert not any(line.is_displayed() for line in find_all(browser, ".masks path"))
    press(browser, "m")
    until(browser, lambda: any(line.is_displayed() for line in find_all(browser, ".masked path")))
