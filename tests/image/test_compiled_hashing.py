"""The hashes of many images by the compiled kernel, against hashlib."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compilers import needs_kernel
from mingolotss.image import compiled_hashing, kernel_library
from mingolotss.image.compiled_hashing import hash_images
from mingolotss.image.kernel_library import call_kernel

# Bytes: around the ends of a block of 64, where the length of the message takes another block.
SIZES = (0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 22_500)


def by_hashlib(images: np.ndarray) -> list[str]:
    """Return the hashes one by one."""
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


@needs_kernel
@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 35),
    size=st.sampled_from(SIZES) | st.integers(0, 300),
    lanes=st.sampled_from([None, 4, 8, 16]),
)
def test_hashes_are_those_of_hashlib(seed, count, size, lanes):
    """Of any number of images of any size, with vectors of each width."""
    images = np.random.default_rng(seed).integers(0, 256, (count, size), np.uint8)
    assert hash_images(images, lanes=lanes) == by_hashlib(images)


@pytest.mark.parametrize("shape", [(3, 20, 20), (17, 2, 20, 20), (0, 5, 5), (16, 0, 4)])
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4"])
def test_images_of_any_type_are_hashed_as_bytes(shape, dtype):
    """Two axes or three, in the byte order that they have."""
    images = np.random.default_rng(1).normal(0, 50, shape).astype("f4").astype(dtype)
    assert hash_images(images) == by_hashlib(images)


@pytest.mark.parametrize("widest", [1, 4, 8, 16])
@pytest.mark.parametrize("count", [1, 4, 8, 9, 13, 16, 24, 25, 33])
def test_the_kernel_hashes_whole_vectors(monkeypatch, widest, count):
    """Those left over are hashed by hashlib if they are few, as all are by short vectors."""
    monkeypatch.setattr(compiled_hashing, "widest_vector", lambda: widest)
    by_kernel = compiled_hashing._count_for_kernel(count)
    assert by_kernel in {0, count // widest * widest, count}
    if widest < 8:
        assert by_kernel == 0
    else:
        assert (by_kernel == count) == (count % widest == 0 or 2 * (count % widest) > widest)


def test_without_the_kernel_the_hashes_are_the_same(use_library, tmp_path):
    """To ask for vectors all the same is a bug, with a clear message."""
    use_library(tmp_path / "no-such-file.so")
    images = np.arange(16 * 100, dtype=np.uint8).reshape(16, 100)
    assert kernel_library.widest_vector() == 1
    assert hash_images(images) == by_hashlib(images)
    with pytest.raises(RuntimeError, match="compiled kernel not available"):
        hash_images(images, lanes=8)


@pytest.mark.parametrize(
    ("images", "lanes"),
    [(np.zeros((4, 6), "u1")[:, ::2], None), (np.zeros((4, 6), "u1").T, 8),
     (np.zeros((4, 6), "u1"), 5), (np.zeros((4, 6), "u1"), 0)],
)  # fmt: skip
def test_wrong_arguments_are_refused(images, lanes):
    """Images that are not bytes in a row, and vectors of another width."""
    with pytest.raises(ValueError, match="C order"):
        hash_images(images, lanes=lanes)


@needs_kernel
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": None}, "a pointer is null"),
        ({"digests": None}, "a pointer is null"),
        ({"count": -1}, "messages is out of range"),
        ({"size": -1}, "messages is out of range"),
        ({"size": 2**32 + 1}, "messages is out of range"),
        ({"capacity": 3}, "no room"),
        ({"lanes": 2}, "number of lanes"),
        ({}, None),
        ({"count": 0}, None),
    ],
)
def test_the_kernel_refuses_wrong_messages(change, message):
    """Nothing is written then; the last two cases are correct calls."""
    images, digests = np.ones((4, 70), np.uint8), np.zeros((4, 32), np.uint8)
    values = {
        "messages": images.ctypes.data, "count": 4, "size": 70, "digests": digests.ctypes.data,
        "capacity": 4, "lanes": 16,
    } | change  # fmt: skip
    if message is None:
        call_kernel("mingolotss_hash_images", *values.values())
        assert digests.all(axis=1).any() == (values["count"] > 0)
        return
    with pytest.raises(RuntimeError, match=f"mingolotss_hash_images refused .*{message}"):
        call_kernel("mingolotss_hash_images", *values.values())
    assert not digests.any()
