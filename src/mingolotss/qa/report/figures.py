"""The report's figures, each drawn once with matplotlib and written as PNG and SVG.

Colours are those of Okabe & Ito (2008), told apart by colour-blind eyes; every axis has its
unit. In the page the same SVG takes its colours from the page's theme: the drawing uses
stand-in colours that `themed` turns into CSS variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mingolotss.qa.report.build_view import Contents
from mingolotss.qa.status import CASES

__all__ = ["FIGURES", "captions", "draw", "png", "svg", "themed"]

_INK, _SOFT, _GROUND = "#1b1f27", "#8a919d", "#ffffff"
_FILL, _MARK, _PALE = "#0072b2", "#d55e00", "#c9d3de"  # blue and vermilion of Okabe & Ito
_THEME = {
    _INK: "var(--ink)", _SOFT: "var(--soft)", _GROUND: "var(--ground)",
    _FILL: "var(--fill)", _MARK: "var(--mark)", _PALE: "var(--pale)",
}  # fmt: skip
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9,
    "axes.edgecolor": _SOFT, "axes.labelcolor": _INK, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "text.color": _INK, "xtick.color": _SOFT, "ytick.color": _SOFT,
    "xtick.labelcolor": _INK, "ytick.labelcolor": _INK,
    "svg.fonttype": "none", "svg.hashsalt": "mingolotss", "path.simplify": False,
}  # fmt: skip

Floats = npt.NDArray[np.float64]


def draw(name: str, contents: Contents) -> Figure | None:
    """Draw one of `FIGURES`; None where the build has nothing to show in it."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 2.9), facecolor=_GROUND, dpi=160)
        figure.subplots_adjust(left=0.115, right=0.975, bottom=0.165, top=0.925)
        axes = figure.add_subplot(facecolor="none")
        return figure if FIGURES[name](axes, contents) else None


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, 160 dots an inch."""
    data = io.BytesIO()
    with mpl.rc_context(_STYLE):
        FigureCanvasAgg(figure).print_png(
            data, metadata={"Software": "mingolotss"}, pil_kwargs={"compress_level": 4}
        )
    return data.getvalue()


def svg(figure: Figure) -> str:
    """Return a figure as an SVG file; the same figure gives the same text."""
    data = io.StringIO()
    with mpl.rc_context(_STYLE):
        FigureCanvasSVG(figure).print_svg(data, metadata={"Date": None, "Creator": None})
    return data.getvalue()


def themed(text: str, name: str) -> str:
    """Return an SVG file's drawing for inlining in a page: themed, scalable, ids its own."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1">', body, count=1)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", body)
    for colour, variable in _THEME.items():
        body = body.replace(colour, variable)
    return body.replace('xlink:href="', 'href="').strip()


def _classes(axes: Axes, contents: Contents) -> bool:
    """Sources of each class: in the catalogue, and with a stamp."""
    names = contents.settings.classes
    if not names:
        return False
    labels, places = contents.labels, np.arange(len(names))
    listed = np.bincount(labels[labels >= 0], minlength=len(names))
    stamped = np.bincount(labels[(labels >= 0) & contents.written], minlength=len(names))
    axes.barh(places, listed, 0.72, color=_PALE, label="in the catalogue")
    axes.barh(places, stamped, 0.4, color=_FILL, label="with a stamp")
    for place, (a, b) in enumerate(zip(listed.tolist(), stamped.tolist(), strict=True)):
        _count(axes, a, place, f"{b:,}" if a == b else f"{b:,} of {a:,}")
    _names(axes, list(names))
    axes.set_xlabel("sources")
    axes.set_xlim(0, max(1, listed.max()) * 1.3)
    axes.grid(axis="x", color=_PALE, linewidth=0.5)
    axes.set_ylim(len(names) - 0.5, -1.8)  # room above the bars
    axes.legend(frameon=False, loc="upper left", ncols=2)
    return True


def _cases(axes: Axes, contents: Contents) -> bool:
    """Sources by the rule that chose their field."""
    case = contents.numbers("case")[contents.written]
    counts = np.bincount(case.astype(int), minlength=len(CASES))
    places = np.arange(len(CASES))
    axes.barh(places, counts, 0.6, color=_FILL)
    for place, count in enumerate(counts.tolist()):
        _count(axes, count, place, f"{count:,}")
    _names(axes, [f"{number}: {text}" for number, text in CASES.items()])
    axes.set_xlabel("sources")
    axes.set_xlim(0, max(1, counts.max()) * 1.2)
    axes.grid(axis="x", color=_PALE, linewidth=0.5)
    return bool(counts.sum())


def _separation(axes: Axes, contents: Contents) -> bool:
    """How far the middle of each chosen cutout is from its source."""
    values = contents.numbers("separation_arcsec")[contents.written]
    values = np.maximum(values[np.isfinite(values)], 1e-3)
    if not values.size:
        return False
    low = min(0.1, values.min())
    bins = np.geomspace(low, max(values.max(), 20) * 1.01, 49)
    _histogram(axes, values, bins)
    _log_axis(axes)
    axes.set_xlabel("separation of the cutout's middle pixel from the source (arcsec)")
    settings = contents.recipe
    if settings.recentre.enabled:
        limit = settings.recentre.separation_arcsec
        _limit(axes, limit, f"recentred above {limit:g} arcsec")
    return True


def _percent_nan(axes: Axes, contents: Contents) -> bool:
    """How much of each chosen cutout was never observed."""
    values = contents.numbers("percent_nan")[contents.written]
    values = values[np.isfinite(values)]
    if not values.size:
        return False
    whole = int((values == 0).sum())
    top = max(5.0, float(values.max()))
    _histogram(axes, values[values > 0], np.linspace(0, top, 49))
    axes.set_xlabel("pixels of the cutout never observed, NaN (percent)")
    axes.set_xlim(0, top)
    axes.set_title(f"{whole:,} sources without any NaN are not drawn", loc="right", fontsize=8)
    return True


def _size(axes: Axes, contents: Contents) -> bool:
    """The sources' angular sizes against the stamp."""
    values = contents.numbers("size_arcsec")
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return False
    stamp = contents.stamp_arcsec
    bins = np.geomspace(values.min(), max(values.max(), stamp * 1.2) * 1.01, 49)
    _histogram(axes, values, bins)
    _log_axis(axes)
    axes.set_xlabel("angular size in the catalogue (arcsec)")
    if stamp:
        larger = int((values > stamp).sum())
        _limit(axes, stamp, f"stamp, {stamp:.0f} arcsec: {larger:,} larger")
    return True


def _peak(axes: Axes, contents: Contents) -> bool:
    """How far the brightest pixel of each stamp stands above the noise."""
    peak, noise = contents.numbers("peak_jy"), contents.numbers("noise_jy")
    good = contents.written & np.isfinite(peak) & (noise > 0) & (peak > 0)
    values = peak[good] / noise[good]
    if not values.size:
        return False
    bins = np.geomspace(min(1, values.min()), values.max() * 1.01, 49)
    _histogram(axes, values, bins)
    _log_axis(axes)
    axes.set_xlabel("brightest pixel of the stamp over its median noise (dimensionless)")
    clip = [s.get("sigma", 3.0) for step, s in contents.recipe.step_list if step == "clip"]
    if clip:
        _limit(axes, clip[0], f"clipped up to {clip[0]:g} times the noise")
    return True


def _names(axes: Axes, names: list[str]) -> None:
    """Put names at the left, the first at the top, and make room for the longest.

    Asking matplotlib for the room it takes (its constrained layout) costs a third of the report.
    """
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    room = 0.03 + 0.0143 * max(len(name) for name in names)  # of the width, in 9 points
    axes.figure.subplots_adjust(left=min(max(room, 0.1), 0.6))


def _count(axes: Axes, at: float, place: int, text: str) -> None:
    axes.annotate(
        text, (at, place), (4, 0), textcoords="offset points", va="center", fontsize=8
    )  # fmt: skip


def _histogram(axes: Axes, values: Floats, bins: Floats) -> None:
    axes.hist(values, bins.tolist(), histtype="stepfilled", color=_FILL, linewidth=0)
    axes.set_ylabel("sources")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0)
    axes.grid(axis="y", color=_PALE, linewidth=0.5)


def _log_axis(axes: Axes) -> None:
    """Make the x axis logarithmic, its numbers written out."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _limit(axes: Axes, at: float, text: str) -> None:
    axes.axvline(at, color=_MARK, linewidth=1.4, linestyle=(0, (4, 2)))
    left = at > np.sqrt(np.prod(axes.get_xlim()))  # on the side that has room
    axes.annotate(
        text, (at, 1), (-5 if left else 5, -2), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if left else "left", va="top", fontsize=8,
        color=_MARK,
        bbox={"facecolor": _GROUND, "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
    )  # fmt: skip


FIGURES: dict[str, Callable[[Axes, Contents], bool]] = {
    "classes": _classes,
    "cases": _cases,
    "separation": _separation,
    "percent-nan": _percent_nan,
    "size": _size,
    "peak": _peak,
}


def captions() -> Iterator[tuple[str, str]]:
    """Give the name and the caption of every figure."""
    for name, function in FIGURES.items():
        yield name, (function.__doc__ or "").strip()
