"""Grey images that the compiled kernel makes float32, against a gather and a division by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compilers import needs_kernel
from mingolotss.dataset.image_stack import ImageStack, gather_unit_range, unit_range
from mingolotss.image import compiled_unit_range
from mingolotss.image.kernel_library import LANES, call_kernel

# Pixels: around the ends of vectors, and of the blocks of vectors in which a compiler unrolls.
SHAPES = ((), (0,), (1,), (3, 5), (4, 4), (17,), (63,), (2, 64), (5, 13), (3, 11, 12), (150, 150))


def by_numpy(pieces, rows) -> np.ndarray:
    """Return what a user would write: all images joined, some taken, and divided as float32."""
    return np.concatenate(pieces)[np.asarray(rows, int)].astype(np.float32) / np.float32(255)


def of_pieces(counts, shape, seed=0) -> list[np.ndarray]:
    """Return arrays of random images."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (count, *shape), np.uint8) for count in counts]


def bits(images: np.ndarray) -> tuple[object, ...]:
    """Return what has to be equal: every bit, and the shape."""
    assert images.dtype == np.float32
    return images.tobytes(), images.shape


@needs_kernel
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("start", range(3))
def test_every_grey_level_is_divided_to_the_last_bit(lanes, start):
    """In vectors of each width, whole ones and the rest, also where the bytes are not aligned."""
    levels = np.tile(np.arange(256, dtype=np.uint8), 2)[start:]
    result = np.full(levels.shape, np.nan, np.float32)
    assert compiled_unit_range.convert(levels, result, lanes=lanes)
    assert bits(result) == bits(levels / np.float32(255))


@needs_kernel
@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any),
    shape=st.sampled_from(SHAPES),
    picks=st.lists(st.integers(0, 2**32), max_size=9),
    lanes=st.sampled_from(LANES),
)
def test_images_of_any_pieces_are_gathered(seed, counts, shape, picks, lanes):
    """Of any number and shape, in any order and more than once; pieces may be empty."""
    pieces = of_pieces(counts, shape, seed)
    rows = [pick % sum(counts) for pick in picks]
    result = np.full((len(rows), *shape), np.nan, np.float32)
    assert compiled_unit_range.gather(pieces, rows, result, lanes=lanes)
    assert bits(result) == bits(by_numpy(pieces, rows))
    out = np.full((len(rows), *shape), np.nan, np.float32)
    if len(shape) > 1:
        gather_unit_range(ImageStack(pieces), rows, out)
        assert bits(out) == bits(result)


@pytest.mark.parametrize("with_kernel", [True, False])
@pytest.mark.parametrize("layout", ["arrays", "rows", "sliced", "reversed", "channels", "array"])
def test_batches_are_the_same_with_and_without_the_kernel(
    layout, with_kernel, use_library, tmp_path
):
    """Of images that the kernel reads, and of those that numpy gathers: views and channels."""
    if not with_kernel:
        use_library(tmp_path / "no-such-file.so")
    rows = [5, 0, 5, -1, 2]
    pieces = of_pieces((2, 5), (3, 20, 21))
    stack = {
        "arrays": lambda: ImageStack(pieces),
        "rows": lambda: ImageStack(pieces).select([6, 5, 4, 2, 1, 0]),
        "sliced": lambda: ImageStack([piece[..., ::2] for piece in pieces]),
        "reversed": lambda: ImageStack([piece[::-1] for piece in pieces]),
        "channels": lambda: ImageStack(pieces).select_channels([2, 0]),
        "array": lambda: pieces[1][1:, 0],
    }[layout]()
    chosen = [row for row in rows if row < len(stack)]
    out = np.full((len(chosen), *stack.shape[1:]), np.nan, np.float32)
    gather_unit_range(stack, chosen, out)
    assert bits(out) == bits(by_numpy([np.asarray(stack)], chosen))
    images = np.asarray(stack)
    assert bits(unit_range(images)) == bits(by_numpy([images], range(len(images))))
    with pytest.raises(IndexError):
        gather_unit_range(stack, [len(stack)], out[:1])


def test_a_mapped_file_is_read_where_it_is(tmp_path):
    """A memory map that cannot be written, and float32 images, which stay as they are."""
    (images,) = of_pieces((6,), (15, 15))
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    out = np.empty((3, 15, 15), np.float32)
    gather_unit_range(mapped, [4, 0, 4], out)
    assert bits(out) == bits(by_numpy([images], [4, 0, 4]))
    jansky = out * np.float32(3e-4)
    gather_unit_range(jansky, [1, 2, 0], out)
    assert bits(out) == bits(jansky[[1, 2, 0]])


@pytest.mark.parametrize(
    ("pieces", "out"),
    [
        ([np.zeros((4, 6), "u1")[:, ::2]], np.ones((2, 3), "f4")),
        ([np.zeros((4, 3), "u1"), np.zeros((3, 4), "u1").T], np.ones((2, 3), "f4")),
        ([np.zeros((4, 3), "i1")], np.ones((2, 3), "f4")),
        ([np.zeros((4, 3), "f4")], np.ones((2, 3), "f4")),
        ([[[1, 2, 3]] * 4], np.ones((2, 3), "f4")),
        ([np.zeros((4, 3), "u1")], np.ones((2, 3), "f8")),
        ([np.zeros((4, 3), "u1")], np.ones((2, 3), ">f4")),
        ([np.zeros((4, 3), "u1")], np.ones((2, 6), "f4")[:, ::2]),
        ([np.zeros((4, 3), "u1")], np.ones((3, 2), "f4").T),
        ([np.zeros((4, 3), "u1")], np.ones(25, "u1")[1:].view("f4").reshape(2, 3)),
        ([np.zeros((4, 3), "u1")], np.broadcast_to(np.ones(3, "f4"), (2, 3))),
    ],
)
def test_what_the_kernel_cannot_read_or_write_is_left_to_numpy(pieces, out):
    """Other types, byte orders and layouts, a result that is not aligned or not writable."""
    assert not compiled_unit_range.gather(pieces, [0, 1], out)
    assert not compiled_unit_range.convert(pieces[-1], out)
    assert out.all()


@needs_kernel
def test_what_is_not_there_is_refused():
    """Rows beyond the pieces, and results of another shape: nothing is read or written."""
    pieces, out = of_pieces((2, 3), (4,)), np.full((2, 4), np.nan, np.float32)
    for rows in ([0, 5], [-1, 0], [2**62, 0], [0, -(2**63)]):
        with pytest.raises(IndexError, match="of 5"):
            compiled_unit_range.gather(pieces, rows, out)
    for rows, wrong in (([0, 1], out[:, :3].copy()), ([0], out), ([0, 1, 2], out)):
        with pytest.raises(ValueError, match="into an array of"):
            compiled_unit_range.gather(pieces, rows, wrong)
    with pytest.raises(ValueError, match="into an array of"):
        compiled_unit_range.gather([*pieces, np.zeros((1, 5), np.uint8)], [0, 1], out)
    with pytest.raises(ValueError, match="into an array of"):
        compiled_unit_range.convert(pieces[1], out)
    assert np.isnan(out).all()


@needs_kernel
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": None}, "a pointer is null"),
        ({"result": None}, "a pointer is null"),
        ({"address": 0}, "a pointer is null"),
        ({"images": 1}, "not aligned"),
        ({"result": 2}, "not aligned"),
        ({"count": -1}, "images is out of range"),
        ({"size": -1}, "images is out of range"),
        ({"size": 8}, "no room"),
        ({"size": 2**62, "count": 4}, "no room"),
        ({"capacity": 13}, "no room"),
        ({"capacity": -1}, "no room"),
        ({"lanes": 2}, "number of lanes"),
        ({}, None),
        ({"count": 0}, None),
        ({"size": 0, "capacity": 0}, None),
    ],
)
def test_the_kernel_refuses_wrong_arguments(change, message):
    """Nothing is written then; the last cases are correct calls."""
    image, result = np.full(7, 255, np.uint8), np.zeros(14, np.float32)
    addresses = np.array([image.ctypes.data] * 2, np.int64)
    addresses[1] *= change.get("address", 1)
    values = {
        "images": addresses.ctypes.data, "count": 2, "size": 7, "result": result.ctypes.data,
        "capacity": 14, "lanes": 16,
    }  # fmt: skip
    for name, value in change.items():
        is_shift = name in {"images", "result"} and value is not None
        values[name] = values[name] + value if is_shift else value
    values.pop("address", None)
    if message is None:
        call_kernel("mingolotss_unit_range", *values.values())
        assert (result == (not change)).all()
        return
    with pytest.raises(RuntimeError, match=f"mingolotss_unit_range refused .*{message}"):
        call_kernel("mingolotss_unit_range", *values.values())
    assert not result.any()
