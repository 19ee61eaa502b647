"""VOTable: nulls, names and IDs, arrays, and files with several tables."""

from __future__ import annotations

import gzip

import pytest

from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

COLUMNS = ColumnNames("id", "ra", "dec")
ID = '<FIELD name="id" datatype="char" arraysize="*"/>'
RA, DEC = '<FIELD name="ra" datatype="double"/>', '<FIELD name="dec" datatype="double"/>'
ROWS = [("A", "1", "4"), ("B", "2", "5"), ("C", "3", "6")]


def table(fields="", values=("", "", ""), *, own=ID + RA + DEC, rows=ROWS, attributes=""):
    """Return a table of three sources with more fields and their cells."""
    lines = "".join(
        "<TR>" + "".join(f"<TD>{cell}</TD>" for cell in row) + more + "</TR>"
        for row, more in zip(rows, values, strict=True)
    )
    return f"<TABLE {attributes}>{own}{fields}<DATA><TABLEDATA>{lines}</TABLEDATA></DATA></TABLE>"


def write(path, *tables):
    text = "".join(f"<RESOURCE>{one}</RESOURCE>" for one in tables)
    head = (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
    )
    path.write_text(f"{head}{text}</VOTABLE>", encoding="utf-8")
    return path


def cells(*values):
    return [f"<TD>{value}</TD>" for value in values]


def classes(path, rules, columns=COLUMNS):
    found = read_catalogue(path, columns, rules)
    return [found.classes[label] if label >= 0 else None for label in found.labels.tolist()]


def refused(path, match, rules=None, columns=COLUMNS):
    with pytest.raises(CatalogueError, match=match) as caught:
        read_catalogue(path, columns, rules)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("datatype", "null", "values", "expected"),
    [
        ("int", "-1", (10, -1, 9), ["10", None, "9"]),
        ("long", "", (2**62 + 1, "", 9), [str(2**62 + 1), None, "9"]),
        ("short", "0", (0, 1, 10), [None, "1", "10"]),
        ("unsignedByte", "255", (255, 254, 0), [None, "254", "0"]),
        ("float", "", (0.5, "NaN", ""), ["0.5", None, None]),
        ("boolean", "", ("T", "?", "false"), ["True", None, "False"]),
        ("bit", "", (1, 0, 1), ["True", "False", "True"]),
        ('char" arraysize="4', "", ("FRI", "", " é "), ["FRI", None, "é"]),
        ('unicodeChar" arraysize="*', "", ("名", "nan", "--"), ["名", "nan", "--"]),
    ],
)
def test_classes_of_every_type(tmp_path, datatype, null, values, expected):
    """Integers stay integers, and null is no class."""
    values_tag = f'<VALUES null="{null}"/>' if null else ""
    field = f'<FIELD name="kind" datatype="{datatype}">{values_tag}</FIELD>'
    path = write(tmp_path / "a.vot", table(field, cells(*values)))
    assert classes(path, ColumnRules("kind", missing="unlabelled")) == expected
    if None in expected:
        refused(path, "has no value in", ColumnRules("kind"))


@pytest.mark.parametrize(
    ("datatype", "values"),
    [("boolean", ("1", "F", "?")), ("bit", (1, 0, 0)), ("short", (1, 0, 0)),
     ('char" arraysize="1', ("T", "n", ""))],
)  # fmt: skip
def test_flags_of_every_type(tmp_path, datatype, values):
    """Null is false."""
    rules = FlagRules(("f",), (ClassRule(0, "no", ()), ClassRule(1, "yes", ("f",))))
    field = f'<FIELD name="f" datatype="{datatype}"/>'
    path = write(tmp_path / "a.vot", table(field, cells(*values)))
    assert classes(path, rules) == ["yes", "no", "no"]


@pytest.mark.parametrize(
    ("unit", "values"),
    [('"h:m:s"', ("00:06:00", "00 12 00", "0:30:0")), ("hourangle", ("0.1", "0.2", "0.5")),
     ("[deg]", ("1.5", "3", "7.5")), ("DEGREES", ("1.5", "3", "7.5"))],
)  # fmt: skip
def test_units_of_positions(tmp_path, unit, values):
    """Sexagesimal columns have the unit "h:m:s" at the CDS."""
    text = ' arraysize="*"' if ":" in unit else ""
    datatype = "char" if text else "double"
    ra = f'<FIELD name="ra" datatype="{datatype}"{text} unit=\'{unit}\'/>'
    rows = [(name, value, "1") for name, value in zip("ABC", values, strict=True)]
    path = write(tmp_path / "a.vot", table(own=ID + ra + DEC, rows=rows))
    assert read_catalogue(path, COLUMNS).ra.tolist() == pytest.approx([1.5, 3.0, 7.5])


def test_columns_are_found_by_name_and_then_by_id(tmp_path):
    """A name comes before an ID; other names may repeat, those that are asked for may not."""
    fields = (
        '<FIELD ID="ra" name="ra(ICRS)" datatype="double"/>'
        '<FIELD ID="dec_" name="dec*" datatype="double"/>'
        '<FIELD name="x" datatype="int"/><FIELD name="x" datatype="int"/>'
    )
    more = ["<TD>7</TD><TD>8</TD><TD>1</TD><TD>2</TD>"] * 3
    path = write(tmp_path / "a.vot", table(fields, more))
    assert read_catalogue(path, COLUMNS).ra.tolist() == [1.0, 2.0, 3.0]
    for dec in ("dec_", "dec*"):
        found = read_catalogue(path, ColumnNames("id", "ra(ICRS)", dec))
        assert (found.ra[0], found.dec[0]) == (7.0, 8.0)
    refused(path, "columns 6 and 7 are both called 'x'", columns=ColumnNames("id", "ra", "x"))


@pytest.mark.parametrize(
    ("datatype", "cell", "match"),
    [('double" arraysize="2', "1 2", "arraysize 2"), ('int" arraysize="*', "1 2 3", "arraysize"),
     ('bit" arraysize="3', "101", "arraysize 3"), ("doubleComplex", "1 2", "complex"),
     ('floatComplex" arraysize="1', "1 2", "complex")],
)  # fmt: skip
def test_arrays_have_no_one_value(tmp_path, datatype, cell, match):
    """An array in a column that is asked for is one line; elsewhere it is ignored."""
    field = f'<FIELD name="other" datatype="{datatype}"/>'
    path = write(tmp_path / "a.vot", table(field, cells(cell, cell, cell)))
    assert read_catalogue(path, COLUMNS).names == ["A", "B", "C"]
    refused(path, match, columns=ColumnNames("other", "ra", "dec"))


def test_the_table_with_the_columns_is_read(tmp_path):
    """The table with the columns is read, or that which the recipe names by ID or number."""
    other = table(own='<FIELD name="z" datatype="int"/>', rows=[("1",)] * 3)
    one, two = table(attributes='ID="one"'), table(rows=ROWS[::-1], attributes='name="two"')
    path = write(tmp_path / "a.vot", other, one)
    assert read_catalogue(path, COLUMNS).names == ["A", "B", "C"]
    path = write(tmp_path / "a.vot", other, one, two)
    refused(path, r"2 tables have the columns of the recipe: 2 \(one\), 3 \(two\)")
    for key in ("two", "3"):
        columns = ColumnNames("id", "ra", "dec", table=key)
        assert read_catalogue(path, columns).names == ["C", "B", "A"]
    refused(path, r"no table 'x'.*it has 1, 2 \(one\), 3 \(two\)",
            columns=ColumnNames("id", "ra", "dec", table="x"))  # fmt: skip
    refused(write(tmp_path / "b.vot"), "it holds no table")


@pytest.mark.parametrize("name", ["a.xml", "A.VOT", "a.vot.gz", "a", "a.votable", "a.csv"])
def test_votable_is_found_by_its_content(tmp_path, name):
    """Suffix and compression do not matter, nor does a name of the XML namespace."""
    content = write(tmp_path / "plain.vot", table()).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_catalogue(tmp_path / name, COLUMNS).names == ["A", "B", "C"]


@pytest.mark.parametrize(
    "rows",
    [
        '<PARQUET type="VOTable-remote-file"><STREAM href="file:///nowhere.parquet"/></PARQUET>',
        '<PARQUET type="VOTable-remote-file"><STREAM href="nowhere.parquet"/></PARQUET>',
        "<TABLEDATA><TR><TD>A</TD><TD>x</TD><TD>1</TD></TR></TABLEDATA>",
        "<TABLEDATA><TR><TD>A</TD><TD>1</TD><TD>2</TD><TD>3</TD></TR></TABLEDATA>",
        '<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>',
    ],
)
def test_rows_that_cannot_be_read(tmp_path, rows):
    """Rows in another file, cells that are no numbers, and damaged rows are one line."""
    one = f"<TABLE>{ID}{RA}{DEC}<DATA>{rows}</DATA></TABLE>"
    refused(write(tmp_path / "a.vot", one), "read the catalogue")
