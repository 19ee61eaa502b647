"""What datasets and the results of a build show of themselves, and the pictures they draw."""

from __future__ import annotations

import base64
import io
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import mingolotss
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import load
from mingolotss.loaders.plotting import plot
from readers_build import write_sky
from readers_data import LABELS, make_images, write_batches

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")

from mingolotss.loaders.torch import MLFR, MingoLoTSS  # noqa: E402


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    yield plt
    plt.close("all")


def few_lines(thing):
    """Return what an object shows, which is a few lines of printable text."""
    lines = repr(thing).splitlines()
    assert 1 < len(lines) < 20
    assert all(len(line) <= 120 and line.isprintable() for line in lines)
    return "\n".join(lines)


def test_datasets_show_counts(build):
    """The class, the number of images, the splits and the classes."""
    text = few_lines(MingoLoTSS(build, tensors=True))
    assert "Number of datapoints: 49" in text
    assert "Items: (float32 tensor of shape (1, 150, 150), int)" in text
    assert re.search(r"FRI NAT 5\b", text)
    assert "Arrays: 59 images of 150 x 150 pixels, uint8" in few_lines(load(build))
    assert "splits: train 49, test 10" in few_lines(load(build))
    described = few_lines(load(build).describe())
    assert (
        "label  class                images  train  test  weight  median size, arcsec" in described
    )
    assert re.search(r"0  FRI +6 +5 +1 +0\.983 ", described)
    assert few_lines(MLFR(build).describe()).count("\n") < 6


def test_describe_agrees_with_numpy(build):
    """Counts, weights and medians of each class."""
    arrays = load(build)
    rows = arrays.describe().table.rows
    sizes = np.array(arrays.table["size_arcsec"].to_pylist())
    for label, row in enumerate(rows):
        members = arrays.labels == label
        assert row[:3] == [label, arrays.classes[label], members.sum()]
        assert row[5] == pytest.approx(arrays.weights()[label], abs=1e-3)
        assert row[6] == np.median(sizes[members])


def test_results_show_counts(tmp_path):
    """Catalogue, service, plan, candidates, build and status."""
    catalogue, images = write_sky(tmp_path, count=12)
    table = mingolotss.read_catalogue(catalogue)
    service = mingolotss.open_service(f"folder:{images}")
    plan = mingolotss.plan(catalogue=catalogue, service=service, out=tmp_path / "out")
    built = mingolotss.run(plan)
    assert few_lines(table).startswith("Catalogue: 12 sources\n")
    assert few_lines(service).startswith("FolderService: 24 FITS files\n")
    assert str(service) == f"folder:{images}"
    assert few_lines(plan).startswith("Plan: 12 of 12 sources with an image\n")
    assert few_lines(plan.candidates).startswith("CandidateTable: 12 candidates of 12 sources\n")
    assert few_lines(built).startswith("Build: 12 images of 12 sources, 0 rejected\n")
    assert few_lines(mingolotss.status(tmp_path / "out")).startswith("Status: 12 images, 0 rejec")
    for thing in (table, service, plan, built):
        assert "<table>" in thing._repr_html_()
    assert built._repr_html_().count("<img") == 10


def test_results_of_checks_and_exports_show_what_was_measured(build, tmp_path):
    """Export, verification, audit and suspects are a few lines, also in a notebook."""
    plan = "stratified:train=0.8,test=0.2,seed=1"
    exported = mingolotss.export(build, "parquet", tmp_path / "whole", split=plan)
    text = few_lines(exported)
    assert text.startswith("Export: 59 images in ")
    assert plan in text
    described = few_lines(mingolotss.plan(out=build).describe_split())
    assert described.startswith("Split: ")
    assert "pairs of stamps share pixels across splits" in described
    assert [int(n) for n in re.findall(r"^ +(?:train|test) +(\d+)$", text, re.MULTILINE)] == [
        *exported.splits.values()
    ]
    verified = mingolotss.verify(tmp_path / "whole")
    assert few_lines(verified).splitlines()[0].endswith(": 0 problems")
    (tmp_path / "whole/README.md").write_text("changed")
    damaged = mingolotss.verify(tmp_path / "whole")
    assert damaged.problems[0] in few_lines(damaged)
    compared = mingolotss.compare(build, tmp_path / "whole")
    assert few_lines(compared).startswith("Comparison: 59 sources in both, 59 identical images\n")
    assert re.search(rf"splits that differ +{len(compared.splits)}$", repr(compared), re.MULTILINE)
    audited = mingolotss.audit(build, images=False)
    assert few_lines(audited).startswith(f"Audit: {audited.findings} finding")
    assert f"positions (A): {audited.check('same-position').sentence}" in repr(audited)
    for thing in (exported, verified, damaged, audited):
        assert "<table>" in thing._repr_html_()


@pytest.mark.parametrize("name", sorted(mingolotss.services()))
def test_every_service_shows_itself_without_a_request(name, tmp_path, monkeypatch):
    """Of those that ask a server, only the address: showing sends no request."""
    monkeypatch.setattr("socket.socket.connect", None)
    arguments = {
        "folder": "", "mosaics": "", "lotss-dr1-mosaics": "", "simulated": "",
        "sia": "https://a.org", "sia2": "https://a.org", "soda": "https://a.org/?ID=1",
        "hips": "CDS/P/x", "ranges": "https://a.org",
        "skyview": "NVSS",
    }  # fmt: skip
    if name == "lotss-dr1-form":
        pytest.importorskip("selenium")
    argument = arguments.get(name, "")
    is_local = name in ("folder", "mosaics", "lotss-dr1-mosaics", "simulated")
    argument = str(tmp_path) if is_local else argument
    service = mingolotss.open_service(f"{name}:{argument}" if argument else name)
    text = few_lines(service)
    assert (str(tmp_path) in text) == is_local
    assert "object at 0x" not in text + str(service)


def pictures_of(html):
    """Return the images of a page."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_a_notebook_shows_stamps_of_every_class(build):
    """Ten pictures, one of each class, with the names of their sources."""
    dataset = MingoLoTSS(build)
    html = dataset._repr_html_()
    shown = pictures_of(html)
    firsts = [dataset.targets.index(label) for label in range(10)]
    assert len(shown) == 10
    for picture, row in zip(shown, firsts, strict=True):
        assert dataset.sources[row] in html
        expected = 255 * (dataset.data[row, ..., 0] / 255.0) ** 0.6
        np.testing.assert_allclose(picture, expected, atol=1)
    assert len(pictures_of(load(build)._repr_html_())) == 10


def test_a_dataset_whose_parts_disagree_still_shows_itself(build):
    """Between the two assignments of a selection, too."""
    dataset = MingoLoTSS(build)
    dataset.data = dataset.data[:5]
    assert "datapoints: 5" in repr(dataset)
    assert dataset._repr_html_() is None
    dataset.targets = [99] * 5
    assert "Classes" in repr(dataset)
    assert dataset._repr_html_() is None


@pytest.mark.slow
def titles(figure):
    """Return the texts above each stamp."""
    return [tuple(text.get_text() for text in axes.texts) for axes in figure.axes if axes.images]


@pytest.mark.slow
def test_plot_draws_names_and_classes(build, pyplot):
    """As many stamps as asked for, of all classes, with the pixels of the images."""
    dataset = MingoLoTSS(build)
    for draw in (dataset.plot, load(build, "train").plot, lambda n: plot(build, n, split="train")):
        figure = draw(12)
        assert len(titles(figure)) == 12
        assert {name for _, name in titles(figure)} == set(dataset.classes)
        for (source, name), axes in zip(titles(figure), figure.axes, strict=True):
            row = dataset.sources.index(source)
            assert dataset.classes[dataset.targets[row]] == name
            drawn = np.asarray(axes.images[0].get_array())
            np.testing.assert_allclose(drawn, (dataset.data[row, ..., 0] / 255) ** 0.6)
    assert titles(dataset.plot([3, 1])) == [
        (dataset.sources[row], dataset.classes[dataset.targets[row]]) for row in (3, 1)
    ]
    assert titles(dataset.plot(5, seed=1)) == titles(dataset.plot(5, seed=1))
    assert titles(dataset.plot(5, seed=1)) != titles(dataset.plot(5, seed=2))
    assert len(titles(dataset.plot(999))) == len(dataset)


def test_a_figure_with_any_names_is_drawn(tmp_path, pyplot):
    """Mathematics, letters that no font has, control characters, 300 letters, and blank stamps."""
    names = ("$x^2", "星系 A", "a\nb\x1b[1m", "L" * 300, "<b>", "_", "{}", "%s", "\\frac", "é")
    images = make_images(10)
    images[3] = 0
    arrays = Arrays(images, np.arange(10), names, names)
    figure = arrays.plot(10, columns=4)
    figure.savefig(tmp_path / "a.png")
    assert ("$x^2", "$x^2") in titles(figure)
    assert sum("blank" in texts for texts in titles(figure)) == 1
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent(renderer)
            assert axes.get_window_extent().x0 - 20 < box.x0
            assert box.x1 < axes.get_window_extent().x1 + 20


def test_float_images_and_unlabelled_ones_are_drawn(tmp_path, pyplot):
    """Jy/beam with NaN; no class and no source."""
    flux = np.random.default_rng(0).normal(0, 1e-3, (3, 20, 20)).astype(np.float32)
    flux[0, 0, 0] = np.nan
    arrays = Arrays(flux, np.full(3, -1), ())
    assert titles(arrays.plot(2)) == [("[0]", ""), ("[1]", "")]
    assert len(pictures_of(arrays._repr_html_())) == 3
    assert "no label" in repr(arrays.describe())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"n": 0}, "plot samples: 0 of 49 samples; give 1 or more"),
        ({"n": []}, "plot samples: no indices"),
        ({"n": [99]}, "indices from 99 to 99 of 49 samples"),
        ({"n": "12"}, "give indices"),
        ({"n": 2.5}, "give indices"),
        ({"n": True}, "give indices"),
        ({"columns": 0}, "columns=0; give 1 or more"),
    ],
)
def test_what_cannot_be_plotted_is_one_line(build, pyplot, arguments, line):
    with pytest.raises(InputError, match=line):
        MingoLoTSS(build).plot(**arguments)


def test_plot_takes_a_path_or_a_dataset(build, pyplot):
    """And says so otherwise."""
    with pytest.raises(InputError, match="no split 'val'"):
        plot(build, split="val")
    for thing in (3, [1, 2], make_images(2)):
        with pytest.raises(InputError, match="give the path of a dataset"):
            plot(thing)
    with pytest.raises(InputError, match="without split"):
        plot(MingoLoTSS(build), split="test")


def test_without_matplotlib_the_line_says_what_to_install(build, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"plot samples: this needs matplotlib.*; pip install"):
        MingoLoTSS(build).plot()


def test_names_in_a_notebook_are_text(tmp_path):
    """A class called like markup is shown as it is called."""
    root = write_batches(tmp_path, make_images(60), LABELS, ["<script>x</script>"] * 10)
    arrays = replace(load(root), sources=("<img src=x>",) * 60)
    for html in (MingoLoTSS(root)._repr_html_(), arrays._repr_html_()):
        assert "<script>" not in html
        assert "<img src=x>" not in html
        assert "&lt;script&gt;" in html
