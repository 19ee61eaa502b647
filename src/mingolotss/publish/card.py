"""The dataset card: the header of Hugging Face, a summary, a datasheet, and how to load it."""

from __future__ import annotations

import re

from mingolotss.dataset.layout import ExportFolder
from mingolotss.dataset.products import CARD_MARK
from mingolotss.dataset.published import interchanged_names
from mingolotss.formats import FORMATS
from mingolotss.formats.base import Format
from mingolotss.publish.datasheet import render_datasheet
from mingolotss.publish.summary import DatasetSummary

__all__ = ["render_card"]

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))

_LOAD_BUILD = (
    'mingolotss.MingoLoTSS("FOLDER")  # PyTorch',
    'mingolotss.load("FOLDER")  # numpy',
)
_NAMES = (
    "In the first published MingoLoTSS the names of labels {labels} are interchanged. The labels "
    "here are the same; the names are those of the flags in the catalogue."
)
_SIMULATED = (
    "**The images are of a simulated sky, which was made for tests and for teaching. Nothing in "
    "them was observed, and results on them say nothing about real galaxies.**"
)


def render_card(summary: DatasetSummary, format_name: str = "build") -> str:
    """Return the card.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.

    Raises
    ------
    InputError
        There is no such format.
    """
    parts = [
        _header(summary, format_name), CARD_MARK, f"# {summary.title}", _summary(summary),
        _loading(summary, format_name), _counts(summary), render_datasheet(summary),
        _citation(summary),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _header(summary: DatasetSummary, format_name: str) -> str:
    """Write the YAML header (Hugging Face's dataset card metadata)."""
    size = next((name for limit, name in _SIZES if len(summary.manifest) < limit), "n>1M")
    licence = summary.provenance.recipe.licence
    lines = [
        "---",
        f"license: {_identifier(licence) if licence else 'unknown'}",
        f"pretty_name: {_quoted(summary.title)}",
        "task_categories:",
        "- image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("astronomy", "radio-astronomy", "galaxies")),
        "size_categories:",
        f"- {size}",
    ]
    if format_name == "parquet":
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in summary.splits:
            path = ExportFolder.parquet_pattern(split)
            lines += [f"  - split: {_hub_name(split)}", f"    path: {path}"]
    return "\n".join([*lines, "---"])


def _identifier(licence: str) -> str:
    return licence.lower() if re.fullmatch(r"[A-Za-z0-9.-]+", licence) else "other"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hub_name(split: str) -> str:
    """Spell a split as `datasets` allows: letters, digits, underscores, dots."""
    return re.sub(r"\W", "_", split)


def _summary(summary: DatasetSummary) -> str:
    recipe = summary.provenance.recipe
    side = recipe.stamp.pixels
    lines = [summary.description]
    if summary.is_simulated:
        lines.append(_SIMULATED)
    lines.append(
        f"{len(summary.manifest):,} images of {side} x {side} pixels, {recipe.stamp.kind}, at "
        f"{summary.pixel_scale_arcsec:.3g} arcsec per pixel (median): "
        f"{side * summary.pixel_scale_arcsec / 60:.3g} arcmin on a side. "
        "Row 0 is the southern edge."
    )
    return "\n\n".join(lines)


def _loading(summary: DatasetSummary, format_name: str) -> str:
    """Show how to load the dataset."""
    examples: tuple[str, ...] = _LOAD_BUILD
    if format_name != "build":
        dataset_format: Format = FORMATS.get(format_name)
        examples = dataset_format.examples
    name = summary.provenance.recipe.name
    lines = [line.replace("NAME", name) for line in examples]
    return "\n".join(["## Load it", "", "```python", *lines, "```"])


def _counts(summary: DatasetSummary) -> str:
    splits = summary.splits
    lines = [
        "## Classes and splits",
        "",
        (f"Split: `{summary.split_plan}`. {_overlaps(summary)}"),
        "",
        "| label | class | " + " | ".join(splits) + " |",
        "|---|---|" + "---|" * len(splits),
    ]
    for label, (name, counts) in enumerate(summary.class_counts()):
        number = "" if name == "no label" else str(label)
        lines.append(f"| {number} | {name} | " + " | ".join(map(str, counts)) + " |")
    names = interchanged_names()
    if set(names.values()) <= set(summary.classes):
        labels = " and ".join(map(str, names))
        lines += ["", _NAMES.format(labels=labels)]
    return "\n".join(lines)


def _citation(summary: DatasetSummary) -> str:
    cited = summary.provenance.recipe.citation
    return "\n".join(["## Cite", "", *(f"- {line}" for line in cited or ("none stated",))])


def _overlaps(summary: DatasetSummary) -> str:
    if summary.pairs is None:
        return "Overlapping stamps were not counted."
    return (
        f"{summary.pairs} pairs of stamps overlap on the sky; in {summary.leaks} of these pairs "
        "the stamps are in different splits."
    )
