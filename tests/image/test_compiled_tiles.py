"""The decoder of RICE agrees with a plain one for any bytes, and reads none beyond their end."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from compilers import needs_kernel
from mingolotss.image.compiled_tiles import (
    PROBLEMS,
    TILE,
    Method,
    RiceSettings,
    decode_tiles,
    random_numbers,
)

pytestmark = needs_kernel

SHORT, LONG, WRONG = (PROBLEMS[i] for i in (1, 2, 3))
RNG = np.random.default_rng(2)
NOISE = RNG.normal(0, 30, (7, 11))
SPIKES = np.where(RNG.random((7, 11)) < 0.2, 3e4, np.round(NOISE / 50))


class EndError(Exception):
    """The bits of a stream are over."""


class Bits:
    """The bits of a stream as text."""

    def __init__(self, stream):
        self.text, self.at = "".join(f"{byte:08b}" for byte in stream), 0

    def take(self, count):
        self.at += count
        if self.at > len(self.text):
            raise EndError
        return int(self.text[self.at - count : self.at] or "0", 2)

    def zeros(self):
        one = self.text.find("1", self.at)
        if one < 0:
            raise EndError
        zeros, self.at = one - self.at, one + 1
        return zeros


def plain_rice(stream, count, settings):
    """Return pixels and problem; FITS standard 4.0, section 10.4.1, bit by bit."""
    size = 8 * settings.pixel_bytes
    code_bits, raw = {8: (3, 7), 16: (4, 15), 32: (5, 26)}[size]
    bits, pixels = Bits(stream), []
    try:
        last = bits.take(size)
        while len(pixels) < count:
            code = bits.take(code_bits)
            if code > raw:
                return None, WRONG
            for _ in range(min(settings.block, count - len(pixels))):
                if code == raw:
                    value = bits.take(size)
                else:
                    value = code and (bits.zeros() << (code - 1)) + bits.take(code - 1)
                last += value // 2 if value % 2 == 0 else -(value // 2) - 1
                pixels.append(last % 2**size)
    except EndError:
        return None, SHORT
    problem = LONG if len(stream) > -(-bits.at // 8) else ""
    kind = {8: "u1", 16: "i2", 32: "i4"}[size]
    return np.array(pixels, f"u{size // 8}").view(kind).astype("i4"), problem


def decode(stream, shape, settings):
    """Return pixels and problem by the kernel; the stream is in memory of its own size."""
    results = []
    for lanes in (4, 16):  # with the instructions of any processor, and of this one
        tiles = np.zeros(1, TILE)
        tiles["length"], tiles["height"], tiles["width"] = len(stream), *shape
        plane = np.full(shape, -7, np.int32)
        heap = np.frombuffer(bytearray(stream), np.uint8)
        method = Method.INTEGERS
        decode_tiles(heap, tiles, plane, settings, method, has_blank=False, lanes=lanes)
        results.append((plane, PROBLEMS[tiles["problem"][0]]))
    (plane, problem), (same_plane, same_problem) = results
    assert problem == same_problem
    np.testing.assert_array_equal(plane, same_plane)
    return plane, problem


def stream_of(pixels):
    """Return a tile as astropy compresses it."""
    image = fits.CompImageHDU(pixels, compression_type="RICE_1", tile_shape=pixels.shape)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(stream)
    stream.seek(0)
    with fits.open(stream, disable_image_compression=True) as hdus:
        return hdus[1].data["COMPRESSED_DATA"][0].tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("pixels", [NOISE, SPIKES, np.zeros((7, 11)), NOISE * 1e7])
def test_streams_of_astropy_and_their_damages(pixels, dtype):
    """Its pixels come back; a stream that is too short or too long by a byte is refused."""
    limits = np.iinfo(dtype)
    pixels = pixels.clip(limits.min, limits.max).astype(dtype)
    stream, settings = stream_of(pixels), RiceSettings(pixels.itemsize, 32)
    decoded, problem = decode(stream, pixels.shape, settings)
    assert not problem
    np.testing.assert_array_equal(decoded, pixels)
    for length in range(len(stream)):
        plane, problem = decode(stream[:length], pixels.shape, settings)
        assert problem == SHORT
        assert (plane == -7).all()
    for end in (b"\0", b"\xff", bytes(100)):
        assert decode(stream + end, pixels.shape, settings)[1] == LONG


@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("pixel_bytes", [1, 2, 4])
def test_any_bytes(pixel_bytes, block):
    """The same pixels or the same problem as from the plain decoder."""
    settings, problems = RiceSettings(pixel_bytes, block), set()
    rng = np.random.default_rng([pixel_bytes, block])
    for length in [*range(12), *rng.integers(12, 400, 120).tolist()]:
        # Few ones give long runs, many ones give short codes.
        ones = rng.random((length, 8)) < rng.choice([0.02, 0.2, 0.5, 0.9])
        stream = np.packbits(ones).tobytes()
        for shape in ((1, 1), (3, 7), (6, 20)):
            expected, problem = plain_rice(stream, shape[0] * shape[1], settings)
            plane, own = decode(stream, shape, settings)
            assert own == problem
            problems.add(own)
            if not own:
                np.testing.assert_array_equal(plane.ravel(), expected)
    assert problems >= {SHORT, LONG} | ({WRONG} if pixel_bytes == 4 else set())


@pytest.mark.parametrize("pixel_bytes", [1, 2, 4])
def test_a_run_of_zeros_ends_with_its_stream(pixel_bytes):
    """The decoder of cfitsio looks for the next one until it has left its memory."""
    first = bytes(pixel_bytes) + b"\x20"  # a block of differences in unary
    for zeros in (0, 7, 100_000):
        assert decode(first + bytes(zeros), (4, 4), RiceSettings(pixel_bytes, 32))[1] == SHORT


def call(changes=(), type_="f4", method=Method.SUBTRACTIVE_DITHER_1, size=0, block=1, lanes=16):
    heap, tiles = np.zeros(400, np.uint8), np.zeros(1, TILE)
    tiles["length"], tiles["height"], tiles["width"] = 4 * 30, 5, 6
    for name, value in changes:
        tiles[name] = value
    plane = np.zeros((8, 9), type_)
    decode_tiles(
        heap, tiles, plane, RiceSettings(size, block), method, has_blank=False, lanes=lanes
    )
    return plane


OUTSIDE = "not in its heap, in the plane or in the workspace"
REFUSALS = [
    *(({"changes": [change]}, OUTSIDE) for change in [
        ("start", -1), ("start", 281), ("length", -1), ("length", 401), ("length", 2**62),
        ("row", -1), ("row", 4), ("column", -1), ("column", 4), ("height", 9), ("width", 10),
        ("seed", -1), ("seed", 10_000),
    ]),
    ({"changes": [("start", 2**62), ("length", 2**62)]}, OUTSIDE),
    *(({"type_": kind}, "number of a tiling") for kind in ("i4", "u1")),
    ({"method": Method.INTEGERS, "type_": "f4"}, "number of a tiling"),
    *(({"type_": kind}, "writes no plane of") for kind in ("f2", "i8", ">f4")),
    *(({"size": size}, "number of a tiling") for size in (-1, 3, 8)),
    *(({"block": block}, "number of a tiling") for block in (0, -32, 2**40)),
    ({"lanes": 5}, "number of lanes"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), REFUSALS)
def test_wrong_arguments_are_refused(wrong, message):
    """A correct call is not, so each refusal is of the one argument that it changes."""
    call(), call(type_="f8"), call(method=Method.INTEGERS, type_="i2")
    with pytest.raises((RuntimeError, ValueError), match=message):
        call(**wrong)


def test_the_random_numbers_are_those_of_the_standard():
    """Its check is the last one."""
    assert random_numbers()[-1] == np.float32(1043618065 / (2**31 - 1))
    assert random_numbers().dtype == np.float32
