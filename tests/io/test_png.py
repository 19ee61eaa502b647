"""A PNG can be read by every program, and is decoded to the pixels that were written."""

from __future__ import annotations

import io
import struct
import zlib

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from mingolotss.errors import DatasetError
from mingolotss.io.png import decode_png, decode_pngs, encode_png, write_pngs

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (150, 150), (151, 2)])
def test_a_png_is_read_by_everyone(shape, tmp_path):
    """Pillow, matplotlib and a plain reading of the standard see the same grey levels."""
    image = RNG.integers(0, 256, shape).astype(np.uint8)
    data = encode_png(image)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with Image.open(path) as opened:
        assert opened.mode == "L"
        np.testing.assert_array_equal(np.asarray(opened), image)
    shown = matplotlib.image.imread(path)
    np.testing.assert_array_equal(np.rint(shown * 255).astype(np.uint8), image)
    at = data.index(b"IDAT")
    length = struct.unpack(">I", data[at - 4 : at])[0]
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8)
    np.testing.assert_array_equal(rows.reshape(shape[0], shape[1] + 1)[:, 1:], image)
    np.testing.assert_array_equal(decode_png(data, "x.png"), image)


def _by_pillow(image, **options):
    """Return an image as Pillow writes it: with filters, and perhaps with further chunks."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", **options)
    return file.getvalue()


def _in_two_chunks(png):
    """Return a PNG whose rows are divided into two chunks IDAT."""
    at = png.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", png[at : at + 4])
    data = png[at + 8 : at + 8 + length]
    halves = data[: length // 3], data[length // 3 :]
    chunks = [
        struct.pack(">I", len(half))
        + b"IDAT"
        + half
        + struct.pack(">I", zlib.crc32(b"IDAT" + half))
        for half in halves
    ]
    return png[:at] + b"".join(chunks) + png[at + 12 + length :]


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("side", [1, 17, 64, 420])
def test_many_pngs_of_any_program_are_decoded_to_their_pixels(channels, side):
    """Ours, with filters, with further chunks, with rows in two chunks, at any level."""
    axes = () if channels is None else (channels,)
    images = RNG.integers(0, 256, (7, *axes, side, side + 2)).astype(np.uint8)
    images[2] = 0
    last = [image if image.ndim == 2 else np.squeeze(image.transpose(1, 2, 0)) for image in images]
    last = [image.reshape(side, side + 2, *([3] if channels == 3 else [])) for image in last]
    smooth = np.sort(last[4], axis=1)  # filters of this one are not zero
    images[4] = (
        smooth if channels is None else smooth.reshape(side, side + 2, -1).transpose(2, 0, 1)
    )
    pngs = [
        encode_png(images[0]),
        _by_pillow(last[1]),
        encode_png(images[2]),
        _by_pillow(last[3], dpi=(72, 72)),
        _by_pillow(smooth, compress_level=1),
        _in_two_chunks(encode_png(images[5])),
        encode_png(images[6]),
    ]
    names = [f"{index}.png" for index in range(7)]
    stack = decode_pngs(pngs, names, channels)
    np.testing.assert_array_equal(stack, images)
    assert stack.flags.c_contiguous
    assert stack.flags.writeable
    for png, name, image in zip(pngs, names, images, strict=True):
        np.testing.assert_array_equal(decode_png(png, name, channels), image)


def test_a_damaged_png_among_others_is_named():
    """The bytes of the rows are damaged, cut short, or not those of the header."""
    images = RNG.integers(0, 256, (3, 20, 20)).astype(np.uint8)
    pngs = [encode_png(image) for image in images]
    taller = encode_png(np.vstack([images[1], images[1]]))
    flipped = bytearray(pngs[1])
    flipped[-20] ^= 0xFF  # the checksum of the rows
    for bad in (
        pngs[1][:60] + pngs[1][61:],
        bytes(flipped),
        taller[:33] + pngs[1][33:],
    ):
        with pytest.raises(DatasetError, match=r"read b\.png") as caught:
            decode_pngs([pngs[0], bad, pngs[2]], ["a.png", "b.png", "c.png"])
        assert "\n" not in str(caught.value)


def test_a_png_of_a_view_and_again():
    """A slice with strides is written as it looks; the same image gives the same bytes."""
    image = RNG.integers(0, 256, (20, 20)).astype(np.uint8)
    for view in (image[::2, ::-1], image.T):
        np.testing.assert_array_equal(decode_png(encode_png(view), "x.png"), view)
    assert encode_png(image) == encode_png(image.copy())


def test_a_damaged_png_is_a_dataset_error():
    """Cut, colour, or no PNG at all: one line that names the file."""
    whole = encode_png(RNG.integers(0, 256, (30, 30)).astype(np.uint8))
    colour = io.BytesIO()
    Image.new("RGB", (3, 3)).save(colour, "PNG")
    for data in (b"", b"junk", whole[:40], whole[: len(whole) // 2], colour.getvalue()):
        with pytest.raises(DatasetError, match=r"x\.png") as caught:
            decode_png(data, "x.png")
        assert "\n" not in str(caught.value)


def test_pngs_go_to_their_names(tmp_path):
    """Each file has its name; a missing name is an error, not a lost image."""
    write_pngs(tmp_path, ["a.png", "b.png"], [b"1", b"2"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.png": b"1", "b.png": b"2",
    }  # fmt: skip
    with pytest.raises(ValueError, match="zip"):
        write_pngs(tmp_path, ["a.png"], [b"1", b"2"])


def chunk(kind, data):
    """Write one chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, side=8, filtered=1):
    """Write a PNG with other chunks before its pixels, in rows that need Pillow."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = (bytes([filtered]) + bytes(side)) * side
    body = b"".join((chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows))))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def second_header(side, depth=8, colour=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))


def decoded(data):
    """Return the pixels and "", or None and the message of the error."""
    try:
        return decode_png(data, "x.png"), ""
    except DatasetError as error:
        return None, str(error)


def compressed_zeros(megabytes):
    """Return zeros in zlib: one block that is repeated, which is faster than compressing them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", (megabytes << 20) % 65521, 1)  # Adler-32 of zeros
    return b"\x78\xda" + block * megabytes + packer.flush() + checksum


HOSTILE = {
    "a second header of 81 megapixels": png(second_header(9000)),
    "a second header of 900 megapixels": png(second_header(30_000)),
    "a second header in colour": png(second_header(8, 8, 2)),
    "a second header of 16 bits": png(second_header(8, 16)),
    "a second header that is short": png(chunk(b"IHDR", b"\0" * 5)),
    "a text of 300 MB": png(chunk(b"zTXt", b"a\0\0" + compressed_zeros(300))),
    "a profile that is none": png(chunk(b"iCCP", b"a")),
    "an animation without frames": png(chunk(b"acTL", b"\0" * 3)),
    "a size that is short": png(chunk(b"pHYs", b"\0")),
    "a chunk of 2 GB": png()[:-12] + b"\x7f\xff\xff\xffIDAT",
    "an unknown filter": png(filtered=9),
    "no pixels": png().replace(b"IDAT", b"IDAX"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_png_is_one_line_or_its_pixels(data):
    """Pillow reads PNGs of other programs; its exceptions and warnings are not the user's."""
    image, message = decoded(data)
    if image is None:
        assert message.startswith("read x.png: a broken PNG (")
        assert message.isprintable()
    else:
        assert image.shape == (8, 8)
        assert not image.any()


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"fdAT"])
def test_a_png_cut_short_in_any_chunk(kind):
    """Wherever it ends."""
    data = png(chunk(kind, b"\0" * 20))
    for end in range(33, len(data) - 12, 3):
        image, message = decoded(data[:end])
        assert message.isprintable()
        assert image is None or image.shape == (8, 8)
