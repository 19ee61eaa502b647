"""Splits that people chose: lists and columns are taken as they are, and what is wrong is named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.dataset.splits import SplitPlan, SplitRecord, SplitSources
from mingolotss.dataset.splits.assign import assign_splits
from mingolotss.errors import InputError
from named_builds import HOSTILE

LIST = SplitPlan.parse("file:/home/me/list.csv")


def make_sources(names, **columns):
    count = len(names)
    table = pa.table({"source": list(names), **columns})
    return SplitSources(
        tuple(names), np.zeros(count, int), 10 + np.arange(count) * 1.0, np.zeros(count),
        np.full(count, 225.0), table=table,
    )  # fmt: skip


def by_column(values, *, name="fold", ask=None):
    sources = make_sources([f"s{row}" for row in range(len(values))], **{name: values})
    return assign_splits(SplitPlan.parse(f"column:{ask or name}"), sources)


def test_a_list_is_taken_as_it_is_and_names_the_rest():
    record = SplitRecord(
        ("c", "a", "x", "b"), ("test", "train", "test", ""), "list.csv",
        reasons=("", "", "", "blended"),
    )  # fmt: skip
    result = assign_splits(LIST, make_sources("abcd"), record)
    assert result.names.tolist() == ["train", "", "test", ""]
    assert result.reasons.tolist() == ["", "blended", "", "not in list.csv"]
    assert result.plan.text == "file:list.csv"
    assert "warning: 1 of 4 names in list.csv not among the sources: 'x'" in result.lines()


def test_pairs_on_two_sides_of_a_list_are_counted_and_not_moved():
    sources = SplitSources(
        ("a", "b"), np.zeros(2, int), np.array([10, 10.01]), np.zeros(2), np.full(2, 225.0)
    )
    result = assign_splits(LIST, sources, SplitRecord(("a", "b"), ("train", "test"), "list.csv"))
    assert result.names.tolist() == ["train", "test"]
    assert "warning: split: 1 pair of stamps shares pixels across splits" in result.lines()


def test_hostile_names_are_matched_to_the_letter():
    """All of them differ, and each gets its own split."""
    splits = [("train", "val", "test")[row % 3] for row in range(len(HOSTILE))]
    record = SplitRecord(HOSTILE, tuple(splits), "list.csv")
    backwards = tuple(reversed(HOSTILE))
    result = assign_splits(LIST, make_sources(backwards), record)
    assert result.names.tolist() == splits[::-1]


@pytest.mark.parametrize(
    ("listed", "source"),
    [(" A", "A"), ("caf\u00e9", "cafe\u0301"), ("'=1+1", "=1+1"), ("'-2", "-2"), ("A\t", "A")],
)
def test_names_that_programs_change_are_still_the_same(listed, source):
    """Blanks at the ends, the normal form of a Mac, and the apostrophe of a spreadsheet."""
    record = SplitRecord((listed, "B"), ("test", "train"), "list.csv")
    result = assign_splits(LIST, make_sources([source, "B"]), record)
    assert result.names.tolist() == ["test", "train"]


@pytest.mark.parametrize(
    ("names", "splits", "message"),
    [
        (("a", "a"), ("train", "test"), "1 name has several splits: 'a' in train and test"),
        (("a", "a"), ("train", ""), "1 name has several splits: 'a' in train and none"),
        (("x", "y"), ("train", "test"), "none of its 2 names is among the sources; it has 'x'"),
        (("a", "b"), ("", ""), "it gives no source a split"),
    ],
)
def test_a_list_that_cannot_be_followed_is_one_line(names, splits, message):
    with pytest.raises(InputError, match=r"list\.csv") as error:
        assign_splits(LIST, make_sources("ab"), SplitRecord(names, splits, "list.csv"))
    assert message in str(error.value)


def test_a_name_may_come_twice_with_one_split():
    record = SplitRecord(("a", "b", "a"), ("train", "test", "train"), "list.csv")
    assert assign_splits(LIST, make_sources("ab"), record).names.tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("values", "splits"),
    [
        (["Train", "TEST ", "validation", None], ["train", "test", "val", ""]),
        ([0, 1, None, 0], ["0", "1", "", "0"]),
        ([0.0, 1.0, float("nan"), 2.0], ["0", "1", "", "2"]),
        (["fold-1", "", "NaN", "fold-2"], ["fold-1", "", "", "fold-2"]),
        (pa.array(["east", "west", "rest"]).dictionary_encode(), ["east", "west", "rest"]),
    ],
)  # fmt: skip
def test_a_column_gives_the_splits(values, splits):
    """Text in the spellings that people use, whole numbers, floats of pandas, and categories."""
    result = by_column(values)
    assert result.names.tolist() == splits
    assert set(result.reasons[result.is_left_out].tolist()) <= {"the column fold is empty"}
    assert result.plan.text == "column:fold"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train", "trian"], "'trian' is no split: did you mean 'train'?"),
        (["train", "tset"], "'tset' is no split: did you mean 'test'?"),
        (["train", "tests"], "'tests' is no split: did you mean 'test'?"),
        ([0.5, 1.0], "it holds numbers with decimals"),
        ([1e300, 1.0], "it holds numbers with decimals"),
        ([True, False], "it holds true and false"),
        ([b"a", b"b"], "it holds binary"),
        (["all", "test"], "a split cannot be called 'all'"),
        (["a+b", "test"], "a split cannot be called 'a+b'"),
        (["a\x1b[31m", "test"], "a split cannot be called"),
        (["A", "a"], "differ only in case"),
        (["", None], "it is empty for each of the 2 sources"),
        ([str(row) for row in range(60)], "60 different values in 60 rows, for example '0'"),
    ],
)
def test_a_column_without_splits_is_one_line(values, message):
    with pytest.raises(InputError) as error:
        by_column(values)
    assert str(error.value).startswith("split by the column 'fold': ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_column_of_the_catalogue_comes_before_that_of_the_manifest():
    """The manifest calls a column "split" of the catalogue ``catalogue_split``."""
    sources = make_sources("ab", split=["x", "y"], catalogue_split=["train", "test"])
    result = assign_splits(SplitPlan.parse("column:split"), sources)
    assert result.names.tolist() == ["train", "test"]
    assert result.plan.text == "column:catalogue_split"
    assert assign_splits(result.plan, sources).names.tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ("flod", "did you mean 'fold'? kept from the catalogue are fold"),
        ("map_file", "that of the manifest is known only after the build: use export --split"),
    ],
)
def test_a_column_that_is_not_there_is_one_line(ask, message):
    with pytest.raises(InputError) as error:
        by_column(["train", "test"], ask=ask)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "argument", "seed", "reach"),
    [
        ("like:demo", "demo", 0, None),
        ("like:a,b/c,seed=4", "a,b/c", 4, None),
        ("like:demo,seed=4,reach=60", "demo", 4, 60.0),
        ("file:a,seed=4.csv", "a,seed=4.csv", 0, None),
        ("file:C:/list.csv", "C:/list.csv", 0, None),
        ("column:my split, seed", "my split, seed", 0, None),
    ],
)
def test_plans_are_read_and_written(text, argument, seed, reach):
    plan = SplitPlan.parse(text)
    assert (plan.argument, plan.seed, plan.reach_arcsec) == (argument, seed, reach)
    assert SplitPlan.parse(plan.text) == plan


@pytest.mark.parametrize("text", ["like:", "file:", "column: ", "like"])
def test_a_plan_without_its_argument_is_one_line(text):
    with pytest.raises(InputError, match=r"split '\w+': name .+: \w+:NAME"):
        SplitPlan.parse(text)
