"""A table of probabilities is read as it is, or refused in one line."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.errors import InputError
from mingolotss.qa.suspects.probabilities import read_probabilities

CLASSES = ("FRI", "FRII; odd", "+1")


def read(path, kind="classes"):
    return read_probabilities(path, CLASSES, kind, "suspects demo")


def write(path, text):
    path.write_text(text)
    return path


def test_columns_in_any_order_beside_others(tmp_path):
    """The names of the classes are those of the columns, whatever letters they have."""
    text = '+1,note,source,FRI,FRII; odd\n0.1,x,A,0.2,0.7\n1.0,,"\'-B",0,0\n'
    table = read(write(tmp_path / "p.csv", text))
    assert table.row_of == {"A": 0, "-B": 1}  # a name as our CSV files have it
    assert np.allclose(table.values, [[0.2, 0.7, 0.1], [0, 0, 1]])


def test_parquet_of_single_precision(tmp_path):
    """Sums are 1 within the digits of the file, and exactly afterwards."""
    values = np.random.default_rng(1).dirichlet([1, 1, 1], 50).astype(np.float32)
    columns = {name: values[:, label] for label, name in enumerate(CLASSES)}
    pq.write_table(pa.table({"source": [f"S{n}" for n in range(50)]} | columns), tmp_path / "p.pq")
    table = read(tmp_path / "p.pq")
    assert np.allclose(table.values.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert np.allclose(table.values, values, atol=1e-6)


def test_tags_need_not_sum_to_one(tmp_path):
    """Each has a probability of its own."""
    table = read(write(tmp_path / "p.csv", "source,FRI,FRII; odd,+1\nA,0.9,0.8,0\n"), "tags")
    assert table.values.tolist() == [[0.9, 0.8, 0.0]]


HEADER = "source,FRI,FRII; odd,+1\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEADER + "A,0.5,0.4,0.2\nB,1,0,0\n", "source 'A' sum to 1.1 and not to 1 (1 such rows)"),
        (HEADER + "A,50,40,10\n", "source 'A' has 50, 40, 10; a probability is between 0 and 1"),
        (HEADER + "A,-0.1,1.1,0\n", "source 'A' has -0.1, 1.1, 0; a probability is between"),
        (HEADER + "A,0.5,,0.5\n", "source 'A' has 0.5, nan, 0.5; a probability is between"),
        (HEADER + "A,1,0,0\nB,1,0,0\nA,0,1,0\n", "several rows for 'A'; keep one row of each"),
        (HEADER + "A,high,0,0\n", "column 'FRI' holds 'high' in row 1 where a number"),
        ("source,FRI,FRII\nA,1,0\n", "no column 'FRII; odd' and '+1'; it needs the"),
        ("name,FRI,FRII; odd,+1\nA,1,0,0\n", "no column 'source'; it needs the column 'source'"),
        ("", "suspects demo --probabilities"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["classes", "votes"])
def test_a_wrong_table_is_one_line(tmp_path, kind, text, line):
    """The line names the file, the source and the number."""
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        read(write(tmp_path / "p.csv", text), kind)
    assert str(caught.value).startswith(f"suspects demo --probabilities {tmp_path / 'p.csv'}: ")
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path):
    """As for a catalogue."""
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "p.csv")
