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
from mingolotss.io.png import decode_png, encode_png, write_pngs

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
