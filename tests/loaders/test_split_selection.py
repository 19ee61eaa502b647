"""Items, slices and selections, and the metadata that stays with the images."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export
from readers_data import IMAGES, LABELS, make_images, write_batches

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
from torch.utils.data import DataLoader, Subset  # noqa: E402

from mingolotss.loaders.torch import MLFR, MingoLoTSS  # noqa: E402


class WithIndex(MingoLoTSS):
    """A subclass whose items are triples."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, label, index


class Mirror:
    """A mixin whose items are other images."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image.flip(-1), label


class Mirrored(Mirror, MingoLoTSS):
    """Items of the mixin."""


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("dtype", [torch.uint8, True])
def test_a_subclass_decides_what_its_items_are(root, dtype, workers):
    """Also in batches of tensors, in workers, and through Subset."""
    dataset = WithIndex(root, tensors=dtype)
    for data in (dataset, Subset(dataset, range(50))):
        images, labels, indices = next(iter(DataLoader(data, 8, num_workers=workers)))
        assert (images.shape, indices.tolist()) == ((8, 1, 150, 150), list(range(8)))
        assert labels.tolist() == LABELS[:8]
    mirrored, _ = next(iter(DataLoader(Mirrored(root, tensors=dtype), 8, num_workers=workers)))
    plain, _ = next(iter(DataLoader(MingoLoTSS(root, tensors=dtype), 8)))
    assert torch.equal(mirrored, plain.flip(-1))


def test_a_subclass_without_items_of_its_own_reads_batches(root):
    """It has the fast path of the class."""
    items = type("Renamed", (MingoLoTSS,), {})(root, tensors=True).__getitems__([4, 9, 2])
    images, _ = torch.utils.data.default_collate(items)
    assert images.data_ptr() == items[0][0].data_ptr()


SLICES = [slice(3), slice(5, 9), slice(None, None, -1), slice(40, 99, 4), slice(-3, None)]


@pytest.mark.parametrize("part", SLICES, ids=str)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_slice_is_a_dataset(root, split, part):
    """With the images, labels, names and classes of its samples; numpy says which these are."""
    for dataset in (MingoLoTSS(root, split), MingoLoTSS(root, split, tensors=torch.uint8)):
        for again in (dataset[part], dataset[:][part]):
            assert type(again) is MingoLoTSS
            np.testing.assert_array_equal(again.data, np.array(dataset.data)[part])
            assert again.targets == dataset.targets[part]
            assert again.sources == again.table["source"].to_pylist() == dataset.sources[part]
            assert again.classes == dataset.classes
            if len(again):
                batch = DataLoader(again, 99, collate_fn=list)
                [images] = [[np.asarray(image).reshape(150, 150) for image, _ in b] for b in batch]
                np.testing.assert_array_equal(images, dataset.data[part][..., 0])


@pytest.mark.parametrize("part", SLICES, ids=str)
def test_a_slice_of_arrays_is_arrays(root, part):
    """The same rule holds for ``load``."""
    arrays = load(root)
    np.testing.assert_array_equal(arrays[part].images, IMAGES[part])
    assert arrays[part].labels.tolist() == LABELS[part]
    assert arrays[part].table["source"].to_pylist() == list(arrays.sources[part])


def test_items_of_arrays(root):
    """An image and an int; loops end."""
    arrays = load(root, "test")
    assert [label for _, label in arrays] == LABELS[50:]
    np.testing.assert_array_equal(arrays[-1][0], IMAGES[59])
    with pytest.raises(IndexError, match="index Arrays with 10: it has 10 samples"):
        arrays[10]


@pytest.mark.parametrize("index", [[1, 2], "a", 1.0, None, (0, 1), np.array([1, 2])])
def test_other_indices_are_one_line(root, index):
    """The line says what takes several indices."""
    for data in (MingoLoTSS(root), MingoLoTSS(root, tensors=True), load(root)):
        with pytest.raises(TypeError, match=r"give one index or a slice; take\(...\) selects"):
            data[index]


@pytest.mark.parametrize("index", [np.int64(4), torch.tensor(4), np.array(4)])
def test_integers_of_other_libraries_are_indices(root, index):
    assert MingoLoTSS(root)[index][1] == load(root)[index][1] == 4


@pytest.mark.parametrize(
    ("selection", "line"),
    [
        ([0.5], "give indices, or a boolean for each of the 50 samples"),
        ([True, False], "give indices, or a boolean"),
        ([[1, 2]], "give indices, or a boolean"),
        ([50], "indices from 50 to 50 of 50 samples"),
        (["a"], "give indices, or a boolean"),
    ],
)
def test_what_cannot_be_taken_is_one_line(root, selection, line):
    for data in (MingoLoTSS(root), load(root, "train")):
        with pytest.raises(InputError, match=line):
            data.take(selection)


def select_by_mask(dataset, mask):
    dataset.data = dataset.data[mask]
    dataset.targets = np.array(dataset.targets)[mask].tolist()


def select_targets_first(dataset, mask):
    dataset.targets = [t for t, chosen in zip(dataset.targets, mask, strict=True) if chosen]
    dataset.data = dataset.data[np.flatnonzero(mask)]


def select_by_two_masks(dataset, mask):
    everything, labels = dataset.data, np.array(dataset.targets)
    for other in (~mask, mask):  # from the same array twice
        dataset.data, dataset.targets = everything[other], labels[other]


def select_as_tensors(dataset, mask):
    rows = torch.from_numpy(np.flatnonzero(mask))
    dataset.data = torch.from_numpy(dataset.data)[rows].numpy()
    dataset.targets = torch.tensor(dataset.targets)[rows]


def select_image_by_image(dataset, mask):
    rows = np.flatnonzero(mask)
    dataset.data = np.stack([dataset.data[row] for row in rows])
    dataset.targets = [dataset.targets[row] for row in rows]


def select_by_functions(dataset, mask):
    dataset.data = np.compress(mask, np.take(dataset.data, np.arange(len(mask)), axis=0), axis=0)
    dataset.targets = np.delete(dataset.targets, np.flatnonzero(~mask)).tolist()


def select_and_change(dataset, mask):
    dataset.data = (255 - dataset.data[mask]).copy().astype(np.float32) / 255
    dataset.targets = np.array(dataset.targets)[mask]


SELECTIONS = [
    select_by_mask, select_targets_first, select_by_two_masks, select_as_tensors,
    select_image_by_image, select_by_functions, select_and_change,
]  # fmt: skip


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("kind", [MingoLoTSS, MLFR])
def test_metadata_follows_a_selection_of_data_and_targets(build, kind, select):
    """After each way in which users select samples, the table has the rows of the images."""
    dataset = kind(build)
    before, mask = dataset.table, np.array(dataset.targets) == 1
    select(dataset, mask)
    after = dataset.table
    assert 0 < len(after) == len(dataset) == mask.sum() < len(before)
    assert after.column_names == before.column_names
    assert after.equals(before.filter(pa.array(mask)))
    assert dataset.sources == after["source"].to_pylist()
    assert dataset.splits == ["train"] * len(after)


def test_metadata_follows_repeated_and_moved_samples(build):
    """Classes that are balanced by repetition, and samples in another order."""
    dataset = MingoLoTSS(build)
    names = np.array(dataset.sources)
    for rows in (np.r_[0:9, 0:9, 3], np.arange(len(dataset))[::-1], np.roll(np.arange(18), 5)):
        dataset = MingoLoTSS(build)
        dataset.data = np.concatenate([dataset.data[rows[:4]], dataset.data[rows[4:]]])
        dataset.targets = [dataset.targets[row] for row in rows]
        assert dataset.sources == names[rows].tolist()


def test_metadata_of_other_images_is_not_invented(root):
    """Images from elsewhere have no sources, and labels without images have no rows."""
    dataset = MingoLoTSS(root)
    dataset.data = dataset.data[:10]
    with pytest.raises(InputError, match="data has 10 images and targets has 50 labels"):
        _ = dataset.table
    other = MingoLoTSS(root, "test")
    dataset.data = other.data  # of as many images, of another dataset
    dataset.targets = other.targets
    assert len(dataset) == 10
    dataset.data = make_images(3, seed=5)
    for use in (lambda: dataset.table, lambda: dataset.sources, lambda: dataset.splits):
        with pytest.raises(InputError, match="replaced by images that are not in the dataset"):
            use()


def test_other_arrays_are_no_data(root):
    dataset = MingoLoTSS(root)
    with pytest.raises(InputError, match=r"of shape \(3, 150\); give images of shape"):
        dataset.data = np.zeros((3, 150), np.uint8)
    with pytest.raises(InputError, match="an array of int64; give uint8"):
        dataset.data = np.zeros((3, 150, 150), np.int64)


@pytest.mark.slow
def test_the_table_is_the_manifest(build, tmp_path):
    """Of a build, of its parts, and of an export in every format; without one, the names."""
    manifest = load(build).table.sort_by("source")
    assert {"ra", "dec", "field", "pixels_sha256"} <= set(manifest.column_names)
    places = [build / "stamps", build / "mingo-batches-py", build]
    for name in ("batches", "parquet", "png", "webdataset"):
        export(build, name, tmp_path / name)
        places.append(tmp_path / name)
    for place in places:
        assert load(place).table.sort_by("source").equals(manifest), place
    names = load(write_batches(tmp_path / "published", IMAGES, LABELS)).table
    assert names.column_names == ["source", "label", "class", "split", "image_file"]
    assert names["label"].to_pylist() == LABELS


@pytest.mark.parametrize("names", [["row"], ["source"], ["row", "source", "image_file", "status"]])
def test_a_manifest_without_a_column_still_gives_the_others(build, tmp_path, names):
    """One of another program; its columns are null where no row fits."""
    folder = tmp_path / "part"
    shutil.copytree(build / "mingo-batches-py", folder / "mingo-batches-py")
    manifest = pq.read_table(build / "manifest.parquet", columns=names)
    pq.write_table(manifest, folder / "manifest.parquet")
    arrays = load(folder)
    table = arrays.table
    assert table["source"].to_pylist() == list(arrays.sources)
    assert table["manifest_class"].null_count == len(arrays)
    if "row" in names:
        assert table["row"].null_count == (0 if "source" in names else len(arrays))


def test_a_damaged_manifest_is_one_line(build, tmp_path):
    """The images open; their metadata does not."""
    shutil.copytree(build / "mingo-batches-py", tmp_path / "mingo-batches-py")
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1" + bytes(99))
    dataset = MingoLoTSS(tmp_path)
    with pytest.raises(DatasetError, match=r"manifest\.parquet"):
        _ = dataset.table
    assert "datapoints" in repr(dataset)


def test_merged_classes_keep_those_of_the_manifest(build):
    """`label` and `class` are those of the items."""
    dataset = MLFR(build)
    table = dataset.table
    assert table["label"].to_pylist() == dataset.targets
    assert set(table["class"].to_pylist()) == {"FRI", "FRII"}
    assert "FRI NAT" in table["manifest_class"].to_pylist()
    table = MingoLoTSS(build).table
    assert table["manifest_class"].equals(table["class"])


@pytest.mark.parametrize("options", [{"tensors": True}, {"transform": np.array}])
def test_metadata_comes_with_the_items(build, options):
    """A dict that a DataLoader collates: no value is None."""
    dataset = MingoLoTSS(build, return_metadata=True, **options)
    _, label, metadata = dataset[4]
    table = dataset.table
    assert (metadata["source"], metadata["label"]) == (dataset.sources[4], label)
    _, labels, columns = next(iter(DataLoader(dataset, 7)))
    assert columns["source"] == dataset.sources[:7]
    assert torch.equal(columns["label"], labels)
    assert torch.equal(columns["ra"], torch.tensor(table["ra"].to_pylist()[:7], dtype=torch.double))
    assert set(columns) == set(table.column_names)
    select_by_mask(dataset, np.array(dataset.targets) == 1)
    assert dataset[0][2]["source"] == dataset.sources[0]


@pytest.mark.parametrize("reads_first", [False, True])
def test_metadata_has_the_present_label(build, reads_first):
    """Targets that are replaced or changed in place show in the metadata, whenever that is."""
    dataset = MingoLoTSS(build, return_metadata=True)
    if reads_first:
        _ = dataset[0]
    dataset.targets = [4] * len(dataset)
    dataset.targets[1] = -1
    (_, label, metadata), (_, _, unlabelled) = dataset[0], dataset[1]
    assert (label, metadata["label"], metadata["class"]) == (4, 4, dataset.classes[4])
    assert (unlabelled["label"], unlabelled["class"]) == (-1, "")
    for row, key in ((0, "label"), (0, "class")):
        assert dataset.table[key][row].as_py() == metadata[key]


def test_weights_are_for_the_loss(root):
    """Float32, as CrossEntropyLoss needs; the definition of scikit-learn's "balanced"."""
    dataset = MLFR(root)
    counts = np.bincount(dataset.targets)
    expected = torch.tensor(counts.sum() / (2 * counts), dtype=torch.float32)
    assert torch.equal(dataset.weights(), expected)
    assert dataset.counts() == dict(zip(["FRI", "FRII"], counts.tolist(), strict=True))
    torch.nn.CrossEntropyLoss(weight=dataset.weights())(torch.zeros(4, 2), torch.ones(4).long())
