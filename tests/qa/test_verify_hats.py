"""`verify` finds whatever was changed in a HATS collection, also under renewed checksums."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mingolotss import export
from mingolotss.dataset.checksums import digest_files, write_checksums
from mingolotss.dataset.layout import ExportFolder, HatsFolder
from mingolotss.errors import DatasetError
from mingolotss.io.png import encode_png
from mingolotss.qa.verify import verify
from named_builds import build_named

pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")

CATALOGUE, MARGIN, NAMES = "named", "named_10arcs", "named_object_id"


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Return a collection of several partitions, with every column of images and a margin."""
    folder = tmp_path_factory.mktemp("hats")
    hats = {"partition_rows": 8, "arrays": True, "flux": True}
    out = build_named(folder, [f"S{row:02d}" for row in range(30)], ("A", "B; c"), hats=hats)
    return export(out, "hats", folder / "hats").out


@pytest.fixture
def copy(collection, tmp_path):
    shutil.copytree(collection, tmp_path / "c")
    return tmp_path / "c"


def seal(out):
    """Renew the list of checksums, as a forger would."""
    export_folder = ExportFolder(out)
    files = [one for one in out.rglob("*") if one.is_file() and one != export_folder.checksums]
    write_checksums(export_folder.checksums, digest_files(out, sorted(files)))


def partitions(out, name=CATALOGUE):
    return sorted(HatsFolder(out / name).partitions())


def rewrite(path, change):
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def put(table, name, values):
    index = table.column_names.index(name)
    field = table.schema.field(name)
    return table.set_column(index, field, pa.array(values, field.type))


def cut(out):
    path = partitions(out)[0]
    path.write_bytes(path.read_bytes()[:-100])


def move_row(out):
    first, second = partitions(out)[:2]
    tables = [pq.ParquetFile(path).read() for path in (first, second)]
    pq.write_table(tables[0].slice(1), first)
    moved = pa.concat_tables([tables[1], tables[0].slice(0, 1)]).sort_by("_healpix_29")
    pq.write_table(moved, second)


def change_pixel(out):
    image = np.zeros((8, 8), np.uint8)
    change = {"bytes": encode_png(image), "path": "x"}
    rewrite(partitions(out)[0], lambda t: put(t, "stamp", [change, *t["stamp"].to_pylist()[1:]]))


def change_array(out):
    rewrite(
        partitions(out)[0],
        lambda t: put(t, "pixels", [[[7] * 8] * 8, *t["pixels"].to_pylist()[1:]]),
    )


def change_label(out):
    rewrite(partitions(out)[0], lambda t: put(t, "label", [1 - v for v in t["label"].to_pylist()]))


def change_position(out):
    rewrite(partitions(out)[0], lambda t: put(t, "ra", [v + 1e-5 for v in t["ra"].to_pylist()]))


def no_position(out):
    rewrite(partitions(out)[0], lambda t: put(t, "dec", [None, *t["dec"].to_pylist()[1:]]))


def change_index(out):
    def change(table):
        index = table["_healpix_29"].to_pylist()
        index[-1] += 10**6
        return put(table, "_healpix_29", index)

    rewrite(partitions(out)[0], change)


def repeat_row(out):
    rewrite(partitions(out)[0], lambda t: pa.concat_tables([t.slice(0, 1), t]))


def drop_row(out):
    rewrite(partitions(out)[0], lambda t: t.slice(1))


def foreign_row(out):
    rewrite(partitions(out)[0], lambda t: put(t, "row", [10**12, *t["row"].to_pylist()[1:]]))


def turn_rows(out):
    rewrite(partitions(out)[0], lambda t: t.take(pa.array(range(len(t))[::-1])))


def drop_column(out):
    rewrite(partitions(out)[0], lambda t: t.drop_columns(["_healpix_29"]))


def drop_margin_row(out):
    rewrite(partitions(out, MARGIN)[0], lambda t: t.slice(1))


def repeat_margin_row(out):
    rewrite(partitions(out, MARGIN)[0], lambda t: pa.concat_tables([t.slice(0, 1), t]))


def foreign_margin_row(out):
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in partitions(out)])

    def change(table):
        others = rows.filter(pc.invert(pc.is_in(rows["row"], table["row"])))
        return pa.concat_tables([table, others.slice(0, 1)])

    rewrite(partitions(out, MARGIN)[0], change)


def change_margin_flux(out):
    def change(table):
        images = table["image"].to_pylist()
        images[0]["flux"][0][0][0] = 5.0
        return put(table, "image", images)

    rewrite(partitions(out, MARGIN)[0], change)


def more_rows(out):
    for path in HatsFolder(out / CATALOGUE).properties():
        path.write_text(path.read_text().replace("hats_nrows=30", f"hats_nrows={10**15}"))


def another_kind(out):
    for path in HatsFolder(out / MARGIN).properties():
        path.write_text(path.read_text().replace("=margin", "=object"))


def another_radius(out):
    for path in HatsFolder(out / MARGIN).properties():
        path.write_text(path.read_text().replace("threshold=10.0", "threshold=nan"))


def tiny_radius(out):
    for path in HatsFolder(out / MARGIN).properties():
        path.write_text(path.read_text().replace("threshold=10.0", "threshold=1e-320"))


def leave_the_collection(out):
    path = out / "collection.properties"
    path.write_text(path.read_text().replace(f"all_margins={MARGIN}", "all_margins=../../etc"))


def unlisted_partition(out):
    path = partitions(out)[0]
    shutil.copy(path, path.with_name("Npix=0.parquet"))


def forged_footers(out):
    path = out / CATALOGUE / "dataset" / "_metadata"
    shutil.copy(out / MARGIN / "dataset" / "_metadata", path)


def no_footers(out):
    (out / CATALOGUE / "dataset" / "_common_metadata").write_bytes(b"PAR1")


def another_index(out):
    (path,) = HatsFolder(out / NAMES).index_files()
    rewrite(path, lambda t: put(t, "Npix", [v + 1 for v in t["Npix"].to_pylist()]))


def strange_index(out):
    (path,) = HatsFolder(out / NAMES).index_files()
    rewrite(path, lambda t: t.set_column(3, "Norder", pa.array([{"a": 1}] * len(t))))


def no_partitions(out):
    for path in HatsFolder(out / CATALOGUE).properties():
        path.write_text(path.read_text().replace("=object", "=map"))


def bad_partition_info(out):
    (out / CATALOGUE / "partition_info.csv").write_text("Norder,Npix\n0,99\n")


CHANGES = [
    (lambda out: partitions(out)[0].unlink(), "its partition Norder=.* is missing"),
    (cut, "read .*Npix=.*: not a whole Parquet file of stamps"),
    (move_row, "the position is outside of the partition in 1 row, for example S"),
    (change_pixel, r"Npix=\d+.parquet, S\d+: not the image of the manifest"),
    (change_array, r"S\d+: the numbers in its column pixels are not those of its stamp"),
    (change_label, r"S\d+: its label is not the manifest's; so are those of 3 more rows"),
    (change_position, r"S\d+: its ra is not the manifest's; so are"),
    (no_position, r"S\d+: its dec is not the manifest's$"),
    (change_index, "_healpix_29 is not that of the position in 1 row, for example S"),
    (repeat_row, r"named: rows that are there twice: 1, for example S\d+"),
    (drop_row, r"named: rows that are missing: 1, for example S\d+"),
    (foreign_row, r"rows that (the manifest does not have|are missing): 1, for example S"),
    (turn_rows, "its rows are not in the order of _healpix_29"),
    (drop_column, "the column '_healpix_29' should hold integers and is absent"),
    (drop_margin_row, "rows of the margin of 10 arcsec that are missing: 1, for example S"),
    (repeat_margin_row, r"the row of S\d+ is there twice"),
    (foreign_margin_row, r"rows of the margin of 10 arcsec that are not of it: \d+, for example S"),
    (change_margin_flux, "rows that are not those of the catalogue: 1, for example S"),
    (more_rows, "hats.properties: hats_nrows is '1000000000000000', not 30"),
    (another_kind, "named_10arcs/hats.properties: dataproduct_type is 'object', not margin"),
    (another_radius, "named_10arcs: its properties state no width of a margin"),
    (leave_the_collection, "'../../etc' is outside of the collection; it is not read"),
    (unlisted_partition, "Npix=0.parquet: not listed in partition_info.csv"),
    (forged_footers, r"named/dataset/_metadata: it has not the rows of \d+ partitions, "
                    r".* of 'Norder.*', which has"),
    (no_footers, "read .*_common_metadata: damaged"),
    (another_index, "named_object_id: not the partitions of the sources in the catalogue"),
    (tiny_radius, "named_10arcs: its properties state no width of a margin"),
    (strange_index, "read .*part.0.parquet: damaged"),
    (no_partitions, "named: a HATS catalogue without partitions of the sky"),
    (bad_partition_info, "there is no HEALPix pixel 99 of order 0"),
]  # fmt: skip


def test_a_whole_collection(collection):
    assert len(partitions(collection)) > 3
    assert len(partitions(collection, MARGIN)) > 1
    result = verify(collection)
    assert (result.problems, result.images) == ([], 30)


def test_a_catalogue_alone(collection):
    with pytest.raises(DatasetError, match="give the folder of the build or of the export"):
        verify(collection / CATALOGUE)


def test_a_changed_pixel(copy):
    """The file and the source are named, and the checksum of the file, if it was not renewed."""
    change_pixel(copy)
    checksum, image = verify(copy).problems
    assert checksum.endswith("its checksum is not the one in checksums.sha256")
    assert re.search(r"^named/dataset/.*, S\d+: not the image of the manifest$", image)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words[:40] for _, words in CHANGES])
def test_each_change_is_found(copy, change, words):
    """One line names the file or the source, and there is no other."""
    change(copy)
    seal(copy)
    problems = verify(copy).problems
    assert [line for line in problems if re.search(words, line)] == problems
