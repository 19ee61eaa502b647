r"""Open an untrusted pickle without running anything that is in it.

A pickle is a program. This module reads only pickles that build numpy arrays, numpy scalars and
plain containers, as batches do, from Python 2 or 3, protocols 0 to 5. Every callable that a pickle
names is replaced by a placeholder of this module: numpy's own ``__setstate__`` methods trust their
input, pointers included, and are never called. Large arrays are not read at all: they are views of
the memory-mapped file. What is not here: the contents of a batch (``batches.py``).

Neither depth nor repetition costs anything: no function of this module calls itself for a container
in a container, and each object is visited once. A key is a text, bytes or a number: Python
calculates the hash of nested tuples by recursion, without a limit.

>>> import pickle, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "batch"
>>> _ = path.write_bytes(pickle.dumps({"labels": [0, 4], "data": np.zeros((2, 3), np.uint8)}))
>>> load_pickle(path)["data"].shape
(2, 3)
>>> _ = path.write_bytes(b"cos\nsystem\n(S'ls'\\ntR.")
>>> load_pickle(path)
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: read .../batch: it asks for os.system, which a dataset never needs;
do not use this file, fetch it again from a source you trust
"""

from __future__ import annotations

import math
import pickle
import re
import struct
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import DatasetError
from mingolotss.formats.mapped_pickle import MappedFile
from mingolotss.io.files import check_regular

__all__ = ["load_pickle"]

_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16|O8?|[SU]\d{1,6}|\?)")
_NUMPY = re.compile(r"numpy\.(?:_core|core)\.(multiarray|numeric)")
_DEPTH = 100  # of nested containers; a batch has 3
# Batches have eight instructions for each image.
_INSTRUCTIONS, _BYTES_PER_INSTRUCTION = 5_000_000, 100
_BROKEN = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError,
    MemoryError, OverflowError, ImportError, RecursionError, AssertionError, BufferError,
    struct.error,
)  # fmt: skip


def load_pickle(path: str | Path) -> object:
    """Read one pickle of arrays and plain containers.

    Parameters
    ----------
    path : path
        The file; strings of Python 2 are read as latin1.

    Returns
    -------
    object
        Numbers, strings, bytes, lists, tuples, sets, dicts, numpy arrays and scalars.

    Raises
    ------
    DatasetError
        The file cannot be read, is cut short, is no pickle, or names anything else. Nothing
        that it names has been imported or called.
    """
    try:
        check_regular(Path(path))
        with Path(path).open("rb") as file:
            mapped = MappedFile(file)
        return _resolve(_Unpickler(path, mapped).load())
    except OSError as error:
        raise DatasetError(f"read {path}: {error.strerror or error}") from error
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise DatasetError(
            f"read {path}: not a complete pickle of arrays ({reason:.200}); fetch or build it again"
        ) from error


class _Dtype:
    """Placeholder for a numpy dtype while the pickle is loaded."""

    def __init__(self, code: object = "", *_: object) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise ValueError(f"array type {code!r:.40}")
        self.code = code

    def __setstate__(self, state: Sequence[str]) -> None:
        # The state of a dtype is (version, byte order, subarray, names, fields, ...); the last
        # three are None for the simple types that a batch can hold.
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise ValueError("an array with fields")
        self.code = state[1] + self.code.lstrip("<>=|")

    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(self.code)


class _Array:
    """Placeholder for an array until the pickle is loaded.

    Attributes
    ----------
    state : tuple
        Data (bytes, text of Python 2, or a list of objects), type, shape, and order "C" or "F".
        From the pickle, and so checked in `_array`.
    """

    def __init__(self, *state: Any) -> None:
        self.state = state

    def __setstate__(self, state: Sequence[object]) -> None:
        _, shape, dtype, fortran, data = state
        self.state = data, dtype, shape, "F" if fortran else "C"


def _array(
    data: NDArray[np.uint8] | list[Any], dtype: _Dtype, shape: tuple[int, ...], order: str
) -> NDArray[np.generic]:
    """Return an array of `shape` from bytes, without copying, or from a list of objects."""
    kind = dtype.dtype()
    if min(shape, default=0) < 0 or kind.hasobject != isinstance(data, list):
        raise ValueError(f"array of type {kind} and shape {shape}")
    if isinstance(data, list):
        flat: NDArray[np.generic] = np.empty(len(data), kind)
        flat[:] = data
    else:
        _check_characters(data, kind)
        flat = data.view(kind)
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} values for an array of shape {shape}")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _check_characters(data: NDArray[np.uint8], kind: np.dtype[np.generic]) -> None:
    """Refuse text with numbers that are no characters: numpy raises a `SystemError` for them."""
    if kind.kind == "U":
        codes = data.view(np.dtype(np.uint32).newbyteorder(kind.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError(f"text with the character {codes.max():#x}")


def _flat(data: bytes | bytearray | memoryview | str) -> NDArray[np.uint8]:
    """Return bytes as an array, read-only; they are text in latin1 if Python 2 has written them."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(bytes(raw) if isinstance(raw, bytearray) else raw, np.uint8)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _refuse_ndarray(*_: object) -> None:
    """Placeholder for ``numpy.ndarray``, which pickles of arrays name and never call."""
    raise TypeError("a call of numpy.ndarray")


def _scalar(dtype: _Dtype, data: bytes | bytearray | memoryview | str) -> np.generic:
    kind = dtype.dtype()
    if not kind.itemsize and not data:  # an empty text
        return kind.type()
    scalar: np.generic = _array(_flat(data), dtype, (1,), "C")[0]
    return scalar


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes that protocols 0 to 2 have written as text in latin1."""
    if encoding != "latin1":
        raise ValueError(f"bytes written as {encoding!r:.20}")
    return text.encode("latin1")


class _Call:
    """A callable that a pickle may call, and cannot change."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __call__(self, *args: object) -> object:
        return self.function(*args)

    def __setstate__(self, _: object) -> None:
        raise TypeError("a function with a state")


def _container(kind: type) -> _Call:
    """Admit `kind` with no argument or with items; ``bytes(10**12)`` would take all memory."""

    def make(items: object = ()) -> object:
        if not isinstance(items, (list, tuple, dict)):
            raise TypeError(f"{kind.__name__} from {type(items).__name__}")
        if kind is dict:
            _check_keys([key for key, _ in items])
        elif kind in (set, frozenset):
            _check_keys(items)
        return kind(items)

    return _Call(make)


_PYTHON = (bytes, bytearray, set, frozenset)
_ADMITTED: dict[tuple[str, str], _Call] = {
    ("numpy", "dtype"): _Call(_Dtype),
    ("numpy", "ndarray"): _Call(_refuse_ndarray),
    ("multiarray", "_reconstruct"): _Call(_reconstruct),
    ("multiarray", "scalar"): _Call(_scalar),
    ("numeric", "_frombuffer"): _Call(_Array),
    ("_codecs", "encode"): _Call(_encode),
    ("collections", "OrderedDict"): _container(dict),
    **{("builtins", kind.__name__): _container(kind) for kind in _PYTHON},
    **{("__builtin__", kind.__name__): _container(kind) for kind in _PYTHON},
}


def _check_keys(keys: Iterable[object]) -> None:
    """Refuse keys of a dict, and members of a set, whose hash may take for ever."""
    for key in keys:
        if type(key) not in _KEYS:
            raise TypeError(f"a key of type {type(key).__name__}")


_KEYS = frozenset({str, bytes, int, float, bool, type(None)})
_Load = Callable[[Any], None]  # the argument is the unpickler


_PLAIN: dict[int, _Load] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001


class _Instructions(dict[int, _Load]):
    """The instructions by their opcodes, which are counted when they are looked up."""

    def __init__(self, instructions: Mapping[int, _Load], most: int) -> None:
        super().__init__(instructions)
        self.remaining = most

    def __getitem__(self, opcode: int) -> _Load:
        self.remaining -= 1
        if self.remaining < 0:
            raise ValueError("more instructions than a dataset needs")
        return super().__getitem__(opcode)


class _Unpickler(pickle._Unpickler):  # noqa: SLF001 - documented in pickle.py as the twin of the one in C
    """An unpickler that knows the placeholders above and no other name.

    It is the one of the standard library in Python, which reads one instruction after the other
    without recursion. Those that calculate hashes check the keys first.
    """

    def __init__(self, path: str | Path, file: MappedFile) -> None:
        super().__init__(file, fix_imports=False, encoding="latin1")
        self.path = path
        most = _INSTRUCTIONS + file.size // _BYTES_PER_INSTRUCTION
        vars(self)["dispatch"] = _Instructions(_DISPATCH, most)  # hides that of the class

    def find_class(self, module: str, name: str, /) -> _Call:
        # This method is the only way in which a pickle can name a class or a function: the opcodes
        # GLOBAL, STACK_GLOBAL, INST and EXT1 to EXT4 all come here (module `pickletools`). A list
        # of what is admitted is safe for every other name, known or not. numpy 2 renamed
        # ``numpy.core`` to ``numpy._core``; both are admitted.
        placeholder = _ADMITTED.get((_NUMPY.sub(r"\1", module), name))
        if placeholder is None:
            raise DatasetError(
                f"read {self.path}: it asks for {module:.80}.{name:.80}, which a dataset never "
                "needs; do not use this file, fetch it again from a source you trust"
            )
        return placeholder

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise pickle.UnpicklingError("a reference to something outside the file")


def _checked(opcode: bytes, keys: Callable[[list[object]], list[object]]) -> tuple[int, _Load]:
    """Return an instruction that first checks those items of the stack which `keys` selects."""
    load = _PLAIN[opcode[0]]

    def checked_load(machine: Any) -> None:
        _check_keys(keys(machine.stack))
        load(machine)

    return opcode[0], checked_load


def _load_bytearray(machine: Any) -> None:
    """Read a bytearray. The original first takes memory for as many bytes as the file says."""
    (size,) = struct.unpack("<Q", machine.read(8))
    machine.append(bytearray(machine.read(size)))


# The stack has the items since the last mark; of a dict they are key, value, key, value...
_DISPATCH: Mapping[int, _Load] = _PLAIN | dict(
    [
        _checked(pickle.SETITEM, lambda stack: stack[-2:-1]),
        _checked(pickle.SETITEMS, lambda stack: stack[::2]),
        _checked(pickle.DICT, lambda stack: stack[::2]),
        _checked(pickle.ADDITEMS, lambda stack: stack),
        _checked(pickle.FROZENSET, lambda stack: stack),
        (pickle.BYTEARRAY8[0], _load_bytearray),
    ]
)


def _resolve(root: object) -> object:
    """Replace the placeholders by arrays, in containers of containers.

    Raises
    ------
    ValueError
        A container holds itself, or containers are nested deep.
    """
    # Depth first, with a stack of its own: a container comes twice, first to put its items on the
    # stack, and again when they are done. Every visited object is kept alive in `open_items` or
    # `results`, since its ``id`` identifies it only while it lives.
    results: dict[int, tuple[object, object]] = {}  # by id: the object and its result
    open_items: dict[int, object] = {}
    stack, depth = [root], 0

    def result(item: object) -> object:
        return item if type(item) in _LEAVES else results[id(item)][1]

    while stack:
        item = stack[-1]
        if type(item) in _LEAVES or id(item) in results:
            stack.pop()
        elif id(item) in open_items:
            stack.pop()
            depth -= 1
            results[id(item)] = item, _finished(item, result)
        else:
            open_items[id(item)] = item
            depth += 1
            if depth > _DEPTH:
                raise ValueError(f"containers nested more than {_DEPTH} deep")
            children = [child for child in _children(item) if type(child) not in _LEAVES]
            if any(id(child) in open_items and id(child) not in results for child in children):
                raise ValueError("a container that holds itself")
            stack.extend(children)
    return result(root)


def _children(item: object) -> Collection[object]:
    """Return the items of a container, and the objects of an array of objects."""
    if isinstance(item, _Array):
        data = item.state[0] if item.state else None
        return data if isinstance(data, list) else ()
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, (list, tuple)) else ()


def _finished(item: object, result: Callable[[object], object]) -> object:
    """Return a container whose items are done, with their results in their places."""
    if isinstance(item, (_Dtype, _Call)):
        raise TypeError("a type instead of data")
    if isinstance(item, _Array):
        data, *rest = item.state
        values = [result(part) for part in data] if isinstance(data, list) else _flat(data)
        return _array(values, *rest)
    if isinstance(item, memoryview):
        return item.tobytes()
    if isinstance(item, tuple):
        return tuple([result(part) for part in item])
    if isinstance(item, list):
        item[:] = [result(part) for part in item]
    elif isinstance(item, dict):
        item.update({key: result(part) for key, part in item.items()})
    return item


_LEAVES = frozenset({str, int, float, bool, type(None)})
