"""Masks of a real build, read by the libraries that the formats are for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mask_sky import build_masked, write_masked_sky
from mingolotss import export, load

pytestmark = pytest.mark.readers


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build, and the mask of each of its sources."""
    folder = tmp_path_factory.mktemp("masked")
    build_masked(write_masked_sky(folder), folder / "build", formats=("parquet",))
    data = load(folder / "build")
    return folder / "build", dict(zip(data.sources, data.masks, strict=True))


@pytest.mark.parametrize("kind", ["export", "build"])
def test_hugging_face_reads_masks_as_images(built, tmp_path, monkeypatch, kind):
    """The column ``mask`` is an Image of mode L with the values 0, 1 and 2."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    folder, masks = built
    if kind == "export":
        folder = export(folder, "parquet", tmp_path / "out").out
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    names = set()
    for part in loaded.values():
        assert isinstance(part.features["mask"], datasets.Image)
        for row in part:
            assert row["mask"].mode == "L"
            assert row["mask"].size == row["image"].size
            np.testing.assert_array_equal(np.asarray(row["mask"]), masks[row["source"]])
            assert row["mask_pixels"] == np.count_nonzero(masks[row["source"]] == 1)
            names.add(row["source"])
    assert names == masks.keys()


def test_h5py_and_zarr_have_the_array(built, tmp_path):
    """``masks`` beside ``images``, with a note of the values."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    zarr = pytest.importorskip("zarr", reason="needs the group readers")
    folder, masks = built
    with h5py.File(export(folder, "hdf5", tmp_path / "h5").out / "masked.h5") as file:
        assert file["masks"].shape == file["images"].shape
        assert "1 this source" in file["masks"].attrs["note"]
        for name, mask in zip(file["source"].asstr()[:], file["masks"][:], strict=True):
            np.testing.assert_array_equal(mask, masks[name])
    group = zarr.open_group(export(folder, "zarr", tmp_path / "z").out / "masked.zarr", mode="r")
    for name, mask in zip(group.attrs["source"], group["masks"][:], strict=True):
        np.testing.assert_array_equal(mask, masks[name])


def test_webdataset_decodes_masks_beside_images(built, tmp_path):
    """``mask.png`` of each sample, in grey."""
    webdataset = pytest.importorskip("webdataset", reason="needs the group readers")
    folder, masks = built
    out = export(folder, "webdataset", tmp_path / "out").out
    shards = sorted(str(path) for path in out.glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pill"))
    assert len(samples) == len(masks)
    for sample in samples:
        np.testing.assert_array_equal(
            np.asarray(sample["mask.png"]), masks[sample["json"]["source"]]
        )
        assert sample["png"].size == sample["mask.png"].size


def test_pillow_reads_the_masks_of_png_folders(built, tmp_path):
    """Under the names of the images; ImageFolder of a split sees no mask."""
    datasets = pytest.importorskip("torchvision.datasets", reason="needs torchvision")
    folder, masks = built
    out = export(folder, "png", tmp_path / "out").out
    count = 0
    for split in ("train", "test"):
        pictures = datasets.ImageFolder(out / split, allow_empty=True)
        count += len(pictures)
        for path, _ in pictures.samples:
            name = path.rpartition("/")[2]
            with Image.open(out / "masks" / split / name) as mask:
                assert mask.mode == "L"
                np.testing.assert_array_equal(np.asarray(mask), masks[name.rpartition("_")[0]])
    assert count == len(masks)


@pytest.mark.parametrize("kind", ["export", "build"])
def test_mlcroissant_gives_the_masks(built, tmp_path, kind):
    """Without an error or a warning; each mask is an image."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    folder, masks = built
    if kind == "export":
        folder = export(folder, "parquet", tmp_path / "out").out
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert [*dataset.metadata.issues.errors, *dataset.metadata.issues.warnings] == []
    records = list(dataset.records("images"))
    assert len(records) == len(masks)
    for record in records:
        mask = masks[record["images/source"].decode()]
        np.testing.assert_array_equal(np.asarray(record["images/mask"]), mask)


def test_batches_are_pickles_with_masks(built, tmp_path):
    """A row for each image, as ``data`` has; plain unpickling needs no class of ours."""
    import pickle

    folder, masks = built
    out = export(folder, "batches", tmp_path / "out").out
    for path in sorted(out.glob("*/*_batch*")):
        content = pickle.loads(path.read_bytes(), encoding="latin1")
        assert content["masks"].shape == content["data"].shape
        for name, mask in zip(content["src_ids"], content["masks"], strict=True):
            np.testing.assert_array_equal(mask, masks[name].ravel())
