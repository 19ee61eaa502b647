"""The audit counts tags and votes: missing ones, splits that differ, and labels that disagree."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from audit_data import Planted
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import TAGS, VOTES, vector_columns, with_class_names
from mingolotss.dataset.stamps import stamp_bytes
from mingolotss.qa.audit.result import BALANCE, CLASSES, LABELS
from mingolotss.qa.audit.run import audit

NAMES = ("FR I", "a + b", "wings")


def write(folder, vectors, *, names=NAMES, planted=None):
    """Write a dataset of 120 sources with tags or votes, a quarter of which are test sources."""
    planted = planted or Planted(n=len(vectors))
    single = vectors.single_labels().tolist()
    planted.classes = names
    planted.columns["label"] = [None if label < 0 else label for label in single]
    table = planted.table()
    for name, column in vector_columns(vectors).items():
        field = {TAGS.name: TAGS, VOTES.name: VOTES}.get(name, pa.field(name, pa.float64()))
        table = table.append_column(with_class_names(field, names), column)
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "all-0.parquet").write_bytes(stamp_bytes(table))
    return folder


def check_of(result, kind):
    return next(check for check in result.checks if check.kind == kind)


def in_test(count):
    return np.array([split == "test" for split in Planted(n=count)["split"]])


@pytest.fixture
def tags():
    """Give tags of 120 sources; every tag is in every split."""
    rng = np.random.default_rng(0)
    tags = (rng.random((120, 3)) < [0.5, 0.4, 0.2]).astype(np.int8)
    tags[0], tags[1] = 0, -1
    return tags


def test_tags_are_counted_in_each_split(tmp_path, tags):
    result = audit(write(tmp_path / "a", LabelVectors.of_tags(tags)), images=False)
    dataset = result.datasets[0]
    rows = {row.name: row.values for row in dataset.rows}
    inside = [in_test(120) == is_test for is_test in (False, True)]
    assert list(dataset.splits) == ["train", "test"]
    for label, name in enumerate(NAMES):
        assert rows[name] == tuple((tags[part, label] == 1).sum() for part in inside)
    assert rows["no tag"] == tuple((tags[part] == 0).all(axis=1).sum() for part in inside)
    assert rows["no label"] == tuple((tags[part] < 0).any(axis=1).sum() for part in inside)
    assert check_of(result, CLASSES).sentence == "no tag is missing from a split"
    assert "no significant difference of tags" in check_of(result, BALANCE).sentence


def test_tags_that_are_missing_are_named(tmp_path, tags):
    tags[:, 2] = np.minimum(tags[:, 2], 0)
    tags[in_test(120), 1] = np.minimum(tags[in_test(120), 1], 0)
    check = check_of(
        audit(write(tmp_path / "a", LabelVectors.of_tags(tags)), images=False), CLASSES
    )
    assert check.lines == ("no image of wings", "no image of a + b in test")
    assert check.sentence == "1 tag is missing from the dataset and 1 tag is missing from a split"


def test_a_tag_that_is_rarer_in_a_split_is_named_and_no_other(tmp_path, tags):
    tags[:, 0] = np.where(in_test(120), np.arange(120) % 8 == 0, np.arange(120) % 8 != 0)
    tags[1] = -1
    check = check_of(
        audit(write(tmp_path / "a", LabelVectors.of_tags(tags)), images=False), BALANCE
    )
    assert len(check.lines) == check.findings == 1
    assert check.lines[0].startswith("the tag FR I is given to ")
    labelled = tags[:, 0] >= 0
    shares = [100 * tags[labelled & (in_test(120) == part), 0].mean() for part in (True, False)]
    assert f"to {shares[0]:.3g} % of test and {shares[1]:.3g} % of train" in check.lines[0]


def test_two_images_of_one_source_have_equal_tags(tmp_path, tags):
    """A source without any tag has a label; an unlabelled one has none to compare."""
    planted = Planted(n=120)
    for index, other in ((10, 11), (20, 21), (30, 31), (40, 41)):
        planted.move(index, other, 0.5)
    tags[10], tags[11] = [1, 1, 0], [1, 1, 0]
    tags[20], tags[21] = [1, 1, 0], [1, 0, 0]
    tags[30], tags[31] = [0, 0, 0], [0, 0, 1]
    tags[40], tags[41] = [0, 0, 1], -1
    folder = write(tmp_path / "a", LabelVectors.of_tags(tags), planted=planted)
    check = check_of(audit(folder, images=False), LABELS)
    found = {(pair.first.class_name, pair.second.class_name) for pair in check.pairs}
    assert found == {("FR I + a + b", "FR I"), ("", "wings")}
    assert check.findings == 2


def test_tags_of_two_datasets_are_compared_as_far_as_they_have_common_names(tmp_path, tags):
    tags[1] = 0
    first = write(tmp_path / "a", LabelVectors.of_tags(tags))
    others = np.column_stack([tags[:, 2], tags[:, 0], 1 - tags[:, 1]])
    others[[3, 4], 1] = 1 - others[[3, 4], 1]
    names = ("Wings", "FRI", "another")
    second = write(tmp_path / "b", LabelVectors.of_tags(others), names=names)
    between = [check for check in audit(first, second, images=False).checks
               if check.kind == LABELS and len(check.datasets) == 2]  # fmt: skip
    assert between[0].findings == 2
    assert {pair.first.name for pair in between[0].pairs} == {"S1-3", "S1-4"}
    third = Planted(n=120).write_parquet(tmp_path / "c")
    between = [check for check in audit(first, third, images=False).checks
               if check.kind == LABELS and len(check.datasets) == 2]  # fmt: skip
    assert not between[0].is_checked
    assert "their classes cannot be compared" in between[0].sentence


def test_votes_count_by_the_class_with_the_most(tmp_path):
    rng = np.random.default_rng(3)
    votes = rng.multinomial(4, [0.5, 0.3, 0.2], 120)
    vectors = LabelVectors.of_votes(votes / 4, np.full(120, 4))
    labels = vectors.single_labels()
    assert (labels < 0).any()
    dataset = audit(write(tmp_path / "a", vectors), images=False).datasets[0]
    rows = {row.name: row.values for row in dataset.rows}
    inside = [in_test(120) == is_test for is_test in (False, True)]
    for label, name in zip((0, 1, 2, -1), (*NAMES, "no single class"), strict=True):
        assert rows[name] == tuple((labels[part] == label).sum() for part in inside)
