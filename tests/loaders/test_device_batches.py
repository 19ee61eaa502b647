"""A dataset on a device: the pixels of the loader, and exact or interpolated changes of them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mingolotss.errors import InputError
from mingolotss.loaders.augmentation import Changes
from mingolotss.loaders.device import BatchOptions, DeviceBatches

torch = pytest.importorskip("torch")
ndimage = pytest.importorskip("scipy.ndimage")


def some_images(n: int = 12, side: int = 16) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, 1, side, side)).astype(np.uint8)


def batches_of(images: np.ndarray, masks: np.ndarray | None = None, **options) -> DeviceBatches:
    labels = torch.arange(len(images))
    given = None if masks is None else torch.from_numpy(masks)
    return DeviceBatches(torch.from_numpy(images), labels, given, BatchOptions(**options))


def test_without_changes_the_batches_are_those_of_a_dataloader(root):
    from mingolotss import MingoLoTSS

    dataset = MingoLoTSS(root, tensors=True)
    loader = torch.utils.data.DataLoader(dataset, batch_size=7)
    batches = dataset.to("cpu", batch_size=7, shuffle=False)
    assert len(batches) == len(loader)
    for (images, labels), (pixels, targets) in zip(loader, batches, strict=True):
        assert torch.equal(images, pixels)
        assert torch.equal(labels, targets)
    shuffled = dataset.to("cpu", batch_size=64, seed=1)
    first, second = (torch.cat([labels for _, labels in shuffled]) for _ in range(2))
    assert not torch.equal(first, second)
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(dataset.targets)
    shuffled.epoch = 0
    assert torch.equal(first, torch.cat([labels for _, labels in shuffled]))
    assert len(dataset.to("cpu", batch_size=64, drop_last=True)) == len(dataset) // 64


def test_quarter_turns_and_mirrors_are_exact_and_each_of_them_occurs():
    images = some_images(200, 5)
    masks = images[:, 0] % 3
    ((pixels, kept, labels),) = batches_of(
        images, masks, batch_size=200, shuffle=False, turns="quarter", mirror=True
    )
    kinds = set()
    for image, mask, label in zip(pixels.numpy() * 255, kept.numpy(), labels, strict=True):
        whole = images[label][0]
        changed = {
            (turn, is_mirrored): np.rot90(whole[:, ::-1] if is_mirrored else whole, turn)
            for turn in range(4)
            for is_mirrored in (False, True)
        }
        (kind,) = [kind for kind, one in changed.items() if np.allclose(one, image[0], atol=1e-4)]
        assert np.array_equal(mask, (changed[kind] % 3).astype(np.uint8))
        kinds.add(kind)
    assert len(kinds) == 8


def test_turns_and_shifts_are_those_of_scipy():
    images = some_images(20, 17)
    options = {"batch_size": 20, "shuffle": False, "turns": "any", "shift": 3.0, "mirror": True}
    batches = batches_of(images, **options)
    ((pixels, _),) = batches
    # The angles and shifts are drawn again in the same order.
    generator = torch.Generator()
    generator.manual_seed(int(np.random.SeedSequence([0, 0]).generate_state(1)[0]))
    is_mirrored = torch.rand(20, generator=generator) < 0.5
    angles = torch.rand(20, generator=generator).numpy() * 2 * np.pi
    shifts = (torch.rand(20, 2, generator=generator).numpy() * 2 - 1) * 3.0
    centre = np.array([8.0, 8.0])  # of a stamp of 17 pixels, y and x
    changes = zip(images, pixels, is_mirrored, angles, shifts, strict=True)
    for image, result, mirrored, angle, (right, down) in changes:
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])  # from the result to the image, y and x
        offset = centre - turn @ (centre + np.array([down, right]))
        expected = ndimage.affine_transform(
            image[0, :, :: -1 if mirrored else 1].astype(float),
            turn,
            offset,
            order=1,
            mode="grid-constant",
        )
        assert np.allclose(result[0].numpy() * 255, expected, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0; give 1 or more"),
        ({"turns": "half"}, "turns='half'; give"),
        ({"shift": -1.0}, "shift=-1.0; give"),
        ({"seed": -1}, "seed=-1; give"),
    ],
)
def test_options_out_of_range_are_one_line(options, message):
    with pytest.raises(InputError, match=message):
        BatchOptions(**options)


def test_transforms_are_not_left_out_in_silence(root):
    from mingolotss import MingoLoTSS

    with pytest.raises(InputError, match="transforms or metadata"):
        MingoLoTSS(root, transform=np.asarray).to("cpu")


@pytest.mark.parametrize("kind", ["grey", "colour", "jansky"])
@pytest.mark.parametrize(
    "options",
    [
        {"turns": "any", "mirror": True, "shift": 2.5},
        {"turns": "quarter", "mirror": True, "shift": 2.5},
        {"turns": "quarter", "mirror": True},
        {"shift": 1.0},
        {},
    ],
)
def test_threads_on_the_cpu_give_the_bits_of_whole_tensors(kind, options):
    """An accelerator changes a batch as a whole; the CPU changes each image, in any thread."""
    images = np.random.default_rng(3).integers(0, 256, (21, 3 if kind == "colour" else 1, 33, 33))
    images = images.astype(np.uint8)
    if kind == "jansky":
        images = images.astype(np.float32) * 1e-5
    masks = (images[:, 0] > images[:, 0].mean()).astype(np.uint8)
    batches = batches_of(images, masks, batch_size=21, **options)
    ((pixels, changed, labels),) = batches
    changes = drawn_again(21, options)
    own, own_masks = batches._on_accelerator(labels, changes)
    assert torch.equal(pixels, own)
    assert torch.equal(changed, own_masks)
    assert (pixels.dtype, changed.dtype) == (torch.float32, torch.uint8)


def drawn_again(n: int, options: dict) -> Changes:
    """Return the changes of the first batch of the first epoch, whose order is drawn first."""
    generator = torch.Generator()
    generator.manual_seed(int(np.random.SeedSequence([0, 0]).generate_state(1)[0]))
    torch.randperm(n, generator=generator)
    given = {"turns": "none", "mirror": False, "shift": 0.0} | options
    return Changes.draw(n, generator=generator, **given)


def test_quarter_turns_come_before_shifts():
    """Both are applied: a small shift of an image that is turned by 90 degrees."""
    images = np.zeros((40, 1, 21, 21), np.uint8)
    images[:, 0, 3, 10] = 255
    ((pixels, _),) = batches_of(images, batch_size=40, turns="quarter", shift=0.3)
    assert not (pixels * 255 == pixels.mul(255).round()).all()
    places = {divmod(int(image.argmax()), 21) for image in pixels}
    assert places == {(3, 10), (10, 3), (17, 10), (10, 17)}


def test_batches_that_are_kept_do_not_change():
    images = some_images(300, 48)
    batches = batches_of(images, batch_size=100, shuffle=False)
    kept = [pixels for _ in range(2) for pixels, _ in batches]
    expected = torch.from_numpy(images).float() / 255
    assert all(torch.equal(part, expected[(n % 3) * 100 :][:100]) for n, part in enumerate(kept))


def test_no_thread_is_left_after_a_loop_that_ends_early():
    before = set(threading.enumerate())
    iterator = iter(batches_of(some_images(), batch_size=4, turns="any"))
    next(iterator)
    assert set(threading.enumerate()) > before
    iterator.close()
    assert set(threading.enumerate()) == before
