"""The datasheet of the dataset card, answered from the recipe and the manifest.

The sections are those of Gebru et al. 2021 ("Datasheets for Datasets", CACM 64, 86).
"""

from __future__ import annotations

from mingolotss.publish.markdown import escape
from mingolotss.publish.summary import NO_LICENCE, DatasetSummary

__all__ = ["render_datasheet"]

_RARE = 50  # images: a class with fewer is listed
_MAINTENANCE = (
    "Build the dataset again from `recipe.toml`. `mingolotss compare` lists the differences "
    "between two datasets, and `mingolotss verify` checks every file, image and label against the "
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
    return (
        "The dataset was made to train and test classifiers of radio-galaxy morphology, with a "
        f"program that anyone can run again: `{summary.provenance.recipe.name}` is a recipe of "
        "mingolotss."
    )


def _composition(summary: DatasetSummary) -> str:
    provenance, count = summary.provenance, summary.count
    omitted = "Every source has an image."
    if summary.rejected:
        have = "source has" if summary.rejected == 1 else "sources have"
        omitted = (
            f"{summary.rejected:,} {have} no image, and `manifest.parquet` of the build gives the "
            "reason for each."
        )
    return (
        f"The catalogue {escape(provenance.catalogue)} has {provenance.rows:,} rows, one for each "
        f"source. {omitted} Number of sources that are larger than their image: "
        f"{count('exceeds_stamp')}; of images that are blank after clipping: {count('blank')}; of "
        f"images that were moved to put the source in the centre: {count('recentred')}; of sources "
        f"for which nobody has chosen between fields yet: {count('undecided')}. Neighbouring "
        "sources can share pixels; see the splits above. The dataset contains nothing about people."
    )


def _collection(summary: DatasetSummary) -> str:
    service = summary.provenance.service.partition(":")[0]
    return (
        f"The images come from the service `{service}`, the labels from the catalogue, whose "
        "authors classified the sources. Where several fields cover a source, one was chosen by "
        "the separation from the centre of the image and by missing pixels; the column `case` of "
        "the manifest gives the rule. The SHA-256 of the catalogue is "
        f"`{summary.provenance.catalogue_sha256}`."
    )


def _preprocessing(summary: DatasetSummary) -> str:
    recipe = summary.provenance.recipe
    steps = ", ".join(
        step.do + "".join(f" {key}={value}" for key, value in step.settings.items())
        for step in recipe.steps
    )
    return (
        f"Noise: {recipe.noise.method}. Steps, in order: {steps or 'none'}. Each image is scaled "
        "by itself, so the brightness of different images cannot be compared; `peak_jy` and "
        "`noise_jy` in the manifest are in Jy/beam. `recipe.toml` contains every setting."
    )


def _uses(summary: DatasetSummary) -> str:
    rare = [name for name, counts in summary.class_counts() if 0 < sum(counts) < _RARE]
    few = (
        f" Classes with fewer than {_RARE} images: {', '.join(map(escape, rare))}." if rare else ""
    )
    return (
        "Classification, representation learning and teaching. The classes differ in size: report "
        "macro-averaged scores and a confusion matrix, not accuracy alone."
        f"{few} The images are not suitable for photometry."
    )
