"""A picture of stamps with channels: a row for each source, a column for each channel.

Three channels also have a column of colours, in which the first is red, the second green and the
third blue.

>>> planes = np.zeros((2, 150, 150), np.uint8)
>>> planes[:, 70:80, 60:90] = 255
>>> stamps = [ChannelStamp("J0123+45", planes, pixel_arcsec=1.5)]
>>> channel_montage(stamps, [["lotss", "144 MHz"], ["first"]]).size
(480, 201)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from mingolotss.errors import InputError
from mingolotss.qa.report.colours import composite, displayed
from mingolotss.qa.report.formatting import one_line
from mingolotss.qa.report.stamp_marks import Compass, scale_bar

__all__ = ["COMPOSITE", "ChannelStamp", "channel_montage"]

Grey = npt.NDArray[np.uint8]

COMPOSITE = "colours"
"""The heading of the column of colours."""
_GUTTER, _NAMES_WIDTH = 6, 162  # pixels
_SMALLEST = 150  # pixels of a stamp in the picture; smaller stamps are enlarged
_LINE = 1.35  # height of a line of text, in sizes of its letters
_GROUND, _INK, _SOFT = "#0b0912", "#e8e3f0", "#a9a2b8"
_MISSING = (38, 34, 48)  # the ground of a plane without an image


@dataclass(frozen=True, eq=False)
class ChannelStamp:
    """One stamp with its channels.

    Attributes
    ----------
    name : str
        Of the source.
    planes : uint8 or float32 array, shape (channels, ny, nx)
        Row 0 at the top of the picture.
    missing : collection of int
        The planes without an image.
    pixel_arcsec : float
        Side of a pixel; NaN if it is not known.
    compass : Compass or None
        None if north is up and east is left in the picture.
    """

    name: str
    planes: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    missing: frozenset[int] = frozenset()
    pixel_arcsec: float = math.nan
    compass: Compass | None = None


def channel_montage(
    stamps: Sequence[ChannelStamp], headings: Sequence[Sequence[str]], *, gamma: float = 0.6
) -> Image.Image:
    """Draw one row for each stamp, with one column for each channel.

    A plane without an image is grey and says so. The first plane of a row has a scale bar.

    Parameters
    ----------
    stamps : sequence of ChannelStamp
        Of one shape.
    headings : sequence of sequence of str
        The lines above each column; the first is the name of the channel.
    gamma : float
        Brightness is shown to this power; below 1, faint tails become visible.

    Raises
    ------
    InputError
        There is no stamp, or their shapes differ, or the channels are not those of `headings`.
    """
    shapes = {stamp.planes.shape for stamp in stamps}
    if len(shapes) != 1 or next(iter(shapes))[0] != len(headings):
        raise InputError(
            f"draw a montage of channels: stamps of the shapes {sorted(shapes)} and "
            f"{len(headings)} headings; give stamps of one shape with as many channels"
        )
    channels, ny, nx = next(iter(shapes))
    columns = [list(lines) for lines in headings]
    if channels == 3:
        columns.append([COMPOSITE, "red, green, blue:", "the channels in order"])
    zoom = max(1, math.ceil(_SMALLEST / nx))
    height, width = ny * zoom, nx * zoom
    letters = max(11, min(22, width // 12))
    top = math.ceil(max(map(len, columns)) * letters * _LINE) + 2 * _GUTTER
    size = (
        _NAMES_WIDTH + len(columns) * (width + _GUTTER) + _GUTTER,
        top + len(stamps) * (height + _GUTTER),
    )
    picture = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(picture)
    for column, lines in enumerate(columns):
        left = _NAMES_WIDTH + _GUTTER + column * (width + _GUTTER)
        for row, line in enumerate(lines):
            y = _GUTTER + row * letters * _LINE
            font = _font(letters, is_bold=row == 0)
            draw.text((left, y), _fitting(line, font, width), _SOFT if row else _INK, font)
    for row, stamp in enumerate(stamps):
        y = top + row * (height + _GUTTER)
        _draw_name(draw, stamp.name, y + height / 2)
        for column, tile in enumerate(_tiles(stamp, gamma)):
            left = _NAMES_WIDTH + _GUTTER + column * (width + _GUTTER)
            picture.paste(Image.fromarray(tile).resize((width, height), Image.Resampling.NEAREST),
                          (left, y))  # fmt: skip
            box = (left, y, width, height)
            if column in stamp.missing:
                _draw_word(draw, "no image", box, letters)
            elif column < channels and not stamp.planes[column].any():
                _draw_word(draw, "blank", box, letters)
            if column == 0:
                _draw_marks(draw, stamp, box, letters)
    return picture


def _tiles(stamp: ChannelStamp, gamma: float) -> list[Grey]:
    """Return the RGB pixels of each channel of a stamp, then the colours of three channels."""
    levels = (np.arange(256) / 255) ** gamma
    colours = (mpl.colormaps["inferno"](levels)[:, :3] * 255).astype(np.uint8)
    tiles = [
        np.full((*plane.shape, 3), _MISSING, np.uint8)
        if index in stamp.missing
        else colours[displayed(plane)]
        for index, plane in enumerate(stamp.planes)
    ]
    if len(tiles) == 3:
        shown = [
            np.zeros(plane.shape, np.uint8) if index in stamp.missing else plane
            for index, plane in enumerate(stamp.planes)
        ]
        tiles.append(composite(shown, gamma))
    return tiles


@cache
def _font(letters: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of matplotlib, which has the letters of most languages."""
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), letters)


def _fitting(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Return a text that is at most `room` pixels wide, with an ellipsis if it is cut."""
    text = shown = one_line(text, 200)
    while len(shown) > 2 and font.getlength(shown) > room:
        text = text[:-1]
        shown = f"{text}…"
    return shown


def _draw_name(draw: ImageDraw.ImageDraw, name: str, middle: float) -> None:
    """Write the name of a source at the left, in two lines if it is long."""
    font = _font(13)
    room = _NAMES_WIDTH - 14
    cut = max(name.find(sign, 1) for sign in "+-")
    lines = [name]
    if font.getlength(name) > room and cut > 0:
        lines = [name[:cut], name[cut:]]
    text = "\n".join(_fitting(line, font, room) for line in lines)
    draw.multiline_text((_NAMES_WIDTH - 8, middle), text, _INK, font, anchor="rm", align="right")


def _draw_word(
    draw: ImageDraw.ImageDraw, word: str, box: tuple[int, int, int, int], letters: int
) -> None:
    left, top, width, height = box
    draw.text((left + width / 2, top + height / 2), word, _INK, _font(letters), anchor="mm")


def _draw_marks(
    draw: ImageDraw.ImageDraw, stamp: ChannelStamp, box: tuple[int, int, int, int], letters: int
) -> None:
    """Draw the scale bar of a stamp at the lower left, and the compass at the upper right."""
    left, top, width, height = box
    nx = stamp.planes.shape[2]
    line = max(1, height // 75)
    bar = scale_bar(stamp.pixel_arcsec, nx)
    if bar is not None:
        length, label = bar
        x, y = left + 0.06 * width, top + 0.94 * height
        draw.line((x, y, x + length * width / nx, y), _INK, line)
        draw.text((x, y - 0.03 * height), label, _INK, _font(letters), anchor="ls")
    if stamp.compass is not None:
        middle = left + 0.83 * width, top + 0.17 * height
        for letter, angle in zip("NE", stamp.compass, strict=True):
            _draw_arm(draw, letter, math.radians(angle), middle, height, letters)


def _draw_arm(
    draw: ImageDraw.ImageDraw,
    letter: str,
    angle: float,
    middle: tuple[float, float],
    height: int,
    letters: int,
) -> None:
    """Draw a line from the middle of the compass, with a letter at its end."""
    x, y = middle
    dx, dy = math.cos(angle), math.sin(angle)
    arm, away = 0.08 * height, 0.08 * height + 0.65 * letters
    draw.line((x, y, x + arm * dx, y + arm * dy), _INK, max(1, height // 75))
    draw.text((x + away * dx, y + away * dy), letter, _INK, _font(letters - 1), anchor="mm")
