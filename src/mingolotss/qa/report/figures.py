"""The figures of the report: counts and measurements of the sources of a build.

Each figure is drawn with matplotlib and written as PNG and as SVG (`plotting`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mingolotss.qa.descriptions import CASES
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.fluxes import Fluxes, compare_fluxes
from mingolotss.qa.report.label_figures import (
    draw_largest_fractions,
    draw_numbers,
    draw_pairs,
    draw_votes,
)
from mingolotss.qa.report.plotting import (
    FILL,
    MARK,
    PALE,
    Drawing,
    annotate_bars,
    draw_histogram,
    draw_limit,
    draw_points,
    figure_style,
    fit_figure,
    name_bars,
    new_figure,
    set_log_axis,
)
from mingolotss.qa.report.sky_map import draw_sky

__all__ = ["FIGURES", "MAX_BARS", "draw_figure", "draw_fluxes"]

MAX_BARS = 40
"""Classes in a figure; of more, the largest are drawn."""
_TOO_LARGE = 1e30  # values that only damaged data give, and no axis can show with the others


def draw_figure(name: str, build: BuildView) -> Drawing | None:
    """Return one of `FIGURES` of a build, or None if the build has nothing to show in it."""
    with figure_style():
        drawing = FIGURES[name](build)
        if drawing is not None and drawing.figure is not None:
            fit_figure(drawing.figure)
        return drawing


def _draw_classes(build: BuildView) -> Drawing | None:
    """Draw the number of sources of each class."""
    names = build.provenance.classes
    if not names:
        return None
    listed = build.members.sum(axis=0)
    stamped = build.members[build.written].sum(axis=0)
    drawn = np.sort(np.argsort(-listed, kind="stable")[:MAX_BARS])
    figure, axes = new_figure(len(drawn))
    positions = np.arange(len(drawn))
    axes.barh(positions, listed[drawn], 0.72, color=PALE, label="in the catalogue")
    axes.barh(positions, stamped[drawn], 0.4, color=FILL, label="with a stamp")
    pairs = list(zip(listed[drawn].tolist(), stamped[drawn].tolist(), strict=True))
    texts = [f"{count:,}" if count == all_ else f"{count:,} of {all_:,}" for all_, count in pairs]
    annotate_bars(axes, listed[drawn].tolist(), texts)
    name_bars(axes, [names[label] for label in drawn])
    axes.set_xlabel("sources")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    caption, classes = "Sources of each class, in the catalogue and with a stamp.", "classes"
    if build.tags is not None:
        caption, classes = "Sources with each tag, in the catalogue and with a stamp.", "tags"
        caption += " A source with several tags is counted for each."
    if build.votes is not None:
        caption = "Sources with the most votes for each class, in the catalogue and with a stamp."
    if len(drawn) < len(names):
        caption += f" The {len(drawn)} largest of {len(names):,} {classes} are drawn."
    return Drawing(figure, caption)


def _draw_largest_fractions(build: BuildView) -> Drawing | None:
    least = build.recipe.classes.least_fraction
    return None if build.votes is None else draw_largest_fractions(build.votes, least)


def _draw_cases(build: BuildView) -> Drawing | None:
    """Draw the number of sources for each rule that chose a field."""
    case = build.numbers("case")[build.written]
    counts = np.bincount(case.astype(int), minlength=len(CASES))
    if not counts.sum():
        return None
    figure, axes = new_figure(len(CASES))
    axes.barh(np.arange(len(CASES)), counts, 0.6, color=FILL)
    annotate_bars(axes, counts.tolist(), [f"{count:,}" for count in counts.tolist()])
    name_bars(axes, [f"{number}: {text}" for number, text in CASES.items()])
    axes.set_xlabel("sources with a stamp")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    return Drawing(figure, "Sources with a stamp, by the rule that chose their field.")


def _draw_separation(build: BuildView) -> Drawing | None:
    """Draw the separation between the centre of each chosen cutout and its source."""
    values = build.numbers("separation_arcsec")[build.written]
    values = np.maximum(values[values < _TOO_LARGE], 1e-3)
    if not values.size:
        return None
    figure, axes = new_figure()
    low = min(0.1, values.min())
    bins = np.geomspace(low, max(values.max(), 20) * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("separation of the cutout's middle pixel from the source (arcsec)")
    if build.recipe.recentre.enabled:
        limit = build.recipe.recentre.separation_arcsec
        draw_limit(axes, limit, f"recentred above {limit:g} arcsec")
    return Drawing(figure, "Separation between the centre of each chosen cutout and its source.")


def _draw_percent_nan(build: BuildView) -> Drawing | None:
    """Draw the percentage of each stamp that was never observed, unless all are complete."""
    values = build.numbers("percent_nan")[build.written]
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    complete = int((values == 0).sum())
    caption = f"Percentage of each stamp that was never observed; 0 for {complete:,} of them."
    if complete == values.size:
        return Drawing(None, "No stamp has pixels that were never observed.")
    figure, axes = new_figure()
    top = max(5.0, float(values.max()))
    draw_histogram(axes, values[values > 0], np.linspace(0, top, 49))
    axes.set_xlabel("pixels of the stamp never observed, NaN (percent)")
    axes.set_xlim(0, top)
    if complete:
        stamps = "stamp without any NaN is" if complete == 1 else "stamps without any NaN are"
        axes.set_title(f"{complete:,} {stamps} not drawn", loc="right", fontsize=8)
    return Drawing(figure, caption)


def _draw_size(build: BuildView) -> Drawing | None:
    """Draw the angular sizes of the sources that have a stamp."""
    values = build.numbers("size_arcsec")[build.written]
    values = values[(values < _TOO_LARGE) & (values > 0)]
    if not values.size:
        return None
    figure, axes = new_figure()
    stamp = build.stamp_arcsec
    low, high = min(values.min(), stamp * 0.8 or np.inf), max(values.max(), stamp * 1.2)
    bins = np.geomspace(low * 0.99, high * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("angular size in the catalogue (arcsec)")
    larger = build.counts["exceeds_stamp"].number
    draw_limit(axes, stamp, f"stamp, {stamp:.0f} arcsec: {larger:,} larger")
    caption = "Angular sizes in the catalogue, of sources with a stamp, compared with the stamp."
    return Drawing(figure, caption)


def _draw_peak(build: BuildView) -> Drawing | None:
    """Draw the brightest pixel of each stamp relative to the noise."""
    peak, noise = build.numbers("peak_jy"), build.numbers("noise_jy")
    valid = build.written & np.isfinite(peak) & (noise > 0) & (peak > 0)
    with np.errstate(over="ignore"):  # noise of almost 0
        values = peak[valid] / noise[valid]
    values = values[values < _TOO_LARGE]
    if not values.size:
        return None
    figure, axes = new_figure()
    bins = np.geomspace(min(1, values.min()), values.max() * 1.01, 49)
    draw_histogram(axes, values, bins)
    set_log_axis(axes)
    axes.set_xlabel("brightest pixel of the stamp over its median noise (dimensionless)")
    sigma = build.reference_recipe.clip_sigma
    if sigma is not None:
        draw_limit(axes, sigma, f"clipped up to {sigma:g} times the noise")
    return Drawing(figure, "Brightest pixel of each stamp relative to the noise.")


def draw_fluxes(fluxes: Fluxes) -> Drawing:
    """Draw the flux densities that were measured in stamps against those of the catalogue."""
    if not fluxes.count:
        return Drawing(None, fluxes.caption)
    figure, axes = new_figure()
    x, y = np.log10(fluxes.catalogue_mjy), np.log10(fluxes.measured_mjy)
    # Whole powers of ten, so that there are at least two of them on each axis.
    low, high = math.floor(min(x.min(), y.min())), math.floor(max(x.max(), y.max())) + 1
    draw_points(axes, x, y)
    axes.plot([low, high], [low, high], color=MARK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{10**value:,g}"))
    axes.set_xlabel("in the catalogue (mJy)")
    axes.set_ylabel("in the stamp (mJy)")
    axes.grid(color=PALE, linewidth=0.5)
    return Drawing(figure, fluxes.caption)


def _draw_sky(build: BuildView) -> Drawing | None:
    """Draw a map of the sources with a stamp and of the rejected ones."""
    ra, dec = build.numbers("ra"), build.numbers("dec")
    known = np.isfinite(ra) & np.isfinite(dec)
    if not known.any():
        return None
    sky = draw_sky(ra[known], dec[known], ~build.written[known])
    written = int(build.written[known].sum())
    rejected = int(known.sum()) - written
    caption = f"Positions of {written:,} sources with a stamp and of {rejected:,} rejected ones."
    if sky.cell_deg2:
        caption += (
            f" A cell has {sky.cell_deg2:.3g} square degrees, and the one with the most stamps has "
            f"{sky.most:,}. Rejected sources fill a cell without stamps, and the middle of a cell "
            "with stamps."
        )
    if missing := len(build) - int(known.sum()):
        caption += f" The positions of {missing:,} sources are not known."
    return Drawing(sky.figure, caption)


FIGURES: dict[str, Callable[[BuildView], Drawing | None]] = {
    "classes": _draw_classes,
    "tag-pairs": lambda build: None if build.tags is None else draw_pairs(build.tags),
    "tag-numbers": lambda build: None if build.tags is None else draw_numbers(build.tags),
    "votes": lambda build: None if build.votes is None else draw_votes(build.votes),
    "largest-fraction": _draw_largest_fractions,
    "sky": _draw_sky,
    "cases": _draw_cases,
    "separation": _draw_separation,
    "percent-nan": _draw_percent_nan,
    "size": _draw_size,
    "peak": _draw_peak,
    "flux": lambda build: draw_fluxes(compare_fluxes(build)),
}
"""The figures by the name of their files."""
