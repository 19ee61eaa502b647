"""Names of channels and shapes that lie, in every format: one line, and never the memory."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.batches import read_batch
from mingolotss.formats.webdataset import read_webdataset
from mingolotss.formats.zarr import read_zarr
from mingolotss.io.png import encode_png
from zarr_files import described, write, write_group

IMAGES = np.arange(4 * 3 * 6 * 6, dtype=np.uint8).reshape(4, 3, 6, 6)
PIXELS = IMAGES[0].tobytes()
NAMES = ["low", "high", "optical"]
WRONG_NAMES = [
    ["low", "high"], [*NAMES, "radio"], ["low", "low", "high"], ["low", "high", ""], [], {}, "abc",
    3, None, [1, 2, 3], ["low", "high", None], [["low"], ["high"], ["x"]], ["x" * 10_000] * 3,
    [f"{index}" for index in range(100_000)],
]  # fmt: skip


@pytest.fixture(autouse=True)
def _little_memory():
    """Allow two gigabytes more than are mapped now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (2 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def check(read, path):
    """Read a damaged dataset: the error is one line of a normal length."""
    with pytest.raises(DatasetError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def write_batch(folder, **changes):
    """Write one batch of three channels."""
    content = {
        "labels": [0] * 4, "data": IMAGES.reshape(4, -1), "channel_names": NAMES, **changes,
    }  # fmt: skip
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"]}, 4))
    path = folder / "test_batch"
    path.write_bytes(pickle.dumps(content, 4))
    return path


@pytest.mark.parametrize(
    "data",
    [IMAGES.reshape(4, -1), IMAGES, list(IMAGES.reshape(4, -1)), list(IMAGES),
     IMAGES.reshape(4, -1).tolist()],
)  # fmt: skip
def test_batches_of_channels_in_every_form(tmp_path, data):
    """Rows or planes, in one array or in a list; names as text or as bytes."""
    if isinstance(data, list) and isinstance(data[0], list):
        data = [np.array(row, np.uint8) for row in data]
    for names in (NAMES, [name.encode() for name in NAMES]):
        batch = read_batch(write_batch(tmp_path, data=data, channel_names=names))
        np.testing.assert_array_equal(batch.images, IMAGES, strict=True)
        assert batch.channels == tuple(NAMES)


@pytest.mark.parametrize("names", WRONG_NAMES)
def test_a_batch_with_wrong_names(tmp_path, names):
    check(read_batch, write_batch(tmp_path, channel_names=names))


@pytest.mark.parametrize(
    "data",
    [IMAGES.reshape(4, -1)[:, :-1], IMAGES.transpose(0, 2, 3, 1), IMAGES[:, :2], IMAGES[0],
     IMAGES.astype("f8"), IMAGES.astype(">f4"), IMAGES.reshape(4, 3, -1), np.zeros((4, 0)), "x",
     IMAGES[..., :5], IMAGES.reshape(2, 2, 3, 6, 6)],
)  # fmt: skip
def test_a_batch_with_wrong_planes(tmp_path, data):
    """Channels last, another number of planes, planes that are no squares, other types."""
    check(read_batch, write_batch(tmp_path, data=data))


def group_of_channels(path, images=IMAGES, names=NAMES, **changes):
    """Write a Zarr group of images with channels."""
    write_group(path)
    attributes = json.loads((path / "zarr.json").read_bytes())
    texts = {name: [f"S{index}" for index in range(4)] for name in ("source", "image_file")}
    attributes["attributes"] |= {"channels": names, "split": ["train"] * 4, **texts}
    write(path / "zarr.json", attributes)
    for name, array in (("images", images), ("labels", np.zeros(4, np.int64))):
        for file in sorted((path / name).rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        write(path / name / "zarr.json", described(array.shape, array.dtype.name, array.shape))
        chunk = path / name / "c" / "/".join("0" * array.ndim)
        chunk.parent.mkdir(parents=True, exist_ok=True)
        chunk.write_bytes(pa.compress(array.tobytes(), "zstd", asbytes=True))
    description = path / "images/zarr.json"
    write(description, json.loads(description.read_bytes()) | changes)
    return path


def test_zarr_of_channels_is_read_by_the_specification(tmp_path):
    read = read_zarr(group_of_channels(tmp_path / "x.zarr"))
    np.testing.assert_array_equal(read.images, IMAGES, strict=True)
    assert read.channels == tuple(NAMES)


@pytest.mark.parametrize("names", WRONG_NAMES)
def test_zarr_with_wrong_names(tmp_path, names):
    check(read_zarr, group_of_channels(tmp_path / "x.zarr", names=names))


@pytest.mark.parametrize(
    "shape",
    [[4, 1_000_000_000, 6, 6], [4, 3, 6], [4, 3, 6, 6, 1], [4, 0, 6, 6], [4, 3, -6, 6], [],
     [4, 3, 2**40, 2**40], [10**18, 3, 6, 6]],
)  # fmt: skip
def test_zarr_with_a_lying_shape(tmp_path, shape):
    check(read_zarr, group_of_channels(tmp_path / "x.zarr", shape=shape))


def shard_of(folder, files, names=NAMES):
    """Write a WebDataset of one sample, whose image is `files`."""
    (folder / "classes.json").write_text('["a"]')
    (folder / "channels.json").write_text(json.dumps(names))
    record = {"row": 0, "source": "S", "image_file": "S.png", "split": "train"}
    members = {"0.cls": b"0", "0.json": json.dumps(record).encode(), **files}
    with tarfile.open(folder / "train-000000.tar", "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def npy(header, data=PIXELS, version=1):
    """Write a file of numpy with any header (NEP 1)."""
    text = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data


def header_of(shape="(3, 6, 6)", descr="'|u1'", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def test_arrays_of_webdataset_are_read(tmp_path):
    read = read_webdataset(shard_of(tmp_path, {"0.npy": npy(header_of())}))
    np.testing.assert_array_equal(read.images, IMAGES[:1], strict=True)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x93NUMPY", b"PK\x03\x04", npy(b"\xff" * 20), npy(header_of(), b""),
        npy(header_of(), IMAGES[0].tobytes() + b"x"), npy(header_of("(1000000000, 6, 6)")),
        npy(header_of("(3, 10**9, 10**9)")), npy(header_of("(3, 6)")), npy(header_of("(2, 6, 9)")),
        npy(header_of("(3, -6, -6)")), npy(header_of("(0, 6, 6)")), npy(header_of("[3, 6, 6]")),
        npy(header_of(descr="'|O'"), pickle.dumps(IMAGES[0])), npy(header_of(descr="'<f8'")),
        npy(header_of(descr="[('a', '|u1')]")), npy(header_of(fortran="True")),
        npy(header_of(), version=9), npy("{}"), npy("(" * 900 + "\n"),
        npy(header_of() + " " * 5000),
        npy(header_of("(3L, 6L, 5L)")),
    ],
)  # fmt: skip
def test_arrays_of_webdataset_that_lie(tmp_path, data):
    """No array, objects, shapes that do not fit the bytes or the names, headers of all kinds."""
    check(read_webdataset, shard_of(tmp_path, {"0.npy": data}))


@pytest.mark.parametrize("names", WRONG_NAMES)
def test_webdataset_with_wrong_names(tmp_path, names):
    check(read_webdataset, shard_of(tmp_path, {"0.npy": npy(header_of())}, names))


def test_webdataset_without_an_image_or_with_another_kind(tmp_path):
    """PNG of another number of channels, and no image at all."""
    for files in ({}, {"0.png": encode_png(IMAGES[0, 0])}, {"0.jpg": b"x"}):
        check(read_webdataset, shard_of(tmp_path, files))
    for names in (["a", "b"], ["a"]):
        check(read_webdataset, shard_of(tmp_path, {"0.png": encode_png(IMAGES[0])}, names))


@pytest.mark.readers
@pytest.mark.parametrize("names", [*WRONG_NAMES[:4], "abc", 3, [1, 2, 3], ["x" * 10_000] * 3])
def test_hdf5_with_wrong_names(tmp_path, names):
    """More or fewer names than channels, numbers, one text."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    from mingolotss.formats.hdf5 import read_hdf5

    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = IMAGES, np.zeros(4, np.int64)
        for name in ("source", "image_file", "split"):
            file[name] = np.array(["S"] * 4, h5py.string_dtype())
        file.attrs["classes"], file.attrs["channels"] = ["A", "B"], NAMES
    np.testing.assert_array_equal(read_hdf5(path).images, IMAGES, strict=True)
    with h5py.File(path, "a") as file:
        file.attrs["channels"] = names
    check(read_hdf5, path)
    with h5py.File(path, "a") as file:
        file.attrs["channels"] = NAMES
    # A reference of an attribute to a text that no heap holds.
    data = path.read_bytes()
    place = data.find(b"channels\x00")
    heap = data.find(struct.pack("<I", 3), place)
    path.write_bytes(data[: heap + 4] + b"\xff" * 8 + data[heap + 12 :])
    check(read_hdf5, path)
