"""Batches that other programs wrote: MiraBest, FR-DEEP and their like, in every usual shape."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.arrays import holds_dataset, load
from published_batches import (
    CODES,
    extract_published,
    pack,
    write_batch,
    write_frdeep,
    write_meta,
    write_mirabest,
)
from readers_data import make_images

IMAGES = make_images(12, side=16)
LABELS = [0, 0, 5, 9, 1, 2, 3, 4, 6, 7, 8, 5]
NAMES = [f"source {number}.png" for number in range(12)]
SHAPES = {
    "rows in an array": lambda images: images.reshape(len(images), -1),
    "squares in an array": lambda images: images,
    "squares with a channel": lambda images: images[..., None],
    "squares after a channel": lambda images: images[:, None],
    "rows in a list": lambda images: list(images.reshape(len(images), -1)),
    "squares in a list": list,
    "squares with a channel in a list": lambda images: list(images[..., None]),
    "rows of one row in a list": lambda images: list(images.reshape(len(images), 1, -1)),
    "columns first": np.asfortranarray,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_images_in_any_usual_shape(tmp_path, shape):
    """One array or a list, flat or square, with a channel or without."""
    for name, rows in (("data_batch_1", slice(0, 8)), ("test_batch", slice(8, None))):
        write_batch(tmp_path / name, [], LABELS[rows], NAMES[rows], data=shape(IMAGES[rows]))
    write_meta(tmp_path, CODES)
    samples = load(tmp_path)
    np.testing.assert_array_equal(samples.images, IMAGES)
    assert samples.images.dtype == np.uint8
    assert samples.labels.tolist() == LABELS
    assert samples.splits == ("train",) * 8 + ("test",) * 4
    assert samples.sources == tuple(f"source {number}" for number in range(12))


WRONG = {
    "three channels": np.zeros((4, 3, 16, 16), np.uint8),
    "three channels in a row": np.zeros((4, 3 * 16 * 16), np.uint8),
    "not square": np.zeros((4, 16, 12), np.uint8),
    "floats": np.zeros((4, 16, 16), np.float32),
    "one number": np.array(7, np.uint8),
    "squares of two sizes": [np.zeros((16, 16), np.uint8)] * 3 + [np.zeros((9, 9), np.uint8)],
    "a text": "images",
    "no image": [],
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("has_names", [True, False])
def test_images_of_another_shape_are_one_line(tmp_path, data, has_names):
    """The line names the file and what is in it, whether the classes have names or not."""
    for name in ("data_batch_1", "test_batch"):
        write_batch(tmp_path / name, [], None, NAMES[:4], data=data)
    if has_names:
        write_meta(tmp_path, CODES)
    with pytest.raises(
        DatasetError, match=r"^read .*data_batch_1: 'data' should be uint8"
    ) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_names_with_half_a_surrogate_pair(tmp_path):
    """No table can store them; the rest of the name stays."""
    for name in ("train_batch", "test_batch"):
        write_batch(
            tmp_path / name, IMAGES[:2], [0, 1], ["a\ud800.png", "b\N{GREEK SMALL LETTER ALPHA}"]
        )
    write_meta(tmp_path, ["x\udfff", "y"])
    samples = load(tmp_path, "test")
    assert samples.sources == ("a\N{REPLACEMENT CHARACTER}", "b\N{GREEK SMALL LETTER ALPHA}")
    assert samples.table["class"].to_pylist() == ["x\N{REPLACEMENT CHARACTER}", "y"]


@pytest.mark.slow
def test_one_image_a_million_times_is_refused(tmp_path):
    """A list takes a few bytes for each image that it repeats, and an array of them gigabytes."""
    data = [np.zeros((150, 150), np.uint8)] * 1_000_000
    write_batch(tmp_path / "data_batch_1", [], [], [], data=data)
    (tmp_path / "test_batch").write_bytes((tmp_path / "data_batch_1").read_bytes())
    write_meta(tmp_path, CODES)
    with pytest.raises(DatasetError, match=r"data_batch_1: 1,000,000 images in it, the same ones"):
        load(tmp_path)


def test_one_training_batch_without_a_number(tmp_path):
    """As FR-DEEP names them: both splits are there, in this order."""
    write_frdeep(tmp_path, IMAGES, [0, 1] * 6)
    samples = load(tmp_path)
    np.testing.assert_array_equal(samples.images, IMAGES)
    assert samples.splits == ("train",) * 6 + ("test",) * 6
    assert len(load(tmp_path, "test")) == 6
    assert samples.sources[:2] == ("3C 0_I", "3C 1_I")
    (tmp_path / "test_batch").unlink()
    with pytest.raises(InputError, match="no split 'test'; it has train"):
        load(tmp_path, "test")


def test_a_test_batch_alone(tmp_path):
    """The line names both names that a training batch can have."""
    write_frdeep(tmp_path, IMAGES, [0, 1] * 6)
    (tmp_path / "train_batch").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_1 \(or train_batch\) is missing"):
        load(tmp_path)


def test_batches_without_names_of_classes(tmp_path):
    """The classes are called by their labels, and are the same in every split."""
    write_batch(tmp_path / "data_batch_1", IMAGES[:8], [0, 2] * 4, NAMES[:8])
    write_batch(tmp_path / "test_batch", IMAGES[8:], [1, 0, 1, 4], NAMES[8:])
    for split in ("train", "test", "all"):
        assert load(tmp_path, split).classes == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize("has_names", [True, False])
def test_batches_without_labels(tmp_path, has_names):
    """They load as images without a class."""
    write_batch(tmp_path / "train_batch", IMAGES[:8], None, NAMES[:8])
    write_batch(tmp_path / "test_batch", IMAGES[8:], None, NAMES[8:])
    if has_names:
        write_meta(tmp_path, CODES)
    samples = load(tmp_path)
    assert samples.labels.tolist() == [-1] * 12
    assert samples.classes[:1] == (("FRI confident standard",) if has_names else ())


def test_names_of_classes_and_fine_labels(tmp_path):
    """Other spellings of the labels are read, and a name of a class is a plain string."""
    for name in ("data_batch_1", "test_batch"):
        write_batch(tmp_path / name, IMAGES[:2], None, NAMES[:2], fine_labels=np.array([1, 0]))
    names = [np.str_("bent"), np.str_("straight")]
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    samples = load(tmp_path)
    assert samples.labels.tolist() == [1, 0, 1, 0]
    assert [type(name) for name in samples.classes] == [str, str]


def test_the_folder_that_contains_it(tmp_path):
    """Any name of the folder is found, unless something else is there or there are several."""
    write_mirabest(tmp_path / "F_batches", IMAGES, LABELS)
    (tmp_path / "F_batches.tar.gz").write_bytes(b"x")
    assert load(tmp_path).labels.tolist() == LABELS
    assert not holds_dataset(tmp_path)  # another dataset may still be downloaded there
    write_frdeep(tmp_path / "FIRST", IMAGES, [0, 1] * 6)
    with pytest.raises(DatasetError, match=r"contains several, FIRST, F_batches; give the folder"):
        load(tmp_path)
    write_mirabest(tmp_path / "mingo-batches-py", IMAGES[:3], LABELS[:3])
    assert len(load(tmp_path)) == 3


def test_batches_of_a_build_have_any_name(tmp_path):
    """The recipe names their folder; the build is a dataset by itself."""
    write_mirabest(tmp_path / "F_batches", IMAGES, LABELS)
    (tmp_path / "recipe.toml").write_text("")
    assert holds_dataset(tmp_path)
    assert load(tmp_path).labels.tolist() == LABELS


ARCHIVES = {
    "tar.gz": pack,
    "zip": lambda _, path: path.write_bytes(b"PK\x03\x04rest"),
    "page": lambda _, path: path.write_bytes(b"<!doctype html><html><body>Log in</body></html>"),
    "batch": lambda folder, path: path.write_bytes((folder / "test_batch").read_bytes()),
    "empty": lambda _, path: path.write_bytes(b""),
}
LINES = {
    "tar.gz": r"a tar.gz archive; extract it and give the folder, or open it with .*url=",
    "zip": "a zip archive; give a folder",
    "page": 'an HTML page \\("Log in"\\); give a folder',
    "batch": "a pickle, perhaps one batch; give the folder that contains it",
    "empty": "an empty file; give a folder",
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_file_in_the_place_of_a_folder(tmp_path, kind):
    """The line says what the file is, and what to do with it."""
    folder, path = write_mirabest(tmp_path / "F_batches", IMAGES, LABELS), tmp_path / "file"
    ARCHIVES[kind](folder, path)
    with pytest.raises(DatasetError, match=f"^load a dataset from {path}: {LINES[kind]}") as error:
        load(path)
    assert "\n" not in str(error.value)


COUNTS = {
    ("mirabest/MiraBest_F_batches", "train"): [297, 43, 8, 167, 2, 378, 3, 171, 17, 13],
    ("mirabest/MiraBest_F_batches", "test"): [42, 6, 1, 24, 1, 54, 1, 24, 2, 2],
    ("mirabest/mirabest-other-batches", "train"): [312, 392],
    ("mirabest/mirabest-other-batches", "test"): [39, 49],
    ("frdeep/FIRST", "train"): [188, 272],
    ("frdeep/FIRST", "test"): [81, 117],
}
FIRST_SOURCES = {
    ("mirabest/MiraBest_F_batches", "train"): "100_123.251+043.797_0.1281_0034.09",
    ("mirabest/MiraBest_F_batches", "test"): "100_185.137+000.072_0.1585_0135.33",
    ("mirabest/mirabest-other-batches", "train"): "100_159.613_+041.815",
    ("mirabest/mirabest-other-batches", "test"): "100_211.791_+026.313",
    ("frdeep/FIRST", "train"): "3C 294_II",
    ("frdeep/FIRST", "test"): "SDSS J082603.81+471910.3_I",
}


@pytest.mark.parametrize(("archive", "split"), COUNTS)
def test_published_archives(shared, tmp_path, archive, split):
    """Images, labels and names are those that pickle itself gives; extracted with tar."""
    extract_published(shared / "data" / f"{archive}.tar.gz", tmp_path)
    samples = load(tmp_path, split)
    assert list(samples.counts().values()) == COUNTS[archive, split]
    assert samples.sources[0] == FIRST_SOURCES[archive, split]
    assert len(set(samples.sources)) == len(samples)
    folder = next(path.parent for path in tmp_path.rglob("batches.meta"))
    training = sorted(folder.glob("data_batch_*")) or [folder / "train_batch"]
    paths = training if split == "train" else [folder / "test_batch"]
    expected = [pickle.loads(path.read_bytes(), encoding="latin1") for path in paths]
    images = np.concatenate([np.stack(batch["data"]) for batch in expected])
    np.testing.assert_array_equal(samples.images, images.reshape(-1, 150, 150))
    assert samples.labels.tolist() == [label for batch in expected for label in batch["labels"]]
    assert samples.filenames == tuple(name for batch in expected for name in batch["filenames"])


def test_a_batch_without_images_is_read(tmp_path):
    """Where all sources of a batch were rejected, the list says nothing of the size of an image."""
    write_mirabest(tmp_path, IMAGES, [0, 1] * 6)
    write_batch(tmp_path / "data_batch_3", [], [], [])
    write_batch(tmp_path / "data_batch_4", IMAGES[:2], [3, 4], NAMES[:2])
    assert load(tmp_path).images.shape == (14, 16, 16)
    assert load(tmp_path, "train").labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 3, 4]
