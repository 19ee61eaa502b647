r"""Open a pickle from outside without running anything that is in it.

A pickle is a program. This reads only those that build numpy arrays, numpy scalars and plain
containers, as batches do, from Python 2 or 3, protocols 0 to 5. Every callable that a pickle
names is replaced by a stand-in of ours, so numpy's own ``__setstate__`` methods, which trust
their input down to the pointer, never see a byte of it. Large arrays are not read at all: they
are views of the memory-mapped file. What is not here: what a batch holds
(``arrays.py``).

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mingolotss.errors import DatasetError
from mingolotss.formats.mapped_pickle import Mapped

__all__ = ["load_pickle"]

_DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16|O8?|[SU]\d{1,6}|\?)")
_NUMPY = re.compile(r"numpy\.(?:_core|core)\.(multiarray|numeric)")
_BROKEN = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError,
    MemoryError, OverflowError, ImportError, RecursionError,
)  # fmt: skip


def load_pickle(path: str | Path) -> Any:
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
        with Path(path).open("rb") as file:
            mapped = Mapped(file)
        return _Resolver(mapped).resolve(_Unpickler(path, mapped).load())
    except OSError as error:
        raise DatasetError(f"read {path}: {error.strerror or error}") from error
    except _BROKEN as error:
        found = str(error) or type(error).__name__
        raise DatasetError(
            f"read {path}: not a complete pickle of arrays ({found}); fetch or build it again"
        ) from error


class _Dtype:
    """Stands in for a numpy dtype while the pickle runs."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise ValueError(f"array type {code!r:.40}")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise ValueError("an array with fields")
        self.code = state[1] + self.code.lstrip("<>=|")

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code)


class _Array:
    """Stands in for an array until the pickle has run."""

    def __init__(self, *state: Any) -> None:
        self.state = state

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.state = data, dtype, shape, "F" if fortran else "C"


def _array(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    """Make an array of `shape` over `data` without copying: uint8 array, or a list of objects."""
    kind = dtype.dtype()
    if min(shape, default=0) < 0 or kind.hasobject != isinstance(data, list):
        raise ValueError(f"array of type {kind} and shape {shape}")
    flat: np.ndarray[Any, Any] = np.empty(len(data), kind) if kind.hasobject else data.view(kind)
    if kind.hasobject:
        flat[:] = data
    if flat.size != math.prod(shape):
        raise ValueError(f"{flat.size} values for an array of shape {shape}")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _bytes(data: Any) -> bytes | bytearray:
    """Python 2 writes bytes as text, which latin1 brings back."""
    return data.encode("latin1") if isinstance(data, str) else data


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _never(*_: Any) -> None:
    """Stand in for ``numpy.ndarray``, which pickles of arrays name and never call."""
    raise TypeError("a call of numpy.ndarray")


def _scalar(dtype: _Dtype, data: Any) -> Any:
    return _array(np.frombuffer(_bytes(data), np.uint8), dtype, (1,), "C")[0]


def _encode(text: str, encoding: str) -> bytes:
    """Protocols 0 to 2 write bytes as text in latin1."""
    if encoding != "latin1":
        raise ValueError(f"bytes written as {encoding!r:.20}")
    return text.encode("latin1")


class _Call:
    """A callable that a pickle may call, and cannot change."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, _: Any) -> None:
        raise TypeError("a function with a state")


def _container(kind: type) -> _Call:
    """Let `kind` be made from nothing or from items; ``bytes(10**12)`` would take all memory."""

    def make(items: list[Any] | tuple[Any, ...] | dict[Any, Any] = ()) -> Any:
        if not isinstance(items, (list, tuple, dict)):
            raise TypeError(f"{kind.__name__} from {type(items).__name__}")
        return kind(items)

    return _Call(make)


_PYTHON = (bytes, bytearray, set, frozenset)
_ADMITTED: dict[tuple[str, str], _Call] = {
    ("numpy", "dtype"): _Call(_Dtype),
    ("numpy", "ndarray"): _Call(_never),
    ("multiarray", "_reconstruct"): _Call(_reconstruct),
    ("multiarray", "scalar"): _Call(_scalar),
    ("numeric", "_frombuffer"): _Call(_Array),
    ("_codecs", "encode"): _Call(_encode),
    ("collections", "OrderedDict"): _container(dict),
    **{("builtins", kind.__name__): _container(kind) for kind in _PYTHON},
    **{("__builtin__", kind.__name__): _container(kind) for kind in _PYTHON},
}


class _Unpickler(pickle.Unpickler):
    """Knows the stand-ins above and no other name."""

    def __init__(self, path: str | Path, file: Mapped) -> None:
        super().__init__(file, fix_imports=False, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str, /) -> Any:
        known = _ADMITTED.get((_NUMPY.sub(r"\1", module), name))
        if known is None:
            raise DatasetError(
                f"read {self.path}: it asks for {module}.{name}, which a dataset never needs; "
                "do not use this file, fetch it again from a source you trust"
            )
        return known

    def persistent_load(self, pid: Any, /) -> Any:
        raise pickle.UnpicklingError(f"a reference {pid!r:.40} to something outside the file")


class _Resolver:
    """Puts the arrays where their stand-ins are, in containers of containers.

    Each object is visited once, so one that holds another a billion times costs nothing. What has
    been visited is kept alive: an address names one object only while it lives.
    """

    def __init__(self, mapped: Mapped) -> None:
        self.mapped = mapped
        self.seen: dict[int, tuple[Any, Any]] = {}

    def resolve(self, item: Any) -> Any:
        if type(item) in _LEAVES:
            return item
        if id(item) not in self.seen:
            self.seen[id(item)] = item, item
            self.seen[id(item)] = item, self._resolved(item)
        return self.seen[id(item)][1]

    def _resolved(self, item: Any) -> Any:
        if isinstance(item, (_Dtype, _Call)):
            raise TypeError("a type instead of data")
        if isinstance(item, _Array):
            data, *rest = item.state
            is_list = isinstance(data, list)
            return _array(self.resolve(data) if is_list else self.mapped.view(_bytes(data)), *rest)
        if isinstance(item, tuple):
            return tuple([self.resolve(part) for part in item])
        if isinstance(item, (bytes, bytearray)) and self.mapped.is_elsewhere(item):
            return self.mapped.view(item).tobytes()
        pairs = enumerate(item) if isinstance(item, list) else ()
        for key, part in list(item.items() if isinstance(item, dict) else pairs):
            item[key] = self.resolve(part)
        return item


_LEAVES = frozenset({str, int, float, bool, type(None)})
