"""Tags and votes, read by the libraries that the formats are for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mingolotss
from mingolotss.catalogue.reading import read_catalogue
from mingolotss.pipeline.run import build
from mingolotss.publish.describe import write_description
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.load import load_recipe
from named_builds import make_recipe, write_mosaic
from vector_builds import CLASSES, N, build_vectors, make_tags, make_votes

pytestmark = pytest.mark.readers


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(1)
    return {"tags": make_tags(rng), "votes": make_votes(rng)}


@pytest.fixture(scope="module")
def builds(vectors, tmp_path_factory):
    root = tmp_path_factory.mktemp("readers")
    return {kind: build_vectors(root / kind, own) for kind, own in vectors.items()}


def multi_hot(tags):
    """Return the row of an image from its list of tags in `datasets`."""
    row = np.zeros(len(CLASSES), np.int8)
    row[tags or []] = 1
    return row if tags is not None else row - 1


def check_features(part, kind):
    """The columns have the types of `datasets`, with the names of the classes."""
    datasets = pytest.importorskip("datasets")
    feature = part.features[kind]
    if kind == "tags":
        assert isinstance(feature.feature, datasets.ClassLabel)
        assert feature.feature.names == list(CLASSES)
    else:
        assert feature.feature.dtype == "float64"


def check_rows(parts, kind, vectors):
    """Every image has its labels, by the row of the catalogue."""
    rows = [row for part in parts for row in part]
    assert len(rows) == N
    for row in rows:
        values = vectors.values[row["row"]]
        if kind == "tags":
            np.testing.assert_array_equal(multi_hot(row["tags"]), values)
            continue
        total = vectors.totals[row["row"]]
        votes = row["votes"] if row["votes"] is not None else [np.nan] * len(CLASSES)
        np.testing.assert_array_equal(votes, values)
        assert row["votes_total"] == (None if np.isnan(total) else total)


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_hugging_face_opens_an_export_and_a_build(builds, vectors, tmp_path, monkeypatch, kind):
    """By the metadata of an export in Parquet, and by the header of the card of a build."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    out = mingolotss.export(builds[kind], "parquet", tmp_path / "out").out
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    for part in loaded.values():
        check_features(part, kind)
    check_rows(loaded.values(), kind, vectors[kind])
    write_description(read_summary(builds[kind]))
    whole = datasets.load_dataset(str(builds[kind]), cache_dir=str(tmp_path / "build"))
    check_features(whole["all_splits"], kind)
    check_rows(whole.values(), kind, vectors[kind])
    torch = pytest.importorskip("torch")
    labelled = loaded["train"].filter(lambda row: row[kind] is not None)
    first = labelled.select_columns([kind]).with_format("torch")[0][kind]
    assert isinstance(first, torch.Tensor)


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_hugging_face_opens_png_files(builds, vectors, tmp_path, monkeypatch, kind):
    """The images with the lines of ``metadata.jsonl``."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    plan = None if kind == "tags" else "k-fold:folds=2,seed=1"
    out = mingolotss.export(builds[kind], "png", tmp_path / "out", split=plan).out
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == ({"train", "test"} if plan is None else {"fold_0", "fold_1"})
    images = mingolotss.load(builds[kind])
    row_of = {source: row for row, source in enumerate(images.sources)}
    count = 0
    for part in loaded.values():
        for row in part:
            place = row_of[row["source"]]
            np.testing.assert_array_equal(np.asarray(row["image"]), images.images[place])
            values = vectors[kind].values[place]
            if kind == "tags":
                tags = row["tags"]
                numbers = None if tags is None else [CLASSES.index(name) for name in tags]
                np.testing.assert_array_equal(multi_hot(numbers), values)
            elif row["votes"] is not None:
                assert row["votes"] == values.tolist()
            else:
                assert np.isnan(values).all()
            count += 1
    assert count == N


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_webdataset_decodes_the_labels(builds, vectors, tmp_path, kind):
    """As arrays, which its own batches stack."""
    webdataset = pytest.importorskip("webdataset", reason="needs the group readers")
    out = mingolotss.export(builds[kind], "webdataset", tmp_path / "out").out
    shards = sorted(str(path) for path in out.glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pill"))
    assert len(samples) == N
    labels = vectors[kind].single_labels(0.2)
    for sample in samples:
        row = sample["json"]["row"]
        values = vectors[kind].values[row]
        np.testing.assert_array_equal(sample[f"{kind}.npy"], values, strict=True)
        assert sample.get("cls") == (None if kind == "tags" else labels[row])
    dataset = webdataset.WebDataset(shards, shardshuffle=False).decode("pill")
    ((batch, _), *_) = dataset.to_tuple(f"{kind}.npy", "json").batched(N)
    assert batch.shape == (N, len(CLASSES))


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_h5py_and_zarr_have_the_arrays(builds, vectors, tmp_path, kind):
    """With the names of their columns in the attribute ``classes``."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    zarr = pytest.importorskip("zarr", reason="needs the group readers")
    expected = vectors[kind]
    with h5py.File(
        mingolotss.export(builds[kind], "hdf5", tmp_path / "h").out / "named.h5"
    ) as file:
        np.testing.assert_array_equal(file[kind][:], expected.values, strict=True)
        assert list(file.attrs["classes"]) == list(CLASSES)
        assert "classes" in file[kind].attrs["note"]
        if kind == "votes":
            np.testing.assert_array_equal(file["votes_total"][:], expected.totals)
    out = mingolotss.export(builds[kind], "zarr", tmp_path / "z").out
    group = zarr.open_group(out / "named.zarr", mode="r")
    np.testing.assert_array_equal(group[kind][:], expected.values, strict=True)
    if kind == "votes":
        np.testing.assert_array_equal(group["votes_total"][:], expected.totals)


def test_h5py_refuses_a_link_in_the_place_of_labels(builds, tmp_path):
    """Nothing outside the file is opened."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    out = mingolotss.export(builds["tags"], "hdf5", tmp_path / "h").out
    other = tmp_path / "other.h5"
    with h5py.File(out / "named.h5", "r+") as file, h5py.File(other, "w") as target:
        target["tags"] = file["tags"][:]
        del file["tags"]
        file["tags"] = h5py.ExternalLink(str(other), "/tags")
    with pytest.raises(mingolotss.errors.DatasetError, match="link"):
        mingolotss.load(out)


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_astropy_reads_the_cards(builds, vectors, tmp_path, kind):
    """``NTAGS`` and ``TAG1``..., or ``NVOTES`` and ``VOTE0``..."""
    fits = pytest.importorskip("astropy.io.fits")
    out = mingolotss.export(builds[kind], "fits", tmp_path / "out").out
    count = 0
    for path in out.glob("*/*.fits"):
        cards = fits.getheader(path)
        row = int(cards["OBJECT"][1:4])
        values = vectors[kind].values[row]
        if kind == "tags":
            tags = [cards[f"TAG{index + 1}"] for index in range(cards.get("NTAGS", 0))]
            np.testing.assert_array_equal(multi_hot(tags if "NTAGS" in cards else None), values)
        elif "VOTE0" in cards:
            assert [cards[f"VOTE{label}"] for label in range(len(CLASSES))] == values.tolist()
            total = vectors[kind].totals[row]
            assert cards.get("NVOTES", None) == (None if np.isnan(total) else total)
        else:
            assert np.isnan(values).all()
        count += 1
    assert count == N


@pytest.mark.parametrize("kind", ["tags", "votes"])
@pytest.mark.parametrize("name", ["parquet", "hdf5", "zarr", "webdataset", "png", "batches"])
def test_croissant_reads_the_records(builds, tmp_path, name, kind):
    """Mlcroissant finds no error, and gives every record."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    out = mingolotss.export(builds[kind], name, tmp_path / "out").out
    dataset = mlcroissant.Dataset(str(out / "croissant.json"))
    assert list(dataset.metadata.issues.errors) == []
    assert len(list(dataset.records("records"))) == N


def test_the_tags_of_horton_are_equal_everywhere(tmp_path, monkeypatch):
    """Rows of the table of Horton et al. 2025 as multi-hot in PyTorch, Keras and Hugging Face."""
    shared = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "data/horton2025/classifications.csv"
    if not path.is_file():
        pytest.skip(f"needs the table of Horton et al. 2025, which is not here: {path}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    torch = pytest.importorskip("torch")
    recipe = load_recipe("lotss-horton2025")
    catalogue = read_catalogue(path, recipe.catalogue.columns, recipe.rules).head(300)
    tags = dict(zip(catalogue.names, catalogue.vectors.values, strict=True))
    sky = write_mosaic(tmp_path / "mosaics" / "F+1-mosaic.fits", len(catalogue))
    placed = replace(catalogue, ra=sky.ra.deg, dec=sky.dec.deg)
    own = make_recipe(classes=recipe.to_dict()["classes"], formats=["parquet"])
    service = f"mosaics:{tmp_path / 'mosaics'}"
    built = build(own, out=tmp_path / "build", catalogue=placed, service=service).out
    out = mingolotss.export(built, "parquet", tmp_path / "out").out
    dataset = mingolotss.MingoLoTSS(out, split="all", tensors=True)
    expected = np.stack([tags[name] for name in dataset.sources]).astype(np.float32)
    batches = [targets for _, targets in torch.utils.data.DataLoader(dataset, 64)]
    np.testing.assert_array_equal(torch.cat(batches).numpy(), expected, strict=True)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    rows = {row["source"]: row["tags"] for part in loaded.values() for row in part}
    hot = np.zeros_like(expected)
    for place, name in enumerate(dataset.sources):
        hot[place, rows[name]] = 1
    np.testing.assert_array_equal(hot, expected)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="needs mingolotss[keras]")
    sequence = mingolotss.MingoSequence(out, "all", 64, shuffle=False)
    batches = [sequence[index][1] for index in range(len(sequence))]
    np.testing.assert_array_equal(np.concatenate(batches), expected, strict=True)
