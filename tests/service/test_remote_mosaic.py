"""Mosaics at an address: scaled ones and those in extensions, in parts and as files of cutouts."""

from __future__ import annotations

import gzip
import io

import fsspec
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.errors import ImageError, NoWCSError
from mingolotss.io.fits import read_image
from mingolotss.model import Source
from mingolotss.service.local.copied_tiles import open_copied
from mingolotss.service.remote.range_mosaics import cutout_file
from mingolotss.service.remote_mosaic import RemoteMosaics
from mingolotss.sky.wcs import simple_header

SHAPE = (60, 50)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(2).integers(-900, 900, SHAPE)
SOURCES = [Source(0, "middle", 10.0, 20.0), Source(1, "edge", 10.01, 19.99)]


def as_bytes(*hdus, **cards):
    hdus[-1].header.update(cards)
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def moved_to(data, first):
    """Return an HDU of three axes with the sky on the axes `first` and the next one."""
    header = fits.Header()
    for key in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT"):
        for axis in (1, 2):
            header[f"{key}{axis + first - 1}"] = CARDS[f"{key}{axis}"]
    header["CTYPE1"] = "FREQ"
    return fits.PrimaryHDU(data, header)


KINDS = {
    "float32": as_bytes(fits.PrimaryHDU(PIXELS.astype("f4"), CARDS.copy())),
    "int16 with BLANK": as_bytes(
        fits.PrimaryHDU(PIXELS.astype("i2"), CARDS.copy()), BLANK=int(PIXELS[30, 25])
    ),
    "uint16": as_bytes(fits.PrimaryHDU((PIXELS + 900).astype("u2"), CARDS.copy())),
    "int32 scaled": as_bytes(
        fits.PrimaryHDU(PIXELS.astype("i4"), CARDS.copy()), BSCALE=0.25, BZERO=-3.0
    ),
    "float64 scaled": as_bytes(fits.PrimaryHDU(PIXELS / 7, CARDS.copy()), BSCALE=3.0),
    "in an extension": as_bytes(
        fits.PrimaryHDU(), fits.ImageHDU(PIXELS.astype("f4"), CARDS.copy(), name="SCI")
    ),
    "int16 in an extension": as_bytes(
        fits.PrimaryHDU(), fits.ImageHDU(PIXELS.astype("i2"), CARDS.copy()), BSCALE=0.5
    ),
    "a degenerate first axis": as_bytes(moved_to(PIXELS.astype("f4")[..., None], 2)),
}


def stored(name, raw):
    """Write a file to fsspec's memory and return its address."""
    with fsspec.open(f"memory://remote-mosaic/{name}", "wb") as file:
        file.write(raw)
    return f"memory://remote-mosaic/{name}"


@pytest.mark.parametrize("name", KINDS)
def test_a_rectangle_and_a_cutout_file_have_the_right_pixels(tmp_path, name):
    """The pixels are those of the whole file, and astropy reads the cutout's place correctly."""
    raw = KINDS[name]
    whole = read_image(raw).data
    address = stored("P1-mosaic.fits", raw)
    for mosaics in (
        RemoteMosaics(open_copied, None, tmp_path),
        RemoteMosaics(open_copied, None, tmp_path),
    ):  # stored header
        mosaic = mosaics.get(address)
        np.testing.assert_array_equal(mosaic.box(28, 33, 20, 31), whole[28:33, 20:31])
        for source in SOURCES:
            body = cutout_file(mosaic, source, 20 * 1.5 / 3600)
            x, y = (round(float(axis)) - 10 for axis in mosaic.wcs.to_pixel(source.ra, source.dec))
            padded = np.pad(whole, 20, constant_values=np.nan)
            expected = padded[y + 20 : y + 40, x + 20 : x + 40]
            with fits.open(io.BytesIO(body)) as hdus:
                assert len(hdus) == 1
                np.testing.assert_array_equal(np.squeeze(hdus[0].data), expected)
                wcs = WCS(hdus[0].header).celestial
            expected_place = [
                axis - n for axis, n in zip(mosaic.wcs.to_pixel(10, 20), (x, y), strict=True)
            ]
            np.testing.assert_allclose(wcs.wcs_world2pix([[10, 20]], 0)[0], expected_place)
            np.testing.assert_array_equal(read_image(body).data, expected)


@pytest.mark.parametrize("kind", ["HCOMPRESS_1", "PLIO_1"])
def test_what_cannot_be_read_in_parts_is_one_line(kind):
    """Files in gzip, and tiles that need the whole file; the message says what to do."""
    data = np.abs(PIXELS).astype("i2")
    packed = fits.CompImageHDU(data, CARDS.copy(), compression_type=kind)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(stream)
    for raw in (stream.getvalue(), gzip.compress(KINDS["float32"])):
        address = stored("P2-mosaic.fits", raw)
        with pytest.raises(ImageError, match=r"in parts; copy it to a folder") as caught:
            RemoteMosaics(open_copied).get(address)
        assert address in str(caught.value)


def test_a_wcs_with_tables_elsewhere_in_the_file_is_one_line():
    """Its corrections would need the headers of all other HDUs."""
    address = stored(
        "P3-mosaic.fits",
        as_bytes(fits.PrimaryHDU(PIXELS.astype("f4"), CARDS.copy()), AXISCORR=1),
    )
    with pytest.raises(NoWCSError, match=r"tables elsewhere in the file.*; download") as caught:
        RemoteMosaics(open_copied).get(address)
    assert address in str(caught.value)
