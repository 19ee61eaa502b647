"""Plain tables of FITS files are read without astropy, as astropy reads them."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.catalogue import fits_tables
from mingolotss.catalogue.fits_tables import read_fits_table
from mingolotss.catalogue.plain_fits_tables import find_plain_table
from mingolotss.catalogue.table import ColumnRequest
from mingolotss.errors import CatalogueError
from mingolotss.foreign import mute_warnings

ALL = ColumnRequest((), everything=True)
HEADER = slice(2880, 2 * 2880)  # that of the table
WIDTH = 35  # bytes of a row


def all_types():
    """Return a column of each plain type."""
    return [
        fits.Column("name", "6A", array=np.array([b"a b", b" \xffb", b"c\0 x", b""])),
        fits.Column("one", "A", array=["a", "", "b", "c"]),
        fits.Column("L", "L", array=[True, False, True, False]),
        fits.Column("B", "B", array=np.array([0, 1, 254, 255], np.uint8)),
        fits.Column("I", "1I", array=np.array([-32768, 0, 1, 32767])),
        fits.Column("J", "J", unit="mJy/beam", array=np.array([-(2**31), 0, 1, 2**31 - 1])),
        fits.Column("K", "K", disp="I20", array=np.array([-(2**63), 0, 1, 2**63 - 1])),
        fits.Column("E", "E", unit="", array=np.array([np.nan, np.inf, -0.0, 1e-40], np.float32)),
        fits.Column("D", "1D", array=[np.nan, -np.inf, 0.1, 1e300]),
    ]


@pytest.fixture
def content(tmp_path):
    """Return the bytes of a plain file."""
    table = fits.BinTableHDU.from_columns(all_types(), name="Objects")
    table.header["AUTHOR"] = "somebody"
    table.header.add_history("made by a test")
    path = tmp_path / "plain.fits"
    with mute_warnings():
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path.read_bytes()


def is_plain(path):
    with path.open("rb") as file:
        return find_plain_table(file) is not None


def with_astropy(path, request=ALL):
    with path.open("rb") as file:
        return fits_tables._read_with_astropy(file, request, path)


def assert_equal(table, expected):
    assert table.names == expected.names
    assert table.left_out == expected.left_out
    assert list(table.columns) == list(expected.columns)
    for name, column in table.columns.items():
        other = expected.columns[name]
        assert column.unit == other.unit
        for values, others in ((column.values, other.values), (column.null, other.null)):
            assert (values is None) is (others is None)
            if values is not None:
                assert values.dtype == others.dtype
                assert values.shape == others.shape
                assert values.tobytes() == others.tobytes()


def test_columns_of_every_plain_type(tmp_path, content):
    """Values, types, nulls, names and units are those of astropy, to the last bit."""
    path = tmp_path / "a.fits"
    for end in (None, HEADER.stop + 4 * WIDTH):  # the last block may not be filled up
        path.write_bytes(content[:end])
        assert is_plain(path)
        assert_equal(read_fits_table(path, ALL), with_astropy(path))


def card(text):
    return text.encode().ljust(80)


def replaced(old, new):
    """Return a change of the one card of the table that begins with `old`."""

    def change(content):
        header = content[HEADER]
        (place,) = [
            start for start in range(0, 2880, 80) if header[start:].startswith(old.encode())
        ]
        changed = header[:place] + card(new) + header[place + 80 :]
        return content[: HEADER.start] + changed + content[HEADER.stop :]

    return change


def added(*texts):
    """Return a change that adds cards before END; blanks follow it."""

    def change(content):
        header, length = content[HEADER], 80 * len(texts)
        end = header.index(b"END".ljust(80))
        assert not header[end + 3 :].strip()
        changed = header[:end] + b"".join(map(card, texts)) + header[end:-length]
        return content[: HEADER.start] + changed + content[HEADER.stop :]

    return change


OTHERS = {
    "null": added("TNULL5  =                    0"),
    "scale": added("TSCAL5  =                  2.0"),
    "zero": added("TZERO6  =           2147483648"),
    "shape": added("TDIM1   = '(3,2)   '"),
    "heap": added("THEAP   =                  172"),
    "compressed table": added("ZTABLE  =                    T"),
    "compressed image": added("ZIMAGE  =                    T"),
    "unknown keyword of columns": added("TSOME   =                    1"),
    "long string": added("AUTHOR2 = 'some&'", "CONTINUE  'body'"),
    "hierarch": added("HIERARCH ESO A B = 1"),
    "no value": added("TUNIT1"),
    "undefined unit": added("TUNIT1  ="),
    "number as unit": added("TUNIT1  =                    3"),
    "quote": added("TUNIT1  = 'a''b    '"),
    "repeated name": added("TTYPE2  = 'two     '"),
    "repeated form": added("TFORM2  = 'D       '"),
    "lower case": replaced("TTYPE2", "ttype2  = 'one     '"),
    "early equals sign": replaced("TTYPE2", "TTYPE2 = 'one     '"),
    "string that does not end": replaced("TTYPE2", "TTYPE2  = 'one     "),
    "characters": replaced("TTYPE2", "TTYPE2  = 'one\u007f    '"),
    "several values": replaced("TFORM7", "TFORM7  = '2I     '"),
    "variable length": replaced("TFORM7", "TFORM7  = 'PA(3)   '"),
    "complex": replaced("TFORM7", "TFORM7  = 'C       '"),
    "lower case type": replaced("TFORM7", "TFORM7  = 'k       '"),
    "no type": replaced("TFORM7", "COMMENT"),
    "empty": replaced("TFORM2", "TFORM2  = '0A      '"),
    "other width": replaced("TFORM1", "TFORM1  = '7A      '"),
    "groups": replaced("GCOUNT", "GCOUNT  =                    2"),
    "parameters": replaced("PCOUNT", "PCOUNT  =                    8"),
    "fields": replaced("TFIELDS", "TFIELDS =                    8"),
    "no rows": replaced("NAXIS2", "NAXIS2  =                    0"),
    "more rows": replaced("NAXIS2", "NAXIS2  =                  400"),
    "negative": replaced("NAXIS2", "NAXIS2  =                   -4"),
    "extension": replaced("XTENSION", "XTENSION= 'A3DTABLE'"),
    "cut short": lambda content: content[:-2880],
    "further table": lambda content: content + content[2880:],
    "primary with data": lambda content: content.replace(
        card("NAXIS   =                    0 / number of array dimensions"),
        card("NAXIS   =                    1"),
    ),
    "no FITS": lambda content: content.replace(b"SIMPLE  =", b"SAMPLE  =", 1),
    "no file": lambda _: b"",
}  # fmt: skip


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_what_is_not_plain(tmp_path, content, change):
    """Whatever could change the meaning of a value leaves the file to astropy."""
    changed = change(content)
    assert changed != content
    (tmp_path / "a.fits").write_bytes(changed)
    assert not is_plain(tmp_path / "a.fits")


@pytest.mark.parametrize(
    "change",
    [
        added("TUNIT1  = '  a/b   ' / of a kind"),
        added("TDISP1  = 'A8      '", "TUCD2   = 'meta.id '", "COMMENT", ""),
        added("DATE-HDU= '2026-01-01'", "CHECKSUM= '0000000000000000'", "DATASUM = '1       '"),
        replaced("TTYPE2", "TTYPE2  = '  name  '"),
        replaced("TTYPE2", "TTYPE2  = '        '"),
        replaced("TTYPE2", "COMMENT"),
        replaced("NAXIS1", "NAXIS1  = 35 / bytes of a row"),
        replaced("EXTNAME", "EXTNAME = ' b c    '"),
    ],
)
def test_usual_variations_are_plain(tmp_path, content, change):
    """Comments, missing and repeated names, units with blanks, numbers in the free format."""
    path = tmp_path / "a.fits"
    path.write_bytes(change(content))
    assert is_plain(path)
    assert_equal(read_fits_table(path, ALL), with_astropy(path))


def outcome(read, *arguments):
    try:
        return read(*arguments), ""
    except CatalogueError as error:
        return None, str(error)


@pytest.mark.parametrize("table", ["", "objects", "1", "2", "other"])
def test_errors_are_those_of_the_other_reader(tmp_path, content, table):
    """A missing column, a repeated one, another table: one message."""
    path = tmp_path / "a.fits"
    for data in (content, replaced("TTYPE2", "TTYPE2  = 'name    '")(content)):
        path.write_bytes(data)
        assert is_plain(path)
        for required in (("name", "D"), ("nobody",)):
            request = ColumnRequest(required, table=table)
            first, second = outcome(read_fits_table, path, request), outcome(
                with_astropy, path, request
            )  # fmt: skip
            assert first[1] == second[1]
            if first[0] is not None:
                assert_equal(first[0], second[0])


def test_a_logical_value_that_is_none_is_named(tmp_path, content):
    """The bytes of logical values are looked at in both ways."""
    path = tmp_path / "a.fits"
    path.write_bytes(content[: HEADER.stop + 7] + b"\x01" + content[HEADER.stop + 8 :])
    assert is_plain(path)
    first, second = (outcome(read, path, ColumnRequest(("L",))) for read in
                     (read_fits_table, with_astropy))  # fmt: skip
    assert first == second
    assert "row 1 holds the byte 1" in first[1]


def test_changed_bytes_of_headers(tmp_path, content):
    """One byte of a header is another: the file is not plain, or astropy reads the same."""
    path, n_plain = tmp_path / "a.fits", 0
    generator = random.Random(5)  # noqa: S311
    cards = [start for start in range(0, 2 * 2880, 80) if content[start : start + 80].strip()]
    for _ in range(150):
        place = generator.choice(cards) + generator.randrange(32)
        changed = bytearray(content)
        changed[place] = generator.choice(b" '=/0123456789ATZLDJE\x00\xe9a")
        path.write_bytes(changed)
        if is_plain(path):
            n_plain += 1
            assert_equal(read_fits_table(path, ALL), with_astropy(path))
    assert 15 < n_plain < 135


def test_a_plain_catalogue_is_read_without_astropy(tmp_path, content):
    """Its import takes longer than the planning of a small build."""
    (tmp_path / "a.fits").write_bytes(content)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mingolotss.catalogue.table import ColumnRequest\n"
        "from mingolotss.catalogue.tables import read_table\n"
        "read_table(Path(sys.argv[1]), ColumnRequest(('name',)))\n"
        "print('astropy' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.fits")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
