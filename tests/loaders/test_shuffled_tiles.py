"""Each sample of a split is streamed once an epoch, whoever reads it, with its own pixels."""

from __future__ import annotations

import collections
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection_builds import KINDS, write_collection
from mingolotss.dataset.hats_catalogue import find_catalogue, is_hats
from mingolotss.dataset.image_stack import unit_range
from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
from torch.utils.data import DataLoader  # noqa: E402

from mingolotss.loaders.shuffled_tiles import ShuffledTiles  # noqa: E402


def in_small_tiles(folder, rows=7):
    """Write the Parquet files in a folder again, with groups of few rows; return the folder."""
    for path in folder.rglob("*.parquet"):
        if path.name != "manifest.parquet":
            pq.write_table(pq.read_table(path), path, row_group_size=rows)
    return folder


@pytest.fixture(scope="module", params=["hats", "parquet"])
def tiles(request, build, tmp_path_factory):
    """Give an export of 59 images whose files have tiles of 7 rows."""
    if request.param == "hats":
        pytest.importorskip("hats.io", reason="needs mingolotss[hats]")
    out = tmp_path_factory.mktemp(request.param) / "export"
    export(build, request.param, out)
    return in_small_tiles(out)


def samples(batches):
    """Count the samples of batches: name, pixels and label."""
    counted = collections.Counter()
    for images, labels, metadata in batches:
        assert len(images) == len(labels) == len(metadata["source"])
        for image, label, source in zip(images, labels, metadata["source"], strict=True):
            counted[source, image.numpy().tobytes(), label.item()] += 1
    return counted


def expected(root, split="all", **options):
    """Count the samples of a split as ``load`` reads them."""
    data = load(root, split, **options)
    images = data.images if data.channels else data.images[:, None]
    return collections.Counter(
        (source, image.tobytes(), int(label))
        for source, image, label in zip(data.sources, images, data.labels, strict=True)
    )


def stream(root, split="all", **options):
    """Open a dataset of uint8 with the names of its sources."""
    options = {"batch_size": 8, "tensors": torch.uint8, "return_metadata": ["source"]} | options
    return ShuffledTiles(root, split, **options)


@pytest.mark.parametrize("split", ["all", "train", "test", "not test"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_each_sample_of_a_split_once(tiles, split, shuffle):
    """The same names, pixels and labels as ``load`` has, in full batches but for the last."""
    dataset = stream(tiles, split, shuffle=shuffle, buffer=3)
    batches = list(dataset)
    assert samples(batches) == expected(tiles, split)
    assert [len(batch[1]) for batch in batches[:-1]] == [8] * (len(batches) - 1)
    assert len(dataset) == len(batches)
    assert dataset.samples == sum(expected(tiles, split).values())


@pytest.mark.parametrize(
    ("ranks", "workers", "batch"), [(1, 1, 8), (1, 3, 4), (3, 2, 5), (4, 5, 1)]
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_ranks_and_workers_share_the_samples(tiles, ranks, workers, batch, shuffle, monkeypatch):
    """None is read twice or by nobody, and the length is right for each rank."""
    total = collections.Counter()
    for rank in range(ranks):
        dataset = stream(tiles, batch_size=batch, shuffle=shuffle, rank=rank, ranks=ranks)
        batches = []
        for worker in range(workers):
            _be_worker(monkeypatch, worker, workers)
            batches += list(dataset)
        total += samples(batches)
        assert len(batches) == len(dataset)
    assert total == expected(tiles)


def _be_worker(monkeypatch, worker, workers):
    """Pretend to be one of the worker processes of a DataLoader."""
    info = torch.utils.data._utils.worker.WorkerInfo(
        id=worker, num_workers=workers, seed=0, dataset=None
    )
    monkeypatch.setattr(torch.utils.data._utils.worker, "_worker_info", info)


def test_the_rank_is_that_of_torch_distributed(tiles, monkeypatch):
    """Also in a worker process that is started by spawn, where it is not initialised."""
    dataset, before = stream(tiles), pickle.dumps(stream(tiles))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    total = collections.Counter()
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        for one in (dataset, pickle.loads(before)):
            assert samples(one) == samples(stream(tiles, rank=rank, ranks=2))
        in_worker = pickle.dumps(dataset)
        total += samples(dataset)
        with monkeypatch.context() as context:
            context.setattr(torch.distributed, "is_initialized", lambda: False)
            assert samples(pickle.loads(in_worker)) == samples(stream(tiles, rank=rank, ranks=2))
    assert total == expected(tiles)


def test_ranks_make_the_same_number_of_full_batches(tiles):
    """With drop_last."""
    for ranks, batch in ((2, 8), (3, 5), (4, 1)):
        datasets = [
            stream(tiles, batch_size=batch, drop_last=True, rank=rank, ranks=ranks)
            for rank in range(ranks)
        ]
        counts = [[len(labels) for _, labels, _ in dataset] for dataset in datasets]
        assert counts == [[batch] * (59 // batch // ranks)] * ranks
        assert {len(dataset) for dataset in datasets} == {59 // batch // ranks}
        total = sum((samples(dataset) for dataset in datasets), collections.Counter())
        assert total.total() == len(total)


def test_the_order_depends_on_seed_and_epoch_alone(tiles):
    """It is another in each epoch, and the same again after the same calls."""

    def order(dataset):
        return [name for _, _, metadata in dataset for name in metadata["source"]]

    dataset = stream(tiles)
    first = order(dataset)
    assert order(dataset) == first == order(stream(tiles))
    dataset.set_epoch(1)
    second = order(dataset)
    assert sorted(second) == sorted(first)
    assert second != first
    assert order(stream(tiles, seed=1)) not in (first, second)
    dataset.set_epoch(0)
    assert order(dataset) == first


def test_without_shuffling_the_order_is_that_of_the_files(tiles):
    """In a collection that of the sky, and in other files that of their names."""
    if is_hats(tiles):
        files = pq.read_table(find_catalogue(tiles).folder.dataset).sort_by("_healpix_29")
        names = files["source"].to_pylist()
    else:
        files = [pq.read_table(path) for path in sorted((tiles / "data").iterdir())]
        names = [name for table in files for name in table["source"].to_pylist()]
    batches = stream(tiles, shuffle=False)
    assert [name for _, _, metadata in batches for name in metadata["source"]] == names


def test_a_buffer_mixes_tiles(tiles):
    """A batch has samples of several tiles, and a buffer of one tile has them of one or two."""

    def tiles_in_batches(buffer):
        dataset = stream(tiles, buffer=buffer, batch_size=7)
        return np.mean([len(np.unique(rows.tile)) for rows in dataset._blocks()])

    assert tiles_in_batches(1) <= 2
    assert tiles_in_batches(6) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "persistent"), [("fork", True), ("fork", False), ("spawn", True)]
)
def test_worker_processes_of_every_kind(tiles, method, persistent):
    """Two workers give each sample once, in an order that follows set_epoch."""
    dataset = stream(tiles, buffer=2)
    loader = DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context=method,
        persistent_workers=persistent,
    )  # fmt: skip
    assert len(loader) == len(dataset) == 8
    orders = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        batches = list(loader)
        assert samples(batches) == expected(tiles)
        assert {type(one) for batch in batches for one in batch[:2]} == {torch.Tensor}
        orders.append([name for _, _, metadata in batches for name in metadata["source"]])
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.slow
def test_batches_in_order_for_any_number_of_workers(tiles):
    """Without shuffling, workers take the batches in turn."""
    dataset = stream(tiles, shuffle=False)
    alone = [batch[2]["source"] for batch in dataset]
    for workers in (1, 2):
        loader = DataLoader(dataset, batch_size=None, num_workers=workers)
        assert [batch[2]["source"] for batch in loader] == alone


def test_a_data_loader_makes_batches_of_single_samples(tiles):
    """As of any other dataset: images, targets and metadata are collated."""
    dataset = stream(tiles, batch_size=None)
    assert len(dataset) == 59
    image, label, metadata = next(iter(dataset))
    assert (image.shape, type(label), list(metadata)) == ((1, 150, 150), int, ["source"])
    batches = list(DataLoader(dataset, batch_size=16))
    assert samples(batches) == expected(tiles)
    assert [len(labels) for _, labels, _ in batches] == [16, 16, 16, 11]


def test_float_tensors_are_those_of_mingolotss(tiles):
    """From 0 to 1, to the bit."""
    images, _, metadata = next(iter(stream(tiles, tensors=True)))
    assert images.dtype == torch.float32
    assert images.shape == (8, 1, 150, 150)
    data = load(tiles)
    pixels = data.images[data.sources.index(metadata["source"][0])]
    assert np.array_equal(images[0, 0].numpy(), np.divide(pixels, np.float32(255)))


def test_merged_classes(tiles):
    """Samples of other classes are left out, and not counted."""
    groups = {"bent": ["FRI NAT", "FRI WAT"], "other": [4, "FRI"]}
    dataset = stream(tiles, merge=groups)
    assert dataset.classes == ["bent", "other"]
    assert samples(dataset) == expected(tiles, merge=groups)
    assert dataset.samples == len(load(tiles, merge=groups))


def test_targets_of_another_kind(tiles):
    """Single classes as rows with one 1."""
    dataset = stream(tiles, target="multi-hot", shuffle=False)
    rows = torch.cat([targets for _, targets, _ in dataset])
    names = [name for _, _, metadata in dataset for name in metadata["source"]]
    data = load(tiles, target="multi-hot")
    assert np.array_equal(rows.numpy(), data.targets[[data.sources.index(name) for name in names]])


def test_transforms_are_applied_to_each_sample(tiles):
    """An image and its target, with batches and without."""
    options = {
        "transform": lambda image: image[:, ::2] * 2,
        "target_transform": lambda label: -label,
    }
    plain = list(stream(tiles, shuffle=False))
    changed = list(stream(tiles, shuffle=False, **options))
    for (images, labels, _), (own, own_labels, _) in zip(plain, changed, strict=True):
        assert torch.equal(own, images[:, :, ::2] * 2)
        assert torch.equal(own_labels, -labels)
    image, label, _ = next(iter(stream(tiles, batch_size=None, shuffle=False, **options)))
    assert torch.equal(image, changed[0][0][0])
    assert label == changed[0][1][0]


def test_metadata_have_no_nulls(tiles):
    """All columns, as tensors and lists of text; the labels are those of the targets."""
    dataset = stream(tiles, return_metadata=True, merge={"a": [0, 4]})
    _, labels, metadata = next(iter(dataset))
    assert torch.equal(metadata["label"], labels)
    assert set(metadata["class"]) == {"a"}
    assert metadata["flux_mjy"].dtype == torch.float64
    assert metadata["decided_by"] == [""] * 8
    assert metadata["blank"].dtype == torch.bool


@pytest.fixture(scope="module")
def collection(request, tmp_path_factory):
    """Give a collection of each other kind of labels and images."""
    pytest.importorskip("hats.io", reason="needs mingolotss[hats]")
    return write_collection(request.param, tmp_path_factory.mktemp("kind"))


def _of_kinds(*kinds):
    """Mark a test as one of collections of these kinds; only that with masks is a quick one."""
    marks = {"masks": ()}
    return pytest.mark.parametrize(
        "collection",
        [pytest.param(kind, marks=marks.get(kind, pytest.mark.slow)) for kind in kinds],
        indirect=True,
    )


@_of_kinds(*[kind for kind in KINDS if kind != "classes"])
def test_targets_masks_and_channels_are_those_of_load(collection):
    """Each sample has all that ``load`` gives for its source, to the bit."""
    data = load(collection)
    has_masks = data.masks is not None
    dataset = ShuffledTiles(
        collection, "all", batch_size=4, buffer=2, masks=has_masks,
        return_metadata=["source", "label"],
    )  # fmt: skip
    assert (dataset.target, dataset.classes) == (
        load(collection).target or dataset.target, list(data.classes),
    )  # fmt: skip
    names = []
    for images, *masks, targets, metadata in dataset:
        rows = [data.sources.index(name) for name in metadata["source"]]
        stored = unit_range(data.images[rows])
        stored = stored if data.channels else stored[:, None]
        np.testing.assert_array_equal(images.numpy(), stored)
        np.testing.assert_array_equal(targets.numpy(), data.targets[rows])
        np.testing.assert_array_equal(metadata["label"].numpy(), data.labels[rows])
        assert len(masks) == has_masks
        for mask in masks:
            np.testing.assert_array_equal(mask.numpy(), data.masks[rows])
        names += metadata["source"]
    assert sorted(names) == sorted(data.sources)


@_of_kinds("three channels", "two channels", "float channels")
def test_some_channels_in_another_order(collection):
    """As ``load`` selects them."""
    channels = load(collection).channels[::-1][:2]
    data = load(collection, channels=channels)
    dataset = ShuffledTiles(collection, "all", channels=channels, shuffle=False, batch_size=None)
    images = np.stack([image.numpy() for image, _ in dataset])
    order = [data.sources.index(name) for name in _names(collection)]
    np.testing.assert_array_equal(images, unit_range(data.images[order]))
    assert dataset.channels == list(channels)


def _names(collection):
    """Return the names of the sources of a collection, in the order of its files."""
    return [
        name
        for path in find_catalogue(collection).files()
        for name in pq.read_table(path, columns=["source"])["source"].to_pylist()
    ]


@_of_kinds("tags", "votes")
def test_merged_tags_and_votes(collection):
    """As ``load`` merges them; all samples stay."""
    data = load(collection)
    groups = {"a": list(data.classes[:3]), "b": list(data.classes[3:])}
    merged = load(collection, merge=groups)
    dataset = ShuffledTiles(collection, "all", merge=groups, shuffle=False, batch_size=100)
    [(_, targets)] = dataset
    order = [merged.sources.index(name) for name in _names(collection)]
    np.testing.assert_array_equal(targets.numpy(), merged.targets[order])


def test_a_collection_in_an_object_store(tiles):
    """At an address of fsspec; the files are opened by the process that reads them."""
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath", reason="needs mingolotss[dask]")
    store = fsspec.filesystem("memory")
    try:
        store.put(str(tiles), "/tiles", recursive=True)
        assert samples(stream("memory://tiles", buffer=2)) == expected(tiles)
        with pytest.raises(DatasetError, match="memory://nothing: there is nothing there"):
            stream("memory://nothing")
    finally:
        store.rm("/tiles", recursive=True)


def test_a_build_is_streamed_too(build):
    """From its files of stamps; a rejected source has no image."""
    assert samples(stream(build)) == expected(build)


def test_a_pickle_is_small_and_reads_the_same(tiles):
    """It names files and counts of tiles."""
    dataset = stream(tiles)
    dataset.set_epoch(3)
    data = pickle.dumps(dataset)
    assert len(data) < 6000
    copied = pickle.loads(data)
    assert copied.epoch == 3
    assert [m["source"] for *_, m in copied] == [m["source"] for *_, m in dataset]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "no split 'dev'; it has train, test"),
        ({"split": True}, "split=True; give the name of a split"),
        ({"batch_size": 0}, "batch_size=0; give an integer from 1"),
        ({"batch_size": 2.5}, "batch_size=2.5; give an integer"),
        ({"buffer": 0}, "buffer=0"),
        ({"seed": -1}, "seed=-1"),
        ({"rank": 1}, "give both of them or none"),
        ({"rank": 2, "ranks": 2}, "they begin at 0"),
        ({"masks": True}, "its images have no masks"),
        ({"channels": ["a"]}, "its images have no channels"),
        ({"target": "soft-hot"}, "target='soft-hot'"),
        ({"merge": {"a": ["none"]}}, "no class 'none'"),
        ({"transforms": lambda image, mask: (image, mask)}, "give masks=True"),
        ({"tensors": False}, "give torch.float32 or torch.uint8"),
        ({"return_metadata": ["flux_mjj"]}, "did you mean 'flux_mjy'"),
    ],
)
def test_what_is_wrong_is_one_line(tiles, options, message):
    """It says what was found and what to give."""
    options = {"split": "all"} | options
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        ShuffledTiles(tiles, **options)
    assert "\n" not in str(caught.value)


def test_no_dataset_is_one_line(tmp_path):
    """An empty folder, a folder of another format, or nothing."""
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "no HATS collection"), ("none", "there is nothing there")):
        with pytest.raises(DatasetError, match=message):
            ShuffledTiles(tmp_path / name)


def test_a_damaged_tile_is_named(build, tmp_path):
    """A file that was cut, replaced, or whose image is broken, when it is read."""
    export(build, "parquet", tmp_path / "export")
    root = in_small_tiles(tmp_path / "export")
    path = next((root / "data").glob("train-*"))
    whole = path.read_bytes()
    table = pq.read_table(path)
    dataset = ShuffledTiles(root, "all")
    pq.write_table(table.slice(0, 20), path, row_group_size=7)
    with pytest.raises(DatasetError, match=r"train-.* it has changed since the dataset was opened"):
        list(dataset)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"read .*train-.*not a whole Parquet file"):
        list(dataset)
    images = table["image"].to_pylist()
    images[9]["bytes"] = images[9]["bytes"][:200]
    index = table.column_names.index("image")
    field = table.schema.field("image")
    table = table.set_column(index, field, pa.array(images, field.type))
    pq.write_table(table, path, row_group_size=7)
    with pytest.raises(DatasetError, match=r"row 2 in group 1 of .*train-.*a broken PNG") as caught:
        list(dataset)
    loader = DataLoader(dataset, batch_size=None, num_workers=1)
    with pytest.raises(DatasetError) as in_worker:
        list(loader)
    assert str(in_worker.value) == str(caught.value)
