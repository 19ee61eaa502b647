"""Draw stamps with their names and classes, for a look at a dataset."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.image_stack import ImageArray, ImageStack, gather
from mingolotss.dataset.indexing import sample_rows
from mingolotss.dataset.label_words import label_texts, rarest_labels
from mingolotss.dataset.sample_summary import (
    GAMMA,
    as_grey,
    as_pictures,
    spread_over_classes,
)
from mingolotss.errors import InputError
from mingolotss.io.optional import import_optional
from mingolotss.io.summaries import one_line
from mingolotss.model import Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_samples"]

_CELL = 1.75, 2.05  # inches of a stamp with its two lines of text
_COLUMNS = 6
_DPI = 100
_NAME, _CLASS = 24, 20  # letters that fit above a stamp
_SEVERAL, _LINES = 25, 3  # letters in a line of several tags or votes, and lines, in small letters
_LINE = 0.085  # height of such a line, in sides of a stamp
_CHANNELS = 15  # letters of their names that fit into an inch


def draw_samples(
    images: ImageArray | ImageStack,
    labels: Ints,
    classes: Sequence[str],
    sources: Sequence[str],
    n: int | Sequence[int] = 12,
    *,
    columns: int | None = None,
    seed: int | None = None,
    channels: Sequence[str] = (),
    vectors: LabelVectors | None = None,
) -> Figure:
    """Draw stamps with the name of the source and the class above each.

    A source with tags has all of them above it, and one with votes the classes with most of them.

    Three channels are drawn as red, green and blue, other numbers of channels side by side.

    Parameters
    ----------
    images : array, shape (n, ny, nx) or (n, channels, ny, nx)
        Row 0 is drawn at the top, as in the PNG files.
    labels : int array, shape (n,)
    classes, sources : sequence of str
        `sources` may be empty.
    n : int or sequence of int
        How many stamps, of all classes in turn; or the indices of those to draw.
    columns : int, optional
        Stamps in a row; by default up to six.
    seed : int, optional
        Choose stamps at random; by default the first of each class.
    channels : sequence of str
        Their names; empty for images without an axis of channels.
    vectors : LabelVectors, optional
        The tags or votes of the samples.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of pyplot: a notebook shows it once, and ``plt.show()`` in a script.

    Raises
    ------
    InputError
        matplotlib is not installed, there is nothing to draw, or `n` is no number and no indices.
    """
    pyplot = import_optional("matplotlib.pyplot", "plot samples")
    rows = _rows(rarest_labels(labels, vectors), n, seed)
    names = label_texts(labels[rows], classes, None if vectors is None else vectors.take(rows))
    drawn = gather(images, rows.tolist())
    stamps = (as_pictures(drawn) / 255) ** GAMMA
    if stamps.ndim == 4:
        stamps = stamps.transpose(0, 2, 3, 1)  # as imshow takes colours
    aspect = stamps.shape[2] / images.shape[-1]
    if columns is None:
        columns = min(max(1, round(_COLUMNS / aspect)), len(rows))
    elif not isinstance(columns, int) or columns < 1:
        raise InputError(f"plot samples: columns={columns!r:.40}; give 1 or more")
    lines = math.ceil(len(rows) / columns)
    texts = names if vectors is None else list(map(_several_lines, names))
    further = max(text.count("\n") for text in texts) * _LINE
    size = columns * _CELL[0] * aspect, lines * (_CELL[1] + further * _CELL[0])
    figure: Figure
    figure, grid = pyplot.subplots(lines, columns, figsize=size, squeeze=False, layout="compressed")
    cells = list(grid.flat)
    for axes, row, text, stamp, image in zip(
        cells, rows.tolist(), texts, stamps, drawn, strict=False
    ):
        axes.imshow(stamp, cmap="inferno", vmin=0, vmax=1, interpolation="nearest")
        if not as_grey(image).any():
            middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
            axes.text(0.5, 0.5, "blank", color="white", size=8, **middle)
        _write(axes, sources[row] if sources else f"[{row}]", text, is_small=vectors is not None)
    for axes in cells:
        axes.set_axis_off()
    if channels:
        order = "red, green, blue" if len(channels) == 3 else "from left to right"
        text = _drawable(one_line(f"{order}: {', '.join(channels)}", int(_CHANNELS * size[0])))
        figure.supxlabel(text, size=8, parse_math=False)
    vars(figure)["_ipython_display_"] = partial(_display, figure)  # the protocol of IPython
    return figure


def _rows(labels: Ints, n: int | Sequence[int], seed: int | None) -> Ints:
    """Return the samples to draw."""
    if isinstance(n, int | np.integer) and not isinstance(n, bool):
        if n < 1 or not len(labels):
            raise InputError(f"plot samples: {n} of {len(labels)} samples; give 1 or more")
        rng = None if seed is None else np.random.default_rng(seed)
        rows = spread_over_classes(labels, int(n), rng)
        return rows[np.argsort(labels[rows], kind="stable")]
    rows = sample_rows(n, len(labels))
    if not len(rows):
        raise InputError("plot samples: no indices; give one or more, or how many samples to draw")
    return rows


def _several_lines(text: str) -> str:
    """Return tags or votes in lines that fit above a stamp, the last with an ellipsis if cut."""
    lines = textwrap.wrap(one_line(text, len(text)), _SEVERAL)
    rest = one_line(" ".join(lines[_LINES - 1 :]), _SEVERAL)
    return "\n".join([*lines[: _LINES - 1], *([rest] if rest else [])])


def _write(axes: Axes, source: str, text: str, *, is_small: bool) -> None:
    """Write source and class above a stamp: the source in small letters."""
    below = text if is_small else one_line(text, _CLASS)
    top = 1.11 + _LINE * below.count("\n")
    shown = (one_line(source, _NAME), top, 6.5), (below, 1.02, 6.5 if is_small else 8)
    for words, height, size in shown:
        axes.text(
            0.5, height, "\n".join(map(_drawable, words.split("\n"))), size=size,
            transform=axes.transAxes, ha="center", va="bottom", parse_math=False,
        )  # fmt: skip


def _drawable(text: str) -> str:
    """Return a text without the letters that the font of the figure lacks."""
    manager = import_optional("matplotlib.font_manager", "plot samples")
    font = manager.get_font(manager.findfont(manager.FontProperties()))
    known = font.get_charmap()
    return "".join(
        letter if ord(letter) in known else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _display(figure: Figure) -> None:
    """Show a figure in a notebook once.

    A notebook shows the value of a cell, and after it every figure that pyplot manages: a figure of
    pyplot that is the value of its cell would be shown twice. It is shown at the first of the two
    occasions, and pyplot forgets it.
    """
    pyplot = import_optional("matplotlib.pyplot", "plot samples")
    display = import_optional("IPython.display", "show a figure")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=max(figure.dpi, _DPI), bbox_inches="tight")
    display.display(display.Image(buffer.getvalue()))
    pyplot.close(figure)
