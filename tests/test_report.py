"""The report: what it says, that it is one safe file, and that it is fast."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builds import command
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.errors import DatasetError
from mingolotss.io.png import decode
from mingolotss.qa.report.build_view import Contents
from mingolotss.qa.report.page import write_report
from mingolotss.qa.report.stamp_store import Stamps, coloured
from review_data import HOSTILE, UNDECIDED, environment, make_build, names, rebuild


class _Reader(HTMLParser):
    """Collects what a browser would run, load and show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in {"src", "href", "srcset", "action", "xlink:href"}:
                self.addresses.append(value or "")
            if key.startswith("on"):
                self.handlers.append(key)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with its report, which no test changes."""
    out = make_build(tmp_path_factory.mktemp("report"))
    write_report(out)
    return out


def test_the_page_is_one_file_that_runs_and_loads_nothing(mine: Path) -> None:
    reader = _read(mine / "report.html")
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    styles = re.findall(r"url\(([^)]*)\)", (mine / "report.html").read_text())
    assert all(style.strip("'\"").startswith("#") for style in styles)


def test_names_from_the_catalogue_are_text_never_html(mine: Path) -> None:
    reader = _read(mine / "report.html")
    assert HOSTILE in "".join(reader.words)
    assert HOSTILE not in (mine / "report.html").read_text()


def test_every_source_that_wants_a_look_is_named(mine: Path) -> None:
    text = "".join(_read(mine / "report.html").words)
    for name in names():
        assert name in text, name
    assert f"case 4, {UNDECIDED}" in text.lower() or f"nearest: {UNDECIDED} sources" in text
    assert "no image holds the position" in text


def test_what_it_was_built_from_is_there(mine: Path) -> None:
    text = "".join(_read(mine / "report.html").words)
    contents = Contents.read(mine)
    settings = contents.settings
    for fact in (settings.catalogue_sha256, settings.recipe.digest, settings.service, "numpy"):
        assert fact in text
    sums = dict(
        reversed(line.split("  ")) for line in (mine / "checksums.sha256").read_text().splitlines()
    )
    assert sums["manifest.parquet"] in text


def test_class_counts_are_the_manifests_own(mine: Path) -> None:
    svg = (mine / "figures" / "classes.svg").read_text()
    manifest = Contents.read(mine).manifest.to_pylist()
    for name in ("FRI", "FRII"):
        listed = sum(1 for row in manifest if row["class"] == name)
        written = sum(1 for row in manifest if row["class"] == name and row["status"] == "written")
        wanted = f"{written}" if listed == written else f"{written} of {listed}"
        assert f">{wanted}</text>" in svg


@pytest.mark.parametrize("name", ["classes", "cases", "separation", "percent-nan", "size", "peak"])
def test_every_figure_is_written_twice_and_has_units(mine: Path, name: str) -> None:
    with Image.open(mine / "figures" / f"{name}.png") as image:
        assert np.asarray(image.convert("L")).std() > 5
    svg = (mine / "figures" / f"{name}.svg").read_text()
    units = {"separation": "(arcsec)", "percent-nan": "(percent)", "size": "(arcsec)"}
    assert units.get(name, "sources") in svg


def test_the_same_build_gives_the_same_page(mine: Path) -> None:
    first = (mine / "report.html").read_bytes()
    assert write_report(mine).read_bytes() == first


def test_a_missing_cutout_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    for path in (tmp_path / "images").glob("*script*"):
        path.unlink()
    text = "".join(_read(write_report(out)).words)
    assert "The cutout is not here." in text
    assert "No such file" in text


def test_a_vanished_service_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert "The cutout is not here." in "".join(_read(write_report(out)).words)


def test_decisions_say_who_when_and_whether_the_build_follows(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    log = DecisionLog(out / "decisions.csv")
    log.add(Decision(names()[0], "P2", "accept", "Ann <b>", "2026-01-02T03:04:05Z", "cleaner"))
    log.add(Decision(names()[1], "", "label", "Bob", "2026-01-03", "looks like FRII"))
    before = "".join(_read(write_report(out)).words)
    assert "not yet: build again" in before
    rebuild(tmp_path)
    after = "".join(_read(write_report(out)).words)
    assert "not yet" not in after
    for word in ("Ann <b>", "2026-01-02T03:04:05Z", "cleaner", "looks like FRII"):
        assert word in after
    row = Contents.read(out).record(0)
    assert (row["field"], row["decided_by"], row["undecided"]) == ("P2", "Ann <b>", False)


def test_stamps_come_back_as_they_were_stored(mine: Path) -> None:
    contents = Contents.read(mine)
    stamps = Stamps(mine, len(contents.manifest), 150)
    for record in contents.manifest.to_pylist():
        if record["status"] == "written":
            with Image.open(mine / "png" / record["image_file"]) as image:
                assert np.array_equal(
                    decode(stamps.png(record["row"]), "a stamp"), np.asarray(image)
                )
    with pytest.raises(DatasetError, match="has no stamp"):
        stamps.png(names().index("LOST"))


def test_colours_change_no_pixel(mine: Path) -> None:
    stamps = Stamps(mine, len(names()), 150)
    grey = stamps.png(0)
    (mine / "coloured.png").write_bytes(coloured(grey))
    with Image.open(mine / "coloured.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), decode(grey, "a stamp"))
        image.convert("RGB").load()  # checksums and palette are whole


def test_a_folder_without_a_build_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        command("report", str(tmp_path)),
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "there is no build in it" in done.stderr
    assert "mingolotss build" in done.stderr


def test_the_command_prints_where_the_page_is(mine: Path) -> None:
    done = subprocess.run(
        command("report", str(mine)),
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{mine / 'report.html'}\n"
