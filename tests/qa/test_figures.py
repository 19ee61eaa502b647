"""The figures of the report: nothing is cut off, 160 dots an inch, and the numbers of the build."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.qa.report.figures import FIGURES, draw_figure
from mingolotss.qa.report.plotting import as_png, as_svg, figure_style
from report_views import make_view

pytestmark = pytest.mark.slow  # together they take long

LONG = tuple(f"{'WÄÖÜß' * 12} {number}" for number in range(25))
CLASSES = {
    "25 long names with umlauts": LONG,
    "25 narrow names": tuple("i" * 60 + str(number) for number in range(25)),
    "one class": ("Größte",),
    "no class": (),
    "100 classes": tuple(f"class {number}" for number in range(100)),
    "odd names": ("", " ", "$\\frac{$", "名前", "\U0001f30c", "two\nlines"),
}


def texts_outside(figure):
    """Return the texts that are not completely inside the figure."""
    outside, not_drawn = [], set()
    width, height = figure.bbox.size
    with figure_style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    not_drawn |= {tick.label1, tick.label2}
        for text in set(figure.findobj(Text)) - not_drawn:
            if text.get_visible() and text.get_text().strip():
                box = text.get_window_extent(canvas.get_renderer())
                if min(box.x0, box.y0) < -0.5 or box.x1 > width + 0.5 or box.y1 > height + 0.5:
                    outside.append((text.get_text(), box.bounds))
    return outside


def ink_at_edge(figure):
    """Return whether a picture has anything but background in its outermost pixels."""
    with Image.open(io.BytesIO(as_png(figure))) as image:
        pixels = np.asarray(image.convert("RGB"))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return any((edge != 255).any() for edge in edges)


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_no_name_of_a_class_is_cut_off(tmp_path, classes):
    status = ["rejected", *["written"] * 299]
    drawing = draw_figure("classes", make_view(tmp_path, 300, classes, status=status))
    assert (drawing is None) == (classes == ())
    if drawing is not None:
        assert not ink_at_edge(drawing.figure)
        assert texts_outside(drawing.figure) == []


def vectors_for(name, count):
    """Return the tags or votes that a figure shows; None for a figure of any dataset."""
    rng = np.random.default_rng(4)
    if name.startswith("tag-"):
        return LabelVectors.of_tags(rng.random((count, 2)) < 0.5)
    if name in {"votes", "largest-fraction"}:
        return LabelVectors.of_votes(rng.dirichlet([0.5, 0.5], count), rng.integers(5, 5000, count))
    return None


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("count", [2, 2000])
def test_nothing_is_cut_off(tmp_path, name, count):
    drawing = draw_figure(name, make_view(tmp_path, count, ("A", "B"), vectors_for(name, count)))
    assert not ink_at_edge(drawing.figure)
    assert texts_outside(drawing.figure) == []


@pytest.mark.parametrize("name", ["classes", "sky", "flux"])
def test_a_png_has_160_dots_an_inch_also_after_the_svg(tmp_path, name):
    figure = draw_figure(name, make_view(tmp_path, 30, ("A", "B"))).figure
    before = as_png(figure)
    as_svg(figure)
    assert as_png(figure) == before
    with Image.open(io.BytesIO(before)) as image:
        assert image.info["dpi"] == pytest.approx((160, 160), abs=0.1)
        assert image.size == tuple(round(160 * side) for side in figure.get_size_inches())
        assert image.width == 768


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "columns",
    [
        {"separation_arcsec": [0.0], "size_arcsec": [np.nan], "flux_mjy": [np.nan]},
        {"ra": [np.nan], "peak_jy": [np.nan], "noise_jy": [0.0], "pixel_scale_arcsec": [np.nan]},
        {"size_arcsec": [1e300], "flux_mjy": [1e300], "peak_jy": [1e-300]},
        {"size_arcsec": [0.0], "flux_mjy": [-1.0], "percent_nan": [100.0], "dec": [90.0]},
    ],
)
def test_one_source_with_any_values(tmp_path, name, columns):
    """A figure is drawn or left out; nothing warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = draw_figure(name, make_view(tmp_path, 1, ("A",), **columns))
        if drawing is not None and drawing.figure is not None:
            assert not ink_at_edge(drawing.figure)


@pytest.mark.parametrize("name", ["classes", "sky", "flux"])
def test_a_figure_does_not_grow_with_the_sources(tmp_path, name):
    small, large = (
        as_svg(draw_figure(name, make_view(tmp_path, count, ("A", "B"))).figure)
        for count in (1000, 50_000)
    )
    assert len(large) < 200_000
    assert len(large) < len(small) + 30_000


def test_more_classes_than_bars_are_named(tmp_path):
    drawing = draw_figure("classes", make_view(tmp_path, 300, CLASSES["100 classes"]))
    assert "The 40 largest of 100 classes are drawn." in drawing.caption
    assert len(drawing.figure.axes[0].get_yticklabels()) == 40
