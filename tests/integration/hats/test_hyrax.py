"""Hyrax opens collections with its own classes and settings, and gives the pixels of `load`."""

from __future__ import annotations

import numpy as np
import pytest

import mingolotss
from hats_builds import NAME, make_collection
from hats_skies import edge_positions

torch = pytest.importorskip("torch", reason="needs the group hats")
lsdb = pytest.importorskip("lsdb", reason="needs the group hats")

pytestmark = [
    pytest.mark.readers,
    pytest.mark.filterwarnings("default"),  # those of Hyrax and its hundred packages
]


@pytest.fixture(scope="module", params=["uint8", "float32"])
def collection(request, tmp_path_factory):
    """Write a collection over the whole sky with the pixels as arrays."""
    folder = tmp_path_factory.mktemp("hyrax")
    ra, dec = edge_positions(range(8), 5)
    return make_collection(folder, ra, dec, partition_rows=5, arrays=True, kind=request.param)[0]


def prepare(hyrax, folder, monkeypatch, name, place, fields, **settings):
    """Open a dataset as a user of Hyrax does; return its provider of samples."""
    monkeypatch.chdir(folder)  # Hyrax writes its logs into the working directory
    session = hyrax.Hyrax()
    for key, value in settings.items():
        session.set_config(f"data_set.{name}.{key}", value)
    request = {
        "dataset_class": name, "data_location": str(place), "fields": fields,
        "primary_id_field": "object_id",
    }  # fmt: skip
    session.set_config("data_request", {"train": {"radio": request}})
    return session.prepare()["train"]


def expected(collection):
    """Return image and label of each name, from our reader."""
    data = mingolotss.load(collection)
    return dict(zip(data.sources, zip(data.images, data.labels, strict=True), strict=True))


def check(samples, collection):
    """Compare the samples of Hyrax with those of `load`."""
    images = expected(collection)
    names = []
    for index in range(len(samples)):
        sample = samples[index]
        name = str(sample["object_id"])
        image, label = images[name]
        np.testing.assert_array_equal(np.asarray(sample["radio"]["pixels"], image.dtype), image)
        np.testing.assert_array_equal(sample["radio"]["pixels"], image)
        assert sample["radio"]["label"] == label
        names.append(name)
    assert sorted(names) == sorted(images)


def test_the_class_for_hats(hyrax, collection, tmp_path, monkeypatch):
    """`HyraxHATSDataset` reads the collection through LSDB."""
    samples = prepare(
        hyrax, tmp_path, monkeypatch, "HyraxHATSDataset", collection, ["pixels", "label"]
    )
    check(samples, collection)


@pytest.mark.parametrize("streaming", [True, False])
def test_the_class_for_the_multimodal_universe(hyrax, collection, tmp_path, monkeypatch, streaming):
    """`MultimodalUniverseDataset` reads the partitions through Hugging Face `datasets`."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    place = collection / NAME / "dataset"
    samples = prepare(
        hyrax, tmp_path, monkeypatch, "MultimodalUniverseDataset", place, ["pixels", "label"],
        split="train", max_samples=1000, streaming=streaming,
    )  # fmt: skip
    check(samples, collection)


def test_a_loader_of_torch_makes_batches_of_the_samples(hyrax, collection, tmp_path, monkeypatch):
    """Hyrax collates the arrays into one array for each batch."""
    samples = prepare(
        hyrax, tmp_path, monkeypatch, "HyraxHATSDataset", collection, ["pixels", "label"]
    )
    loader = torch.utils.data.DataLoader(
        samples, batch_size=16, shuffle=True, collate_fn=samples.collate
    )
    images = expected(collection)
    seen = []
    for batch in loader:
        for name, pixels in zip(batch["object_id"], batch["radio"]["pixels"], strict=True):
            np.testing.assert_array_equal(pixels, images[str(name)][0])
            seen.append(str(name))
    assert sorted(seen) == sorted(images)
