"""The images of a HATS catalogue as a file of stamps has them.

A partition has the stamps as the column ``stamp`` (PNG, in the layout of Hugging Face's Image
feature), or as the column ``pixels``, lists of lists of numbers. The column ``image``, if there is
one, is the Multimodal Universe's, and no stamp. The column ``channels`` is a struct of lists, one
list for each column of the table of channels, which LSDB reads as a nested column. All other
columns are those of a file of stamps (``stamps.py``).

>>> pixels = pa.chunked_array([[[[0.0, 1.0], [2.0, 3.0]]]], pa.list_(pa.list_(pa.float32())))
>>> pixel_bytes(pixels, StampShape(dtype="float32")).to_pylist()[0].hex()
'000000000000803f0000004000004040'
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mingolotss.dataset.label_columns import is_list
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.io.arrow_values import array_of, fill_null, list_lengths, numpy_of

__all__ = [
    "INDEX_COLUMN",
    "OBJECT_ID",
    "PIXELS",
    "STAMP",
    "holds_pixels",
    "nest_lists",
    "pixel_bytes",
    "unnest_lists",
]

INDEX_COLUMN = "_healpix_29"
"""The column with the HEALPix index of order 29 in the nested scheme."""
OBJECT_ID = "object_id"
"""The column with the name of the source, as the Multimodal Universe calls it."""
STAMP, PIXELS = "stamp", "pixels"
_MOST_BYTES = (1 << 31) - 1  # of an array of binary, whose offsets are int32
_TYPES = {"uint8": pa.uint8(), "float32": pa.float32()}


def holds_pixels(kind: pa.DataType, shape: StampShape) -> bool:
    """Return whether a column of this type holds the pixels of such stamps as lists of numbers."""
    depth = 0
    while is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth == len(shape.axes) and bool(kind == _TYPES[shape.dtype])


def pixel_bytes(column: pa.ChunkedArray, shape: StampShape) -> pa.ChunkedArray:
    """Return pixels in lists of lists as the bytes that a file of stamps has.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        ((channels,) ny, nx) lists of the numbers of each stamp (`holds_pixels`).
    shape : StampShape

    Returns
    -------
    pyarrow.ChunkedArray of binary
        Little-endian values in C order.

    Raises
    ------
    ValueError
        A stamp has another shape than the others of its chunk or than `shape`, or lacks a pixel.
    """
    chunks = [part for chunk in column.chunks for part in _chunk_bytes(chunk, shape)]
    return pa.chunked_array(chunks, pa.binary())


def nest_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of lists of structs as structs of lists, and any other column as it is.

    Readers of nested columns take single members of them, which they cannot of lists of structs
    (nested-pandas 0.7).

    >>> rows = pa.chunked_array([[[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], []]])
    >>> nest_lists(rows).to_pylist()
    [{'a': [1, 2], 'b': ['x', 'y']}, {'a': [], 'b': []}]
    >>> unnest_lists(nest_lists(rows)).equals(rows)
    True
    """
    kind = column.type
    if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return column
    nested = pa.struct([(one.name, pa.list_(one.type)) for one in kind.value_type])
    chunks = []
    for chunk in column.chunks:
        rows, offsets = chunk.flatten(), _offsets(chunk)
        lists = [pa.ListArray.from_arrays(offsets, member) for member in rows.flatten()]
        mask = chunk.is_null() if chunk.null_count else None
        chunks.append(pa.StructArray.from_arrays(lists, fields=list(nested), mask=mask))
    return pa.chunked_array(chunks, nested)


def unnest_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of structs of lists as lists of structs: what `nest_lists` was given.

    Any other column is returned as it is.

    Raises
    ------
    ValueError
        The lists of a struct have several lengths.
    """
    kind = column.type
    if not pa.types.is_struct(kind) or not all(is_list(one.type) for one in kind):
        return column
    listed = pa.list_(pa.struct([(one.name, one.type.value_type) for one in kind]))
    chunks = []
    for chunk in column.chunks:
        lists = chunk.flatten()
        lengths = [fill_null(list_lengths(one), 0) for one in lists]
        if any(not one.equals(lengths[0]) for one in lengths):
            raise ValueError("lists of several lengths in one row")
        members = [one.flatten() for one in lists]
        rows = pa.StructArray.from_arrays(members, fields=list(listed.value_type))
        mask = chunk.is_null() if chunk.null_count else None
        chunks.append(pa.ListArray.from_arrays(_offsets(lists[0]), rows, mask=mask))
    return pa.chunked_array(chunks, listed)


def _offsets(lists: pa.Array) -> pa.Array:
    """Return where each list begins in the flattened values, and where the last one ends."""
    lengths = numpy_of(fill_null(list_lengths(lists), 0))
    return array_of(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _chunk_bytes(chunk: pa.Array, shape: StampShape) -> list[pa.Array]:
    if not len(chunk):
        return []
    axes = []
    values, count = chunk, len(chunk)
    while is_list(values.type):
        lengths = list_lengths(values).unique().to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise ValueError("images of several shapes in its column 'pixels'")
        axes += lengths
        values = values.flatten()
    if values.null_count:
        raise ValueError("a pixel without a value in its column 'pixels'")
    if tuple(axes) != shape.axes and (shape.side or axes[-1] != axes[-2]):
        raise ValueError(f"images of shape {tuple(axes)} in its column 'pixels'")
    kind = np.dtype(shape.dtype).newbyteorder("<")
    pixels = np.ascontiguousarray(values.to_numpy(zero_copy_only=False), kind).reshape(count, -1)
    size = pixels.shape[1] * kind.itemsize
    rows = max(_MOST_BYTES // max(size, 1), 1)
    return [_binary(pixels[start : start + rows], size) for start in range(0, count, rows)]


def _binary(pixels: np.ndarray[tuple[int, int], np.dtype[np.generic]], size: int) -> pa.Array:
    offsets = np.arange(len(pixels) + 1, dtype=np.int32) * np.int32(size)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(pixels)]
    return pa.Array.from_buffers(pa.binary(), len(pixels), buffers)
