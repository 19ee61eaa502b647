"""Hostile FITS files: headers, pixels in every codec, gzip; read as a cutout and as a mosaic."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from harness import Target, as_file, mutate

from mingolotss.candidates.requests import CutoutRequest
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import MingoError
from mingolotss.io.fits import read_image
from mingolotss.service.local.folder import FolderService
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.sky.wcs import simple_header

NAME = "J1_P1-mosaic.fits"
SHAPE = (40, 50)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(1).normal(0, 40, SHAPE)
ONE = np.ones(1)
CATALOGUE = Catalogue.from_columns(["J1"], ONE * 10, ONE * 20, size_arcsec=ONE, flux_mjy=ONE)
# Enough to be decoded together, in the middle of the image and over its edges.
SEVERAL = Catalogue.from_columns(
    [f"J{number}" for number in range(1, 8)], 10 + np.linspace(-0.006, 0.006, 7),
    20 + np.linspace(0.004, -0.004, 7), size_arcsec=np.ones(7), flux_mjy=np.ones(7),
)  # fmt: skip
SIZE_DEG = 0.01

NUMBERS = b"""
    0 -1 1 2 3 7 8 16 33 999 1000 65536 2147483647 -2147483648 4294967296
    9223372036854775807 99999999999999999999 1E30 1D-300 NaN -Inf T F 'x' '' 1.5 +2 0x10
    (1,2) \xff
""".split()
TEXTS = b"""
    '1PB(9999)' '1QB(5)' '1PJ(5)' 'PB' '1B' '0PB' 'RICE_1' 'RICE_ONE' 'HCOMPRESS_1'
    'PLIO_1' 'GZIP_1' 'GZIP_2' 'NOCOMPRESS' 'BLOCKSIZE' 'BYTEPIX' 'SCALE' 'SMOOTH'
    'COMPRESSED_DATA' 'UNCOMPRESSED_DATA' 'GZIP_COMPRESSED_DATA' 'ZBLANK' 'NO_DITHER'
    'SUBTRACTIVE_DITHER_2' 'RA---TAN-SIP' 'DEC--ZPN' 'GLON-HPX' 'FREQ' 'deg' 'IMAGE'
    'BINTABLE' 'FK4' '2251'
""".split()
KEYS = b"""
    SIMPLE BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 PCOUNT GCOUNT GROUPS EXTEND XTENSION TFIELDS
    THEAP TFORM1 TFORM2 TTYPE1 TTYPE2 ZIMAGE ZCMPTYPE ZBITPIX ZNAXIS ZNAXIS1 ZNAXIS2
    ZTILE1 ZTILE2 ZNAME1 ZNAME2 ZVAL1 ZVAL2 ZQUANTIZ ZDITHER0 ZBLANK ZSCALE ZZERO BLANK
    BSCALE BZERO CTYPE1 CTYPE2 CRVAL1 CRVAL2 CRPIX1 CDELT1 CDELT2 CD1_1 CD1_2 PC1_1 PC2_1
    CROTA2 CUNIT1 LONPOLE LATPOLE EQUINOX RADESYS WCSAXES A_ORDER B_ORDER A_2_0 B_0_2
    AP_ORDER A_0_99 PV1_1 PV2_3 CPDIS1 DP1 BMAJ DATASUM CHECKSUM END CONTINUE HIERARCH
""".split()


def as_bytes(*hdus: object, checksum: bool = False) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream, checksum=checksum)
    return stream.getvalue()


def packed(data: np.ndarray, kind: str, **options: object) -> bytes:
    image = fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)
    return as_bytes(fits.PrimaryHDU(), image)


@cache
def plain_files() -> list[bytes]:
    """Return uncompressed images of several types and structures."""
    single = PIXELS.astype("f4")
    integers = fits.PrimaryHDU(PIXELS.astype("i2"), CARDS.copy())
    integers.header.update(BSCALE=0.5, BZERO=3.0, BLANK=-99)
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=np.arange(99.0))])
    sip = fits.PrimaryHDU(single, CARDS.copy())
    sip.header.update(
        CTYPE1="RA---SIN-SIP", CTYPE2="DEC--SIN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e-6
    )
    return [
        as_bytes(fits.PrimaryHDU(single, CARDS.copy())),
        as_bytes(fits.PrimaryHDU(PIXELS[None, None], CARDS.copy()), checksum=True),
        as_bytes(integers),
        as_bytes(fits.PrimaryHDU(), table, fits.ImageHDU(single, CARDS.copy())),
        as_bytes(sip),
    ]


@cache
def packed_files() -> dict[str, list[bytes]]:
    """Return images in compressed tiles, by codec."""
    single, integers = PIXELS.astype("f4"), PIXELS.astype("i2")
    without_noise = np.ones(SHAPE, "f4")
    return {
        "rice": [packed(integers, "RICE_1"), packed(single, "RICE_1"),
                 packed(PIXELS.astype("i4"), "RICE_1", tile_shape=SHAPE),
                 packed(np.abs(PIXELS).astype("u1"), "RICE_1", tile_shape=(16, 16)),
                 packed(PIXELS, "RICE_1", quantize_method=2, dither_seed=7, tile_shape=(16, 16))],
        "gzip": [packed(single, "GZIP_1", quantize_level=0),
                 packed(PIXELS, "GZIP_2", quantize_level=0), packed(without_noise, "RICE_1")],
        "hcompress": [packed(integers, "HCOMPRESS_1"), packed(single, "HCOMPRESS_1")],
        "plio": [packed(np.abs(integers), "PLIO_1")],
    }  # fmt: skip


def with_cards(rng: random.Random, raw: bytes) -> bytes:
    """Return a file in whose headers a few cards have another value, or are new."""
    data = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 4])):
        key, value = rng.choice(KEYS), rng.choice([b"", *NUMBERS, *rng.sample(TEXTS, 9)])
        start = data.find(key.ljust(8) + b"=", rng.choice([0, 2880]))
        if start < 0 or start % 80:
            start = rng.randrange(36) * 80 + 2880 * rng.randrange(2)
        text = value.ljust(70) if value.startswith(b"'") else value.rjust(20).ljust(70)
        data[start : start + 80] = (key.ljust(8) + b"= " + text)[:80]
    return bytes(data)


def header(rng: random.Random) -> bytes:
    """Return a file with hostile headers."""
    raw = rng.choice([*plain_files(), *(raw for files in packed_files().values() for raw in files)])
    raw = with_cards(rng, raw)
    return mutate(rng, raw[:5760]) + raw[5760:] if rng.random() < 0.2 else raw


def pixels(rng: random.Random, raw: bytes) -> bytes:
    """Return a file with a few other bytes in its data, some of them cut off."""
    start = raw.index(b"END" + b" " * 77, 2880 if b"ZIMAGE" in raw else 0)
    data = bytearray(raw)
    first = start // 2880 * 2880 + 2880
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[rng.randrange(first, len(data))] = rng.randrange(256)
    if rng.random() < 0.1:  # zeros to the end, where a decoder looks for the next bit that is set
        zero = rng.randrange(first, len(data))
        data[zero:] = bytes(len(data) - zero)
    return bytes(data[: rng.randrange(len(data))]) if rng.random() < 0.3 else bytes(data)


def bomb(rng: random.Random) -> bytes:
    """Return a file in gzip that is damaged, or unpacks to far more than an image."""
    raw = gzip.compress(rng.choice(plain_files()))
    if rng.random() < 0.3:
        return raw + gzip.compress(bytes(1 << 22)) * rng.choice([1, 200])
    return raw + mutate(rng, raw) if rng.random() < 0.3 else mutate(rng, raw)


def use(path: Path) -> None:
    """Read a cutout as a file and by its name, and cut it out of a mosaic."""
    try_all(path, read_whole, read_by_name, cut_out)


def use_twice(path: Path) -> None:
    """Unpack a file to memory, and to the disk."""
    try_all(path, read_whole, cut_out)


def try_all(path: Path, *actions: Callable[[Path], None]) -> None:
    """Raise the first error after all actions were tried."""
    errors: list[MingoError] = []
    for action in actions:
        try:
            action(path)
        except MingoError as error:
            errors.append(error)
    unprintable = [error for error in errors if not str(error).isprintable()]
    for error in unprintable + errors:
        raise error


def read_whole(path: Path) -> None:
    image = read_image(path, with_checksums=False)
    image.wcs().to_pixel(ONE * 10, ONE * 20)
    np.isnan(image.data).sum()


def read_by_name(path: Path) -> None:
    cut(FolderService(path.parent))


def cut_out(path: Path) -> None:
    cut(MosaicsService(str(path.parent)), SEVERAL)


def cut(service: FolderService | MosaicsService, catalogue: Catalogue = CATALOGUE) -> None:
    requests = [
        CutoutRequest(candidate, catalogue.source(row))
        for row, candidates in enumerate(service.search_all(catalogue, SIZE_DEG))
        for candidate in candidates
    ]
    errors = [one for one in service.cutouts(requests, SIZE_DEG) if isinstance(one, Exception)]
    if errors:
        raise errors[0]


def start_helper() -> None:
    """Start the process that decodes tiles: no input may start any other."""
    read_image(packed_files()["plio"][0], path="x")


def codec(name: str) -> Target:
    return Target(
        as_file(NAME, lambda rng: pixels(rng, rng.choice(packed_files()[name]))), use, start_helper
    )


TARGETS = {
    "header": Target(as_file(NAME, header), use, start_helper),
    "pixels": Target(as_file(NAME, lambda rng: pixels(rng, rng.choice(plain_files()))), use),
    "rice": codec("rice"),
    "gzip-tiles": codec("gzip"),
    "hcompress": codec("hcompress"),
    "plio": codec("plio"),
    "gzip": Target(as_file(f"{NAME}.gz", bomb), use_twice),
}
