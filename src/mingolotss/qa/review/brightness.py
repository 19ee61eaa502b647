"""The unit in which the page gives the brightness of images.

>>> brightness_of([None, "Jy/beam"])
Brightness(unit='mJy/beam', factor=1000.0)
>>> brightness_of(["K", "K"]).unit, brightness_of(["K", "MJy/sr"]).unit
('K', "in each image's own unit")
>>> brightness_of([]).text(0.00503)
'5.03'
>>> brightness_of([]).range(0.0, 0.00503), brightness_of([]).range(7e-5, 7e-5)
('0 to 5.03 mJy/beam', '0.07 mJy/beam')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Brightness", "brightness_of"]


class Brightness(NamedTuple):
    """A unit, and its number in one unit of the pixels."""

    unit: str
    factor: float

    def range(self, low: float, high: float) -> str:
        """Return the range between two brightnesses; one number if both look alike."""
        first, last = self.text(low), self.text(high)
        return f"{last} {self.unit}" if first == last else f"{first} to {last} {self.unit}"

    def text(self, value: float, digits: int = 3) -> str:
        """Return a brightness as a number, without the unit."""
        return f"{value * self.factor:.{digits}g}"


def brightness_of(units: Iterable[str | None]) -> Brightness:
    """Return the unit for images whose headers have these units; None is taken to be Jy/beam."""
    names = {unit or "Jy/beam" for unit in units} or {"Jy/beam"}
    if names == {"Jy/beam"}:
        return Brightness("mJy/beam", 1000.0)
    return Brightness(names.pop() if len(names) == 1 else "in each image's own unit", 1.0)
