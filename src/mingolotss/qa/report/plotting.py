"""The style of the report's figures, their files, and parts of plots that several of them use.

Colours are those of Okabe & Ito (2008), which colour-blind readers can distinguish. In the page,
the SVG takes its colours from the theme of the page: the drawing uses fixed colours, which
`themed_svg` replaces by CSS variables.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mingolotss.model import Floats
from mingolotss.qa.report.formatting import one_line

__all__ = [
    "DOTS_PER_INCH",
    "FIGURE_INCHES",
    "FILL",
    "INK",
    "MARK",
    "MAX_POINTS",
    "PALE",
    "SOFT",
    "Drawing",
    "annotate_bars",
    "as_png",
    "as_svg",
    "cell_colours",
    "count_in_cells",
    "draw_histogram",
    "draw_limit",
    "draw_points",
    "empty_figure",
    "figure_style",
    "fit_figure",
    "name_bars",
    "new_figure",
    "set_log_axis",
    "short_names",
    "text_width",
    "themed_svg",
]

DOTS_PER_INCH = 160
MAX_POINTS = 1000
"""More points than this are drawn as counts in cells, so that a figure does not grow with them."""
FIGURE_INCHES = 4.8
"""The width of a figure, unless it needs more."""
_HEIGHT = 2.9  # inches
_NAME_LENGTH = 40  # letters beside a bar
_NAME_WIDTH = 0.45  # of the figure, at most
_BAR_INCHES = 0.22  # of the height for each bar
_PAD = 0.05  # inches between the content and the edge of a figure
INK, SOFT, _GROUND = "#1b1f27", "#8a919d", "#ffffff"
FILL, MARK, PALE = "#0072b2", "#d55e00", "#c9d3de"  # blue and vermilion of Okabe & Ito
_LOW = {FILL: "#b5cfe3", MARK: "#efc3a0"}  # of cells with few sources
_THEME = {
    INK: "var(--ink)", SOFT: "var(--soft)", _GROUND: "var(--ground)",
    FILL: "var(--fill)", MARK: "var(--mark)", PALE: "var(--pale)",
}  # fmt: skip
_STYLE: dict[str, object] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9,
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "text.color": INK, "xtick.color": SOFT, "ytick.color": SOFT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "svg.fonttype": "none", "svg.hashsalt": "mingolotss",
    "path.simplify": True, "path.simplify_threshold": 0.1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure of one build.

    Attributes
    ----------
    figure : Figure or None
        None if the caption says why there is none.
    caption : str
        One sentence or several.
    """

    figure: Figure | None
    caption: str


@contextmanager
def figure_style() -> Iterator[None]:
    """Use the style of the report's figures, for drawing and for writing."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the SVG and the page have the text.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def new_figure(bars: int = 0) -> tuple[Figure, Axes]:
    """Return an empty figure, high enough for horizontal bars, and its axes."""
    figure = empty_figure(max(_HEIGHT, 0.9 + _BAR_INCHES * bars))
    return figure, figure.add_subplot(facecolor="none")


def empty_figure(height: float = _HEIGHT, width: float = FIGURE_INCHES) -> Figure:
    """Return an empty figure without axes; `height` and `width` in inches."""
    figure = Figure(figsize=(width, height), facecolor=_GROUND, dpi=DOTS_PER_INCH)
    figure.subplots_adjust(left=0.115, right=0.975, bottom=0.165, top=0.925)
    return figure


def fit_figure(figure: Figure) -> None:
    """Give the axes the room that their labels leave, so that nothing is cut off.

    The constrained layout of matplotlib does the same more generally, and takes a third of the
    report's time.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    width, height = figure.bbox.size
    pad = _PAD * figure.dpi
    # The labels of an axis depend on its length, so the second pass measures those of the first.
    for _ in range(2):
        outer = axes.get_tightbbox(renderer)  # first: it also applies the aspect of the axes
        inner = axes.get_window_extent(renderer)
        if outer is None:
            return
        figure.subplots_adjust(
            left=(inner.x0 - outer.x0 + pad) / width,
            right=1 - (outer.x1 - inner.x1 + pad) / width,
            bottom=(inner.y0 - outer.y0 + pad) / height,
            top=1 - (outer.y1 - inner.y1 + pad) / height,
        )


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, `DOTS_PER_INCH`."""
    data = io.BytesIO()
    figure.set_dpi(DOTS_PER_INCH)  # the canvas of SVG leaves 72
    with figure_style():
        FigureCanvasAgg(figure).print_png(
            data, metadata={"Software": "mingolotss"}, pil_kwargs={"compress_level": 4}
        )
    return data.getvalue()


def as_svg(figure: Figure) -> str:
    """Return a figure as an SVG file; the same figure gives the same text."""
    data = io.StringIO()
    with figure_style():
        FigureCanvasSVG(figure).print_svg(data, metadata={"Date": None, "Creator": None})
    return data.getvalue()


def themed_svg(text: str, name: str) -> str:
    """Return the ``svg`` element of a file for use inside a page.

    It has the colours of the page's theme, no fixed size, and ids that start with `name`, so that
    several figures can be in one page.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1">', body, count=1)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", body)
    for colour, variable in _THEME.items():
        body = body.replace(colour, variable)
    return body.replace('xlink:href="', 'href="').strip()


def name_bars(axes: Axes, names: list[str]) -> None:
    """Write names to the left of horizontal bars, the first at the top, none too long."""
    width = _NAME_WIDTH * axes.figure.bbox.width / axes.figure.dpi
    axes.set_yticks(range(len(names)), short_names(axes, names, width), parse_math=False)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def short_names(axes: Axes, names: Sequence[str], width: float) -> list[str]:
    """Return names of one line that take at most `width` inches, with an ellipsis if cut."""
    return [_shorten(axes, one_line(name, _NAME_LENGTH), width) for name in names]


def text_width(axes: Axes, texts: Sequence[str]) -> float:
    """Return the width of the widest of several names as `name_bars` writes them, inches."""
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    widths = (
        Text(0, 0, text, fontsize=9, parse_math=False, figure=figure)
        .get_window_extent(renderer)
        .width
        for text in texts
    )
    return float(max(widths, default=0.0)) / figure.dpi


def _shorten(axes: Axes, name: str, width: float) -> str:
    shown = name
    while len(shown) > 2 and text_width(axes, [shown]) > width:
        shown = f"{shown[:-2]}…"
    return shown


def annotate_bars(axes: Axes, lengths: Sequence[float], texts: Sequence[str]) -> None:
    """Write a text at the end of each horizontal bar; `fit_figure` makes room for it."""
    for position, (length, text) in enumerate(zip(lengths, texts, strict=True)):
        axes.annotate(
            text, (length, position), (4, 0), textcoords="offset points", va="center", fontsize=8
        )  # fmt: skip
    axes.set_xlim(0, max(1, *lengths) * 1.02)


def draw_histogram(axes: Axes, values: Floats, bins: Floats) -> None:
    """Draw the number of sources in each bin."""
    axes.hist(values, bins.tolist(), histtype="stepfilled", color=FILL, linewidth=0)
    axes.set_ylabel("sources")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0)
    axes.grid(axis="y", color=PALE, linewidth=0.5)


def set_log_axis(axes: Axes) -> None:
    """Make the x axis logarithmic, with numbers written in full."""
    axes.set_xscale("log")
    formatter = FuncFormatter(lambda value, _: f"{value:,g}")
    axes.xaxis.set_major_formatter(formatter)
    # An axis with fewer than two powers of ten also has numbers between them.
    low, high = axes.get_xlim()
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.xaxis.set_minor_formatter(formatter if high < 100 * low else NullFormatter())


def draw_limit(axes: Axes, value: float, text: str) -> None:
    """Draw a vertical line at a value of the x axis, with text on the side that has room."""
    axes.axvline(value, color=MARK, linewidth=1.4, linestyle=(0, (4, 2)))
    is_right = value > np.sqrt(np.prod(axes.get_xlim()))
    axes.annotate(
        text, (value, 1), (-5 if is_right else 5, -2), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if is_right else "left", va="top", fontsize=8,
        color=MARK,
        bbox={"facecolor": _GROUND, "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
    )  # fmt: skip


def draw_points(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw at most `MAX_POINTS` points."""
    size = 5 if len(x) <= 100 else 3
    axes.plot(x, y, "o", markersize=size, color=FILL, markeredgewidth=0, alpha=0.75)


def count_in_cells(x: Floats, y: Floats, box: Sequence[float], cells: int) -> tuple[Floats, float]:
    """Count points in square cells.

    Parameters
    ----------
    x, y : float64 array, shape (n,)
    box : sequence of float
        x0, x1, y0 and y1 of the area; the cells begin at x0 and y0 and cover it.
    cells : int
        Cells along the longer side.

    Returns
    -------
    counts : float64 array, shape (ny, nx)
    side : float
        Of a cell, in the coordinates of the points.
    """
    x0, x1, y0, y1 = box
    side = max(x1 - x0, y1 - y0) / cells
    ny, nx = (max(1, int(np.ceil(length / side - 1e-9))) for length in (y1 - y0, x1 - x0))
    area = [[y0, y0 + ny * side], [x0, x0 + nx * side]]
    counts: Floats = np.histogram2d(y, x, bins=(ny, nx), range=area)[0]
    return counts, side


def cell_colours(counts: Floats, colour: str) -> Floats:
    """Return colours of counts, shape (ny, nx, 4): nothing where there is none, else to `colour`.

    The scale is logarithmic.
    """
    colours = LinearSegmentedColormap.from_list("count", [_LOW[colour], colour])
    rgba: Floats = colours(LogNorm(1, max(2.0, counts.max(initial=0)))(np.maximum(counts, 1)))
    rgba[counts == 0, 3] = 0
    return rgba
