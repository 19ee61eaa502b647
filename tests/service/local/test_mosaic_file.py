"""Mosaics in every form of FITS: the pixels are those of astropy, by `mosaics` as by `folder`."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import resource
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits

from mingolotss.errors import ImageError, NoWCSError, TruncatedFileError
from mingolotss.io.fits import read_image
from mingolotss.io.http import require_complete_fits
from mingolotss.service.base import open_service
from mingolotss.service.local.compressed_mosaic import CompressedMosaic
from mingolotss.service.local.mosaic_file import (
    MappedMosaic,
    ScaledMosaic,
    open_mosaic,
)
from mingolotss.sky.wcs import simple_header

SHAPE = (60, 50)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(1).normal(0, 40, SHAPE)
SINGLE = PIXELS.astype("f4")
EMPTY = fits.PrimaryHDU()
TABLE = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=np.arange(1000.0))])


def as_bytes(*hdus):
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(hdus)).writeto(stream, output_verify="ignore")
    return stream.getvalue()


def on_axes(data, *numbers):
    """Return an HDU whose sky is on the axes of these numbers; the others have length 1."""
    axes = data.ndim
    header = fits.Header()
    others = iter([("FREQ", 1.4e8), ("STOKES", 1.0)])
    for axis in range(1, axes + 1):
        if axis in numbers:
            old = numbers.index(axis) + 1
            for key in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT"):
                header[f"{key}{axis}"] = CARDS[f"{key}{old}"]
        else:
            header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = next(others)
            header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = 1.0, 1.0
    return fits.PrimaryHDU(data, header)


def scaled(kind, scale, zero):
    hdu = fits.PrimaryHDU(PIXELS.copy(), CARDS.copy())
    hdu.scale(kind, bscale=scale, bzero=zero)
    return hdu


def with_scaling(data, scale, zero):
    hdu = fits.PrimaryHDU(data, CARDS.copy())
    hdu.header.update(BSCALE=scale, BZERO=zero)
    return hdu


def with_long_header(blocks):
    """Return a plain image with a header of a number of blocks."""
    hdu = fits.PrimaryHDU(SINGLE, CARDS.copy())
    cards = as_bytes(hdu)[:2880]
    end = cards.rindex(b"END     ")
    history = b"HISTORY a step of the pipeline".ljust(80)
    rest = blocks * 36 - end // 80 - 1
    return cards[:end] + history * rest + b"END".ljust(80) + as_bytes(hdu)[2880:]


def packed(data, kind, **options):
    return fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)


BLANKED = np.where(PIXELS > 30, -99, PIXELS).astype("i2")
PLAIN = as_bytes(fits.PrimaryHDU(SINGLE, CARDS.copy()))
MAPPED = {
    "float32": PLAIN,
    "float64": as_bytes(fits.PrimaryHDU(PIXELS, CARDS.copy())),
    "3 axes": as_bytes(on_axes(SINGLE[None], 1, 2)),
    "4 axes": as_bytes(on_axes(SINGLE[None, None], 1, 2)),
    "a degenerate first axis": as_bytes(on_axes(SINGLE[..., None], 2, 3)),
    "a degenerate axis between": as_bytes(on_axes(SINGLE[:, None, :], 1, 3)),
    "two degenerate axes first": as_bytes(on_axes(SINGLE[..., None, None], 3, 4)),
    "degenerate axes at both ends": as_bytes(on_axes(SINGLE[None, ..., None], 2, 3)),
    "in an extension": as_bytes(EMPTY, fits.ImageHDU(SINGLE, CARDS.copy())),
    "after a table": as_bytes(EMPTY, TABLE, fits.ImageHDU(SINGLE, CARDS.copy())),
    "after a spectrum": as_bytes(
        fits.PrimaryHDU(np.ones(77, "f8")), fits.ImageHDU(SINGLE, CARDS.copy())
    ),
    "first of several": as_bytes(
        EMPTY, fits.ImageHDU(SINGLE, CARDS.copy(), name="SCI"), fits.ImageHDU(PIXELS, name="ERR")
    ),
    "trailing bytes": PLAIN + b"of a program\n" * 500,
    "trailing zeros": PLAIN + bytes(28800),
    "a short end": PLAIN[: 2880 + SINGLE.nbytes],
    "a header of 257 blocks": with_long_header(257),
    "a header of 1000 blocks": with_long_header(1000),
    "gzip": gzip.compress(PLAIN),
    "gzip of two members": gzip.compress(PLAIN[:7000]) + gzip.compress(PLAIN[7000:]),
}
SCALED = {
    "int16": as_bytes(fits.PrimaryHDU(PIXELS.astype("i2"), CARDS.copy())),
    "int16 scaled": as_bytes(scaled("int16", 0.01, 3.0)),
    "uint8 scaled": as_bytes(scaled("uint8", 1.5, -120.0)),
    "int32 scaled": as_bytes(scaled("int32", 1e-4, 0.1)),
    "int64": as_bytes(fits.PrimaryHDU(PIXELS.astype("i8"), CARDS.copy())),
    "uint16": as_bytes(fits.PrimaryHDU(np.abs(PIXELS).astype("u2") + 40000, CARDS.copy())),
    "float32 scaled": as_bytes(with_scaling(SINGLE, 2.0, 1.0)),
    "int16 with BLANK": as_bytes(
        fits.PrimaryHDU(BLANKED, fits.Header([*CARDS.cards, ("BLANK", -99)]))
    ),
    "int16 in an extension": as_bytes(EMPTY, fits.ImageHDU(PIXELS.astype("i2"), CARDS.copy())),
    "int16 of 4 axes": as_bytes(on_axes(PIXELS.astype("i2")[None, :, None], 1, 3)),
    "int16 in gzip": gzip.compress(as_bytes(scaled("int16", 0.01, 3.0))),
}
PACKED = {
    "rice": as_bytes(EMPTY, packed(PIXELS.astype("i2"), "RICE_1")),
    "rice in squares": as_bytes(EMPTY, packed(SINGLE, "RICE_1", tile_shape=(20, 25))),
    "gzip tiles": as_bytes(EMPTY, packed(SINGLE, "GZIP_1", quantize_level=0)),
    "after a table, tiles": as_bytes(EMPTY, TABLE, packed(PIXELS.astype("i4"), "RICE_1")),
    "tiles in gzip": gzip.compress(as_bytes(EMPTY, packed(SINGLE, "RICE_1"))),
    "tiles of 4 axes": as_bytes(
        EMPTY, fits.CompImageHDU(SINGLE[None, None], on_axes(SINGLE[None, None], 1, 2).header)
    ),
}
KINDS = {
    **{name: (raw, MappedMosaic) for name, raw in MAPPED.items()},
    **{name: (raw, ScaledMosaic) for name, raw in SCALED.items()},
    **{name: (raw, CompressedMosaic) for name, raw in PACKED.items()},
}


def reference(raw):
    """Return the image as astropy reads it, without axes of length 1."""
    stream = io.BytesIO(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdus = fits.open(stream)
        images = (h for h in hdus if h.is_image and h.header["NAXIS"] >= 2)
        return np.squeeze(next(images).data)


@pytest.mark.parametrize("name", KINDS)
def test_every_form_of_fits(tmp_path, name):
    """The same pixels by the mosaic, the services `mosaics` and `folder`, and astropy."""
    raw, kind = KINDS[name]
    expected = reference(raw)
    (tmp_path / "P1-mosaic.fits").write_bytes(raw)
    (tmp_path / "A_P1-mosaic.fits").write_bytes(raw)
    mosaic = open_mosaic(str(tmp_path / "P1-mosaic.fits"))
    assert isinstance(mosaic, kind)
    assert mosaic.shape == SHAPE
    assert [float(axis) for axis in mosaic.wcs.to_pixel(10, 20)] == pytest.approx([24.5, 29.5])
    for y0, y1, x0, x1 in ((0, 60, 0, 50), (7, 8, 0, 50), (21, 43, 13, 31)):
        box = mosaic.box(y0, y1, x0, x1)
        assert box.dtype.kind == "f"
        np.testing.assert_array_equal(box, expected[y0:y1, x0:x1])
    np.testing.assert_array_equal(read_image(tmp_path / "A_P1-mosaic.fits").data, expected)
    position, size = SkyCoord(10, 20, unit="deg"), 30 * u.arcsec
    service = open_service(f"mosaics:{tmp_path}")
    (candidate,) = (c for c in service.search(position, size) if c.field == "P1")
    cutout = service.cutout(candidate, position, size)
    np.testing.assert_array_equal(cutout.image, expected[20:40, 14:34])


@pytest.mark.parametrize("name", [n for n in KINDS if n not in ("trailing bytes", "a short end")])
def test_what_is_read_can_be_downloaded(name):
    """The check of downloads accepts the same headers and forms."""
    raw, _ = KINDS[name]
    assert require_complete_fits(raw) == (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def card(raw, key, value):
    """Replace the value of a card by another one, valid or not."""
    at = raw.index(key.ljust(8) + b"=")
    return raw[: at + 10] + value.rjust(20)[:20] + raw[at + 30 :]


def inherited():
    """Return an extension without WCS cards that inherits those of the primary HDU."""
    image = fits.ImageHDU(SINGLE)
    image.header["INHERIT"] = True
    return as_bytes(fits.PrimaryHDU(header=CARDS.copy()), image)


def groups():
    """Return visibilities as an interferometer writes them: a first axis of length 0."""
    axes = [("NAXIS", 3), ("NAXIS1", 0), ("NAXIS2", 3), ("NAXIS3", 4)]
    marks = [("GROUPS", True), ("PCOUNT", 1), ("GCOUNT", 2)]
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), *axes, *marks])
    return header.tostring().encode() + bytes(2880)


def zipped(raw):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.fits", raw)
    return stream.getvalue()


def bad_tiles(key, value):
    return card(PACKED["rice"], key, value)


UNUSABLE = {
    "a cube": (as_bytes(fits.PrimaryHDU(np.ones((3, 9, 9), "f4"))), ImageError, "one plane"),
    "a cube of tiles": (
        as_bytes(EMPTY, fits.CompImageHDU(np.ones((3, 9, 9), "i2"))), ImageError, "one plane",
    ),
    "RA and FREQ": (as_bytes(on_axes(SINGLE[None], 1, 3)), ImageError, "sky"),
    "FREQ and DEC": (as_bytes(on_axes(SINGLE[None], 3, 2)), ImageError, "sky"),
    "cards of the primary HDU": (inherited(), NoWCSError, "no WCS"),
    "random groups": (groups(), ImageError, "random groups"),
    "a table alone": (as_bytes(EMPTY, TABLE), ImageError, "without an image"),
    "no data": (as_bytes(EMPTY), ImageError, "without an image"),
    "a spectrum": (as_bytes(fits.PrimaryHDU(np.ones(9, "f4"))), ImageError, "without an image"),
    "no END": (PLAIN.replace(b"END     ", b"FINISH  "), TruncatedFileError, "END"),
    "no END in a long file": (
        PLAIN.replace(b"END     ", b"FINISH  ") + b" " * (1001 * 2880), ImageError, "no END",
    ),
    "a header of 1001 blocks": (with_long_header(1001), ImageError, "1000 blocks"),
    "an extension first": (as_bytes(EMPTY, fits.ImageHDU(SINGLE))[2880:], ImageError, "primary"),
    "BITPIX of 24": (card(PLAIN, b"BITPIX", b"24"), ImageError, "BITPIX = 24"),
    "BITPIX of -16": (card(PLAIN, b"BITPIX", b"-16"), ImageError, "BITPIX = -16"),
    "BITPIX of text": (card(PLAIN, b"BITPIX", b"'float'"), ImageError, "BITPIX = 0"),
    "a length of text": (card(PLAIN, b"NAXIS1", b"'50'"), ImageError, "NAXIS1"),
    "cut short": (PLAIN[:-2880], TruncatedFileError, "cut short"),
    "cut in a table before": (MAPPED["after a table"][:7000], TruncatedFileError, "7000 bytes"),
    "cut in tiles": (PACKED["rice"][:-5760], TruncatedFileError, "cut short"),
    "cut gzip": (MAPPED["gzip"][:-100], TruncatedFileError, "gzip"),
    "damaged gzip": (b"\x1f\x8b" + bytes(500), TruncatedFileError, "gzip"),
    "tiles that are too few": (bad_tiles(b"ZNAXIS2", b"61"), ImageError, "60 tiles"),
    "tiles that are too long": (bad_tiles(b"ZNAXIS1", b"51"), ImageError, "60 tiles"),
    "tiles of length 0": (bad_tiles(b"ZTILE1", b"0"), ImageError, "60 tiles"),
    "bzip2": (bz2.compress(PLAIN), ImageError, "bzip2"),
    "xz": (lzma.compress(PLAIN), ImageError, "xz"),
    "zip": (zipped(PLAIN), ImageError, "zip"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_one_line_by_both_services(tmp_path, name):
    """The mosaic and the cutout give the same kind of error, which names the file."""
    raw, kind, words = UNUSABLE[name]
    path = tmp_path / "P1-mosaic.fits"
    path.write_bytes(raw)
    for read in (lambda: open_mosaic(str(path)), lambda: read_image(path).wcs()):
        with pytest.raises(kind, match=words) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.path == str(path)


@pytest.mark.parametrize("bitpix", [-32, 16])
def test_a_mosaic_of_more_than_4_gib(tmp_path, bitpix):
    """Rectangles near the end of a file whose offsets need more than 32 bits."""
    size = abs(bitpix) // 8
    nx, ny = 40_000, (9 << 29) // 40_000 // size
    cards = simple_header(10, 20, shape=(ny, nx), scale_arcsec=1.5, centre=(100.0, ny - 100.0))
    header = fits.Header.fromstring(cards.decode())
    header = fits.Header([("SIMPLE", True), ("BITPIX", bitpix), *header.cards, ("BSCALE", 1.0)])
    corner = np.arange(12.0).reshape(3, 4).astype(">f4" if bitpix < 0 else ">i2")
    path = tmp_path / "P1-mosaic.fits"
    with path.open("wb") as file:  # a sparse file: only the blocks that are written take space
        file.write(header.tostring(padding=True).encode())
        start = file.tell()
        file.truncate(start + -(-ny * nx * size // 2880) * 2880)
        for row in range(3):
            file.seek(start + ((ny - 3 + row) * nx + nx - 4) * size)
            file.write(corner[row].tobytes())
    box = open_mosaic(str(path)).box(ny - 3, ny, nx - 4, nx)
    np.testing.assert_array_equal(box, corner)


@pytest.mark.slow
def test_no_file_stays_open(tmp_path):
    """A process that ends with open mosaics prints no warning of files that were not closed."""
    script = "import sys; from mingolotss.service.local.mosaic_file import open_mosaic\n"
    script += "for path in sys.argv[1:]: open_mosaic(path).box(0, 5, 0, 5)"
    paths = [tmp_path / f"{n}.fits" for n in range(5)]
    for path, name in zip(
        paths, ["float32", "int16 scaled", "rice", "gzip", "tiles in gzip"], strict=True
    ):
        path.write_bytes(KINDS[name][0])
    command = [sys.executable, "-W", "error", "-c", script, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_gzip_bomb_is_one_line(tmp_path, monkeypatch):
    """Unpacking stops at a limit, and the message says what to do; a full disk likewise."""
    path = tmp_path / "P1-mosaic.fits"
    path.write_bytes(gzip.compress(PLAIN + bytes(1 << 22)))
    monkeypatch.setattr("mingolotss.service.local.mosaic_file._MAX_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(ImageError, match=r"more than .* unpack it with gunzip"):
        open_mosaic(str(path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no-such-folder"))
    with pytest.raises(ImageError, match="TMPDIR"):
        open_mosaic(str(path))


def test_more_mosaics_than_open_files(tmp_path, monkeypatch):
    """A survey of more mosaics and rms maps than a process may have open files is cut."""
    monkeypatch.setattr("mingolotss.io.fits._MAX_COPIED_BYTES", 0)
    for name in [f"P{n}-mosaic{end}.fits" for n in range(150) for end in ("", "-rms")]:
        (tmp_path / name).write_bytes(PLAIN)
    service = open_service(f"mosaics:{tmp_path}")
    position, size = SkyCoord(10, 20, unit="deg"), 30 * u.arcsec
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_number_of_free_file(160), limits[1]))
    try:
        candidates = service.search(position, size)
        images = [service.cutout(one, position, size).image.copy() for one in candidates]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(images) == 150
    for image in images:
        np.testing.assert_array_equal(image, SINGLE[20:40, 14:34])


def _number_of_free_file(count):
    """Return the number that a file gets after `count` more are opened in this process."""
    taken = {int(file.name) for file in Path("/dev/fd").iterdir()}
    free = (number for number in itertools.count() if number not in taken)
    return next(itertools.islice(free, count, None))


def test_a_wrong_pixel_scale_asks_for_no_gigabytes_of_padding(tmp_path):
    """A small mosaic whose cutouts would be far larger than it is gives an error, and no memory."""
    header = simple_header(10, 20, shape=SHAPE, scale_arcsec=0.05)
    hdu = fits.PrimaryHDU(SINGLE, fits.Header.fromstring(header.decode()))
    (tmp_path / "P1-mosaic.fits").write_bytes(as_bytes(hdu))
    service = open_service(f"mosaics:{tmp_path}")
    position = SkyCoord(10, 20, unit="deg")
    (candidate,) = service.search(position, 6 * u.arcmin)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for size, problem in ((6, r"7\.2e\+03 .* whole mosaic has 50 x 60"), (60, "at most 16384")):
        with pytest.raises(ImageError, match=problem):
            service.cutout(candidate, position, size * u.arcmin)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB
    assert service.cutout(candidate, position, 1 * u.arcmin).image.shape == (1200, 1200)


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 3000], ids=["one member", "later members"])
def test_a_gzip_bomb_is_refused_by_what_comes_out(tmp_path, members):
    """An image of 2 MB that unpacks to 3 GB: an error at once, and not 3 GB of disk or memory."""
    bomb = gzip.compress(PLAIN + bytes(1 << 20)) + gzip.compress(bytes(1 << 20)) * (members - 1)
    if members == 1:
        bomb = gzip.compress(PLAIN + bytes(300 << 20))
    path = tmp_path / "P1-mosaic.fits.gz"
    path.write_bytes(bomb)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for read in (lambda: open_mosaic(str(path)), lambda: read_image(path)):
        with pytest.raises(ImageError, match="unpacks to more than"):
            read()
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # KB
    assert not list(tmp_path.glob("tmp*"))
