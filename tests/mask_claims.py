"""The sentences about masks on the card and in the report, checked against the manifest."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

N = r"(\d[\d,]*)"
MEANING = (
    "Each image has a mask of its size: 1 is emission of its source, 2 is that of another source, "
    "and 0 is neither."
)
UNITS = {
    "mask_pixels": "", "las_arcsec": " arcsec", "mask_flux_mjy": " mJy",
    "core_distance_arcsec": " arcsec",
}  # fmt: skip


def check_masks(text: str, written: list[dict], settings: dict) -> None:
    """Read all sentences about masks; names of columns may stand between backticks."""
    text = text.replace("`", "")
    assert text.startswith(MEANING)
    text = text.removeprefix(MEANING)
    match = re.match(r" Emission brighter than ([\d.]+) times the noise was flooded", text)
    assert settings["from"] == "components"
    assert float(match[1]) == settings["sigma"]
    text = text.partition(" from the ellipses of components. ")[2]
    pattern = (
        rf"{N} images? ha(?:s|ve) pixels of (?:their source in their|its source in its) mask, and "
        rf"{N} images? ha(?:s|ve) pixels of another source(?:; in {N} images? nothing belongs to "
        r"the source)?\. "
    )
    match = re.match(pattern, text)
    own, other, nothing = (int((part or "0").replace(",", "")) for part in match.groups())
    assert own == sum(row["mask_pixels"] > 0 for row in written)
    assert other == sum(row["other_pixels"] > 0 for row in written)
    assert nothing == sum(row["mask_from"] is None for row in written)
    text = text[match.end() :]
    match = re.match(r"What the masks were made from, by mask_from: ([^.]+)\. ", text)
    origins = Counter(row["mask_from"] for row in written if row["mask_from"] is not None)
    assert match[1].split("; ") == [f"{name} ({n:,})" for name, n in origins.most_common()]
    text = text[match.end() :]
    start = "Medians of the images in which the value is known: "
    assert text == start + ", ".join(medians(written)) + "."


def medians(written: list[dict]) -> list[str]:
    """Return the median of each column with its number of images, in words."""
    words = []
    for name, unit in UNITS.items():
        values = [row[name] for row in written if row["mask_pixels"] and row[name] is not None]
        known = [value for value in values if np.isfinite(value)]
        if known:
            images = "1 image" if len(known) == 1 else f"{len(known):,} images"
            words.append(f"{name} {np.median(known):.3g}{unit} ({images})")
    return words
