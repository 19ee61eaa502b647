"""Conditions on columns: what is selected, compared with plain Python, and what is refused."""

import math
import operator

import pyarrow as pa
import pytest

from mingolotss.catalogue.expressions import parse_condition
from mingolotss.errors import CatalogueError

COLUMNS = {
    "z": pa.array([0.1, 0.5, math.nan, None, -2.0, 1e3]),
    "n": pa.array([1, None, 3, 4, 5, 2**60]),
    "id": pa.array([1, 2, 3, 4, 5, 2**60 + 1], pa.uint64()),
    "Class": pa.array(["FRI", "FRII", None, "it's", "frI", "FRI"]),
    "good": pa.array([True, False, None, True, True, False]),
    "D-D": pa.array([False, True, True, False, False, False]),
    "in": pa.array([1, 2, 3, 4, 5, 6]),
    "flux (mJy)": pa.array([1.0, 2, 3, 4, 5, 6], pa.float32()),
}
SELECTED = {
    "z < 0.5": [0, 4],
    "z <= .5": [0, 1, 4],
    "z >= 5e-1": [1, 5],
    "z = -2": [4],
    "z == 1000": [5],
    "z != 0.5": [0, 4, 5],
    "z <> 0.5 ": [0, 4, 5],
    "0.5 > z": [0, 4],
    "z is null": [2, 3],
    "z is not null": [0, 1, 4, 5],
    "NOT z < 0.5": [1, 5],
    "not (z is null)": [0, 1, 4, 5],
    "not not z is null": [2, 3],
    "Class = 'FRI'": [0, 5],
    "Class = 'it''s'": [3],
    "Class < 'FRII'": [0, 5],
    "Class in ('FRI', 'frI')": [0, 4, 5],
    "Class not in ('FRI', 'frI')": [1, 3],
    "n in (1, 3, -5)": [0, 2],
    "n = 1152921504606846976": [5],
    "id = n": [0, 2, 3, 4],
    "id > n": [5],
    "n > z": [0, 4, 5],
    f"z < {'9' * 400}": [0, 1, 4, 5],
    "good": [0, 3, 4],
    "not good": [1, 5],
    "good = false": [1, 5],
    "good and z < 0.5": [0, 4],
    "good or z < 0.5 or z is null": [0, 2, 3, 4],
    "z < 0 or z > 0.2 and good": [4],
    "(z < 0 or z > 0.2) and not good": [1, 5],
    "D-D": [1, 2],
    '"D-D" AND `in` <= 2': [1],
    '"flux (mJy)" between': None,
    '"flux (mJy)" > 4.5': [4, 5],
}


@pytest.mark.parametrize("text", [text for text, rows in SELECTED.items() if rows is not None])
def test_the_selected_rows(text):
    selected, _ = parse_condition(text).select(COLUMNS)
    assert selected.nonzero()[0].tolist() == SELECTED[text]


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_are_those_of_python(sign):
    compare = {
        "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
        "==": operator.eq, "!=": operator.ne,
    }[sign]  # fmt: skip
    values = [None if v is None or v != v else v for v in COLUMNS["z"].to_pylist()]  # noqa: PLR0124
    for limit in (-2.0, 0.1, 0.3, 1000.0):
        selected, unknown = parse_condition(f"z {sign} {limit}").select(COLUMNS)
        assert selected.tolist() == [v is not None and compare(v, limit) for v in values]
        assert unknown == 2


REFUSED = {
    "": "a column or a value was expected at its end",
    "z <": "a column or a value was expected at its end",
    "z < 0.5 z": "and, or, or the end was expected at 'z'",
    "z < 0.5)": "and, or, or the end was expected",
    "(z < 0.5": "'\\)' was expected at its end",
    "z = '": 'neither a name nor a value at "\'"',
    "z ** 2 > 1": "neither a name nor a value",
    "z + 1 > 1": "neither a name nor a value at '\\+ 1 > 1'",
    "__import__('os').system('true')": "neither a name nor a value at",
    "__import__('os')": "and, or, or the end was expected",
    "z; drop table x": "neither a name nor a value at '; drop table x'",
    "Class in ('FRI' 'FRII')": "'\\)' was expected",
    "Class in (FRI)": "text stands in single quotes",
    "Class in ()": "a column or a value was expected",
    "z is 5": "'null' was expected",
    "3 is null": "where a column was expected",
    "1 < 2": "names no column",
    '"flux (mJy)" between': "and, or, or the end was expected at 'between'",
    "--z": "neither|expected",
    "z = - - 1": "a column or a value was expected",
    "(" * 200 + "z": "more than 50 parentheses",
    "not " * 200 + "good": "more than 50 parentheses and not",
    "z" * 20_000: "at most 10000",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_condition_is_one_line(text):
    with pytest.raises(CatalogueError, match=REFUSED[text]) as caught:
        parse_condition(text)
    assert "\n" not in str(caught.value)


UNFIT = {
    "z = 'a'": "column 'z' .numbers. is compared with 'a' .text.",
    "Class > 3": "column 'Class' .text. is compared with 3 .numbers.",
    "good = 1": "column 'good' .flags. is compared with 1 .numbers.",
    "good > z": "is compared with column 'z'",
    "n and good": "a column of numbers, where true or false was expected",
    "not Class": "a column of text, where true or false",
    "Class": "a column of text",
    "z in (1, 'a')": "is compared with 'a'",
}


@pytest.mark.parametrize("text", UNFIT)
def test_values_that_cannot_be_compared(text):
    with pytest.raises(CatalogueError, match=UNFIT[text]):
        parse_condition(text).select(COLUMNS)


def test_the_columns_of_a_condition():
    assert parse_condition('`a b` < z or z is null and not "c"').columns == ("a b", "z", "c")
