"""Hostile catalogues: CSV, ECSV, VOTable, Parquet and FITS."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable
from harness import Target, as_file, mutate
from votables import BOMBS, HARMLESS, REFERENCES, table

from mingolotss.catalogue.labels import ColumnRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue

TOKENS = [
    b'"', b"\0", b"\r", b"\n", b"\xff", b",", b"9" * 400, b"\xef\xbb\xbf", b"nan", b"#", b"1e999",
    b"-1", b"\xe2\x80\xae", b"\x1b[2J",
]  # fmt: skip
XML_TOKENS = [
    b"<", b">", b"&", b"]]>", b"<![CDATA[", b"<!--", b"-->", b'href="file:///etc/passwd"', b"<TR>",
    b"</TR>", b"<TABLE>", b"<STREAM>", b'arraysize="99999999999"', b'arraysize="*"', b"*",
    b"999999999", b'nrows="99999999999"', b'encoding="gzip"', b'datatype="bit"', b"<FIELD/>",
    b'datatype="char"', b'ref="x"', b'ID="x"', b"&#0;", b"&#x202e;", b'<!ENTITY x "y">',
    b'encoding="utf-16"',
]  # fmt: skip
YAML_TOKENS = [
    b"!!python/object/apply:os.system ['true']", b"!numpy.ndarray", b"&a", b"*a", b"[" * 2000,
    b"- {name: x, datatype: object}", b"subtype: float64[999999999,999999]", b"datatype: string",
    b"__serialized_columns__: {RA: {__class__: os.system}}", b"unit: [", b"{", b"}", b"!!set",
    b"delimiter: '", b"# schema: astropy-2.0", b"!astropy.units.Unit {unit: os}",
]  # fmt: skip
CARD_TOKENS = [
    b"99999999999", b"-1", b"TSCAL6", b"PE(99)", b"QD(9)", b"1PA(9)", b"0A", b"9999999D", b"1X",
    b"E12.5", b"L", b"TFIELDS", b"NAXIS2", b"PCOUNT", b"THEAP", b"TNULL1", b"TSCAL1", b"TDIM2",
    b"END", b"CONTINUE", b"ZTABLE  =                    T", b"XTENSION", b"'", b"=",
    b"\0" * 8, b"\xff" * 8,
]  # fmt: skip
COLUMNS = ColumnNames(size="SIZE", flux="FLUX", field="FIELD")
RULES = ColumnRules("KIND", missing="unlabelled", null=("n/a",))


@cache
def _columns() -> AstropyTable:
    count = 9
    columns = AstropyTable()
    columns["Source_Name"] = [f"S {row}" for row in range(count)]
    columns["RA"] = np.linspace(0, 359, count)
    columns["DEC"] = np.linspace(-90, 90, count).astype("f4")
    columns["SIZE"] = MaskedColumn(
        np.arange(count) / 2, mask=[row % 3 == 0 for row in range(count)]
    )
    columns["FLUX"] = np.arange(count) / 7
    columns["FIELD"] = ["P1", "", "P2"] * 3
    columns["KIND"] = ["FR1", "FR2", "caf\xe9"] * 3
    columns["SIZE"].unit, columns["RA"].unit = "arcsec", "deg"
    return columns


@cache
def _fits_files() -> list[bytes]:
    text = np.array([f"S {row}" for row in range(9)])
    varying = fits.Column("KIND", "PA()", array=np.array(["a", "bcd", "e" * 40] * 3, object))
    long = fits.Column("FIELD", "QA()", array=np.array(["P1", "", "P2"] * 3, object))
    own = [
        fits.Column("Source_Name", "8A", array=text), fits.Column("RA", "D", array=np.arange(9)),
        fits.Column("DEC", "E", array=np.arange(9)), varying, long,
        fits.Column("SIZE", "J", null=3, array=np.arange(9)),
        fits.Column("FLUX", "I", bzero=32768, array=np.arange(9, dtype="u2")),
    ]  # fmt: skip
    ascii_own = [
        fits.Column("Source_Name", "A8", array=text),
        fits.Column("RA", "F9.3", array=np.arange(9.0)),
        fits.Column("DEC", "I5", array=np.arange(9)), fits.Column("KIND", "A3", array=text),
    ]  # fmt: skip
    files = []
    for hdu in (fits.BinTableHDU.from_columns(own), fits.TableHDU.from_columns(ascii_own)):
        stream = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(stream)
        files.append(stream.getvalue())
    return files


@cache
def _votables() -> list[bytes]:
    files = []
    for kind in ("tabledata", "binary", "binary2"):
        stream = io.BytesIO()
        _columns().write(stream, format="votable", tabledata_format=kind)
        files.append(stream.getvalue())
    return [*files, table().encode()]


@cache
def _parquet_files() -> list[bytes]:
    columns = _columns()
    arrays = {name: pa.array(np.asarray(columns[name])) for name in columns.colnames}
    arrays["KIND"] = arrays["KIND"].dictionary_encode()
    arrays["FIELD"] = pa.array([["P1"], None, ["x"]] * 3)
    nested = pa.table(arrays)
    plain = pa.table(arrays | {"FIELD": pa.array(["P1"] * 9)})
    files = []
    for content in (plain, nested):
        for compression in ("none", "snappy", "zstd"):
            stream = io.BytesIO()
            pq.write_table(content, stream, compression=compression)
            files.append(stream.getvalue())
    return files


@cache
def _text(kind: str) -> bytes:
    stream = io.StringIO()
    _columns().write(stream, format=kind)
    return stream.getvalue().encode()


def csv_bytes(rng: random.Random) -> bytes:
    """Return a CSV file with a few bytes changed."""
    return mutate(rng, _text("ascii.csv"), TOKENS)


def ecsv_bytes(rng: random.Random) -> bytes:
    """Return an ECSV file with a few bytes changed, mostly in its header."""
    text = _text("ascii.ecsv")
    head = len(text) if rng.random() < 0.3 else text.index(b"schema:")
    return mutate(rng, text[:head], TOKENS + YAML_TOKENS) + text[head:]


def votable_bytes(rng: random.Random) -> bytes:
    """Return a VOTable with a few bytes changed."""
    if rng.random() < 0.1:
        name = rng.choice([name for name in REFERENCES if "padding" not in name])
        return mutate(rng, REFERENCES[name]("file:///etc/passwd"), XML_TOKENS)
    if rng.random() < 0.05:
        return mutate(rng, BOMBS[rng.choice([n for n in BOMBS if "gzip" not in n])](), XML_TOKENS)
    if rng.random() < 0.05:
        return mutate(rng, HARMLESS[rng.choice(list(HARMLESS))]("file:///etc/passwd"), XML_TOKENS)
    return mutate(rng, rng.choice(_votables()), XML_TOKENS + TOKENS)


def parquet_bytes(rng: random.Random) -> bytes:
    """Return a Parquet file with a few bytes changed, mostly in its footer."""
    raw = rng.choice(_parquet_files())
    start = 0 if rng.random() < 0.3 else len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    return raw[:start] + mutate(rng, raw[start:], [b"\xff" * 5, b"\0" * 4, b"\x7f", b"PAR1"])


def fits_bytes(rng: random.Random) -> bytes:
    """Return a FITS table of which a few bytes, mostly of its header, are changed."""
    raw = rng.choice(_fits_files())
    if rng.random() < 0.3:
        return mutate(rng, raw, CARD_TOKENS)
    end = raw.index(b"END  ", 2880) // 2880 * 2880 + 2880
    cards = [raw[at : at + 80] for at in range(2880, end, 80)]
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = rng.randrange(len(cards))
        key, value = cards[place][:10], cards[place][10:]
        choice = rng.randrange(4)
        if choice == 0:
            value = rng.choice(CARD_TOKENS).rjust(20).ljust(70)
        elif choice == 1:
            value = b"'%-8s'" % rng.choice(CARD_TOKENS)
        elif choice == 2:
            value = mutate(rng, value, CARD_TOKENS)
        else:
            key = mutate(rng, key[:8], CARD_TOKENS)[:8].ljust(8) + b"= "
        cards[place] = (key + value)[:80].ljust(80)
    header = b"".join(cards)
    return raw[:2880] + header + raw[end:]


def read(path: Path) -> None:
    """Read a catalogue with all its columns, with and without classes."""
    read_catalogue(path, COLUMNS, RULES)
    read_catalogue(path)


TARGETS = {
    "csv": Target(as_file("a.csv", csv_bytes), read),
    "ecsv": Target(as_file("a.ecsv", ecsv_bytes), read),
    "votable": Target(as_file("a.vot", votable_bytes), read),
    "parquet": Target(as_file("a.parquet", parquet_bytes), read),
    "fits": Target(as_file("a.fits", fits_bytes), read),
}
