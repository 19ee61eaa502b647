"""Sentences about the images of a dataset: instrument, beam, noise and scaling, each counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from mingolotss.dataset import image_census as census
from mingolotss.publish.channel_facts import channel_recipes
from mingolotss.publish.markdown import code, escape
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.wording import counted, listed

__all__ = [
    "describe_beams",
    "describe_headers",
    "describe_noise",
    "describe_scaling",
    "describe_surveys",
]

_MOST_VALUES = 4  # of one fact of the headers in a sentence
_MEASURED = "rms-map"  # noise methods that begin with it use the map that comes with the image
_SCALINGS = {"minmax", "asinh", "zscale"}
_OF_IMAGES = ("frequency", "pixels", "beam (FWHM)", "unit", "typical noise", "without data")
_OTHER_STEPS = {"zero-nan", "clip", "bin", "mask"}


def describe_headers(summary: DatasetSummary) -> str:
    """Say what the headers say about telescope, survey, frequency and unit, and for how many."""
    facts = (
        ("telescope", "telescope", ""), ("survey", "survey", ""),
        ("frequency", "frequency_mhz", " MHz"), ("unit of the pixels", "unit", ""),
    )  # fmt: skip
    parts = [
        f"{name} {_values(summary, column, unit)}"
        for name, column, unit in facts
        if summary.known(column)
    ]
    missing = [name for name, column, _ in facts if not summary.known(column)]
    source = "the headers of the images"
    if summary.provenance.surveys:
        source += " and, where they are silent, by what is known about the survey"
    sentences = [f"By {source}: {'; '.join(parts)}."] if parts else []
    if missing:
        names = listed([f"the {name}" for name in missing], "or")
        sentences.append(f"The headers of the images do not give {names}.")
    return " ".join(sentences)


def _values(summary: DatasetSummary, column: str, unit: str) -> str:
    """Return the values of a column with their number of images, the most frequent first."""
    counts = summary.value_counts(column)
    known = [(value, number) for value, number in counts if value is not None]
    shown = [
        f"{escape(f'{value:.6g}' if isinstance(value, float) else str(value))}{unit} ({number:,})"
        for value, number in known[:_MOST_VALUES]
    ]
    if len(known) > _MOST_VALUES:
        shown.append(f"{len(known) - _MOST_VALUES:,} other values")
    unknown = sum(number for value, number in counts if value is None)
    if unknown:
        shown.append(f"not known ({unknown:,})")
    return ", ".join(shown)


def describe_surveys(summary: DatasetSummary) -> str:
    """Say what is known about the surveys of the images: pixels, beam, terms of use."""
    return " ".join(
        f"{escape(survey)}: {_statements(facts)}"
        for survey, facts in summary.provenance.surveys.items()
    )


def _statements(facts: Mapping[str, str]) -> str:
    """Return the statements about one survey as sentences."""
    images = "; ".join(f"{name} {escape(facts[name])}" for name in _OF_IMAGES if name in facts)
    note = escape(facts.get("note", ""))
    terms = facts.get("terms of use", "")
    source = f" (stated by {escape(facts['stated by'])})" if "stated by" in facts else ""
    cited = f" Cite {escape(facts['to cite'])}." if "to cite" in facts else ""
    text = f"{images}. Terms of use of its images: {escape(terms)}{source}.{cited}"
    return f"{text} {note}".rstrip()


def describe_beams(summary: DatasetSummary) -> str:
    """Say which beams the images have, and what a mixture of them means."""
    beams = summary.beam_counts()
    text = census.describe_beams(beams)
    is_mixed = sum(beam.major_arcsec is not None for beam in beams) > 1
    if is_mixed and not summary.provenance.recipe.beam.common:
        text += (
            " How sharp and how large a source looks can be compared only among images of one beam."
        )
    return text


def describe_noise(summary: DatasetSummary) -> str:
    """Say how the noise of the images came about: each method with its number of images."""
    counts = summary.noise_counts()
    estimated = sum(
        number for method, number in counts.items() if method and not method.startswith(_MEASURED)
    )
    text = f"Noise: {census.describe_noise(counts)}."
    if estimated:
        text += f" The noise of {counted(estimated, 'image')} was estimated from the image itself."
    return text


def describe_scaling(summary: DatasetSummary) -> str:
    """Say whether images are scaled, each by itself, and what the manifest has in Jy/beam."""
    recipes = channel_recipes(summary.provenance.recipe)
    steps = {name: {step.do for step in recipe.steps} for name, recipe in recipes.items()}
    scaled = [name for name, own in steps.items() if own & _SCALINGS]
    plain = [name for name, own in steps.items() if own <= _OTHER_STEPS]
    sentences = []
    if len(scaled) == len(steps):
        what, things = ("image", "images")
        if len(steps) > 1:
            what, things = ("channel of each image", "images and channels")
        sentences.append(
            f"Each {what} is scaled by itself, so the brightness of different {things} cannot be "
            "compared."
        )
    elif len(plain) == len(steps):
        sentences.append("The pixels are not scaled.")
    else:
        if scaled:
            sentences.append(
                f"Of each image, {_channels(scaled)} scaled by itself, so the brightness of "
                "different images cannot be compared there."
            )
        if plain:
            sentences.append(f"The pixels of {_names(plain)} are not scaled.")
    ranges = summary.known("scale_max")
    if ranges:
        sentences.append(
            f"For {counted(ranges, 'image')} `scale_min` and `scale_max` in the manifest give the "
            "brightness of the darkest and of the brightest value."
        )
    measured = summary.known("peak_jy")
    if measured:
        sentences.append(
            f"`peak_jy` and `noise_jy` in the manifest give the brightest pixel and the noise of "
            f"{counted(measured, 'image')} in Jy/beam{_assumed_unit(summary)}."
        )
    return " ".join(sentences)


def _names(channels: Sequence[str]) -> str:
    return listed([code(name) for name in channels])


def _channels(channels: Sequence[str]) -> str:
    """Return names of channels with their verb."""
    return f"{_names(channels)} {'is' if len(channels) == 1 else 'are each'}"


def _assumed_unit(summary: DatasetSummary) -> str:
    """Say for how many images the unit is an assumption."""
    assumed = pc.and_(pc.is_null(summary.manifest["unit"]), summary.is_known("peak_jy"))
    number = pc.sum(assumed).as_py() or 0
    return f"; {number:,} of them name no unit and are taken to be in it" if number else ""
