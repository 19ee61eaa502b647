"""Tags and votes in files from anywhere: what an export has is read, all else is one line."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.webdataset import read_webdataset
from mingolotss.formats.zarr import read_zarr
from mingolotss.io.png import encode_png
from mingolotss.loaders.arrays import load
from readers_data import IMAGES, png, write_stamps
from zarr_files import described, write, write_group

TAGS = (np.arange(140).reshape(70, 2) % 3 == 0).astype(np.int8)
VOTES = np.stack([np.arange(70) / 70, 1 - np.arange(70) / 70], axis=1)


def check(read, path):
    """The dataset is refused with one line."""
    with pytest.raises(DatasetError) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def group_of_labels(path, name, values, kind, **changes):
    """Write a Zarr group with another array of labels."""
    write_group(path)
    description = described(values.shape, kind, values.shape)
    write(path / name / "zarr.json", description | changes)
    chunk = path / name / "c" / "/".join("0" * values.ndim)
    chunk.parent.mkdir(parents=True)
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    chunk.write_bytes(pa.compress(data, "zstd", asbytes=True))
    return path


def test_zarr_is_read_by_the_specification(tmp_path):
    read = read_zarr(group_of_labels(tmp_path / "tags.zarr", "tags", TAGS, "int8"))
    np.testing.assert_array_equal(read.vectors.values, TAGS, strict=True)
    read = read_zarr(group_of_labels(tmp_path / "votes.zarr", "votes", VOTES, "float64"))
    np.testing.assert_array_equal(read.vectors.values, VOTES, strict=True)
    assert np.isnan(read.vectors.totals).all()


@pytest.mark.parametrize(
    ("name", "values", "kind", "changes"),
    [
        ("tags", TAGS, "int8", {"shape": [1 << 40, 2]}),
        ("tags", TAGS, "int8", {"shape": [70, 1 << 40]}),
        ("tags", TAGS, "int8", {"shape": [-70, 2]}),
        ("tags", TAGS, "int8", {"shape": [70]}),
        ("tags", TAGS[:69], "int8", {}),
        ("tags", TAGS * 5, "int8", {}),
        ("tags", TAGS.astype("f8"), "float64", {}),
        ("tags", TAGS, "int8", {"codecs": [{"name": "bytes"}, {"name": "blosc"}]}),
        ("votes", VOTES * 9, "float64", {}),
        ("votes", VOTES[:, :1], "float64", {}),
        ("votes", TAGS, "int8", {}),
    ],
)  # fmt: skip
def test_zarr_that_lies(tmp_path, name, values, kind, changes):
    check(read_zarr, group_of_labels(tmp_path / "x.zarr", name, values, kind, **changes))


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def shard(folder, *samples):
    """Write a WebDataset of samples, each the files beside an image."""
    (folder / "classes.json").write_text('["a", "b"]')
    with tarfile.open(folder / "train-000000.tar", "w") as archive:
        for number, further in enumerate(samples):
            record = {"row": number, "source": "S", "image_file": "S.png", "split": "train"}
            image = encode_png(np.zeros((4, 4), np.uint8))
            files = {"json": json.dumps(record).encode(), "png": image, **further}
            for kind, data in files.items():
                info = tarfile.TarInfo(f"{number}.{kind}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder


def test_shards_are_read(tmp_path):
    row = npy(np.array([1, 0], np.int8))
    read = read_webdataset(shard(tmp_path, {"tags.npy": row}, {"tags.npy": row}))
    assert read.vectors.values.tolist() == [[1, 0], [1, 0]]
    row = npy(np.array([0.25, 0.75]))
    read = read_webdataset(shard(tmp_path, {"votes.npy": row, "cls": b"1"}))
    assert (read.vectors.values.tolist(), read.labels.tolist()) == ([[0.25, 0.75]], [1])


GOOD = npy(np.array([1, 0], np.int8))
SAMPLES = {
    "cut short": [{"tags.npy": GOOD[:-1]}],
    "longer": [{"tags.npy": GOOD + b"x"}],
    "empty": [{"tags.npy": b""}],
    "no file of numpy": [{"tags.npy": b"[1, 0]"}],
    "objects": [{"tags.npy": npy(np.array([1, None], object))}],
    "another type": [{"tags.npy": npy(np.array([1, 0]))}],
    "more classes": [{"tags.npy": npy(np.array([1, 0, 0], np.int8))}],
    "two axes": [{"tags.npy": npy(np.array([[1, 0]], np.int8))}],
    "not 0 or 1": [{"tags.npy": npy(np.array([1, 7], np.int8))}],
    "partly unlabelled": [{"tags.npy": npy(np.array([1, -1], np.int8))}],
    "not for all": [{"tags.npy": GOOD}, {"cls": b"0"}],
    "two kinds": [{"tags.npy": GOOD}, {"votes.npy": npy(np.array([0.5, 0.5])), "cls": b"0"}],
    "votes without a label": [{"votes.npy": npy(np.array([0.5, 0.5]))}],
    "votes above 1": [{"votes.npy": npy(np.array([0.5, 1.5])), "cls": b"0"}],
    "votes of single precision": [{"votes.npy": npy(np.array([0.5, 0.5], "f4")), "cls": b"0"}],
}


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES.keys())
def test_shards_that_lie(tmp_path, samples):
    check(read_webdataset, shard(tmp_path, *samples))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[0, 12], [0], None]),  # there are ten classes
        pa.array([[-1], [0], []]),
        pa.array([[1 << 40], [0], []]),
        pa.array([[None], [0], []], pa.list_(pa.int64())),
    ],
)  # fmt: skip
def test_parquet_whose_tags_are_no_classes(tmp_path, column):
    path = write_stamps(
        tmp_path / "part-00000.parquet", [png(image) for image in IMAGES[:3]], [0, 1, 9],
        tags=column,
    )  # fmt: skip
    check(load, path)


def test_parquet_of_another_program_with_lists_of_texts(tmp_path):
    """They are its own, and the labels are those of the column ``label``."""
    column = pa.array([["a"], [], None], pa.list_(pa.string()))
    path = write_stamps(
        tmp_path / "part-00000.parquet", [png(image) for image in IMAGES[:3]], [0, 1, 9],
        tags=column, votes=pa.array(["x", "y", "z"]),
    )  # fmt: skip
    assert load(path).labels.tolist() == [0, 1, 9]
    assert load(path).vectors is None
    assert pq.read_table(path)["tags"].to_pylist() == [["a"], [], None]


def test_parquet_whose_votes_are_no_fractions(tmp_path):
    wrong = [[0.1] * 9, [*[0.1] * 9, None], [*[0.1] * 9, 1.5], [*[0.1] * 9, -0.1]]
    for votes in ([[0.5, 0.5]] * 3, *([[0.1] * 10, one, None] for one in wrong)):
        path = write_stamps(
            tmp_path / "part-00000.parquet", [png(image) for image in IMAGES[:3]], [0, 1, 9],
            votes=pa.array(votes, pa.list_(pa.float64())),
        )  # fmt: skip
        check(load, path)
