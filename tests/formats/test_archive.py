"""Archives depend on their members alone, whatever the compression."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest

from mingolotss.formats.archive import write_tar

LONG = "deep/" * 30 + "name"  # more than the 100 bytes of a plain header


def members(folder):
    """Some content in memory and some in a file."""
    (folder / "b").write_bytes(b"b" * 100_000)
    return [("a.txt", b"a"), ("deep/b", folder / "b"), ("empty", b""), (LONG, b"c")]


@pytest.mark.parametrize("compression", ["none", "zlib", "zlib-ng"])
def test_the_members_come_back(tmp_path, compression):
    """Names, order and content, by the tarfile of Python; no dates, owners or modes."""
    path = tmp_path / "x.tar"
    write_tar(path, members(tmp_path), compression=compression)
    with tarfile.open(path) as archive:
        entries = archive.getmembers()
        contents = {entry.name: archive.extractfile(entry).read() for entry in entries}
    assert list(contents) == ["a.txt", "deep/b", "empty", LONG]
    assert contents["a.txt"] == b"a"
    assert contents["deep/b"] == b"b" * 100_000
    for entry in entries:
        assert (entry.mtime, entry.uid, entry.uname, entry.mode) == (0, 0, "", 0o644)


def test_the_bytes_depend_on_the_members_alone(tmp_path):
    """Not on dates and modes of files, nor on whether content is in memory or in a file."""
    first, second = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    write_tar(first, members(tmp_path), compression="zlib")
    os.utime(tmp_path / "b", (1, 1))
    (tmp_path / "b").chmod(0o600)
    in_memory = [
        (name, content if isinstance(content, bytes) else content.read_bytes())
        for name, content in members(tmp_path)
    ]
    write_tar(second, in_memory, compression="zlib")
    assert first.read_bytes() == second.read_bytes()


def test_compression_changes_nothing_inside(tmp_path):
    """The tar file is the same with both libraries and with none."""
    contents = set()
    for compression in ("none", "zlib", "zlib-ng"):
        write_tar(tmp_path / "x", members(tmp_path), compression=compression)
        data = (tmp_path / "x").read_bytes()
        contents.add(data if compression == "none" else gzip.decompress(data))
    assert len(contents) == 1


def test_an_interrupted_archive_is_not_there(tmp_path):
    """If a member cannot be read, no archive appears and an older one stays."""
    path = tmp_path / "x.tar"
    path.write_bytes(b"older")
    with pytest.raises(FileNotFoundError):
        write_tar(path, [("a", b"a"), ("b", tmp_path / "missing")])
    assert path.read_bytes() == b"older"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.tar"]
