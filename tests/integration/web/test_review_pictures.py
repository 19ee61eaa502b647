"""The pictures of the review page in a real Chromium: values, zoom, scale, brightness, marks."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="needs the extra browser")

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.remote.webelement import WebElement

from browsing import (
    PHONE,
    Browser,
    Serve,
    Server,
    find,
    find_all,
    is_idle,
    press,
    set_screen,
    until,
    wait_for,
)
from mingolotss.qa.report.build_view import BuildView
from review_data import names

pytestmark = pytest.mark.web


def test_pixels_are_read_by_pointer_and_by_arrow_keys(browser: Browser, site: Server) -> None:
    _open(browser, site)
    panel = find(browser, "[data-cutout]")
    ActionChains(browser).move_to_element(panel).perform()
    readout = find(browser, "#readout-0")
    text = until(browser, lambda: "mJy/beam" in readout.text and readout.text)
    assert re.search(r"\d\dh\d\dm\d\d\.\d\ds [+−]\d\d°\d\d′\d\d\.\d″", text)  # noqa: RUF001
    assert "× noise" in text  # noqa: RUF001
    x, y = map(int, re.search(r"pixel (\d+), (\d+)", text).groups())
    assert abs(x - 120) <= 2
    assert abs(y - 120) <= 2
    browser.execute_script("arguments[0].focus()", panel)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_UP)
    until(browser, lambda: f"pixel {x + 1}, {y + 2}" in readout.text)


def _open(browser: Browser, server: Server, row: int = 0) -> None:
    browser.get(server.address)
    browser.get(f"{server.root}/source/{row}")
    until(browser, lambda: is_idle(browser))


def _views(browser: Browser, selector: str = ".sky") -> list[list[float]]:
    """Return the viewBox of each picture, relative to its width at first and to the source."""
    return browser.execute_script(
        """return [...document.querySelectorAll(arguments[0])].map((picture) => {
          const [x, y, side] = picture.dataset.view.split(" ").map(Number);
          const { x: left, y: top, width } = picture.viewBox.baseVal;
          return [(left + width / 2 - x) / side, (top + width / 2 - y) / side, width / side];
        })""",
        selector,
    )


def test_all_pictures_have_one_scale_on_the_screen(browser: Browser, scales: Server) -> None:
    """Candidates of 1, 1.5 and 3 arcsec per pixel, of peaks that differ tenfold."""
    _open(browser, scales)
    per_arcsec = browser.execute_script(
        """return [...document.querySelectorAll(".sky")].map((picture) =>
          picture.getScreenCTM().a / Number(picture.dataset.view.split(" ")[3]))"""
    )
    assert len(per_arcsec) == 3 * 5
    assert max(per_arcsec) / min(per_arcsec) == pytest.approx(1, abs=1e-3)
    for kind in ("linear", "asinh", "log", "rms"):
        pictures = find_all(browser, f"image[href*='{kind}.png']")
        contrasts = {picture.get_attribute("href").split("?")[1] for picture in pictures}
        assert len(pictures) == 3
        assert len(contrasts) == 1


def test_zoom_and_place_by_keys(browser: Browser, scales: Server) -> None:
    """Every picture shows the same part of the sky; the pixel that is read stays in view."""
    _open(browser, scales)
    bar = find(browser, ".marks text[text-anchor=end]").text
    press(browser, "+", "+", "+")
    for right, down, width in _views(browser):
        assert (right, down) == pytest.approx((0, 0), abs=1e-6)
        assert width == pytest.approx(1.5**-3)
    assert find(browser, ".marks text[text-anchor=end]").text != bar
    press(browser, "-")
    assert _views(browser)[0][2] == pytest.approx(1.5**-2)

    picture = find(browser, "[data-cutout]")
    browser.execute_script("arguments[0].focus({ focusVisible: true })", picture)
    readout = find(browser, "#readout-0")
    x, y = map(int, until(browser, lambda: re.search(r"pixel (\d+), (\d+)", readout.text)).groups())
    for step in range(1, 9):
        ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(
            Keys.SHIFT
        ).perform()
        until(browser, lambda step=step: f"pixel {x + 10 * step}, {y}" in readout.text)
    right, down, width = until(browser, lambda: _views(browser)[0][0] > 0 and _views(browser)[0])
    source, _, side, _ = map(float, picture.get_attribute("data-view").split())
    at = (x + 80.5 - source) / side
    assert right - width / 2 < at < right + width / 2
    assert down == pytest.approx(0, abs=1e-6)
    press(browser, "0")
    assert all(view == pytest.approx([0, 0, 1], abs=1e-6) for view in _views(browser))


def test_zoom_and_place_by_mouse(browser: Browser, scales: Server) -> None:
    """The pixel under the pointer stays there, and a drag moves it with the pointer."""
    _open(browser, scales)
    picture, readout = find(browser, "[data-cutout]"), find(browser, "#readout-0")
    ActionChains(browser).move_to_element_with_offset(picture, 30, -20).perform()
    before = until(browser, lambda: re.search(r"pixel (\d+), (\d+)", readout.text)).groups()
    scrolled = browser.execute_script("return scrollY")
    _wheel(browser, picture, 30, -20, delta=120)  # the page scrolls
    until(browser, lambda: browser.execute_script("return scrollY") > scrolled)
    assert _views(browser)[0] == pytest.approx([0, 0, 1], abs=1e-6)
    browser.execute_script("scrollTo(0, 0)")
    for _ in range(4):
        _wheel(browser, picture, 30, -20, delta=-100, control=True)
    until(browser, lambda: _views(browser)[0][2] == pytest.approx(np.exp(-1), rel=1e-3))
    ActionChains(browser).move_to_element_with_offset(picture, 31, -20).perform()
    ActionChains(browser).move_to_element_with_offset(picture, 30, -20).perform()
    after = until(browser, lambda: re.search(r"pixel (\d+), (\d+)", readout.text)).groups()
    assert [abs(int(a) - int(b)) <= 1 for a, b in zip(before, after, strict=True)] == [True, True]

    ActionChains(browser).click_and_hold(picture).move_by_offset(-40, 25).release().perform()
    right, down, width = _views(browser)[0]
    size = picture.rect["width"]
    zoomed = until(browser, lambda: _views(browser))
    assert all(
        view == pytest.approx(zoomed[0], abs=1e-6) for view in _views(browser, "[data-cutout]")
    )
    moved = np.array([right, down]) - _middle_before_drag(width, size)
    assert moved == pytest.approx(np.array([40, -25]) / size * width, abs=2e-3)
    ActionChains(browser).double_click(picture).perform()
    assert _views(browser)[0][2] == pytest.approx(width / 2)


def _middle_before_drag(width: float, size: float) -> np.ndarray:
    """Return where the middle is after a zoom that keeps the point (30, -20) from it in place."""
    return np.array([30, -20]) / size * (1 - width)


def _middle(browser: Browser, picture: WebElement) -> list[float]:
    """Return where the middle of an element is on the screen."""
    return browser.execute_script(
        "const r = arguments[0].getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + r.height / 2]",
        picture,
    )


def _wheel(
    browser: Browser, picture: WebElement, x: int, y: int, *, delta: int, control: bool = False
) -> None:
    rect = _middle(browser, picture)
    event = {"type": "mouseWheel", "x": rect[0] + x, "y": rect[1] + y, "deltaX": 0, "deltaY": delta}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event | {"modifiers": 2 * control})


def test_zoom_and_place_by_fingers(browser: Browser, scales: Server) -> None:
    """Two fingers zoom the picture and not the page; then one finger moves it."""
    set_screen(browser, PHONE)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        _open(browser, scales)
        picture = find(browser, "[data-cutout]")
        browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", picture)
        x, y = _middle(browser, picture)

        def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x + dx, "y": y + dy, "id": i} for i, (dx, dy) in enumerate(places)]
            event = {"type": kind, "touchPoints": points}
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)

        touch("touchStart", (-10, 0), (10, 0))
        for apart in (15, 20, 25, 30):
            touch("touchMove", (-apart, 0), (apart, 0))
        touch("touchEnd")
        width = until(browser, lambda: _views(browser)[0][2] < 0.6 and _views(browser)[0][2])
        assert browser.execute_script("return visualViewport.scale") == 1
        right = _views(browser)[0][0]
        touch("touchStart", (0, 0))
        for dx in (-10, -20, -30):
            touch("touchMove", (dx, 0))
        touch("touchEnd")
        moved = (
            until(browser, lambda: _views(browser)[0][0] > right and _views(browser)[0][0]) - right
        )
        assert moved == pytest.approx(30 / picture.rect["width"] * width, rel=0.35)
        assert _views(browser)[0][2] == width
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def _mean_grey(browser: Browser, selector: str) -> float:
    element = until(browser, lambda: find(browser, selector))
    return float(np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("L")).mean())


def test_the_contrast_is_set(browser: Browser, site: Server) -> None:
    """By a number and by keys; all pictures change, and their captions say so."""
    _open(browser, site)
    first, picture = find(browser, "[data-limits=linear]").text, ".panel:first-child .sky"
    grey = _mean_grey(browser, picture)
    press(browser, "s", Keys.TAB, "0.5", Keys.ENTER)
    text = until(browser, lambda: find(browser, "[data-limits=linear]").text)
    until(browser, lambda: find(browser, "[data-limits=linear]").text.endswith("0.5 mJy/beam"))
    assert text.split(" to ")[0] == first.split(" to ")[0]
    addresses = [image.get_attribute("href") for image in find_all(browser, "[data-contrast]")]
    assert len(addresses) == 2 * 3
    assert all("high=0.000500000" in address for address in addresses)
    until(browser, lambda: _mean_grey(browser, picture) > grey * 1.5)
    brighter = _mean_grey(browser, picture)
    press(browser, "d", "d", "d", "d")
    until(browser, lambda: _mean_grey(browser, picture) < brighter)
    assert float(find(browser, "[data-limit=high]").get_property("value")) > 0.5
    press(browser, "0")
    until(browser, lambda: find(browser, "[data-limits=linear]").text == first)
    until(browser, lambda: abs(_mean_grey(browser, picture) - grey) < 1)


def test_limits_in_the_wrong_order_change_nothing(
    browser: Browser, serve: Serve, out: Path
) -> None:
    _open(browser, serve(out))
    before = find(browser, "[data-contrast]").get_attribute("href")
    press(browser, "s", "900", Keys.ENTER)
    until(browser, lambda: "less than" in find(browser, ".tools").text)
    assert find(browser, "[data-contrast]").get_attribute("href") == before
    press(browser, "a")  # the limits are no part of a decision
    wait_for(browser, names()[1])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_marks_can_be_read_on_unobserved_areas(
    browser: Browser, scales: Server, dark: bool
) -> None:
    """The letters N and E have a contrast of at least 4.5 to the hatched area (WCAG 2.2, 1.4.3)."""
    row = BuildView.read(scales.out).row_of["GAP"]
    _open(browser, scales, row)
    set_screen(browser, (1366, 900), dark=dark)
    frame = find(browser, ".frame")
    picture = np.asarray(Image.open(io.BytesIO(frame.screenshot_as_png)).convert("RGB"))
    side = picture.shape[0]
    corner = picture[: side // 4, side // 2 :].reshape(-1, 3)  # the upper half was not observed
    light = _luminance(corner)
    letters = light.max()
    assert (light > 0.9).sum() > 20  # pixels of letters and arrows
    area = np.median(light)
    assert (letters + 0.05) / (area + 0.05) >= 4.5
    texts = [text.text for text in find_all(browser, ".frame:first-child .marks text")][:2]
    assert texts == ["N", "E"]


def _luminance(colours: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB colours (WCAG 2.2)."""
    c = colours / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_circle_is_the_mask_of_the_recipe(
    browser: Browser, site: Server, scales: Server
) -> None:
    """75 pixels in one build, and 40 in the other; the pixels of another candidate differ."""
    _open(browser, site)
    assert {circle.get_attribute("r") for circle in find_all(browser, ".mask")} == {"75.0"}
    _open(browser, scales)
    assert {circle.get_attribute("r") for circle in find_all(browser, ".mask")} == {"40.0"}
