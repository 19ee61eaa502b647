"""Helpers for tests of pages in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from builds import command
from review_data import environment

PHONE, DESKTOP = (390, 844), (1366, 900)
Browser = webdriver.Chrome


class Server:
    """`mingolotss review` as a person starts it."""

    def __init__(self, out: Path, *options: str, by: str = "ann") -> None:
        self.out = out
        self.process = subprocess.Popen(
            command("review", str(out), "--port", "0", "--by", by, *options),
            env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.root = re.match(r"http://[^/]+", self.address)[0]

    def kill(self) -> None:
        """Kill it with SIGKILL, as the system would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=20)


class Serve(Protocol):
    """Starts a server that ends with the test."""

    def __call__(self, out: Path, *options: str, by: str = "ann") -> Server:
        """Start `mingolotss review` with options."""


def set_screen(browser: Browser, size: tuple[int, int], *, dark: bool = False) -> None:
    """Give the browser a screen of this size, a phone's below 600 pixels, and a colour scheme."""
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]},
    )


def press(browser: Browser, *keys: str) -> None:
    """Send keys to the element that has the focus."""
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def type_over(browser: Browser, selector: str, text: str) -> None:
    """Click into a field and replace what is in it; the field keeps the focus."""
    find(browser, selector).click()
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    press(browser, text or Keys.DELETE)


def until(browser: Browser, condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and return its value."""
    return WebDriverWait(browser, 20, 0.05, ignored_exceptions=(Exception,)).until(
        lambda _: condition()
    )


def find(browser: Browser, selector: str) -> WebElement:
    """Return the first element of a CSS selector."""
    return browser.find_element(By.CSS_SELECTOR, selector)


def find_all(browser: Browser, selector: str) -> list[WebElement]:
    """Return all elements of a CSS selector."""
    return browser.find_elements(By.CSS_SELECTOR, selector)


def heading(browser: Browser) -> str:
    """Return the heading of the page."""
    return find(browser, "h1").text


def wait_for(browser: Browser, name: str) -> None:
    """Wait until the page with this heading is complete."""
    until(browser, lambda: heading(browser) == name and is_idle(browser))


def is_idle(browser: Browser) -> bool:
    """Return whether the page is complete, and waits for no answer."""
    busy = "return document.readyState !== 'complete' || !!document.querySelector('.htmx-request,"
    return not browser.execute_script(busy + ".htmx-swapping,.htmx-settling')")


def save_picture(browser: Browser, name: str) -> None:
    """Write a picture of the page into the folder MINGOLOTSS_SCREENSHOTS, if it is set."""
    folder = os.environ.get("MINGOLOTSS_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))
