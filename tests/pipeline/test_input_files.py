"""Mosaics that were replaced are noticed by `build` and by `verify`, whatever their dates."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.run import build
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header
from skies import write_fits

RECIPE = load_recipe("lotss").changed({
    "formats": ["parquet"], "stamp.pixels": 32, "noise.method": "sigma-clipped",
    "images.size_arcmin": 1.2,
})  # fmt: skip
N, SHAPE, RA, DEC = 4, (600, 700), 180.0, 50.0
LARGE, SMALL = SHAPE, (90, 100)  # read by samples, and whole


def write_mosaic(folder: Path, shape: tuple[int, int], seed: int = 1) -> Path:
    path = folder / "P1-mosaic.fits"
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(0, 1, shape)
    write_fits(path, pixels, simple_header(RA, DEC, shape=shape, scale_arcsec=1.5))
    return path


def make(folder: Path, out: Path) -> list[str]:
    """Build, and return the checksum of every stamp."""
    names, ones = [f"J{i}" for i in range(N)], np.ones(N)
    ra = RA + np.linspace(-0.005, 0.005, N)
    catalogue = Catalogue.from_columns(names, ra, DEC * ones, size_arcsec=ones, flux_mjy=ones)
    build(RECIPE, catalogue=catalogue, service=f"mosaics:{folder}", out=out)
    return [row["pixels_sha256"] for row in read_manifest(out).to_pylist()]


def older_date(path: Path) -> None:
    write_mosaic(path.parent, LARGE if path.stat().st_size > 1e6 else SMALL, seed=2)
    os.utime(path, (1, 1))


def same_date(path: Path) -> None:
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    older_date(path)
    os.utime(path, ns=times)


def older_folder(path: Path) -> None:
    """Let another release take the name of the folder."""
    other = path.parent.with_name("other")
    shutil.copytree(path.parent, other)
    older_date(other / path.name)
    path.parent.rename(path.parent.with_name("before"))
    other.rename(path.parent)


def link_to_another_folder(path: Path) -> None:
    older_folder(path)
    path.parent.rename(path.parent.with_name("release-2"))
    path.parent.symlink_to("release-2")


@pytest.mark.parametrize("shape", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("change", [older_date, same_date, older_folder, link_to_another_folder])
def test_a_replaced_mosaic_is_noticed(tmp_path, change, shape):
    """Its stamps are made again, and `verify` names the file until then."""
    folder, out = tmp_path / "release", tmp_path / "out"
    path = write_mosaic(folder, shape)
    before = make(folder, out)
    assert verify(out).problems == []
    change(path)
    assert verify(out).problems == [f"{path}: changed since the build"]
    after = make(folder, out)
    assert before != after
    assert verify(out).problems == []
    fresh = make(folder, tmp_path / "fresh")
    assert after == fresh


@pytest.mark.parametrize("shape", [LARGE, SMALL], ids=["large", "small"])
def test_a_build_of_unchanged_mosaics_is_left_alone(tmp_path, shape):
    folder, out = tmp_path / "release", tmp_path / "out"
    write_mosaic(folder, shape)
    make(folder, out)
    part = BuildFolder(out).part(0)
    written_at = part.stat().st_mtime_ns
    make(folder, out)
    assert part.stat().st_mtime_ns == written_at


def test_one_pixel_of_a_large_mosaic_with_its_date_before_makes_its_stamps_again(tmp_path):
    """Samples miss a pixel, and no program can set the time of the inode."""
    folder, out = tmp_path / "release", tmp_path / "out"
    path = write_mosaic(folder, LARGE)
    before = make(folder, out)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with path.open("r+b") as stream:
        stream.seek(2880 + 4 * (300 * 700 + 350))
        stream.write(np.float32(99).tobytes()[::-1])
    os.utime(path, ns=times)
    assert before != make(folder, out)
