"""Memory of a batch is used again only when nothing refers to that batch any more."""

from __future__ import annotations

import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mingolotss.loaders.reused_memory import ReusedMemory
from readers_data import IMAGES

SHAPE, FLOAT = (16, 150, 150), np.dtype(np.float32)


def address(array) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "part",
    [
        lambda array: array,
        lambda array: array[3],
        lambda array: array[3:7][1:].T[:, ::2],
        lambda array: array.reshape(-1).view(np.uint8)[5:],
        memoryview,
        lambda array: np.broadcast_to(array[:1], array.shape),
        lambda array: array.flat,
        lambda array: pytest.importorskip("torch").from_numpy(array)[2:4].transpose(0, 1).numpy(),
        lambda array: pytest.importorskip("torch").from_numpy(array).unbind()[7],
    ],
)
def test_whatever_refers_to_an_array_keeps_its_memory(part):
    make = ReusedMemory()
    array = make(SHAPE, FLOAT)
    place, rest = address(array), part(array)
    del array
    others = [make(SHAPE, FLOAT) for _ in range(6)]
    assert place not in map(address, others)
    del others
    gc.collect()
    del rest
    assert address(make(SHAPE, FLOAT)) == place


def test_arrays_that_live_at_the_same_time_have_memory_of_their_own():
    make = ReusedMemory()
    for _ in range(3):
        arrays = [make((n, 150, 150), FLOAT) for n in (16, 9, 16, 3, 12, 1)]
        for number, array in enumerate(arrays):
            array[...] = number
        assert all((array == number).all() for number, array in enumerate(arrays))


def test_threads_never_get_the_same_memory():
    make = ReusedMemory()

    def use(number: int) -> bool:
        for _ in range(200):
            array = make((4, 150, 150), FLOAT)
            array[:, 0, 0] = number
            if not (array[:, 0, 0] == number).all():
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(4)))


def test_small_and_huge_arrays_are_not_kept():
    make = ReusedMemory()
    for shape in ((1, 8, 8), (1 << 16, 32, 32)):
        make(shape, FLOAT)
    assert not make._free


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_has_no_memory(duplicate):
    make = ReusedMemory()
    make(SHAPE, FLOAT)
    assert make._free
    assert not duplicate(make)._free


@pytest.mark.parametrize("keep", [lambda images: images, lambda images: images[3, :, 5:9]])
def test_batches_that_a_loop_keeps_do_not_change(root, keep):
    """Nor do parts of them, while the memory of the others is used again."""
    torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
    from mingolotss import MingoLoTSS

    dataset = MingoLoTSS(root, tensors=True, split="all")
    loader = torch.utils.data.DataLoader(dataset, batch_size=15)
    kept, places = [], set()
    for _ in range(3):
        for images, _ in loader:
            kept.append(keep(images))
            places.add(images.data_ptr())
    assert len(places) == 12
    expected = torch.from_numpy(IMAGES)[:, None].float() / 255
    for number, part in enumerate(kept):
        start = number % 4 * 15
        assert torch.equal(part, keep(expected[start : start + 15]))
    del kept
    places = {images.data_ptr() for _ in range(3) for images, _ in loader}
    assert len(places) < 4
