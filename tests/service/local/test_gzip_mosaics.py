"""Mosaics in gzip are unpacked once in a process, however many sources are on them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from mingolotss.candidates.requests import CutoutRequest
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.model import Cutout
from mingolotss.service.base import open_service
from mingolotss.service.local import mosaic_file
from mingolotss.sky.wcs import SkyWCS, simple_header
from skies import write_fits

SHAPE, SIDE, SOURCES = (300, 350), 40, 60
SIZE_DEG = SIDE * 1.5 / 3600
FIELDS = {"P1": simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5),
          "P2": simple_header(12, 20, shape=SHAPE, scale_arcsec=1.5)}  # fmt: skip


@pytest.fixture
def folders(tmp_path):
    """Return a folder of two mosaics with rms maps, and one of the same mosaics in gzip."""
    rng = np.random.default_rng(3)
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.mkdir()
    packed.mkdir()
    for field, header in FIELDS.items():
        for name in (f"{field}-mosaic.fits", f"{field}-mosaic-rms.fits"):
            write_fits(plain / name, rng.normal(1, 0.1, SHAPE), header, "float32")
            (packed / f"{name}.gz").write_bytes(gzip.compress((plain / name).read_bytes()))
    return plain, packed


@pytest.fixture
def unpacked(monkeypatch):
    """Return a list that gets the size of each file that is unpacked."""
    sizes, unpack = [], mosaic_file.gunzip_mapped

    def counting(raw, *, max_bytes):
        sizes.append(len(raw))
        return unpack(raw, max_bytes=max_bytes)

    monkeypatch.setattr(mosaic_file, "gunzip_mapped", counting)
    return sizes


def catalogue():
    """Return sources all over both mosaics, in turn, and over their edges."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, SHAPE[1] - 1, SOURCES), rng.uniform(0, SHAPE[0] - 1, SOURCES)
    ra, dec = np.empty(SOURCES), np.empty(SOURCES)
    for first, header in enumerate(FIELDS.values()):
        ra[first::2], dec[first::2] = SkyWCS.from_header(header).to_sky(x[first::2], y[first::2])
    return Catalogue.from_columns([f"J{i}" for i in range(SOURCES)], ra, dec)


def cut(folder, chunk):
    """Return the cutouts of all sources, some at a time, each time by a service of its own."""
    sources, cutouts = catalogue(), []
    for start in range(0, SOURCES, chunk):
        service = open_service(f"mosaics:{folder}")
        found = service.search_all(sources, SIZE_DEG)
        requests = [
            CutoutRequest(one, sources.source(row))
            for row in range(start, min(start + chunk, SOURCES))
            for one in found[row]
        ]
        cutouts += service.cutouts(requests, SIZE_DEG)
    return cutouts


@pytest.mark.parametrize("chunk", [1, 25])
def test_each_file_is_unpacked_once(folders, unpacked, chunk):
    """60 sources on two images and two rms maps: four files are unpacked, with equal pixels."""
    plain, packed = folders
    for expected, cutout in zip(cut(plain, chunk), cut(packed, chunk), strict=True):
        assert isinstance(cutout, Cutout)
        np.testing.assert_array_equal(cutout.image, expected.image)
        np.testing.assert_array_equal(cutout.rms, expected.rms)
    assert len(unpacked) == 4


def test_a_file_that_changes_is_unpacked_again(folders, unpacked):
    """The count would notice: a mosaic that was replaced between two chunks is unpacked anew."""
    _, packed = folders
    cut(packed, SOURCES)
    other = packed / "P1-mosaic.fits.gz"
    other.write_bytes(gzip.compress(gzip.decompress(other.read_bytes()), 1))
    cut(packed, SOURCES)
    assert len(unpacked) == 5
