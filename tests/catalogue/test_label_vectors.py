"""Tags and votes: from the columns of a catalogue to the vectors of a dataset."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mingolotss.catalogue.label_vectors import LabelVectors, join_vectors
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.model import parse_recipe

POSITIONS = [("A", 10.0, 1.0), ("B", 11.0, 2.0), ("C", 12.0, 3.0), ("D", 13.0, 4.0)]


def write_rows(path: Path, columns: dict[str, list[object]]) -> Path:
    """Write a catalogue of four sources with further columns."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Source_Name", "RA", "DEC", *columns])
        for position, values in zip(POSITIONS, zip(*columns.values(), strict=True), strict=True):
            writer.writerow([*position, *values])
    return path


def read(path: Path, **classes: object):
    """Read a catalogue by a recipe with these settings of its classes."""
    recipe = parse_recipe({"name": "mine", "classes": classes}, "mine.toml")
    return read_catalogue(path, recipe.catalogue.columns, recipe.rules)


TAGS = {"bent": [1, 1, 0, 0], "FR I": ["true", "true", "false", "F"], "x+y": [0, 1, 0, 0]}


def test_tags_are_read_as_they_stand(tmp_path):
    """Any set of columns; a source without any is labelled."""
    path = write_rows(tmp_path / "a.csv", TAGS)
    catalogue = read(path, **{"from": "tags"}, columns=list(TAGS))
    assert catalogue.classes == ("bent", "FR I", "x+y")
    assert catalogue.vectors.values.tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert catalogue.vectors.is_labelled.all()
    assert catalogue.labels.tolist() == [-1] * 4
    assert catalogue.counts() == [2, 2, 1]
    assert catalogue.take(np.array([1, 2])).vectors.values.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_merged_and_dropped_tags(tmp_path):
    """A merged tag is any of the old ones; the sources of a dropped tag stay."""
    path = write_rows(tmp_path / "a.csv", TAGS)
    catalogue = read(
        path, **{"from": "tags"}, columns=list(TAGS),
        merge={"odd": ["bent", "x+y"]}, drop=["FR I"],
    )  # fmt: skip
    assert catalogue.classes == ("odd",)
    assert catalogue.vectors.values.tolist() == [[1], [1], [0], [0]]


def test_tags_without_a_value(tmp_path):
    """A missing value is an error that names the row, or an unlabelled source."""
    path = write_rows(tmp_path / "a.csv", TAGS | {"bent": [1, "", 0, 0]})
    with pytest.raises(CatalogueError, match=r"'bent' has no value in row 2 \(B\).*unlabelled"):
        read(path, **{"from": "tags"}, columns=list(TAGS))
    catalogue = read(path, **{"from": "tags"}, columns=list(TAGS), missing="unlabelled")
    assert catalogue.vectors.values.tolist() == [[1, 1, 0], [-1] * 3, [-1] * 3, [-1] * 3]


VOTES = {"one": [6, 1, 0, 5], "two": [2, 1, 3, 5], "three": [0, 0, 1, 0]}


def test_votes_are_fractions_with_their_total(tmp_path):
    """Counts become fractions; the class with the most votes is the label, but for a tie."""
    path = write_rows(tmp_path / "a.csv", VOTES)
    catalogue = read(path, **{"from": "votes"}, columns=list(VOTES))
    counts = np.array(list(VOTES.values()), float).T
    np.testing.assert_array_equal(catalogue.vectors.values, counts / counts.sum(1)[:, None])
    assert catalogue.vectors.totals.tolist() == [8, 2, 4, 10]
    assert catalogue.labels.tolist() == [0, -1, 1, -1]
    limited = read(path, **{"from": "votes"}, columns=list(VOTES), least_fraction=0.76)
    assert limited.labels.tolist() == [-1] * 4
    merged = read(path, **{"from": "votes"}, columns=list(VOTES), merge={"other": ["two", "three"]})
    assert merged.vectors.values[2].tolist() == [0, 1]
    assert merged.labels.tolist() == [0, -1, 1, -1]


def test_fractions_are_kept_as_they_are(tmp_path):
    """Rounded fractions keep their values, and the number of votes is a column of its own."""
    columns = {"one": [0.333, 1, 0, 0.5], "two": [0.667, 0, 1, 0.495], "n": [30, 8, 4, 2]}
    path = write_rows(tmp_path / "a.csv", columns)
    classes = {"from": "votes", "columns": ["one", "two"], "votes": "fractions", "total": "n"}
    catalogue = read(path, **classes)
    assert catalogue.vectors.values.tolist() == [[0.333, 0.667], [1, 0], [0, 1], [0.5, 0.495]]
    assert catalogue.vectors.totals.tolist() == [30, 8, 4, 2]
    assert catalogue.labels.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("columns", "votes", "message"),
    [
        ({"one": [6, -1, 0, 5], "two": [1] * 4}, "counts", r"'one' holds -1 in row 2 \(B\)"),
        ({"one": [0] * 4, "two": [1, 0, 1, 1]}, "counts", r"row 2 \(B\) have no votes"),
        ({"one": [1, 2, 3, 4], "two": [1] * 4}, "fractions", r"holds 2 in row 2 .*'counts'"),
        ({"one": [0.5] * 4, "two": [0.2] * 4}, "fractions", r"add up to 0\.7 and not to 1"),
        ({"one": [0.5, "", 1, 1], "two": [0.5, 1, 0, 0]}, "fractions", r"no value in row 2"),
        ({"one": ["many", 1, 1, 1], "two": [1] * 4}, "counts", r"'many' in row 1 where a number"),
        ({"one": ["inf", 1, 1, 1], "two": [1] * 4}, "counts", r"holds inf in row 1 \(A\)"),
    ],
)
def test_votes_that_cannot_be(tmp_path, columns, votes, message):
    """Each wrong value is one line that names column and row."""
    path = write_rows(tmp_path / "a.csv", columns)
    with pytest.raises(CatalogueError, match=message):
        read(path, **{"from": "votes"}, columns=["one", "two"], votes=votes)


def test_unlabelled_votes(tmp_path):
    """Rows without votes can be sources without a label."""
    path = write_rows(tmp_path / "a.csv", {"one": [0, "", 1, 1], "two": [0, 1, 0, 2]})
    catalogue = read(path, **{"from": "votes"}, columns=["one", "two"], missing="unlabelled")
    assert catalogue.vectors.is_labelled.tolist() == [False, False, True, True]
    assert catalogue.labels.tolist() == [-1, -1, 0, 1]
    assert np.isnan(catalogue.vectors.totals).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"from": "tags"}, "needs the names of the columns"),
        ({"from": "tags", "columns": ["a", "a"]}, "same column"),
        ({"from": "tags", "columns": ["a"], "total": "n"}, "need from = 'votes'"),
        ({"from": "votes", "columns": ["a", "b"], "total": "n"}, "sum of the counts"),
        ({"from": "votes", "columns": ["a", "b"], "drop": ["a"]}, "merge it with another"),
        ({"from": "flags", "votes": "fractions"}, "classes"),
        (
            {"from": "tags", "columns": ["a", "b"], "table": [{"label": 0, "name": "A"}]},
            "one row for each of classes.columns",
        ),
        ({"from": "tags", "columns": ["a", "b"], "merge": {"m": ["c"]}}, "no class 'c'"),
    ],
)
def test_settings_that_cannot_be(classes, message):
    """A recipe that cannot work is refused when it is read."""
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"name": "mine", "classes": classes}, "mine.toml")


def test_settings_come_back():
    """A recipe with the new keys is written and read again; one without has none of them."""
    classes = {"from": "votes", "columns": ["a", "b"], "votes": "fractions", "total": "n"}
    recipe = parse_recipe({"name": "mine", "classes": classes}, "mine.toml")
    assert parse_recipe(recipe.to_dict(), "again") == recipe
    assert recipe.label_kind == "votes"
    assert recipe.class_names == ("a", "b")
    plain = parse_recipe({"name": "mine"}, "mine.toml")
    assert not {"votes", "total", "least_fraction"} & set(plain.to_dict()["classes"])
    assert plain.label_kind == "classes"


def test_vectors_of_different_kinds_are_not_joined():
    """Tables of tags and of single classes are not one table."""
    tags = LabelVectors.of_tags([[1, 0]])
    assert join_vectors([tags, tags]).values.tolist() == [[1, 0], [1, 0]]
    assert join_vectors([None, None]) is None
    for other in (None, LabelVectors.of_votes([[0.5, 0.5]], [2]), LabelVectors.of_tags([[1]])):
        with pytest.raises(CatalogueError, match="cannot be in one table"):
            join_vectors([tags, other])
