"""A pickle from outside: what is admitted comes out equal, everything else is one clear line."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.batches import read_batches
from mingolotss.formats.safe_pickle import load_pickle

IMAGES = np.random.default_rng(1).integers(0, 256, (60, 22500), np.uint8)


class Command:
    """A pickle of this runs a command when it is opened as pickles usually are."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.fixture
def dump(tmp_path):
    def write(thing, protocol=4):
        path = tmp_path / "batch"
        path.write_bytes(thing if isinstance(thing, bytes) else pickle.dumps(thing, protocol))
        return path

    return write


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back_equal(dump, protocol):
    """Every protocol, arrays large enough to be left in the file and small ones."""
    thing = {
        "data": IMAGES,
        "rows": [np.arange(5, dtype=np.uint8), np.arange(3.0)],
        "labels": list(np.arange(3)),
        "src_ids": np.array(["a", "b"], object),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big-endian": np.arange(4, dtype=">f4"),
        "text": np.array(["x", "yz"]),
        "plain": (1, 2.5, True, None, b"\xff\x00", "ü", {3}, frozenset({4}), [[]]),
        "bytes": b"x" * 2_000_000,
    }
    loaded = load_pickle(dump(thing, protocol))
    assert loaded.keys() == thing.keys()
    for key in ("data", "src_ids", "fortran", "big-endian", "text"):
        np.testing.assert_array_equal(loaded[key], thing[key], strict=True)
    for result, original in zip(loaded["rows"], thing["rows"], strict=True):
        np.testing.assert_array_equal(result, original, strict=True)
    assert [type(label) for label in loaded["labels"]] == [np.int64] * 3
    assert (loaded["labels"], loaded["plain"], loaded["bytes"]) == (
        [0, 1, 2],
        thing["plain"],
        thing["bytes"],
    )


def test_an_array_named_twice_stays_one_array(dump):
    """The memo of a pickle is honoured."""
    loaded = load_pickle(dump([IMAGES, IMAGES]))
    assert loaded[0] is loaded[1]


def test_a_large_array_is_a_view_of_the_file(dump):
    """Opening 60 images reads none of them: their memory belongs to a map of the file."""
    base = load_pickle(dump({"data": IMAGES}))["data"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(getattr(base, "obj", base)).__name__ == "mmap"


def test_old_numpy_and_python_2_spellings(dump):
    """numpy.core of numpy 1, and the text that Python 2 wrote for bytes, protocol 2."""
    new = pickle.dumps(np.arange(4, dtype=np.uint8), 2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core" in new
    assert load_pickle(dump(new)).tolist() == [0, 1, 2, 3]
    python2 = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
        b"U\x01b\x87Rq\x04(K\x01K\x03\x85cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03\x01\xff\x03tb."
    )
    assert load_pickle(dump(python2)).tolist() == [1, 255, 3]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, "touch hacked"), "posix.system"),
        ((eval, "open('hacked', 'w')"), "builtins.eval"),
        ((getattr, "", "__class__"), "builtins.getattr"),
        ((subprocess.Popen, "touch hacked"), "subprocess.Popen"),
        ((np.load, "hacked"), "numpy.load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_something_is_refused(dump, tmp_path, monkeypatch, call, name, protocol):
    """The error is one line that names what was asked for, and nothing has run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError) as caught:
        load_pickle(dump({"labels": [0], "data": Command(*call)}, protocol))
    python2 = {"builtins.eval": "__builtin__.eval", "builtins.getattr": "__builtin__.getattr"}
    python2["subprocess.Popen"] = "commands.Popen"
    name = python2.get(name, name) if protocol < 3 else name
    assert f"it asks for {name}, which" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def array_of(code: bytes, shape: bytes, data: bytes, flags: bytes = b"K\x00") -> bytes:
    """Write by hand the pickle of an array: dtype `code`, and a state of our choosing."""
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\n" + b"X" + struct.pack("<I", len(code)) + code +
        b"K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + flags +
        b"tb\x89" + data + b"tb."
    )  # fmt: skip


HOSTILE = {
    # numpy's own loader takes these flags on trust and then these bytes for pointers.
    "object pointers": array_of(b"O8", b"K\x01\x85", b"C\x08" + b"A" * 8),
    "a shape larger than memory": array_of(
        b"u1", b"\x8a\x06" + b"\xff" * 5 + b"\x7f\x85", b"C\x01A"
    ),
    "a negative shape": array_of(b"u1", b"J\xff\xff\xff\xff\x85", b"C\x01A"),
    "a shape that is no shape": array_of(b"u1", b"X\x01\x00\x00\x00A", b"C\x01A"),
    "fields": array_of(b"V16", b"K\x01\x85", b"C\x10" + b"A" * 16),
    "too few bytes": array_of(b"f8", b"K\x02\x85", b"C\x08" + b"A" * 8),
    "a list for numbers": array_of(b"u1", b"K\x01\x85", b"]"),
    "a type for data": b"\x80\x03cnumpy\ndtype\n.",
    "a changed stand-in": b"\x80\x03c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.",
    "an instance by NEWOBJ": b"\x80\x03cnumpy\nndarray\n)\x81.",
    "an array without state": array_of(b"u1", b"K\x01\x85", b"C\x01A")[:60].split(b"(K\x01")[0]
    + b".",
    "memory by a number": b"\x80\x03cbuiltins\nbytes\n\x8a\x06" + b"\xff" * 5 + b"\x7f\x85R.",
    "a length past the end": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "a long block cut short": pickle.dumps({"data": IMAGES}, 4)[:-1000],
    "something outside": b"\x80\x03K\x01Q.",
    "an extension code": b"\x80\x03\x82\x01.",
    "a copy of nothing": b"\x80\x030.",
    "nothing": b"",
    "text": b"<html>not found</html>",
    "depth": b"\x80\x03" + b"(" * 200_000 + b"l" * 200_000 + b".",
    # Python calculates the hash of nested tuples by recursion: the first ends the interpreter, and
    # the second, 100 times 100 times 100... tuples, never returns.
    "a key that is nested deep": b"\x80\x04}()" + b"\x85" * 1_000_000 + b"K\x01u.",
    "a key that laughs": b"\x80\x04}(K\x01\x94"
    + b"".join(b"(" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 99 + b"t\x94" for i in range(8))
    + b"K\x01u.",
    "a member of a set that is a tuple": b"\x80\x04\x8f()\x85\x90.",
    "a member of a frozen set that is a tuple": b"\x80\x04()\x85\x91.",
    "a set of Python 2": b"\x80\x02c__builtin__\nset\n]()\x85e\x85R.",
    "a key of an ordered dict": b"\x80\x02ccollections\nOrderedDict\n](()K\x01\x86e\x85R.",
    "tuples nested deep": b"\x80\x04)" + b"\x85" * 1_000_000 + b".",
    "dicts nested deep": b"\x80\x04" + b"}K\x01" * 100_000 + b"N" + b"s" * 100_000 + b".",
    "a list in itself": b"\x80\x04]\x94h\x00a.",
    "instructions without end": b"\x80\x04" + b"N0" * 4_000_000 + b"N.",
    "a frame past the end": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "bytes by another encoding": (
        b"\x80\x03c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_forged_or_broken_pickle_is_one_line(dump, content):
    """Whatever the bytes are, the interpreter survives and says which file it was."""
    path = dump(content)
    with pytest.raises(DatasetError, match=f"^read {path}: not a complete pickle") as caught:
        load_pickle(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", [b"numpy.core", b"numpy._core"])
def test_names_that_are_strings_of_numpy(dump, package):
    """MiraBest has them, as numpy 1 wrote them, and a file of today has the other spelling."""
    names = [np.str_("./PNG/100_123.251+043.797.png"), np.str_("3C 294_II \u03b1"), np.str_("")]
    raw = pickle.dumps(names, 3).replace(b"numpy._core", b"numpy.core")
    assert load_pickle(dump(raw.replace(b"numpy.core", package))) == names


@pytest.mark.parametrize(
    ("kind", "data"),
    [("<U999999", b"abc"), ("<U1", b"\xff\xff\xff\x7f"), ("<U2", bytes(4)), ("|O", b"abcdefgh")],
)
def test_forged_strings_of_numpy(dump, kind, data):
    """Longer than their bytes, no Unicode, or a pointer: refused."""
    raw = pickle.dumps(np.str_("ab"), 3)
    raw = raw.replace(
        b"X\x02\x00\x00\x00U2", b"X" + len(kind).to_bytes(4, "little") + kind.encode()
    )
    raw = raw.replace(b"C\x08" + "ab".encode("utf-32-le"), b"C" + bytes([len(data)]) + data)
    with pytest.raises(DatasetError, match="not a complete pickle of arrays"):
        load_pickle(dump(raw))


def test_a_bytearray_of_a_terabyte_takes_no_memory(dump):
    """The standard library would take the memory before it reads."""
    assert load_pickle(dump([bytearray(b"abc"), bytearray(2 << 20)], 5))[0] == b"abc"
    content = b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc."
    with pytest.raises(DatasetError, match=r"not a complete pickle of arrays \(it is cut short\)"):
        load_pickle(dump(content))


def test_lists_that_hold_lists_a_billion_times_cost_nothing(dump):
    """30 lists, each holding the one before twice: 2 to the 30th paths, 30 visits."""
    nested: list = []
    for _ in range(30):
        nested = [nested, nested]
    assert len(load_pickle(dump(nested))) == 2


@pytest.mark.parametrize("depth", [30, 60])
@pytest.mark.parametrize("column", ["labels", "data", "src_ids", "filenames"])
def test_columns_that_laugh_are_no_columns(tmp_path, column, depth):
    """Lists of lists where numbers or names belong: numpy and `str` would look into them all."""
    nested: list = [1]
    for _ in range(depth):
        nested = [nested, nested]
    batch = {"labels": [0], "data": IMAGES[:1], "src_ids": ["a"], "filenames": ["a_P.png"]}
    batch[column] = [nested]
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": ["A"]}))
    if column in ("src_ids", "filenames"):
        names = {"src_ids": ("a_P", "a_P"), "filenames": ("a", "a")}[column]
        assert read_batches(tmp_path).sources == names
        return
    with pytest.raises(DatasetError, match=r"^read .*_1: .*(labels of shape|'data' should be)"):
        read_batches(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    """Opening a pipe waits until somebody writes to it."""
    os.mkfifo(tmp_path / "batch")
    with pytest.raises(DatasetError, match="a pipe, a device or a socket"):
        load_pickle(tmp_path / "batch")


def test_an_absent_file_is_one_line(tmp_path):
    """Not the system's error, ours."""
    with pytest.raises(DatasetError, match=r"read .*batch_9: No such file"):
        load_pickle(tmp_path / "batch_9")


def test_opening_imports_nothing(dump):
    """A pickle cannot even make a module of the standard library be imported."""
    path = dump(b"cthis\ns\n.")
    code = (
        "import sys; from mingolotss.formats.safe_pickle import load_pickle\n"
        f"try: load_pickle({str(path)!r})\nexcept Exception as error: print(type(error).__name__)\n"
        "print('this' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["DatasetError", "False"]
