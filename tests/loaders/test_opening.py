"""Splits and merged classes that a user may name, in every class and format: one clear line."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mingolotss.errors import InputError
from mingolotss.loaders.arrays import load, open_samples
from mingolotss.publish.export import export
from readers_data import IMAGES, LABELS, png, write_batches, write_stamps

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")

from mingolotss.loaders.torch import MLFR, MingoLoTSS  # noqa: E402


@pytest.fixture(scope="module", params=["batches", "parquet", "png", "webdataset", "zarr"])
def folds(request, build, tmp_path_factory):
    """An export in three folds, which has neither a training nor a test set."""
    if request.param == "zarr":
        pytest.importorskip("zarr", reason="needs zarr")
    out = tmp_path_factory.mktemp(request.param) / "export"
    export(build, request.param, out, split="k-fold:folds=3,seed=1")
    return out


@pytest.mark.parametrize(
    ("arguments", "options", "split"),
    [
        ((True,), {}, "train"),
        ((False,), {}, "test"),
        ((np.False_,), {}, "test"),
        (("test",), {}, "test"),
        (("train",), {}, "train"),
        (("train+test",), {}, "train+test"),
        ((), {"train": False}, "test"),
        ((), {"train": "test"}, "test"),
        ((), {"split": "test"}, "test"),
        ((False,), {"split": "train"}, "train"),
        (("test",), {"split": "test"}, "test"),
    ],
)
def test_the_second_argument_names_the_split(root, arguments, options, split):
    """A bool as in MNIST and CIFAR, or a name as in SVHN and STL10."""
    dataset = MingoLoTSS(root, *arguments, **options)
    assert (dataset.split, dataset.train) == (split, split == "train")
    assert len(dataset) == {"train": 50, "test": 10, "train+test": 60}[split]


@pytest.mark.parametrize(
    ("arguments", "options", "line"),
    [
        (("val",), {}, "no split 'val'; it has train, test"),
        (("Test",), {}, "no split 'Test'; did you mean 'test'"),
        ((0.8,), {}, "train=0.8; give True"),
        ((None,), {}, "train=None; give True"),
        (([],), {}, "train=.*; give True"),
        (("train",), {"split": "test"}, "train='train' and split='test'; give one of them"),
        ((), {"split": True}, "split=True; give the name of a split"),
        ((), {"split": ["train", "test"]}, "split=.*; give the name of a split"),
        ((), {"split": ""}, "split=''; give the name of a split"),
        ((), {"split": "not train+test"}, "this leaves no split; it has train, test"),
    ],
)
def test_what_is_no_split_is_one_line(root, arguments, options, line):
    """The line says what was given, and what there is."""
    with pytest.raises(InputError, match=line) as caught:
        MingoLoTSS(root, *arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("split", [True, None, 0, ["train"], " ", b"train"])
def test_load_says_what_a_split_is(root, split):
    """The same rule holds for numpy arrays."""
    with pytest.raises(InputError, match="give the name of a split"):
        load(root, split)


@pytest.mark.parametrize("place", [3, None, ["demo"], b"demo"])
def test_a_dataset_has_a_path(place):
    """Anything else is named."""
    for use in (load, MingoLoTSS):
        with pytest.raises(InputError, match="give the path of a dataset"):
            use(place)


def test_folds_have_no_training_set(folds):
    """A dataset never opens with no image: the error lists the folds, and shows their use."""
    for use in (MingoLoTSS, lambda root: MingoLoTSS(root, False), lambda root: load(root, "val")):
        with pytest.raises(InputError, match="it has fold-0, fold-1, fold-2"):
            use(folds)
    with pytest.raises(InputError, match="split='not fold-0' is all but one"):
        MLFR(folds)
    parts = [MingoLoTSS(folds, f"fold-{fold}") for fold in range(3)]
    assert sum(map(len, parts)) == len(load(folds)) == 59
    assert len(MingoLoTSS(folds, "not fold-0")) == 59 - len(parts[0])


def test_a_split_without_images_is_one_line(tmp_path):
    """A test set of which nothing was written, and a dataset with nothing at all."""
    pngs = [png(image) for image in IMAGES[:3]]
    write_stamps(tmp_path / "train.parquet", pngs, [0, 1, 2], split=["train"] * 3)
    with pytest.raises(InputError, match=r"no split 'test'; it has train$"):
        MingoLoTSS(tmp_path / "train.parquet", "test")
    root = write_batches(tmp_path / "batches", IMAGES[:12], LABELS[:12])
    empty = pickle.dumps({"data": IMAGES[:0].reshape(0, 22500), "labels": []})
    (root / "mingo-batches-py/test_batch").write_bytes(empty)
    with pytest.raises(InputError, match="no image in its split 'test'; it has 10 in train"):
        MingoLoTSS(root, "test")
    for number in range(1, 6):
        (root / f"mingo-batches-py/data_batch_{number}").write_bytes(empty)
    with pytest.raises(InputError, match="no image in its split 'all'; it has none at all"):
        load(root)


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ({"a": "FRI"}, r"'a' should be a list of classes and is 'FRI'; give \{'a': \['FRI'\]\}"),
        ({"a": 3}, r"'a' should be a list of classes and is 3; give \{'a': \[3\]\}"),
        ({}, "has no group, so that no image is left"),
        ({"a": []}, "'a' is an empty list of classes"),
        ([["FRI"]], r"give a group for each new class"),
        ({1: ["FRI"]}, "1 is no name of a class"),
        ({"a": [True]}, "no class True; there are 0 FRI"),
        ({"a": [1.0]}, "no class 1.0; there are 0 FRI"),
        ({"a": [-1]}, "no class -1; there are 0 FRI"),
        ({"a": ["Double  Double"]}, "no class 'Double  Double'"),
    ],
)
def test_what_is_no_merge_is_one_line(root, groups, line):
    """In every class and in ``load``."""
    for use in (MingoLoTSS, load, lambda root, merge: load(root).merge(merge)):
        with pytest.raises(InputError, match=line) as caught:
            use(root, merge=groups)
        assert "\n" not in str(caught.value)


def test_a_merge_without_images_is_one_line(root):
    """The line counts the classes that there are."""
    part = write_batches(root / "part", IMAGES[:6], [0] * 6)
    with pytest.raises(InputError, match=r"no image is of the classes in merge=.*; there are 5 in"):
        MingoLoTSS(part, merge={"x": ["FRII"]})
    with pytest.raises(InputError, match="no image is of the classes"):
        load(part, "train", merge={"x": [4]})


def test_merge_takes_any_collection(root):
    """Tuples, sets, arrays and ranges of names or labels."""
    for members in (["FRI", 1], ("FRI", "FRI NAT"), {0, 1}, np.array([0, 1]), range(2)):
        assert MingoLoTSS(root, merge={"x": members}).counts() == {"x": 10}
        assert load(root, "train", merge={"x": members}).counts() == {"x": 10}


def test_images_stay_in_their_files_until_used(root):
    """Opening reads no pixel: the memory of the pieces is that of the files."""
    pieces = open_samples(root, "train").images.pieces
    assert not any(piece.flags.writeable or piece.flags.owndata for piece in pieces)
