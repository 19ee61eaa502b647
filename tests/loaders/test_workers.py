"""Worker processes open the files of a dataset themselves; its pickle has no pixels."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from mingolotss.errors import DatasetError
from mingolotss.publish.export import export
from readers_data import IMAGES, LABELS, make_images, write_batches

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
from torch.utils.data import DataLoader  # noqa: E402

from mingolotss.loaders.torch import MLFR, MingoLoTSS  # noqa: E402

PIPE = 1 << 16  # bytes that a pipe of Linux holds; a larger pickle waits until its worker reads


@pytest.fixture(scope="module", params=["batches", "parquet", "png", "webdataset", "zarr", "hdf5"])
def exported(request, build, tmp_path_factory):
    """An export in each format."""
    for library in {"zarr": ["zarr"], "hdf5": ["h5py"]}.get(request.param, []):
        pytest.importorskip(library)
    out = tmp_path_factory.mktemp(request.param) / "export"
    export(build, request.param, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda root: MingoLoTSS(root, split="all"),
        lambda root: MingoLoTSS(root, "test"),
        lambda root: MLFR(root, tensors=True),
        lambda root: MingoLoTSS(root, merge={"b": [4], "a": [0, 2]}, published_names=True)[3:9:2],
    ],
)
def test_a_pickle_has_no_pixels(exported, make):
    """It fits into a pipe, and gives the same items, names and metadata in every format."""
    dataset = make(exported)
    data = pickle.dumps(dataset)
    assert len(data) < 4000
    copied = pickle.loads(data)
    assert len(copied) == len(dataset)
    assert all(
        np.array_equal(np.asarray(image), np.asarray(dataset[index][0]))
        for index, (image, _) in enumerate(copied)
    )
    assert (copied.targets, copied.sources) == (dataset.targets, dataset.sources)
    assert copied.table.equals(dataset.table)
    np.testing.assert_array_equal(copied.data, dataset.data)


def test_a_pickle_has_no_metadata(exported):
    """They are read again where they are needed, also after an item was."""
    dataset = MingoLoTSS(exported, return_metadata=True)
    item = dataset[0]
    data = pickle.dumps(dataset)
    assert len(data) < 4000
    assert repr(pickle.loads(data)[0][2]) == repr(item[2])  # NaN is not equal to itself


def test_a_pickle_of_the_whole_dataset_fits_into_a_pipe(tmp_path):
    """5,805 samples: workers start at the same time, not one after the other."""
    images = np.concatenate([make_images(1, side=8)] * 5805)
    dataset = MingoLoTSS(write_batches(tmp_path, images, [i % 10 for i in range(5805)]), "all")
    assert len(pickle.dumps(dataset)) < PIPE


def test_changed_images_travel_whole(root):
    """Whatever was assigned or changed in place is in the pickle."""
    dataset = MingoLoTSS(root)
    dataset.data[3] = 9
    assert np.asarray(pickle.loads(pickle.dumps(dataset))[3][0]).min() == 9
    dataset.data = dataset.data[5:8]
    dataset.targets = dataset.targets[5:8]
    copied = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copied.data, IMAGES[5:8, ..., None])
    assert copied.sources == ["ILTJ000005", "ILTJ000006", "ILTJ000007"]


def test_a_deep_copy_is_independent(root):
    """Changes of the copy do not show in the original."""
    dataset = MingoLoTSS(root)
    twin = copy.deepcopy(dataset)
    twin.data[0] = 1
    np.testing.assert_array_equal(np.asarray(dataset[0][0]), IMAGES[0])


def test_another_working_directory(root, monkeypatch, tmp_path):
    """A relative path is that of the process that opened the dataset."""
    monkeypatch.chdir(root.parent)
    data = pickle.dumps(MingoLoTSS(root.name))
    monkeypatch.chdir(tmp_path)
    copied = pickle.loads(data)
    np.testing.assert_array_equal(np.asarray(copied[4][0]), IMAGES[4])
    assert copied.sources[4] == "ILTJ000004"


def test_a_dataset_that_was_replaced_is_one_line(tmp_path):
    """A worker never trains on other images than the program that started it."""
    write_batches(tmp_path / "a", IMAGES, LABELS)
    data = pickle.dumps(MingoLoTSS(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match="there is nothing there"):
        pickle.loads(data)
    write_batches(tmp_path / "a", IMAGES[:30], LABELS[:30])
    with pytest.raises(DatasetError, match="its samples have changed since it was opened"):
        pickle.loads(data)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_of_every_kind_give_the_same_batches(root, method):
    """As one process does, in order."""
    dataset = MingoLoTSS(root, tensors=True, return_metadata=True)[5:]
    expected = list(DataLoader(dataset, 16))
    loader = DataLoader(dataset, 16, num_workers=2, multiprocessing_context=method)
    for (images, labels, metadata), (own, own_labels, own_metadata) in zip(
        loader, expected, strict=True
    ):
        assert torch.equal(images, own)
        assert torch.equal(labels, own_labels)
        assert metadata["source"] == own_metadata["source"]
