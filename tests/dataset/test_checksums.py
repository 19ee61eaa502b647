"""Lists of checksums are those of sha256sum and md5sum, and show every change."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mingolotss.dataset.checksums import (
    changed_files,
    digest_files,
    read_checksums,
    write_checksums,
)
from mingolotss.errors import DatasetError
from mingolotss.io.files import md5_file, sha256_file


@pytest.fixture
def listed(tmp_path):
    """A folder with three files and their list."""
    (tmp_path / "deep").mkdir()
    paths = [tmp_path / "a", tmp_path / "deep" / "b b", tmp_path / "\u00e4"]
    for number, path in enumerate(paths):
        path.write_bytes(bytes(number))
    write_checksums(tmp_path / "list", digest_files(tmp_path, paths))
    return tmp_path / "list"


@pytest.mark.parametrize(("program", "digest"), [("sha256sum", sha256_file), ("md5sum", md5_file)])
def test_the_programs_of_the_system_agree(listed, program, digest):
    """GNU coreutils accept the list that is written, and write the same list."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    folder = listed.parent
    paths = [folder / name for name in read_checksums(listed)]
    write_checksums(listed, digest_files(folder, paths, digest=digest))
    names = [path.relative_to(folder) for path in paths]
    subprocess.run([program, "-c", "--strict", listed.name], cwd=folder, check=True)
    done = subprocess.run([program, *names], cwd=folder, check=True, capture_output=True)
    assert done.stdout == listed.read_bytes()


def test_known_checksums_are_taken_without_reading(listed):
    """A file whose checksum is known need not exist."""
    folder = listed.parent
    digests = digest_files(folder, [folder / "a", folder / "gone"], known={"gone": "0" * 64})
    assert digests == {"a": sha256_file(folder / "a"), "gone": "0" * 64}


def test_a_changed_and_a_missing_file_are_named(listed):
    """Unchanged files are not."""
    folder = listed.parent
    assert list(changed_files(listed, read_checksums(listed))) == []
    (folder / "a").write_bytes(b"changed")
    (folder / "deep" / "b b").unlink()
    assert list(changed_files(listed, read_checksums(listed))) == [
        "a: its checksum is not the one in list",
        "deep/b b: missing",
    ]


@pytest.mark.parametrize("content", [b"abc", b"abc  \n", b"  name\n", b"\xff\xfe", None])
def test_a_damaged_list_is_a_dataset_error(tmp_path, content):
    """One line that names the list."""
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(DatasetError, match=f"^read {tmp_path / 'list'}: .*again$"):
        read_checksums(tmp_path / "list")
