"""The catalogue: one content whatever the format, and one line for whatever is wrong with it."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules
from mingolotss.catalogue.reading import ColumnNames, catalogue_from_names, read_catalogue
from mingolotss.errors import CatalogueError

WRITERS = {
    "fits": "fits", "ecsv": "ascii.ecsv", "csv": "ascii.csv", "vot": "votable",
    "parquet": "parquet",
}  # fmt: skip
UNITS = ("fits", "ecsv", "vot")
COLUMNS = ColumnNames(size="Size", flux="Flux", field="Mosaic")
RULES = FlagRules(("A", "B"), (ClassRule(0, "a", ("A",)), ClassRule(1, "ab", ("A", "B"))))
NAMES = ["ILTJ1+1", "007", "1e5"]


def table(**columns):
    content = {
        "Source_Name": NAMES,
        "RA": [1.25, 359.0, 0.0],
        "DEC": [-10.0, 89.5, 0.1],
        "Size": [1.5, 2.5, 400.0],
        "Flux": [0.1, 20.0, 3.0],
        "Mosaic": ["P1", "P2", "12"],
        "A": [True, True, True],
        "B": [False, True, False],
    }
    return Table(content | columns)


def write(folder, kind, content):
    path = folder / f"catalogue.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content.write(path, format=WRITERS[kind], overwrite=True)
    return path


def refused(path, *words, columns=COLUMNS, rules=RULES):
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(path, columns, rules)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_catalogue(tmp_path, kind):
    """Names stay words even where they look like numbers; positions keep every digit."""
    found = read_catalogue(write(tmp_path, kind, table()), COLUMNS, RULES)
    assert found.names == NAMES
    assert found.field_hints == ["P1", "P2", "12"]
    assert found.classes == ("a", "ab")
    assert found.labels.tolist() == [0, 1, 0]
    assert found.ra.tolist() == [1.25, 359.0, 0.0]
    assert found.dec.tolist() == [-10.0, 89.5, 0.1]
    assert found.size_arcsec.tolist() == [1.5, 2.5, 400.0]
    assert found.flux_mjy.tolist() == [0.1, 20.0, 3.0]
    assert len(found.sha256) == 64


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "flags",
    [
        [False, True, False], [0, 1, 0], [0.0, 1.0, 0.0], ["False", "True", "F"],
        ["n", "yes", "0"], [b"F", b"T", b"F"],
    ],
)  # fmt: skip
def test_flags_come_as_booleans_numbers_or_words(tmp_path, kind, flags):
    """Each way of writing true and false gives the same labels."""
    found = read_catalogue(write(tmp_path, kind, table(B=flags)), COLUMNS, RULES)
    assert found.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("kind", ["fits", "ecsv", "csv", "vot"])
def test_masked_flags_are_not_set_and_masked_sizes_are_nan(tmp_path, kind):
    """What the catalogue does not say is false, NaN or empty, never zero."""
    content = table(
        B=MaskedColumn([1.0, 1.0, 1.0], mask=[True, False, True]),
        Size=MaskedColumn([1.0, 2.0, 3.0], mask=[True, False, False]),
        Mosaic=MaskedColumn(["P1", "P2", "P3"], mask=[False, False, True]),
    )
    found = read_catalogue(write(tmp_path, kind, content), COLUMNS, RULES)
    assert found.labels.tolist() == [0, 1, 0]
    assert np.isnan(found.size_arcsec).tolist() == [True, False, False]
    assert found.field_hints == ["P1", "P2", ""]


def test_a_null_flag_is_not_set(tmp_path):
    """Parquet's nulls among booleans, texts and numbers are not set, empty and NaN."""
    content = {name: list(column) for name, column in table().columns.items()}
    content |= {"B": [None, True, None], "Mosaic": ["P1", None, "P3"], "Size": [1.0, None, 3.0]}
    plain = {name: [getattr(v, "item", lambda v=v: v)() for v in c] for name, c in content.items()}
    pq.write_table(pa.table(plain), tmp_path / "a.parquet")
    found = read_catalogue(tmp_path / "a.parquet", COLUMNS, RULES)
    assert found.labels.tolist() == [0, 1, 0]
    assert found.field_hints == ["P1", "", "P3"]
    assert np.isnan(found.size_arcsec).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("masked", [False, True])
def test_units_are_converted(tmp_path, kind, masked):
    """Arcminutes, radians and Jy come in as deg, arcsec and mJy; a mask outlives the unit."""
    content = table(DEC=[-0.1, 0.2, 0.3], RA=[75.0, 60.0, 30.0])
    if masked:
        content = Table(content, masked=True)
        content["Size"].mask = [True, False, False]
    for column, unit in (("RA", "arcmin"), ("DEC", "rad"), ("Size", "arcmin"), ("Flux", "Jy")):
        content[column].unit = unit
    found = read_catalogue(write(tmp_path, kind, content), COLUMNS, RULES)
    assert found.ra == pytest.approx([1.25, 1.0, 0.5])
    assert found.dec == pytest.approx(np.degrees([-0.1, 0.2, 0.3]))
    assert found.size_arcsec[1:] == pytest.approx([150.0, 24000.0])
    assert np.isnan(found.size_arcsec[0]) == masked
    assert found.flux_mjy == pytest.approx([100.0, 20000.0, 3000.0])


def test_hour_angles_are_converted(tmp_path):
    """RA in hours becomes degrees."""
    content = table(RA=[1.0, 2.0, 23.0])
    content["RA"].unit = "hourangle"
    found = read_catalogue(write(tmp_path, "ecsv", content), COLUMNS, RULES)
    assert found.ra == pytest.approx([15.0, 30.0, 345.0])


@pytest.mark.parametrize("kind", UNITS)
def test_a_masked_position_is_no_position(tmp_path, kind):
    """A position that is masked is an error that names the row, not RA 0, with a unit or none."""
    for unit in (None, "deg"):
        content = table(RA=MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False], unit=unit))
        refused(write(tmp_path, kind, content), "row 2 (007)", "no position")


@pytest.mark.parametrize("value", [np.nan, np.inf, 360.5, -181.0])
@pytest.mark.parametrize("kind", ["fits", "csv", "parquet"])
def test_a_position_off_the_sky_is_named(tmp_path, value, kind):
    """NaN, infinite and impossible positions name their row."""
    refused(write(tmp_path, kind, table(RA=[1.0, value, 2.0])), "row 2 (007)", "RA")
    refused(write(tmp_path, kind, table(DEC=[1.0, 2.0, value])), "row 3 (1e5)", "DEC")


def test_duplicated_and_empty_names_are_named(tmp_path):
    """A name that comes twice, and a row without one, are errors before any image is touched."""
    path = write(tmp_path, "fits", table(Source_Name=["A", "B", "A"]))
    refused(path, "more than once", "'A' in the rows 1, 3")
    path = write(tmp_path, "fits", table(Source_Name=["A", "", "C"]))
    refused(path, "no name", "row 2")


def test_missing_columns_suggest_the_nearest(tmp_path):
    """A missing column is named, with the one most like it and all there are."""
    path = write(tmp_path, "csv", table())
    refused(path, "'Source_name'", "'Source_Name'", columns=ColumnNames(name="Source_name"))
    rules = FlagRules(("A", "NAT"), RULES.classes)
    refused(path, "'NAT'", "it has Source_Name", "classes.from=none", rules=rules)


def test_impossible_flags_name_rows_and_combinations(tmp_path):
    """Flags that make no class name the row, the combination and those that exist."""
    path = write(tmp_path, "fits", table(A=[True, False, False], B=[False, True, False]))
    refused(path, "2 rows", "(B, no flag)", "row 2 (007)", "Known: A; A + B")
    refused(write(tmp_path, "csv", table(B=[0, 2, 1])), "'B'", "'2'", "row 2 (007)")


BROKEN = {
    "empty.fits": b"", "empty.csv": b"", "empty.ecsv": b"", "empty.vot": b"", "empty.parquet": b"",
    "junk.fits": b"junk" * 1000, "junk.csv": b"\x00\xff\xfe\n\x00", "junk.vot": b"<html>",
    "junk.ecsv": b"# %ECSV 1.0\n# ---\n# {{{", "junk.xml": b"not xml", "junk.txt": b"a b\n1 2",
    "junk.parquet": b"PAR1junkPAR1", "junk.unknown": b"abc", "norows.csv": b"Source_Name,RA,DEC\n",
    "ragged.csv": b"Source_Name,RA,DEC\na,1,2,3\nb,1\n", "twice.csv": b"RA,DEC,RA\n1,2,3\n",
    "latin.csv": "Source_Name,RA,DEC\ncaf\xe9,1,2\n".encode("latin1"),
    "sexagesimal.csv": b"Source_Name,RA,DEC\na,10:61:00,+20:00:00\n",
    "a.html": b"<table><tr><td>1</td></tr></table>", "junk.hdf5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "junk.csv.Z": b"\x1f\x9d\x90" + bytes(99), "cut.csv.gz": gzip.compress(b"a,b\n1,2")[:-9],
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_unreadable_file_is_one_line(tmp_path, name):
    """A file that is not what its name says is one line, whatever the reader thinks of it."""
    (tmp_path / name).write_bytes(BROKEN[name])
    refused(tmp_path / name, "read the catalogue", rules=None, columns=ColumnNames())


def test_files_that_are_not_there(tmp_path):
    """A missing file, a folder and a FITS image say so."""
    refused(tmp_path / "no.fits", "no such file")
    refused(tmp_path, "no such file")


def test_csv_as_spreadsheets_write_it(tmp_path):
    """A byte order mark, spaces after commas and gzip change nothing."""
    content = b"\xef\xbb\xbfSource_Name, RA, DEC\na, 1.5, -2\n"
    (tmp_path / "a.csv").write_bytes(content)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    for name in ("a.csv", "a.csv.gz"):
        found = read_catalogue(tmp_path / name)
        assert (found.names, found.ra.tolist(), found.dec.tolist()) == (["a"], [1.5], [-2.0])


def test_labels_from_a_column(tmp_path):
    """Class names or codes from one column; with a table they must be in it."""
    path = write(tmp_path, "csv", table(Kind=["200", "100", "100"]))
    found = read_catalogue(path, COLUMNS, ColumnRules("Kind"))
    assert (found.labels.tolist(), found.classes) == ([1, 0, 0], ("100", "200"))
    coded = ColumnRules("Kind", (("200", 0, "FRII"), ("100", 1, "FRI")))
    found = read_catalogue(path, COLUMNS, coded)
    assert (found.labels.tolist(), found.classes) == ([0, 1, 1], ("FRII", "FRI"))
    refused(path, "'200'", "row 1", rules=ColumnRules("Kind", (("100", 0, "FRI"),)))
    path = write(tmp_path, "fits", table(Kind=["x", "", "y"]))
    refused(path, "no value in row 2 (007);", rules=ColumnRules("Kind"))


def test_a_column_of_measurements_is_no_class():
    """A column with thousands of values is refused, not turned into as many classes."""
    values = [str(i) for i in range(40000)]
    with pytest.raises(CatalogueError, match="40000 different values"):
        ColumnRules("RA").label(values, values)


def test_columns_of_other_lengths_are_refused():
    """Columns given by a program must be as long as the names."""
    with pytest.raises(CatalogueError, match="ra has the shape"):
        Catalogue.from_columns(["a", "b"], ra=[1.0], dec=[1.0, 2.0])
    with pytest.raises(CatalogueError, match="dec has the shape"):
        Catalogue.from_columns(["a"], ra=[1.0], dec=[[1.0, 2.0]])
    with pytest.raises(CatalogueError, match="labels has the shape"):
        Catalogue.from_columns(["a"], ra=[1.0], dec=[1.0], labels=[0, 1])


def test_a_catalogue_from_names():
    """MiraBest's names hold class, position and the rest; others are left out."""
    pattern = r"(?P<class>\d+)_(?P<ra>\d+\.\d+)(?P<dec>[+-]\d+\.\d+)_.*"
    names = ["200_1.5-2.5_z", "100_3.0+4.0_z", "readme"]
    found = catalogue_from_names(names, pattern, ColumnRules("class"))
    assert found.names == ["100_3.0+4.0_z", "200_1.5-2.5_z"]
    assert (found.ra.tolist(), found.dec.tolist()) == ([3.0, 1.5], [4.0, -2.5])
    with pytest.raises(CatalogueError, match="none fits"):
        catalogue_from_names(["x"], pattern)


def test_head_and_source_are_rows():
    """The first rows are a catalogue; a source is one row of it."""
    whole = Catalogue.from_columns(["a", "b"], [1, 2], [3, 4], labels=[0, -1], classes=["x"])
    assert whole.head(1).names == ["a"]
    assert whole.head(None) is whole.head(5) is whole
    assert (whole.source(0).label, whole.source(1).label) == (0, None)
    assert whole.counts() == [1]
    assert [(one.row, one.name, one.ra) for one in whole.sources(slice(0, 2))] == [
        (0, "a", 1.0),
        (1, "b", 2.0),
    ]
    assert [one.row for one in whole.sources(slice(1, 9), [70])] == [70]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fits", "csv", "parquet"])
def test_two_hundred_thousand_rows_are_read_at_once(tmp_path, kind):
    """Rows are handled as columns: the content is right at a size where row by row would show."""
    n = 200_000
    rng = np.random.default_rng(0)
    content = Table(
        {
            "Source_Name": np.char.add("ILTJ", np.arange(n).astype(str)),
            "RA": rng.uniform(0, 360, n), "DEC": rng.uniform(-90, 90, n),
            "A": np.ones(n, bool), "B": rng.random(n) < 0.5,
        }
    )  # fmt: skip
    found = read_catalogue(write(tmp_path, kind, content), ColumnNames(), RULES)
    assert found.names[-1] == f"ILTJ{n - 1}"
    np.testing.assert_array_equal(found.ra, content["RA"])
    np.testing.assert_array_equal(found.labels, content["B"])


def test_the_real_catalogue_has_its_published_counts(shared):
    """The counts of every class are those of the catalogue's paper."""
    from mingolotss.recipe.load import load_recipe

    recipe = load_recipe("mingolotss")
    found = read_catalogue(
        shared / "data/Mingo19_LoMorph_Cat.fits", recipe.catalogue.columns, recipe.rules
    )
    assert found.counts() == [797, 264, 195, 1709, 423, 123, 19, 995, 246, 1034]
    assert len(found) == 5805
