"""Decoders that may end the process are run in another one, with the same pixels as astropy's."""

from __future__ import annotations

import gzip
import io
import os
import random
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.errors import ImageError
from mingolotss.io import tile_decoder
from mingolotss.io.fits import read_image
from mingolotss.io.fits_compressed import CompressedImage
from mingolotss.io.fits_layout import find_image
from mingolotss.io.tile_server import error_of_exit
from mingolotss.sky.wcs import simple_header

SHAPE = (40, 50)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(1).normal(0, 40, SHAPE)


def packed(data, kind, **options):
    stream = io.BytesIO()
    image = fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


KINDS = {
    "HCOMPRESS of int16": packed(PIXELS.astype("i2"), "HCOMPRESS_1"),
    "HCOMPRESS of floats": packed(PIXELS.astype("f4"), "HCOMPRESS_1"),
    "PLIO": packed(np.abs(PIXELS).astype("i2"), "PLIO_1"),
}


def is_isolated(raw):
    return CompressedImage(raw, find_image(raw), "x")._is_isolated


def card(raw, key, value):
    """Set the value of a card in the header of the table, or insert it before END."""
    at = raw.find(key.ljust(8) + b"=", 2880)
    at = at if at >= 0 else raw.index(b"END".ljust(80), 2880) - 80
    return raw[:at] + (key.ljust(8) + b"= " + value.rjust(20)).ljust(80) + raw[at + 80 :]


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_astropy(kind):
    raw = KINDS[kind]
    assert is_isolated(raw)
    with fits.open(io.BytesIO(raw)) as hdus:
        expected = hdus[1].data
    np.testing.assert_array_equal(read_image(raw, path="x").data, expected)
    part = CompressedImage(raw, find_image(raw), "x").box(3, 30, 7, 40)
    np.testing.assert_array_equal(part, expected[3:30, 7:40])


def test_usual_files_are_decoded_in_this_process():
    assert not is_isolated(packed(PIXELS.astype("f4"), "RICE_1"))
    assert not is_isolated(packed(PIXELS.astype("i2"), "RICE_1"))
    assert not is_isolated(packed(PIXELS.astype("f4"), "GZIP_2", quantize_level=0))


def damaged(raw, seed):
    rng, data = random.Random(seed), bytearray(raw)  # noqa: S311
    start = find_image(raw).offset
    for _ in range(rng.choice([1, 1, 3])):
        data[rng.randrange(start, len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_tiles_are_an_error_of_their_image_alone(kind):
    """The whole ones between them have their pixels: no decoder leaves anything behind."""
    expected = read_image(KINDS[kind], path="x").data
    errors = []
    for seed in [*range(40), 120, 172]:
        try:
            read_image(damaged(KINDS[kind], seed), path="x.fits.fz")
        except ImageError as error:
            errors.append(str(error))
        if not seed % 20:
            np.testing.assert_array_equal(read_image(KINDS[kind], path="x").data, expected)
    assert all(error.startswith("read x.fits.fz: ") and "\n" not in error for error in errors)


BAD_RICE = {
    "BYTEPIX below zero": card(packed(PIXELS.astype("i4"), "RICE_1"), b"ZVAL2", b"-1"),
    "BYTEPIX of 3": card(packed(PIXELS.astype("i4"), "RICE_1"), b"ZVAL2", b"3"),
    "BLOCKSIZE of 0": card(packed(PIXELS.astype("i4"), "RICE_1"), b"ZVAL1", b"0"),
    "BLOCKSIZE below zero": card(packed(PIXELS.astype("f4"), "RICE_1"), b"ZVAL1", b"-9"),
    "HCOMPRESS in name": card(packed(PIXELS.astype("i4"), "RICE_1"), b"ZCMPTYPE", b"'HCOMPRESS_1'"),
}


def test_tiles_of_rice_under_the_name_of_plio_are_refused():
    raw = card(packed(PIXELS.astype("i2"), "RICE_1"), b"ZCMPTYPE", b"'PLIO_1'")
    with pytest.raises(ImageError, match=r"tile 1: a list of \d+ words"):
        read_image(raw, path="x")


ABSURD = {
    "length": [(b"ZNAXIS1", b"9" * 60)],
    "tile": [(b"ZTILE1", b"9" * 60)],
    "tile of one number": [(b"ZTILE1", b"9" * 60), (b"ZTILE2", b"9" * 60), (b"NAXIS2", b"1")],
    "tile below zero": [(b"ZTILE1", b"-1")],
    "rows": [(b"NAXIS2", b"9" * 60)],
    "heap": [(b"PCOUNT", b"9" * 60)],
    "heap below zero": [(b"PCOUNT", b"-5")],
    "offset of the heap": [(b"THEAP", b"99999999")],
    "offset of the heap below zero": [(b"THEAP", b"-99")],
    "descriptors": [(b"TFORM1", b"'1QB(9)'")],
    "axes": [(b"ZNAXIS", b"900")],
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_lengths_are_refused(kind):
    raw = packed(PIXELS.astype("i2"), "RICE_1")
    for key, value in ABSURD[kind]:
        raw = card(raw, key, value)
    with pytest.raises(ImageError):
        read_image(raw, path="x")


@pytest.mark.parametrize("kind", BAD_RICE)
def test_settings_that_astropy_does_not_check_end_no_process(kind):
    """Some have pixels all the same; none ends this process."""
    assert is_isolated(BAD_RICE[kind])
    with suppress(ImageError):
        read_image(BAD_RICE[kind], path="x")


@pytest.mark.parametrize(
    ("code", "text"),
    [(-signal.SIGABRT, "ended with SIGABRT"), (3, "exit code 3"), (-signal.SIGXCPU, "than 8 s to")],
)
def test_the_end_of_a_decoder_is_in_the_message(code, text):
    assert text in error_of_exit("x", code)["text"]


def gzip_bomb(column):
    """Return an image with one tile that unpacks to 3 GB."""
    tile = np.frombuffer(gzip.compress(bytes(1 << 20)) * 3000, "u1")
    if column == "COMPRESSED_DATA":
        raw = packed(PIXELS.astype("f4"), "GZIP_1", quantize_level=0, tile_shape=SHAPE)
    else:  # floats without noise, which are not quantised
        raw = packed(np.ones(SHAPE, "f4"), "RICE_1", tile_shape=SHAPE)
    with fits.open(io.BytesIO(raw), disable_image_compression=True) as hdus:
        header, data = hdus[1].header, hdus[1].data
        columns = [
            fits.Column(c.name, f"1QB({len(tile)})", array=np.array([tile], object))
            if c.name == column
            else fits.Column(c.name, c.format, array=data[c.name])
            for c in hdus[1].columns
        ]
        table = fits.BinTableHDU.from_columns(columns)
        for key in header:
            if key.startswith("Z") or key not in table.header:
                table.header[key] = header[key]
        stream = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("column", ["COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"])
def test_a_tile_that_unpacks_to_gigabytes_is_refused(column):
    raw = gzip_bomb(column)
    assert len(raw) < 5e6
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ImageError, match="damaged"):
        read_image(raw, path="x")
    assert time.monotonic() - began < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


@pytest.mark.slow
def test_rectangles_of_two_images_in_turn():
    """The helper has one image at a time, and is sent another when it is needed."""
    images = [CompressedImage(KINDS[kind], find_image(KINDS[kind]), "x") for kind in KINDS] * 3
    expected = [read_image(KINDS[kind], path="x").data for kind in KINDS] * 3
    for image, whole in zip(images, expected, strict=True):
        for x0 in (0, 10):
            np.testing.assert_array_equal(image.box(5, 20, x0, 30), whole[5:20, x0:30])


@pytest.mark.slow
def test_threads_and_a_helper_that_was_killed():
    """Requests wait for each other; a helper that ended is started again."""
    expected = read_image(KINDS["PLIO"], path="x").data
    tile_decoder._HELPER._process.kill()
    tile_decoder._HELPER._process.wait()
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda _: read_image(KINDS["PLIO"], path="x").data, range(40)))
    assert all(np.array_equal(image, expected) for image in images)


_IMPORTED_WHILE_DECODING = """
import sys
from mingolotss.io.fits_compressed import CompressedImage, load_decoders
from mingolotss.io.fits_layout import find_image
from mingolotss.io.tile_server import serve
load_decoders()
before = set(sys.modules)
raw = sys.stdin.buffer.read()
CompressedImage(raw, find_image(raw), "x", in_helper=True).box(0, 9, 0, 9)
print(sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_forks_of_the_helper_import_nothing(kind):
    """What decoding needs is imported once, before the first fork, and not for each rectangle."""
    command = [sys.executable, "-c", _IMPORTED_WHILE_DECODING]
    done = subprocess.run(command, input=KINDS[kind], capture_output=True, check=True)
    assert done.stdout.split() == [b"[]"]


@pytest.mark.slow
def test_the_helper_ends_with_its_process():
    script = (
        "import os, sys\nfrom mingolotss.io import tile_decoder\n"
        "from mingolotss.io.fits import read_image\nread_image(sys.stdin.buffer.read(), path='x')\n"
        "print(tile_decoder._HELPER._process.pid)"
        "\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], input=KINDS["PLIO"],
                          capture_output=True, check=False)  # fmt: skip
    pid, deadline = int(done.stdout), time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the helper runs on")
