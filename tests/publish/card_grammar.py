"""Read every sentence of a dataset card and check it against the tables of the dataset.

`check_card` goes through the card from the beginning to the end. At each place one of `SENTENCES`
must match, and its function compares what the sentence says with the manifest, the candidates and
``recipe.toml``, read here without the modules that write the card. A sentence that nothing here
knows fails, and so does one that is known but false.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from missing_labels import classes_of, phrase_of_missing

SENTENCES = []
NUMBER = r"([\d,]+)"


def sentence(pattern):
    """Register the check of a sentence; the groups of the pattern are given to it as texts."""

    def register(function):
        SENTENCES.append((re.compile(pattern), function))
        return function

    return register


def number(text):
    return int(text.replace(",", ""))


@dataclass
class Facts:
    """The tables of a dataset, as plain Python has them."""

    folder: Path
    seen: list[str] = field(default_factory=list)
    pairs_across: int = 0

    @cached_property
    def table(self):
        return pq.read_table(self.folder / "manifest.parquet")

    @cached_property
    def rows(self):
        return self.table.to_pylist()

    @cached_property
    def written(self):
        return [row for row in self.rows if row["status"] == "written"]

    @cached_property
    def candidates(self):
        path = self.folder / "candidates.parquet"
        if not path.exists():
            return None
        rows = pq.read_table(path).to_pylist()
        return [row for row in rows if row.get("channel") == self.reference]

    @cached_property
    def toml(self):
        return tomllib.loads((self.folder / "recipe.toml").read_text())

    @property
    def recipe(self):
        return self.toml["recipe"]

    @property
    def build(self):
        return self.toml["build"]

    @property
    def split_plan(self):
        if self.is_export:
            return self.table.schema.metadata[b"mingolotss.split_plan"].decode()
        return self.build["split"]["plan"]

    @property
    def simulated(self):
        return self.build["simulated"]

    @property
    def is_export(self):
        return b"mingolotss.format" in (self.table.schema.metadata or {})

    @cached_property
    def classes(self):
        if not self.is_export:
            return self.build["classes"]
        return self.table.schema.metadata[b"mingolotss.classes"].decode().split("\n")

    @cached_property
    def channels(self):
        """The channels of the recipe by name, each with the tables that it has of its own."""
        return {one["name"]: one for one in self.recipe.get("channels", [])}

    @property
    def reference(self):
        marked = [name for name, one in self.channels.items() if one["reference"]]
        return next(iter(marked or self.channels), None)

    @cached_property
    def planes(self):
        """The rows of the table of channels, by channel."""
        table = pq.read_table(self.folder / "channels.parquet").to_pylist()
        written = {row["row"] for row in self.written}
        return {
            name: [one for one in table if one["channel"] == name and one["row"] in written]
            for name in self.channels
        }

    def steps_of(self, channel):
        """The steps of a channel; of a recipe without channels for None."""
        own = self.channels[channel].get("steps") if channel else None
        return self.recipe["steps"] if own is None else own

    @property
    def step_names(self):
        """The names of the steps of each channel."""
        names = [*self.channels] or [None]
        return {name: {step["do"] for step in self.steps_of(name)} for name in names}

    @property
    def steps(self):
        return set().union(*self.step_names.values())

    def stated(self, key):
        """Return what the recipe states, which holds for simulated images if it is for them."""
        own = self.recipe["images"]["service"].startswith("simulated")
        return self.recipe[key] if own or not self.simulated else type(self.recipe[key])()

    def known(self, column):
        """Return the values of a column in the written rows: no nulls and no NaN."""
        values = (row[column] for row in self.written)
        return [value for value in values if value is not None and value == value]  # noqa: PLR0124


# The beginning


@sentence(r"# (.+)\n\n")
def title(facts, text):
    name = facts.recipe["title"] or facts.recipe["name"]
    assert text.replace("\\", "") == (f"{name} (simulated sky)" if facts.simulated else name)


@sentence(
    r"Images of a simulated radio sky, processed by the recipe (\S+)\. Nothing in them was "
    r"observed\."
)
def simulated_sky(facts, recipe):
    assert facts.simulated
    assert recipe == facts.recipe["name"]


@sentence(r"Images of radio sources, processed by the recipe (\S+)\.")
def default_description(facts, recipe):
    assert not facts.simulated
    assert not facts.recipe["description"]
    assert recipe == facts.recipe["name"]


@sentence(r"The catalogue has ([\d,]+) rows?\.")
def rows_of_catalogue(facts, rows):
    assert not facts.build["limit"]
    assert number(rows) == facts.build["rows"]
    assert facts.is_export or number(rows) == len(facts.rows)


@sentence(r"The catalogue without those that are left out has ([\d,]+) rows?\.")
def rows_of_selection(facts, rows):
    assert facts.build["left_out"]
    assert number(rows) == facts.build["rows"] == len(facts.rows)


@sentence(r"Rows of the catalogue that are left out: ([^\n]+?)\.(?= Every| \d|\n| The recipe is)")
def left_out_rows(facts, text):
    stated = dict(part.split(" by ", 1)[::-1] for part in text.replace("\\", "").split("; "))
    assert {reason: number(count) for reason, count in stated.items()} == facts.build["left_out"]


@sentence(rf"Of the catalogue(?: (\S+))? {NUMBER} rows? (?:was|were) used, one for each source\.")
def selection(facts, name, rows):
    assert facts.build["left_out"]
    assert (name or "").replace("\\", "") == facts.build["catalogue"]
    assert number(rows) == facts.build["rows"] == len(facts.rows)


@sentence(r"This build was limited to the first ([\d,]+) rows? of the catalogue\.")
def limited(facts, rows):
    assert number(rows) == facts.build["rows"] == facts.build["limit"]


@sentence(
    r"The recipe is for the images of the service (\S+); those of this build are from (\S+)\."
)
def replaced_service(facts, named, used):
    assert not facts.simulated
    assert facts.recipe["images"]["service"].partition(":")[0] == named
    service = facts.build["service"].partition(":")[0]
    assert used == ("folder" if "/" in service else service) != named


@sentence(
    r"\*\*The images are of a simulated sky, which was made for tests and for teaching\. Nothing "
    r"in them "
    r"was observed, and results on them say nothing about real galaxies\.\*\*"
)
def warning(facts):
    assert facts.simulated
    assert set(facts.known("telescope")) == {"simulated"}


@sentence(
    rf"{NUMBER} images? of (?:{NUMBER} channels?, )?(\d+) x (\d+) pixels, (\w+)"
    r"(?:, at (\S+) arcsec per pixel(?: \(median; (\S+) to (\S+)\))?: (\S+) arcmin on a side)?"
    r"\. Row 0 is the first row of the FITS image, the southern edge where north is up\."
)
def images(facts, count, channels, nx, ny, kind, scale, smallest, largest, side):
    assert number(count) == len(facts.written)
    assert number(channels or "0") == len(facts.channels)
    assert int(nx) == int(ny) == facts.recipe["stamp"]["pixels"]
    assert kind == facts.recipe["stamp"]["kind"]
    scales = facts.known("pixel_scale_arcsec")
    assert (scale is None) == (not scales)
    if scales:
        assert f"{np.median(scales):.3g}" == scale
        limits = (f"{min(scales):.3g}", f"{max(scales):.3g}")
        assert limits == ((scale, scale) if smallest is None else (smallest, largest))
        assert float(side) == float(f"{int(nx) * np.median(scales) / 60:.3g}")


@sentence(r"## Load it\n\n```python\n(?:[^\n]*(?:FOLDER|\w+\.\w+)[^\n]*\n)+```")
def loading(facts):
    """The examples themselves are tested where each format is read."""


# Channels


@sentence(
    r"## Channels\n\nEach image has (\d+) channels?, in this order: ([^\n]+?)\."
    r"(?: All have the grid of `(\S+)`, the reference\.)? As an array it has the shape "
    r"\((\d+), (\d+), (\d+)\): channels, rows, columns\."
    r"(?: In a PNG image `(\S+)` is red, `(\S+)` is green and `(\S+)` is blue\.)?\n\n"
)
def channels(facts, count, names, reference, depth, ny, nx, *colours):
    in_order = re.findall("`([^`]+)`", names)
    assert in_order == list(facts.channels)
    assert int(count) == int(depth) == len(in_order)
    assert reference == (facts.reference if len(in_order) > 1 else None)
    assert int(ny) == int(nx) == facts.recipe["stamp"]["pixels"]
    is_rgb = len(in_order) == 3 and facts.recipe["stamp"]["kind"] == "uint8"
    assert colours == (tuple(in_order) if is_rgb else (None,) * 3)


def value_in_words(values, text):
    """Compare the values of a column with a cell: one, or several with their counts."""
    counts = Counter("not known" if v is None or v != v else v for v in values)  # noqa: PLR0124
    if len(counts) == 1:
        return {next(iter(counts)): None}, {text: None}
    return counts, {name: number(n) for name, n in re.findall(r"(?:^|, )(.+?) \(([\d,]+)\)", text)}


def brightness(rows, column, text):
    """Compare the median of a column with a cell: with the unit of the images, or without one."""
    values = [row[column] for row in rows if row[column] is not None and np.isfinite(row[column])]
    if not values:
        return text == "not known"
    units = {row["unit"] for row in rows}
    factor, unit = (1, units.pop() or "(unit not known)")
    if unit in {"Jy/beam", "JY/BEAM"}:
        factor, unit = 1000, "mJy/beam"
    return text == f"{np.median(values) * factor:.3g} {unit}"


RULES = {"reject": "the source is rejected", "nan": "the plane is NaN", "zero": "the plane is 0"}


@sentence(r"((?:\|[^\n]*\|\n)+)\nA native plane")
def channel_table(facts, lines):
    head, _, *body = [
        [cell.strip().replace("\\", "") for cell in line.strip("|\n").split("|")]
        for line in lines.splitlines()
    ]
    assert [row[0].strip("`") for row in body] == list(facts.channels)
    for values in body:
        cells = dict(zip(head, values, strict=True))
        name = cells["channel"].strip("`")
        rows = [row for row in facts.planes[name] if row["status"] != "missing"]
        for status in ("native", "resampled", "missing"):
            count = sum(row["status"] == status for row in facts.planes[name])
            assert number(cells[status]) == count
        expected, stated = value_in_words([row["survey"] for row in rows], cells["survey"])
        assert stated == expected
        frequencies = {row["frequency_mhz"] for row in rows}
        assert cells["frequency"] == (
            "not known"
            if not any(one is not None and np.isfinite(one) for one in frequencies)
            else next(f"{f:.6g} MHz" if f < 1000 else f"{f / 1000:.6g} GHz" for f in frequencies)
        )
        for cell, prefix in (("beam of the images", ""), ("beam of the plane", "stamp_")):
            if cell in cells:
                check_beam_cell(rows, prefix, cells[cell])
        rule = "reject" if name == facts.reference else facts.channels[name]["missing"]
        assert cells["without an image"] == RULES[rule]
        assert brightness(rows, "noise_jy", cells["noise (median)"])
        assert brightness(rows, "peak_jy", cells["peak (median)"])


def check_beam_cell(rows, prefix, text):
    axes = [(row[f"{prefix}beam_major_arcsec"], row[f"{prefix}beam_minor_arcsec"]) for row in rows]
    known = {(round(a, 1), round(b, 1)) for a, b in axes if a is not None and np.isfinite(a)}
    if not known:
        assert text == "not known"
    elif match := re.fullmatch(r"(\S+) to (\S+) arcsec", text):
        majors = [a for a, _ in known]
        assert (float(match[1]), float(match[2])) == (min(majors), max(majors))
        assert len(known) > 3
    else:
        stated = {
            (float(a), float(b or a))
            for a, b in re.findall(r"([\d.]+)(?: by ([\d.]+))? arcsec", text)
        }
        assert stated == known


@sentence(
    r"consists of whole pixels of its image; a resampled one was computed from them, and its "
    r"noise is that of the resampled pixels\. Beams are FWHM\. "
    rf"(?:{NUMBER} images? (?:has|have) a channel without data, which `missing_channels` in the "
    r"manifest names\. )?`channels\.parquet` has a row for each image and channel\."
)
def channel_notes(facts, without):
    named = {
        row["row"]: set(filter(None, row["missing_channels"].split(","))) for row in facts.written
    }
    for name, planes in facts.planes.items():
        missing = {one["row"] for one in planes if one["status"] == "missing"}
        assert missing == {row for row, names in named.items() if name in names}
        assert len(planes) == len(facts.written)
    assert number(without or "0") == sum(map(bool, named.values()))


# Classes and splits


@sentence(r"## (Classes and splits|Splits)\n\n")
def counts_heading(facts, words):
    is_labelled = facts.classes and facts.written
    assert words == ("Classes and splits" if is_labelled else "Splits")


@sentence(r"Split: `([^`]+)`\.")
def split_plan(facts, plan):
    assert plan == facts.split_plan
    assert plan not in {"published", "catalogue-order"}


@sentence(r"Split: `published` \(each image is in the batch in which it was published\)\.")
def published_split(facts):
    assert facts.split_plan == "published"
    assert facts.recipe["split"]["plan"] == "published"


@sentence(
    r"Split: `catalogue-order` \(the batches, in the order of the catalogue; the last one is the "
    r"test set\)\."
)
def split_by_order(facts):
    assert facts.split_plan == "catalogue-order"
    rows = sorted(facts.written, key=lambda row: row["row"])
    assert [row["split"] for row in rows] == [
        "test" if row["batch"] == "test_batch" else "train" for row in rows
    ]
    batches = [row["batch"] for row in rows]
    assert batches == sorted(batches, key=lambda name: (name == "test_batch", name))


@sentence(r"The recipe asks for `([^`]+)`; ([^\n]+?)\.(?= (?:\d|No pair|Overlapping|Whether)|\n)")
def another_plan(facts, plan, reason):
    assert plan == facts.recipe["split"]["plan"]
    assert reason.replace("\\", "") == facts.build["split"]["change"]


@sentence(r"The split of each source is its value in the column (\S+)\.(?= )")
def split_by_column(facts, column):
    assert facts.split_plan == f"column:{column}"
    for row in facts.written:
        assert row["split"] == (row[column] or None)


@sentence(r"The split of each source is that in the list (\S+) \(SHA-256 `([0-9a-f]{64})`\)\.")
def split_by_list(facts, name, digest):
    """The list lies beside the dataset, as the tests make them."""
    assert facts.split_plan == f"file:{name}"
    path = facts.folder.parent / name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    with path.open(newline="") as file:
        splits = {row["name"]: row["split"] or None for row in csv.DictReader(file)}
    for row in facts.written:
        assert row["split"] == splits[row["source"]]


@sentence(
    r"Each source of the dataset (\S+) has the split that it has there \(SHA-256 `([0-9a-f]{64})` "
    r"of its splits\); any other source was dealt out so that each class keeps its shares\."
)
def split_like_another(facts, name, digest):
    """The other dataset lies beside this one, as the tests make them."""
    assert facts.split_plan.startswith(f"like:{name},")
    other = Facts(facts.folder.parent / name)
    splits = {row["source"]: row["split"] for row in other.written}
    pairs = json.dumps(sorted(splits.items()), separators=(",", ":"))
    assert hashlib.sha256(pairs.encode()).hexdigest() == digest
    known = [row for row in facts.written if row["source"] in splits]
    assert known
    assert all(row["split"] == splits[row["source"]] for row in known)


@sentence(
    rf"{NUMBER} images? (?:is|are) in no split, and `splits\.csv` gives the reason for each\."
)
def in_no_split(facts, count):
    assert number(count) == sum(row["split"] is None for row in facts.written)
    with (facts.folder / "splits.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for row in facts.written:
        listed = rows[row["source"]]
        assert listed["split"] == (row["split"] or "")
        assert bool(listed["reason"]) == (row["split"] is None)


@sentence(r"\*\*The split (\S+) has no image(?: ([^\n]+?))?\.\*\*\n")
def missing_classes(facts, split, names):
    split = split.replace("\\", "")
    inside = [row for row in facts.written if row["split"] == split]
    if names is None:
        assert not facts.classes
        assert not inside
        return
    missing = classes_of(facts.classes, facts.written) - classes_of(facts.classes, inside)
    assert names.replace("\\", "") == phrase_of_missing(facts.classes, missing, facts.rows[0])


@sentence(
    r"\*\*Splits share pixels: a network that was trained on one of them has seen parts of images "
    r"of another\.\*\*\n"
)
def splits_share_pixels(facts):
    """The number of these pairs stands before, where `overlaps` has counted them."""
    assert facts.pairs_across


@sentence(
    rf"{NUMBER} pairs? of stamps overlaps? on the sky; in {NUMBER} of these pairs the stamps are "
    rf"in "
    rf"different splits\.(?: Only {NUMBER} images could be compared\.)?"
)
def overlaps(facts, pairs, apart, compared):
    rows = [row for row in facts.written if row["pixel_scale_arcsec"]]
    assert (compared is None) == (len(rows) == len(facts.written))
    place = SkyCoord([row["ra"] for row in rows], [row["dec"] for row in rows], unit=u.deg)
    width = np.array([row["pixel_scale_arcsec"] for row in rows]) * facts.recipe["stamp"]["pixels"]
    apart_by = {
        (i, j): 2 * place[i].separation(place[j]).arcsec / (width[i] + width[j])
        for i in range(len(rows))
        for j in range(i)
    }
    # Discs of one width share pixels if they are closer than that. Squares do for certain, and not
    # if they are farther apart than their diagonals.
    masks = [step.get("radius", 75) for step in facts.recipe["steps"] if step["do"] == "mask"]
    is_disc = masks and 2 * min(masks) == facts.recipe["stamp"]["pixels"]
    close = [pair for pair, ratio in apart_by.items() if ratio < 1]
    near = [pair for pair, ratio in apart_by.items() if ratio < (1 if is_disc else 2**0.5)]
    assert len(close) <= number(pairs) <= len(near)

    def across(found):
        splits = [(rows[i]["split"], rows[j]["split"]) for i, j in found]
        return sum(bool(one and other and one != other) for one, other in splits)

    facts.pairs_across = number(apart)
    assert across(close) <= number(apart) <= across(near)


@sentence(
    rf"{NUMBER} pairs? of stamps overlaps? on the sky across splits; others were not counted\."
)
def overlaps_across(facts, apart):
    """Of many images, only these pairs are counted; all are discs."""
    rows = [row for row in facts.written if row["split"]]
    place = SkyCoord([row["ra"] for row in rows], [row["dec"] for row in rows], unit=u.deg)
    width = np.array([row["pixel_scale_arcsec"] for row in rows]) * facts.recipe["stamp"]["pixels"]
    split = np.array([row["split"] for row in rows])
    near = 2 * place[:, None].separation(place).arcsec < width[:, None] + width
    facts.pairs_across = int((near & (split[:, None] != split)).sum()) // 2
    assert facts.pairs_across == number(apart)


@sentence(r"Whether stamps overlap is not known: no image has both a position and a pixel scale\.")
def overlaps_not_known(facts):
    assert not facts.known("pixel_scale_arcsec")


@sentence(r"No image was written\.")
def nothing(facts):
    assert not facts.written


@sentence(r"\| label \| class \| ([^\n]+) \|\n\|[-|]+\n((?:\|[^\n]*\|\n)+)\n?")
def class_table(facts, splits, lines):
    names = splits.split(" | ")
    assert set(names) >= {row["split"] for row in facts.written} - {None}
    expected = Counter((row["class"], row["label"], row["split"]) for row in facts.written)
    no_votes = Counter(row["split"] for row in facts.written if row.get("votes", 0) is None)
    total = 0
    for line in lines.splitlines():
        label, name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        key = (name, int(label)) if label else (None, None)
        for split, cell in zip(names, cells, strict=True):
            count = expected[(*key, split)]
            if name == "no votes":
                count = no_votes[split]
            elif name == "no single class":
                count -= no_votes[split]
            assert int(cell) == count, line
            total += int(cell)
    assert total == sum(row["split"] is not None for row in facts.written)
    assert len(lines.splitlines()) >= len(facts.classes)


@sentence(r"\| split \| images \|\n\|[-|]+\n((?:\|[^\n]*\|\n)+)\n?")
def split_table(facts, lines):
    assert not facts.classes
    counts = Counter(row["split"] for row in facts.written if row["split"])
    cells = (line.strip("| ").split(" | ") for line in lines.splitlines())
    assert Counter({split: int(count) for split, count in cells}) == counts


@sentence(
    r"In the first published MingoLoTSS the names of labels 1 and 2 are interchanged\. The "
    r"labels here are "
    r"the same; the names are those of the flags in the catalogue\."
)
def interchanged(facts):
    assert facts.classes[1:3] == ["FRI NAT", "FRI WAT"]
    assert len(facts.classes) == 10


# Datasheet


@sentence(
    r"### (?:Motivation|Composition|Collection|Preprocessing|Uses|Distribution|Maintenance)\n\n"
)
def heading(facts):
    """The seven sections of Gebru et al. 2021; `check_card` counts them."""


@sentence(r"The dataset was made for tests and for teaching\.")
def aim_of_simulated(facts):
    assert facts.simulated


@sentence(r"The dataset was made to train and test classifiers of images of radio sources\.")
def aim_of_labelled(facts):
    assert facts.classes
    assert not facts.simulated


@sentence(r"The dataset was made for machine learning on images of radio sources\.")
def aim_of_unlabelled(facts):
    assert not facts.classes
    assert not facts.simulated


@sentence(
    r"It was made by the program mingolotss (\S+) with the recipe `(\S+)`: anyone who has the "
    r"catalogue and "
    r"the images can make it again\."
)
def program(facts, version, recipe):
    assert version == facts.build["packages"]["mingolotss"]
    assert recipe == facts.recipe["name"]


@sentence(rf"The catalogue(?: (\S+))? has {NUMBER} rows?, one for each source\.")
def catalogue(facts, name, rows):
    assert (name or "").replace("\\", "") == facts.build["catalogue"]
    assert number(rows) == facts.build["rows"]
    assert not facts.build["limit"]
    assert len({row["source"] for row in facts.rows}) == len(facts.rows)


@sentence(rf"Of the catalogue (\S+) the first {NUMBER} rows? were used, one for each source\.")
def cut_catalogue(facts, name, rows):
    assert name.replace("\\", "") == facts.build["catalogue"]
    assert number(rows) == facts.build["rows"] == facts.build["limit"]


@sentence(r"Every source has an image\.")
def no_rejection(facts):
    assert len(facts.written) == facts.build["rows"]


@sentence(
    rf"{NUMBER} sources? (?:has|have) no image, and `manifest\.parquet` of the build gives the "
    rf"reason for "
    r"each\."
)
def rejections(facts, count):
    rejected = [row for row in facts.rows if row["status"] == "rejected"]
    assert number(count) == len(rejected)
    assert all(row["stage"] and row["reason"] for row in rejected)


@sentence(
    rf"{NUMBER} sources? (?:has|have) no image here: they were rejected by the build or left out "
    rf"of the "
    r"export\."
)
def left_out(facts, count):
    assert facts.is_export
    assert number(count) == facts.build["rows"] - len(facts.written)


COUNT = r"([^;.]+)"


@sentence(
    rf"Number of sources that are larger than their image: {COUNT}; of images without a pixel "
    rf"that is finite "
    rf"and not 0: {COUNT}; of images that were moved to put the source in the centre: {COUNT}; "
    rf"(?:of images "
    rf"with large areas without data: {COUNT}; )?of sources for which nobody has chosen between "
    rf"fields yet: "
    rf"{COUNT}\."
)
def flags(facts, larger, blank, moved, incomplete, undecided):
    side = facts.recipe["stamp"]["pixels"]
    sized = [row for row in facts.written if row["size_arcsec"] == row["size_arcsec"]]
    check_count(
        larger, [row["size_arcsec"] > side * row["pixel_scale_arcsec"] for row in sized],
        len(facts.written),
    )  # fmt: skip
    flagged = {"blank": blank, "recentred": moved, "undecided": undecided}
    if incomplete:
        flagged["incomplete"] = incomplete
    for column, text in flagged.items():
        check_count(text, facts.known(column), len(facts.written))
    if "several" in undecided:
        assert not any(row["case"] for row in facts.written)
    if "recentre" in moved:
        assert not facts.recipe["recentre"]["enabled"]


def check_count(text, looked_at, total):
    """Compare a count in words with what was looked at."""
    if text.startswith("not known"):
        assert not looked_at
        assert total
        return
    first, *rest = re.findall(r"\d[\d,]*", text)
    assert number(first) == sum(looked_at)
    assert [number(one) for one in rest] == ([] if len(looked_at) == total else [len(looked_at)])


@sentence(r"Neighbouring sources can share pixels; see the splits above\.")
def neighbours(facts):
    """It points to the sentence on overlapping stamps, which `overlaps` checks."""


@sentence(r"The dataset contains nothing about people\.")
def nobody(facts):
    assert not facts.known("decided_by")


@sentence(
    r"The dataset contains nothing about people, except the names of those who decided by hand, "
    r"in the "
    r"column `decided_by` of the manifest\."
)
def people(facts):
    assert facts.known("decided_by")


@sentence(r"The images come from (the service `(\S+)`|a folder)(?: \(the recipe names `(\S+)`\))?")
def service(facts, _words, name, own):
    used = facts.build["service"].partition(":")[0]
    assert used == name if name else "/" in used
    own_images = facts.channels[facts.reference].get("images") if facts.channels else None
    named = (own_images or facts.recipe["images"])["service"].partition(":")[0]
    folder = "/" in used and named == "folder"
    assert own == (None if named in {"", used} or folder else named)


@sentence(
    r"That is the service of `(\S+)`\. ((?:The images of `\S+` come from (?:the service `\S+`|a "
    r"folder)\. )+)What is said of images and their noise in this datasheet holds for `(\S+)`; the "
    r"table of channels describes the others\."
)
def channel_services(facts, first, others, again):
    assert first == again == facts.reference
    stated = re.findall(r"images of `(\S+)` come from (?:the service `(\S+)`|a folder)", others)
    services = {name: one.partition(":")[0] for name, one in facts.build["services"].items()}
    expected = {name: "" if "/" in one else one for name, one in services.items()}
    assert dict(stated) == expected
    assert {first, *expected} == set(facts.channels)


@sentence(r"\. The labels come from the catalogue\.")
def labelled(facts):
    assert facts.classes


@sentence(r"; there are no labels\.")
def unlabelled(facts):
    assert not facts.classes
    assert not facts.known("label")


COLUMNS = {
    "telescope": "telescope", "survey": "survey", "frequency": "frequency_mhz",
    "unit of the pixels": "unit",
}  # fmt: skip


@sentence(
    r"By the headers of the images( and, where they are silent, by what is known about the survey)?"
    r": (.+?\))\. "
)
def headers(facts, stated, text):
    assert bool(stated) == bool(facts.build.get("surveys"))
    for part in text.split("; "):
        name = next(name for name in COLUMNS if part.startswith(f"{name} "))
        column = COLUMNS[name]
        counts = Counter(
            "not known" if value is None or value != value else value  # noqa: PLR0124
            for value in (row[column] for row in facts.written)
        )
        for words, count in re.findall(
            r"(?:^|, )(.+?) \(([\d,]+)\)", part.removeprefix(f"{name} ")
        ):
            value = words.removesuffix(" MHz").replace("\\", "")
            key = value
            if column == "frequency_mhz" and value != "not known":
                [key] = [one for one in counts if one != "not known" and f"{one:.6g}" == value]
            assert counts.pop(key) == number(count), part
        assert not counts, part
        facts.seen.append(column)


@sentence(
    r"(\w+): ([^\n]+?)\. Terms of use of its images: ([^\n]+?)(?: \(stated by ([^\n]+?)\))?\."
    r"(?: Cite ([^\n]+?)\.)?(?= \w+: | The | No source| \d)"
)
def survey(facts, name, images, terms, source, paper):
    """What the services of the channels stated when the build was planned."""
    stated = facts.build["surveys"][name]
    for part in images.replace("\\", "").split("; "):
        assert any(part == f"{key} {value}" for key, value in stated.items()), part
    given = (terms, source, paper)
    keys = ("terms of use", "stated by", "to cite")
    assert [one and one.replace("\\", "") for one in given] == [stated.get(key) for key in keys]


@sentence(r"The headers of the images do not give (the (?!beam).+?)\. ")
def no_headers(facts, names):
    for name in re.split(", the | or the ", names.removeprefix("the ")):
        assert not facts.known(COLUMNS[name])
        facts.seen.append(COLUMNS[name])


@sentence(r"The headers of the images do not give the beam\.")
def no_beam(facts):
    assert not facts.known("beam_major_arcsec")


@sentence(
    rf"(?:The beam \(FWHM\) is|The images mix {NUMBER} beams \(FWHM\):) "
    rf"([^\n]+? images?)\.(?: It is not known for {NUMBER} images?\.)?(?= )"
)
def beams(facts, mixed, text, unknown):
    counts = Counter(
        tuple(None if axis is None else f"{axis:.1f}" for axis in beam)
        for beam in ((row["beam_major_arcsec"], row["beam_minor_arcsec"]) for row in facts.written)
    )
    assert number(unknown or "0") == counts.pop((None, None), 0)
    assert (mixed is None) == (len(counts) == 1)
    assert mixed is None or number(mixed) == len(counts)
    pattern = r"([\d.]+)(?: by ([\d.]+))? arcsec in ([\d,]+) images?"
    for major, minor, count in re.findall(pattern, text):
        beam = (f"{float(major):.1f}", f"{float(minor or major):.1f}")
        assert counts.pop(beam) == number(count)
    assert not counts


@sentence(r"How sharp and how large a source looks can be compared only among images of one beam\.")
def mixture(facts):
    assert len(set(facts.known("beam_major_arcsec"))) > 1
    assert not facts.recipe.get("beam", {}).get("common")


@sentence(
    rf"All images were brought to one beam \(FWHM\), ([\d.]+)(?: by ([\d.]+))? arcsec: "
    rf"(?:all had it already|{NUMBER} images? (?:was|were) convolved to it"
    rf"(?:, and {NUMBER} had it already)?)\."
    r"( `noise_jy` and `peak_jy` are those after the convolution\.)?"
)
def common_beam(facts, major, minor, convolved, had_it, note):
    common = facts.recipe["beam"][
        "largest" if facts.recipe["beam"]["common"] == "largest" else "common"
    ]
    axes = [float(one) for one in re.findall(r"[\d.]+(?= x| arcsec)", common)]
    assert float(major) == float(f"{axes[0]:.3g}")
    assert float(minor or major) == float(f"{axes[-1]:.3g}")
    same = [
        abs(row["beam_major_arcsec"] - axes[0]) <= axes[0] / 1000
        and abs(row["beam_minor_arcsec"] - axes[-1]) <= axes[-1] / 1000
        for row in facts.written
    ]
    assert number(convolved or "0") == same.count(False)
    assert had_it is None or number(had_it) == same.count(True) > 0
    assert bool(note) == (not all(same))
    if "resampling" not in facts.table.column_names:
        for row in facts.written:
            beam = row["stamp_beam_major_arcsec"], row["stamp_beam_minor_arcsec"]
            assert beam == pytest.approx((axes[0], axes[-1]), rel=1e-3)


def number_range(values):
    low, high = min(values), max(values)
    return f"{np.median(values):.3g}" if high <= low * 1.001 else f"{low:.3g} to {high:.3g}"


METHODS = {"adaptive": "by the adaptive method of DeForest (2004)",
           "exact": "by the areas of the overlaps (exact)"}  # fmt: skip


@sentence(
    rf"{NUMBER} images? (?:was|were) resampled to pixels of ([\d. to]+) arcsec "
    r"(by the adaptive method of DeForest \(2004\)|by the areas of the overlaps \(exact\))\."
)
def resampled(facts, count, scales, method):
    rows = [row for row in facts.written if METHODS.get(row["resampling"]) == method]
    assert number(count) == len(rows)
    assert number_range([row["pixel_scale_arcsec"] for row in rows]) == scales
    side = facts.recipe["stamp"]["pixels"]
    for row in rows:  # the position of the catalogue is the middle pixel, by astropy
        cards = [*row["wcs"].split("\n"), *(f"CRPIX{i}  = {row[f'crpix{i}']!r}" for i in (1, 2))]
        wcs = WCS(fits.Header.fromstring("\n".join(cards), sep="\n"))
        x, y = wcs.world_to_pixel(SkyCoord(row["ra"], row["dec"], unit="deg"))
        assert (float(x), float(y)) == pytest.approx((side // 2, side // 2), abs=0.01)


@sentence(
    r"The position of the source in the catalogue is the middle of a resampled image\. Its "
    r"neighbouring pixels share pixels of the original image, so their noise is correlated; "
    r"`noise_jy` is the noise of the resampled pixels\.(?: Averages over pixels also widen the "
    r"beam: its major axis in the images is ([\d. to]+) arcsec, as `stamp_beam_major_arcsec` gives "
    r"it\.)?"
)
def resampled_noise(facts, beams):
    rows = [row for row in facts.written if row["resampling"] in METHODS]
    assert all("resampled pixels" in row["noise_method"] for row in rows)
    known = [
        row["stamp_beam_major_arcsec"] for row in facts.written if row["stamp_beam_major_arcsec"]
    ]
    assert (beams is None) == (not known)
    assert beams is None or number_range(known) == beams


@sentence(rf"{NUMBER} images? consists? of whole pixels of the original image\.")
def native(facts, count):
    assert number(count) == sum(row["resampling"] not in METHODS for row in facts.written)


@sentence(
    r"The side of an image on the sky is `([^`]+)`(?: at the redshift in the column `([^`]+)` "
    r"\((\w+)\))?: (\S+) arcsec(?: \(median; (\S+) to (\S+)\))?; `stamp_size_arcsec` gives it for "
    r"each image, and `pixel_scale_arcsec` the size of its pixels\."
)
def sizes_on_sky(facts, size, redshift, cosmology, median, smallest, largest):
    stamp = facts.recipe["stamp"]
    assert size == stamp["size"]
    assert redshift == (stamp.get("redshift") or None)
    assert cosmology in (None, stamp.get("cosmology", "Planck18"))
    sides = [row["stamp_size_arcsec"] for row in facts.written]
    assert f"{np.median(sides):.3g}" == median
    if smallest is not None:
        assert (f"{min(sides):.3g}", f"{max(sides):.3g}") == (smallest, largest)
    for row in facts.written:
        assert row["stamp_size_arcsec"] == pytest.approx(
            row["pixel_scale_arcsec"] * stamp["pixels"]
        )


@sentence(
    rf"{NUMBER} images? (?:is|are) turned so that the position angle in the column `([^`]+)` is "
    r"up; `rotation_deg` gives it, from north to east\."
)
def turned(facts, count, column):
    assert column == facts.recipe["stamp"]["rotate"]
    assert number(count) == len(facts.known("rotation_deg"))
    for row in facts.written:  # up is that direction, by astropy
        cards = [*row["wcs"].split("\n"), *(f"CRPIX{i}  = {row[f'crpix{i}']!r}" for i in (1, 2))]
        wcs = WCS(fits.Header.fromstring("\n".join(cards), sep="\n"))
        x, y = row["crpix1"] - 1, row["crpix2"] - 1
        angle = (
            wcs.pixel_to_world(x, y).position_angle(wcs.pixel_to_world(x, y + 1)).to_value("deg")
        )
        assert (angle - row["rotation_deg"] + 180) % 360 - 180 == pytest.approx(0, abs=0.01)


@sentence(r"No source had several usable images\.")
def one_image(facts):
    assert not usable(facts)


@sentence(
    rf"{NUMBER} sources? had several usable images; one was chosen by the separation from the "
    rf"centre of the "
    r"image and by missing pixels, and the column `case` of the manifest gives the rule\."
)
def several_images(facts, count):
    chosen = [row for row in facts.written if row["case"]]
    assert number(count) == len(chosen)
    assert facts.candidates is None or {row["row"] for row in chosen} == usable(facts)


def usable(facts):
    """Return the written rows with more than one candidate that could be used."""
    if facts.candidates is None:
        return {row["row"] for row in facts.written if row["case"]}
    good = Counter(one["row"] for one in facts.candidates if "chosen" in one["verdict"])
    return {row["row"] for row in facts.written if good[row["row"]] > 1}


@sentence(rf"A person decided about {NUMBER} sources?\.")
def decided(facts, count):
    assert number(count) == len(facts.known("decided_by"))


@sentence(r"The build began on (\d{4}-\d\d-\d\d) \(UTC\)\.")
def day(facts, date):
    assert date == facts.build["date"]


@sentence(r"The SHA-256 of the catalogue is `([0-9a-f]{64})`\.")
def checksum(facts, digest):
    assert digest == facts.build["catalogue_sha256"]


@sentence(r"Noise: none, since there is no image\.")
def no_noise(facts):
    assert not facts.written


@sentence(r"Noise: ([^\n]+? images?)\.")
def noise(facts, text):
    counts = Counter(row["noise_method"] or "not recorded" for row in facts.written)
    stated = re.findall(r"(?:^|, )(.+?) for ([\d,]+) images?", text)
    assert {method: number(count) for method, count in stated} == counts
    if facts.candidates is None or facts.recipe["noise"]["method"] != "rms-map":
        return
    has_map = {
        one["row"]: bool(one["rms"]) for one in facts.candidates if one["verdict"] == "chosen"
    }
    for row in facts.written:
        assert has_map[row["row"]] == (row["noise_method"].startswith("rms-map"))


@sentence(rf"The noise of {NUMBER} images? was estimated from the image itself\.")
def estimated(facts, count):
    methods = [row["noise_method"] for row in facts.written]
    assert number(count) == sum(not method.startswith("rms-map") for method in methods)


STEPS_END = r"\. (?=Each|Of each|The|For|Steps|`)"


@sentence(rf"Steps, in order: ([^\n]+?){STEPS_END}")
def steps(facts, text):
    for name in facts.step_names:
        assert text.replace("\\", "") == in_words(facts.steps_of(name))


@sentence(rf"Steps of ((?:`[^`]+`(?:, | and )?)+), in order: ([^\n]+?){STEPS_END}")
def steps_of_channels(facts, names, text):
    same = {
        name for name in facts.channels if in_words(facts.steps_of(name)) == text.replace("\\", "")
    }
    assert set(re.findall("`([^`]+)`", names)) == same != set(facts.channels)


def in_words(steps):
    return (
        ", ".join(
            " ".join([step["do"], *(f"{key}={step[key]}" for key in step if key != "do")])
            for step in steps
        )
        or "none"
    )


SCALINGS = {"minmax", "asinh", "zscale"}


@sentence(
    r"Each (channel of each )?image is scaled by itself, so the brightness of different images"
    r"( and channels)? cannot be compared\."
)
def scaled(facts, words, others):
    assert all(names & SCALINGS for names in facts.step_names.values())
    assert bool(words) == bool(others) == (len(facts.channels) > 1)


@sentence(
    r"Of each image, ((?:`[^`]+`(?:, | and )?)+) (is|are each) scaled by itself, so the brightness "
    r"of different images cannot be compared there\."
)
def some_scaled(facts, names, _verb):
    stated = set(re.findall("`([^`]+)`", names))
    assert stated == {name for name, own in facts.step_names.items() if own & SCALINGS}
    assert len(stated) < len(facts.channels)


@sentence(r"The pixels of ((?:`[^`]+`(?:, | and )?)+) are not scaled\.")
def some_not_scaled(facts, names):
    for name in re.findall("`([^`]+)`", names):
        assert facts.step_names[name] <= {"zero-nan", "clip", "bin", "mask"}


@sentence(r"The pixels are not scaled\.")
def not_scaled(facts):
    assert facts.steps <= {"zero-nan", "clip", "bin", "mask"}


@sentence(
    rf"For {NUMBER} images? `scale_min` and `scale_max` in the manifest give the brightness of "
    rf"the darkest "
    r"and of the brightest value\."
)
def scale(facts, count):
    assert number(count) == len(facts.known("scale_max")) == len(facts.known("scale_min"))


@sentence(
    rf"`peak_jy` and `noise_jy` in the manifest give the brightest pixel and the noise of "
    rf"{NUMBER} images? in "
    rf"Jy/beam(?:; {NUMBER} of them name no unit and are taken to be in it)?\."
)
def janskys(facts, count, assumed):
    peaks = [row for row in facts.written if row["peak_jy"] == row["peak_jy"]]
    assert number(count) == len(peaks) == len(facts.known("peak_jy"))
    assert all(np.isfinite(row["noise_jy"]) for row in peaks)
    without = sum(row["unit"] is None and row["peak_jy"] is not None for row in facts.written)
    assert number(assumed or "0") == without


@sentence(r"`recipe\.toml` contains every setting\.")
def settings(facts):
    assert {"noise", "stamp", "steps", "images", "choose"} <= facts.recipe.keys()


@sentence(r"It can serve (.+?)\.")
def uses(facts, text):
    if facts.simulated:
        assert text == "tests of programs and teaching"
    else:
        assert ("classification" in text) == bool(facts.classes)
        assert ("with several labels" in text) == ("tags" in facts.rows[0])


@sentence(
    r"The classes differ in size: report macro-averaged scores and a confusion matrix, not "
    r"accuracy alone\."
)
def unequal(facts):
    assert len(set(sizes(facts).values())) > 1


@sentence(r"(?:Classes|Tags) with fewer than 50 images: ([^\n]+?\))\.")
def rare(facts, text):
    stated = dict(re.findall(r"(?:^|, )(.+?) \((\d+)\)", text.replace("\\", "")))
    small = {name: str(count) for name, count in sizes(facts).items() if 0 < count < 50}
    assert stated == small


@sentence(r"(?:Classes|Tags) without an image: ([^\n.]+)\.")
def empty(facts, names):
    assert names.replace("\\", "").split(", ") == [n for n, c in sizes(facts).items() if not c]


def sizes(facts):
    counts = Counter(row["class"] for row in facts.written)
    if "tags" in facts.rows[0]:
        counts = Counter(facts.classes[one] for row in facts.written for one in row["tags"] or ())
    return {name: counts[name] for name in facts.classes}


@sentence(r"The grey values are not suitable for photometry\.")
def grey(facts):
    assert facts.recipe["stamp"]["kind"] == "uint8"


@sentence(r"The licence is not known; see `LICENSE`\.")
def no_licence(facts):
    assert facts.stated("licence") in {"", "not known"}
    assert "is not known" in (facts.folder / "LICENSE").read_text()


@sentence(r"Licence: \[(\S+)\]\((https://spdx\.org/licenses/\S+)\); see `LICENSE`\.")
def licence(facts, spdx, address):
    assert facts.stated("licence").replace(" ", "-").upper() == spdx.upper()
    assert address == f"https://spdx.org/licenses/{spdx}.html"
    assert f"SPDX-License-Identifier: {spdx}" in (facts.folder / "LICENSE").read_text()


@sentence(r"Licence: ([^\n]+?) See `LICENSE`\.")
def terms(facts, text):
    plain = text.replace("\\", "").rstrip(".")
    assert plain == " ".join(facts.stated("licence").split()).rstrip(".")
    assert plain in " ".join((facts.folder / "LICENSE").read_text().split())


@sentence(r"Authors?: ([^\n]+?)\. (?=Version|DOI|Web|Released|Funding)|Authors?: ([^\n]+)\.(?=\n)")
def authors(facts, text, other):
    names = [
        one["name"] or f"{one['given']} {one['family']}".strip() for one in facts.stated("authors")
    ]
    assert (text or other).split("; ") == names


@sentence(r"Version: (\S+)\.(?=\s)")
def version(facts, text):
    assert text == facts.stated("version")


@sentence(r"DOI: \[(\S+)\]\(https://doi\.org/(\S+)\)\.")
def doi(facts, text, address):
    assert text == address == facts.stated("doi")


@sentence(r"Web page: <(\S+)>\.")
def page(facts, address):
    assert address == facts.stated("url")


@sentence(r"Released on (\S+)\.(?=\s)")
def released(facts, date):
    assert date == facts.stated("date")


@sentence(r"Funding: ([^\n]+)\.(?=\n)")
def funding(facts, text):
    assert text.split("; ") == facts.stated("funding")


@sentence(
    r"Build the dataset again from `recipe\.toml`\. `mingolotss compare` lists the differences "
    r"between two "
    r"datasets, and `mingolotss verify` checks every file and image against the manifest\."
)
def maintenance(facts):
    assert (facts.folder / "recipe.toml").is_file()
    assert (facts.folder / "checksums.sha256").is_file()


@sentence(r"## Cite\n\n- ([^\n]+)\n((?:- [^\n]+\n)*)")
def cite(facts, own, papers):
    name = facts.recipe["title"] or facts.recipe["name"]
    assert name in own.replace("\\", "")
    assert ("simulated" in own) == facts.simulated
    lines = [line.removeprefix("- ").replace("\\", "") for line in papers.splitlines()]
    assert lines == facts.stated("citation")


def check_head(facts, text):
    """Check the YAML head of the card, which Hugging Face reads."""
    head = yaml.safe_load(text)
    assert head["pretty_name"].startswith(facts.recipe["title"] or facts.recipe["name"])
    assert ("simulated" in head["pretty_name"]) == ("simulated" in head["tags"]) == facts.simulated
    task, *further = head["task_categories"]
    assert further == (["image-segmentation"] if "mask_sha256" in facts.rows[0] else [])
    assert task == ("image-classification" if facts.classes else "image-feature-extraction")
    is_tagged = "tags" in facts.rows[0]
    assert head.get("task_ids") == (["multi-label-image-classification"] if is_tagged else None)
    assert (head["license"] == "unknown") == (facts.stated("licence") in {"", "not known"})
    assert head["size_categories"] == ["n<1K"]
    assert len(facts.written) < 1000


def check_card(folder):
    """Check every sentence of the card of a build or an export; return the facts."""
    facts = Facts(Path(folder))
    card = (facts.folder / "README.md").read_text()
    _, head, text = card.split("---\n", 2)
    check_head(facts, head)
    text = re.sub(r"^\s*<!-- written by mingolotss[^>]*-->\s*", "", text)
    own = " ".join(facts.stated("description").split())
    assert own in text
    if own:
        text = text.replace(own, "", 1)
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == 7
    while text := text.lstrip(" \n"):
        for pattern, function in SENTENCES:
            if match := pattern.match(text):
                function(facts, *match.groups())
                text = text[match.end() :]
                break
        else:
            raise AssertionError(f"no check knows this sentence: {text[:200]!r}")
    return facts
