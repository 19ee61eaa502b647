"""Values of Arrow columns without pandas, and without what `pyarrow.compute` does for its callers.

pyarrow imports pandas, where it is installed, to see whether a Python value is one of pandas, and
when it makes a numpy array: 0.1 s and more, a third of a short command. What goes from and to the
buffers of Arrow asks nothing. `pyarrow.compute`, which most methods of tables import, writes the
documentation of its 300 functions first; the functions themselves are in a module below it. The
modules that `mingolotss status` and the command of a build run through use this module; elsewhere
pyarrow's own functions read better.

>>> numbers = pa.array([3, None, 2])
>>> numpy_of(fill_null(numbers, 7)), equals(numbers, 2).to_pylist()
(array([3, 7, 2]), [False, None, True])
>>> filter_rows(numbers, equals(numbers, 2)).to_pylist(), is_null(numbers)
([2], array([False,  True, False]))
>>> struct_field(flatten_lists(pa.array([[{"a": 1}], None, [{"a": 2}]])), "a").to_pylist()
[1, 2]
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

try:
    from pyarrow._compute import StructFieldOptions, call_function
except ImportError:  # the module below `pyarrow.compute` has another name in another version
    from pyarrow.compute import StructFieldOptions, call_function

__all__ = [
    "TEXTS",
    "array_of",
    "content_bytes",
    "decode_dictionary",
    "equals",
    "fill_null",
    "filter_rows",
    "flatten_lists",
    "is_null",
    "list_lengths",
    "numpy_dtype",
    "numpy_of",
    "scalar",
    "struct_field",
    "text_array",
]

TEXTS = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())
"""The types of texts and of bytes."""
# The types whose names differ; the others, such as uint8, are called the same in both libraries.
_DTYPES = {"halffloat": "float16", "float": "float32", "double": "float64"}


def numpy_dtype(kind: pa.DataType) -> np.dtype[Any]:
    """Return the numpy dtype of a type of numbers or flags, and object for any other.

    Older versions of pyarrow import pandas for its own function, and fail where it is missing.

    >>> numpy_dtype(pa.float32()), numpy_dtype(pa.bool_()), numpy_dtype(pa.string())
    (dtype('float32'), dtype('bool'), dtype('O'))
    """
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return np.dtype(_DTYPES.get(str(kind), str(kind)) if is_number else object)


def array_of(values: npt.NDArray[Any]) -> pa.Array:
    """Return numbers or flags as an Arrow array without nulls.

    Parameters
    ----------
    values : bool, integer or floating array, shape (n,)
    """
    is_flag = values.dtype == np.bool_
    data = np.packbits(values, bitorder="little") if is_flag else np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])


def numpy_of(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return numbers, flags or texts as a numpy array, as ``to_numpy(zero_copy_only=False)`` does.

    Parameters
    ----------
    column : Array or ChunkedArray
        For values of other types, and for integers and flags with nulls, pandas is imported.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind, start, n = array.type, array.offset, len(array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts_of(array)
    is_flag, is_float = pa.types.is_boolean(kind), pa.types.is_floating(kind)
    if not (is_flag or is_float or pa.types.is_integer(kind)) or (
        array.null_count and not is_float
    ):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    data = array.buffers()[1] or b""  # an array without values need not have a buffer
    if not is_flag:
        values: npt.NDArray[Any] = np.frombuffer(data, numpy_dtype(kind))[start : start + n]
        if array.null_count:
            values = np.where(is_null(array), values.dtype.type(np.nan), values)
        return values
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return bits[start : start + n].view(np.bool_)


def _texts_of(array: pa.Array) -> npt.NDArray[np.object_]:
    """Return an object array of str, and None for nulls."""
    texts = np.full(len(array), None, object)
    if not len(array):
        return texts
    _, ends, data = array.buffers()
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    bounds = np.frombuffer(ends, width)[array.offset : array.offset + len(array) + 1]
    first, raw = int(bounds[0]), b"" if data is None else data[bounds[0] : bounds[-1]].to_pybytes()
    whole = raw.decode() if raw.isascii() else None  # then the bounds are those of characters
    places = (bounds - first).tolist()
    for place, (begin, end) in enumerate(itertools.pairwise(places)):
        texts[place] = raw[begin:end].decode() if whole is None else whole[begin:end]
    if array.null_count:
        texts[is_null(array)] = None
    return texts


def text_array(texts: Sequence[str]) -> pa.Array:
    """Return texts as an Arrow array of strings without nulls.

    Raises
    ------
    UnicodeEncodeError
        A text has lone surrogates.
    """
    encoded = [text.encode() for text in texts]
    ends = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=ends[1:])
    if ends[-1] > np.iinfo(np.int32).max:  # pyarrow makes several chunks of them
        return pa.array(texts, pa.string())
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def scalar(value: str | float, kind: pa.DataType | None = None) -> pa.Scalar:
    """Return a value as an Arrow scalar.

    Parameters
    ----------
    value : str, bool, int or float
    kind : DataType, optional
        Its type; by default that of `pyarrow.scalar`.
    """
    if isinstance(value, str):
        array = text_array([value])
    else:
        values = np.array([value])
        typed = values if kind is None else values.astype(numpy_dtype(kind))
        # Arrow refuses a value that would change, with an error of its own.
        array = array_of(typed if typed.dtype != object and typed[0] == value else values)
    return array[0] if kind is None or kind == array.type else array.cast(kind)[0]


def fill_null(values: pa.Array | pa.ChunkedArray, value: str | float) -> Any:
    """Return values in which a value stands for each null."""
    return call_function("coalesce", [values, scalar(value, values.type)])


def is_null(values: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which values are null, bool array, shape (n,)."""
    return numpy_of(call_function("is_null", [values]))


def equals(values: pa.Array | pa.ChunkedArray, value: str | float) -> Any:
    """Return which values are equal to one, as Arrow flags; null for each null."""
    return call_function("equal", [values, scalar(value)])


def filter_rows(values: Any, keep: pa.Array | pa.ChunkedArray) -> Any:
    """Return the rows of a table, or the values of an array, whose flag is true."""
    return call_function("filter", [values, keep])


def flatten_lists(lists: pa.Array | pa.ChunkedArray) -> Any:
    """Return the values of all lists one after the other; a null has none."""
    return call_function("list_flatten", [lists])


def content_bytes(column: pa.Array) -> int:
    """Return how many bytes a column takes, a dictionary with all texts that its numbers mean."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    n_bytes, values = int(column.indices.nbytes), column.dictionary
    if values.type in TEXTS:
        lengths = call_function("binary_length", [values])
        total = call_function("sum", [call_function("take", [lengths, column.indices])])
        n_bytes += total.as_py() or 0
    return n_bytes


def decode_dictionary(column: pa.DictionaryArray) -> pa.Array:
    """Return the values that the numbers of a dictionary mean.

    The method of the same name imports `pyarrow.compute`, which takes 30 ms.
    """
    return call_function("take", [column.dictionary, column.indices])


def list_lengths(lists: pa.Array) -> Any:
    """Return the number of values in each list; null for each null."""
    return call_function("list_value_length", [lists])


def struct_field(structs: pa.Array | pa.ChunkedArray, name: str | list[int]) -> Any:
    """Return a field of structures, by its name or its place; null where the structure is."""
    return call_function("struct_field", [structs], StructFieldOptions(name))
