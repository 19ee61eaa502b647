"""The shape of stamps: from recipes, through the metadata of files, and out of forged ones."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.records import read_records
from mingolotss.dataset.stamp_shape import STAMPS_KEY, StampShape, channel_places
from mingolotss.dataset.stamps import (
    IMAGE,
    StampFile,
    decode_stamps,
    encode_stamp,
    image_column,
    stamp_bytes,
    stamp_schema,
)
from mingolotss.errors import DatasetError, InputError
from mingolotss.recipe.model import parse_recipe

NAMES = ("low", "high", "optical", "radio", "x-ray")


def write_part(path, images, shape):
    """Write stamps with channels as a part does."""
    n = len(images)
    files = pa.array([f"S{index}_P1.png" for index in range(n)])
    columns = {name: pa.nulls(n, MANIFEST.field(name).type) for name in MANIFEST.names}
    columns["row"] = pa.array(range(n), pa.int64())
    columns["source"] = pa.array([f"S{index}" for index in range(n)])
    columns["image_file"] = files
    columns["label"] = pa.array([0] * n, pa.int16())
    columns["class"] = pa.array(["FRI"] * n)
    schema = stamp_schema(shape)
    first = image_column(shape, [encode_stamp(image) for image in images], files)
    rest = [pa.nulls(n, field.type) for field in list(schema)[1 + len(columns) :]]
    table = pa.Table.from_arrays([first, *columns.values(), *rest], schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stamp_bytes(table))


def test_a_recipe_says_what_its_stamps_are():
    """Channels in the order of the recipe; without any, there is no axis of channels."""
    plain = parse_recipe({"name": "a"}, "a")
    assert StampShape.of_recipe(plain) == StampShape((), 150, "uint8")
    assert StampShape.of_recipe(plain).to_metadata() == {}
    settings = {"channels": [{"name": "low"}, {"name": "high"}], "formats": ["parquet"]}
    recipe = parse_recipe({"name": "a", "stamp": {"kind": "float32"}, **settings}, "a")
    assert StampShape.of_recipe(recipe) == StampShape(("low", "high"), 150, "float32")
    assert StampShape.of_recipe(recipe).nbytes == 2 * 150 * 150 * 4


@given(st.data())
def test_any_stamp_comes_back(data):
    """Every number of channels, side and type, with NaN, infinities and both zeros."""
    count = data.draw(st.integers(1, len(NAMES)))
    side = data.draw(st.integers(1, 6))
    kind = data.draw(st.sampled_from(["uint8", "float32"]))
    shape = StampShape(NAMES[:count], side, kind)
    elements = None if kind == "uint8" else st.floats(width=32)
    stack = arrays.arrays(kind, (data.draw(st.integers(0, 3)), *shape.axes), elements=elements)
    images = data.draw(stack)
    decoded = decode_stamps([encode_stamp(one) for one in images], ["x"] * len(images), shape)
    assert (decoded.dtype, decoded.shape) == (images.dtype, images.shape)
    assert decoded.tobytes() == images.tobytes()
    assert StampShape.of_schema(stamp_schema(shape)) == shape


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_records_have_channels(tmp_path, count, kind):
    """Several parts, in the order of the catalogue: (n, channels, ny, nx) and their names."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 255, (4, count, 8, 8)).astype(kind)
    images[0, 0] = 0
    if kind == "float32":
        images[1, -1] = np.nan
    shape = StampShape(NAMES[:count], 8, kind)
    write_part(tmp_path / "stamps" / "part-00000.parquet", images, shape)
    records = read_records(tmp_path)
    assert (records.channels, records.is_float) == (NAMES[:count], kind == "float32")
    np.testing.assert_array_equal(records.images(), images, strict=True)
    np.testing.assert_array_equal(records.take(np.array([2])).images(), images[2:3], strict=True)
    assert ("image" in records.table.column_names) == (kind == "uint8" and count in (1, 3))


def test_parts_of_different_channels_are_no_dataset(tmp_path):
    """One line, which names both."""
    images = np.zeros((1, 2, 4, 4), np.uint8)
    write_part(tmp_path / "stamps/part-00000.parquet", images, StampShape(("a", "b"), 4))
    write_part(tmp_path / "stamps/part-00001.parquet", images, StampShape(("b", "a"), 4))
    with pytest.raises(DatasetError, match="not of one dataset"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        {"channels": [], "shape": [0, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [1_000_000_000, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 8, 9], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 2_000_000_000, 2_000_000_000], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, -8, -8], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 8.0, 8.0], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [True, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "a"], "shape": [2, 8, 8], "dtype": "uint8"},
        {"channels": ["a", ""], "shape": [2, 8, 8], "dtype": "uint8"},
        {"channels": ["a", 7], "shape": [2, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "b" * 10_000], "shape": [2, 8, 8], "dtype": "uint8"},
        {"channels": [str(n) for n in range(300)], "shape": [300, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 8, 8], "dtype": "float64"},
        {"channels": ["a", "b", "c"], "shape": [3, 8, 8], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 9, 9], "dtype": "uint8"},
        {"channels": ["a", "b"], "shape": [2, 8, 8], "dtype": "float32"},
    ],
)
def test_a_lying_shape_is_one_line(tmp_path, content):
    """Metadata that do not fit the bytes, or no stamp at all, never reach an array."""
    path = tmp_path / "data" / "x.parquet"
    write_part(path, np.zeros((3, 2, 8, 8), np.uint8), StampShape(("a", "b"), 8))
    table = pq.read_table(path)
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    pq.write_table(table.replace_schema_metadata({STAMPS_KEY: text}), path)
    with pytest.raises(DatasetError) as caught:
        read_records(path).images()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_without_metadata_plain_pixels_are_one_plane(tmp_path):
    """As earlier versions wrote them: float32, a square."""
    path = tmp_path / "x.parquet"
    write_part(path, np.ones((1, 1, 4, 4), np.float32), StampShape(("a",), 4, "float32"))
    table = pq.read_table(path).drop_columns("channels")
    pq.write_table(table.replace_schema_metadata(None), path)
    with StampFile(path) as stamps:
        assert stamps.shape == StampShape(dtype="float32")
    assert read_records(path).images().shape == (1, 4, 4)


def test_files_without_channels_are_those_of_earlier_versions():
    """The schema of a plain file is the same to the byte, which decides those of the file."""
    for kind, image in (("uint8", IMAGE), ("float32", pa.field("pixels", pa.binary()))):
        schema = stamp_schema(StampShape(dtype=kind))
        assert schema.serialize().equals(pa.schema([image, *MANIFEST]).serialize())


def test_channels_are_selected_by_name():
    """In the order that is asked for; one name is a list of one."""
    assert channel_places(["b", "a"], ("a", "b"), "load x") == [1, 0]
    assert channel_places("b", ("a", "b"), "load x") == [1]
    for names in ([], ["a", "a"], 3, [0], None):
        with pytest.raises(InputError, match="give a list of different names"):
            channel_places(names, ("a", "b"), "load x")
    with pytest.raises(InputError, match="no channel 'c'; there are a, b"):
        channel_places(["c"], ("a", "b"), "load x")
    with pytest.raises(InputError, match="no channels; leave it out"):
        channel_places(["c"], (), "load x")
