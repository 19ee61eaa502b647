"""Find and start a headless browser for Selenium.

>>> find_browser(lambda name: "/usr/bin/chromium" if name == "chromium" else None)
('/usr/bin/chromium', '')
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mingolotss.errors import InputError

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["find_browser", "start_browser"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_DRIVERS = ("chromedriver", "chromium.chromedriver")
_FLAGS = (
    "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage",
)  # fmt: skip


def find_browser(which: Callable[[str], str | None] = shutil.which) -> tuple[str, str]:
    """Return the paths of a Chromium and of its driver ("" if Selenium has to find the driver).

    Parameters
    ----------
    which : callable
        Returns the path of a program, or None if it is not installed.

    Raises
    ------
    InputError
        There is no browser; the message has the install command.
    """
    browser = next((path for name in _BROWSERS if (path := which(name))), None)
    if browser is None:
        raise InputError(
            f"drive the web form: no Chromium or Chrome is installed. {_install_command()};"
            " or use the service lotss-dr1, which needs none"
        )
    return browser, next((path for name in _DRIVERS if (path := which(name))), "")


def start_browser(user_agent: str, host: str, page_load_s: float) -> Chrome:
    """Start a browser with a profile of its own, without a window and without pictures.

    Parameters
    ----------
    user_agent : str
    host : str
        The only host that the browser may ask: a page or a redirect could lead elsewhere.
    page_load_s : float, s
        The longest time for loading a page.

    Raises
    ------
    InputError
        There is no browser, or it does not start.
    """
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException

    browser, driver = find_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.page_load_strategy = "eager"
    hosts = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {host}"
    for flag in (*_FLAGS, hosts, f"--user-agent={user_agent}"):
        options.add_argument(flag)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses root
    no_pictures = {"profile.managed_default_content_settings.images": 2}
    options.add_experimental_option("prefs", no_pictures)
    service = webdriver.ChromeService(executable_path=driver or None)
    try:
        started = webdriver.Chrome(options=options, service=service)
    except WebDriverException as error:
        raise InputError(
            f"start {browser}: {(error.msg or 'it did not start').splitlines()[0]};"
            f" {_install_command()}"
        ) from error
    started.set_page_load_timeout(page_load_s)
    started.execute_cdp_cmd("Network.enable", {})
    started.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*.js", "*.css", "*.png", "*.ico"]})
    return started


def _install_command() -> str:
    if sys.platform == "darwin":
        return "Install one: brew install --cask chromium"
    return "Install one: apt install chromium chromium-driver"
