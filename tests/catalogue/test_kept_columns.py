"""Columns that go along, and rows that are selected, from a catalogue in every format."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import ClassChanges, ColumnRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.catalogue.typed_columns import KEPT_MARK
from mingolotss.errors import CatalogueError
from mingolotss.recipe.model import parse_recipe

FORMATS = ("fits", "vot", "ecsv", "csv", "parquet")
N = 6
Z = [0.1, 0.4, math.nan, 0.6, 0.2, 0.9]
COUNT = [1, 2, None, 4, 5, 6]
LAS = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
NOTE = ["a", "", "b c", "it's", "e", "f"]
KIND = ["FRI", "FRII", "FRI", "Small", "FRII", "Small"]
GOOD = [True, False, True, True, False, True]


def write(tmp_path, kind, extra=None):
    """Write the table in one format, with the nulls and units of that format."""
    table = Table(
        {
            "Source_Name": [f"S{row}" for row in range(N)],
            "RA": np.linspace(10.0, 11.0, N),
            "DEC": np.linspace(40.0, 41.0, N),
            "z_best": Z,
            "n": MaskedColumn([value or 0 for value in COUNT], mask=[v is None for v in COUNT]),
            "LAS": np.array(LAS, np.float32) * u.arcsec,
            "note": NOTE,
            "Kind": KIND,
            "good": GOOD,
        }
        | (extra or {}),
        masked=True,
    )
    path = tmp_path / f"table.{kind}"
    if kind == "parquet":
        names = [name for name in table.colnames if name != "n"]
        arrays = {name: pa.array(table[name].tolist()) for name in names} | {"n": pa.array(COUNT)}
        arrays["LAS"] = arrays["LAS"].cast(pa.float32())
        schema = pa.schema(
            pa.field(name, a.type, metadata={"unit": "arcsec"} if name == "LAS" else None)
            for name, a in arrays.items()
        )
        pq.write_table(pa.table(arrays, schema=schema), path)
    elif kind == "fits":
        table["n"].fill_value = -99
        table.write(path)
    elif kind == "csv":
        table.write(path, format="ascii.csv")
    else:
        table.write(path, format="votable" if kind == "vot" else "ascii.ecsv")
    return path


def read(path, rules=None, **columns):
    return read_catalogue(path, ColumnNames(**columns), rules)


@pytest.mark.parametrize("kind", FORMATS)
def test_kept_columns_have_their_types_units_and_nulls(tmp_path, kind):
    names = ("good", "z_best", "n", "LAS", "note")
    kept = read(write(tmp_path, kind), keep=names).kept
    assert kept.column_names == list(names)
    types = {field.name: field.type for field in kept.schema}
    assert types["good"] == pa.bool_()
    assert types["z_best"] == pa.float64()
    assert types["n"] == pa.int64()
    assert types["LAS"] == (pa.float64() if kind == "csv" else pa.float32())
    assert types["note"] == pa.string()
    units = {f.name: (f.metadata or {}).get(b"unit") for f in kept.schema}
    unit_of_las = None if kind == "csv" else b"arcsec"
    assert units == dict.fromkeys(names, None) | {"LAS": unit_of_las}
    z = [None if v is None or math.isnan(v) else v for v in kept["z_best"].to_pylist()]
    assert z == [None if math.isnan(v) else v for v in Z]
    assert kept["n"].to_pylist() == COUNT
    assert kept["LAS"].to_pylist() == LAS
    assert kept["note"].to_pylist() == [text or None for text in NOTE]
    assert kept["good"].to_pylist() == GOOD


@pytest.mark.parametrize("kind", FORMATS)
def test_a_star_keeps_all_other_columns(tmp_path, kind):
    """What cannot be kept is left out with a line, unless it is named."""
    arrays = {} if kind == "csv" else {"spectrum": np.ones((N, 3))}
    if kind == "parquet":
        arrays = {"spectrum": [[1.0, 2.0]] * N}
    path = write(tmp_path, kind) if kind == "parquet" else write(tmp_path, kind, arrays)
    if kind == "parquet":
        table = pq.read_table(path)
        pq.write_table(table.append_column("spectrum", [pa.array([[1.0, 2.0]] * N)]), path)
    catalogue = read(path, keep=("*",), size="LAS")
    expected = {"z_best", "n", "note", "Kind", "good"}  # not name, position and size
    assert set(catalogue.kept.column_names) == expected
    if kind == "csv":
        assert not catalogue.notices
        return
    (line,) = catalogue.notices
    assert "the column 'spectrum' of the catalogue is not kept: " in line
    with pytest.raises(CatalogueError, match=r"'spectrum'.*where one (value in each row )?was"):
        read(path, keep=("spectrum",))


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_are_selected(tmp_path, kind):
    path = write(tmp_path, kind)
    catalogue = read(path, where="z_best < 0.5", keep=("n",))
    assert catalogue.names == ["S0", "S1", "S4"]
    assert catalogue.kept["n"].to_pylist() == [1, 2, 5]
    assert catalogue.left_out == (("catalogue.where = z_best < 0.5", 3),)
    assert catalogue.notices == (
        "3 of 6 rows of the catalogue are left out: catalogue.where = 'z_best < 0.5' is not true "
        "of them, for 1 of them as a value is missing",
    )
    names = {
        "good": "S0 S2 S3 S5", "not good": "S1 S4", "n is null": "S2", "note is null": "S1",
        "Kind in ('FRI', 'Small') and LAS > 15": "S2 S3 S5", "note = 'it''s'": "S3",
        "Source_Name = 'S4'": "S4", "z_best is null or n = 6": "S2 S5", "RA > 10.5": "S3 S4 S5",
    }  # fmt: skip
    for where, expected in names.items():
        assert read(path, where=where).names == expected.split(), where
    assert read(path, where="LAS > 0").left_out == ()


@pytest.mark.parametrize("kind", FORMATS)
def test_no_row_and_no_column_are_errors_of_one_line(tmp_path, kind):
    path = write(tmp_path, kind)
    with pytest.raises(CatalogueError, match=r"none of 6 rows is left: catalogue.where = 'n > 99'"):
        read(path, where="n > 99")
    with pytest.raises(CatalogueError, match="no column 'z_bst'; did you mean 'z_best'"):
        read(path, where="z_bst < 1")
    with pytest.raises(CatalogueError, match="no column 'LAT'; did you mean 'LAS'"):
        read(path, keep=("LAT",))
    with pytest.raises(CatalogueError, match=r"'note' .text. is compared with 3 .numbers."):
        read(path, where="note > 3")


CSV_TYPES = {
    "a,b": pa.string(),
    "1,2": pa.int64(),
    "+1,-2": pa.int64(),
    "1,2.5": pa.float64(),
    "1e3,nan": pa.float64(),
    "007,8": pa.string(),
    "-00.5,8": pa.string(),
    "587722981742084096,1": pa.string(),  # a name of digits
    "99999999999999999999,1": pa.string(),
    "true,False": pa.bool_(),
    "true,1": pa.string(),
    "2026-11-26,2026-11-27": pa.string(),
    "1 ,  2": pa.int64(),
}


@pytest.mark.parametrize("values", CSV_TYPES)
def test_the_types_of_csv(tmp_path, values):
    first, second = values.split(",")
    path = tmp_path / "a.csv"
    path.write_text(f"Source_Name,RA,DEC,x\nA,1,2,{first}\nB,3,4,{second}\nC,5,6,\n")
    kept = read(path, keep=("x",)).kept
    assert kept["x"].type == CSV_TYPES[values]
    assert kept["x"].null_count == 1


RULES = {
    "merge": (
        ClassChanges((("FR", ("FRI", 1)),)), ("FR", "Small"), [0, 0, 0, 1, 0, 1], {},
    ),
    "drop": (
        ClassChanges(drop=("Small",)), ("FRI", "FRII"), [0, 1, 0, 1], {"classes.drop: Small": 2},
    ),
    "both": (
        ClassChanges((("other", ("FRII", "Small")),), ("FRI",)),
        ("other",), [0, 0, 0, 0], {"classes.drop: FRI": 2},
    ),
    "rename": (
        ClassChanges((("extended", ("FRI",)),)),
        ("extended", "FRII", "Small"), [0, 1, 0, 2, 1, 2], {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_classes_are_merged_and_dropped(tmp_path, name):
    changes, classes, labels, left_out = RULES[name]
    catalogue = read(write(tmp_path, "csv"), ColumnRules("Kind", changes=changes), keep=("n",))
    assert catalogue.classes == classes
    assert catalogue.labels.tolist() == labels
    assert dict(catalogue.left_out) == left_out
    assert len(catalogue.kept) == len(labels)


WRONG_CHANGES = {
    "there is no class 'FRIII'; the classes are 0 = 'FRI', 1 = 'FRII', 2": ClassChanges(
        (("x", ("FRIII",)),)
    ),
    "there is no class 7": ClassChanges(drop=(7,)),
    "'FRI' is in two groups": ClassChanges((("x", ("FRI",)),), (0,)),
    "the class 'Small' is not in the group of that name": ClassChanges((("Small", ("FRI",)),)),
    "no class remains": ClassChanges(drop=("FRI", "FRII", "Small")),
}


@pytest.mark.parametrize("match", WRONG_CHANGES)
def test_wrong_changes_are_one_line(tmp_path, match):
    with pytest.raises(CatalogueError, match=match):
        read(write(tmp_path, "csv"), ColumnRules("Kind", changes=WRONG_CHANGES[match]))


def test_a_recipe_checks_its_changes_against_its_table():
    classes = {
        "from": "column", "column": "Kind", "binary": {"I": [0], "II": [1]},
        "table": [{"label": i, "name": name} for i, name in enumerate(("FRI", "FRII", "Small"))],
    }  # fmt: skip
    recipe = parse_recipe({"name": "a", "classes": classes | {"drop": ["FRI"]}}, "a")
    assert recipe.class_names == ("FRII", "Small")
    assert recipe.classes.final_binary == {"I": (), "II": (0,)}
    merged = parse_recipe({"name": "a", "classes": classes | {"merge": {"S": [0, 2]}}}, "a")
    assert [(row.label, row.name, row.note) for row in merged.classes.final_table] == [
        (0, "S", "merged: FRI, Small"), (1, "FRII", ""),
    ]  # fmt: skip
    for changes, match in (
        ({"merge": {"x": ["FRIII"]}}, "there is no class 'FRIII'"),
        ({"merge": {"x": []}}, "the group 'x' needs"),
        ({"drop": ["FRI", 0]}, "in two groups"),
    ):
        with pytest.raises(Exception, match=match):
            parse_recipe({"name": "a", "classes": classes | changes}, "a")
    with pytest.raises(Exception, match="merge and drop need classes"):
        parse_recipe({"name": "a", "classes": {"drop": [1]}}, "a")
    with pytest.raises(Exception, match="and, or, or the end was expected"):
        parse_recipe({"name": "a", "catalogue": {"where": "z < 1 2"}}, "a")


def test_columns_of_a_catalogue_made_in_python_are_marked_as_well():
    """The manifest and the exports recognise them by the mark; units stay."""
    fields = [pa.field("LAS", pa.float64(), metadata={b"unit": b"arcsec"}), ("PA", pa.int16())]
    kept = pa.table({"LAS": [1.0, 2.0], "PA": [3, 4]}, schema=pa.schema(fields))
    catalogue = Catalogue.from_columns(["A", "B"], [1, 2], [3, 4], kept=kept)
    marks = [field.metadata for field in catalogue.kept.schema]
    assert marks == [{b"unit": b"arcsec", **KEPT_MARK}, KEPT_MARK]
    assert catalogue.kept.equals(kept)
    assert catalogue.take(np.array([1])).kept.schema.field("PA").metadata == KEPT_MARK
