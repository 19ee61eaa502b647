"""Columns of the catalogue go along into the manifest, the stamps and every export."""

import json
import math
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.table import Table

import mingolotss
from builds import run
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import MANIFEST, kept_fields
from mingolotss.errors import InputError
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from mingolotss.publish.export import export
from mingolotss.qa.report.page import report
from mingolotss.qa.status import status
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from named_builds import write_mosaic

pytestmark = pytest.mark.slow  # together they take long

N = 6
KEPT = ["z_best", "n", "LAS", "note", "good", "catalogue_field", "catalogue_Image"]
UNITS = {"z_best": None, "n": None, "LAS": b"arcsec", "note": None, "good": None,
         "catalogue_field": None, "catalogue_Image": b"Jy"}  # fmt: skip
ORDER = [f"S{row}" for row in range(N)]
CHANGES = {
    "classes.from": "column", "classes.column": "Kind",
    "stamp.pixels": 20, "images.size_arcmin": 1.0, "recentre.enabled": False,
    "split.plan": "catalogue-order",  # the stamps of so few sources in one mosaic share pixels
    "catalogue.keep": ["z_best", "n", "LAS", "note", "good", "field", "Image"],
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Give a catalogue and a folder with a mosaic that holds all sources but the last."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "mosaics").mkdir()
    places = write_mosaic(folder / "mosaics" / "P1-mosaic.fits", N - 1)
    table = Table(
        {
            "Source_Name": ORDER,
            "RA": [*places.ra.deg, 10.0],
            "DEC": [*places.dec.deg, -60.0],
            "z_best": [0.1, 0.2, math.nan, 0.4, 0.5, 0.6],
            "n": np.arange(N, dtype=np.int32),
            "LAS": np.linspace(10, 60, N, dtype=np.float32) * u.arcsec,
            "note": ["a", "b", "c", "", "e", "f"],
            "good": [True, False] * 3,
            "field": ["x"] * N,
            "Image": np.arange(N, dtype=float) * u.Jy,
            "Kind": ["FRI", "FRII", "FRI", "Small", "FRII", "FRI"],
        }
    )
    table.write(folder / "catalogue.fits")
    return folder


def make(inputs, out, **changes):
    recipe = load_recipe("lotss").changed(CHANGES | changes)
    build(recipe, out=out, catalogue=inputs / "catalogue.fits", service=f"mosaics:{inputs}/mosaics")
    return out


@pytest.fixture(scope="module")
def built(inputs):
    return make(inputs, inputs / "built")


def plain(table, name):
    values = table[name].to_pylist()
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


def check(table, rows):
    """The kept columns of some catalogue rows are as the catalogue has them."""
    assert table["source"].to_pylist() == [ORDER[row] for row in rows]
    assert {f.name: (f.metadata or {}).get(b"unit") for f in kept_fields(table.schema)} == UNITS
    assert [table.schema.field(name).type for name in KEPT] == [
        pa.float64(), pa.int32(), pa.float32(), pa.string(), pa.bool_(), pa.string(), pa.float64(),
    ]  # fmt: skip
    assert plain(table, "z_best") == [[0.1, 0.2, None, 0.4, 0.5, 0.6][row] for row in rows]
    assert table["n"].to_pylist() == list(rows)
    assert table["note"].to_pylist() == [["a", "b", "c", None, "e", "f"][row] for row in rows]
    assert table["good"].to_pylist() == [row % 2 == 0 for row in rows]
    assert table["catalogue_Image"].to_pylist() == [float(row) for row in rows]
    assert set(table["catalogue_field"].to_pylist()) == {"x"}


def test_the_manifest_has_them_also_of_rejected_sources(built):
    manifest = pq.read_table(built / "manifest.parquet")
    assert manifest.column_names == [*MANIFEST.names, *KEPT]
    assert manifest["status"].to_pylist() == ["written"] * 5 + ["rejected"]
    check(manifest, range(N))
    assert verify(built).good


def test_the_stamps_have_them(built):
    tables = [pq.read_table(path) for path in sorted((built / "stamps").glob("*.parquet"))]
    check(pa.concat_tables(tables).sort_by("row"), range(5))


@pytest.mark.parametrize("name", ["parquet", "hdf5", "webdataset", "zarr", "png", "batches"])
def test_every_export_has_them(built, tmp_path, name):
    if name == "hdf5":
        pytest.importorskip("h5py")
    export(built, name, tmp_path / "out")
    check(pq.read_table(tmp_path / "out" / "manifest.parquet"), range(5))
    assert verify(tmp_path / "out").good
    if name == "parquet":
        files = sorted((tmp_path / "out" / "data").glob("*.parquet"))
        table = pa.concat_tables(pq.read_table(path) for path in files).sort_by("row")
        check(table, range(5))
        export(tmp_path / "out", "webdataset", tmp_path / "again")
        check(pq.read_table(tmp_path / "again" / "manifest.parquet"), range(5))
    if name == "webdataset":
        rows = {}
        for path in (tmp_path / "out").rglob("*.tar"):
            with tarfile.open(path) as tar:
                members = [m for m in tar.getmembers() if m.name.endswith(".json")]
                for member in members:
                    row = json.load(tar.extractfile(member), parse_constant=pytest.fail)
                    rows[row["source"]] = row
        assert rows["S2"]["z_best"] is None
        assert (rows["S3"]["n"], rows["S3"]["note"], rows["S3"]["good"]) == (3, None, False)
    if name == "hdf5":
        import h5py

        with h5py.File(tmp_path / "out" / "lotss.h5") as file:
            assert set(file["catalogue"]) == set(KEPT)
            assert file["catalogue/n"][:].tolist() == list(range(5))
            assert file["catalogue/LAS"].attrs["unit"] == "arcsec"
            assert file["catalogue/note"].asstr()[:].tolist() == ["a", "b", "c", "", "e"]
    if name == "zarr":
        zarr = pytest.importorskip("zarr")
        attributes = dict(zarr.open_group(tmp_path / "out" / "lotss.zarr", mode="r").attrs)
        assert attributes["catalogue"]["z_best"] == [0.1, 0.2, None, 0.4, 0.5]
        assert attributes["catalogue_units"] == {"LAS": "arcsec", "catalogue_Image": "Jy"}


def test_a_change_of_a_kept_column_makes_the_parts_again(inputs, tmp_path):
    """The stamps stay the same, and the table of the dataset does not stay with old values."""
    out = make(inputs, tmp_path / "out")
    table = Table.read(inputs / "catalogue.fits")
    catalogue = Catalogue.from_columns(
        list(map(str, table["Source_Name"])), table["RA"], table["DEC"],
        kept=pa.table({"z": list(range(N))}),
    )  # fmt: skip
    without = replace(catalogue, kept=None)
    other = replace(catalogue, kept=pa.table({"z": [9, *range(1, N)]}))
    recipe = load_recipe("lotss").changed({"stamp.pixels": 20, "images.size_arcmin": 1.0})
    keys = set()
    for number, sources in enumerate((catalogue, without, other)):
        planned = plan(
            recipe, out=tmp_path / str(number), catalogue=sources,
            service=f"mosaics:{inputs}/mosaics",
        )  # fmt: skip
        keys.add(planned.task(0).key)
    assert len(keys) == 3
    assert pq.read_table(out / "manifest.parquet")["n"].to_pylist() == list(range(N))


def test_two_columns_of_one_name_are_refused(inputs, tmp_path):
    table = Table.read(inputs / "catalogue.fits")
    table["catalogue_field"] = 1
    table.write(tmp_path / "c.fits")
    recipe = load_recipe("lotss").changed(
        CHANGES | {"catalogue.keep": ["field", "catalogue_field"]}
    )
    with pytest.raises(InputError, match="'field' and 'catalogue_field' would both be"):
        build(
            recipe, out=tmp_path / "out", catalogue=tmp_path / "c.fits",
            service=f"mosaics:{inputs}/mosaics",
        )  # fmt: skip


def test_rows_and_classes_that_are_left_out_are_counted_everywhere(inputs, tmp_path):
    """In plan, build, status, card and report."""
    settings = [
        "--set", 'catalogue.where="z_best < 0.55"', "--set", 'classes.drop=["Small"]',
        "--set", 'classes.merge={FR=["FRI","FRII"]}', "--set", "classes.from=column",
        "--set", "classes.column=Kind", "--set", "stamp.pixels=20",
        "--set", "images.size_arcmin=1.0", "--set", "split.plan=catalogue-order",
    ]  # fmt: skip
    arguments = ["lotss", "-c", inputs / "catalogue.fits", "-s", f"mosaics:{inputs}/mosaics"]
    lines = (
        "2 of 6 rows of the catalogue are left out: catalogue.where = 'z_best < 0.55' is not true "
        "of them, for 1 of them as a value is missing",
        "1 rows of the catalogue are left out: classes.drop: Small",
    )
    out = tmp_path / "out"
    for command in ("plan", "build"):
        done = run(command, *arguments, *settings, "-o", out)
        assert done.returncode == 0, done.stderr
        assert all(line in done.stdout for line in lines), done.stdout
    assert run("status", out).stdout.count("are left out") == 2
    text = (
        "Rows of the catalogue that are left out: 2 by catalogue.where = z_best < 0.55; 1 by "
        "classes.drop: Small."
    )
    assert text in " ".join((out / "README.md").read_text().split())
    page = " ".join(report(out).read_text().split()).replace("&lt;", "<")
    assert "catalogue.where = z_best < 0.55" in page
    assert status(out).sources == 3
    assert dict(status(out).classes) == {"FR": 3}
    assert mingolotss.load(out, "all").labels.tolist() == [0, 0, 0]
