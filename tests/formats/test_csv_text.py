"""CSV as text: plain values that are joined are what the writer of Python makes of them."""

from __future__ import annotations

import csv
from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st

from mingolotss.formats.csv import render_csv, spreadsheet_text

TEXTS = st.text(st.sampled_from("ab ,\"\n\r\t=+-@\N{FULLWIDTH EQUALS SIGN}é'"), max_size=3)
VALUES = st.one_of(TEXTS, TEXTS, TEXTS, st.none(), st.integers(-2, 2), st.floats(), st.booleans())


def written(rows, header):
    """Return the table as the writer makes it, row by row."""
    lines = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for row in (header, *rows):
        writer.writerow([spreadsheet_text(value) for value in row])
    return "".join(f"{line[:-2]}\n" for line in lines)


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.one_of(st.tuples(*[TEXTS] * width), st.tuples(*[VALUES] * width)),
            max_size=4,
        ).map(lambda rows: (width, rows))
    )
)
@example((1, [("",)]))
@example((2, [("a", ""), ("", "")]))
@example((2, [("a", "b,c")]))
@example((2, [("a\nb", "c")]))
@example((2, [("a", "=1+1")]))
@example((2, [("=1+1", "a")]))
@example((1, [("a",), ("",), ("b",)]))
def test_any_table_is_what_the_writer_makes_of_it(table):
    width, rows = table
    header = [f"column {number}" for number in range(width)]
    assert render_csv(iter(rows), header) == written(rows, header)
