"""The splits of lists and of other datasets, as the plans ``file:`` and ``like:`` read them."""

from __future__ import annotations

import csv
import gzip
import shutil
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from format_names import PLAIN_FORMATS
from mingolotss.dataset.splits import SplitPlan, SplitSources
from mingolotss.dataset.splits.earlier import keep_splits
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.csv import render_csv
from mingolotss.formats.split_records import (
    read_dataset_splits,
    read_split_list,
    read_split_record,
)
from mingolotss.pipeline.exporting import export
from named_builds import HOSTILE
from readers_build import make_build

ALL = [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in PLAIN_FORMATS
]
SPLIT = "stratified:train=0.6,val=0.2,test=0.2,seed=4"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("sky"))


def splits_of(folder):
    rows = pq.read_table(folder / "manifest.parquet").to_pylist()
    return {row["source"]: row["split"] for row in rows if row["status"] == "written"}


def as_dict(record):
    return dict(zip(record.names, record.splits, strict=True))


# Lists


@pytest.mark.parametrize(
    "text",
    [
        "name,split\nA,train\nB,test\nC,\n",
        "\ufeffsource;split\r\nA;train\r\nB;test\r\nC;\r\n",
        "Source_Name\tSplit\textra\nA\tTrain\t1\nB\ttesting\t2\nC\t\t3\n",
        "# made by hand\nSource ID, SPLIT\nA, train\nB, test\nC,\n",
        'split,"name"\ntrain,"A"\ntest,"B"\n"","C"\n',
    ],
)
def test_lists_of_people_are_read(tmp_path, text):
    path = tmp_path / "my list.csv"
    path.write_bytes(text.encode())
    record = read_split_list(path)
    assert [name.strip() for name in record.names] == ["A", "B", "C"]
    assert record.splits == ("train", "test", "")
    assert record.origin == "my list.csv"


def test_folds_that_pandas_wrote_as_floats_are_whole_numbers(tmp_path):
    """An integer column with a missing value becomes one of floats there."""
    path = tmp_path / "folds.csv"
    path.write_text("source,split\n001,0.0\n002,\n003,4.0\n")
    assert as_dict(read_split_list(path)) == {"001": "0", "002": "", "003": "4"}


def test_lists_in_other_formats_are_read(tmp_path):
    """Whatever a catalogue can be: gzip, FITS, VOTable, ECSV and Parquet."""
    table = Table({"name": ["A", "B"], "split": ["train", "test"]})
    for name in ("list.fits", "list.vot", "list.ecsv", "list.parquet"):
        table.write(tmp_path / name, format="votable" if name.endswith("vot") else None)
    (tmp_path / "list.csv.gz").write_bytes(gzip.compress(b"name,split\nA,train\nB,test\n"))
    for path in sorted(tmp_path.iterdir()):
        assert as_dict(read_split_list(path)) == {"A": "train", "B": "test"}, path


def test_hostile_names_survive_a_list(tmp_path):
    """Written by this program, and by Python's csv module, which quotes as RFC 4180 says."""
    path = tmp_path / "list.csv"
    rows = [(name, ("train", "test")[row % 2]) for row, name in enumerate(HOSTILE)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("name", "split"), *rows])
    assert as_dict(read_split_list(path)) == dict(rows)
    path.write_text(render_csv(rows, ("name", "split")), encoding="utf-8", newline="")
    names = [name.removeprefix("'") for name in read_split_list(path).names]
    assert names == list(HOSTILE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,kind\nA,train\n", "no column 'split'; it has name, kind"),
        ("names,split\nA,train\n", "no column 'name' or 'source'; did you mean 'names'?"),
        ("name,split\n", "it has no rows"),
        ("", "it is empty"),
        ("name,split\nA,train\n,test\n", "1 rows have no name, the first is row 2"),
        ("name,split\nA,train\nB,tarin\n", "'tarin' is no split: did you mean 'train'?"),
        ("name,split\nA,1\nB,0.5\n", "it holds numbers with decimals"),
        ("name,split\nA,train\nB\n", "line 3 has 1 values where the header has 2 columns"),
        ("name,split,split\nA,train,test\n", "columns 2 and 3 are both called 'split'"),
        ("\xff\xfen\x00", "it is UTF-16"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(tmp_path, text, message):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(InputError) as error:
        read_split_list(path)
    assert str(error.value).startswith(f"read the splits of {path}: ")
    assert message in str(error.value)


def test_a_path_in_a_plan_is_one_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_text("name,split\nA,train\n")
    monkeypatch.chdir(tmp_path)
    record = read_split_record(SplitPlan.parse("file:list.csv"))
    assert record is not None
    assert record.names == ("A",)
    with pytest.raises(InputError, match="there is no such file"):
        read_split_record(SplitPlan.parse("file:other.csv"))
    assert read_split_record(SplitPlan.parse("column:fold")) is None


# Datasets


def test_a_build_has_splits(built):
    record = read_dataset_splits(built)
    assert as_dict(record) == splits_of(built)
    rows = [row for row in pq.read_table(built / "manifest.parquet").to_pylist() if row["split"]]
    assert record.ra.tolist() == [row["ra"] for row in rows]
    assert record.origin == "build"


@pytest.mark.parametrize("name", ALL)
def test_every_export_has_the_same_splits(built, tmp_path, name):
    """With its manifest and without, and with one checksum in all formats."""
    out = export(built, name, tmp_path / name, split=SPLIT).out
    expected = splits_of(out)
    record = read_dataset_splits(out)
    assert as_dict(record) == expected
    (out / "manifest.parquet").unlink()
    assert as_dict(read_dataset_splits(out)) == expected
    parquet = export(built, "parquet", tmp_path / "parquet2", split=SPLIT).out
    assert read_dataset_splits(parquet).sha256 == record.sha256


def test_a_folder_of_batches_and_one_parquet_file_have_splits(built, tmp_path):
    expected = splits_of(built)
    assert as_dict(read_dataset_splits(built / "mingo-batches-py")) == expected
    copy = tmp_path / "part.parquet"
    shutil.copyfile(next((built / "stamps").glob("*.parquet")), copy)
    names = pq.read_table(copy, columns=["source"])["source"].to_pylist()
    assert as_dict(read_dataset_splits(copy)) == {name: expected[name] for name in names}


@pytest.mark.parametrize(
    ("archive", "counts"),
    [
        ("mirabest/MiraBest_F_batches.tar.gz", {"train": 1099, "test": 157}),
        ("mirabest/mirabest-other-batches.tar.gz", {"train": 704, "test": 88}),
        ("frdeep/FIRST.tar.gz", {"train": 460, "test": 198}),
    ],
)
def test_published_batches_have_splits(shared, tmp_path, archive, counts):
    """The names are those of the images without their folder and suffix."""
    with tarfile.open(shared / "data" / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    record = read_dataset_splits(tmp_path)
    names, numbers = np.unique(record.splits, return_counts=True)
    assert dict(zip(names.tolist(), numbers.tolist(), strict=True)) == counts
    assert len(set(record.names)) == len(record)


@pytest.mark.parametrize(
    ("archive", "decimals"),
    [("mirabest/MiraBest_F_batches.tar.gz", 3), ("frdeep/FIRST.tar.gz", 9)],
)
def test_sources_of_published_batches_are_known_by_position(shared, tmp_path, archive, decimals):
    """A later survey has other names and better positions; nobody leaves the published test set.

    The positions of MiraBest have three decimals, so that a true one is up to 1.8 arcsec away.
    """
    with tarfile.open(shared / "data" / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    record = read_dataset_splits(tmp_path)
    rng = np.random.default_rng(3)
    count, step = len(record), min(0.49 * 10.0**-decimals, 0.49e-3)
    assert np.isfinite(record.ra).all()
    sources = SplitSources(
        tuple(f"J{row}" for row in range(count)),
        np.zeros(count, int),
        record.ra + rng.uniform(-step, step, count),
        record.dec + rng.uniform(-step, step, count),
        np.full(count, 270.0),
    )
    result = keep_splits(record, sources, SplitPlan.parse("like:published"))
    moved = (result.names != np.array(record.splits)) & (result.names != "")
    assert not moved.any()
    assert result.is_left_out.sum() <= 2  # one galaxy of FR-DEEP has two names, in both splits


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.parent.mkdir(exist_ok=True), "there is nothing there"),
        (lambda path: path.mkdir(), "no dataset in a known format"),
        (lambda path: path.write_text("name,split\nA,train\n"), "for a list: file:"),
        (lambda path: tarfile.open(path, "w:gz").close(), "it is an archive; unpack it"),
    ],
    ids=["absent", "empty", "list", "archive"],
)
def test_what_is_no_dataset_is_one_line(tmp_path, make, message):
    path = tmp_path / "other"
    make(path)
    with pytest.raises(InputError) as error:
        read_dataset_splits(path)
    assert str(error.value).startswith(f"read the splits of {path}: ")
    assert message in str(error.value)


def test_a_build_that_is_not_finished_is_one_line(built, tmp_path):
    copy = tmp_path / "half"
    shutil.copytree(built, copy)
    (copy / "checksums.sha256").unlink()
    with pytest.raises(InputError, match="the build in it is not finished"):
        read_dataset_splits(copy)
    (copy / "checksums.sha256").write_text("")
    (copy / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"manifest\.parquet"):
        read_dataset_splits(copy)
