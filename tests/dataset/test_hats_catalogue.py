"""HATS collections written by hand: what is found in them, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from channel_builds import make_planes, make_stamps
from mingolotss.dataset.hats_catalogue import read_collection
from mingolotss.dataset.records import read_records
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile
from mingolotss.errors import DatasetError
from mingolotss.io.files import locate

SIDE = 12
PROPERTIES = "obs_collection=demo\ndataproduct_type=object\nhats_nrows=8\nhats_npix_suffix="
COLLECTION = (
    "#HATS Collection\nobs_collection=demo\nhats_primary_table_url=demo\n"
    "all_margins=demo_10arcs demo_1arcs\nall_indexes=object_id demo_object_id\n"
)


def as_lists(images):
    """Return images as nested lists, as pyarrow makes them of Python lists."""
    kind = pa.from_numpy_dtype(images.dtype)
    for _ in images.shape[1:]:
        kind = pa.list_(kind)
    return pa.array(images.tolist(), kind)


def partition_rows(stamps, images):
    """Return rows of stamps in the columns of a partition, which end with an image of flux."""
    first = as_lists(images)
    names = [name for name in stamps.column_names if name not in ("image", "pixels")]
    columns = {"_healpix_29": pa.array(range(len(images))), "object_id": stamps["source"]}
    if "image" in stamps.column_names:
        columns["stamp"] = stamps["image"]
    columns |= {"pixels": first, **{name: stamps[name] for name in names}}
    columns["image"] = pa.array([{"flux": [[[1.0]]]}] * len(images))
    table = pa.table(columns)
    return table.replace_schema_metadata(stamps.schema.metadata)


def write_collection(folder, channels, kind, suffix=".parquet"):
    """Write a collection of two partitions, each with every second row; return its stamps."""
    images = make_planes(8, channels, kind)
    stamps = make_stamps(images, StampShape(("a", "b", "c", "d")[:channels], SIDE, kind))[1]
    catalogue = folder / "demo"
    for number, (order, pixel) in enumerate([(1, 47), (2, 3)]):
        path = catalogue / "dataset" / f"Norder={order}" / "Dir=0" / f"Npix={pixel}{suffix}"
        path = path / "part0.parquet" if suffix == "/" else path
        path.parent.mkdir(parents=True)
        rows = np.arange(number, 8, 2)[::-1]
        pq.write_table(partition_rows(stamps.take(rows), images[rows]), path, row_group_size=3)
    (folder / "collection.properties").write_text(COLLECTION)
    (catalogue / "hats.properties").write_text(PROPERTIES + suffix + "\n")
    (catalogue / "partition_info.csv").write_text("Norder,Dir,Npix\n1,0,47\n2,0,3\n")
    return stamps


@pytest.mark.parametrize(
    ("channels", "kind", "suffix"),
    [(3, "uint8", ".parquet"), (2, "uint8", ".pq"), (3, "float32", "/")],
)
def test_the_records_of_a_collection(tmp_path, channels, kind, suffix):
    """Stamps and lists of numbers are read, in the order of the catalogue; flux is no stamp."""
    stamps = write_collection(tmp_path, channels, kind, suffix)
    records = read_records(tmp_path)
    assert records.table.schema.names == stamps.schema.names
    assert records.table.equals(stamps)
    np.testing.assert_array_equal(records.images(), make_planes(8, channels, kind), strict=True)
    assert read_records(tmp_path / "demo").table.equals(records.table)
    files = stamp_files(tmp_path)
    places = [path.relative_to(tmp_path / "demo" / "dataset").parts for path in files]
    name = suffix.replace("/", "")
    assert [parts[:3] for parts in places] == [
        ("Norder=2", "Dir=0", f"Npix=3{name}"),
        ("Norder=1", "Dir=0", f"Npix=47{name}"),
    ]
    (tmp_path / "demo" / "partition_info.csv").unlink()
    if suffix == ".parquet":
        assert stamp_files(tmp_path) == files


def test_the_names_of_a_collection(tmp_path):
    (tmp_path / "collection.properties").write_text(COLLECTION)
    names = read_collection(tmp_path)
    assert names == ("demo", ("demo_10arcs", "demo_1arcs"), {"object_id": "demo_object_id"})


def test_a_collection_in_an_object_store(tmp_path):
    stamps = write_collection(tmp_path, 2, "float32")
    store = locate("memory://hats")
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            copy = store / path.relative_to(tmp_path).as_posix()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert read_records(store).table.equals(stamps)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("collection.properties", "hats_primary_table_url=/etc\n", "'/etc' is outside"),
        ("collection.properties", "hats_primary_table_url=a/../..\n", "outside of the collection"),
        ("collection.properties", "hats_primary_table_url=s3://b/c\n", "outside of the collection"),
        ("collection.properties", "hats_primary_table_url=demo\nall_margins=../b", "'../b' is out"),
        ("collection.properties", "hats_primary_table_url=demo\nall_indexes=a", "no pairs"),
        (
            "collection.properties",
            f"hats_primary_table_url={'9' * 5000}\n",
            "is no name of a folder",
        ),
        ("collection.properties", "hats_primary_table_url=a\\u0000b\n", "is no name of a folder"),
        ("collection.properties", "obs_collection=demo\n", "it names no catalogue"),
        ("collection.properties", "hats_primary_table_url=absent\n", "no catalogue of HATS in it"),
        ("demo/hats.properties", PROPERTIES + "/../../x", "the suffix of its partitions"),
        ("demo/hats.properties", "dataproduct_type=index\n", "without partitions of the sky"),
        ("demo/partition_info.csv", "Norder,Npix\n1,48\n", "no HEALPix pixel 48 of order 1"),
        ("demo/partition_info.csv", "Norder,Npix\n99,1\n", "no HEALPix pixel 1 of order 99"),
        ("demo/partition_info.csv", "Norder,Npix\n1,-1\n", "no HEALPix pixel -1 of order 1"),
        ("demo/partition_info.csv", "Norder,Npix\n2,3\n2,3\n", "a partition twice"),
        ("demo/partition_info.csv", "Norder,Npix\n2,3\n2,4\n", "Npix=4 is missing .*Dir=0/Npix=4"),
        ("demo/partition_info.csv", "Norder,Npix\n2\n", "no table of Norder and Npix"),
        ("demo/partition_info.csv", f"Norder,Npix\n2,{'9' * 5000}\n", "no table of Norder and"),
        ("demo/partition_info.csv", "a,b\n1,2\n", "no table of Norder and Npix"),
    ],
)
def test_forged_descriptions_are_refused(tmp_path, name, text, words):
    write_collection(tmp_path, 2, "uint8")
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=words):
        stamp_files(tmp_path)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([[[1.0, 2], [3, 4]], [[1.0, 2], [3]]], "images of several shapes"),
        ([[[1.0, 2], [3, 4]], [[1.0, 2]]], "images of several shapes"),
        ([[[1.0, 2], [3, None]]], "a pixel without a value"),
        ([[[1.0, 2], None]], "images of several shapes"),
        ([[[1.0, 2], [3, 4]], None], "images of several shapes"),
        ([[[1.0, 2]]], r"images of shape \(1, 2\)"),
    ],
)
def test_lists_that_are_no_image(tmp_path, images, words):
    path = tmp_path / "x.parquet"
    pixels = pa.array(images, pa.list_(pa.list_(pa.float32())))
    pq.write_table(pa.table({"pixels": pixels, "label": [0] * len(images)}), path)
    with StampFile(path) as file, pytest.raises(DatasetError, match=words):
        file.encoded()


@pytest.mark.parametrize("channels", [2, 3])
def test_a_copy_without_the_names_of_the_channels(tmp_path, channels):
    """LSDB writes rows without the metadata of their files."""
    write_collection(tmp_path, channels, "uint8")
    for path in stamp_files(tmp_path):
        pq.write_table(pq.ParquetFile(path).read().replace_schema_metadata(), path)
    with pytest.raises(DatasetError, match="its metadata have lost their names"):
        read_records(tmp_path)


@pytest.mark.parametrize("kind", [pa.float64(), pa.list_(pa.float32()), pa.uint8()])
def test_lists_of_other_numbers(tmp_path, kind):
    path = tmp_path / "x.parquet"
    column = pa.array([], pa.list_(pa.list_(kind)))
    pq.write_table(pa.table({"pixels": column, "label": pa.array([], pa.int8())}), path)
    with pytest.raises(DatasetError, match=r"column 'pixels' should hold .* and is list<"):
        StampFile(path)
