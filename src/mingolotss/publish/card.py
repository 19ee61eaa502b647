"""The dataset card: the header of Hugging Face, a summary, a datasheet, and how to load it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from mingolotss.dataset.layout import DatasetFolder, ExportFolder
from mingolotss.dataset.products import GENERATED_MARK
from mingolotss.dataset.published import dataset_of_classes
from mingolotss.dataset.splits import SplitPlan
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.formats import FORMATS
from mingolotss.formats.base import Format
from mingolotss.publish.channel_facts import describe_channels
from mingolotss.publish.citation import dataset_citation
from mingolotss.publish.datasheet import render_datasheet
from mingolotss.publish.hub_header import (
    ALL_SPLITS,
    content_line,
    describe_collection,
    describe_stamps,
)
from mingolotss.publish.label_facts import count_table, describe_labels
from mingolotss.publish.licence import read_licence
from mingolotss.publish.markdown import code, escape
from mingolotss.publish.mask_facts import render_masks
from mingolotss.publish.split_warnings import SHARED_PIXELS, missing_classes
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.wording import counted

__all__ = ["render_card"]

# A word that YAML takes for text; those of two letters include "no" and "on" (YAML 1.1).
_PLAIN_YAML = re.compile(
    r"(?!(?:yes|true|false|off|null)\Z)[A-Za-z]\w{2,}", re.ASCII | re.IGNORECASE
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))

_MULTI_LABEL = "multi-label-image-classification"  # the name that the Hub has for it
_LOAD_BUILD = (
    'mingolotss.MingoLoTSS("FOLDER")  # PyTorch',
    'mingolotss.load("FOLDER")  # numpy',
    f'datasets.load_dataset("FOLDER", split="{ALL_SPLITS}")  # all; see the column split',
    'pandas.read_parquet("FOLDER/stamps")  # IMAGES and every column of the manifest',
)
_COLLECTION = "hats"
_LOAD_COLLECTION = 'lsdb.open_catalog("FOLDER/hats")  # LSDB: in partitions of the sky'
_NAMES = (
    "In the first published {title} the names of labels {labels} are interchanged. The labels "
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
    mark, title = f"<!-- {GENERATED_MARK} -->", f"# {escape(summary.provenance.title)}"
    parts = [
        _header(summary, format_name), mark, title, _summary(summary, format_name),
        _loading(summary, format_name), describe_labels(summary, format_name),
        render_masks(summary, format_name), describe_channels(summary), _counts(summary),
        render_datasheet(summary, format_name), _citation(summary),
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def _header(summary: DatasetSummary, format_name: str) -> str:
    """Write the YAML header (Hugging Face's dataset card metadata)."""
    size = next((name for limit, name in _SIZES if len(summary.manifest) < limit), "n>1M")
    licence = read_licence(summary.provenance.metadata.licence)
    lines = ["---", f"license: {licence.hugging_face}"]
    if licence.hugging_face == "other":
        name = licence.spdx or ("terms in words" if not licence.url else licence.url)
        link = licence.url or DatasetFolder(summary.folder).licence.name
        lines += [f"license_name: {_quoted(name)}", f"license_link: {_quoted(link)}"]
    lines += [
        f"pretty_name: {_quoted(summary.provenance.title)}",
        "task_categories:",
        "- image-classification" if summary.is_labelled else "- image-feature-extraction",
        *(["- image-segmentation"] if summary.provenance.recipe.mask.makes_masks else []),
        *(["task_ids:", f"- {_MULTI_LABEL}"] if summary.tags is not None else []),
        "tags:",
        *(f"- {tag}" for tag in ("astronomy", "radio-astronomy", "galaxies")),
        *(["- simulated"] if summary.provenance.simulated else []),
        "size_categories:",
        f"- {size}",
    ]
    patterns = _split_patterns(summary, format_name)
    if patterns:
        content = content_line(summary.folder)
        lines += ["configs:", "- config_name: default", content, "  data_files:"]
        names = _hub_names(summary.splits)
        for name, pattern in zip(names, patterns, strict=True):
            lines += [f"  - split: {name}", f"    path: {pattern}"]
    recipe = summary.provenance.recipe
    if format_name == "build":
        collection = recipe.name if _COLLECTION in recipe.formats else None
        lines += describe_stamps(summary.folder, summary.classes, collection)
    elif format_name == _COLLECTION:
        lines += describe_collection(summary.folder, recipe.name)
    return "\n".join([*lines, "---"])


def _quoted(text: str) -> str:
    """Return a text as YAML, which takes strings as JSON has them."""
    return json.dumps(text, ensure_ascii=False)


def _split_patterns(summary: DatasetSummary, format_name: str) -> list[str]:
    """Return the pattern of each split's files, where `datasets` cannot know it otherwise."""
    splits = summary.splits
    if format_name == "parquet":
        return [ExportFolder.parquet_pattern(split, splits) for split in splits]
    # In folders of images it knows train, val and test, passes over all others without a word, and
    # would take the masks for further images.
    export = ExportFolder(summary.folder)
    if format_name == "coco":
        return [_quoted(export.png_pattern(split, has_classes=False)) for split in splits]
    is_known = set(splits) <= {"train", "val", "test"} and not export.masks.is_dir()
    if format_name == "png" and not is_known:
        has_classes = summary.provenance.recipe.label_kind == "classes"
        return [_quoted(export.png_pattern(split, has_classes=has_classes)) for split in splits]
    return []


def _hub_names(splits: Sequence[str]) -> list[str]:
    """Spell splits as `datasets` allows, each in its own way: letters, digits, underscores."""
    names: list[str] = []
    for split in splits:
        name = re.sub(r"\W", "_", split)
        while name in names:
            name += "_"
        names.append(name)
    # In YAML, a word like "no", and a number, is no text unless it is quoted.
    return [name if _PLAIN_YAML.fullmatch(name) else _quoted(name) for name in names]


def _summary(summary: DatasetSummary, format_name: str) -> str:
    recipe = summary.provenance.recipe
    kind: str = recipe.stamp.kind
    if format_name == "fits":
        kind = "float32: the brightness before the steps of the recipe, in the unit of the images"
    side = recipe.stamp.pixels
    lines = [summary.provenance.description]
    if summary.provenance.simulated:
        lines.append(_SIMULATED)
    images = f"{counted(len(summary.manifest), 'image')} of "
    if recipe.channels:
        images += f"{counted(len(recipe.channels), 'channel')}, "
    images += f"{side} x {side} pixels, {kind}"
    scales = summary.pixel_scales_arcsec
    if scales is not None:
        smallest, median, largest = (f"{scale:.3g}" for scale in scales)
        images += f", at {median} arcsec per pixel"
        if smallest != largest:
            images += f" (median; {smallest} to {largest})"
        images += f": {side * scales[1] / 60:.3g} arcmin on a side"
    lines.append(
        f"{images}. Row 0 is the first row of the FITS image, the southern edge where north is up."
    )
    return "\n\n".join(lines)


def _loading(summary: DatasetSummary, format_name: str) -> str:
    """Show how to load the dataset."""
    examples: tuple[str, ...] = _LOAD_BUILD
    if _COLLECTION in summary.provenance.recipe.formats:
        examples = (*examples, _LOAD_COLLECTION)
    if format_name != "build":
        dataset_format: Format = FORMATS.get(format_name)
        examples = dataset_format.examples
        if summary.provenance.recipe.label_kind != "classes":
            examples = dataset_format.vector_examples or examples
    recipe = summary.provenance.recipe
    shape = StampShape.of_recipe(recipe)
    kind = "PNG images" if shape.is_png else f"the bytes of {shape.dtype} images"
    lines = [line.replace("NAME", recipe.name).replace("IMAGES", kind) for line in examples]
    return "\n".join(["## Load it", "", "```python", *lines, "```"])


def _counts(summary: DatasetSummary) -> str:
    """State the number of images of each class and split, and the pairs that share pixels."""
    if not len(summary.manifest):
        return "## Splits\n\nNo image was written."
    sentences = [_plan(summary), _origin(summary), _overlaps(summary), _left_out(summary)]
    plan = " ".join(filter(None, sentences))
    plan += "".join(f"\n\n**{warning}**" for warning in _split_warnings(summary))
    if not summary.is_labelled:
        table = [f"| {escape(split)} | {count} |" for split, count in summary.split_counts()]
        lines = ["## Splits", "", plan, "", "| split | images |", "|---|---|", *table]
        return "\n".join(lines)
    title = "## Tags and splits" if summary.tags is not None else "## Classes and splits"
    if summary.tags is not None:
        plan += "\n\nAn image with several tags is counted for each of them."
    lines = [title, "", plan, "", *count_table(summary)]
    published = dataset_of_classes(summary.classes)
    if published is not None and (interchanged := published.interchanged_names()):
        labels = " and ".join(map(str, interchanged))
        lines += ["", _NAMES.format(title=published.title, labels=labels)]
    return "\n".join(lines)


def _plan(summary: DatasetSummary) -> str:
    """Name the split, and say why it is not the one of the recipe, if that is so."""
    plan, record = summary.split_plan, summary.provenance.split
    text = f"Split: {code(plan)}."
    if plan == "published":
        text = "Split: `published` (each image is in the batch in which it was published)."
    if plan == "catalogue-order":
        text = (
            "Split: `catalogue-order` (the batches, in the order of the catalogue; the last one is "
            "the test set)."
        )
    if record is not None and record.change and record.plan == plan:
        asked = summary.provenance.recipe.split.plan
        text += f" The recipe asks for {code(asked)}; {escape(record.change)}."
    return text


def _origin(summary: DatasetSummary) -> str:
    """Name the column, the list or the dataset from which the splits are."""
    kind, _, name = summary.split_plan.partition(":")
    if kind not in ("column", "file", "like") or not name:
        return ""
    name = escape(SplitPlan.parse(summary.split_plan).argument)
    digest = f"SHA-256 `{summary.split_sha256}`"
    if kind == "column":
        return f"The split of each source is its value in the column {name}."
    if kind == "file":
        return f"The split of each source is that in the list {name} ({digest})."
    return (
        f"Each source of the dataset {name} has the split that it has there ({digest} of its "
        "splits); any other source was dealt out so that each class keeps its shares."
    )


def _left_out(summary: DatasetSummary) -> str:
    """State how many images are in no split."""
    if not summary.left_out:
        return ""
    count = counted(summary.left_out, "image is", "images are")
    name = DatasetFolder(summary.folder).splits.name
    return f"{count} in no split, and `{name}` gives the reason for each."


def _split_warnings(summary: DatasetSummary) -> list[str]:
    """Say which classes a split does not have, and that splits share pixels."""
    warnings = missing_classes(summary.split, is_labelled=summary.is_labelled)
    if summary.pairs_across:
        warnings.append(SHARED_PIXELS)
    return list(map(escape, warnings))


def _citation(summary: DatasetSummary) -> str:
    """Say how to cite the dataset, and what it is made from."""
    stated = summary.provenance.metadata
    lines = [dataset_citation(summary.provenance), *stated.citation]
    return "\n".join(["## Cite", "", *(f"- {escape(line)}" for line in lines)])


def _overlaps(summary: DatasetSummary) -> str:
    """State how many pairs of stamps share pixels, as far as this is known."""
    pairs, images = summary.pairs, len(summary.manifest)
    if pairs is None:
        across = summary.pairs_across
        if across is None:
            return "Overlapping stamps were not counted."
        overlap = "pair of stamps overlaps" if across == 1 else "pairs of stamps overlap"
        return f"{across:,} {overlap} on the sky across splits; others were not counted."
    if images and not pairs.checked:
        return (
            "Whether stamps overlap is not known: no image has both a position and a pixel scale."
        )
    among = "" if pairs.checked == images else f" Only {pairs.checked:,} images could be compared."
    overlap = "pair of stamps overlaps" if pairs.total == 1 else "pairs of stamps overlap"
    return (
        f"{pairs.total:,} {overlap} on the sky; in {pairs.apart:,} of these pairs the stamps are "
        f"in different splits.{among}"
    )
