"""The datasheet of the dataset card, answered from the recipe and the manifest.

The sections are those of Gebru et al. 2021 ("Datasheets for Datasets", CACM 64, 86). Every sentence
states what was counted, or what the recipe states; `tests/publish/test_card_sentences.py` checks
each of them against the tables.
"""

from __future__ import annotations

import re

import pyarrow.compute as pc

from mingolotss.dataset.grid_census import (
    describe_common_beam,
    describe_orientation,
    describe_resampling,
    describe_sizes,
)
from mingolotss.io.arrow_values import fill_null, scalar
from mingolotss.publish.channel_facts import describe_channel_services, describe_steps
from mingolotss.publish.image_facts import (
    describe_beams,
    describe_headers,
    describe_noise,
    describe_scaling,
    describe_surveys,
)
from mingolotss.publish.label_facts import describe_origins
from mingolotss.publish.licence import read_licence
from mingolotss.publish.markdown import escape
from mingolotss.publish.mask_facts import describe_components
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.wording import counted, listed, plural
from mingolotss.recipe.metadata import DOI_ADDRESS

__all__ = ["render_datasheet"]

_RARE = 50  # images: a class with fewer is listed
_MAINTENANCE = (
    "Build the dataset again from `recipe.toml`. `mingolotss compare` lists the differences "
    "between two datasets, and `mingolotss verify` checks every file and image against the "
    "manifest."
)


def render_datasheet(summary: DatasetSummary, format_name: str = "build") -> str:
    """Return the datasheet, in its seven sections.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.
    """
    return "\n\n".join(
        f"### {title}\n\n{' '.join(filter(None, sentences))}"
        for title, sentences in (
            ("Motivation", _motivation(summary)),
            ("Composition", _composition(summary)),
            ("Collection", _collection(summary)),
            ("Preprocessing", _preprocessing(summary, format_name)),
            ("Uses", _uses(summary, format_name)),
            ("Distribution", _distribution(summary)),
            ("Maintenance", [_MAINTENANCE]),
        )
    )


def _motivation(summary: DatasetSummary) -> list[str]:
    provenance, version = summary.provenance, summary.program_version
    aim = "for machine learning on images of radio sources"
    if summary.is_labelled:
        aim = "to train and test classifiers of images of radio sources"
    if provenance.simulated:
        aim = "for tests and for teaching"
    program = f"mingolotss {version}" if version else "mingolotss"
    made = (
        f"It was made by the program {program} with the recipe `{provenance.recipe.name}`: anyone "
        "who has the catalogue and the images can make it again."
    )
    return [f"The dataset was made {aim}.", made]


def _composition(summary: DatasetSummary) -> list[str]:
    provenance, counts = summary.provenance, summary.counts()
    rows = counted(provenance.rows, "row")
    name = f"catalogue {escape(provenance.catalogue)}" if provenance.catalogue else "catalogue"
    catalogue = f"The {name} has {rows}, one for each source."
    if provenance.left_out:
        catalogue = f"Of the {name} {rows} were used, one for each source."
    elif provenance.limit:
        catalogue = f"Of the {name} the first {rows} were used, one for each source."
    incomplete = counts.get("incomplete")
    looked_at = (
        f"Number of sources that are larger than their image: {counts['exceeds_stamp']}; of images "
        f"without a pixel that is finite and not 0: {counts['blank']}; of images that were moved "
        f"to put the source in the centre: {counts['recentred']}; "
        + (f"of images with large areas without data: {incomplete}; " if incomplete else "")
        + "of sources for which nobody has chosen between fields yet: "
        f"{counts['undecided']}."
    )
    return [
        catalogue,
        escape(provenance.left_out_rows),
        _omitted(summary),
        looked_at,
        "Neighbouring sources can share pixels; see the splits above.",
        _people(summary),
    ]


def _omitted(summary: DatasetSummary) -> str:
    """Say how many sources have no image."""
    missing = summary.provenance.rows - len(summary.manifest)
    if not missing:
        return "Every source has an image."
    have = counted(missing, "source has", "sources have")
    if summary.is_export:
        return f"{have} no image here: they were rejected by the build or left out of the export."
    return f"{have} no image, and `manifest.parquet` of the build gives the reason for each."


def _people(summary: DatasetSummary) -> str:
    """Say what the dataset tells about people: the names of those who decided, if any did."""
    if summary.known("decided_by"):
        return (
            "The dataset contains nothing about people, except the names of those who decided by "
            "hand, in the column `decided_by` of the manifest."
        )
    return "The dataset contains nothing about people."


def _collection(summary: DatasetSummary) -> list[str]:
    provenance = summary.provenance
    date = f"The build began on {provenance.date} (UTC)." if provenance.date else ""
    sha256 = provenance.catalogue_sha256
    checksum = f"The SHA-256 of the catalogue is `{sha256}`." if sha256 else ""
    return [
        f"The images come from {_service(summary)}{describe_origins(summary)}",
        describe_channel_services(summary),
        describe_headers(summary) if len(summary.manifest) else "",
        describe_beams(summary) if len(summary.manifest) else "",
        describe_surveys(summary),
        _choice(summary),
        date,
        checksum,
        describe_components(summary),
    ]


def _service(summary: DatasetSummary) -> str:
    """Name the service of the images, and the one of the recipe if that is another."""
    provenance = summary.provenance
    used = provenance.service.partition(":")[0]
    text = f"the service `{used}`"
    if not re.fullmatch(r"[\w.+-]+", used):  # a folder, or an object that a program has passed
        text = "a folder" if "/" in used else "a service of the program that called mingolotss"
    if provenance.replaced_service is None:
        return text
    return f"{text} (the recipe names `{provenance.replaced_service[0]}`)"


def _choice(summary: DatasetSummary) -> str:
    """Say for how many sources one of several images was chosen, and by whom."""
    several = pc.sum(pc.greater(fill_null(summary.manifest["case"], 0), scalar(0))).as_py() or 0
    decided = summary.known("decided_by")
    if not several:
        text = "No source had several usable images."
    else:
        text = (
            f"{counted(several, 'source')} had several usable images; one was chosen by the "
            "separation from the centre of the image and by missing pixels, and the column `case` "
            "of the manifest gives the rule."
        )
    return f"{text} A person decided about {counted(decided, 'source')}." if decided else text


def _preprocessing(summary: DatasetSummary, format_name: str) -> list[str]:
    written, recipe = summary.manifest, summary.provenance.recipe
    applied = [describe_steps(summary), describe_scaling(summary)]
    if format_name == "fits":
        applied = [describe_steps(summary, "of the recipe, not applied to the FITS files")]
    return [
        *describe_common_beam(written, recipe.beam),
        *describe_resampling(written),
        *describe_sizes(written, recipe.stamp),
        *describe_orientation(written, recipe.stamp),
        describe_noise(summary),
        *applied,
        "`recipe.toml` contains every setting.",
    ]


def _uses(summary: DatasetSummary, format_name: str) -> list[str]:
    uses = ["representation learning", "clustering", "teaching"]
    if summary.is_labelled:
        several = " with several labels" if summary.tags is not None else ""
        uses = [f"classification{several}", "representation learning", "teaching"]
    if summary.provenance.simulated:
        uses = ["tests of programs", "teaching"]
    grey = ""
    if summary.provenance.recipe.stamp.kind == "uint8" and format_name != "fits":
        grey = "The grey values are not suitable for photometry."
    return [f"It can serve {listed(uses)}.", *_balance(summary), grey]


def _balance(summary: DatasetSummary) -> list[str]:
    """Say that classes differ in size, and which are small."""
    if not summary.is_labelled:
        return []
    totals = summary.class_totals
    sentences = []
    several = "Tags" if summary.tags is not None else "Classes"
    if len(set(totals)) > 1 and summary.tags is not None:
        sentences.append(
            "The tags differ in frequency: report the average precision of each tag and "
            "macro-averaged scores, not the share of correct tags alone."
        )
    elif len(set(totals)) > 1:
        sentences.append(
            "The classes differ in size: report macro-averaged scores and a confusion matrix, not "
            "accuracy alone."
        )
    pairs = list(zip(map(escape, summary.classes), totals, strict=True))
    rare = [f"{name} ({total})" for name, total in pairs if 0 < total < _RARE]
    empty = [name for name, total in pairs if not total]
    if rare:
        sentences.append(f"{several} with fewer than {_RARE} images: {', '.join(rare)}.")
    if empty:
        sentences.append(f"{several} without an image: {', '.join(empty)}.")
    return sentences


def _distribution(summary: DatasetSummary) -> list[str]:
    stated = summary.provenance.metadata
    licence = read_licence(stated.licence)
    if not licence.is_known:
        terms = "The licence is not known; see `LICENSE`."
    elif licence.url and licence.spdx:
        terms = f"Licence: [{licence.spdx}]({licence.url}); see `LICENSE`."
    else:
        end = "" if licence.text.endswith(".") else "."
        terms = f"Licence: {escape(licence.text)}{end} See `LICENSE`."
    authors = "; ".join(escape(author.name_in_order) for author in stated.authors)
    funding = "; ".join(map(escape, stated.funding))
    who = plural(len(stated.authors), "Author", "Authors")
    return [
        terms,
        f"{who}: {authors}." if authors else "",
        f"Version: {stated.version}." if stated.version else "",
        f"DOI: [{stated.doi}]({DOI_ADDRESS}{stated.doi})." if stated.doi else "",
        f"Web page: <{stated.url}>." if stated.url else "",
        f"Released on {stated.date}." if stated.date else "",
        f"Funding: {funding}." if funding else "",
    ]
