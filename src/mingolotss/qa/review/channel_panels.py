"""The channels of a stamp on the page of its source: pictures, what they show, and contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mingolotss.dataset.channel_census import Spread, ValueCount
from mingolotss.dataset.channel_words import brightness_words, frequency_words
from mingolotss.io.optional import import_optional
from mingolotss.qa.report.channel_view import PlaneRow, plane_beam
from mingolotss.qa.report.colours import displayed
from mingolotss.qa.report.stamp_pictures import composite_png, plane_png
from mingolotss.qa.review.state import Snapshot
from mingolotss.recipe.steps import StampPixels

__all__ = ["ChannelPanel", "ChannelPanels", "channel_panels", "channel_picture"]

_LEVELS = (0.25, 0.5, 0.75)  # of the brightest grey level


@dataclass(frozen=True, slots=True)
class ChannelPanel:
    """One channel of a stamp.

    Attributes
    ----------
    name : str
    plane : int
    is_reference : bool
    status : str
        native, resampled or missing.
    reason : str
        Why there is no image; "" if there is one.
    facts : sequence of str
        Survey, frequency, beam, noise and peak, as far as they are known.
    """

    name: str
    plane: int
    is_reference: bool
    status: str
    reason: str
    facts: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChannelPanels:
    """The channels of a stamp, in their order.

    Attributes
    ----------
    panels : sequence of ChannelPanel
    side : int, px
    contour : str
        SVG path at three levels of the reference channel, row 0 at the top.
    has_colours : bool
        Whether there is a picture in colours.
    """

    panels: Sequence[ChannelPanel]
    side: int
    contour: str
    has_colours: bool


def channel_panels(snapshot: Snapshot, row: int) -> ChannelPanels | None:
    """Return the channels of a written stamp; None for a build without channels."""
    channels = snapshot.build.channels
    if channels is None or not snapshot.build.written[row]:
        return None
    pixels = _pixels(snapshot, row)
    planes = channels.planes_of([row]).get(row, [])
    panels = [
        ChannelPanel(
            name=one["channel"],
            plane=index,
            is_reference=index == channels.reference,
            status=one["status"],
            reason=one["reason"] or "",
            facts=_facts(one),
        )
        for index, one in enumerate(planes)
    ]
    contour = _contour(pixels[channels.reference])
    return ChannelPanels(panels, pixels.shape[-1], contour, len(pixels) == 3)


def channel_picture(snapshot: Snapshot, row: int, plane: int | None) -> bytes | None:
    """Return the picture of a plane, or of three in colours, as a PNG file, row 0 at the top.

    Parameters
    ----------
    snapshot : Snapshot
    row : int
    plane : int or None
        None for the colours.

    Returns
    -------
    bytes or None
        None if there is no such picture.
    """
    channels = snapshot.build.channels
    if channels is None or not snapshot.build.written[row]:
        return None
    if plane is None:
        return composite_png(_pixels(snapshot, row)) if len(channels.names) == 3 else None
    return plane_png(_pixels(snapshot, row)[plane]) if plane < len(channels.names) else None


def _pixels(snapshot: Snapshot, row: int) -> StampPixels:
    return next(pixels for _, pixels in snapshot.stamps.pixels([row]))


def _facts(plane: PlaneRow) -> list[str]:
    """Return what is known about the image of a plane, in words."""
    if plane["status"] == "missing":
        return []
    facts = [plane["survey"] or ""]
    frequency = plane["frequency_mhz"]
    if frequency is not None and np.isfinite(frequency):
        facts.append(frequency_words((ValueCount(frequency, 1),)))
    major, minor, _ = plane_beam(plane)
    if np.isfinite(major):
        axes = f"{major:.3g}″" if major <= 1.01 * minor else f"{major:.3g}″ by {minor:.3g}″"
        facts.append(f"{axes} beam")
    units = (ValueCount(plane["unit"], 1),)
    for name, value in (("noise", plane["noise_jy"]), ("peak", plane["peak_jy"])):
        if value is not None and np.isfinite(value):
            facts.append(f"{name} {brightness_words(Spread(value, value, value), units)}")
    return [fact for fact in facts if fact]


def _contour(plane: StampPixels) -> str:
    """Return the lines of a plane at a quarter, a half and three quarters of its grey levels."""
    contourpy = import_optional("contourpy", "draw contours", extra="web")
    generator = contourpy.contour_generator(z=displayed(plane).astype(float))
    lines = [line for level in _LEVELS for line in generator.lines(255 * level) if len(line) >= 4]
    # Pixel centres are integers in the array, and halves in the picture.
    return "".join(
        "M" + "L".join(f"{x + 0.5:.1f} {y + 0.5:.1f}" for x, y in line) for line in lines
    )
