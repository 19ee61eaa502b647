"""The style of the report's figures, their files, and parts of plots that several of them use.

Colours are those of Okabe & Ito (2008), which colour-blind readers can distinguish. In the page,
the SVG takes its colours from the theme of the page: the drawing uses fixed colours, which
`themed_svg` replaces by CSS variables.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mingolotss.model import Floats
from mingolotss.qa.report.formatting import one_line

__all__ = [
    "FILL",
    "PALE",
    "annotate_bar",
    "as_png",
    "as_svg",
    "draw_histogram",
    "draw_limit",
    "figure_style",
    "name_bars",
    "new_figure",
    "set_log_axis",
    "themed_svg",
]

_NAME_LENGTH = 40  # letters beside a bar
_INK, _SOFT, _GROUND = "#1b1f27", "#8a919d", "#ffffff"
FILL, _MARK, PALE = "#0072b2", "#d55e00", "#c9d3de"  # blue and vermilion of Okabe & Ito
_THEME = {
    _INK: "var(--ink)", _SOFT: "var(--soft)", _GROUND: "var(--ground)",
    FILL: "var(--fill)", _MARK: "var(--mark)", PALE: "var(--pale)",
}  # fmt: skip
_STYLE: dict[str, object] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9,
    "axes.edgecolor": _SOFT, "axes.labelcolor": _INK, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "text.color": _INK, "xtick.color": _SOFT, "ytick.color": _SOFT,
    "xtick.labelcolor": _INK, "ytick.labelcolor": _INK,
    "svg.fonttype": "none", "svg.hashsalt": "mingolotss", "path.simplify": False,
}  # fmt: skip


@contextmanager
def figure_style() -> Iterator[None]:
    """Use the style of the report's figures, for drawing and for writing."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the SVG and the page have the text.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def new_figure() -> tuple[Figure, Axes]:
    """Return an empty figure and its axes."""
    figure = Figure(figsize=(4.8, 2.9), facecolor=_GROUND, dpi=160)
    figure.subplots_adjust(left=0.115, right=0.975, bottom=0.165, top=0.925)
    return figure, figure.add_subplot(facecolor="none")


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, 160 dots per inch."""
    data = io.BytesIO()
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
    """Write names to the left of horizontal bars, the first at the top, with room for the longest.

    The constrained layout of matplotlib would measure the room, but takes a third of the report's
    time.
    """
    names = [one_line(name, _NAME_LENGTH) for name in names]
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    room = 0.03 + 0.0143 * max(len(name) for name in names)  # fraction of the width, at 9 points
    axes.figure.subplots_adjust(left=min(max(room, 0.1), 0.6))


def annotate_bar(axes: Axes, length: float, position: int, text: str) -> None:
    """Write text at the end of a horizontal bar."""
    axes.annotate(
        text, (length, position), (4, 0), textcoords="offset points", va="center", fontsize=8
    )  # fmt: skip


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
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def draw_limit(axes: Axes, value: float, text: str) -> None:
    """Draw a vertical line at a value of the x axis, with text on the side that has room."""
    axes.axvline(value, color=_MARK, linewidth=1.4, linestyle=(0, (4, 2)))
    is_right = value > np.sqrt(np.prod(axes.get_xlim()))
    axes.annotate(
        text, (value, 1), (-5 if is_right else 5, -2), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if is_right else "left", va="top", fontsize=8,
        color=_MARK,
        bbox={"facecolor": _GROUND, "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
    )  # fmt: skip
