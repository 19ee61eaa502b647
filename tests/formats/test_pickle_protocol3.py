"""A batch written from the content of a published one is the published one, byte for byte."""

from __future__ import annotations

import io
import pickle
import pickletools
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from mingolotss.formats.pickle_protocol3 import Protocol3Pickler
from mingolotss.formats.safe_pickle import load_pickle

# The third archive is another dataset of the same family; its images have another shape.
PUBLISHED = {
    "frdeep/FIRST.tar.gz": (False, 3),
    "mirabest/MiraBest_F_batches.tar.gz": (True, 9),
    "mirabest/mirabest-other-batches.tar.gz": (True, 10),
}


def dumped(content, **settings):
    stream = io.BytesIO()
    Protocol3Pickler(stream, **settings).dump(content)
    return stream.getvalue()


def loaded(data):
    """Load with Python's own unpickler: numpy 2 warns of the names of numpy 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pickle.loads(data)


@pytest.mark.parametrize("archive", PUBLISHED)
def test_published_batches_come_out_byte_for_byte(shared, tmp_path, archive):
    """22 files: FR-DEEP's, MiraBest_F's, and those of another archive."""
    int_flags, count = PUBLISHED[archive]
    with tarfile.open(shared / "data" / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    files = [
        path for path in tmp_path.rglob("*") if "_batch" in path.name or path.name == "batches.meta"
    ]
    files = [path for path in files if path.is_file()]
    assert len(files) == count
    for path in files:
        content = load_pickle(path)
        assert dumped(content, int_flags=int_flags) == path.read_bytes(), path.name
        assert dumped(content, int_flags=not int_flags) != path.read_bytes() or len(content) < 4


RNG = np.random.default_rng(17)
CONTENTS = {
    "no images": {"labels": [], "data": [], "filenames": []},
    "one image": {"labels": [0], "data": [np.ones((2, 2), np.uint8)], "filenames": [np.str_("é")]},
    "one entry": {"label_names": ["FRI"]},
    "numbers": {"labels": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31)], "n": 1},
    "large images": {"labels": [1], "data": [RNG.integers(0, 256, (300, 300)).astype(np.uint8)]},
    "one array": {"labels": [1, 2], "data": RNG.integers(0, 256, (2, 4)).astype(np.uint8)},
    "a transposed image": {"labels": [1], "data": [np.arange(4, dtype=np.uint8).reshape(2, 2).T]},
    "long and short texts": {"a": ["x" * 300, "", "<", "|", "b"], "b": [np.str_("y" * 70)] * 2},
    "a thousand": {"labels": list(range(1000)), "f": [f"{i}.png" for i in range(1000)]},
    "more than a thousand": {"labels": list(range(2001)), "f": [str(i) for i in range(2001)]},
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("int_flags", [False, True])
def test_python_reads_what_was_written(tmp_path: Path, name, int_flags):
    """Equal values and types, by Python's unpickler and by our own."""
    content = CONTENTS[name]
    data = dumped(content, int_flags=int_flags)
    assert data == dumped(content, int_flags=int_flags)
    path = tmp_path / "batch"
    path.write_bytes(data)
    for copy in (loaded(data), load_pickle(path)):
        assert list(copy) == list(content)
        for key, value in content.items():
            assert type(copy[key]) is type(value)
            assert len(copy[key]) == len(value) if isinstance(value, list) else True
            if isinstance(value, list):
                assert list(map(type, copy[key])) == list(map(type, value))
            for one, other in zip(np.atleast_1d(value), np.atleast_1d(copy[key]), strict=True):
                assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["numbers", "a thousand", "more than a thousand", "one image"])
def test_opcodes_are_those_of_pickle(name):
    """Python's own pickler writes the same opcodes, but for the names and the memo of numpy."""

    def opcodes(data):
        memo = ("PUT", "GET", "GLOBAL")
        return [
            (code.name, argument)
            for code, argument, _ in pickletools.genops(data)
            if not any(word in code.name for word in memo)
        ]

    content = CONTENTS[name]
    assert opcodes(dumped(content)) == opcodes(pickle.dumps(content, 3))


def test_names_are_those_of_numpy_1():
    data = dumped({"data": [np.zeros(4, np.uint8)], "filenames": [np.str_("a")]})
    assert b"cnumpy.core.multiarray\nscalar\n" in data
    assert b"_core" not in data
