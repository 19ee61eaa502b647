"""The figures of tags and votes show the counts, and nothing in them is cut off."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_figures import ink_at_edge, texts_outside

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_census import count_tags, count_votes
from mingolotss.qa.report.label_figures import (
    MAX_PAIRED,
    draw_largest_fractions,
    draw_numbers,
    draw_pairs,
    draw_votes,
)
from mingolotss.qa.report.plotting import FILL, as_svg, figure_style, fit_figure

NAMES = {
    "20 short names": tuple(f"tag {number}" for number in range(20)),
    "two": ("A", "B"),
    "long names with umlauts": tuple(f"{'WÄÖÜß' * 12} {number}" for number in range(12)),
    "odd names": ("", " ", "$\\frac{$", "名前", "\U0001f30c", "two\nlines"),
    "100 tags": tuple(f"tag {number}" for number in range(100)),
}


def random_tags(count, sources=500):
    rng = np.random.default_rng(2)
    return LabelVectors.of_tags(rng.random((sources, count)) < np.geomspace(0.7, 0.01, count))


def fitted(drawing):
    with figure_style():
        fit_figure(drawing.figure)
    assert not ink_at_edge(drawing.figure)
    assert texts_outside(drawing.figure) == []
    return drawing


@pytest.mark.slow
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_every_pair_has_its_count_in_its_cell(names):
    census = count_tags(random_tags(len(names)), names)
    with figure_style():
        drawing = fitted(draw_pairs(census))
    shown = np.sort(np.argsort(-census.counts, kind="stable")[:MAX_PAIRED])
    cells = {text.get_position(): text.get_text() for text in drawing.figure.axes[0].texts}
    expected = {
        (column, row): f"{census.both[first, second]:,}"
        for row, first in enumerate(shown)
        for column, second in enumerate(shown)
        if census.both[first, second]
    }
    assert cells == expected
    assert ("most frequent of 100 tags" in drawing.caption) == (len(names) == 100)


def test_the_opacity_of_a_cell_is_the_share_of_its_row():
    values = LabelVectors.of_tags([[1, 1], [1, 0], [1, 0], [1, 0]])
    with figure_style():
        svg = as_svg(fitted(draw_pairs(count_tags(values, ("common", "rare")))).figure)
    opacities = re.findall(rf"fill: {FILL}; fill-opacity: ([\d.]+)", svg)
    quarter, whole = map(float, opacities)  # of the row "common", then of the row "rare"
    assert whole == pytest.approx(4 * quarter)


def test_one_tag_has_no_pairs():
    assert draw_pairs(count_tags(LabelVectors.of_tags(np.ones((3, 1))), ("A",))) is None


@pytest.mark.slow
def test_a_bar_for_each_number_of_tags():
    values = LabelVectors.of_tags([[0, 0, 0], [1, 0, 0], [1, 1, 1], [-1, -1, -1]])
    with figure_style():
        figure = fitted(draw_numbers(count_tags(values, ("A", "B", "C")))).figure
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "no tag", "1 tag", "2 tags", "3 tags",
    ]  # fmt: skip
    assert [bar.get_width() for bar in axes.patches] == [1, 1, 0, 1]


@pytest.mark.parametrize("most", [1, 12, 5000])
def test_votes_are_counted_in_bins_that_have_them_all(most):
    rng = np.random.default_rng(1)
    fractions, totals = rng.dirichlet([0.5] * 3, 400), rng.integers(1, most + 1, 400).astype(float)
    vectors = LabelVectors.of_votes(fractions, totals)
    census = count_votes(vectors, vectors.single_labels(), ("A", "B", "C"))
    with figure_style():
        for drawing in (draw_votes(census), draw_largest_fractions(census, 0.6)):
            [axes] = fitted(drawing).figure.axes
            x, y = axes.patches[0].get_xy().T
            width = np.diff(np.unique(x)).min()
            area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
            assert area / width == pytest.approx(400)
    with figure_style():
        texts = [text.get_text() for text in draw_largest_fractions(census, 0).figure.axes[0].texts]
    assert texts == []


def test_unlabelled_sources_have_no_figures():
    tags = count_tags(LabelVectors.of_tags(np.full((3, 2), -1)), ("A", "B"))
    assert draw_numbers(tags) is draw_pairs(tags) is None
    nothing = LabelVectors.of_votes(np.full((3, 2), np.nan), np.full(3, np.nan))
    votes = count_votes(nothing, nothing.single_labels(), ("A", "B"))
    assert draw_votes(votes) is None
    assert draw_largest_fractions(votes, 0.5) is None
