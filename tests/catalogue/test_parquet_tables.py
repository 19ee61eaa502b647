"""Parquet: nulls, types, and the units in its metadata."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

COLUMNS = ColumnNames("id", "ra", "dec")
VIEW = getattr(pa, "string_view", pa.string)  # pyarrow 15 has no views
DAYS = [dt.date(2020, 1, day) for day in (1, 2, 3)]


def write(path, **columns):
    own = {"id": ["A", "B", "C"], "ra": [1.0, 2.0, 3.0], "dec": [4.0, 5.0, 6.0]}
    pq.write_table(pa.table(own | columns), path)
    return path


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.array([0, 1, None]), ["0", "1", None]),
        (pa.array([2**62 + 1, None, 3]), [str(2**62 + 1), None, "3"]),
        (pa.array([2**64 - 1, None, 10], pa.uint64()), [str(2**64 - 1), None, "10"]),
        (pa.array([1, None, -1], pa.int8()), ["1", None, "-1"]),
        (pa.array([1.0, None, float("nan")]), ["1.0", None, None]),
        (pa.array([0.1, None, 2], pa.float32()), ["0.1", None, "2.0"]),
        (pa.array([True, None, False]), ["True", None, "False"]),
        (pa.array(["é", None, ""]).dictionary_encode(), ["é", None, None]),
        (pa.array([7, None, 10]).dictionary_encode(), ["7", None, "10"]),
        (pa.array([b"a\0x", None, b"b "]), ["a", None, "b"]),
        (pa.array(["a", None, "nan"], pa.large_string()), ["a", None, "nan"]),
        (pa.array(["a", None, "b"], VIEW()), ["a", None, "b"]),
        (pa.array([Decimal("1.50"), None, Decimal("10.00")]), ["1.50", None, "10.00"]),
        (pa.array([DAYS[0], None, DAYS[1]]), ["2020-01-01", None, "2020-01-02"]),
        (pa.array([dt.time(1, 2, 3), None, None]), ["01:02:03", None, None]),
        (pa.nulls(3), [None, None, None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_classes_of_every_type(tmp_path, kind, expected):
    """Integers with nulls stay integers, and null is no class."""
    path = write(tmp_path / "a.parquet", kind=kind)
    found = read_catalogue(path, COLUMNS, ColumnRules("kind", missing="unlabelled"))
    labels = found.labels.tolist()
    assert [found.classes[label] if label >= 0 else None for label in labels] == expected
    if None in expected:
        with pytest.raises(CatalogueError, match=r"no value in row \d"):
            read_catalogue(path, COLUMNS, ColumnRules("kind"))


@pytest.mark.parametrize("names", [[1, 2, None], ["A", None, "C"], [1.0, None, 2.0]])
def test_a_null_name_is_named_by_its_row(tmp_path, names):
    """An integer without a value is no name, and the others stay integers."""
    path = write(tmp_path / "a.parquet", id=pa.array(names))
    row = names.index(None) + 1
    with pytest.raises(CatalogueError, match=f"a source has no name: row {row}$"):
        read_catalogue(path, COLUMNS)


@pytest.mark.parametrize(
    ("role", "values", "match"),
    [
        ("id", pa.array([[1], [2], [3]]), "'id' holds list<.*one value in each row"),
        ("id", pa.array([{"a": 1}] * 3), "'id' holds struct<"),
        ("ra", pa.array([[1.0], [2.0], None]), "'ra' holds list<"),
        ("ra", pa.array(DAYS), "holds dates"),
        ("ra", pa.array([True, False, None]), "holds true and false"),
        ("ra", pa.array([1, 2, 3], pa.duration("s")), "holds durations"),
        ("ra", pa.array([1.0, None, 2.0]), r"row 2 \(B\)"),
        ("ra", pa.array([1, None, 2]), r"row 2 \(B\)"),
        ("ra", pa.array([Decimal(1), None, Decimal(2)]), r"row 2 \(B\)"),
    ],
)
def test_a_column_that_is_asked_for_has_one_value_a_row(tmp_path, role, values, match):
    """Lists, structures and dates are one line where a value is needed, and ignored elsewhere."""
    with pytest.raises(CatalogueError, match=match) as caught:
        read_catalogue(write(tmp_path / "a.parquet", **{role: values}), COLUMNS)
    assert "\n" not in str(caught.value)
    path = write(tmp_path / "b.parquet", other=values)
    assert read_catalogue(path, COLUMNS).names == ["A", "B", "C"]


def test_flags_with_nulls(tmp_path):
    """Null is false among booleans, integers and categories."""
    rules = FlagRules(("f",), (ClassRule(0, "no", ()), ClassRule(1, "yes", ("f",))))
    for flag in ([True, None, False], [1, None, 0], pa.array(["T", None, "F"]).dictionary_encode()):
        path = write(tmp_path / "a.parquet", f=flag)
        assert read_catalogue(path, COLUMNS, rules).labels.tolist() == [1, 0, 0]


def test_names_of_columns(tmp_path):
    """Names can be in any script and hold dots; others may repeat, those asked for may not."""
    path = write(tmp_path / "a.parquet", **{"Größe": [1.0, 2.0, 3.0], "id.x": [7, 8, 9]})
    found = read_catalogue(path, ColumnNames("id.x", "ra", "dec", size="Größe"))
    assert (found.names, found.size_arcsec.tolist()) == (["7", "8", "9"], [1.0, 2.0, 3.0])
    assert read_catalogue(path, COLUMNS).names == ["A", "B", "C"]
    arrays = [pa.array(["A"]), pa.array([1.0]), pa.array([2.0]), pa.array([3]), pa.array([4])]
    repeated = pa.Table.from_arrays(arrays, names=["id", "ra", "dec", "x", "x"])
    pq.write_table(repeated, tmp_path / "b.parquet")
    assert read_catalogue(tmp_path / "b.parquet", COLUMNS).ra.tolist() == [1.0]
    with pytest.raises(CatalogueError, match="columns 4 and 5 are both called 'x'"):
        read_catalogue(tmp_path / "b.parquet", ColumnNames("id", "ra", "x"))


def masked_table():
    content = Table(
        {
            "id": ["A", "B"], "ra": MaskedColumn([60.0, 90.0], unit="arcmin"),
            "dec": MaskedColumn([0.5, 1.0], unit="rad"),
            "kind": MaskedColumn([7, 10], mask=[False, True]),
            "s": MaskedColumn([1.0, 2.0], mask=[True, False], unit="arcmin"),
        }
    )  # fmt: skip
    assert content["kind"].dtype == np.int64
    return content


def test_masks_and_units_of_astropy(tmp_path):
    """Astropy writes masks as columns and units as text; pyarrow alone sees neither."""
    masked_table().write(tmp_path / "a.parquet")
    columns = ColumnNames("id", "ra", "dec", size="s")
    found = read_catalogue(tmp_path / "a.parquet", columns, ColumnRules("kind", (), "unlabelled"))
    assert (found.labels.tolist(), found.classes) == ([0, -1], ("7",))
    assert found.ra.tolist() == [1.0, 1.5]
    assert found.dec.tolist() == pytest.approx(np.degrees([0.5, 1.0]))
    np.testing.assert_array_equal(found.size_arcsec, [np.nan, 120.0])


def test_units_of_voparquet(tmp_path):
    """VOParquet 1.0 has units in a VOTable in the metadata."""
    content = masked_table()["id", "ra", "dec"]
    empty = {name: {"unit": str(content[name].unit or "")} for name in content.colnames}
    content.write(tmp_path / "a.parquet", format="parquet.votable", metadata=empty)
    found = read_catalogue(tmp_path / "a.parquet", COLUMNS)
    assert found.ra.tolist() == [1.0, 1.5]


@pytest.mark.parametrize("key", ["unit", "units"])
def test_units_of_fields(tmp_path, key):
    """A field can have its unit in its own metadata."""
    schema = pa.schema(
        [pa.field("id", pa.string()), pa.field("ra", pa.float64(), metadata={key: "ARCMIN"}),
         pa.field("dec", pa.float64())]
    )  # fmt: skip
    rows = pa.Table.from_pydict({"id": ["A"], "ra": [90.0], "dec": [1.0]}, schema=schema)
    pq.write_table(rows, tmp_path / "a.parquet")
    assert read_catalogue(tmp_path / "a.parquet", COLUMNS).ra.tolist() == [1.5]
