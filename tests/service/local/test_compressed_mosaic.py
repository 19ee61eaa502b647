"""Cutouts of compressed mosaics, many at once: the pixels of astropy, as from a box alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

from compilers import needs_kernel
from mingolotss.candidates.requests import CutoutRequest
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError
from mingolotss.image.pixels import has_signal, take_window
from mingolotss.io.fits_layout import find_image
from mingolotss.model import Cutout
from mingolotss.service.base import open_service
from mingolotss.service.local import compressed_mosaic
from mingolotss.sky.wcs import SkyWCS, simple_header

SHAPE, SIDE = (420, 500), 130
HEADER = simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5)
CARDS = fits.Header.fromstring(HEADER.decode())
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 40, SHAPE)
NOISE[100:140, 300:330] = np.nan
NOISE[:, 470:] = 0
RMS = 40 + np.hypot(*np.ogrid[:420, :500]) / 50
SIZE_DEG = SIDE * 1.5 / 3600


def packed(data, tile, **options):
    kind = options.pop("kind", "RICE_1")
    if data.dtype.kind == "i":
        options.pop("quantize_method", None)
    return fits.CompImageHDU(
        data, CARDS.copy(), compression_type=kind, tile_shape=tile, dither_seed=5, **options
    )


LOSSLESS = {"kind": "GZIP_2", "quantize_level": 0}
DITHER = {"quantize_method": 1}
SINGLE, INTEGERS = NOISE.astype("f4"), np.nan_to_num(NOISE).astype("i2")
KINDS = {
    "squares": (packed(SINGLE, (128, 128)), packed(RMS.astype("f4"), (128, 128))),
    "dithered": (packed(SINGLE, (50, 70), **DITHER), packed(RMS.astype("f4"), (50, 70), **DITHER)),
    "exact zeros": (packed(SINGLE, (64, 100), quantize_method=2), None),
    "rows": (packed(SINGLE, (1, 500), **DITHER), packed(RMS.astype("f4"), (1, 500))),
    "other tiles": (packed(SINGLE, (37, 61)), packed(RMS.astype("f4"), (128, 100))),
    "lossless": (packed(SINGLE, (128, 128), **LOSSLESS), packed(RMS, (128, 128), **LOSSLESS)),
    "integers": (packed(INTEGERS, (100, 100)), packed(RMS.astype("i4"), (100, 100))),
    "plain rms map": (
        packed(SINGLE, (128, 128)),
        fits.PrimaryHDU(RMS.astype("f4"), CARDS.copy()),
    ),
    "plain image": (fits.PrimaryHDU(SINGLE, CARDS.copy()), packed(RMS.astype("f4"), (128, 128))),
    "float64": (packed(NOISE, (90, 128), **DITHER), None),
}


def write(folder, image, rms=None):
    """Write a mosaic and its rms map; return their pixels as astropy reads them."""
    pixels = []
    for name, hdu in (("P1-mosaic", image), ("P1-mosaic-rms", rms)):
        if hdu is None:
            pixels.append(None)
            continue
        hdus = [hdu] if isinstance(hdu, fits.PrimaryHDU) else [fits.PrimaryHDU(), hdu]
        path = folder / (f"{name}.fits" if len(hdus) == 1 else f"{name}.fits.fz")
        fits.HDUList(hdus).writeto(path)
        with fits.open(path) as opened:
            pixels.append(np.array(opened[-1].data))
    return pixels


def requests_of(service, n=60):
    """Return requests all over the mosaic and over its edges."""
    rng = np.random.default_rng(9)
    x, y = rng.uniform(0, SHAPE[1] - 1, n), rng.uniform(0, SHAPE[0] - 1, n)
    x[:4], y[:4] = [0, 499, 0, 499], [0, 0, 419, 419]
    ra, dec = SkyWCS.from_header(HEADER).to_sky(x, y)
    catalogue = Catalogue.from_columns([f"J{i}" for i in range(n)], ra, dec)
    found = service.search_all(catalogue, SIZE_DEG)
    return [CutoutRequest(one, catalogue.source(row)) for row in range(n) for one in found[row]]


def expected_of(pixels, cutout):
    x, y = cutout.origin
    top, left = max(y, 0), max(x, 0)
    part = pixels[top : y + SIDE, left : x + SIDE]
    if part.dtype.kind == "i":
        part = part.astype("f4" if part.itemsize == 2 else "f8")
    return take_window(part, y - top, x - left, SIDE)


@needs_kernel
@pytest.mark.parametrize("kind", KINDS)
def test_every_cutout_has_the_pixels_of_astropy(tmp_path, kind):
    """By hundreds and one by one, in the middle, on edges of tiles and over those of the mosaic."""
    image, rms = write(tmp_path, *KINDS[kind])
    service = open_service(f"mosaics:{tmp_path}")
    requests = requests_of(service)
    assert len(requests) > 50
    together = service.cutouts(requests, SIZE_DEG)
    assert together.parts
    in_parts = 0
    for index, (request, cutout) in enumerate(zip(requests, together, strict=True)):
        assert isinstance(cutout, Cutout)
        (alone,) = service.cutouts([request], SIZE_DEG)
        assert alone.origin == cutout.origin
        in_parts += int(together.plane_index[index]) in together.parts
        for own, single, whole in (
            (cutout.image, alone.image, image), (cutout.rms, alone.rms, rms),
        ):  # fmt: skip
            assert (own is None) == (single is None) == (whole is None)
            if whole is not None:
                assert own.dtype.newbyteorder("=") == single.dtype.newbyteorder("=")
                np.testing.assert_array_equal(own, single)
                np.testing.assert_array_equal(own, expected_of(whole, cutout))
        if cutout.fully_observed:
            assert np.isfinite(cutout.image).all()
            assert has_signal(cutout.image)
    assert in_parts > 20
    assert together.fully_observed.any()
    assert not together.fully_observed.all()


@needs_kernel
def test_cutouts_in_part_can_be_taken_out(tmp_path):
    """Each is then an image of its own, without pixels around it."""
    write(tmp_path, *KINDS["squares"])
    service = open_service(f"mosaics:{tmp_path}")
    together = service.cutouts(requests_of(service), SIZE_DEG)
    alone = together.without_parts()
    assert together.parts
    assert not alone.parts
    shapes = {alone.planes[index].image.shape for index in alone.plane_index.tolist()}
    assert shapes == {(SIDE, SIDE)}
    for one, other in zip(together, alone, strict=True):
        assert one.origin == other.origin
        assert one.fully_observed == other.fully_observed
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.rms, other.rms)


@needs_kernel
def test_a_damaged_tile_is_an_error_of_the_cutouts_on_it(tmp_path):
    """The others of the same chunk have their pixels; the message is that of a cutout alone."""
    image, _ = write(tmp_path, KINDS["dithered"][0])
    path = tmp_path / "P1-mosaic.fits.fz"
    raw = bytearray(path.read_bytes())
    layout = find_image(bytes(raw))
    row = int(fits.Header.fromstring(layout.header.decode())["NAXIS1"])
    at = layout.offset + row * (8 * 3 + 4)  # tile 29: rows 150 to 200, columns 280 to 350
    raw[at : at + 4] = (20).to_bytes(4, "big")
    path.write_bytes(raw)
    service = open_service(f"mosaics:{tmp_path}")
    requests = requests_of(service)
    cutouts = service.cutouts(requests, SIZE_DEG)
    errors = 0
    for request, outcome in zip(requests, cutouts, strict=True):
        if isinstance(outcome, ImageError):
            (alone,) = service.cutouts([request], SIZE_DEG)
            assert str(outcome) == str(alone)
            assert "tile 29: its data end before its last pixel" in str(outcome)
            errors += 1
        else:
            x, y = outcome.origin
            assert not (y < 200 and y + SIDE > 150 and x < 350 and x + SIDE > 280)
            np.testing.assert_array_equal(outcome.image, expected_of(image, outcome))
    assert 5 < errors < len(requests) - 5


@needs_kernel
def test_tiles_of_the_last_chunks_are_not_decoded_again(tmp_path, monkeypatch):
    """Whole parts are kept, the last ones first, up to a size."""
    image, _ = write(tmp_path, KINDS["dithered"][0])
    service = open_service(f"mosaics:{tmp_path}")
    requests, counts = requests_of(service), []
    (mosaic,) = {id(m): m for m in [service.mosaic(requests[0].candidate.image)]}.values()
    decode = mosaic._image.decode
    monkeypatch.setattr(
        mosaic._image, "decode", lambda numbers, *rest: (counts.append(len(numbers)),
                                                         decode(numbers, *rest))[1]
    )  # fmt: skip
    halves = requests[:30], requests[30:]
    for half in (*halves, *halves):
        for outcome in service.cutouts(half, SIZE_DEG):
            np.testing.assert_array_equal(outcome.image, expected_of(image, outcome))
    assert counts[0] > counts[1]
    assert counts[2:] == [0, 0]
    recent = compressed_mosaic._RecentParts(image.nbytes)
    part = compressed_mosaic._DecodedPart(image, 0, 0, np.ones((1, 1), bool), None)
    for key in (1, 2, 1):
        recent.add(key, part)
    assert len(recent.of(1)) == 1
    assert recent.of(2) == []


@needs_kernel
def test_mosaics_in_threads(tmp_path):
    """Parts that are kept belong to all threads."""
    image, rms = write(tmp_path, *KINDS["dithered"])
    service = open_service(f"mosaics:{tmp_path}")
    requests = requests_of(service)
    start = threading.Barrier(4)

    def cut(seed):
        order = np.random.default_rng(seed).permutation(len(requests))
        chosen = [requests[index] for index in order.tolist()]
        start.wait()
        return [service.cutouts(chosen[first : first + 10], SIZE_DEG) for first in range(0, 50, 10)]

    with ThreadPoolExecutor(4) as pool:
        for chunks in pool.map(cut, range(4)):
            for outcome in (one for chunk in chunks for one in chunk):
                np.testing.assert_array_equal(outcome.image, expected_of(image, outcome))
                np.testing.assert_array_equal(outcome.rms, expected_of(rms, outcome))


@needs_kernel
@pytest.mark.parametrize("limit", [1 << 17, 1 << 14])
def test_large_mosaics_are_decoded_in_several_parts(tmp_path, monkeypatch, limit):
    """No array is larger than the limit; where not even a block fits, cutouts are cut alone."""
    image, _ = write(tmp_path, KINDS["dithered"][0])
    monkeypatch.setattr(compressed_mosaic, "_PART_PIXELS", limit)
    service = open_service(f"mosaics:{tmp_path}")
    cutouts = service.cutouts(requests_of(service), SIZE_DEG)
    for outcome in cutouts:
        np.testing.assert_array_equal(outcome.image, expected_of(image, outcome))
    assert len(cutouts.parts) > 1 if limit == 1 << 17 else not cutouts.parts
    assert all(cutouts.planes[part].image.size <= limit for part in cutouts.parts)
