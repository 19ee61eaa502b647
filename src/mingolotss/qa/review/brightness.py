"""The unit in which the page gives the brightness of images.

>>> brightness_of([None, "Jy/beam"])
Brightness(unit='mJy/beam', factor=1000.0)
>>> brightness_of(["K", "K"]).unit, brightness_of(["K", "MJy/sr"]).unit
('K', "in each image's own unit")
>>> brightness_of([]).text(0.00503)
'5.03'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Brightness", "brightness_of"]


class Brightness(NamedTuple):
    """A unit, and its number in one unit of the pixels."""

    unit: str
    factor: float

    def text(self, value: float, digits: int = 3) -> str:
        """Return a brightness as a number, without the unit."""
        return f"{value * self.factor:.{digits}g}"


def brightness_of(units: Iterable[str | None]) -> Brightness:
    """Return the unit for images whose headers have these units; None is taken to be Jy/beam."""
    names = {unit or "Jy/beam" for unit in units} or {"Jy/beam"}
    if names == {"Jy/beam"}:
        return Brightness("mJy/beam", 1000.0)
    return Brightness(names.pop() if len(names) == 1 else "in each image's own unit", 1.0)
