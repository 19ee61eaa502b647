"""The figures of datasets whose sources have several tags, or votes for each class.

A cell of the figure of pairs of tags is coloured by a share, and its number is the count.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mingolotss.dataset.label_census import TagCensus, VoteCensus
from mingolotss.model import Floats, Ints
from mingolotss.qa.report.plotting import (
    FILL,
    INK,
    PALE,
    Drawing,
    annotate_bars,
    draw_histogram,
    draw_limit,
    empty_figure,
    name_bars,
    new_figure,
    short_names,
    text_width,
)

__all__ = [
    "MAX_PAIRED",
    "draw_largest_fractions",
    "draw_numbers",
    "draw_pairs",
    "draw_votes",
    "paired_tags",
]

MAX_PAIRED = 30
"""Tags in the figure and the table of pairs; of more, the most frequent are shown."""
_STRONGEST = 0.55  # opacity of a share of 1; the numbers stay readable in both themes
_NAMES_INCHES = 1.5  # of the names beside and above the cells, at most
_FEW_VOTES = 60  # numbers of votes up to which each has a bar of its own


def paired_tags(census: TagCensus) -> Ints:
    """Return the labels of the tags whose pairs are shown, ascending."""
    most_frequent = np.argsort(-census.counts, kind="stable")[:MAX_PAIRED]
    return np.sort(most_frequent)


def draw_pairs(census: TagCensus) -> Drawing | None:
    """Draw how many sources have both of two tags, for every two tags."""
    shown = paired_tags(census)
    if len(shown) < 2 or not census.labelled:
        return None
    both = census.both[np.ix_(shown, shown)]
    letters = len(f"{both.max():,}")
    side = max(0.28, 0.12 + 0.066 * letters)  # inches; a digit of the numbers has 0.066
    size = side * len(shown)
    figure = empty_figure(size + _NAMES_INCHES, size + _NAMES_INCHES)
    axes = figure.add_subplot(facecolor="none")
    names = short_names(axes, [census.classes[label] for label in shown], _NAMES_INCHES)
    margin = text_width(axes, names) + 0.15
    figure.set_size_inches(size + margin, size + margin)
    _draw_cells(axes, both)
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_xticks(range(len(shown)), names, parse_math=False, rotation=90)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    caption = (
        "Sources with a stamp that have the tag of the row and the tag of the column; on the "
        "diagonal, all that have the tag. An empty cell is 0. The stronger its colour, the larger "
        "the share of the sources with the tag of the row that also have the tag of the column."
    )
    if len(shown) < len(census.classes):
        caption += f" The {len(shown)} most frequent of {len(census.classes):,} tags are shown."
    return Drawing(figure, caption)


def _draw_cells(axes: Axes, both: Ints) -> None:
    """Draw a square with its number for each pair, coloured by the share of its row."""
    count = len(both)
    shares = both / np.maximum(np.diagonal(both), 1)[:, None]
    rows, columns = np.nonzero(both)
    squares = [
        Rectangle((column - 0.47, row - 0.47), 0.94, 0.94)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    colours = [
        to_rgba(PALE, 1.0) if row == column else to_rgba(FILL, _STRONGEST * shares[row, column])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    axes.add_collection(PatchCollection(squares, facecolors=colours, edgecolors="none"))
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        axes.text(
            column, row, f"{both[row, column]:,}", ha="center", va="center_baseline", fontsize=7,
            color=INK, fontweight="bold" if row == column else "normal",
        )  # fmt: skip
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)


def draw_numbers(census: TagCensus) -> Drawing | None:
    """Draw how many sources have no tag, one, two and so on."""
    if not census.labelled:
        return None
    counts = census.numbers
    figure, axes = new_figure(len(counts))
    axes.barh(np.arange(len(counts)), counts, 0.6, color=FILL)
    annotate_bars(axes, counts.tolist(), [f"{count:,}" for count in counts.tolist()])
    words = ["no tag", "1 tag", *(f"{number} tags" for number in range(2, len(counts)))]
    name_bars(axes, words[: len(counts)])
    axes.set_xlabel("sources with a stamp")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    return Drawing(figure, "Sources with a stamp, by the number of their tags.")


def draw_votes(census: VoteCensus) -> Drawing | None:
    """Draw how many votes the sources have."""
    values = census.numbers
    if not values.size:
        return None
    figure, axes = new_figure()
    low, high = np.floor(values.min()), np.ceil(values.max())
    if high - low <= _FEW_VOTES:
        bins: Floats = np.arange(low - 0.5, high + 1.5)
    else:
        bins = np.linspace(low, high, 49)
    draw_histogram(axes, values, bins)
    axes.set_xlabel("votes for a source")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return Drawing(figure, "Number of votes for each source with a stamp.")


def draw_largest_fractions(census: VoteCensus, least: float) -> Drawing | None:
    """Draw the largest fraction of the votes of each source, and the least one of a class.

    Parameters
    ----------
    census : VoteCensus
    least : float
        Below it a source has no single class; 0 for no such limit.
    """
    if not census.largest.size:
        return None
    figure, axes = new_figure()
    draw_histogram(axes, census.largest, np.linspace(0, 1, 41))
    axes.set_xlim(0, 1)
    axes.set_xlabel("largest fraction of the votes of a source")
    caption = "Largest fraction of the votes of each source with a stamp."
    if least > 0:
        draw_limit(axes, least, f"no single class below {least:g}")
    return Drawing(figure, caption)
