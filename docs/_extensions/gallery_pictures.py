"""The pictures of the gallery, made by the commands that the page shows.

Before the pages are read, the console and Python blocks of ``gallery.md`` run in their order in the
folder ``_build/gallery``, each Python block by itself, and the pages in `SCREENSHOTS` are
photographed in Chromium. Nothing is run again unless the page or the package has changed. Where
there is no Chromium, the directive ``screenshot`` says so in the place of its picture.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.directives.patches import Figure
from sphinx.errors import ExtensionError
from sphinx.util import logging

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from sphinx.application import Sphinx

FOLDER = Path("_build/gallery")  # in the folder of the documentation
PAGE = "gallery.md"
_BLOCK = re.compile(
    r"^```(?P<language>console|python)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
_SIZE = 1280, 860
# Each picture, the page that it shows, and the element at its top.
SCREENSHOTS = {
    "report.png": ("demo/report.html", "body"),
    "report-classes.png": ("demo/report.html", "article.class"),
    "masks.png": ("masked/report.html", ".toggle"),
}
REVIEW = {"review.png": "demo"}
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
    "--disable-background-networking", "--force-color-profile=srgb",
)  # fmt: skip
_TOO_LONG = 600  # seconds
_logger = logging.getLogger(__name__)


def _make_pictures(app: Sphinx) -> None:
    """Run the blocks of the gallery and photograph its pages, unless that is done."""
    blocks = _BLOCK.findall(Path(app.srcdir, PAGE).read_text(encoding="utf-8"))
    home = Path(app.srcdir, FOLDER)
    inputs = app.config.digest_of_the_package, blocks, _chromium(), SCREENSHOTS, REVIEW, _SIZE
    key = hashlib.sha256(repr(inputs).encode()).hexdigest()
    finished = home / "key"
    if finished.exists() and finished.read_text() == key:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for language, code in blocks:
        _logger.info("gallery: %s", code.strip().splitlines()[0])
        if language == "python":
            _run(home, "-c", code)
        else:
            for line in re.findall(r"^\$ mingolotss (.*)$", code, re.MULTILINE):
                if not line.startswith("review"):  # which serves until it is interrupted
                    _run(home, "-m", "mingolotss", *shlex.split(line))
    if _chromium():
        _photograph(home)
    finished.write_text(key)


def _run(home: Path, *arguments: str) -> None:
    """Run this Python in the folder of the gallery."""
    done = subprocess.run(  # noqa: S603 - the program is this Python
        [sys.executable, *arguments], cwd=home, capture_output=True, text=True,
        check=False, timeout=_TOO_LONG, env={**os.environ, "MPLBACKEND": "Agg"},
    )  # fmt: skip
    if done.returncode:
        raise ExtensionError(f"{PAGE}: {arguments[-1]}\n{done.stderr}")


def _chromium() -> str:
    """Return the path of Chromium if its driver is there too, and otherwise nothing."""
    names = "chromium", "chromium-browser", "google-chrome"
    browser = next(filter(None, map(shutil.which, names)), "")
    return browser if shutil.which("chromedriver") else ""


def _photograph(home: Path) -> None:
    """Write the pictures of pages."""
    with _browser() as browser:
        for name, (page, selector) in SCREENSHOTS.items():
            browser.get((home / page).as_uri())
            browser.execute_script(f"document.querySelector('{selector}').scrollIntoView()")
            browser.save_screenshot(str(home / name))
        for name, build in REVIEW.items():
            with _review(home / build) as address:
                browser.get(address)
                _wait_for_pictures(browser)
                browser.save_screenshot(str(home / name))


def _wait_for_pictures(browser: Chrome) -> None:
    """Wait until the page and its pictures are complete."""
    from selenium.webdriver.support.ui import WebDriverWait

    complete = (
        "return document.readyState === 'complete' && [...document.images].every(i => i.complete)"
    )
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(complete))


@contextmanager
def _browser() -> Iterator[Chrome]:
    """Start Chromium without a window, in the light colours."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = _chromium()
    for flag in (*_FLAGS, f"--window-size={_SIZE[0]},{_SIZE[1]}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()


@contextmanager
def _review(build: Path) -> Iterator[str]:
    """Serve the review page of a build on a free port, and give its address."""
    command = [sys.executable, "-m", "mingolotss", "review", str(build)]
    with subprocess.Popen(  # noqa: S603 - the program is this Python
        [*command, "--port", "0", "--by", "reviewer"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            address = re.search(r"http://\S+", line)
            if address is None:
                raise ExtensionError(f"{shlex.join(command)} printed no address: {line!r}")
            yield address[0]
        finally:
            server.kill()


class Screenshot(Figure):
    """A figure of the gallery; without Chromium, a sentence that says why there is none."""

    def run(self) -> list[nodes.Node]:
        """Return the figure or the sentence."""
        picture = Path(self.state.document.settings.env.srcdir, self.arguments[0])
        if picture.exists():
            return super().run()
        text = f"The build of this page found no Chromium: {self.options.get('alt', 'no picture')}."
        return [nodes.paragraph("", text)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_config_value("digest_of_the_package", "", "env")
    app.add_directive("screenshot", Screenshot)
    app.connect("builder-inited", _make_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
