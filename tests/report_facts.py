"""The facts about a build that its report states, computed again from its tables.

Only pyarrow, astropy and numpy are used here, no code of the program.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
import tomllib
from collections import Counter
from functools import cached_property
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

FLAGS = ("undecided", "recentred", "exceeds_stamp", "blank", "incomplete")


class Facts:
    """What is known about the build in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = pq.read_table(folder / "manifest.parquet").to_pylist()
        tables = tomllib.loads((folder / "recipe.toml").read_text())
        self.build, self.recipe = tables["build"], tables["recipe"]
        self.channels = {one["name"]: one for one in self.recipe.get("channels", [])}
        marked = [name for name, one in self.channels.items() if one["reference"]]
        self.reference = next(iter(marked or self.channels), None)
        candidates = pq.read_table(folder / "candidates.parquet").to_pylist()
        self.candidates = [one for one in candidates if one.get("channel") == self.reference]
        self.written = [row for row in self.rows if row["status"] == "written"]
        self.rejected = [row for row in self.rows if row["status"] == "rejected"]
        self.by_name = {row["source"]: row for row in self.rows}
        self.classes: list[str] = self.build["classes"]
        self.side: int = self.recipe["stamp"]["pixels"]
        assert len(self.written) + len(self.rejected) == len(self.rows)

    def steps_of(self, channel: str) -> list[dict]:
        """The steps of a channel; of a recipe without channels for ""."""
        own = self.channels[channel].get("steps") if channel else None
        return self.recipe["steps"] if own is None else own

    @cached_property
    def planes(self) -> dict[str, list[dict]]:
        """The rows of the table of channels, by channel."""
        rows = pq.read_table(self.folder / "channels.parquet").to_pylist()
        return {name: [row for row in rows if row["channel"] == name] for name in self.channels}

    @property
    def without_channel(self) -> int:
        """The number of stamps with a plane without an image."""
        return sum(bool(row.get("missing_channels")) for row in self.written)

    def classes_of(self, row: dict) -> set[str | None]:
        """The classes of a row: all of its tags, or the words of the page for none of them."""
        if "tags" in row:
            names = {self.classes[label] for label in row["tags"] or ()}
            return {"no tag"} if row["tags"] == [] else names
        if row.get("votes") and row["class"] is None:
            return {"no single class"}
        return {row["class"]}

    def flagged(self, flag: str) -> list[dict]:
        return [row for row in self.written if row[flag]]

    @property
    def sized(self) -> list[dict]:
        """The stamps whose source has a known size."""
        return [row for row in self.written if np.isfinite(row["size_arcsec"])]

    @property
    def width_arcsec(self) -> float:
        return float(np.median([row["pixel_scale_arcsec"] for row in self.written])) * self.side

    @property
    def diagonal(self) -> float:
        """How far apart stamps can be that share pixels, in widths: squares reach farther."""
        radii = [step.get("radius", 75) for step in self.recipe["steps"] if step["do"] == "mask"]
        return 1 if radii and 2 * min(radii) == self.side else 2**0.5

    def _centre(self, row: dict) -> tuple[float, float]:
        """The sky in the middle of a stamp, deg: its source, unless that is off by over a pixel."""
        if row["recentred"] or not row["separation_arcsec"] > row["pixel_scale_arcsec"]:
            return row["ra"], row["dec"]
        cards = [*row["wcs"].split("\n"), *(f"CRPIX{i}  = {row[f'crpix{i}']!r}" for i in (1, 2))]
        wcs = WCS(fits.Header.fromstring("\n".join(cards), sep="\n"))
        middle = wcs.pixel_to_world(self.side // 2, self.side // 2).icrs
        return middle.ra.deg, middle.dec.deg

    @cached_property
    def _separations(self) -> list[tuple[float, float, dict, dict]]:
        """Each pair of stamps that may share pixels, nearest first: widths, arcsec, the two."""
        sky = SkyCoord([self._centre(row) for row in self.written], unit="deg")
        arcsec = sky[:, None].separation(sky[None, :]).to_value(u.arcsec)
        width = self.side * np.array([row["pixel_scale_arcsec"] for row in self.written])
        widths = 2 * arcsec / (width[:, None] + width)
        pairs = [
            (float(widths[i, j]), float(arcsec[i, j]), self.written[i], self.written[j])
            for i, j in np.argwhere(np.triu(widths < self.diagonal, 1)).tolist()
        ]
        return sorted(pairs, key=lambda pair: pair[1])

    def pairs(self, most: float) -> list[tuple[float, dict, dict]]:
        """All pairs of stamps that are closer than so many widths, nearest first."""
        return [(arcsec, *rows) for widths, arcsec, *rows in self._separations if widths < most]

    def pairs_across(self, widths: float) -> int:
        """The number of pairs whose stamps are in different splits."""
        splits = [(one["split"], other["split"]) for _, one, other in self.pairs(widths)]
        return sum(bool(one and other and one != other) for one, other in splits)

    @property
    def in_no_split(self) -> list[dict]:
        return [row for row in self.written if row["split"] is None]

    @cached_property
    def reasons_without_split(self) -> dict[str, str]:
        """Why a source is in no split, by its name."""
        with (self.folder / "splits.csv").open(newline="") as file:
            return {row["name"]: row["reason"] for row in csv.DictReader(file) if not row["split"]}

    @property
    def inside(self) -> list[tuple[float, dict, dict]]:
        """The pairs in which a source is in the stamp of the other."""
        return [
            pair for pair in self.pairs(1)
            if pair[0] < self.side * max(row["pixel_scale_arcsec"] for row in pair[1:]) / 2
        ]  # fmt: skip

    @property
    def crowded(self) -> set[str]:
        """The sources with another one in their stamp."""
        return {
            row["source"]
            for arcsec, *rows in self.pairs(1)
            for row in rows
            if arcsec < self.side * row["pixel_scale_arcsec"] / 2
        }

    @property
    def to_inspect(self) -> int:
        names = {row["source"] for flag in FLAGS for row in self.flagged(flag)}
        return len(names | self.crowded | {row["source"] for row in self.rejected})

    @cached_property
    def decisions(self) -> list[dict[str, str]]:
        path = self.folder / "decisions.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    @cached_property
    def checksums(self) -> dict[str, str]:
        lines = (self.folder / "checksums.sha256").read_text().splitlines()
        return {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in lines}

    @cached_property
    def turned(self) -> list[dict]:
        """The stamps in which north is not up or east is not left, by over 5 deg."""
        return [row for row in self.written if max(self._turns(row)) > 5]

    @staticmethod
    def _turns(row: dict) -> tuple[float, float]:
        """How far north is from up, and east from left, deg."""
        cards = [*row["wcs"].split("\n"), *(f"CRPIX{i}  = {row[f'crpix{i}']!r}" for i in (1, 2))]
        wcs = WCS(fits.Header.fromstring("\n".join(cards), sep="\n"))
        here = SkyCoord(row["ra"], row["dec"], unit="deg")
        tips = here.directional_offset_by([0, 90] * u.deg, 10 * u.arcsec)
        x, y = (np.subtract(tip, middle) for tip, middle in zip(
            wcs.world_to_pixel(tips), wcs.world_to_pixel(here), strict=True))  # fmt: skip
        turns = np.degrees(np.arctan2(y, x)) - [90, 180]
        north, east = np.abs((turns + 180) % 360 - 180).tolist()
        return north, east

    def noise(self) -> Counter:
        return Counter(row["noise_method"] for row in self.written)

    def beams(self) -> Counter:
        """The beams to 0.1 arcsec, None where headers do not give them."""
        pairs = (
            (row["beam_major_arcsec"] or math.nan, row["beam_minor_arcsec"] or math.nan)
            for row in self.written
        )
        return Counter(
            (round(major, 1), round(minor, 1)) if math.isfinite(major) else None
            for major, minor in pairs
        )

    def sha256(self, name: str) -> str:
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()


def number(text: str) -> int:
    """Return an integer with commas between its thousands."""
    assert re.fullmatch(r"\d{1,3}(,\d{3})*", text), text
    return int(text.replace(",", ""))


def decimals(value: float | None, digits: int) -> str:
    """Return a number as a table shows it."""
    return "\N{EN DASH}" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}"
