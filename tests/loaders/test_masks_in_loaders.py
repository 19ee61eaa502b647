"""Masks in the classes for PyTorch and Keras: items, batches, joint transforms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mask_builds import SIDE, write_build, write_dataset
from mingolotss import MingoLoTSS, load
from mingolotss.errors import InputError
from mingolotss.publish.export import export

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A build with its images and masks."""
    folder = tmp_path_factory.mktemp("masked") / "build"
    return folder, *write_build(folder)


@pytest.fixture(scope="module", params=["build", "batches", "webdataset", "png"])
def opened(masked, request, tmp_path_factory):
    """The same dataset from its stamps and from exports."""
    folder, images, masks = masked
    if request.param != "build":
        out = tmp_path_factory.mktemp("exports") / request.param
        folder = export(folder, request.param, out).out
    return folder, images, masks


def row_of(name: str) -> int:
    return int(name[1:4])


def test_an_item_has_the_mask_of_its_image(opened):
    """As PIL images, and as tensors: values 0, 1 and 2, beside the image and the label."""
    folder, images, masks = opened
    pictures = MingoLoTSS(folder, split="all", masks=True)
    tensors = MingoLoTSS(folder, split="all", masks=True, tensors=True)
    assert "mode L" in repr(pictures)
    assert f"uint8 tensor of shape ({SIDE}, {SIDE})" in repr(tensors)
    for index, name in enumerate(pictures.sources):
        row = row_of(name)
        image, mask, label = pictures[index]
        assert (image.mode, mask.mode, label) == ("L", "L", row % 3)
        np.testing.assert_array_equal(np.asarray(image), images[row])
        np.testing.assert_array_equal(np.asarray(mask), masks[row])
        _, mask, label = tensors[index]
        assert (mask.dtype, mask.shape, label) == (torch.uint8, (SIDE, SIDE), row % 3)
        np.testing.assert_array_equal(mask.numpy(), masks[row])
    np.testing.assert_array_equal(pictures.masks, masks[[*map(row_of, pictures.sources)]])


def test_a_data_loader_collates_masks(opened):
    """Into one tensor of shape (n, ny, nx), in the order of the images."""
    check_batches(*opened, workers=0)


@pytest.mark.slow
def test_workers_open_the_masks_themselves(opened):
    """Processes that are started by spawn give the same batches."""
    check_batches(*opened, workers=1)


def check_batches(folder, images, masks, workers):
    dataset = MingoLoTSS(folder, masks=True, tensors=torch.uint8, return_metadata=True)
    context = "spawn" if workers else None
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=4, shuffle=True, num_workers=workers, multiprocessing_context=context
    )
    count = 0
    for batch, mask, label, metadata in loader:
        rows = [row_of(name) for name in metadata["source"]]
        assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (len(rows), SIDE, SIDE))
        np.testing.assert_array_equal(mask.numpy(), masks[rows])
        np.testing.assert_array_equal(batch[:, 0].numpy(), images[rows])
        assert label.tolist() == [row % 3 for row in rows]
        count += len(rows)
    assert count == len(dataset)


def test_a_mask_trains_with_the_loss_of_pytorch(masked):
    """CrossEntropyLoss takes the masks as int64, three classes of pixels."""
    loader = torch.utils.data.DataLoader(
        MingoLoTSS(masked[0], masks=True, tensors=True), batch_size=4
    )
    network = torch.nn.Conv2d(1, 3, 3, padding=1)
    images, masks, _ = next(iter(loader))
    loss = torch.nn.CrossEntropyLoss()(network(images), masks.long())
    loss.backward()
    assert torch.isfinite(network.weight.grad).all()


def test_masks_follow_a_selection_of_the_images(masked):
    """`take`, a slice, ``data = data[...]`` and merged classes keep each mask with its image."""
    folder, _, masks = masked
    dataset = MingoLoTSS(folder, split="all", masks=True, tensors=True)
    some = dataset.take([5, 2, 9])[1:]
    np.testing.assert_array_equal(some.masks, masks[[2, 9]])
    dataset.data = dataset.data[::-1]
    dataset.targets = dataset.targets[::-1]
    np.testing.assert_array_equal(dataset[0][1].numpy(), masks[-1])
    merged = MingoLoTSS(folder, split="all", masks=True, tensors=True, merge={"b": ["Bent"]})
    np.testing.assert_array_equal(merged.masks, masks[2::3])
    dataset.data = dataset.data[:, 1:-1, 1:-1]
    with pytest.raises(InputError, match=r"14 x 14 pixels, and the masks have 16 x 16; crop both"):
        dataset[0]


def test_a_pickled_dataset_names_the_files_of_its_masks(masked):
    """A worker opens them itself; the pickle has no pixels."""
    dataset = MingoLoTSS(masked[0], split="all", masks=True, tensors=True)
    data = pickle.dumps(dataset)
    assert len(data) < 10_000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.masks, masked[2])


def test_a_transform_of_both_is_applied_to_both(masked):
    """A function of the image and its mask; `transform` follows, and sees the image alone."""
    folder, images, masks = masked

    def flip(image, mask):
        return torch.flip(image, (-1,)), torch.flip(mask, (-1,))

    dataset = MingoLoTSS(
        folder, split="all", masks=True, tensors=torch.uint8, transforms=flip,
        transform=lambda image: image + 1, target_transform=str,
    )  # fmt: skip
    assert "Transforms of image and mask" in repr(dataset)
    image, mask, label = dataset[4]
    np.testing.assert_array_equal(image[0].numpy(), images[4][:, ::-1] + 1)
    np.testing.assert_array_equal(np.asarray(mask), masks[4][:, ::-1])
    assert label == "1"
    (batch,) = dataset.__getitems__([4])
    np.testing.assert_array_equal(np.asarray(batch[1]), masks[4][:, ::-1])


@pytest.mark.readers
@pytest.mark.parametrize("tensors", [False, True])
def test_transforms_of_torchvision_move_masks_with_their_images(masked, tensors):
    """Version 2: a mask is flipped, turned and cropped like its image, and keeps its values."""
    v2 = pytest.importorskip("torchvision.transforms.v2", reason="needs torchvision")
    from torchvision.tv_tensors import Mask

    folder, images, masks = masked
    steps = v2.Compose([
        v2.ToImage(), v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0),
        v2.RandomCrop(12), v2.ToDtype(torch.float32, scale=True),
    ])  # fmt: skip
    dataset = MingoLoTSS(folder, split="all", masks=True, tensors=tensors, transforms=steps)
    row = 5
    image, mask, _ = dataset[row]
    assert isinstance(mask, Mask)
    assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (12, 12))
    turned, flipped = images[row][::-1, ::-1], masks[row][::-1, ::-1]
    places = [
        (y, x)
        for y in range(5) for x in range(5)
        if np.allclose(image[0].numpy(), turned[y : y + 12, x : x + 12] / 255)
    ]  # fmt: skip
    ((y, x),) = places
    np.testing.assert_array_equal(mask.numpy(), flipped[y : y + 12, x : x + 12])
    spin = v2.Compose([v2.ToImage(), v2.RandomRotation((30, 30))])
    dataset = MingoLoTSS(folder, split="all", masks=True, tensors=tensors, transforms=spin)
    assert set(np.unique(dataset[row][1])) <= {0, 1, 2}
    loader = torch.utils.data.DataLoader(
        MingoLoTSS(folder, masks=True, tensors=tensors, transforms=steps), batch_size=4
    )
    batch, mask, _ = next(iter(loader))
    assert tuple(batch.shape) == (4, 1, 12, 12)
    assert tuple(mask.shape) == (4, 12, 12)


def test_masks_of_a_dataset_without_any_are_an_error(masked, tmp_path):
    """In one line that says what to do."""
    write_dataset(tmp_path / "plain", masked[1], None)
    assert MingoLoTSS(tmp_path / "plain").masks is None
    plain = load(tmp_path / "plain")
    assert plain.masks is None
    assert "this source" not in repr(plain)
    assert "1 this source" in repr(load(masked[0]))
    with pytest.raises(InputError, match=r"masks=True, and its images have no masks; build it"):
        MingoLoTSS(tmp_path / "plain", masks=True)
    with pytest.raises(InputError, match=r"transforms= is applied to an image and its mask"):
        MingoLoTSS(masked[0], transforms=lambda *pair: pair)
