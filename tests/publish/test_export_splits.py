"""Exports that are split by a column, a list or another dataset, and what records it."""

from __future__ import annotations

import csv
import hashlib
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from builds import run
from format_names import PLAIN_FORMATS
from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.exporting import export
from mingolotss.pipeline.rebuild import recorded_service
from mingolotss.pipeline.run import build
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from named_builds import HOSTILE, build_named
from readers_build import write_sky

ALL = [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in PLAIN_FORMATS
]
SPLIT = "stratified:train=0.6,val=0.2,test=0.2,seed=4"
FIRST = 40


@pytest.fixture(scope="session")
def sky(tmp_path_factory):
    return write_sky(tmp_path_factory.mktemp("sky"))


@pytest.fixture(scope="session")
def later(builds):
    return builds[1]


@pytest.fixture(scope="session")
def builds(sky, tmp_path_factory):
    """Build the first sources of a catalogue, and all of them in another order."""
    catalogue, images = sky
    root = tmp_path_factory.mktemp("builds")
    build("mingolotss", out=root / "first", catalogue=catalogue, service=str(images), limit=FIRST)
    header, *rows = catalogue.read_text().splitlines()
    order = np.random.default_rng(2).permutation(len(rows))
    later = root / "sorted.csv"
    later.write_text("\n".join([header, *(rows[row] for row in order)]) + "\n")
    build("mingolotss", out=root / "later", catalogue=later, service=str(images))
    return root / "first", root / "later"


def rows_of(folder):
    return {row["source"]: row for row in pq.read_table(folder / "manifest.parquet").to_pylist()}


def splits_of(folder):
    return {name: row["split"] for name, row in rows_of(folder).items() if row["split"]}


def listed(folder):
    with (folder / "splits.csv").open(newline="") as file:
        return {row["name"]: (row["split"], row["reason"]) for row in csv.DictReader(file)}


def write_list(path, splits):
    path.write_text("name,split\n" + "".join(f"{n},{split}\n" for n, split in splits.items()))


def notes_of(folder):
    return ExportNotes.read(pq.read_schema(folder / "manifest.parquet").metadata)


@pytest.mark.parametrize("name", ALL)
def test_more_rows_in_another_order_move_nobody(builds, tmp_path, name):
    """Like an export in each format: every source of it keeps its split, and the rest is dealt."""
    first, later = builds
    other = export(first, name, tmp_path / "other", split=SPLIT).out
    done = export(later, "parquet", tmp_path / "like", split=f"like:{other},seed=3")
    splits, earlier = splits_of(done.out), splits_of(other)
    assert {source: splits[source] for source in earlier} == earlier
    assert len(splits) + int(done.split.is_left_out.sum()) == 59 > len(earlier) == FIRST - 1
    new = set(rows_of(later)) - set(earlier)
    assert {splits[source] for source in new if source in splits} == {"train", "val", "test"}
    assert done.split.pairs_across == 0
    digest = hashlib.sha256(
        json.dumps(sorted(earlier.items()), separators=(",", ":")).encode()
    ).hexdigest()
    assert notes_of(done.out).split_sha256 == digest
    assert notes_of(done.out).split_plan == "like:other,seed=3"
    assert verify(done.out).problems == []


def test_like_a_build_keeps_the_splits_of_its_batches(builds, tmp_path):
    first, later = builds
    done = export(later, "png", tmp_path / "like", split=f"like:{first}")
    splits, earlier = splits_of(done.out), splits_of(first)
    assert {source: splits[source] for source in earlier} == earlier


def test_a_list_that_an_export_wrote_gives_its_splits_again(builds, tmp_path):
    """The build from the recipe of an export, split by the list in it, is the same export."""
    first, later = builds
    done = export(later, "parquet", tmp_path / "export", split=f"like:{first}").out
    out = tmp_path / "again"
    catalogue = later.parent / "sorted.csv"
    build(done / "recipe.toml", out=out, catalogue=catalogue, service=recorded_service(later))
    again = export(out, "parquet", tmp_path / "export2", split=f"file:{done / 'splits.csv'}").out
    assert splits_of(again) == splits_of(done)
    comparison = compare(done, again)
    assert (comparison.splits, comparison.pixels, comparison.only_a) == ([], [], [])


def test_an_export_of_an_export_keeps_splits_reasons_and_checksum(later, tmp_path):
    """Also with fewer classes: who was left out is listed again."""
    path = tmp_path / "list.csv"
    names = [*rows_of(later)]
    write_list(path, {name: "test" if name > names[30] else "train" for name in names[:50]})
    one = export(later, "parquet", tmp_path / "one", split=f"file:{path}").out
    two = export(one, "png", tmp_path / "two").out
    assert splits_of(two) == splits_of(one)
    assert listed(two) == listed(one)
    assert notes_of(two).split_plan == notes_of(one).split_plan == "file:list.csv"
    assert notes_of(two).split_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    reasons = {reason for split, reason in listed(two).values() if not split}
    assert reasons == {"not in list.csv"}
    assert verify(two).problems == []


def test_a_changed_list_in_an_export_is_found(later, tmp_path):
    """Someone who renews the checksums as well still meets the manifest."""
    out = export(later, "png", tmp_path / "png", split=SPLIT).out
    path = out / "splits.csv"
    text = path.read_text()
    path.write_text(text.replace(",test,", ",train,", 1).replace(",val,", ",,", 1))
    lines = (out / "checksums.sha256").read_text().splitlines()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [f"{digest}  splits.csv" if line.endswith(" splits.csv") else line for line in lines]
    (out / "checksums.sha256").write_text("\n".join(lines) + "\n")
    problems = verify(out).problems
    assert len(problems) == 2
    assert problems[0].startswith("splits.csv: 2 of 59 sources are in another split than in the")
    assert problems[1].startswith("splits.csv: no reason is given for 1 sources that are left out")
    path.write_text("name,split\n")
    assert any("splits.csv" in line and "begin with" in line for line in verify(out).problems)


def test_compare_names_the_sources_that_moved_and_those_that_were_left_out(later, tmp_path):
    path = tmp_path / "list.csv"
    names = sorted(splits_of(later))
    splits = splits_of(later)
    changed = {**splits, names[0]: "train" if splits[names[0]] == "test" else "test", names[1]: ""}
    write_list(path, changed)
    a = export(later, "parquet", tmp_path / "a", split=f"like:{later}").out
    b = export(later, "parquet", tmp_path / "b", split=f"file:{path}").out
    comparison = compare(a, b)
    assert comparison.splits == [f"{names[0]}: {splits[names[0]]} and {changed[names[0]]}"]
    assert comparison.only_a == [f"{names[1]}: left out of the splits in B: no split in list.csv"]
    [line] = [str(row) for row in comparison.rows if row.name == "split"]
    assert line.startswith("split: like:later,seed=0 (SHA-256 ")
    assert " and file:list.csv (SHA-256 " in line


@pytest.mark.slow
def test_hostile_names_keep_their_splits(tmp_path):
    """Of sources, and of the folder of the other dataset, through a list and through a dataset."""
    built = build_named(tmp_path / "named", HOSTILE)
    other = tmp_path / "o`t|h<b>er\n,x"
    export(built, "png", other, split="stratified:train=0.5,val=0.25,test=0.25,seed=9")
    expected = splits_of(other)
    assert expected.keys() == set(HOSTILE)
    for name, split in (("like", f"like:{other}"), ("file", f"file:{other / 'splits.csv'}")):
        out = export(built, "parquet", tmp_path / name, split=split).out
        assert splits_of(out) == expected
        assert verify(out).problems == []
        assert compare(other, out).splits == []
    card = (tmp_path / "like" / "README.md").read_text()
    assert "Split: `` like:o`t|h<b>er ,x,seed=0 ``." in card
    assert r"the dataset o\`t\|h\<b\>er ,x has the split" in card


def test_a_list_whose_name_is_no_text_is_recorded(later, tmp_path):
    """Linux allows any bytes in the name of a file."""
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    write_list(path, dict.fromkeys(splits_of(later), "train"))
    out = export(later, "png", tmp_path / "out", split=f"file:{path}").out
    assert notes_of(out).split_plan == "file:caf\N{REPLACEMENT CHARACTER}.csv"
    assert verify(out).problems == []


def test_a_split_of_a_list_is_loaded_by_its_names(later, tmp_path):
    path = tmp_path / "folds.csv"
    names = [*splits_of(later)]
    write_list(path, {name: row % 5 for row, name in enumerate(names)})
    out = export(later, "batches", tmp_path / "out", split=f"file:{path}").out
    assert len(load(out, "not 0")) + len(load(out, "0")) == len(names)


def test_nothing_is_written_if_the_list_is_wrong(later, tmp_path):
    (tmp_path / "list.csv").write_text("name,split\nX,train\n")
    with pytest.raises(InputError, match="none of its 1 names is among the sources"):
        export(later, "png", tmp_path / "out", split=f"file:{tmp_path / 'list.csv'}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_terminal_says_who_is_left_out_and_why(later, tmp_path):
    path = tmp_path / "list.csv"
    names = sorted(rows_of(later))
    write_list(path, {name: ("Train", "TEST")[row % 2] for row, name in enumerate(names[:50])})
    out = tmp_path / "out"
    done = run("export", later, "--format", "png", "--out", out, "--split", f"file:{path}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "split: 'Train' is train, 'TEST' is test" in lines
    assert "split: 10 of 59 sources left out (16.9%): not in list.csv" in lines
