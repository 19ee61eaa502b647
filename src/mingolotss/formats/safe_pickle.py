r"""Open an untrusted pickle without running anything that is in it.

A pickle is a program. This module reads only pickles that build numpy arrays, numpy scalars and
plain containers, as batches do, from Python 2 or 3, protocols 0 to 5. Every callable that a pickle
names is replaced by a placeholder of this module: numpy's own ``__setstate__`` methods trust their
input, pointers included, and are never called. Large arrays are not read at all: they are views of
the memory-mapped file. What is not here: the contents of a batch (``batches.py``).

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mingolotss.errors import DatasetError
from mingolotss.formats.mapped_pickle import MappedFile

__all__ = ["load_pickle"]

_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16|O8?|[SU]\d{1,6}|\?)")
_NUMPY = re.compile(r"numpy\.(?:_core|core)\.(multiarray|numeric)")
_BROKEN = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError,
    MemoryError, OverflowError, ImportError, RecursionError,
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
        content, is_complete = _load(path)
        return content if is_complete else _load(path, fill=True)[0]
    except OSError as error:
        raise DatasetError(f"read {path}: {error.strerror or error}") from error
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise DatasetError(
            f"read {path}: not a complete pickle of arrays ({reason}); fetch or build it again"
        ) from error


def _load(path: str | Path, *, fill: bool = False) -> tuple[object, bool]:
    """Return the content, and whether every block that was left in the file was found again."""
    with Path(path).open("rb") as file:
        mapped = MappedFile(file, fill=fill)
    content = _Resolver(mapped).resolve(_Unpickler(path, mapped).load())
    return content, mapped.is_complete


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
        flat = data.view(kind)
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} values for an array of shape {shape}")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _bytes(data: bytes | bytearray | str) -> bytes | bytearray:
    """Return bytes as they are, and as latin1 if Python 2 has written them as text."""
    return data.encode("latin1") if isinstance(data, str) else data


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _refuse_ndarray(*_: object) -> None:
    """Placeholder for ``numpy.ndarray``, which pickles of arrays name and never call."""
    raise TypeError("a call of numpy.ndarray")


def _scalar(dtype: _Dtype, data: bytes | bytearray | str) -> np.generic:
    scalar: np.generic = _array(np.frombuffer(_bytes(data), np.uint8), dtype, (1,), "C")[0]
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


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the placeholders above and no other name."""

    def __init__(self, path: str | Path, file: MappedFile) -> None:
        super().__init__(file, fix_imports=False, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str, /) -> _Call:
        # This method is the only way in which a pickle can name a class or a function: the opcodes
        # GLOBAL, STACK_GLOBAL, INST and EXT1 to EXT4 all come here (module `pickletools`). A list
        # of what is admitted is safe for every other name, known or not. numpy 2 renamed
        # ``numpy.core`` to ``numpy._core``; both are admitted.
        placeholder = _ADMITTED.get((_NUMPY.sub(r"\1", module), name))
        if placeholder is None:
            raise DatasetError(
                f"read {self.path}: it asks for {module}.{name}, which a dataset never needs; "
                "do not use this file, fetch it again from a source you trust"
            )
        return placeholder

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise pickle.UnpicklingError(f"a reference {pid!r:.40} to something outside the file")


class _Resolver:
    """Replaces the placeholders by arrays, in containers of containers.

    Each object is visited once, so a list that holds another a billion times costs nothing. Every
    visited object is kept alive, since its ``id`` identifies it only while it lives.
    """

    def __init__(self, mapped: MappedFile) -> None:
        self.mapped = mapped
        self.visited: dict[int, tuple[object, object]] = {}  # by id: the object and its result

    def resolve(self, item: object) -> object:
        if type(item) in _LEAVES:
            return item
        if id(item) not in self.visited:
            self.visited[id(item)] = item, item  # for a container that holds itself
            self.visited[id(item)] = item, self._resolved(item)
        return self.visited[id(item)][1]

    def _resolved(self, item: object) -> object:
        if isinstance(item, (_Dtype, _Call)):
            raise TypeError("a type instead of data")
        if isinstance(item, _Array):
            data, *rest = item.state
            if not isinstance(data, list):
                return _array(self.mapped.view(_bytes(data)), *rest)
            self.resolve(data)  # in place
            return _array(data, *rest)
        if isinstance(item, tuple):
            return tuple([self.resolve(part) for part in item])
        if isinstance(item, (bytes, bytearray)) and self.mapped.is_in_file(item):
            return self.mapped.view(item).tobytes()
        if isinstance(item, list):
            item[:] = [self.resolve(part) for part in item]
        elif isinstance(item, dict):
            item.update({key: self.resolve(part) for key, part in item.items()})
        return item


_LEAVES = frozenset({str, int, float, bool, type(None)})
