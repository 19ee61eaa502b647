"""A picture of a dataset: a row of stamps for every class.

>>> stamps = np.zeros((3, 150, 150), np.uint8)
>>> stamps[:, 70:80, 60:90] = 255
>>> montage(stamps, [0, 0, 1], ["FRI", "FRII"], per_class=2).size
(480, 318)
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from mingolotss.errors import InputError
from mingolotss.io.files import atomic_path

__all__ = ["montage", "pick", "write_montage"]

Stamps = NDArray[np.uint8]

_GUTTER, _NAMES = 6, 162  # pixels: between stamps, and for the names at the left
_GROUND = "#0b0912"  # a little lighter than a stamp's black, so that gutters show
_INK = "#e8e3f0"


def montage(
    images: Stamps,
    labels: Sequence[int] | NDArray[np.integer],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
    gamma: float = 0.6,
    seed: int = 0,
) -> Image.Image:
    """Draw one row of stamps per class, its name at the left.

    Parameters
    ----------
    images : uint8 array, shape (n, ny, nx)
        Stamps, row 0 at the top.
    labels : sequence of int, shape (n,)
        Indices into `class_names`.
    class_names : sequence of str
        A class without a stamp gets no row.
    per_class : int
        Stamps in a row, at most.
    gamma : float
        Brightness shown is the stamp's to this power: below 1 shows faint tails.
    seed : int
        Of the choice; see `pick`.

    Raises
    ------
    InputError
        When there is nothing to show, or images and labels do not belong together.
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
    rows = [images[pick(images, labels, k, per_class, seed)] for k in present]
    sheet = _sheet(rows, per_class, gamma)
    return _with_names(sheet, [class_names[k] for k in present], images.shape[1])


def pick(
    images: Stamps, labels: NDArray[np.integer], label: int, count: int, seed: int = 0
) -> NDArray[np.intp]:
    """Choose stamps of a class that show it well, the same ones every time.

    Better stamps have many lit pixels around their centre, and their light there and not
    elsewhere; among the better half the choice is random.

    Returns
    -------
    int array, shape (at most `count`,)
        Indices into `images`, in rising order.
    """
    members = np.flatnonzero(labels == label)
    order = np.argsort(-_merit(images[members]), kind="stable")
    better = members[order[: max(count, (len(members) + 1) // 2)]]
    chosen = np.random.default_rng(seed).choice(better, min(count, len(better)), replace=False)
    return np.sort(chosen)


def _merit(images: Stamps) -> NDArray[np.float64]:
    """Return how well each stamp shows what is in its middle, and only that."""
    ny, nx = images.shape[1:]
    y, x = np.mgrid[:ny, :nx]
    y, x = y - ny // 2, x - nx // 2
    inner = np.hypot(y, x) < 0.4 * ny
    lit = ((images > 12) & inner).sum(axis=(1, 2))
    light = np.maximum(images.sum(axis=(1, 2), dtype=float), 1)
    share = (images * inner).sum(axis=(1, 2)) / light
    aside = np.hypot((images * x).sum(axis=(1, 2)), (images * y).sum(axis=(1, 2))) / light
    return np.asarray(np.sqrt(lit) * share**4 * np.exp(-((aside / (0.06 * ny)) ** 2)))


def write_montage(
    path: str | Path,
    images: Stamps,
    labels: Sequence[int] | NDArray[np.integer],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
    gamma: float = 0.6,
    seed: int = 0,
) -> Path:
    """Write a montage as PNG, beside its place and renamed into it; see `montage`."""
    path = Path(path)
    picture = montage(images, labels, class_names, per_class=per_class, gamma=gamma, seed=seed)
    with atomic_path(path) as beside:
        picture.save(beside, "PNG", optimize=True)
    return path


def _sheet(rows: list[Stamps], columns: int, gamma: float) -> NDArray[np.uint8]:
    """Return RGB pixels of all rows, coloured and spaced."""
    ny, nx = rows[0].shape[1:]
    ground = np.array([int(_GROUND[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    step_y, step_x = ny + _GUTTER, nx + _GUTTER
    sheet = np.tile(ground, (len(rows) * step_y + _GUTTER, columns * step_x + _GUTTER, 1))
    levels = (np.arange(256) / 255) ** gamma
    colours = (mpl.colormaps["inferno"](levels)[:, :3] * 255).astype(np.uint8)
    for i, row in enumerate(rows):
        for j, stamp in enumerate(row):
            top, left = _GUTTER + i * step_y, _GUTTER + j * step_x
            sheet[top : top + ny, left : left + nx] = colours[stamp]
    return sheet


def _with_names(sheet: NDArray[np.uint8], names: list[str], ny: int) -> Image.Image:
    """Return the sheet with the names of its rows at the left."""
    height, width = sheet.shape[0], _NAMES
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=_GROUND)
    canvas = FigureCanvasAgg(figure)
    for i, name in enumerate(names):
        middle = _GUTTER + i * (ny + _GUTTER) + ny / 2
        lines = name.replace(" ", "\n") if len(name) > 9 else name
        figure.text(
            1 - 14 / width, 1 - middle / height, lines, color=_INK, fontsize=13.5,
            ha="right", va="center", linespacing=1.25,
        )  # fmt: skip
    canvas.draw()
    words = np.asarray(canvas.buffer_rgba())[:height, :width, :3]
    return Image.fromarray(np.concatenate([words, sheet], axis=1))
