"""An HDF5 file from anywhere: numbers and texts of the file itself, or one line."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.hdf5 import read_hdf5

pytestmark = pytest.mark.readers

IMAGES = np.random.default_rng(3).integers(0, 256, (24, 8, 8), np.uint8)
NAMES = [f"S{i}" for i in range(24)]
SECRET = b"secret" * 1000


@pytest.fixture(scope="session")
def h5py():
    return pytest.importorskip("h5py", reason="needs the group readers")


@pytest.fixture
def export(h5py, tmp_path):
    """Write an export by hand."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = IMAGES, np.zeros(24, np.int64)
        for name in ("source", "image_file", "split"):
            file[name] = np.array(NAMES, h5py.string_dtype())
        file.attrs["classes"] = ["A", "B"]
    (tmp_path / "secret").write_bytes(SECRET)
    return path


def test_other_ways_to_store_the_same(h5py, export):
    """Fixed-length texts, labels of another width, and big-endian pixels."""
    with h5py.File(export, "a") as file:
        del file["labels"], file["source"]
        file["labels"] = np.zeros(24, ">i2")
        file["source"] = np.array(NAMES, "S3")
    read = read_hdf5(export)
    np.testing.assert_array_equal(read.images, IMAGES, strict=True)
    assert read.sources == tuple(NAMES)
    with h5py.File(export, "a") as file:
        del file["images"]
        file["images"] = IMAGES.astype(">f4")
    np.testing.assert_array_equal(read_hdf5(export).images, IMAGES.astype("f4"), strict=True)


def images_as(**options):
    """Return an attack that stores the images in another way."""

    def attack(h5py, file):
        del file["images"]
        changed = {name: call(h5py) if callable(call) else call for name, call in options.items()}
        file.create_dataset("images", **changed)

    return attack


def labels_as(**options):
    def attack(h5py, file):
        del file["labels"]
        changed = {name: call(h5py) if callable(call) else call for name, call in options.items()}
        file.create_dataset("labels", **changed)

    return attack


def elsewhere(link):
    def attack(h5py, file):
        del file["images"]
        file["images"] = link(h5py, file.filename)

    return attack


def virtual(h5py, file):
    del file["images"]
    layout = h5py.VirtualLayout((24, 8, 8), "u1")
    layout[...] = h5py.VirtualSource(f"{file.filename}.other", "images", (24, 8, 8))
    file.create_virtual_dataset("images", layout)


def plug_in(h5py, file):
    del file["images"]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((24, 8, 8))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space = h5py.h5s.create_simple((24, 8, 8))
    h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, properties)


def laughing(h5py, file):
    for name in list(file):
        del file[name]
    file["images"], file["labels"] = np.zeros((1000, 8, 8), np.uint8), np.zeros(1000, np.int64)
    for name in ("source", "image_file", "split"):
        file.create_dataset(name, (1000,), h5py.string_dtype())[0] = "a" * (1 << 20)


def classes(values):
    def attack(_, file):
        file.attrs["classes"] = values

    return attack


def references(h5py, file):
    del file["labels"]
    file["labels"] = np.array([file["images"].ref] * 24, h5py.ref_dtype)


def group(_, file):
    del file["images"]
    file.create_group("images")


HOSTILE = {
    "sequences as images": images_as(shape=(24, 8, 8), dtype=lambda h: h.vlen_dtype(np.uint8)),
    "texts as images": images_as(shape=(24, 8, 8), dtype=lambda h: h.string_dtype()),
    "records as images": images_as(shape=(24, 8, 8), dtype=[("a", "u1"), ("b", "f4")]),
    "an enumeration": images_as(shape=(24, 8, 8), dtype=lambda h: h.enum_dtype({"a": 1}, "u1")),
    "bytes without a type": images_as(shape=(24, 8, 8), dtype="V1"),
    "doubles": images_as(data=IMAGES.astype("f8")),
    "images that are flat": images_as(data=IMAGES.reshape(24, 64)),
    "an empty dataset": images_as(data=lambda h: h.Empty("u1")),
    "storage in another file": images_as(
        shape=(24, 8, 8), dtype="u1", external=[("secret", 0, 24 * 64)]
    ),
    "a link to another file": elsewhere(lambda h, name: h.ExternalLink(f"{name}.other", "images")),
    "a link to nothing": elsewhere(lambda h, _: h.SoftLink("/images")),
    "a link in the file": elsewhere(lambda h, _: h.SoftLink("/labels")),
    "a virtual dataset": virtual,
    "a filter of a plug-in": plug_in,
    "chunks": images_as(data=IMAGES, chunks=(5, 8, 8), compression="gzip"),
    "a group": group,
    "images that are 909 TiB": images_as(shape=(10**9, 1000, 1000), dtype="u1", chunks=(1, 10, 10)),
    "chunks of 3 GB": images_as(
        shape=(24, 8, 8), maxshape=(None,) * 3, dtype="u1", chunks=(3000, 1000, 1000)
    ),
    "zeros that are compressed": images_as(
        shape=(24, 4000, 4000), dtype="u1", chunks=(1, 4000, 4000), compression="gzip"
    ),
    "labels that are 75 GB": labels_as(shape=(10**10,), dtype="i8", chunks=(10**6,)),
    "labels that are real": labels_as(data=np.zeros(24)),
    "too few labels": labels_as(data=np.zeros(23, int)),
    "references": references,
    "a text that every row may name": laughing,
    "classes that are numbers": classes([1, 2]),
    "classes in a table": classes([["A"], ["B"]]),
}


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_one_line(h5py, export, monkeypatch, attack):
    """Nothing of another file, no code of a plug-in, no pointers, no memory without end."""
    monkeypatch.chdir(export.parent)
    with h5py.File(f"{export}.other", "w") as other:
        other["images"] = IMAGES
    with h5py.File(export, "a") as file:
        attack(h5py, file)
    with pytest.raises(DatasetError, match=f"^read {export}: not a whole HDF5 export") as caught:
        read_hdf5(export)
    assert str(caught.value).isprintable()


def test_a_file_that_is_cut_short_or_no_file(export):
    """The images of a shorter file are not mapped; a pipe is not waited for."""
    content = export.read_bytes()
    place = content.index(IMAGES.tobytes())
    pointer = content.index(struct.pack("<QQ", place, IMAGES.nbytes))
    moved = bytearray(content)
    moved[pointer : pointer + 8] = struct.pack("<Q", len(content) - 100)
    for changed in (content[:-3000], bytes(moved)):
        export.write_bytes(changed)
        with pytest.raises(DatasetError, match="not a whole HDF5 export"):
            read_hdf5(export)
    export.unlink()
    os.mkfifo(export)
    with pytest.raises(DatasetError, match="a pipe, a device or a socket"):
        read_hdf5(export)


def test_a_heap_of_texts_with_a_wrong_size(export):
    """The HDF5 library reads an object of free space with the size 0 again and again."""
    content = bytearray(export.read_bytes())
    heap = content.index(b"GCOL")
    for place in range(heap + 16, heap + 4096 - 16, 8):
        index, size = struct.unpack_from("<H6xQ", content, place)
        if index and 0 < size < 100:  # the header of an object
            forged = bytearray(content)
            forged[place : place + 16] = bytes(16)
            export.write_bytes(forged)
            with pytest.raises(DatasetError, match="a damaged heap of texts"):
                read_hdf5(export)
            return
    pytest.fail("no object in the heap")
