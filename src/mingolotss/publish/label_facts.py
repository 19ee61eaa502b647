"""What the card says about labels: tags, votes, and labels that come from people.

Every sentence states what was counted; `tests/publish/test_card_sentences.py` checks each of them.
"""

from __future__ import annotations

import numpy as np

from mingolotss.dataset.label_census import TagCensus, VoteCensus
from mingolotss.dataset.label_columns import JOINED_BY
from mingolotss.dataset.label_origins import LabelOrigins
from mingolotss.dataset.label_words import tags_text
from mingolotss.publish.markdown import escape
from mingolotss.publish.summary import DatasetSummary
from mingolotss.publish.wording import counted, listed, plural

__all__ = ["count_table", "describe_labels", "describe_origins", "origin_sentences"]

_COMBINATIONS = 10  # of tags, the most frequent ones
_LOAD = {
    "tags": (
        'mingolotss.load("FOLDER", target="multi-hot").targets  # {classes} times 0 or 1 an image',
        'mingolotss.MingoLoTSS("FOLDER", target="multi-hot")  # PyTorch: an image and such a row',
    ),
    "votes": (
        'mingolotss.load("FOLDER", target="soft").targets  # {classes} fractions for an image',
        'mingolotss.MingoLoTSS("FOLDER", target="soft")  # PyTorch: an image and such a row',
        'mingolotss.load("FOLDER", target="index").targets  # int64: the single class, -1 for none',
    ),
}


def describe_labels(summary: DatasetSummary, format_name: str = "build") -> str:
    """Return the section about the labels; "" for single classes, which need none.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.
    """
    if summary.tags is not None:
        body = _tags(summary.tags)
    elif summary.votes is not None:
        body = _votes(summary.votes, summary.provenance.recipe.classes.least_fraction)
    else:
        return ""
    examples = [line.format(classes=len(summary.classes)) for line in _LOAD[summary.label_kind]]
    code = "\n".join(["```python", *examples, "```"]) if format_name != "fits" else ""
    return "\n\n".join(["## Labels", *filter(None, [body[0], code, *body[1:]])])


def _tags(census: TagCensus) -> list[str]:
    """Describe the columns of tags, and their number and combinations."""
    columns = (
        f"Each image has any number of {counted(len(census.classes), 'tag')}. The column `tags` of "
        "the manifest has the numbers of its tags, none for an image without any, and `class` has "
        f"their names, joined by `{JOINED_BY.strip()}`; `label` is null."
    )
    if census.unlabelled:
        have = plural(census.unlabelled, "is", "are")
        columns += (
            f" The tags of {counted(census.unlabelled, 'image')} {have} not known: `tags` is null, "
            "and the targets are -1."
        )
    if not census.labelled:
        return [columns]
    numbers = ", ".join(f"{count:,} with {n}" for n, count in enumerate(census.numbers.tolist()))
    sets = counted(len(census.combinations), "combination occurs", "combinations occur")
    text = (
        f"The mean number of tags is {census.mean_number:.2f}. Images by the number of their tags: "
        f"{numbers}. {sets}"
    )
    shown = census.combinations[:_COMBINATIONS]
    text += ":" if len(shown) == len(census.combinations) else f"; the {len(shown)} most frequent:"
    lines = ["| tags | images |", "|---|---|"]
    lines += [f"| {escape(tags_text(tags, census.classes))} | {n:,} |" for tags, n in shown]
    return [columns, text, "\n".join(lines)]


def _votes(census: VoteCensus, least: float) -> list[str]:
    """Describe the columns of votes, how many there are, and who has no single class."""
    classes = counted(len(census.classes), "class", "classes")
    limit = f", and where that fraction is less than {least:g}" if least else ""
    columns = (
        f"Each image has a fraction of the votes for each of {classes}: "
        "the column `votes` of the manifest, in the order of the labels. `votes_total` has the "
        "number of votes. `label` and `class` are the class with the most votes, and null where "
        f"several classes have the most{limit}."
    )
    reasons = [
        (census.tied, "several classes have the most votes"),
        (census.below, f"the largest fraction is less than {least:g}"),
        (census.unlabelled, "there are no votes, `votes` is null and the targets are NaN"),
    ]
    parts = [f"{count:,} because {reason}" for count, reason in reasons if count]
    none = census.without_class
    sentences = [
        f"{counted(none, 'image has', 'images have')} no single class: {listed(parts)}."
        if none
        else "Every image has a single class."
    ]
    if census.labelled:
        sentences.append(_numbers_of_votes(census))
        means = [
            f"{escape(name)} {mean:.3f}"
            for name, mean in zip(census.classes, census.means.tolist(), strict=True)
        ]
        sentences.append(f"Mean fractions: {', '.join(means)}.")
    return [columns, " ".join(sentences)]


def _numbers_of_votes(census: VoteCensus) -> str:
    known = len(census.numbers)
    if not known:
        return "The number of votes is not known."
    low, middle, high = np.percentile(census.numbers, [0, 50, 100]).tolist()
    text = f"The number of votes is {low:,.0f} to {high:,.0f}, the median is {middle:,.0f}"
    if low == high:
        text = f"The number of votes is {low:,.0f}"
    if known < census.labelled:
        text += f"; it is known for {counted(known, 'image')}"
    return f"{text}."


def count_table(summary: DatasetSummary) -> list[str]:
    """Return the lines of a table of the images of each class or tag in each split."""
    kind = "tag" if summary.tags is not None else "class"
    splits = summary.planned_splits
    lines = [
        f"| label | {kind} | " + " | ".join(map(escape, splits)) + " |",
        "|---|---|" + "---|" * len(splits),
    ]
    for label, name, counts in summary.class_counts():
        number = "" if label is None else str(label)
        lines.append(f"| {number} | {escape(name)} | " + " | ".join(map(str, counts)) + " |")
    return lines


def describe_origins(summary: DatasetSummary) -> str:
    """Say where the labels come from, as the end of a sentence about the images."""
    if not summary.is_labelled:
        return "; there are no labels."
    origins = summary.label_origins
    if origins is None:
        return ". The labels come from the catalogue."
    return f". {origin_sentences(origins)}"


def origin_sentences(origins: LabelOrigins) -> str:
    """Say how many labels come from people, and by which rule."""
    text = f"The labels of {counted(origins.catalogue, 'image')} come from the catalogue"
    if origins.people:
        rules = listed([f"`{rule}`" for rule in origins.rules])
        text += f", and those of {origins.people:,} from people by the rule {rules}"
    text += "."
    if origins.people or origins.unresolved:
        fewest, most = origins.reviewers
        people = counted(most, "person", "people")
        number = people if fewest == most else f"{fewest:,} to {people}"
        text += f" {number} judged each of the images that people judged."
    if origins.unresolved:
        have = counted(origins.unresolved, "image has", "images have")
        text += f" {have} no label, because the judgements have no result by the rule."
    return f"{text} The column `label_from` of the manifest has the origin of each label."
