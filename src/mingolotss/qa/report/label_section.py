"""The values of the report about tags and votes: counts, shares, pairs and combinations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.label_census import TagCensus, VoteCensus
from mingolotss.dataset.label_origins import LABEL_FROM, count_origins
from mingolotss.dataset.label_words import tags_text, votes_text
from mingolotss.publish.label_facts import origin_sentences
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.label_figures import paired_tags

__all__ = ["describe_labels", "label_values", "origin_words"]

_MAX_COMBINATIONS = 15
_MAX_TAGS = 200  # rows of the table of tags


def origin_words(build: BuildView) -> str:
    """Return how many labels of stamps come from people; "" if the recipe uses no judgements."""
    if not build.recipe.judgements.are_used or LABEL_FROM.name not in build.manifest.column_names:
        return ""
    return origin_sentences(count_origins(build.texts(LABEL_FROM.name)[build.written].tolist()))


def label_values(build: BuildView) -> dict[str, object]:
    """Return what the template names of tags and votes; for single classes only their kind."""
    names = build.provenance.classes

    def labels_of(record: ManifestRow) -> str:
        return describe_labels(record, names, build.recipe.label_kind)

    if build.tags is not None:
        return {"kind": "tags", "tags": _tags(build.tags), "labels_of": labels_of}
    if build.votes is not None:
        return {"kind": "votes", "votes": _votes(build, build.votes), "labels_of": labels_of}
    return {"kind": "classes", "labels_of": labels_of}


def describe_labels(record: ManifestRow, names: Sequence[str], kind: LabelKind) -> str:
    """Return all tags of a source, or the classes with most of its votes, in words.

    >>> describe_labels({"tags": [0, 2]}, ("FRI", "FRII", "bent"), "tags")
    'FRI + bent'
    """
    if kind == "tags":
        return tags_text(record["tags"], names)
    if kind == "votes":
        return votes_text(record["votes"], names)
    return record["class"] or ""


def _tags(census: TagCensus) -> dict[str, object]:
    names, shares = census.classes, census.shares.tolist()
    alone = {labels[0]: count for labels, count in census.combinations if len(labels) == 1}
    rows = [
        {
            "label": label,
            "name": names[label],
            "count": int(census.counts[label]),
            "share": shares[label],
            "alone": alone.get(label, 0),
            "companion": _companion(census, label),
        }
        for label in range(min(len(names), _MAX_TAGS))
    ]
    paired = paired_tags(census) if census.labelled else np.zeros(0, np.int64)
    return {
        "total": len(names),
        "labelled": census.labelled,
        "unlabelled": census.unlabelled,
        "mean": census.mean_number,
        "without": int(census.numbers[0]) if census.labelled else 0,
        "several": int(census.numbers[2:].sum()),
        "rows": rows,
        "paired": [names[label] for label in paired.tolist()],
        "pairs": [
            {"name": names[label], "counts": _shaded(census, label, paired.tolist())}
            for label in paired.tolist()
        ],
        "combinations": [
            {"names": [names[label] for label in labels], "count": count}
            for labels, count in census.combinations[:_MAX_COMBINATIONS]
        ],
        "combinations_total": len(census.combinations),
    }


def _companion(census: TagCensus, label: int) -> dict[str, object] | None:
    """Return the tag that most sources with this one have beside it; None if none has another."""
    others = census.both[label].copy()
    others[label] = 0
    best = int(np.argmax(others))
    if not others[best]:
        return None
    return {"name": census.classes[best], "count": int(others[best])}


def _shaded(census: TagCensus, label: int, paired: Sequence[int]) -> list[tuple[int, int, bool]]:
    """Return the count of each pair with a tag, its share of this tag in percent, and if own."""
    total = max(int(census.counts[label]), 1)
    counts = census.both[label].tolist()
    return [(counts[one], round(100 * counts[one] / total), one == label) for one in paired]


def _votes(build: BuildView, census: VoteCensus) -> dict[str, object]:
    means = census.means.tolist()
    numbers = census.numbers
    limits = (numbers.min(), float(np.median(numbers)), numbers.max()) if numbers.size else None
    return {
        "total": len(census.classes),
        "sources": census.total,
        "labelled": census.labelled,
        "unlabelled": census.unlabelled,
        "without": census.without_class,
        "tied": census.tied,
        "below": census.below,
        "least": build.recipe.classes.least_fraction,
        "known": len(numbers),
        "limits": limits,
        "rows": [
            {"label": label, "name": name, "count": int(census.counts[label]), "mean": means[label]}
            for label, name in enumerate(census.classes[:_MAX_TAGS])
        ],
    }
