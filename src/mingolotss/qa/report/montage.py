"""A picture of a dataset: one row of stamps for each class.

>>> stamps = np.zeros((3, 150, 150), np.uint8)
>>> stamps[:, 70:80, 60:90] = 255
>>> montage(stamps, [0, 0, 1], ["FRI", "FRII"], per_class=2).size
(480, 318)
"""

import math
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mingolotss.errors import InputError
from mingolotss.io.files import atomic_path
from mingolotss.model import Floats
from mingolotss.qa.report.formatting import one_line
from mingolotss.qa.report.stamp_marks import scale_bar

__all__ = ["montage", "pick", "write_montage"]

StampArray = NDArray[np.uint8]

_GUTTER, _NAMES_WIDTH = 6, 162  # pixels between stamps, and of the column of names
_ONE_SCALE = 0.01  # scales that differ by less are one
_NAME_LETTERS = 14  # in a line of the column of names
_GROUND = "#0b0912"  # slightly lighter than the black of a stamp, so that gutters are visible
_INK = "#e8e3f0"


def montage(
    images: StampArray,
    labels: Sequence[int] | NDArray[np.integer],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
    gamma: float = 0.6,
    seed: int = 0,
    pixel_arcsec: float | Floats | None = None,
) -> Image.Image:
    """Draw one row of stamps for each class, with the name of the class at the left.

    A stamp without any brightness is marked as blank.

    Parameters
    ----------
    images : uint8 array, shape (n, ny, nx)
        Stamps, row 0 at the top.
    labels : sequence of int, shape (n,)
        Indices into `class_names`.
    class_names : sequence of str
        A class without a stamp gets no row.
    per_class : int
        Maximum number of stamps in a row.
    gamma : float
        Brightness is shown to this power; below 1, faint tails become visible.
    seed : int
        Seed of the random choice of stamps; see `pick`.
    pixel_arcsec : float or float array, shape (n,), optional
        Side of a pixel, of every stamp or of each. With it, the first stamp of each row has a scale
        bar; where the scales differ by more than 1 %, each stamp has its own.

    Raises
    ------
    InputError
        There is nothing to show, or the numbers of images and labels differ.
    """
    labels = np.asarray(labels)
    if images.ndim != 3 or len(images) != len(labels) or not len(images):
        raise InputError(
            f"draw a montage: {images.shape} images and {len(labels)} labels; "
            "give as many labels as images of shape (n, ny, nx), and at least one"
        )
    present = [k for k in range(len(class_names)) if (labels == k).any()]
    if not present:
        raise InputError(f"draw a montage: no label is one of the {len(class_names)} classes")
    picked = [pick(images, labels, k, per_class, seed) for k in present]
    rows = [images[chosen] for chosen in picked]
    sheet = _sheet(rows, per_class, gamma)
    picture = _with_names(sheet, [class_names[k] for k in present], images.shape[1])
    scales = np.broadcast_to(math.nan if pixel_arcsec is None else pixel_arcsec, len(images))
    _draw_marks(picture, rows, [scales[chosen] for chosen in picked])
    return picture


def pick(
    images: StampArray, labels: NDArray[np.integer], label: int, count: int, seed: int = 0
) -> NDArray[np.intp]:
    """Choose stamps that show a class well; the same seed gives the same stamps.

    Good stamps have many bright pixels near the centre and little brightness elsewhere. The choice
    is random among the better half.

    Returns
    -------
    int array, shape (at most `count`,)
        Indices into `images`, ascending.
    """
    members = np.flatnonzero(labels == label)
    order = np.argsort(-_merit(images[members]), kind="stable")
    better_half = members[order[: max(count, (len(members) + 1) // 2)]]
    chosen = np.random.default_rng(seed).choice(
        better_half, min(count, len(better_half)), replace=False
    )
    return np.sort(chosen)


def _merit(images: StampArray) -> NDArray[np.float64]:
    """Return how well each stamp shows the source in its centre and nothing else, shape (n,)."""
    # Strategy: the root of the number of bright pixels inside 0.4 of the side, times the fraction
    # of the brightness there (to a high power, so that neighbours count much), times a Gaussian in
    # the distance of the centroid from the centre.
    ny, nx = images.shape[1:]
    y, x = np.mgrid[:ny, :nx]
    y, x = y - ny // 2, x - nx // 2
    inner = np.hypot(y, x) < 0.4 * ny
    bright_pixels = ((images > 12) & inner).sum(axis=(1, 2))
    brightness = np.maximum(images.sum(axis=(1, 2), dtype=float), 1)
    central = (images * inner).sum(axis=(1, 2)) / brightness
    offset = np.hypot((images * x).sum(axis=(1, 2)), (images * y).sum(axis=(1, 2))) / brightness
    return np.asarray(np.sqrt(bright_pixels) * central**4 * np.exp(-((offset / (0.06 * ny)) ** 2)))


def write_montage(
    path: str | Path,
    images: StampArray,
    labels: Sequence[int] | NDArray[np.integer],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
    gamma: float = 0.6,
    seed: int = 0,
    pixel_arcsec: float | Floats | None = None,
) -> Path:
    """Write a montage as a PNG file, atomically; see `montage`."""
    path = Path(path)
    picture = montage(
        images, labels, class_names, per_class=per_class, gamma=gamma, seed=seed,
        pixel_arcsec=pixel_arcsec,
    )  # fmt: skip
    with atomic_path(path) as temporary:
        picture.save(temporary, "PNG", optimize=True)
    return path


def _sheet(rows: list[StampArray], columns: int, gamma: float) -> NDArray[np.uint8]:
    """Return the RGB pixels of all rows of stamps."""
    ny, nx = rows[0].shape[1:]
    ground = np.array([int(_GROUND[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    step_y, step_x = ny + _GUTTER, nx + _GUTTER
    sheet = np.tile(ground, (len(rows) * step_y + _GUTTER, columns * step_x + _GUTTER, 1))
    levels = (np.arange(256) / 255) ** gamma
    colours = (mpl.colormaps["inferno"](levels)[:, :3] * 255).astype(np.uint8)
    for i, row in enumerate(rows):
        for j, stamp in enumerate(row):
            y, x = _GUTTER + i * step_y, _GUTTER + j * step_x
            sheet[y : y + ny, x : x + nx] = colours[stamp]
    return sheet


def _draw_marks(picture: Image.Image, rows: list[StampArray], scales: list[Floats]) -> None:
    """Draw scale bars, and a word into blank stamps.

    Stamps of one scale have a bar in the first of each row.
    """
    ny, nx = rows[0].shape[1:]
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(10, ny // 11))
    every = np.concatenate(scales)
    is_one = bool(np.ptp(every) <= _ONE_SCALE * every.min()) or not np.isfinite(every).any()
    for i, (row, own) in enumerate(zip(rows, scales, strict=True)):
        top = _GUTTER + i * (ny + _GUTTER)
        for j, (stamp, scale) in enumerate(zip(row, own.tolist(), strict=True)):
            bar = scale_bar(scale, nx) if j == 0 or not is_one else None
            left = _NAMES_WIDTH + _GUTTER + j * (nx + _GUTTER)
            if not stamp.any():
                draw.text((left + nx / 2, top + ny / 2), "blank", _INK, font, anchor="mm")
            if bar is not None:
                length, label = bar
                x, y = left + 0.06 * nx, top + 0.94 * ny
                draw.line((x, y, x + length, y), _INK, max(1, ny // 75))
                text = label.replace("\N{DOUBLE PRIME}", " arcsec")
                draw.text((x, y - 0.03 * ny), text, _INK, font, anchor="ls")


def _with_names(sheet: NDArray[np.uint8], names: list[str], ny: int) -> Image.Image:
    """Return the sheet with the names of the rows at the left."""
    height, width = sheet.shape[0], _NAMES_WIDTH
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=_GROUND)
    canvas = FigureCanvasAgg(figure)
    for i, name in enumerate(names):
        middle = _GUTTER + i * (ny + _GUTTER) + ny / 2
        lines = _name_lines(name)
        figure.text(
            1 - 14 / width, 1 - middle / height, lines, color=_INK, fontsize=13.5,
            ha="right", va="center", linespacing=1.25, parse_math=False,
        )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a box where the font lacks it
        canvas.draw()
    text = np.asarray(canvas.buffer_rgba())[:height, :width, :3]
    return Image.fromarray(np.concatenate([text, sheet], axis=1))


def _name_lines(name: str) -> str:
    """Return a name in lines that fit into the column of names, a word on each if it is long."""
    name = one_line(name, 3 * _NAME_LETTERS)
    if len(name) <= 9:
        return name
    return "\n".join(line for word in name.split() for line in textwrap.wrap(word, _NAME_LETTERS))
