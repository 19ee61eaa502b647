"""Sexagesimal positions in columns and names, against astropy."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table

from mingolotss.catalogue.columns import to_angles
from mingolotss.catalogue.reading import ColumnNames, catalogue_from_names, read_catalogue
from mingolotss.catalogue.table import Column
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.model import parse_recipe

# 359.9999 deg is written as 24 hours, about which astropy warns.
pytestmark = pytest.mark.filterwarnings("ignore:'hour' was found")
COLUMNS = ColumnNames("id", "ra", "dec")
RA = ["07 45 42.13", "00:00:00.001", "23h59m59.99s", "12\u00a034  56", "05h 35m 17.3s"]
DEC = ["+31 42 52.6", "-00 12 30", "\u221289:59:59.9", "+31d42m52.6s", "+90 00 00"]


def sky(n=300):
    """Return positions over the whole sky, with the poles and RA 0."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    return np.append(ra, [0, 359.9999, 0, 12]), np.append(dec, [0, -0.001, 90, -90])


@pytest.mark.parametrize(
    ("separator", "precision"), list(itertools.product([":", " ", "hmsdms"], [0, 1, 3, 9]))
)
def test_columns_are_read_as_astropy_reads_them(separator, precision):
    ra, dec = sky()
    names = {"sep": separator} if separator != "hmsdms" else {}
    hours = Angle(ra, u.deg).to_string(u.hourangle, precision=precision, pad=True, **names)
    degrees = Angle(dec, u.deg).to_string(
        u.deg, precision=precision, pad=True, alwayssign=True,
        **(names or {"sep": ("d", "m", "s")}),
    )  # fmt: skip
    east = to_angles(Column(hours.astype(object)), "ra", "ra")
    north = to_angles(Column(degrees.astype(object)), "dec", "dec")
    np.testing.assert_allclose(east.values, Angle(hours, u.hourangle).deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(north.values, Angle(degrees, u.deg).deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(north.digit * 3600, 10.0**-precision)
    np.testing.assert_allclose(east.digit * 3600, 15 * 10.0**-precision)


@pytest.mark.parametrize("precision", [0, 2, 5])
def test_names_are_read_as_astropy_reads_their_parts(precision):
    """The signs, the poles and RA 0, with a prefix and trailing letters."""
    ra, dec = sky(200)
    hours = Angle(ra, u.deg).to_string(u.hourangle, sep=":", precision=precision, pad=True)
    degrees = Angle(dec, u.deg).to_string(
        u.deg, sep=":", precision=precision, pad=True, alwayssign=True
    )
    names = [
        f"ILTJ{h}{d}a{row}".replace(":", "")
        for row, (h, d) in enumerate(zip(hours, degrees, strict=True))
    ]
    pattern = r"ILTJ(?P<ra_hms>[\d.]+)(?P<dec_dms>[+-][\d.]+)a\d+"
    catalogue = catalogue_from_names(names, pattern)
    rows = [catalogue.row_of[name] for name in names]
    expected = SkyCoord(hours, degrees, unit=(u.hourangle, u.deg))
    np.testing.assert_allclose(catalogue.ra[rows], expected.ra.deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(catalogue.dec[rows], expected.dec.deg, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "position", "arcsec"),
    [
        ("J1200+3030", "12 00 00 +30 30 00", 900 * np.cos(np.radians(30.5))),
        ("J120000.5-003000.1", "12 00 00.5 -00 30 00.1", 1.5),
        ("J1957.6+0000", "19 57 36 +00 00 00", 90),
        ("J19572+3348", "19 57 12 +33 48 00", 90 * np.cos(np.radians(33.8))),
    ],
)
def test_short_names_and_their_precision(name, position, arcsec):
    pattern = r"J(?P<ra_hms>[\d.]+)(?P<dec_dms>[+-][\d.]+)"
    catalogue = catalogue_from_names([name], pattern)
    expected = SkyCoord(position, unit=(u.hourangle, u.deg))
    assert (catalogue.ra[0], catalogue.dec[0]) == pytest.approx(
        (expected.ra.deg, expected.dec.deg), abs=1e-9
    )
    assert catalogue.precision_arcsec == pytest.approx(
        max(arcsec, 60 if arcsec > 80 else 0), rel=1e-4
    )


def test_names_of_b1950_are_refused_or_converted():
    pattern, name = r"B(?P<ra_hms>\d+)(?P<dec_dms>[+-]\d+)", "B1957+3348"
    with pytest.raises(CatalogueError, match=r"'B1957\+3348' has a position of the equinox B1950"):
        catalogue_from_names([name], pattern)
    catalogue = catalogue_from_names([name], pattern, frame="fk4")
    expected = SkyCoord("19 57 +33 48", unit=(u.hourangle, u.deg), frame="fk4").icrs
    assert catalogue.ra[0] == pytest.approx(expected.ra.deg, abs=1e-9)
    assert catalogue.dec[0] == pytest.approx(expected.dec.deg, abs=1e-9)


def write_names(path, names):
    """Write a catalogue that has names, and columns that are no positions."""
    rows = [f"{name},north,{row}" for row, name in enumerate(names)]
    path.write_text("\n".join(["id,ra,extra", *rows]))
    return path


@pytest.mark.parametrize(
    ("pattern", "names", "positions"),
    [
        (
            r"ILTJ(?P<ra_hms>[\d.]+)(?P<dec_dms>[+-][\d.]+)",
            ["ILTJ000005.31+205913.2", "ILTJ235959.99-000000.1"],
            ["00 00 05.31 +20 59 13.2", "23 59 59.99 -00 00 00.1"],
        ),
        (
            r"FIRST J(?P<ra_hms>\S+)(?P<dec_dms>[+-].*)",
            ["FIRST J080448.0+102512", "FIRST J1458.5-0409"],
            ["08 04 48.0 +10 25 12", "14 58 30 -04 09 00"],
        ),
        (
            r"\d+_(?P<ra>[\d.]+)(?P<dec>[+-][\d.]+)_.*",
            ["100_350.25+14.5_0.2", "7_0.5-89.25_x"],
            ["23 21 00 +14 30 00", "00 02 00 -89 15 00"],
        ),
        (
            r"RACS_(?P<ra_hms>\d\d:\d\d:[\d.]+)_(?P<dec_dms>.\d\d:\d\d:[\d.]+)",
            ["RACS_12:34:56.7_\u221201:02:03.4"],
            ["12 34 56.7 -01 02 03.4"],
        ),
    ],
)
def test_names_of_a_catalogue_hold_the_positions(tmp_path, pattern, names, positions):
    """The columns ra and dec are not needed, and one of that name is like any other."""
    columns = ColumnNames("id", "ra", "dec", keep=("*",), positions=pattern)
    catalogue = read_catalogue(write_names(tmp_path / "c.csv", names), columns)
    expected = SkyCoord(positions, unit=(u.hourangle, u.deg))
    assert catalogue.names == names
    np.testing.assert_allclose(catalogue.ra, expected.ra.deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(catalogue.dec, expected.dec.deg, rtol=0, atol=1e-9)
    assert catalogue.kept.column_names == ["ra", "extra"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["J1200+3030", "NGC 1265", "J12-3"], r"does not fit 1 name of 3: row 2 \(NGC 1265\)"),
        (["J1200+3030", "J12345678+3030"], r"'ra_hms' of the recipe's pattern .*'12345678'"),
        (["J1200+9130"], r"no position on the sky .* DEC=91.5: row 1 \(J1200\+9130\)"),
    ],
)
def test_names_of_a_catalogue_without_positions(tmp_path, names, message):
    columns = ColumnNames("id", positions=r"J(?P<ra_hms>[\d.]+)(?P<dec_dms>[+-][\d.]+)")
    with pytest.raises(CatalogueError, match=message) as caught:
        read_catalogue(write_names(tmp_path / "c.csv", names), columns)
    assert "images" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_galactic_names_of_a_catalogue_are_converted(tmp_path):
    names = ["G123.400+05.600", "G359.900-00.050", " G000.100+89.900 "]
    pattern = r"G(?P<ra>[\d.]+)(?P<dec>[+-][\d.]+)"
    columns = ColumnNames("id", positions=pattern, frame="galactic")
    catalogue = read_catalogue(write_names(tmp_path / "c.csv", names), columns)
    longitude, latitude = [123.4, 359.9, 0.1], [5.6, -0.05, 89.9]
    expected = SkyCoord(longitude, latitude, unit="deg", frame="galactic").icrs
    np.testing.assert_allclose(catalogue.ra, expected.ra.deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(catalogue.dec, expected.dec.deg, rtol=0, atol=1e-9)


def test_the_message_about_absent_columns_says_that_names_can_have_positions(tmp_path):
    path = write_names(tmp_path / "c.csv", ["J1200+3030"])
    with pytest.raises(CatalogueError, match=r"no column 'RA', 'DEC';.* catalogue\.positions"):
        read_catalogue(path, ColumnNames("id"))
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(path, ColumnNames("id", "ra", "ra", keep=("z",)))
    assert "positions" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("ILTJ(?P<ra>.*)", "groups"),
        ("ILTJ(?P<ra_hms>.*)(?P<dec>.*)", "groups"),
        ("ILTJ(", "regular expression"),
        ("(?P<ra>.*)(?P<dec>.*)" + " " * 1000, "characters"),
    ],
)
def test_a_recipe_with_another_pattern_of_positions_is_refused(pattern, message):
    with pytest.raises(RecipeError, match=f"catalogue.positions = .*{message}"):
        parse_recipe({"name": "mine", "catalogue": {"positions": pattern}}, "mine.toml")


def test_a_recipe_without_positions_in_names_is_written_as_before():
    """Its digest, and with it the parts of earlier builds, stay valid."""
    plain = parse_recipe({"name": "mine"}, "mine.toml")
    assert "positions" not in plain.to_dict()["catalogue"]
    pattern = r"(?P<ra>\d+)(?P<dec>[+-]\d+)"
    changed = plain.changed({"catalogue.positions": pattern})
    assert changed.to_dict()["catalogue"]["positions"] == pattern
    assert changed.digest != plain.digest
    assert changed.changed({"catalogue.positions": ""}).digest == plain.digest


@pytest.mark.parametrize("digits", ["1", "12", "123", "1234567", "12:3456"])
def test_digits_of_a_name_that_are_no_angle(digits):
    with pytest.raises(CatalogueError, match="angle"):
        catalogue_from_names([f"J{digits}+3348"], r"J(?P<ra_hms>.+)(?P<dec_dms>\+\d+)")


def write_all(folder, ra, dec):
    """Write one table in each format."""
    names = [f"s{row}" for row in range(len(ra))]
    table = Table({"id": names, "ra": ra, "dec": dec})
    table.write(folder / "a.ecsv", format="ascii.ecsv")
    table.write(folder / "a.csv", format="ascii.csv")
    pq.write_table(pa.table({"id": names, "ra": ra, "dec": dec}), folder / "a.parquet")
    encoded = {
        name: np.array([text.encode() for text in texts])
        for name, texts in {"id": names, "ra": ra, "dec": dec}.items()
    }
    fits.BinTableHDU.from_columns(
        [fits.Column(n, f"{v.dtype.itemsize}A", array=v) for n, v in encoded.items()]
    ).writeto(folder / "a.fits")
    writeto(from_table(table), str(folder / "a.vot"))
    return [folder / name for name in ("a.ecsv", "a.csv", "a.parquet", "a.fits", "a.vot")]


@pytest.mark.parametrize("unreadable", ["", "12 61 00", "1" * 200, "12:34:56:78", "--"])
def test_every_format_gives_the_same_positions_or_error(tmp_path, unreadable):
    answers = set()
    for path in write_all(tmp_path, [*RA[:4], unreadable or RA[4]], DEC):
        try:
            read = read_catalogue(path, COLUMNS)
            answers.add((tuple(read.ra), tuple(read.dec), read.precision_arcsec))
        except CatalogueError as error:
            answers.add(str(error))
    (answer,) = answers
    if unreadable:
        assert "row 5" in answer
        assert len(answer) < 400
    else:
        plain = [text.replace("\u2212", "-").replace("\u00a0", " ") for text in DEC]
        assert answer[0] == tuple(Angle(t.replace("\u00a0", " "), u.hourangle).deg for t in RA)
        assert answer[1] == tuple(Angle(text, u.deg).deg for text in plain)


def test_columns_of_the_cds(tmp_path):
    """The sign of -00 stands in a column of its own."""
    table = Table({
        "id": ["A", "B"], "RAh": [7, 23], "RAm": [45, 59], "RAs": [42.13, 59.9],
        "DE-": ["-", "+"], "DEd": [0, 31], "DEm": [12, 42], "DEs": [30.0, 52.6],
    })  # fmt: skip
    table.write(tmp_path / "a.ecsv", format="ascii.ecsv")
    columns = ColumnNames("id", "RAh, RAm, RAs", "DE-, DEd, DEm, DEs")
    read = read_catalogue(tmp_path / "a.ecsv", columns)
    expected = SkyCoord(["7 45 42.13 -0 12 30", "23 59 59.9 31 42 52.6"], unit=("hourangle", "deg"))
    np.testing.assert_allclose(read.ra, expected.ra.deg, rtol=0, atol=1e-9)
    np.testing.assert_allclose(read.dec, expected.dec.deg, rtol=0, atol=1e-9)
    with pytest.raises(CatalogueError, match="lose the sign of 0 degrees in row 1"):
        read_catalogue(tmp_path / "a.ecsv", ColumnNames("id", "RAh, RAm", "DEd, DEm"))
    table["RAm"] = [45, 61]
    table.write(tmp_path / "b.ecsv", format="ascii.ecsv")
    with pytest.raises(CatalogueError, match="'RAm' holds 61 in row 2"):
        read_catalogue(tmp_path / "b.ecsv", columns)


@pytest.mark.parametrize("frame", ["fk5", "fk4", "galactic"])
def test_frames(tmp_path, frame):
    Table({"id": ["A"], "ra": [120.5], "dec": [-30.25]}).write(tmp_path / "a.csv")
    read = read_catalogue(tmp_path / "a.csv", ColumnNames("id", "ra", "dec", frame=frame))
    expected = SkyCoord(120.5, -30.25, unit="deg", frame=frame).icrs
    assert (read.ra[0], read.dec[0]) == (expected.ra.deg, expected.dec.deg)
    recipe = parse_recipe({"name": "x", "catalogue": {"frame": frame}}, "x.toml")
    assert recipe.catalogue.columns.frame == frame
    with pytest.raises(RecipeError, match=r"catalogue\.frame"):
        parse_recipe({"name": "x", "catalogue": {"frame": "b1875"}}, "x.toml")


def test_masked_cells_have_no_position(tmp_path):
    ra = MaskedColumn(["12:00:00", "x"], mask=[False, True])
    Table({"id": ["A", "B"], "ra": ra, "dec": ["+1 0 0", "+2 0 0"]}).write(
        tmp_path / "a.ecsv", format="ascii.ecsv"
    )
    with pytest.raises(CatalogueError, match=r"no position on the sky.*row 2 \(B\)"):
        read_catalogue(tmp_path / "a.ecsv", COLUMNS)


def test_hours_beyond_24_and_control_characters_are_refused():
    for text in ("188:44:10", "25:00:00", "12:00:0\x01", "12:00:00" + "0" * 10**6, "1:2:3" * 99):
        with pytest.raises(CatalogueError, match="row 2") as caught:
            to_angles(Column(np.array(["12:00:00", text], object)), "ra", "ra")
        assert len(str(caught.value)) < 400


def test_many_rows_take_no_minutes():
    texts = pa.array(["07 45 42.13"] * 200_000)
    began = time.process_time()
    to_angles(Column(texts), "ra", "ra")
    assert time.process_time() - began < 5
