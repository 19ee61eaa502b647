"""An image that is cut short, or whose disk fails, while it is mapped: one rejection, no SIGBUS."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError, TruncatedFileError, UnreadableFileError
from mingolotss.image.kernel_library import available
from mingolotss.io import fits
from mingolotss.io.fits import read_image
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline.executors.local import processes, threads
from mingolotss.pipeline.run import build
from mingolotss.pipeline.stamps import make_stamp
from mingolotss.recipe.load import load_recipe
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.sky.wcs import SkyWCS, simple_header
from skies import write_fits

pytestmark = pytest.mark.skipif(
    not (available() and sys.platform.startswith("linux")), reason="needs the kernel, and Linux"
)
RECIPE = load_recipe("lotss").changed({
    "formats": ["parquet"], "stamp.pixels": 32, "noise.method": "sigma-clipped",
    "images.size_arcmin": 1.2,
})  # fmt: skip
N, SHAPE, RA, DEC, SIDE = 6, (800, 400), 180.0, 50.0, 48
NAMES = [f"J{i}" for i in range(N)]
DECS = DEC + np.linspace(-0.1, 0.1, N)
MAPPERS = {"map": lambda: nullcontext(map), "threads": lambda: threads(2),
           "processes": lambda: processes(2)}  # fmt: skip


@pytest.fixture
def mosaic(tmp_path):
    path = tmp_path / "in" / "P1-mosaic.fits"
    path.parent.mkdir()
    pixels = np.random.default_rng(1).normal(0, 1, SHAPE)
    write_fits(path, pixels, simple_header(RA, DEC, shape=SHAPE, scale_arcsec=1.5))
    return path


class CutShort(MosaicsService):
    """Mosaics that are cut in half after the cutouts are there as views, before they are read."""

    def cutouts(self, requests, size_deg):
        views = super().cutouts(requests, size_deg)
        path = Path(self.fields["P1"][0])
        os.truncate(path, min(path.stat().st_size, 4 * SHAPE[0] * SHAPE[1] // 2))
        return views


class Failing:
    """A service whose disk fails for two sources: some of their pages can never be read."""

    def __init__(self, folder, bad=("J1", "J4")):
        self.folder, self.bad = folder, bad

    def __repr__(self):
        return "Failing"

    def search(self, position, size):
        name = NAMES[int(np.argmin(abs(DECS - position.icrs.dec.deg)))]
        return [Candidate("P1", f"{name}.fits", "", name)]

    def cutout(self, candidate, position, size):
        index = NAMES.index(candidate.source)
        pixels = np.random.default_rng(index).normal(0, 1, (SIDE, SIDE)).astype("f4")
        path = self.folder / f"{candidate.source}-{os.getpid()}"
        path.write_bytes(pixels.tobytes())
        with path.open("rb") as stream:
            raw = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if candidate.source in self.bad:
            os.truncate(path, 0)
        header = simple_header(RA, DECS[index], shape=pixels.shape, scale_arcsec=1.5)
        return Cutout(np.frombuffer(raw, "f4").reshape(SIDE, SIDE), None,
                      SkyWCS.from_header(header))  # fmt: skip


def make(out, service, mapper=map):
    ones = np.ones(N)
    catalogue = Catalogue.from_columns(NAMES, RA * ones, DECS, size_arcsec=ones, flux_mjy=ones)
    build(RECIPE, catalogue=catalogue, service=service, out=out, mapper=mapper)
    return read_manifest(out).to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("mapper", MAPPERS)
def test_a_mosaic_that_is_cut_short_while_it_is_mapped_is_rejected(tmp_path, mosaic, mapper):
    """And its sources are read again when the file is whole."""
    raw, out = mosaic.read_bytes(), tmp_path / "out"
    with MAPPERS[mapper]() as run:
        rows = make(out, CutShort(str(mosaic.parent)), run)
    assert [row["status"] for row in rows] == ["rejected"] * N
    assert all("cut short" in row["reason"] for row in rows)
    assert all(mosaic.name in row["reason"] for row in rows)
    mosaic.write_bytes(raw)
    # A service is part of what a build is, and is called by its class.
    expected = make(tmp_path / "expected", f"mosaics:{mosaic.parent}")
    again = make(tmp_path / "again", f"mosaics:{mosaic.parent}")
    assert [row["status"] for row in expected] == ["written"] * N
    assert again == expected


@pytest.mark.parametrize("mapper", MAPPERS)
def test_pages_that_cannot_be_read_reject_their_sources_for_this_run(tmp_path, mapper):
    """All others are as ever, and the next run reads the images again."""
    expected = make(tmp_path / "expected", Failing(tmp_path, ()))
    out = tmp_path / "out"
    with MAPPERS[mapper]() as run:
        rows = make(out, Failing(tmp_path), run)
    assert [row["status"] == "rejected" for row in rows] == [n in ("J1", "J4") for n in NAMES]
    for row, other in zip(rows, expected, strict=True):
        if row["source"] in ("J1", "J4"):
            assert row["reason"].startswith(
                f"P1: make the stamp of {row['source']} from {row['source']}.fits: the system"
            )
        else:
            assert row == other
    assert make(out, Failing(tmp_path, ())) == expected


def test_a_cutout_that_is_cut_short_while_it_is_read(tmp_path, mosaic, monkeypatch):
    """A file of a folder is hashed and used in one go, between which it may be cut."""
    map_file = fits.map_file

    def cut(path):
        raw = map_file(path)
        os.truncate(path, 10_000)
        return raw

    monkeypatch.setattr(fits, "map_file", cut)
    with pytest.raises(TruncatedFileError, match=r"cut short to 10000 of \d+ bytes while"):
        read_image(mosaic)


def test_a_cutout_whose_pages_cannot_be_read_is_read_in_the_next_run(tmp_path, mosaic, monkeypatch):
    map_file = fits.map_file

    def fail(name):
        path = Path(name)
        raw, content = map_file(path), path.read_bytes()
        os.truncate(path, 10_000)
        path.with_name("other").write_bytes(content)
        path.with_name("other").replace(path)
        return raw

    monkeypatch.setattr(fits, "map_file", fail)
    with pytest.raises(UnreadableFileError, match="cannot read all of it now") as caught:
        read_image(mosaic)
    assert caught.value.retry


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_cutouts_the_one_that_is_cut_short_is_named(tmp_path, mosaic, monkeypatch, which):
    """They are hashed together; the other one is what it is alone."""
    expected = read_image(mosaic)
    paths = [tmp_path / "image.fits", tmp_path / "rms.fits"]
    for path in paths:
        path.write_bytes(mosaic.read_bytes())
    map_file = fits.map_file

    def cut(name):
        raw = map_file(name)
        if name == str(paths[which]):
            os.truncate(name, 10_000)
        return raw

    monkeypatch.setattr(fits, "map_file", cut)
    images = fits.MappedFiles([str(path) for path in paths]).images()
    if which == 1:
        first = next(images)
        assert first.sha256 == expected.sha256
        np.testing.assert_array_equal(first.data, expected.data)
    with pytest.raises(TruncatedFileError, match=rf"{paths[which].name}: .*10000 of \d+ bytes"):
        next(images)


def test_one_stamp_of_a_mosaic_that_was_cut_short(mosaic):
    service = MosaicsService(str(mosaic.parent))
    position, size = SkyCoord(RA, DEC, unit="deg"), 1.2 * u.arcmin
    (candidate,) = service.search(position, size)
    cutout = service.cutout(candidate, position, size)
    os.truncate(mosaic, 10_000)
    with pytest.raises(ImageError, match="cut short"):
        make_stamp(cutout, position, RECIPE)
