"""Samples with tags or votes describe themselves: tables, captions and plots name all labels."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_words import (
    label_table,
    label_texts,
    rarest_labels,
    votes_text,
)
from mingolotss.dataset.samples import Arrays

CLASSES = ("FRI", "FRII", "a + b", "x; y")
TAGS = LabelVectors.of_tags([
    [1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [-1, -1, -1, -1], [1, 0, 0, 1],
])  # fmt: skip
VOTES = LabelVectors.of_votes(
    [[0.7, 0.3, 0, 0], [0.4, 0.4, 0.1, 0.1], [0.3, 0.3, 0.35, 0.05], [np.nan] * 4],
    [10, 20, np.nan, np.nan],
)


def make_samples(vectors: LabelVectors) -> Arrays:
    """Return samples with a bright spot each."""
    images = np.zeros((len(vectors), 20, 20), np.uint8)
    images[:, 8:12, 8:12] = 255
    names = tuple(f"S{row}" for row in range(len(vectors)))
    labels = vectors.single_labels(0.4).astype(np.int64)
    splits = tuple(["train", "test"][row % 2] for row in range(len(vectors)))
    return Arrays(images, labels, CLASSES, names, names, splits, vectors=vectors)


def test_every_tag_is_named_and_a_source_without_any_is_not_unlabelled():
    labels = TAGS.single_labels()
    assert label_texts(labels, CLASSES, TAGS) == [
        "FRI", "FRI + FRII", "a + b + x; y", "no tag", "no label", "FRI + x; y",
    ]  # fmt: skip


def test_votes_are_named_with_the_largest_fractions():
    assert label_texts(VOTES.single_labels(), CLASSES, VOTES) == [
        "FRI 0.70, FRII 0.30", "FRI 0.40, FRII 0.40, a + b 0.10", "a + b 0.35, FRI 0.30, FRII 0.30",
        "no votes",
    ]  # fmt: skip
    assert votes_text([0.0, 0.0, 1.0, 0.0], CLASSES) == "a + b 1.00"


def test_a_sample_with_several_tags_is_in_several_groups():
    groups = {
        name: np.flatnonzero(members).tolist()
        for _, name, members in label_groups(TAGS.single_labels(), CLASSES, TAGS)
    }
    assert groups == {
        "FRI": [0, 1, 5], "FRII": [1], "a + b": [2], "x; y": [2, 5], "no tag": [3], "no label": [4],
    }  # fmt: skip


def test_every_sample_of_votes_is_in_one_group():
    labels = VOTES.single_labels(0.4)
    groups = label_groups(labels, CLASSES, VOTES)
    assert sum(members.astype(int) for _, _, members in groups).tolist() == [1, 1, 1, 1]
    assert [(name, int(members.sum())) for _, name, members in groups[-2:]] == [
        ("no single class", 2), ("no votes", 1),
    ]  # fmt: skip


def test_shares_are_those_of_the_labelled_samples():
    rows = label_table(TAGS.single_labels(), CLASSES, TAGS).rows
    assert rows == [
        (0, "FRI", 3, "60.0 %"), (1, "FRII", 1, "20.0 %"), (2, "a + b", 1, "20.0 %"),
        (3, "x; y", 2, "40.0 %"), (None, "no tag", 1, "20.0 %"), (None, "no label", 1, ""),
    ]  # fmt: skip
    means = [row[3] for row in label_table(VOTES.single_labels(), CLASSES, VOTES).rows]
    assert means[:4] == pytest.approx(np.nanmean(VOTES.values, axis=0))
    assert means[4:] == [None, None]


def test_samples_of_every_tag_are_chosen():
    """By the rarest tag of each: of two equally rare ones, the first."""
    assert rarest_labels(TAGS.single_labels(), TAGS).tolist() == [0, 1, 2, -1, -1, 3]
    assert {one.note for one in make_samples(TAGS).pictures()} == set(
        label_texts(TAGS.single_labels(), CLASSES, TAGS)
    )


@pytest.mark.parametrize(
    ("vectors", "texts"),
    [
        (TAGS,
         ["tags, 0 to 2 for each image, 1.40 on average; 5 combinations", "no tag", "60.0 %"]),
        (VOTES,
         ["votes; 3 images without a single class; 10 to 20 votes for each image, median 15",
          "mean fraction", "no votes"]),
    ],
    ids=["tags", "votes"],
)  # fmt: skip
def test_a_dataset_shows_and_describes_its_labels(vectors, texts):
    samples = make_samples(vectors)
    for text in texts:
        assert text in repr(samples)
        assert text in samples._repr_html_()
    table = samples.describe().table
    train = np.array([split == "train" for split in samples.splits])
    for row, (label, name, members) in zip(
        table.rows, label_groups(samples.labels, CLASSES, vectors), strict=True
    ):
        assert list(row[:5]) == [
            label, name, members.sum(), (members & train).sum(), (members & ~train).sum(),
        ]  # fmt: skip
    assert table.header[1] == ("tag" if vectors.kind == "tags" else "class")


@pytest.mark.parametrize("vectors", [TAGS, VOTES], ids=["tags", "votes"])
def test_a_plot_has_all_labels_above_the_stamps(vectors):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = make_samples(vectors).plot(range(len(vectors)))
    shown = [text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts]
    assert shown[1::2] == label_texts(vectors.single_labels(0.4), CLASSES, vectors)
    assert shown[::2] == [f"S{row}" for row in range(len(vectors))]
    pyplot.close(figure)


def test_many_tags_above_a_stamp_end_with_an_ellipsis():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    names = tuple(f"long name of a tag {number}" for number in range(12))
    vectors = LabelVectors.of_tags(np.ones((1, 12)))
    samples = Arrays(
        np.full((1, 8, 8), 9, np.uint8), np.array([-1]), names, ("S",), vectors=vectors
    )
    figure = samples.plot()
    [_, text] = [text.get_text() for text in figure.axes[0].texts]
    assert len(text.split("\n")) == 3
    assert max(map(len, text.split("\n"))) <= 25
    assert text.endswith("…")
    pyplot.close(figure)
