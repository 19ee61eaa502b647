"""Columns of every type as text, numbers and flags."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.catalogue.columns import to_flags, to_floats, to_text
from mingolotss.catalogue.table import Column
from mingolotss.errors import CatalogueError

DAY = dt.date(2020, 1, 2)


def column(values, dtype=object, null=None):
    return Column(np.array(values, dtype), None if null is None else np.array(null))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (column([1, 2**62 + 1], "i8", [True, False]), ["", "4611686018427387905"]),
        (column([2**63 + 1, 7], "u8"), ["9223372036854775809", "7"]),
        (column([b"A ", b"B\0\0junk", b"\0x", b" \xc3\xa9"], "S9"), ["A", "B", "", "é"]),
        (column([True, False, True], bool, [False, False, True]), ["True", "False", ""]),
        (column([0.1, 1e16, math.nan], "f4"), ["0.1", "1e+16", ""]),
        (column([0.1, 1.0, math.nan], "f2"), ["0.1", "1.0", ""]),
        (column([0.1, 1.0, math.nan], "f8"), ["0.1", "1.0", ""]),
        (column(["2020-01-02", "NaT"], "M8[D]"), ["2020-01-02", ""]),
        (column([Decimal("1.50"), None, DAY, b"x\0y"]), ["1.50", "", "2020-01-02", "x"]),
        (column([" nan", "None", "N/A", "--", "", None]), ["nan", "None", "N/A", "--", "", ""]),
        (column(["1", "nan", "", "-2.5e3"]), ["1", "", "", "-2.5e3"]),
        (column(["NAN", "nan"]), ["", ""]),
        (Column(pa.array([" a ", "nan", "7"])), ["a", "nan", "7"]),
        (Column(pa.array([" 1 ", "NaN", "7"])), ["1", "", "7"]),
    ],
)  # fmt: skip
def test_text_of_every_type(given, text):
    """Null and NaN are empty, integers keep all digits, strings end at NUL."""
    assert to_text(given, "x") == text


@pytest.mark.parametrize("value", [b"caf\xe9", b"\xff", b"ok\xfe"])
@pytest.mark.parametrize("dtype", ["S5", object])
def test_bytes_that_are_no_utf8_are_named(value, dtype):
    """A name in Latin-1 is an error, not a name with a replacement character."""
    with pytest.raises(CatalogueError, match=r"column 'x' holds b'.*no UTF-8"):
        to_text(column([b"good", value], dtype), "x")


NUMBERS = [
    (column([1, 2, 3], "i4", [False, True, False]), [1, math.nan, 3]),
    (column(["1.5", "", " 3 ", "nan"]), [1.5, math.nan, 3, math.nan]),
    (column([b"1.5D+02", b"1e2", b""], "S9"), [150, 100, math.nan]),
    (column([Decimal("1.5"), None, Decimal(0)]), [1.5, math.nan, 0]),
    (column([None, None]), [math.nan, math.nan]),
    (Column(pa.array(["0.1", "", "1e-5"])), [0.1, math.nan, 1e-5]),
]


@pytest.mark.parametrize(("given", "numbers"), NUMBERS)
def test_numbers_of_every_type(given, numbers):
    """Numbers come from numbers and from text, and null is NaN."""
    np.testing.assert_array_equal(to_floats(given, "x", "size"), numbers)


@pytest.mark.parametrize(
    "given", ["1,234.5", "1,5", "1_0", "1.5 arcsec", "--", "\uff11\uff12", "0x10"]
)
def test_text_that_is_no_number_names_its_row(given):
    """Thousands separators, decimal commas and words are not guessed at."""
    with pytest.raises(CatalogueError, match=f"holds '{given}' in row 3, which is no number"):
        to_floats(column(["1", "", given]), "x", "size")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (column([1 + 2j, 2], complex), "complex numbers"),
        (column([True, False], bool), "true and false"),
        (column(["2020-01-01"], "M8[s]"), "dates"),
        (column([1], "m8[s]"), "durations"),
    ],
)
def test_types_that_are_no_numbers(given, word):
    """Numpy would convert each of these to floats without a word."""
    with pytest.raises(CatalogueError, match=f"holds {word}, where numbers in deg"):
        to_floats(given, "x", "ra")


FLAGS = [
    column([True, False, True], bool, [False, False, True]),
    column([1, 0, 1], "i2", [False, False, True]),
    column([1.0, 0.0, math.nan], "f4"),
    column([b"T", b"F", b""], "S1"),
    column(["Yes", "no ", None]),
    Column(pa.array(["TRUE", "f", ""])),
    column(["1", "0", "nan"]),
    column([1, 0, 0], "u1"),
]


@pytest.mark.parametrize("given", FLAGS)
def test_flags_of_every_type(given):
    """Null is false in each."""
    assert to_flags(given, "x", ["a", "b", "c"]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 2, 1], "i4"), ([0, 0.5, 1], float), ([0, math.inf, 1], float), ([0, 255, 1], "u1"),
     (["no", "maybe", "yes"], object), (["0", "-1", "1"], object), ([b"F", b"N/A", b"T"], "S3")],
)  # fmt: skip
def test_what_is_no_flag_names_its_row(values, dtype):
    """2 is neither true nor false."""
    with pytest.raises(CatalogueError, match=r"where a flag \(true or false\).*row 2 \(b\)"):
        to_flags(column(values, dtype), "x", ["a", "b", "c"])


def test_complex_numbers_are_no_text():
    """A complex column is no name and no class."""
    with pytest.raises(CatalogueError, match="complex"):
        to_text(column([1j], complex), "x")
