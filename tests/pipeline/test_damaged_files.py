"""A damaged file is rejected once, the build goes on, and a new file in its place is read."""

from __future__ import annotations

import errno
import os
import random
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError
from mingolotss.io import file_identity
from mingolotss.io.fits import read_image
from mingolotss.io.fits_layout import find_image
from mingolotss.pipeline import recorded_images
from mingolotss.pipeline.executors.local import processes, threads
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header

pytestmark = pytest.mark.slow  # together they take long

SIDE, NAMES = 48, ["J0", "J1", "J2"]
RA = 180 + 0.1 * np.arange(len(NAMES))
RECIPE = load_recipe("lotss").changed({
    "formats": ["parquet"], "stamp.pixels": 32, "noise.method": "sigma-clipped",
    "images.size_arcmin": 1.2, "images.rms": "",
})  # fmt: skip
MAPPERS = {"map": lambda: nullcontext(map), "threads": lambda: threads(2),
           "processes": lambda: processes(2)}  # fmt: skip


def write(folder: Path, codec: str) -> None:
    """Write a compressed image for each source."""
    folder.mkdir()
    for index, name in enumerate(NAMES):
        header = simple_header(RA[index], 50.0, shape=(SIDE, SIDE), scale_arcsec=1.5)
        pixels = np.random.default_rng(index).normal(0, 400, (SIDE, SIDE)).astype("i2")
        cards = fits.Header.fromstring(header.decode())
        image = fits.CompImageHDU(np.abs(pixels), cards, compression_type=codec)
        hdus = fits.HDUList([fits.PrimaryHDU(), image])
        hdus.writeto(folder / f"{name}_P1-mosaic.fits.fz", checksum=codec == "PLIO_1")


def damage(path: Path) -> None:
    """Change bytes of an image until it cannot be read."""
    raw, rng = path.read_bytes(), random.Random(1)  # noqa: S311
    layout = find_image(raw)
    for _ in range(200):
        data = bytearray(raw)
        data[rng.randrange(layout.offset, layout.end)] ^= 0x55
        path.write_bytes(data)
        with suppress(ImageError):
            read_image(path)
            continue
        return
    pytest.fail("every damaged file was read")


def make(folder: Path, out: Path, mapper=map):
    ones = np.ones(len(NAMES))
    catalogue = Catalogue.from_columns(NAMES, RA, 50 * ones, size_arcsec=ones, flux_mjy=ones)
    build(RECIPE, catalogue=catalogue, service=f"folder:{folder}", out=out, mapper=mapper)
    return read_manifest(out).to_pylist()


@pytest.mark.parametrize("mapper", MAPPERS)
@pytest.mark.parametrize("codec", ["RICE_1", "HCOMPRESS_1", "PLIO_1"])
def test_a_damaged_image_is_rejected_until_its_file_changes(tmp_path, codec, mapper):
    """No process ends, a rerun keeps the rejection, and a whole file with an older date is read."""
    folder, out = tmp_path / "in", tmp_path / "out"
    write(folder, codec)
    expected = make(folder, tmp_path / "expected")
    path = folder / "J1_P1-mosaic.fits.fz"
    whole = path.read_bytes()
    damage(path)
    with MAPPERS[mapper]() as run:
        rows = make(folder, out, run)
        assert [row["status"] for row in rows] == ["written", "rejected", "written"]
        assert "damaged" in rows[1]["reason"] or "cut short" in rows[1]["reason"]
        assert f" {path.name}: " in rows[1]["reason"]  # relative to the folder of the images
        assert [rows[0], rows[2]] == [expected[0], expected[2]]
        part = BuildFolder(out).part(0)
        written_at = part.stat().st_mtime_ns
        assert make(folder, out, run) == rows
        assert part.stat().st_mtime_ns == written_at
        path.write_bytes(whole)
        os.utime(path, (1, 1))
        assert make(folder, out, run) == expected


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "EACCES", "ETIMEDOUT"])
def test_a_file_whose_status_cannot_be_read_ends_no_build(tmp_path, monkeypatch, name):
    """Neither while it is made nor in the next run, which looks at the file again."""
    folder, out = tmp_path / "in", tmp_path / "out"
    write(folder, "RICE_1")
    expected = make(folder, tmp_path / "expected")
    number, read_times = getattr(errno, name), file_identity.read_times

    def fail(path):
        if "J1" in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return read_times(path)

    monkeypatch.setattr(recorded_images, "read_times", fail)
    assert make(folder, out) == expected
    assert make(folder, out) == expected
    monkeypatch.setattr(recorded_images, "read_times", read_times)
    damage(folder / "J1_P1-mosaic.fits.fz")
    assert [row["status"] for row in make(folder, out)] == ["written", "rejected", "written"]
