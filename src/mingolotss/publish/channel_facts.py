"""Sentences of the dataset card about channels: what each is, and where its images come from."""

from __future__ import annotations

from mingolotss.dataset.channel_words import (
    are_convolved,
    beam_words,
    brightness_words,
    frequency_words,
    plane_rule,
    steps_of_channels,
    value_words,
)
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.publish.markdown import code, escape
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.wording import counted, listed
from mingolotss.recipe.model import Recipe

__all__ = ["channel_recipes", "describe_channel_services", "describe_channels", "describe_steps"]


def channel_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipe of each channel alone; of a recipe without channels, itself under ""."""
    if not recipe.channels:
        return {"": recipe}
    return {channel.name: recipe.of_channel(channel) for channel in recipe.channels}


def describe_channels(summary: DatasetSummary) -> str:
    """Return the section about the channels; "" for a dataset without channels."""
    recipe = summary.provenance.recipe
    shape = StampShape.of_recipe(recipe)
    if not shape.channels:
        return ""
    names = listed([code(name) for name in shape.channels])
    text = f"Each image has {counted(len(shape.channels), 'channel')}, in this order: {names}."
    if len(shape.channels) > 1:
        text += f" All have the grid of {code(_reference(recipe))}, the reference."
    text += f" As an array it has the shape {shape.axes}: channels, rows, columns."
    if shape.is_png and len(shape.channels) == 3:
        red, green, blue = map(code, shape.channels)
        text += f" In a PNG image {red} is red, {green} is green and {blue} is blue."
    parts = ["## Channels", text]
    if summary.channels and len(summary.manifest):
        parts += [_table(summary), _notes(summary)]
    return "\n\n".join(parts)


def _table(summary: DatasetSummary) -> str:
    """Return the table of channels: a row for each."""
    recipe = summary.provenance.recipe
    is_convolved = are_convolved(summary.channels)
    head = ["channel", "survey", "frequency", "beam of the images"]
    head += ["beam of the plane"] if is_convolved else []
    head += ["native", "resampled", "missing", "without an image", "noise (median)",
             "peak (median)"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for count in summary.channels:
        row = [
            code(count.name), escape(value_words(count.surveys)),
            frequency_words(count.frequencies_mhz), beam_words(count.beams),
        ]  # fmt: skip
        row += [beam_words(count.stamp_beams)] if is_convolved else []
        row += [f"{count.native:,}", f"{count.resampled:,}", f"{count.missing:,}"]
        row += [
            plane_rule(recipe, count.name), escape(brightness_words(count.noise_jy, count.units)),
            escape(brightness_words(count.peak_jy, count.units)),
        ]  # fmt: skip
        lines.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _notes(summary: DatasetSummary) -> str:
    """Say what the columns of the table mean, and how to find what is missing."""
    table = DatasetFolder(summary.folder).channels.name
    text = (
        "A native plane consists of whole pixels of its image; a resampled one was computed from "
        "them, and its noise is that of the resampled pixels. Beams are FWHM. "
    )
    if summary.without_channel:
        has = counted(summary.without_channel, "image has", "images have")
        text += f"{has} a channel without data, which `missing_channels` in the manifest names. "
    return f"{text}`{table}` has a row for each image and channel."


def describe_channel_services(summary: DatasetSummary) -> str:
    """Say from which services the images of the further channels come."""
    recipe, services = summary.provenance.recipe, summary.provenance.services
    if not services:
        return ""
    reference = code(_reference(recipe))
    others = " ".join(
        f"The images of {code(name)} come from {_service_words(one)}."
        for name, one in services.items()
    )
    return (
        f"That is the service of {reference}. {others} What is said of images and their noise in "
        f"this datasheet holds for {reference}; the table of channels describes the others."
    )


def describe_steps(summary: DatasetSummary, remark: str = "in order") -> str:
    """List the steps, once for channels with the same.

    Parameters
    ----------
    summary : DatasetSummary
    remark : str
        What is said of them.
    """
    groups = steps_of_channels(summary.provenance.recipe)
    if len(groups) == 1:
        joint = ", " if remark == "in order" else " "
        return f"Steps{joint}{remark}: {escape(groups[0][1])}."
    return " ".join(
        f"Steps of {listed([code(name) for name in names])}, {remark}: {escape(text)}."
        for names, text in groups
    )


def _reference(recipe: Recipe) -> str:
    reference = recipe.reference_channel
    return "" if reference is None else reference.name


def _service_words(address: str) -> str:
    """Name a service, without what follows its name."""
    name = address.partition(":")[0]
    return "a folder" if "/" in name else f"the service {code(name)}"
