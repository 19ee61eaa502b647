"""The report: its content, and that it is one safe file."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from builds import command
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import DatasetError
from mingolotss.io.png import decode_png
from mingolotss.pipeline.run import build
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.colours import coloured
from mingolotss.qa.report.page import report
from mingolotss.qa.report.stamp_store import StampStore
from named_builds import make_recipe, write_mosaic
from review_data import HOSTILE, UNDECIDED, environment, make_build, names, rebuild


class _Reader(HTMLParser):
    """Collects what a browser would run, load and show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in {"src", "href", "srcset", "action", "xlink:href"}:
                self.addresses.append(value or "")
            if key.startswith("on"):
                self.handlers.append(key)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with its report. No test changes it."""
    out = make_build(tmp_path_factory.mktemp("report"))
    report(out)
    return out


def test_the_page_is_one_file_that_runs_and_loads_nothing(built: Path) -> None:
    reader = _read(built / "report.html")
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    styles = re.findall(r"url\(([^)]*)\)", (built / "report.html").read_text())
    assert all(style.strip("'\"").startswith("#") for style in styles)


def test_names_from_the_catalogue_are_text_never_html(built: Path) -> None:
    reader = _read(built / "report.html")
    assert HOSTILE in "".join(reader.text)
    assert HOSTILE not in (built / "report.html").read_text()


def test_every_source_to_inspect_is_named(built: Path) -> None:
    text = "".join(_read(built / "report.html").text)
    for name in names():
        assert name in text, name
    assert f"case 4, {UNDECIDED}" in text.lower() or f"nearest: {UNDECIDED} sources" in text
    assert "no file for it: looked for" in text


def test_what_it_was_built_from_is_there(built: Path) -> None:
    text = "".join(_read(built / "report.html").text)
    view = BuildView.read(built)
    provenance = view.provenance
    for fact in (
        provenance.catalogue_sha256,
        provenance.recipe.digest,
        provenance.service,
        "numpy",
    ):
        assert fact in text
    sums = dict(
        reversed(line.split("  ")) for line in (built / "checksums.sha256").read_text().splitlines()
    )
    assert sums["manifest.parquet"] in text


def test_class_counts_are_the_manifests_own(built: Path) -> None:
    svg = (built / "figures" / "classes.svg").read_text()
    manifest = BuildView.read(built).manifest.to_pylist()
    for name in ("FRI", "FRII"):
        listed = sum(1 for row in manifest if row["class"] == name)
        written = sum(1 for row in manifest if row["class"] == name and row["status"] == "written")
        label = f"{written}" if listed == written else f"{written} of {listed}"
        assert f">{label}</text>" in svg


@pytest.mark.parametrize("name", ["classes", "sky", "cases", "separation", "size", "peak", "flux"])
def test_every_figure_is_written_twice_and_has_units(built: Path, name: str) -> None:
    with Image.open(built / "figures" / f"{name}.png") as image:
        assert np.asarray(image.convert("L")).std() > 5
    svg = (built / "figures" / f"{name}.svg").read_text()
    units = {"separation": "(arcsec)", "size": "(arcsec)", "sky": "(deg, ICRS)", "flux": "(mJy)"}
    assert units.get(name, "sources") in svg


@pytest.mark.slow
def test_a_figure_without_content_is_a_sentence(built: Path) -> None:
    """All stamps are complete: there is no histogram of what they lack, but a sentence."""
    assert not (built / "figures" / "percent-nan.png").exists()
    text = "".join(_read(built / "report.html").text)
    assert "No stamp has pixels that were never observed." in text


@pytest.mark.slow
def test_the_same_build_gives_the_same_page(built: Path) -> None:
    first = (built / "report.html").read_bytes()
    assert report(built).read_bytes() == first


def build_crowded(folder: Path, written: int, rejected: int) -> Path:
    """Stamps of 8 pixels on a grid of 2, so that each shares pixels with 40, and rejections."""
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", written)
    ra = 180 + np.arange(written) % 40 * 2 * 1.5 / 3600
    dec = 50 + np.arange(written) // 40 * 2 * 1.5 / 3600
    catalogue = Catalogue.from_columns(
        [f"S{row}" for row in range(written + rejected)],
        np.concatenate([ra, np.linspace(0, 90, rejected)]),
        np.concatenate([dec, np.full(rejected, -10.0)]),
        size_arcsec=np.full(written + rejected, 60.0),
    )
    assert len(sky) == written
    service = f"mosaics:{folder / 'mosaics'}"
    recipe = make_recipe(classes={"from": "none"})
    return build(recipe, out=folder / "out", catalogue=catalogue, service=service).out


@pytest.mark.slow
def test_the_page_does_not_grow_with_the_sources(tmp_path: Path) -> None:
    """Thousands of rejected rows, pairs and stamps that are too small: one page of limited size."""
    pages = {}
    for name, size in (("few", 250), ("many", 2500)):
        out = build_crowded(tmp_path / name, size, size)
        pages[name] = report(out).read_text(encoding="utf-8")
        with (out / "rejected.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        view = BuildView.read(out)
        assert len(rows) == len(view) - int(view.written.sum()) > size - 10
        assert {row["reason"] for row in rows} == {"no image holds the position"}
        assert view.pairs.total > 4 * size
    assert len(pages["many"]) < 1_000_000
    assert len(pages["many"]) < 1.2 * len(pages["few"])
    assert pages["many"].count("<tr") < 500
    assert pages["many"].count('class="stamp"') < 150


@pytest.mark.slow
def test_the_file_of_an_earlier_report_does_not_stay(built: Path, tmp_path: Path) -> None:
    """A build without rejections has no ``rejected.csv``, and no figure without content."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (out / "figures" / "flux.png").write_bytes(b"old")
    table = BuildView.read(out).manifest
    status = pa.array(["written"] * len(table))
    flux = pa.nulls(len(table), pa.float64())
    for name, column in (("status", status), ("flux_mjy", flux)):
        table = table.set_column(table.column_names.index(name), name, column)
    table = table.filter(pc.is_valid(table["image_file"]))
    table = table.set_column(0, "row", pa.array(range(len(table)), pa.int64()))
    assert (out / "rejected.csv").exists()
    pq.write_table(table, out / "manifest.parquet")
    report(out)
    assert not (out / "rejected.csv").exists()
    assert not (out / "figures" / "flux.png").exists()


@pytest.mark.slow
def test_a_missing_cutout_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    for path in (tmp_path / "images").glob("*script*"):
        path.unlink()
    text = "".join(_read(report(out)).text)
    assert "The cutout is not available." in text
    assert "No such file" in text


@pytest.mark.slow
def test_a_vanished_service_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert "The cutout is not available." in "".join(_read(report(out)).text)


@pytest.mark.slow
def test_decisions_say_who_when_and_whether_the_build_follows(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    log = DecisionLog(out / "decisions.csv")
    log.add(Decision(names()[0], "P2", "accept", "Ann <b>", "2026-01-02T03:04:05Z", "cleaner"))
    log.add(Decision(names()[1], "", "label", "Bob", "2026-01-03", "looks like FRII"))
    before = "".join(_read(report(out)).text)
    assert "not yet: build again" in before
    rebuild(tmp_path)
    after = "".join(_read(report(out)).text)
    assert "not yet" not in after
    for word in ("Ann <b>", "2026-01-02T03:04:05Z", "cleaner", "looks like FRII"):
        assert word in after
    row = BuildView.read(out).record(0)
    assert (row["field"], row["decided_by"], row["undecided"]) == ("P2", "Ann <b>", False)


def test_stamps_come_back_as_they_were_stored(built: Path) -> None:
    view = BuildView.read(built)
    store = StampStore(view.folder, len(view))
    for record in view.manifest.to_pylist():
        if record["status"] == "written":
            with Image.open(built / "png" / record["image_file"]) as image:
                assert np.array_equal(
                    decode_png(store.png(record["row"]), "a stamp"), np.asarray(image)
                )
    with pytest.raises(DatasetError, match="has no stamp"):
        store.png(names().index("LOST"))


def test_colours_change_no_pixel(built: Path) -> None:
    grey = StampStore(BuildFolder(built), len(names())).png(0)
    (built / "coloured.png").write_bytes(coloured(grey))
    with Image.open(built / "coloured.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), decode_png(grey, "a stamp"))
        image.convert("RGB").load()  # checksums and palette are whole


@pytest.mark.slow
def test_a_folder_without_a_build_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        command("report", str(tmp_path)),
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "there is no build in it" in done.stderr
    assert "mingolotss build" in done.stderr


@pytest.mark.slow
def test_the_command_prints_where_the_page_is(built: Path) -> None:
    done = subprocess.run(
        command("report", str(built)),
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{built / 'report.html'}\n"
