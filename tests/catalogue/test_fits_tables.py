"""FITS tables as the standard 4.0 defines them, section 7."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

COLUMNS = ColumnNames("id", "ra", "dec")
FLAG = FlagRules(("f",), (ClassRule(0, "no", ()), ClassRule(1, "yes", ("f",))))
KIND = ColumnRules("kind", missing="unlabelled")


def columns(*others):
    """Return the columns of three sources, some replaced or added."""
    own = {
        "id": fits.Column("id", "3A", array=["A", "B", "C"]),
        "ra": fits.Column("ra", "D", array=[1.0, 2.0, 3.0]),
        "dec": fits.Column("dec", "D", array=[4.0, 5.0, 6.0]),
    }
    return list((own | {one.name: one for one in others}).values())


def table(*others, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.BinTableHDU.from_columns(columns(*others), **options)


def write(path, *hdus):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    return path


def replace(path, old, new):
    """Change bytes of a file; both have one length."""
    content = path.read_bytes()
    assert content.count(old) == 1
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))


def read(path, rules=None, names=COLUMNS):
    found = read_catalogue(path, names, rules)
    classes = [found.classes[label] if label >= 0 else None for label in found.labels.tolist()]
    return found.names, found.ra.tolist(), classes


def refused(path, match, rules=None, names=COLUMNS):
    with pytest.raises(CatalogueError, match=match) as caught:
        read_catalogue(path, names, rules)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "flag",
    [
        fits.Column("f", "1X", array=np.array([[True], [False], [True]])),
        fits.Column("f", "X", array=np.array([[1], [0], [1]], np.uint8)),
        fits.Column("f", "L", array=[True, False, True]),
        fits.Column("f", "1L", dim="(1)", array=np.array([[True], [False], [True]])),
        fits.Column("f", "B", array=[1, 0, 1]),
        fits.Column("f", "I", null=-1, array=np.array([1, -1, 1])),
        fits.Column("f", "E", array=[1, np.nan, 1]),
        fits.Column("f", "5A", array=["T", "false", "yes"]),
        fits.Column("f", "K", bzero=2**63, array=np.array([1, 0, 1], np.uint64)),
    ],
    ids=lambda column: column.format,
)
def test_flags_of_every_type(tmp_path, flag):
    """Bits, logical values, numbers and words are flags; null is false."""
    assert read(write(tmp_path / "a.fits", table(flag)), FLAG)[2] == ["yes", "no", "yes"]


@pytest.mark.parametrize(
    ("code", "classes"), [(0, ["yes", "no", "no"]), (ord("T"), ["yes", "no", "yes"])]
)
def test_an_undefined_logical_value_is_null(tmp_path, code, classes):
    """A byte 0 is undefined (section 7.3.3.2): no flag, and no class either."""
    path = write(tmp_path / "a.fits", table(fits.Column("f", "L", array=[True, False, True])))
    with fits.open(path, mode="update") as hdus:
        hdus[1].data.view(np.ndarray)["f"][2] = code
    assert read(path, FLAG)[2] == classes
    as_class = read(path, ColumnRules("f", missing="unlabelled"))[2]
    assert as_class == ["True", "False", "True" if code else None]


@pytest.mark.parametrize("code", [1, 2, ord("t"), ord("1"), 255])
def test_a_logical_value_that_is_none_is_named(tmp_path, code):
    """Some programs write bytes 0 and 1; astropy reads them as false."""
    values = np.array([ord("T"), code, 0], np.uint8)
    path = write(tmp_path / "a.fits", table(fits.Column("f", "B", array=values)))
    replace(path, b"TFORM4  = 'B", b"TFORM4  = 'L")
    refused(path, f"'f' is logical.*row 2 holds the byte {code}", FLAG)


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        (fits.Column("kind", "I", null=-99, array=np.array([10, -99, 2])), ["10", None, "2"]),
        (fits.Column("kind", "K", null=0, array=np.array([2**62, 2**62 + 1, 0])),
         [str(2**62), str(2**62 + 1), None]),
        (fits.Column("kind", "B", null=255, array=np.array([255, 0, 1], "u1")), [None, "0", "1"]),
        (fits.Column("kind", "I", bzero=32768, null=-32768, array=np.array([0, 9, 10], "u2")),
         [None, "9", "10"]),
        (fits.Column("kind", "J", bzero=2**31, array=np.array([2**32 - 1, 0, 5], "u4")),
         [str(2**32 - 1), "0", "5"]),
        (fits.Column("kind", "E", array=[0.5, np.nan, 10]), ["0.5", None, "10.0"]),
        (fits.Column("kind", "4A", array=["b", "", "a b"]), ["b", None, "a b"]),
        (fits.Column("kind", "L", array=[True, False, True]), ["True", "False", "True"]),
        (fits.Column("kind", "1X", array=np.array([[1], [0], [0]], bool)),
         ["True", "False", "False"]),
    ],
    ids=lambda value: getattr(value, "format", None),
)  # fmt: skip
def test_classes_of_every_type(tmp_path, kind, classes):
    """Integers with TNULL stay integers, and null is no class."""
    assert read(write(tmp_path / "a.fits", table(kind)), KIND)[2] == classes


def test_the_nulls_of_a_table_of_astropy(tmp_path):
    """A masked unsigned column, as astropy writes it, has no class where it is masked."""
    content = Table(
        {"id": ["A", "B", "C"], "ra": [1.0, 2, 3], "dec": [4.0, 5, 6], "kind": [7, 8, 9]},
        masked=True,
    )
    content["kind"] = content["kind"].astype(np.uint32)
    content["kind"].mask = [False, True, False]
    content.write(tmp_path / "a.fits")
    assert read(tmp_path / "a.fits", KIND)[2] == ["7", None, "9"]


@pytest.mark.parametrize(
    "values", [[b"A\0\0junk", b"B\0\xff\xfe", b"C"], [b"A ", b" B\0", b"C\0 x"]]
)
def test_a_string_ends_at_nul(tmp_path, values):
    """What follows the first NUL is undefined (section 7.3.3.1)."""
    path = write(tmp_path / "a.fits", table(fits.Column("id", "7A", array=np.array(values))))
    assert read(path)[0] == ["A", "B", "C"]


@pytest.mark.parametrize("form", ["PA()", "QA()"])
def test_strings_of_variable_length(tmp_path, form):
    """They are strings as others are, with their blanks."""
    values = np.array(["a b", "c", "dd  e"], object)
    path = write(tmp_path / "a.fits", table(fits.Column("id", form, array=values)))
    assert read(path)[0] == ["a b", "c", "dd  e"]


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (fits.Column("ra", "2D", array=np.ones((3, 2))), "holds 2 values in each row"),
        (fits.Column("ra", "4E", dim="(2,2)", array=np.ones((3, 2, 2))), "holds 4 values"),
        (fits.Column("id", "6A", dim="(3,2)", array=np.array([["a", "b"]] * 3)), "holds 2 values"),
        (fits.Column("f", "3X", array=np.ones((3, 3), bool)), "'f' holds 3 values"),
        (fits.Column("f", "2L", array=np.ones((3, 2), bool)), "'f' holds 2 values"),
        (fits.Column("dec", "PD()", array=np.array([np.ones(1), np.ones(2), np.ones(0)], object)),
         "arrays of variable length"),
        (fits.Column("ra", "C", array=[1j, 2, 3]), "complex"),
        (fits.Column("id", "M", array=[1j, 2, 3]), "complex"),
        (fits.Column("ra", "L", array=[True, False, True]), "holds true and false"),
        (fits.Column("id", "4A", array=np.array([b"a", b"caf\xe9", b"c"])), "in row 2.*UTF-8"),
    ],
    ids=lambda value: getattr(value, "format", None),
)  # fmt: skip
def test_a_column_that_is_asked_for_has_one_value_a_row(tmp_path, column, match):
    """Arrays and other types are one line where a value is needed, and ignored elsewhere."""
    names = ColumnNames("id", "ra", "dec")
    path = write(tmp_path / "a.fits", table(column))
    refused(path, match, FLAG if column.name == "f" else None, names)
    column.name = "other"
    assert read(write(tmp_path / "b.fits", table(column)))[0] == ["A", "B", "C"]


def test_scaled_columns(tmp_path):
    """TSCAL and TZERO are applied, and TNULL is a value of the file."""
    path = write(
        tmp_path / "a.fits", table(fits.Column("ra", "I", null=-1, array=np.array([10, 20, 30])))
    )
    with fits.open(path) as hdus:
        hdus[1].header["TSCAL2"] = 0.5
        hdus[1].header["TZERO2"] = 100.0
        hdus.writeto(tmp_path / "b.fits")
    assert read(tmp_path / "b.fits")[1] == [105.0, 110.0, 115.0]
    with fits.open(tmp_path / "b.fits") as hdus:
        hdus[1].header["TNULL2"] = 20
        hdus.writeto(tmp_path / "c.fits")
    refused(tmp_path / "c.fits", r"1 rows have no position.*row 2 \(B\)")


@pytest.mark.parametrize("null", ["---", "-99", ""])
def test_ascii_tables(tmp_path, null):
    """Nulls of ASCII tables are texts; astropy reads them as 0."""
    hdu = fits.TableHDU.from_columns(
        [
            fits.Column("id", "A3", array=["A", "B", "C"], ascii=True),
            fits.Column("ra", "F8.2", array=[1.5, 2, 3], ascii=True),
            fits.Column("dec", "D12.3", array=[4, 5.25, 6], ascii=True),
            fits.Column("kind", "I4", null=null or None, array=[10, 7777, 2], ascii=True),
        ]
    )
    path = write(tmp_path / "a.fits", hdu)
    assert read(path, KIND) == (["A", "B", "C"], [1.5, 2.0, 3.0], ["10", "7777", "2"])
    replace(path, b"7777", null.rjust(4).encode())
    assert read(path, KIND)[2] == ["10", None, "2"]


def test_names_of_columns_that_nobody_asked_for(tmp_path):
    """They may repeat, be empty or be missing; a name that is asked for may not repeat."""
    others = [fits.Column(name, "E", array=np.ones(3)) for name in ("xx", "yy", "zz")]
    path = write(tmp_path / "a.fits", table(*others))
    replace(path, b"= 'xx  ", b"= 'yy  ")
    replace(path, b"= 'zz  ", b"= '    ")
    assert read(path)[1] == [1.0, 2.0, 3.0]
    replace(path, b"TTYPE6  =", b"NOTYPE  =")
    assert read(path)[1] == [1.0, 2.0, 3.0]
    path.write_bytes(path.read_bytes().replace(b"= 'yy  ", b"= 'ra  "))
    refused(path, "columns 2 and 4 and 5 are both called 'ra'")


def test_the_table_with_the_columns_is_read(tmp_path):
    """The second table of FITS_LDAC, a table behind images, and a table behind others."""
    head = fits.BinTableHDU.from_columns(
        [fits.Column("Field Header Card", "80A", array=["x"])], name="LDAC_IMHEAD"
    )
    objects = table(name="LDAC_OBJECTS")
    image = fits.ImageHDU(np.zeros((3, 3)))
    packed = fits.CompImageHDU(np.zeros((32, 32), np.float32))
    for hdus in ([head, objects], [image, objects], [packed, head, image, objects], [objects]):
        assert read(write(tmp_path / "a.fits", *hdus))[1] == [1.0, 2.0, 3.0]
    refused(write(tmp_path / "a.fits", image, packed), "it holds no table")
    names = ColumnNames("name", "ra", "dec")
    refused(
        write(tmp_path / "a.fits", head, objects),
        r"none of its 2 tables has the columns 'name', 'ra', 'dec': 1 \(LDAC_IMHEAD\) has Field "
        r"Header Card; 2 \(LDAC_OBJECTS\) has id, ra, dec",
        names=names,
    )


@pytest.mark.parametrize("key", ["two", "TWO", "2"])
def test_one_of_several_tables_is_chosen_by_the_recipe(tmp_path, key):
    """Several tables with the columns, as one for each CCD, are an error without a choice."""
    second = table(fits.Column("ra", "D", array=[7.0, 8.0, 9.0]), name="TWO")
    path = write(tmp_path / "a.fits", table(name="ONE"), second)
    refused(path, r"2 tables have the columns of the recipe: 1 \(ONE\), 2 \(TWO\).*catalogue.table")
    assert read(path, names=ColumnNames("id", "ra", "dec", table=key))[1] == [7.0, 8.0, 9.0]
    refused(
        path, r"no table '3' .*it has 1 \(ONE\), 2 \(TWO\)",
        names=ColumnNames("id", "ra", "dec", table="3"),
    )  # fmt: skip


def test_a_compressed_table_says_how_to_unpack_it(tmp_path):
    """Fpack also compresses tables, which astropy does not read."""
    hdu = table()
    hdu.header["ZTABLE"] = True
    refused(write(tmp_path / "a.fits.fz", hdu), "compressed.*funpack a.fits.fz")


@pytest.mark.parametrize("name", ["a.fits.gz", "A.FITS.GZ", "A.FIT", "a.cat", "a", "a.csv"])
def test_fits_is_found_by_its_content(tmp_path, name):
    """Suffix and compression do not matter."""
    content = write(tmp_path / "plain.fits", table()).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower()[-2:] == "gz" else content)
    assert read(tmp_path / name)[1] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("size", [2880, 5000, 5760, 8640 - 2880 + 40])
def test_a_truncated_table_is_one_line(tmp_path, size):
    """A file that ends too early is an error, not a shorter catalogue."""
    path = write(tmp_path / "a.fits", table())
    path.write_bytes(path.read_bytes()[:size])
    refused(path, "read the catalogue")
