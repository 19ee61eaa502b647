"""Images of several channels, read by the libraries that the formats are for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from channel_builds import CLASSES, NAMES, SIDE, write_build
from mingolotss.publish.describe import write_description
from mingolotss.publish.export import export
from mingolotss.publish.summary import read_summary

pytestmark = pytest.mark.readers
KINDS = [(3, "uint8"), (3, "float32"), (2, "uint8"), (5, "float32"), (1, "uint8")]


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    root = tmp_path_factory.mktemp("readers")
    folders = {pair: root / f"{pair[0]}-{pair[1]}" for pair in KINDS}
    return {pair: (folder, write_build(folder, *pair)) for pair, folder in folders.items()}


def stored(row, axes, kind):
    """Return the image of a row of `datasets`: a picture, or the bytes of its pixels."""
    if "image" in row:
        image = np.asarray(row["image"])
        return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return np.frombuffer(row["pixels"], kind).reshape(axes)


@pytest.mark.parametrize("pair", KINDS)
def test_hugging_face_opens_an_export(builds, tmp_path, monkeypatch, pair):
    """Image in RGB where PNG holds it, else ``pixels``; the channels as a list for each image."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    folder, images = builds[pair]
    out = export(folder, "parquet", tmp_path / "out").out
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    count = 0
    for part in loaded.values():
        is_picture = pair in ((3, "uint8"), (1, "uint8"))
        assert isinstance(part.features.get("image"), datasets.Image) == is_picture
        for row in part:
            image = images[row["row"]]
            assert stored(row, image.shape, pair[1]).tobytes() == image.tobytes()
            assert [one["channel"] for one in row["channels"]] == list(NAMES[: pair[0]])
            assert part.features["label"].int2str(row["label"]) == row["class"]
            count += 1
    assert count == len(images)


@pytest.mark.parametrize("pair", [(3, "uint8"), (5, "float32")])
def test_hugging_face_opens_a_build(builds, tmp_path, monkeypatch, pair):
    """By the header of its card, with every column of the stamps."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    folder, images = builds[pair]
    write_description(read_summary(folder))
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))["all_splits"]
    assert len(loaded) == len(images)
    for row in loaded:
        image = images[row["row"]]
        assert stored(row, image.shape, pair[1]).tobytes() == image.tobytes()
        assert len(row["channels"]) == pair[0]


@pytest.mark.parametrize("pair", KINDS)
def test_webdataset_decodes_the_samples(builds, tmp_path, pair):
    """PNG in RGB, or an array of shape (channels, ny, nx)."""
    webdataset = pytest.importorskip("webdataset", reason="needs the group readers")
    folder, images = builds[pair]
    out = export(folder, "webdataset", tmp_path / "out").out
    shards = sorted(str(path) for path in out.glob("*.tar"))
    decoder = "pill" if pair[0] == 1 else "pil"  # grey, or red, green and blue
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode(decoder))
    assert len(samples) == len(images)
    for sample in samples:
        image = images[sample["json"]["row"]]
        if "npy" in sample:
            assert (sample["npy"].shape, sample["npy"].dtype) == (image.shape, image.dtype)
            assert sample["npy"].tobytes() == image.tobytes()
            continue
        assert sample["png"].mode == ("RGB" if pair[0] == 3 else "L")
        pixels = np.asarray(sample["png"]).reshape(SIDE, SIDE, pair[0])
        np.testing.assert_array_equal(pixels.transpose(2, 0, 1), image)


@pytest.mark.parametrize("pair", KINDS)
def test_h5py_and_zarr_know_the_axes(builds, tmp_path, pair):
    """Names of axes and of channels, as h5py, xarray and others look for them."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    zarr = pytest.importorskip("zarr", reason="needs the group readers")
    folder, images = builds[pair]
    with h5py.File(export(folder, "hdf5", tmp_path / "h5").out / "several.h5") as file:
        assert file["images"][:].tobytes() == images.tobytes()
        assert [dim.label for dim in file["images"].dims] == ["sample", "channel", "y", "x"]
        assert list(file.attrs["channels"]) == list(NAMES[: pair[0]])
        assert file["images"].attrs["note"].startswith("n, channel, ny, nx")
    group = zarr.open_group(export(folder, "zarr", tmp_path / "z").out / "several.zarr", mode="r")
    assert group["images"][:].tobytes() == images.tobytes()
    assert group["images"].metadata.dimension_names == ("sample", "channel", "y", "x")
    assert group.attrs["channels"] == list(NAMES[: pair[0]])


def test_torchvision_reads_folders_of_rgb(builds, tmp_path):
    """ImageFolder gives the three channels; ToTensor and to_pil_image take our own items."""
    datasets = pytest.importorskip("torchvision.datasets", reason="needs torchvision")
    from torchvision.transforms.functional import to_pil_image, to_tensor

    from mingolotss import MingoLoTSS

    folder, images = builds[3, "uint8"]
    out = export(folder, "png", tmp_path / "out").out
    pictures = datasets.ImageFolder(out / "train", transform=to_tensor, allow_empty=True)
    ours = MingoLoTSS(folder, transform=to_tensor)
    rows = {name: row for row, name in enumerate(ours.filenames)}
    assert pictures.classes == [f"{label:02d} {name}" for label, name in enumerate(CLASSES)]
    for (path, _), (tensor, label) in zip(pictures.samples, pictures, strict=True):
        mine, own_label = ours[rows[path.rpartition("/")[2]]]
        assert tuple(tensor.shape) == (3, SIDE, SIDE)
        assert (label, bool((tensor == mine).all())) == (own_label, True)
    picture = to_pil_image(MingoLoTSS(folder, tensors=True)[0][0])
    np.testing.assert_array_equal(np.asarray(picture).transpose(2, 0, 1), images[0])
    for pair in ((2, "uint8"), (5, "float32")):
        folder, images = builds[pair]
        tensor, _ = MingoLoTSS(folder, transform=to_tensor)[0]
        unit = images[0] / np.float32(255) if pair[1] == "uint8" else images[0]
        np.testing.assert_array_equal(tensor.numpy(), unit)


def test_cifar_of_torchvision_reads_the_rows(builds, tmp_path):
    """The class for CIFAR-10 itself, with our names of files and its size of an image."""
    datasets = pytest.importorskip("torchvision.datasets", reason="needs torchvision")
    from mingolotss.dataset.layout import BatchFolder
    from mingolotss.formats.batches import existing_batches, read_batch

    folder, _ = builds[3, "uint8"]
    out = export(folder, "batches", tmp_path / "out").out / "mingo-batches-py"
    for path in existing_batches(BatchFolder(out)):
        content = datasets.cifar.pickle.loads(path.read_bytes(), encoding="latin1")
        rows = np.vstack([content["data"]]).reshape(-1, 3, SIDE, SIDE)
        np.testing.assert_array_equal(rows, np.asarray(read_batch(path).images))


@pytest.mark.parametrize("name", ["parquet", "hdf5", "zarr", "webdataset", "png", "batches"])
@pytest.mark.parametrize("pair", [(3, "uint8"), (5, "float32")])
def test_croissant_reads_the_records(builds, tmp_path, name, pair):
    """Mlcroissant finds no error, and gives every record and the images of Parquet."""
    if name == "png" and pair[1] == "float32":
        return
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    folder, images = builds[pair]
    out = export(folder, name, tmp_path / "out").out
    dataset = mlcroissant.Dataset(str(out / "croissant.json"))
    assert list(dataset.metadata.issues.errors) == []
    assert len(list(dataset.records("records"))) == len(images)
    if name == "parquet":
        assert len(list(dataset.records("images"))) == len(images)
        assert json.loads((out / "croissant.json").read_text())["name"]
