"""Catalogues that announce what they do not hold, unpack to much more, or want code to run."""

from __future__ import annotations

import gzip
import io
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

LONGEST_S = 10.0
MOST_MB = 400  # more than a small catalogue takes
CSV = b"Source_Name,RA,DEC\nA,10,20\n"
COLUMNS = ColumnNames(field="FIELD")


def refused(path: Path) -> str:
    """Read a catalogue that must be refused after little processor time and with little memory."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(path, COLUMNS)
    assert time.process_time() - began < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MB << 10
    assert str(caught.value).isprintable()
    return str(caught.value)


def fits_table() -> bytes:
    """Return a table with a heap; a row has 8 + 8 + 8 + 16 bytes."""
    names = np.array(["S 0", "S 1", "S 2"])
    own = [
        fits.Column("Source_Name", "8A", array=names), fits.Column("RA", "D", array=np.arange(3)),
        fits.Column("DEC", "D", array=np.arange(3)),
        fits.Column("FIELD", "QA()", array=np.array(["P1", "", "P234"], object)),
    ]  # fmt: skip
    stream = io.BytesIO()
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(own)]
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()


def with_cards(raw: bytes, **values: str) -> bytes:
    """Return a file whose second header has other values."""
    data = bytearray(raw)
    for keyword, value in values.items():
        place = raw.index(keyword.ljust(8).encode(), 2880)
        data[place : place + 80] = f"{keyword:8}= {value:>20}".ljust(80).encode()
    return bytes(data)


def test_the_table_is_read_if_nothing_is_changed(tmp_path):
    (tmp_path / "a.fits").write_bytes(fits_table())
    catalogue = read_catalogue(tmp_path / "a.fits", COLUMNS)
    assert catalogue.field_hints == ["P1", "", "P234"]


@pytest.mark.parametrize(
    ("cards", "match"),
    [
        ({"NAXIS1": "-2880", "NAXIS2": "2"}, "negative size"),
        ({"NAXIS1": "1", "NAXIS2": "-8640"}, "negative size"),
        ({"PCOUNT": "-8640"}, "negative size"),
        ({"GCOUNT": "-1"}, "negative size"),
        ({"NAXIS2": "100000000000"}, "announces 4000000005766 bytes"),
        ({"NAXIS1": "1000000000000"}, "announces 3000000005766 bytes"),
        ({"PCOUNT": "99999999999"}, "announces 1000000"),
        ({"NAXIS1": "4611686018427387904", "NAXIS2": "4"}, ""),
        ({"TFIELDS": "99999999"}, "announces 99999999 columns"),
        ({"TFIELDS": "-1"}, "announces -1 columns"),
        ({"TFORM2": "'99999999999D'"}, ""),
        ({"NAXIS": "3"}, ""),
    ],
)
def test_sizes_that_a_fits_file_does_not_have(tmp_path, cards, match):
    """The first ones made astropy read the same header for ever."""
    (tmp_path / "a.fits").write_bytes(with_cards(fits_table(), **cards))
    assert match in refused(tmp_path / "a.fits")


@pytest.mark.parametrize("length", [-1, 3, 10**6, 1 << 30, 1 << 62])
@pytest.mark.parametrize("start", [-100, 0, 1 << 20, 1 << 62])
def test_a_string_outside_the_heap(tmp_path, length, start):
    if (length, start) == (3, 0):
        pytest.skip("inside")
    raw = bytearray(fits_table())
    data = raw.index(b"S 0")
    struct.pack_into(">qq", raw, data + 24, length, start)
    (tmp_path / "a.fits").write_bytes(raw)
    assert "row 1 has" in refused(tmp_path / "a.fits")


def test_many_rows_that_share_one_long_string(tmp_path):
    """A file of 2 MB with 10^10 letters."""
    count, long = 10_000, 1_000_000
    own = [
        fits.Column("Source_Name", "8A", array=np.array([f"S{row}" for row in range(count)])),
        fits.Column("RA", "D", array=np.zeros(count)),
        fits.Column("DEC", "D", array=np.zeros(count)),
        fits.Column("FIELD", "QA()", array=np.array(["x" * long] + ["y"] * (count - 1), object)),
    ]  # fmt: skip
    fits.BinTableHDU.from_columns(own).writeto(tmp_path / "a.fits")
    raw = bytearray((tmp_path / "a.fits").read_bytes())
    data = raw.index(b"S0\0")
    for row in range(count):
        struct.pack_into(">qq", raw, data + 40 * row + 24, long, 0)
    (tmp_path / "a.fits").write_bytes(raw)
    assert "much more text than the file has" in refused(tmp_path / "a.fits")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv.gz", "a.ecsv.gz", "a.vot.gz", "a.fits.gz"])
@pytest.mark.parametrize("members", [1, 2])
def test_gzip_that_unpacks_to_gigabytes(tmp_path, name, members):
    """In the first member, or in one after a good table."""
    start = {
        "csv": CSV, "ecsv": b"# %ECSV 1.0\n", "vot": b"<VOTABLE>", "fits": fits_table(),
    }[name.split(".")[1]]  # fmt: skip
    bomb = gzip.compress(bytes(64 << 20)) * 40
    packed = gzip.compress(start) + bomb if members == 2 else gzip.compress(start + b"\n") + bomb
    (tmp_path / name).write_bytes(packed)
    assert "of gzip unpack to more than" in refused(tmp_path / name)


def _repeat(piece: bytes, count: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(CSV)
            for _ in range(count):
                file.write(piece)

    return write


def _sparse(start: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(2 << 30)

    return write


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (_sparse(CSV), "no line ends"),
        (_sparse(CSV + b'"'), "no line ends"),
        (_sparse(b""), "no line ends"),
        (_repeat(b"\xff" * (1 << 20), 40), "no line ends"),
        (_repeat(b"," * (1 << 20), 3), "no line ends"),
        (_repeat(b"A,1\n" * (1 << 20), 4), "line 3 has 2 values"),
        (lambda path: path.write_bytes(b"x" * 200_000 + b",RA,DEC\n1,2,3\n"), "its header"),
    ],
    ids=["NUL", "quote", "no header", "0xff", "commas", "ragged", "header"],
)
def test_csv_without_lines(tmp_path, write, match):
    write(tmp_path / "a.csv")
    assert match in refused(tmp_path / "a.csv")


def ecsv(header: str) -> bytes:
    lines = ["%ECSV 1.0", "---", *header.splitlines(), "schema: astropy-2.0"]
    return "".join(f"# {line}\n" for line in lines).encode() + b"Source_Name RA DEC\nA 1 2\n"


TYPES = (
    "datatype:\n- {name: Source_Name, datatype: string}\n- {name: RA, datatype: float64}\n"
    "- {name: DEC, datatype: float64}\n"
)
LAUGHS = "meta:\n  a0: &a0 [ha, ha]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "header",
    [
        TYPES + "meta: !!python/object/apply:os.system ['true']",
        TYPES + "meta: !!python/name:os.system",
        TYPES + "meta: !!python/object/new:subprocess.Popen [['true']]",
        TYPES + "meta: !!python/module:antigravity",
        LAUGHS + TYPES.replace("float64}", "float64, unit: *a11}", 1),
        LAUGHS + TYPES.replace("string}", "string, description: *a11, format: *a11}"),
        LAUGHS + TYPES.replace("string", "*a11"),
        TYPES + "meta: " + "[" * 100_000,
        TYPES + "meta: " + "{a: " * 100_000,
        TYPES + "meta:\n  __serialized_columns__:\n    RA: {__class__: os.system, command: 'true'}",
        TYPES + "meta: !numpy.ndarray {buffer: !!binary AAAA, dtype: object, shape: [9], order: C}",
        TYPES.replace("float64}", "object, subtype: 'float64[999999999]'}", 1),
    ],
)
def test_yaml_of_an_ecsv_header(tmp_path, header):
    """No tag of Python is obeyed, and no alias is multiplied."""
    (tmp_path / "a.ecsv").write_bytes(ecsv(header))
    refused(tmp_path / "a.ecsv")


def test_aliases_as_programs_write_them_are_read(tmp_path):
    """One object in two places of the metadata is written as an anchor and an alias."""
    (tmp_path / "a.ecsv").write_bytes(ecsv("meta: {a: &id001 [1, 2], b: *id001}\n" + TYPES))
    assert read_catalogue(tmp_path / "a.ecsv").names == ["A"]


def test_a_laughing_unit_in_parquet(tmp_path):
    """The units of tables that astropy writes are in YAML, too."""
    columns = pa.table({"Source_Name": ["A"], "RA": [10.0], "DEC": [20.0]})
    header = LAUGHS + TYPES.replace("float64}", "float64, unit: *a11}", 1)
    table = columns.replace_schema_metadata({"table_meta_yaml": header})
    pq.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet")


def test_deep_types_of_parquet(tmp_path):
    deep = pa.array([1.0])
    for _ in range(90):
        deep = pa.StructArray.from_arrays([deep], ["x"])
    columns = pa.table({"Source_Name": ["A"], "RA": deep, "DEC": [20.0]})
    pq.write_table(columns, tmp_path / "a.parquet")
    assert "where one value in each row was expected" in refused(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.hdf5", b"\x89HDF\r\n\x1a\n" + bytes(99)), ("a.html", b"<table><tr><td>1"),
        ("a.pickle", b"\x80\x04cos\nsystem\n(S'true'\ntR."), ("a.fits.bz2", b"BZh9"),
        ("a.asdf", b"#ASDF 1.0.0\n"), ("a.fits", b"BZh91AY&SY"), ("a.zip", b"PK\x03\x04"),
    ],
)  # fmt: skip
def test_only_the_documented_formats_are_read(tmp_path, name, content):
    """Nothing is left to a library that knows more formats."""
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name)
