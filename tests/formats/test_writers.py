"""What is written is read back by everyone else's readers, and is the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import pickle
import tarfile
import time

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.dataset.layout import BatchFolder, batch_name
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.formats.batches import batch_label, batch_of_rows, finish_batches
from mingolotss.formats.csv import HEADER, write_csv
from mingolotss.io.files import sha256_file

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("n", [0, 1, 5, 6, 7, 58, 600, 5804, 5805, 5806, 11610])
def test_rows_fall_into_batches_in_order(n):
    """Catalogue order, whole training batches, the rest to the test batch, for any size."""
    batches = batch_of_rows(n, train=5, rows=1000, total=5805)
    assert len(batches) == n
    assert (np.diff(batches) >= 0).all()
    assert n == 0 or batches.max() <= 5
    if n == 5805:
        assert np.bincount(batches).tolist() == [1000] * 5 + [805]
    if n >= 6:
        assert sorted(set(batches.tolist())) == list(range(6))
        assert len(set(np.bincount(batches)[:5].tolist())) == 1


def write_all(folder, names):
    """Write two batches, the meta, checksums and archive, from strings made anew."""
    pixels = RNG.integers(0, 256, (3, 16)).astype(np.uint8) * 0 + np.arange(16, dtype=np.uint8)
    for index in (0, 1):
        words = ["".join(name) for name in names]
        content = BatchContent(
            batch_label(index, 1), pixels, [0, 4, 4],
            [f"{word}.png" for word in words], words, ["P1", "P" + "1", "P2"],
        )  # fmt: skip
        BatchLayout().write_batch(folder / batch_name(index, 1), content)
    batches = [folder / "data_batch_1", folder / "test_batch"]
    archive = folder.parent / f"{folder.name}.tar.gz"
    digests = finish_batches(
        BatchFolder(folder), batches, ["FRI", "FRII"], archive, BatchLayout(), side=4, size=3
    )
    assert digests == {path: sha256_file(path) for path in (*batches, folder / "batches.meta")}
    return pixels


def test_batches_are_plain_pickles_as_the_originals(tmp_path):
    """`pickle.load(file, encoding='latin1')` gives the documented dict, as the loader expects."""
    folder = tmp_path / "b"
    pixels = write_all(folder, ["A", "B", "C"])
    with (folder / "test_batch").open("rb") as stream:
        entry = pickle.load(stream, encoding="latin1")
    assert set(entry) == {"batch_label", "labels", "data", "filenames", "src_ids", "fieldnames"}
    assert entry["batch_label"] == "testing batch 1 of 1"
    assert entry["labels"] == [0, 4, 4]
    assert all(type(one) is int for one in entry["labels"])
    np.testing.assert_array_equal(entry["data"], pixels)
    assert entry["data"].dtype == np.uint8
    assert entry["filenames"] == ["A.png", "B.png", "C.png"]
    with (folder / "data_batch_1").open("rb") as stream:
        assert pickle.load(stream, encoding="latin1")["batch_label"] == "training batch 1 of 1"
    with (folder / "batches.meta").open("rb") as stream:
        assert pickle.load(stream, encoding="latin1") == {"label_names": ["FRI", "FRII"]}


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes(tmp_path):
    """Batches, archive and gzip hang on content alone: no dates, no owners, no object identity."""
    write_all(tmp_path / "one" / "b", ["A", "B", "C"])
    time.sleep(1.1)  # a date in the archive would differ by now
    write_all(tmp_path / "two" / "b", list("ABC"))
    for name in ("b/data_batch_1", "b/test_batch", "b/batches.meta", "b/checksums", "b.tar.gz"):
        one, two = (tmp_path / side / name for side in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name


def test_the_archive_holds_the_folder(tmp_path):
    """Members are FOLDER/NAME, plain files; checksums are md5sum's."""
    folder = tmp_path / "b"
    write_all(folder, ["A", "B", "C"])
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}
        assert all(
            (one.isfile(), one.mtime, one.uid, one.uname, one.mode) == (True, 0, 0, "", 0o644)
            for one in archive.getmembers()
        )
    assert set(members) == {f"b/{path.name}" for path in folder.iterdir()}
    for line in members["b/checksums"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.md5(members[f"b/{name}"]).hexdigest() == digest  # noqa: S324 - as published
    assert gzip.decompress((tmp_path / "b.tar.gz").read_bytes())[257:262] == b"ustar"


def test_the_table_has_the_written_rows_in_the_originals_columns(tmp_path):
    """Rejected sources are left out, floats keep every digit, odd names are quoted."""
    rows = [
        {"source": 'A,"1', "field": "P164+55", "label": 3, "map_file": "A_P164_55-mosaic.fits",
         "separation_arcsec": 1 / 3, "percent_nan_cutout": 0.1 + 0.2, "image_file": "A.png",
         "status": "written"},
        {"source": "B", "status": "rejected"},
        {"source": "C", "field": "P1", "label": None, "map_file": "m", "separation_arcsec": 0.0,
         "percent_nan_cutout": 0.0, "image_file": "C.png", "status": "written"},
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=MANIFEST)
    write_csv(tmp_path / "a.csv", table)
    with (tmp_path / "a.csv").open(newline="") as stream:
        found = list(csv.reader(stream))
    assert tuple(found[0]) == HEADER
    assert found[1][0] == 'A,"1'
    assert [float(one) for one in found[1][4:6]] == [1 / 3, 0.1 + 0.2]
    assert [row[0] for row in found[1:]] == ['A,"1', "C"]
    assert found[2][2] == ""
