"""The labels of samples as text and tables: one class, several tags, or votes.

>>> tags = LabelVectors.of_tags([[1, 1], [0, 1], [0, 0], [-1, -1]])
>>> labels = tags.single_labels()
>>> label_texts(labels, ("FRI", "bent"), tags)
['FRI + bent', 'bent', 'no tag', 'no label']
>>> print(*label_table(labels, ("FRI", "bent"), tags).rows, sep="; ")
(0, 'FRI', 1, '33.3 %'); (1, 'bent', 2, '66.7 %'); (None, 'no tag', 1, '33.3 %'); (None, 'no label', 1, '')
>>> label_facts(labels, ("FRI", "bent"), tags)
{'labels': 'tags, 0 to 2 for each image, 1.00 on average; 3 combinations'}
"""  # noqa: E501 - the result is one line

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_census import TagCensus, VoteCensus, count_tags, count_votes
from mingolotss.io.summaries import Table, count_text
from mingolotss.model import Ints

__all__ = [
    "class_name",
    "label_facts",
    "label_table",
    "label_texts",
    "rarest_labels",
    "tags_text",
    "votes_text",
]

_MAX_FRACTIONS = 3  # of the votes of a source that its caption names


def tags_text(tags: Sequence[int] | None, classes: Sequence[str]) -> str:
    """Return the names of the tags of a source; None is an unlabelled one."""
    if tags is None:
        return "no label"
    return " + ".join(classes[label] for label in tags) or "no tag"


def votes_text(votes: Sequence[float] | None, classes: Sequence[str]) -> str:
    """Return the classes with most of the votes for a source; None is a source without votes.

    Where all people say that it is none of the classes, all fractions are 0.

    >>> votes_text([0.5, 0.25, 0.2, 0.05], ("FRI", "FRII", "bent", "ring"))
    'FRI 0.50, FRII 0.25, bent 0.20'
    """
    if votes is None:
        return "no votes"
    order = sorted(range(len(votes)), key=lambda label: -votes[label])
    shown = [label for label in order[:_MAX_FRACTIONS] if votes[label] > 0]
    return ", ".join(f"{classes[label]} {votes[label]:.2f}" for label in shown) or "no class"


def class_name(label: int, classes: Sequence[str]) -> str:
    """Return the name of a label; "" for one without a name."""
    return classes[label] if 0 <= label < len(classes) else ""


def label_texts(
    labels: Ints, classes: Sequence[str], vectors: LabelVectors | None = None
) -> list[str]:
    """Return the labels of each sample in words; "" for a sample of no class.

    Parameters
    ----------
    labels : int array, shape (n,)
    classes : sequence of str
    vectors : LabelVectors, optional
        The tags or votes of the samples.
    """
    if vectors is None:
        return [class_name(label, classes) for label in labels.tolist()]
    is_labelled = vectors.is_labelled.tolist()
    if vectors.kind == "tags":
        rows = [np.flatnonzero(row > 0).tolist() for row in vectors.values]
        known = zip(rows, is_labelled, strict=True)
        return [tags_text(tags if has_some else None, classes) for tags, has_some in known]
    pairs = zip(vectors.values.tolist(), is_labelled, strict=True)
    return [votes_text(votes if has_some else None, classes) for votes, has_some in pairs]


def label_table(
    labels: Ints, classes: Sequence[str], vectors: LabelVectors | None = None
) -> Table | None:
    """Return the number of images of each class; None for a dataset without classes.

    Of tags also the share of the labelled images, and of votes the mean fraction.
    """
    if not classes:
        return None
    groups = label_groups(labels, classes, vectors)
    if vectors is None:
        counted = [(label, name, int(members.sum())) for label, name, members in groups]
        return Table(("label", "class", "images"), counted)
    is_labelled = vectors.is_labelled
    total = max(int(is_labelled.sum()), 1)
    rows: list[tuple[object, ...]] = []
    if vectors.kind == "tags":
        for label, name, members in groups:
            count, is_unlabelled = int(members.sum()), bool((members & ~is_labelled).any())
            share = "" if is_unlabelled else f"{100 * count / total:.1f} %"
            rows.append((label, name, count, share))
        return Table(("label", "tag", "images", "share"), rows)
    means = vectors.counts() / total
    for label, name, members in groups:
        mean = None if label is None else float(means[label])
        rows.append((label, name, int(members.sum()), mean))
    return Table(("label", "class", "images", "mean fraction"), rows)


def label_facts(
    labels: Ints,
    classes: Sequence[str],
    vectors: LabelVectors | None = None,
    noun: str = "image",
) -> dict[str, str]:
    """Return the kind of the labels of images, or of sources, in words; none for single classes."""
    if vectors is None:
        return {}
    if vectors.kind == "tags":
        return {"labels": _describe_tags(count_tags(vectors, classes), noun)}
    return {"labels": _describe_votes(count_votes(vectors, labels, classes), noun)}


def _describe_tags(census: TagCensus, noun: str) -> str:
    if not census.labelled:
        return f"tags; no {noun} has a label"
    numbers = np.flatnonzero(census.numbers)
    return (
        f"tags, {numbers[0]} to {numbers[-1]} for each {noun}, {census.mean_number:.2f} on "
        f"average; {count_text(len(census.combinations), 'combination')}"
    )


def _describe_votes(census: VoteCensus, noun: str) -> str:
    text = f"votes; {count_text(census.without_class, noun)} without a single class"
    if not census.numbers.size:
        return text
    low, middle, high = np.percentile(census.numbers, [0, 50, 100]).tolist()
    if low == high:
        return f"{text}; {low:,.0f} votes for each {noun}"
    return f"{text}; {low:,.0f} to {high:,.0f} votes for each {noun}, median {middle:,.0f}"


def rarest_labels(labels: Ints, vectors: LabelVectors | None = None) -> Ints:
    """Return one class for each sample, so that samples of all classes can be chosen.

    Of several tags it is the one that the fewest samples have; -1 is none.
    """
    if vectors is None or vectors.kind != "tags":
        return labels
    has_tag = vectors.values > 0
    order = np.argsort(has_tag.sum(axis=0), kind="stable")
    chosen: Ints = np.full(len(labels), -1, np.int64)
    for label in order[::-1].tolist():  # the rarest last, so that it remains
        chosen[has_tag[:, label]] = label
    return chosen
