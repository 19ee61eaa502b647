"""Tables in BINARY and BINARY2 that end early, written by astropy."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from astropy.io import votable
from astropy.table import MaskedColumn, Table

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.errors import CatalogueError
from mingolotss.io.votable_rows import count_rows
from mingolotss.io.votables import IncompleteDocumentError, parse_votable

COLUMNS = {
    "Source_Name": ["J1", "a longer name", ""],
    "RA": [1.0, 2.0, 3.0],
    "DEC": [1.0, 2.0, 3.0],
    "flux": np.array([1, 2, 3], "f4"),
    "count": np.array([1, 2, 3], "i2"),
    "flag": np.array([True, False, True]),
    "pair": np.arange(6, dtype="i4").reshape(3, 2),
    "name": np.array(["ä", "b", "c"]),
    "z": MaskedColumn([0.1, 0.2, 0.3], mask=[False, True, False]),
    "c": np.array([1j, 2, 3], "c8"),
}


def document(kind: str, columns=COLUMNS, rows: int | None = None) -> bytes:
    table = votable.from_table(Table(columns))
    buffer = io.BytesIO()
    table.to_xml(buffer, tabledata_format=kind)
    text = re.sub(rb' nrows="\d+"', b"", buffer.getvalue())
    return text if rows is None else text.replace(b"<TABLE", f'<TABLE nrows="{rows}"'.encode(), 1)


def cut(text: bytes, count: int) -> bytes:
    """Remove bytes from the end of the stream; the document stays well-formed."""
    match = re.search(rb'(<STREAM encoding="base64">)(.*?)(</STREAM>)', text, re.DOTALL)
    data = base64.b64decode(match[2])
    encoded = base64.b64encode(data[: len(data) - count])
    return text[: match.start(2)] + encoded + text[match.end(2) :]


@pytest.mark.parametrize("kind", ["binary", "binary2"])
def test_a_whole_table_has_the_rows_of_astropy(kind):
    text = document(kind, rows=3)
    assert len(parse_votable(io.BytesIO(text)).get_first_table().array) == 3


@pytest.mark.parametrize("kind", ["binary", "binary2"])
@pytest.mark.parametrize("count", [1, 4, 30, 70])
def test_a_row_that_is_cut_short_is_an_error(kind, count):
    with pytest.raises(IncompleteDocumentError, match=r"row \d is cut short"):
        parse_votable(io.BytesIO(cut(document(kind), count)))


@pytest.mark.parametrize("kind", ["binary", "binary2"])
def test_rows_that_are_missing_are_an_error(kind):
    """The cut may lie between two rows."""
    two = {name: values[:2] for name, values in COLUMNS.items()}
    assert len(parse_votable(io.BytesIO(document(kind, two))).get_first_table().array) == 2
    with pytest.raises(IncompleteDocumentError, match="2 rows of the 3"):
        parse_votable(io.BytesIO(document(kind, two, rows=3)))


def test_a_catalogue_that_ends_early_loses_no_source(tmp_path):
    plain = {name: COLUMNS[name] for name in ("Source_Name", "RA", "DEC")}
    path = tmp_path / "a.vot"
    path.write_bytes(cut(document("binary", plain | {"Source_Name": ["A", "B", "C"]}), 3))
    with pytest.raises(CatalogueError, match="row 3 is cut short; fetch it again"):
        read_catalogue(path)


@pytest.mark.parametrize(("fields", "size"), [
    ([{"datatype": "bit", "arraysize": "17"}], 3), ([{"datatype": "bit"}], 1),
    ([{"datatype": "unicodeChar", "arraysize": "4"}], 8), ([{"datatype": "doubleComplex"}], 16),
    ([{"datatype": "short", "arraysize": "2x3"}], 12), ([{"datatype": "char", "arraysize": ""}], 1),
])  # fmt: skip
def test_sizes_of_the_standard(fields, size):
    """VOTable 1.5, sections 2.1 and 6."""
    assert count_rows(bytes(3 * size), fields, has_flags=False) == 3
    assert count_rows(bytes(3 * (size + 1)), fields, has_flags=True) == 3


@pytest.mark.parametrize("field", [{"datatype": "text"}, {"datatype": "int", "arraysize": "x"},
                                   {"datatype": "int", "arraysize": "9" * 200}, {}])  # fmt: skip
def test_a_field_of_unknown_size(field):
    assert count_rows(b"abc", [field], has_flags=False) is None
