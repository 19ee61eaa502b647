"""Files of stamps: written and read back, damaged files refused with one line."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.dataset.stamps import StampFile, decode_stamps, stamp_bytes, stamp_schema
from mingolotss.errors import DatasetError
from mingolotss.io.files import locate
from mingolotss.io.png import encode_png

IMAGES = np.arange(1300 * 4, dtype=np.uint8).reshape(1300, 2, 2)


def stamps(kind):
    """Return 1300 stamps in the reverse order of the catalogue."""
    if kind == "uint8":
        first = [{"bytes": encode_png(image), "path": "x.png"} for image in IMAGES]
    else:
        first = [image.astype("<f4").tobytes() for image in IMAGES]
    columns = {name: pa.nulls(len(IMAGES), MANIFEST.field(name).type) for name in MANIFEST.names}
    columns["row"] = pa.array(range(len(IMAGES))[::-1])
    columns["label"] = pa.array(np.arange(len(IMAGES)) % 10, pa.int16())
    schema = stamp_schema(StampShape(dtype=kind))
    arrays = [pa.array(first, schema[0].type), *columns.values()]
    return pa.Table.from_arrays(arrays, schema=schema)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("place", ["local", "memory"])
def test_stamps_come_back_whole_and_by_row_group(tmp_path, kind, place):
    """Rows, images and the columns of the manifest, also from an object store."""
    folder = tmp_path if place == "local" else locate(f"memory://stamps/{kind}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part-00000.parquet"
    path.write_bytes(stamp_bytes(stamps(kind)))
    with StampFile(path) as file:
        assert (file.shape, file.row_groups) == (StampShape(dtype=kind), 3)
        assert file.table().equals(stamps(kind))
        groups = range(file.row_groups)
        rows = np.concatenate([file.rows(group) for group in groups])
        encoded = [data for group in groups for data in file.encoded(group).to_pylist()]
        assert encoded == file.encoded().to_pylist()
        np.testing.assert_array_equal(rows, file.rows())
    np.testing.assert_array_equal(rows, np.arange(1300)[::-1])
    decoded = decode_stamps(encoded, ["x"] * 1300, StampShape(dtype=kind))
    np.testing.assert_array_equal(decoded, IMAGES.astype(kind), strict=True)


def test_columns_that_are_absent_are_null(tmp_path):
    """A file of another program needs an image and a label, and no more."""
    path = tmp_path / "x.parquet"
    pq.write_table(stamps("uint8").select(["label", "image"]), path)
    with StampFile(path) as file:
        table = file.table()
    assert table.schema.names == ["image", *MANIFEST.names]
    assert table["row"].null_count == table["source"].null_count == 1300


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [1]}, "'image' should hold PNG bytes .* and is absent"),
        ({"image": ["x"], "label": [1]}, "'image' should hold PNG bytes .* and is string"),
        ({"pixels": ["x"], "label": [1]}, "'pixels' should hold binary, values of pixels"),
        ({"pixels": [b"x"]}, "'label' should hold integers and is absent"),
        ({"pixels": [b"x"], "label": ["a"]}, "'label' should hold integers and is string"),
    ],
)
def test_other_tables_are_refused(tmp_path, columns, message):
    """The line names the column, what it should hold and what it is."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DatasetError, match=f"^read {path}: the column {message}"):
        StampFile(path).__enter__().table()


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None, "cut", "flipped"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    """Whether the damage is found on opening or on reading."""
    path = tmp_path / "x.parquet"
    if content in ("cut", "flipped"):
        data = bytearray(stamp_bytes(stamps("float32")))
        data[4:2000] = bytes(1996)
        content = bytes(data) if content == "flipped" else bytes(data[:-40])
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"^read {path}: not a whole Parquet file") as caught:
        StampFile(path).__enter__().table()
    assert "\n" not in str(caught.value)


def test_floats_of_different_sizes_are_refused():
    """The line names the image and both sizes."""
    good, bad = np.zeros(4, "<f4").tobytes(), np.zeros(5, "<f4").tobytes()
    with pytest.raises(DatasetError, match=r"^read b: 20 bytes .* 2 x 2 float32 .* has 16"):
        decode_stamps([good, bad], ["a", "b"], StampShape(dtype="float32"))
    assert decode_stamps([], [], StampShape(dtype="float32")).shape == (0, 0, 0)
