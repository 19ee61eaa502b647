"""Files are complete or absent."""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mingolotss.errors import InputError
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import (
    TEMPORARY_PREFIX,
    atomic_path,
    created_folders,
    is_case_sensitive,
    md5_and_sha256_file,
    md5_file,
    remove_temporary_files,
    same_file,
    sha256_file,
    write_bytes,
    write_files,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    """Until then there is no file, or the previous one."""
    path = tmp_path / "deep" / "a.bin"
    write_bytes(path, b"old")
    with atomic_path(path) as beside:
        beside.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [one.name for one in path.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("name", ["EIO", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT"])
def test_a_fault_that_may_pass_is_one_line_that_says_so(tmp_path, name):
    """The user runs the same command again; nothing half-written is left."""
    path = tmp_path / "a.bin"
    number = getattr(errno, name)

    def fail():
        with atomic_path(path) as beside:
            beside.write_bytes(b"half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(InputError, match=f"^write {path}: .*run the same command again"):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.EXDEV, "x")])
def test_a_failed_write_leaves_nothing(tmp_path, error):
    """After any error the temporary file is removed and the previous file is kept."""
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def fail():
        with atomic_path(path) as beside:
            beside.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_an_error_that_the_user_can_correct_is_one_line(tmp_path, code):
    """A full or read-only disk is an InputError that names the file and says what to do."""
    with pytest.raises(InputError, match=r"a\.bin") as caught, atomic_path(tmp_path / "a.bin"):
        raise OSError(code, "reason")
    assert "\n" not in str(caught.value)
    assert any(word in str(caught.value) for word in ("free some", "choose another"))


def test_a_name_too_long_and_a_file_for_a_folder(tmp_path):
    """The errors of a real disk are translated as well."""
    with pytest.raises(InputError, match="too long"):
        write_bytes(tmp_path / ("x" * 300), b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="choose another"):
        write_bytes(tmp_path / "file" / "a", b"")


def test_sweeping_removes_only_temporary_files(tmp_path):
    """Temporary files are removed at any depth, and everything else is kept."""
    (tmp_path / "sub").mkdir()
    for name in (
        f"{TEMPORARY_PREFIX}1-a",
        f"sub/{TEMPORARY_PREFIX}2-b",
        "kept",
        "sub/kept.part",
        safe_name(".part-x"),
    ):
        (tmp_path / name).write_bytes(b"")
    assert remove_temporary_files(tmp_path) == 2
    kept = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert kept == ["%2Epart-x", "kept", "kept.part"]
    assert remove_temporary_files(tmp_path) == 0


def test_a_checksum_is_of_the_content(tmp_path):
    """SHA-256 and MD5 are in hexadecimal."""
    write_bytes(tmp_path / "a", b"x" * 100_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"x" * 100_000).hexdigest()
    assert (
        md5_file(tmp_path / "a") == hashlib.md5(b"x" * 100_000, usedforsecurity=False).hexdigest()
    )
    both = md5_file(tmp_path / "a"), sha256_file(tmp_path / "a")
    assert md5_and_sha256_file(tmp_path / "a") == both


def test_many_files_are_complete(tmp_path):
    """A missing folder is created, and no temporary files are left."""
    files = {f"{number}.png": os.urandom(number * 1000) for number in range(20)}
    write_files(tmp_path / "new" / "png", files.items())
    assert {p.name: p.read_bytes() for p in (tmp_path / "new" / "png").iterdir()} == files
    write_files(tmp_path / "new" / "png", [("3.png", b"again")])
    assert (tmp_path / "new" / "png" / "3.png").read_bytes() == b"again"


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    """The files before it exist, and the error of one line names the file."""
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"write .*b"):
        write_files(tmp_path, [("a", b"1"), ("b", b"2"), ("c", b"3")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_whether_a_disk_ignores_case(tmp_path):
    """The answer is that of the disk, and nothing is left behind."""
    (tmp_path / "probe").mkdir()
    (tmp_path / "name").write_bytes(b"")
    assert is_case_sensitive(tmp_path / "probe") is not (tmp_path / "NAME").exists()
    assert list((tmp_path / "probe").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "with_case", "without_case"),
    [
        (["a", "b", "c"], None, None),
        (["a1", "b", "A1"], None, (0, 2)),
        (["x", "b", "x"], (0, 2), (0, 2)),
        (["b", "Y", "a", "y", "a"], (2, 4), (1, 3)),
        ([], None, None),
    ],
)
def test_names_that_are_one_file(tmp_path, monkeypatch, names, with_case, without_case):
    """The first pair, in the order of the second of the two."""
    for answer, expected in ((True, with_case), (False, without_case)):
        monkeypatch.setattr(
            "mingolotss.io.files.is_case_sensitive", lambda _, answer=answer: answer
        )
        assert same_file(names, tmp_path) == expected


def test_threads_that_fail_leave_the_folder_of_others(tmp_path):
    """A folder is removed by the last thread that uses it, if nothing is in it."""
    folder = tmp_path / "a" / "b"

    def write(number):
        for _ in range(50):
            with suppress(ZeroDivisionError), created_folders(folder):
                path = folder / f"{1 // (1 - number % 2)}-{number}"
                path.write_bytes(b"")
                path.unlink()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert not (tmp_path / "a").exists()
