"""The dataset classes for PyTorch: the original's behaviour, tensors, workers, both formats."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.arrays import load
from readers_data import (
    CLASSES,
    IMAGES,
    LABELS,
    PUBLISHED,
    header,
    png,
    write_batches,
    write_stamps,
)

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
from torch.utils.data import ConcatDataset, DataLoader, Subset  # noqa: E402

from mingolotss.loaders.torch import MLFR, MingoLoTSS  # noqa: E402


def original_loading(root, names):
    """Load batches as the published Dataset class does: plain pickle, vstack, reshape."""
    data, targets = [], []
    for name in names:
        with (root / "mingo-batches-py" / name).open("rb") as file:
            entry = pickle.load(file, encoding="latin1")
        data.append(entry["data"])
        targets.extend(entry["labels"])
    return np.vstack(data).reshape(-1, 1, 150, 150).transpose((0, 2, 3, 1)), targets


@pytest.mark.parametrize(
    ("train", "names"), [(True, [f"data_batch_{n}" for n in range(1, 6)]), (False, ["test_batch"])]
)
def test_data_and_targets_are_those_of_the_original(root, train, names):
    """Same attributes, types, shapes, order."""
    dataset = MingoLoTSS(root, train=train)
    data, targets = original_loading(root, names)
    np.testing.assert_array_equal(dataset.data, data, strict=True)
    assert dataset.targets == targets
    assert {type(target) for target in dataset.targets} == {int}
    assert dataset.classes == list(CLASSES)
    assert dataset.class_to_idx == {name: label for label, name in enumerate(CLASSES)}


def test_an_item_is_a_grey_pil_image_and_an_int(root):
    """As in the original; from the end too; past the end is an IndexError, so loops end."""
    dataset = MingoLoTSS(root)
    image, target = dataset[7]
    assert (image.mode, image.size, target) == ("L", (150, 150), 7)
    np.testing.assert_array_equal(np.asarray(image), IMAGES[7])
    np.testing.assert_array_equal(np.asarray(dataset[-1][0]), IMAGES[49])
    with pytest.raises(IndexError):
        dataset[50]
    assert len(list(dataset)) == 50


def test_drawing_on_an_item_leaves_the_data_alone(root):
    """Items share memory with the file; Pillow copies before it writes."""
    dataset = MingoLoTSS(root)
    image, _ = dataset[0]
    image.putpixel((0, 0), 77)
    np.testing.assert_array_equal(np.asarray(dataset[0][0]), IMAGES[0])


def test_changes_of_data_are_seen_in_items(root):
    """The original's `data` is the truth; code that edits or replaces it keeps working."""
    for part in ("train", "test"):  # of several files, and of one
        dataset = MingoLoTSS(root, split=part)
        dataset.data[3] = 9
        assert np.asarray(dataset[3][0]).min() == 9
    np.testing.assert_array_equal(MingoLoTSS(root, train=False).data[3, ..., 0], IMAGES[53])
    dataset = MingoLoTSS(root)
    dataset.data[3] = 9
    assert np.asarray(dataset[3][0]).min() == 9
    dataset.data = dataset.data[:10]
    assert (len(dataset), dataset.data.shape) == (10, (10, 150, 150, 1))


def test_transforms_are_applied(root):
    """To image and target, one item or many."""
    dataset = MingoLoTSS(root, transform=np.asarray, target_transform=str)
    assert dataset[4][1] == "4"
    np.testing.assert_array_equal(dataset.__getitems__([4, 5])[1][0], IMAGES[5])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, True])
def test_tensors_without_pil(root, dtype):
    """float32 is what ToTensor gives: division by 255 in float32."""
    dataset = MingoLoTSS(root, tensors=dtype)
    image, target = dataset[11]
    expected = torch.from_numpy(IMAGES[11])[None]
    expected = expected if dtype is torch.uint8 else expected.to(torch.float32) / 255
    assert image.dtype == expected.dtype
    assert torch.equal(image, expected)
    assert (target, type(target)) == (1, int)


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_every_batch_of_a_pass_keeps_its_pixels(root, dtype, workers, shuffle):
    """In two passes, no batch shares memory with an earlier one, and none changes later."""
    dataset = MingoLoTSS(root, tensors=dtype, split="all")
    order = torch.randperm(60).tolist() if shuffle else list(range(60))
    loader = DataLoader(dataset, batch_size=7, sampler=order, num_workers=workers)
    batches = [batch for _ in range(2) for batch in loader]
    expected = torch.from_numpy(IMAGES)[:, None]
    expected = expected if dtype is torch.uint8 else expected.float() / 255
    rows = [order[start : start + 7] for start in range(0, 60, 7)] * 2
    for (images, labels), chosen in zip(batches, rows, strict=True):
        assert type(images) is torch.Tensor
        assert torch.equal(images, expected[chosen])
        assert labels.tolist() == [LABELS[row] for row in chosen]
    spans = sorted((images.data_ptr(), images.nbytes) for images, _ in batches)
    assert all(start + size <= after for (start, size), (after, _) in pairwise(spans))


def test_a_batch_is_collated_without_a_copy(root):
    """The default collate function returns the tensor that the images were fetched into."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    first = items[0][0].data_ptr()
    images, labels = torch.utils.data.default_collate(items)
    assert (images.data_ptr(), type(images), labels.tolist()) == (first, torch.Tensor, [4, 9, 2])


def test_stacked_images_have_memory_of_their_own(root):
    """A collate function may stack the images several times and change the results in place."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    images = [image for image, _ in items]
    expected = torch.from_numpy(IMAGES[[4, 9, 2]])[:, None].float() / 255
    for stacked in (torch.stack(images), torch.stack(images, 0), torch.stack(tuple(images))):
        assert type(stacked) is torch.Tensor
        assert torch.equal(stacked, expected)
        stacked.zero_()
    crosswise = torch.stack(images, 1, out=None)
    assert torch.equal(crosswise, expected.transpose(0, 1))


def test_a_batch_that_is_collated_twice_is_copied(root):
    """Two views of one batch, as some kinds of training need, are two tensors."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    (first, _), (second, _) = (torch.utils.data.default_collate(items) for _ in range(2))
    assert torch.equal(first, second)
    assert first.data_ptr() != second.data_ptr()
    assert type(second) is torch.Tensor


@pytest.mark.parametrize(
    "select",
    [
        lambda items: items[::-1],
        lambda items: items[:2],
        lambda items: items[1:],
        lambda items: [*items, items[0]],
        lambda items: [(image.flip(-1), label) for image, label in items],
        lambda items: [(image.max(1).values, label) for image, label in items],
        lambda items: [(image[:, :9], label) for image, label in items],
    ],
)
def test_part_of_a_batch_is_collated_as_usual(root, select):
    """Other images, another order or changed images: the result is that of plain tensors."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    plain = [(image.clone(), label) for image, label in items]
    images, labels = torch.utils.data.default_collate(select(items))
    expected, expected_labels = torch.utils.data.default_collate(select(plain))
    assert type(images) is torch.Tensor
    assert torch.equal(images, expected)
    assert torch.equal(labels, expected_labels)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_of_an_image_of_a_batch_is_a_plain_tensor(root, duplicate):
    """It knows nothing of the batch."""
    image, _ = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])[0]
    result = duplicate(image)
    assert type(result) is torch.Tensor
    assert torch.equal(result, image)


def test_samples_of_a_batch_are_a_list_of_tuples(root):
    """A collate function may sort, extend and pickle it; then it is collated as it is now."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    assert isinstance(items, list)
    sent = pickle.loads(pickle.dumps(items))
    assert [type(one) for one in (sent, *sent)] == [list, tuple, tuple, tuple]
    assert [label for _, label in sent] == [4, 9, 2]
    items.sort(key=lambda item: item[1])
    images, labels = torch.utils.data.default_collate(items)
    assert labels.tolist() == [2, 4, 9]
    assert torch.equal(images, torch.from_numpy(IMAGES[[2, 4, 9]])[:, None].float() / 255)


def test_samples_within_other_samples_are_collated_as_usual(root):
    """A user's dataset may give pairs of items of ours."""
    items = MingoLoTSS(root, tensors=True).__getitems__([4, 9, 2])
    (first, labels), (second, _) = torch.utils.data.default_collate(
        list(zip(items, items, strict=True))
    )
    assert torch.equal(first, second)
    assert first.data_ptr() != second.data_ptr()
    assert labels.tolist() == [4, 9, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_function_may_return_the_items(root, workers):
    """Also from a worker process."""
    loader = DataLoader(MingoLoTSS(root, tensors=True), 10, num_workers=workers, collate_fn=list)
    images = [image for items in loader for image, _ in items]
    assert torch.equal(torch.stack(images)[:, 0], torch.from_numpy(IMAGES[:50]).float() / 255)


def test_a_loop_over_a_tensor_dataset_ends(root):
    """Past the end is an IndexError, whether the images lie in one file or in several."""
    for split in ("train", "test"):
        dataset = MingoLoTSS(root, split=split, tensors=torch.uint8)
        with pytest.raises(IndexError):
            dataset[len(dataset)]
        np.testing.assert_array_equal(dataset[-1][0][0], IMAGES[49 if split == "train" else 59])


def test_a_loader_shuffles_and_subsets_and_joins(root):
    """Pairs stay pairs through a sampler, Subset and ConcatDataset."""
    dataset = MingoLoTSS(root, tensors=torch.uint8)
    joined = ConcatDataset([Subset(dataset, range(10, 30)), dataset])
    for images, labels in DataLoader(joined, batch_size=16, shuffle=True):
        for image, label in zip(images, labels, strict=True):
            same = np.flatnonzero((image.numpy() == IMAGES).all(axis=(1, 2)))
            assert [LABELS[index] for index in same] == [label]


def test_own_collate_sees_pairs(root):
    """A user's collate function gets a sequence of (tensor, int), and may pass on a part of it."""
    dataset = MingoLoTSS(root, tensors=True)
    seen = []

    def own(batch):
        seen.extend(target for _, target in batch)
        return torch.utils.data.default_collate(batch[:2])

    (images, labels), *_ = DataLoader(dataset, batch_size=5, collate_fn=own)
    assert (images.shape, labels.tolist(), seen[:5]) == ((2, 1, 150, 150), [0, 1], [0, 1, 2, 3, 4])


def test_torchvision_transforms_work(root):
    """Both kinds of v2 transforms, on PIL images and on tensors."""
    try:
        from torchvision.transforms import v2
    except (ImportError, RuntimeError) as reason:
        pytest.skip(f"needs a torchvision that fits this torch: {reason}")
    steps = [v2.ToImage(), v2.RandomHorizontalFlip(1.0), v2.ToDtype(torch.float32, scale=True)]
    image, _ = MingoLoTSS(root, transform=v2.Compose(steps))[4]
    expected = torch.from_numpy(IMAGES[4])[None].flip(-1).float() / 255
    torch.testing.assert_close(torch.Tensor(image), expected)  # v2 multiplies by 1 / 255
    flipped, _ = MingoLoTSS(root, tensors=torch.uint8, transform=steps[1]).__getitems__([4])[0]
    assert torch.equal(flipped, torch.from_numpy(IMAGES[4])[None].flip(-1))


@pytest.mark.slow
@pytest.mark.readers
def test_the_wrapper_of_torchvision_is_for_its_own_datasets(root):
    """As the docs say, it accepts no other class."""
    datasets = pytest.importorskip("torchvision.datasets")
    with pytest.raises(TypeError, match="VisionDataset"):
        datasets.wrap_dataset_for_transforms_v2(MingoLoTSS(root))


@pytest.mark.slow
def test_pickled_and_spawned(root):
    """A dataset travels to another process with all it is."""
    dataset = pickle.loads(pickle.dumps(MingoLoTSS(root, tensors=True)))
    assert torch.equal(dataset[3][0], MingoLoTSS(root, tensors=True)[3][0])
    loader = DataLoader(dataset, 25, num_workers=1, multiprocessing_context="spawn")
    assert [labels.tolist() for _, labels in loader] == [LABELS[:25], LABELS[25:50]]


def test_mlfr_is_fri_against_frii(root):
    """Classes 0, 1, 2 are FRI, 4 is FRII, the rest is out: the published list."""
    dataset = MLFR(root)
    labels = [label for label in LABELS[:50] if label in (0, 1, 2, 4)]
    assert dataset.targets == [int(label == 4) for label in labels]
    assert dataset.class_to_idx == {"FRI": 0, "FRII": 1}
    assert dataset.data.shape == (20, 150, 150, 1)
    np.testing.assert_array_equal(np.asarray(dataset[3][0]), IMAGES[4])


def test_mlfr_knows_its_classes(tmp_path):
    """Another dataset's labels 0, 1, 2 and 4 mean something else: refused, not mixed up."""
    write_batches(tmp_path, IMAGES, LABELS, [f"class {label}" for label in range(10)])
    with pytest.raises(
        InputError, match=r"with MLFR: no binary classes are known for these: class"
    ):
        MLFR(tmp_path)


def test_images_in_jansky(tmp_path):
    """float32 stamps come as mode F and as tensors without scaling; uint8 is refused."""
    flux = np.random.default_rng(0).normal(0, 1e-3, (4, 150, 150)).astype("<f4")
    path = write_stamps(tmp_path / "a.parquet", [b""] * 4, [0, 1, 2, 3])
    table = pq.read_table(path).drop_columns(["image"])
    pq.write_table(table.append_column("pixels", pa.array([one.tobytes() for one in flux])), path)
    image, _ = MingoLoTSS(path, split="all")[2]
    assert image.mode == "F"
    np.testing.assert_array_equal(np.asarray(image), flux[2])
    tensor, _ = MingoLoTSS(path, split="all", tensors=True)[3]
    np.testing.assert_array_equal(tensor[0].numpy(), flux[3])
    with pytest.raises(InputError, match="its images are float32"):
        MingoLoTSS(path, tensors=torch.uint8)


def test_merges_of_the_users_own(root):
    """By name or number, in the order given; an unknown or doubled class is one clear line."""
    dataset = MingoLoTSS(root, merge={"bent": ["FRI NAT", 2], "double": ["FRII"]})
    assert dataset.classes == ["bent", "double"]
    assert dataset.targets[:4] == [0, 0, 1, 0]
    with pytest.raises(InputError, match="no class 'FR3'; there are 0 FRI, 1 FRI NAT"):
        MingoLoTSS(root, merge={"x": ["FR3"]})
    with pytest.raises(InputError, match="'FRI' is in two groups"):
        MingoLoTSS(root, merge={"x": [0], "y": ["FRI"]})


def test_published_names(tmp_path, caplog):
    """The names of classes 1 and 2 are corrected with one warning, or left as published."""
    write_batches(tmp_path, IMAGES, LABELS, PUBLISHED)
    from mingolotss.dataset import published

    published._warn_of_names.cache_clear()
    assert MingoLoTSS(tmp_path).classes == list(CLASSES)
    assert MingoLoTSS(tmp_path).classes[1] == "FRI NAT"
    assert len([r for r in caplog.records if "are interchanged" in r.message]) == 1
    assert MingoLoTSS(tmp_path, published_names=True).classes == list(PUBLISHED)


def test_published_names_of_corrected_batches(root):
    """published_names=True gives the published names for batches of a build too."""
    assert MingoLoTSS(root, published_names=True).classes == list(PUBLISHED)


def test_repr_is_the_originals(root):
    """The facts that torchvision prints, and between them the items and the classes."""
    assert repr(MingoLoTSS(root, train=False)).splitlines() == [
        "Dataset MingoLoTSS",
        "    Number of datapoints: 10",
        "    Split: test",
        f"    Root Location: {root}",
        "    Items: (PIL image of 150 x 150 pixels, int)",
        "    Classes: FRI 1, FRI NAT 1, FRI WAT 1, FRI Small 1, FRII 1, FRII Small 1,",
        "        Double Double 1, Indeterminate 1, Indeterminate Small 1, Small 1",
        "    Transforms (if any): None",
        "    Target Transforms (if any): None",
    ]


def test_published_batches_as_they_are(tmp_path):
    """They hold numpy integers, lists of rows, and everyone's src_ids in each batch."""
    write_batches(tmp_path, IMAGES, LABELS, PUBLISHED)
    folder = tmp_path / "mingo-batches-py"
    everyone = np.array([f"ILTJ{index:06d}" for index in range(60)], object)
    for path in [*folder.glob("data_batch_*"), folder / "test_batch"]:
        entry = pickle.loads(path.read_bytes())
        entry["labels"] = list(np.array(entry["labels"], np.int64))
        entry["data"] = list(entry["data"])
        entry["src_ids"] = everyone
        path.write_bytes(pickle.dumps(entry))
    dataset = MingoLoTSS(tmp_path, split="all")
    np.testing.assert_array_equal(dataset.data[..., 0], IMAGES)
    assert dataset.targets == LABELS
    assert dataset.sources == everyone.tolist()


def test_stamps_of_a_build(tmp_path):
    """Parquet of PNGs gives the same as batches; PNGs of ours and Pillow's alike."""
    write_stamps(tmp_path / "stamps/part-00000.parquet", [png(i) for i in IMAGES[:9]], LABELS[:9])
    dataset = MingoLoTSS(tmp_path)
    np.testing.assert_array_equal(dataset.data[..., 0], IMAGES[:7])
    assert (dataset.targets, dataset.classes) == (LABELS[:7], list(CLASSES[:9]))
    assert len(MingoLoTSS(tmp_path, train=False)) == 2


def test_stamps_are_decoded_when_used(tmp_path):
    """A damaged image far away does not stop the opening, and is named when it is reached."""
    pngs = [png(image) for image in IMAGES[:6]]
    pngs[3] = pngs[3][:300]
    path = write_stamps(tmp_path / "a.parquet", pngs, LABELS[:6])
    dataset = pickle.loads(pickle.dumps(MingoLoTSS(path, split="all", tensors=torch.uint8)))
    for index in (5, 0, 5):
        np.testing.assert_array_equal(dataset[index][0][0].numpy(), IMAGES[index])
    with pytest.raises(DatasetError, match=r"ILTJ000003_P1\.png: a broken PNG"):
        dataset[3]


def test_unlabelled_stamps(tmp_path):
    """No label is -1, and the dataset still loads."""
    write_stamps(tmp_path / "a.parquet", [png(i) for i in IMAGES[:3]], [None] * 3)
    arrays = load(tmp_path / "a.parquet")
    assert (arrays.labels.tolist(), arrays.classes) == ([-1, -1, -1], ())


def test_plain_arrays(root):
    """load() gives arrays, whatever is underneath."""
    arrays = load(root, "all")
    assert type(arrays.images) is np.ndarray
    np.testing.assert_array_equal(arrays.images, IMAGES, strict=True)
    assert (arrays.labels.tolist(), arrays.labels.dtype) == (LABELS, np.int64)
    assert arrays.splits == ("train",) * 50 + ("test",) * 10
    assert load(root / "mingo-batches-py", "test").sources[0] == "ILTJ000050"


BAD = {
    "16-bit images": lambda path: Image.fromarray(IMAGES[0].astype(np.uint16)).save(path, "PNG"),
    "colour images": lambda path: Image.fromarray(IMAGES[0]).convert("RGB").save(path, "PNG"),
    "another size": lambda path: Image.fromarray(IMAGES[0][:99]).save(path, "PNG"),
    "a cut PNG": lambda path: path.write_bytes(png(IMAGES[0])[:900]),
    "no PNG": lambda path: path.write_bytes(b"GIF89a" + bytes(100)),
    "no bytes": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_a_parquet_with_wrong_images_is_one_line(tmp_path, spoil):
    """The line says which image of which file."""
    spoil(tmp_path / "x.png")
    pngs = [png(IMAGES[0]), (tmp_path / "x.png").read_bytes(), png(IMAGES[2]), png(IMAGES[3])]
    path = write_stamps(tmp_path / "stamps/part-00000.parquet", pngs, [0, 1, 2, 3])
    with pytest.raises(DatasetError, match=f"^read {path}, ILTJ000001_P1.png: ") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"image": ["a"] * 4}, "'image' should hold PNG bytes .* and is string"),
        ({"label": ["a"] * 4}, "'label' should hold integers and is string"),
        ({"label": [0, 1, 2, 12], "class": ["FRI"] * 4}, "labels from 0 to 12|read"),
    ],
)
def test_a_parquet_with_wrong_columns_is_one_line(tmp_path, extra, reason):
    """Types are checked before values."""
    path = write_stamps(tmp_path / "a.parquet", [png(IMAGES[0])] * 4, [0, 1, 2, 3], **extra)
    if extra.get("label") == [0, 1, 2, 12]:
        table = pq.read_table(path)
        named = table.replace_schema_metadata({"huggingface": header(list(CLASSES))})
        pq.write_table(named, path)
    with pytest.raises(DatasetError, match=reason):
        load(path)


def test_a_truncated_parquet_is_one_line(tmp_path):
    """As a download cut short leaves it."""
    path = write_stamps(tmp_path / "a.parquet", [png(IMAGES[0])] * 4, [0, 1, 2, 3])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="not a whole Parquet file"):
        load(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda entry: entry | {"labels": entry["labels"][:-1]}, "10 images and labels of shape"),
        (lambda entry: entry | {"labels": ["FRI"] * 10}, "labels of shape"),
        (lambda entry: entry | {"labels": [99] * 10}, "labels from 99 to 99 for 10 class names"),
        (lambda entry: entry | {"data": entry["data"][:, :-1]}, "one square image a row"),
        (lambda entry: entry | {"data": entry["data"].astype(float)}, "should be uint8"),
        (lambda entry: entry | {"data": [*entry["data"][:9], entry["data"][0][:4]]}, "rows of"),
        (list, "no dict with 'data'"),
    ],
)
def test_a_wrong_batch_is_one_line(tmp_path, spoil, reason):
    """A batch whose parts disagree is refused before anybody trains on it."""
    write_batches(tmp_path, IMAGES, LABELS)
    path = tmp_path / "mingo-batches-py/test_batch"
    path.write_bytes(pickle.dumps(spoil(pickle.loads(path.read_bytes()))))
    with pytest.raises(DatasetError, match=reason):
        load(tmp_path, "test")


def test_a_missing_batch_is_named(tmp_path):
    """And a folder without a dataset says what would help."""
    write_batches(tmp_path, IMAGES, LABELS)
    (tmp_path / "mingo-batches-py/test_batch").unlink()
    with pytest.raises(DatasetError, match="test_batch is missing"):
        MingoLoTSS(tmp_path, train=False)
    with pytest.raises(DatasetError, match="download=True"):
        MingoLoTSS(tmp_path / "elsewhere")


def test_an_unknown_split_is_the_users_mistake(tmp_path):
    """Splits other than train and test exist only where the dataset says so."""
    write_stamps(tmp_path / "a.parquet", [png(IMAGES[0])] * 4, [0, 1, 2, 3])
    with pytest.raises(InputError, match="no split 'val'"):
        load(tmp_path / "a.parquet", "val")


@pytest.mark.parametrize("tensors", ["float", torch.float64])
def test_other_tensors_are_refused(root, tensors):
    """Two kinds are on offer, and the error names them."""
    with pytest.raises(InputError, match=r"torch.float32 or torch.uint8"):
        MingoLoTSS(root, tensors=tensors)
