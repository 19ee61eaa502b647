"""Values of Arrow columns, compared with what pyarrow's own conversions give."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.io.arrow_values import (
    array_of,
    fill_null,
    numpy_dtype,
    numpy_of,
    scalar,
    text_array,
)

TYPES = ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64"]


def _values(dtype, n):
    return (np.random.default_rng(n).uniform(0, 2, n) * (1 if dtype == "bool" else 50)).astype(
        dtype
    )


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1000])
@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_are_those_of_pyarrow(dtype, n):
    """Also from every second element, which does not lie together in memory."""
    for values in (_values(dtype, n), _values(dtype, 2 * n)[::2]):
        array = array_of(values)
        array.validate(full=True)
        assert array.equals(pa.array(values))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("bounds", [(0, 20), (3, 20), (5, 5), (8, 17), (20, 20)])
def test_numpy_arrays_are_those_of_pyarrow(dtype, bounds):
    """Of slices, of several chunks and of none."""
    array = pa.array(_values(dtype, 20)).slice(bounds[0], bounds[1] - bounds[0])
    chunks = pa.chunked_array([array, array.slice(0, 1), array], array.type)
    for column in (array, chunks, chunks.slice(1), pa.chunked_array([], array.type)):
        expected = column.to_numpy(**({"zero_copy_only": False} if column is array else {}))
        values = numpy_of(column)
        assert values.dtype == expected.dtype
        assert np.array_equal(values, expected)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, None, 3]),
        pa.array([1.5, None]),
        pa.array([True, None]),
        pa.array([None, None], pa.int8()),
        pa.array(["a", None, "b"]),
        pa.array([1, 2], pa.timestamp("s")),
    ],
)
def test_nulls_and_other_types_are_as_pyarrow_has_them(array):
    values, expected = numpy_of(array), array.to_numpy(zero_copy_only=False)
    assert values.dtype == expected.dtype
    assert [str(one) for one in values] == [str(one) for one in expected]


TEXTS = ["", "a", "Köln\0", "x" * 300, "日本", "", "b\n"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("texts", [TEXTS, ["one", "two"], [None, "ä", None], [None], []])
def test_texts_are_those_of_pyarrow(kind, texts):
    """ASCII alone or not, with nulls, of slices and of several chunks."""
    array = pa.array(texts, kind)
    chunks = pa.chunked_array([array.slice(1), array, array.slice(0, 1)], kind)
    for column in (array, array.slice(1), array.slice(1, 1), chunks, pa.chunked_array([], kind)):
        values = numpy_of(column)
        assert values.dtype == object
        assert values.tolist() == column.to_pylist()


@pytest.mark.parametrize("texts", [TEXTS, [], [""], ["a"] * 1000])
def test_arrays_of_texts_are_those_of_pyarrow(texts):
    array = text_array(texts)
    array.validate(full=True)
    assert array.equals(pa.array(texts, pa.string()))


@pytest.mark.parametrize("value", ["", "written", "Köln\0", True, False, 3, -1, 2.5])
def test_scalars_are_those_of_pyarrow(value):
    assert scalar(value).equals(pa.scalar(value))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, pa.int16()),
        (-1, pa.int32()),
        (0, pa.float32()),
        ("a", pa.large_string()),
        (1, pa.bool_()),
    ],
)
def test_scalars_of_other_types(value, kind):
    assert scalar(value, kind).equals(pa.scalar(value).cast(kind))
    assert math.isnan(scalar(math.nan).as_py())


@pytest.mark.parametrize(
    ("values", "value"),
    [
        (pa.array([1, None], pa.int16()), -1),
        (pa.array([True, None]), False),
        (pa.array(["a", None]), ""),
        (pa.array([None], pa.large_string()), "x"),
        (pa.array(["a", None]).dictionary_encode(), "a"),
        (pa.chunked_array([[1.5], [None]]), 0),
    ],
)
def test_nulls_are_filled_as_pyarrow_fills_them(values, value):
    filled = fill_null(values, value)
    assert filled.type == values.type
    assert filled.to_pylist() == values.fill_null(value).to_pylist()


@pytest.mark.parametrize("name", [*TYPES, "float16"])
def test_types_have_the_dtype_that_pyarrow_gives_them(name):
    """Pyarrow's own function is the oracle."""
    kind = pa.from_numpy_dtype(np.dtype(name))
    assert numpy_dtype(kind) == np.dtype(kind.to_pandas_dtype()) == np.dtype(name)
