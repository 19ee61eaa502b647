"""The figures of the report: counts and measurements of the sources of a build.

Each figure is drawn with matplotlib and written as PNG and as SVG (`plotting`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mingolotss.qa.descriptions import CASES
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.plotting import (
    FILL,
    PALE,
    annotate_bar,
    draw_histogram,
    draw_limit,
    figure_style,
    name_bars,
    new_figure,
    set_log_axis,
)

__all__ = ["FIGURES", "Plot"]

_TOO_LARGE = 1e30  # values that only damaged data give, and no axis can show with the others


@dataclass(frozen=True)
class Plot:
    """One figure of the report.

    Attributes
    ----------
    caption : str
    draw_axes : callable
        Draws a build into axes; returns whether there was something to draw.
    """

    caption: str
    draw_axes: Callable[[Axes, BuildView], bool]

    def draw(self, build: BuildView) -> Figure | None:
        """Return the figure of a build, or None if the build has nothing to show in it."""
        with figure_style():
            figure, axes = new_figure()
            return figure if self.draw_axes(axes, build) else None


def _draw_classes(axes: Axes, build: BuildView) -> bool:
    """Draw the number of sources of each class."""
    names = build.provenance.classes
    if not names:
        return False
    labels, positions = build.labels, np.arange(len(names))
    listed = np.bincount(labels[labels >= 0], minlength=len(names))
    stamped = np.bincount(labels[(labels >= 0) & build.written], minlength=len(names))
    axes.barh(positions, listed, 0.72, color=PALE, label="in the catalogue")
    axes.barh(positions, stamped, 0.4, color=FILL, label="with a stamp")
    for position, (total, count) in enumerate(zip(listed.tolist(), stamped.tolist(), strict=True)):
        text = f"{count:,}" if count == total else f"{count:,} of {total:,}"
        annotate_bar(axes, total, position, text)
    name_bars(axes, list(names))
    axes.set_xlabel("sources")
    axes.set_xlim(0, max(1, listed.max()) * 1.3)
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    axes.set_ylim(len(names) - 0.5, -1.8)  # room above the bars
    axes.legend(frameon=False, loc="upper left", ncols=2)
    return True


def _draw_cases(axes: Axes, build: BuildView) -> bool:
    """Draw the number of sources for each rule that chose a field."""
    case = build.numbers("case")[build.written]
    counts = np.bincount(case.astype(int), minlength=len(CASES))
    positions = np.arange(len(CASES))
    axes.barh(positions, counts, 0.6, color=FILL)
    for position, count in enumerate(counts.tolist()):
        annotate_bar(axes, count, position, f"{count:,}")
    name_bars(axes, [f"{number}: {text}" for number, text in CASES.items()])
    axes.set_xlabel("sources")
    axes.set_xlim(0, max(1, counts.max()) * 1.2)
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    return bool(counts.sum())


def _draw_separation(axes: Axes, build: BuildView) -> bool:
    """Draw the separation between the centre of each chosen cutout and its source."""
    values = build.numbers("separation_arcsec")[build.written]
    values = np.maximum(values[values < _TOO_LARGE], 1e-3)
    if not values.size:
        return False
    low = min(0.1, values.min())
    bins = np.geomspace(low, max(values.max(), 20) * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("separation of the cutout's middle pixel from the source (arcsec)")
    if build.recipe.recentre.enabled:
        limit = build.recipe.recentre.separation_arcsec
        draw_limit(axes, limit, f"recentred above {limit:g} arcsec")
    return True


def _draw_percent_nan(axes: Axes, build: BuildView) -> bool:
    """Draw the percentage of each chosen cutout that was never observed."""
    values = build.numbers("percent_nan")[build.written]
    values = values[np.isfinite(values)]
    if not values.size:
        return False
    complete = int((values == 0).sum())
    top = max(5.0, float(values.max()))
    draw_histogram(axes, values[values > 0], np.linspace(0, top, 49))
    axes.set_xlabel("pixels of the cutout never observed, NaN (percent)")
    axes.set_xlim(0, top)
    axes.set_title(f"{complete:,} sources without any NaN are not drawn", loc="right", fontsize=8)
    return True


def _draw_size(axes: Axes, build: BuildView) -> bool:
    """Draw the angular sizes of the sources."""
    values = build.numbers("size_arcsec")
    values = values[(values < _TOO_LARGE) & (values > 0)]
    if not values.size:
        return False
    stamp = build.stamp_arcsec
    bins = np.geomspace(values.min(), max(values.max(), stamp * 1.2) * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("angular size in the catalogue (arcsec)")
    if stamp:
        larger = int((values > stamp).sum())
        draw_limit(axes, stamp, f"stamp, {stamp:.0f} arcsec: {larger:,} larger")
    return True


def _draw_peak(axes: Axes, build: BuildView) -> bool:
    """Draw the brightest pixel of each stamp relative to the noise."""
    peak, noise = build.numbers("peak_jy"), build.numbers("noise_jy")
    valid = build.written & np.isfinite(peak) & (noise > 0) & (peak > 0)
    with np.errstate(over="ignore"):  # noise of almost 0
        values = peak[valid] / noise[valid]
    values = values[values < _TOO_LARGE]
    if not values.size:
        return False
    bins = np.geomspace(min(1, values.min()), values.max() * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("brightest pixel of the stamp over its median noise (dimensionless)")
    sigma = build.recipe.clip_sigma
    if sigma is not None:
        draw_limit(axes, sigma, f"clipped up to {sigma:g} times the noise")
    return True


FIGURES = {
    "classes": Plot("Sources of each class, in the catalogue and with a stamp.", _draw_classes),
    "cases": Plot("Sources by the rule that chose their field.", _draw_cases),
    "separation": Plot(
        "Separation between the centre of each chosen cutout and its source.", _draw_separation
    ),
    "percent-nan": Plot(
        "Percentage of each chosen cutout that was never observed.", _draw_percent_nan
    ),
    "size": Plot("Angular sizes of the sources compared with the stamp.", _draw_size),
    "peak": Plot("Brightest pixel of each stamp relative to the noise.", _draw_peak),
}
"""The figures by the name of their files."""
