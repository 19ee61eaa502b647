"""The datasheet of the dataset card, answered from the recipe and the manifest.

The sections are those of Gebru et al. 2021 ("Datasheets for Datasets", CACM 64, 86).
"""

from __future__ import annotations

from mingolotss.publish.summary import NO_LICENCE, DatasetSummary

__all__ = ["render_datasheet"]

_RARE = 50  # images: a class with fewer is listed
_MAINTENANCE = (
    "Build it again from `recipe.toml`; `mingolotss compare` shows what differs, "
    "`mingolotss verify` checks every file, image and label here against the manifest."
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
        "Made to train and test classifiers of radio-galaxy morphology, by a program that anyone "
        f"can run again: `{summary.provenance.recipe.name}` is a recipe of mingolotss."
    )


def _composition(summary: DatasetSummary) -> str:
    omitted = "none was left out" if not summary.rejected else f"{summary.rejected:,} are not here"
    provenance, count = summary.provenance, summary.count
    return (
        f"One image for each source of the catalogue {provenance.catalogue} "
        f"({provenance.rows:,} rows); {omitted}, and `manifest.parquet` of the build says why for "
        f"each. {count('exceeds_stamp')} sources are larger than their image, "
        f"{count('blank')} images are blank after clipping, {count('recentred')} were "
        f"moved to put the source in the middle, and {count('undecided')} await a person's "
        "choice between fields. Neighbouring sources can share pixels: see the splits above. "
        "There is nothing about people in it."
    )


def _collection(summary: DatasetSummary) -> str:
    service = summary.provenance.service.partition(":")[0]
    return (
        f"Images came from the service `{service}`; labels from "
        "the catalogue, whose authors classified the sources. Where several fields cover a source "
        "one was chosen by separation from the image's centre and by missing pixels; the column "
        "`case` of the manifest records by which rule. The catalogue's SHA-256 is "
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
        "by itself, so brightness does not compare between images; `peak_jy` and `noise_jy` in the "
        "manifest are in Jy/beam. `recipe.toml` has every setting."
    )


def _uses(summary: DatasetSummary) -> str:
    rare = [name for name, counts in summary.class_counts() if 0 < sum(counts) < _RARE]
    few = f" Classes with fewer than {_RARE} images: {', '.join(rare)}." if rare else ""
    return (
        "Classification, representation learning, teaching. Classes are uneven: report macro-"
        f"averaged scores and a confusion matrix, not accuracy alone.{few} Not for photometry."
    )
