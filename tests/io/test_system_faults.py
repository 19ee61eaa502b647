"""Faults of the system are told apart from damaged files."""

from __future__ import annotations

import errno
import os

import pyarrow as pa
import pytest

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.dataset.checksums import read_checksums
from mingolotss.dataset.stamps import StampFile
from mingolotss.errors import CatalogueError, DatasetError, InputError
from mingolotss.formats.base import reading_export
from mingolotss.io import parquet
from mingolotss.io.parquet import read_table, write_table
from mingolotss.io.system_faults import describe_fault
from mingolotss.service.fits_names import PassedOver
from mingolotss.service.local import listing

FAULTS = ["EMFILE", "ENFILE", "EIO", "ENOMEM", "ENOSPC", "ESTALE"]


def fault(name: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("name", [*FAULTS, "EROFS", "EFBIG", "EACCES"])
def test_the_reason_and_what_helps(name):
    reason, advice = describe_fault(fault(name)).split("; ")
    assert reason == os.strerror(getattr(errno, name))
    assert advice


def test_a_fault_behind_an_error_of_a_library():
    error = ValueError("no table")
    error.__cause__ = fault("EMFILE")
    assert "Too many open files" in describe_fault(error)
    assert describe_fault(MemoryError()).startswith("not enough memory")
    for text in ("can't start new thread", "Unknown error: Failed to launch worker thread: x"):
        assert "threads" in describe_fault(RuntimeError(text))
    assert "not enough memory" in describe_fault(
        ImportError("libx.so: failed to map segment from shared object")
    )
    assert "TMPDIR" in describe_fault(
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    )


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), FileNotFoundError(2, "x"),
                                   IsADirectoryError(errno.EISDIR, "x")])  # fmt: skip
def test_other_errors_are_none(error):
    assert describe_fault(error) is None


@pytest.mark.parametrize("name", FAULTS)
def test_no_file_of_a_dataset_is_called_damaged(name, tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write_table(path, pa.table({"row": [1]}))

    def fail(*_: object, **__: object) -> None:
        raise fault(name)

    monkeypatch.setattr(parquet.pq, "ParquetFile", fail)
    for read in (read_table, StampFile):
        with pytest.raises(DatasetError, match=os.strerror(getattr(errno, name))) as caught:
            read(path)
        assert "damaged" not in str(caught.value)
        assert "fetch" not in str(caught.value)
    with pytest.raises(DatasetError) as caught, reading_export(path, "Zarr"):
        fail()
    assert "not a whole" not in str(caught.value)
    monkeypatch.setattr("mingolotss.dataset.checksums.read_bounded", fail)
    with pytest.raises(DatasetError) as caught:
        read_checksums(path)
    assert "build it again" not in str(caught.value)


@pytest.mark.parametrize("name", FAULTS)
def test_no_catalogue_is_said_to_have_another_format(name, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("Source_Name,RA,DEC\nA,1,2\n")

    def fail(*_: object) -> bytes:
        raise fault(name)

    monkeypatch.setattr("mingolotss.catalogue.tables.read_head", fail)
    with pytest.raises(CatalogueError, match=os.strerror(getattr(errno, name))) as caught:
        read_catalogue(path)
    assert "expected FITS" not in str(caught.value)


@pytest.mark.parametrize(("name", "is_kept"), [("EIO", False), ("EMFILE", False), ("EACCES", True)])
def test_a_folder_that_cannot_be_listed_now_loses_no_mosaics(name, is_kept, tmp_path, monkeypatch):
    """Only one that may never be listed is passed over, with a notice."""
    (tmp_path / "inner").mkdir()
    scan = os.scandir

    def fail(folder: object) -> object:
        if str(folder).endswith("inner"):
            raise fault(name)
        return scan(folder)

    monkeypatch.setattr(listing.os, "scandir", fail)
    passed_over = PassedOver()
    if is_kept:
        assert listing.mosaic_files(tmp_path, passed_over) == []
        return
    with pytest.raises(InputError, match=r"list the folder .*inner"):
        listing.mosaic_files(tmp_path, passed_over)
