"""One table in every format gives the same sources and labels, or the same error.

The tables are written by astropy, pyarrow and the csv module, each with the nulls and units of its
own format; the right values are those of the table in memory.
"""

from __future__ import annotations

import csv
import math
import tempfile
import warnings
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits, votable
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mingolotss.catalogue.labels import ClassRule, ColumnRules, FlagRules
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

NULL = -999_999  # stands for null in the integers of FITS and VOTable
TEXT = "aB1 _+-.,;%'\"é名ß"
WORDS = st.text(TEXT, min_size=1, max_size=9).map(lambda text: text.strip() or "x")
ODD_WORDS = st.sampled_from(["nan", "None", "N/A", "--", "null", "007", "1e5", "12", "10", "2"])
INTEGERS = st.integers(-(2**62), 2**62) | st.integers(-3, 12)


def column(kind, values, n, *, nulls=True):
    """Return (kind, values) of one column with n rows; with `nulls`, some of them are None."""
    nulls = st.lists(st.booleans() if nulls else st.just(True), min_size=n, max_size=n)
    lists = st.lists(values, min_size=n, max_size=n)
    return st.tuples(nulls, lists).map(
        lambda both: (kind, [v if keep else None for keep, v in zip(*both, strict=True)])
    )


@st.composite
def tables(draw):
    """Draw a table: for each role (kind, values), and the units of the numbers."""
    n = draw(st.integers(1, 6))
    degrees, floats = st.floats(0, 89), st.floats(1e-3, 1e6)
    names = draw(
        st.sampled_from([("text", WORDS | ODD_WORDS), ("int", INTEGERS)]).flatmap(
            lambda pair: st.lists(pair[1], min_size=n, max_size=n, unique=True).map(
                lambda values: (pair[0], values)
            )
        )
    )
    if draw(st.integers(0, 7)) == 0:
        names[1][draw(st.integers(0, n - 1))] = None
    share = draw(st.booleans())
    codes = st.one_of(
        column("int", st.integers(-2, 12), n, nulls=share),
        column("text", WORDS | ODD_WORDS, n, nulls=share),
        column("bytes", st.sampled_from(["FRI", "FRII", "10", "9"]), n, nulls=share),
        column("category", st.sampled_from(["é", "FR I", "2", "10"]), n, nulls=share),
        column("float", st.sampled_from([0.0, 1.0, 2.5, -1.0, 1e16, 10.0]), n, nulls=share),
        column("bool", st.booleans(), n, nulls=share),
    )
    flags = st.one_of(
        column("bool", st.booleans(), n, nulls=share),
        column("bit", st.booleans(), n, nulls=False),
        column("int", st.sampled_from([0, 1]), n, nulls=share),
        column("float", st.sampled_from([0.0, 1.0]), n, nulls=share),
        column("text", st.sampled_from(["T", "false", "yes", "0"]), n, nulls=share),
    )
    content = {
        "id": names,
        "ra": draw(column("float", degrees, n, nulls=False)),
        "dec": draw(column("float", degrees, n, nulls=draw(st.integers(0, 7)) == 0)),
        "size": draw(column("float", floats, n)),
        "flux": draw(column("float", floats, n)),
        "field": draw(column("text", WORDS | ODD_WORDS, n)),
        "kind": draw(codes),
        "f1": draw(flags),
        "f2": draw(flags),
    }
    angles = st.sampled_from(["", "deg", "arcmin", "arcsec", "mas"])
    units = {
        "ra": draw(angles), "dec": draw(angles), "size": draw(angles),
        "flux": draw(st.sampled_from(["", "Jy", "mJy", "uJy"])),
    }  # fmt: skip
    return content, units


def plain(values, fill):
    return [fill if value is None else value for value in values]


def null_of(values):
    return np.array([value is None for value in values])


def masked(kind, values, unit=None):
    types = {"int": np.int64, "float": float, "bool": bool, "bit": bool}
    fill = {"int": NULL, "float": math.nan, "bool": True, "bit": True}.get(kind, "filled")
    data = np.array(plain(values, fill), types.get(kind, str))
    return MaskedColumn(data, mask=null_of(values), unit=unit or None)


def write_fits(path, content, units):
    columns = []
    for name, (kind, values) in content.items():
        unit = units.get(name) or None
        if kind == "int":
            one = fits.Column(name, "K", null=NULL, array=np.array(plain(values, NULL)), unit=unit)
        elif kind == "float":
            one = fits.Column(name, "D", array=np.array(plain(values, math.nan)), unit=unit)
        elif kind == "bool":
            one = fits.Column(name, "L", array=np.array(plain(values, True), bool))
        elif kind == "bit":
            one = fits.Column(name, "1X", array=np.array(values, bool).reshape(-1, 1))
        else:
            data = np.array([value.encode() for value in plain(values, "")])
            one = fits.Column(name, f"{max(data.dtype.itemsize, 1)}A", array=data)
        columns.append(one)
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.writeto(path)
    # Booleans cannot be undefined, as a logical value can (a byte 0), so bytes of the file change.
    with fits.open(path, mode="update") as hdus:
        raw = hdus[1].data.view(np.ndarray)
        for name, (kind, values) in content.items():
            if kind == "bool":
                raw[name][null_of(values)] = 0


VOTABLE_TYPES = {
    "int": "long", "float": "double", "bool": "boolean", "bit": "bit", "bytes": "char",
}  # fmt: skip


def write_tabledata(path, content, units):
    """Write XML directly: a bug of astropy 8.0 in this serialisation ends the process."""
    lines = ['<?xml version="1.0"?>', '<VOTABLE version="1.4"><RESOURCE><TABLE>']
    for name, (kind, _) in content.items():
        unit = f' unit="{units[name]}"' if units.get(name) else ""
        size = "" if kind in {"int", "float", "bool", "bit"} else ' arraysize="*"'
        datatype = VOTABLE_TYPES.get(kind, "unicodeChar")
        null = f'<VALUES null="{NULL}"/>' if kind == "int" else ""
        lines.append(f'<FIELD name="{name}" datatype="{datatype}"{size}{unit}>{null}</FIELD>')
    lines.append("<DATA><TABLEDATA>")
    nulls = {"int": NULL, "float": "NaN", "bool": "?"}
    columns = [
        [escape(str(v * 1 if kind == "bit" else v)) for v in plain(values, nulls.get(kind, ""))]
        for kind, values in content.values()
    ]
    rows = zip(*columns, strict=True)
    lines += ["<TR>" + "".join(f"<TD>{cell}</TD>" for cell in row) + "</TR>" for row in rows]
    lines.append("</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")
    path.write_text("\n".join(lines), encoding="utf-8")


def write_votable(path, content, units, serialisation):
    file = votable.tree.VOTableFile()
    resource = votable.tree.Resource()
    file.resources.append(resource)
    table = votable.tree.TableElement(file)
    resource.tables.append(table)
    for name, (kind, _) in content.items():
        datatype = VOTABLE_TYPES.get(kind, "unicodeChar")
        size = {"arraysize": "*"} if datatype in {"char", "unicodeChar"} else {}
        field = votable.tree.Field(
            file, name=name, ID=f"column_{name}", datatype=datatype, unit=units.get(name) or None,
            **size,
        )  # fmt: skip
        if kind == "int":
            field.values.null = NULL
        table.fields.append(field)
    n = len(content["id"][1])
    table.create_arrays(n)
    for name, (kind, values) in content.items():
        fill = {"int": NULL, "float": math.nan, "bool": False, "bit": False}.get(kind, "")
        for row, value in enumerate(plain(values, fill)):
            table.array[f"column_{name}"][row] = value
        if kind not in {"text", "bytes", "category"}:
            table.array.mask[f"column_{name}"] = null_of(values)
    file.to_xml(str(path), tabledata_format=serialisation)


def write_ecsv(path, content, units):
    Table({name: masked(*column, units.get(name)) for name, column in content.items()}).write(
        path, format="ascii.ecsv"
    )


def write_csv(path, content, units):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*content, "", ""])
        rows = zip(*(values for _, values in content.values()), strict=True)
        writer.writerows([*plain(row, ""), "", ""] for row in rows)


def write_parquet(path, content, units):
    types = {
        "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "bit": pa.bool_(),
        "bytes": pa.binary(), "category": pa.dictionary(pa.int32(), pa.string()),
    }  # fmt: skip
    fields = [
        pa.field(
            name, types.get(kind, pa.string()),
            metadata={"unit": units[name]} if units.get(name) else None,
        )
        for name, (kind, _) in content.items()
    ]  # fmt: skip
    arrays = [
        pa.array(
            [v.encode() if kind == "bytes" and v is not None else v for v in values],
            pa.string() if kind == "category" else types.get(kind, pa.string()),
        )
        for kind, values in content.values()
    ]
    arrays = [
        array.dictionary_encode() if kind == "category" else array
        for array, (kind, _) in zip(arrays, content.values(), strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path)


def write_parquet_of_astropy(path, content, units):
    Table({name: masked(*column, units.get(name)) for name, column in content.items()}).write(
        path, format="parquet"
    )


WRITERS = {
    "a.fits": write_fits,
    "tabledata.vot": write_tabledata,
    "binary.vot": lambda *args: write_votable(*args, "binary"),
    "binary2.vot": lambda *args: write_votable(*args, "binary2"),
    "a.ecsv": write_ecsv,
    "a.csv": write_csv,
    "a.parquet": write_parquet,
    "astropy.parquet": write_parquet_of_astropy,
}
FLAGS = FlagRules(
    ("f1", "f2"),
    (ClassRule(0, "none", ()), ClassRule(1, "one", ("f1",)), ClassRule(2, "two", ("f2",)),
     ClassRule(3, "both", ("f1", "f2"))),
)  # fmt: skip
ROLES = {"name": "id", "ra": "ra", "dec": "dec", "size": "size", "flux": "flux", "field": "field"}


def read(path, rules, units):
    """Return everything that a file gives, or the error without the name of the file."""
    # CSV has no units, so the recipe gives them.
    names = {f"{role}_unit": unit for role, unit in units.items()} if path.suffix == ".csv" else {}
    try:
        found = read_catalogue(path, ColumnNames(**ROLES, **names), rules)
    except CatalogueError as error:
        return str(error).replace(str(path), "FILE")
    numbers = [found.ra, found.dec, found.size_arcsec, found.flux_mjy]
    return (
        found.names, found.labels.tolist(), found.classes, found.field_hints,
        [[repr(value) for value in column.tolist()] for column in numbers],
    )  # fmt: skip


def number_text(values):
    """Return a column of integers or text as the names or classes that it means."""
    return ["" if value is None else str(value) for value in values]


@settings(
    max_examples=15,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # to shrink a failure takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(tables())
def test_every_format_gives_the_same_sources_and_labels(drawn):
    """Names, positions, labels, classes, sizes, fluxes and fields are equal, and so are errors."""
    content, units = drawn
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in WRITERS]
        for path in paths:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                WRITERS[path.name](path, content, units)
        for rules in (FLAGS, ColumnRules("kind"), ColumnRules("kind", missing="unlabelled")):
            found = {path.name: read(path, rules, units) for path in paths}
            first = found["a.parquet"]
            assert found == dict.fromkeys(found, first)
            if rules is FLAGS and not isinstance(first, str):
                assert first[0] == number_text(content["id"][1])
                truth = [
                    sum(value in {True, "T", "yes"} and bit for bit, value in ((1, a), (2, b)))
                    for a, b in zip(content["f1"][1], content["f2"][1], strict=True)
                ]
                assert first[1] == truth
