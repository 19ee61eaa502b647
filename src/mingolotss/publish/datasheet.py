"""The datasheet of the dataset card, answered from the recipe and the manifest.

The sections are those of Gebru et al. 2021 ("Datasheets for Datasets", CACM 64, 86).
"""

from __future__ import annotations

from mingolotss.dataset.image_census import describe_beams, describe_noise
from mingolotss.publish.markdown import escape
from mingolotss.publish.summary import NO_LICENCE, DatasetSummary

__all__ = ["render_datasheet"]

_RARE = 50  # images: a class with fewer is listed
_MAINTENANCE = (
    "Build the dataset again from `recipe.toml`. `mingolotss compare` lists the differences "
    "between two datasets, and `mingolotss verify` checks every file and image against the "
    "manifest."
)


def render_datasheet(summary: DatasetSummary) -> str:
    """Return the datasheet, in its seven sections."""
    return "\n\n".join(
        f"### {title}\n\n{answer}"
        for title, answer in (
            ("Motivation", _motivation(summary)),
            ("Composition", _composition(summary)),
            ("Collection", _collection(summary)),
            ("Preprocessing", _preprocessing(summary)),
            ("Uses", _uses(summary)),
            ("Distribution", summary.provenance.recipe.licence or NO_LICENCE),
            ("Maintenance", _MAINTENANCE),
        )
    )


def _motivation(summary: DatasetSummary) -> str:
    aim = (
        "to train and test classifiers of radio-galaxy morphology"
        if summary.is_labelled
        else "for machine learning on images of radio sources"
    )
    return (
        f"The dataset was made {aim}, with a program that anyone can run again: "
        f"`{summary.provenance.recipe.name}` is a recipe of mingolotss."
    )


def _composition(summary: DatasetSummary) -> str:
    provenance, counts = summary.provenance, summary.counts()
    missing = provenance.rows - len(summary.manifest)
    have = "source has" if missing == 1 else "sources have"
    omitted = "Every source has an image."
    if missing and summary.is_export:
        omitted = (
            f"{missing:,} {have} no image here: they were rejected by the build or left out of the "
            "export."
        )
    elif missing:
        omitted = (
            f"{missing:,} {have} no image, and `manifest.parquet` of the build gives the reason "
            "for each."
        )
    return (
        f"The catalogue {escape(provenance.catalogue)} has {provenance.rows:,} rows, one for each "
        f"source. {omitted} Number of sources that are larger than their image: "
        f"{counts['exceeds_stamp']}; of images without a pixel that is finite and not 0: "
        f"{counts['blank']}; of images that were moved to put the source in the centre: "
        f"{counts['recentred']}; of sources for which nobody has chosen between fields yet: "
        f"{counts['undecided']}. Neighbouring sources can share pixels; see the splits above. The "
        "dataset contains nothing about people."
    )


def _collection(summary: DatasetSummary) -> str:
    service = summary.provenance.service.partition(":")[0]
    labels = (
        ", the labels from the catalogue, whose authors classified the sources"
        if summary.is_labelled
        else "; there are no labels"
    )
    return (
        f"The images come from the service `{service}`{labels}. Where several fields cover "
        "a source, one was chosen by the separation from the centre of the image and by missing "
        "pixels; the column `case` of the manifest gives the rule. The SHA-256 of the catalogue is "
        f"`{summary.provenance.catalogue_sha256}`."
    )


def _preprocessing(summary: DatasetSummary) -> str:
    recipe = summary.provenance.recipe
    steps = ", ".join(
        step.do + "".join(f" {key}={value}" for key, value in step.settings.items())
        for step in recipe.steps
    )
    noise = f"Noise: {describe_noise(summary.noise_counts())}."
    images = " ".join(text for text in (noise, describe_beams(summary.beam_counts())) if text)
    return (
        f"{images} Steps, in order: {steps or 'none'}. Each image is scaled by itself, so the "
        "brightness of different images cannot be compared; `peak_jy` and `noise_jy` in the "
        "manifest are in Jy/beam. `recipe.toml` contains every setting."
    )


def _uses(summary: DatasetSummary) -> str:
    if not summary.is_labelled:
        return (
            "Representation learning, clustering and teaching. The images are not suitable for "
            "photometry."
        )
    totals = [sum(counts) for _, counts in summary.class_counts()[: len(summary.classes)]]
    unequal = (
        " The classes differ in size: report macro-averaged scores and a confusion matrix, not "
        "accuracy alone."
        if len(set(totals)) > 1
        else ""
    )
    rare = [
        escape(name)
        for name, total in zip(summary.classes, totals, strict=True)
        if 0 < total < _RARE
    ]
    few = f" Classes with fewer than {_RARE} images: {', '.join(rare)}." if rare else ""
    return (
        f"Classification, representation learning and teaching.{unequal}{few} The images are not "
        "suitable for photometry."
    )
