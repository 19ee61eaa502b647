"""A service says that its images are simulated, and images on disk say it themselves."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.dataset.provenance import read_provenance
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.base import open_service
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.simulation import has_simulated_images, is_simulated_file
from mingolotss.simulate import SkyFolder, SkyModel, write_sky
from readers_build import make_build


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return SkyFolder(write_sky(SkyModel(sources=10), tmp_path_factory.mktemp("sky")))


@pytest.fixture(scope="module")
def mosaic(sky):
    return min(sky.path.glob("*-mosaic.fits"))


def compressed(mosaic, folder):
    """Return the image in an extension, as fpack writes it."""
    data, header = fits.getdata(mosaic, header=True)
    path = folder / "packed.fits"
    fits.CompImageHDU(data[:64, :64], header).writeto(path)
    return path


def zipped(mosaic, folder):
    path = folder / "a.fits.gz"
    path.write_bytes(gzip.compress(mosaic.read_bytes()[:500_000], 1))
    return path


def cutout(mosaic, folder):
    """Return a part of it as an archive would deliver it: other cards, the same ORIGIN."""
    data, header = fits.getdata(mosaic, header=True)
    path = folder / "cutout.fits"
    header.insert(0, ("COMMENT", "cut by a server"))
    fits.writeto(path, data[:64, :64], header)
    return path


@pytest.mark.parametrize("make", [compressed, zipped, cutout, lambda mosaic, _folder: mosaic])
def test_a_simulated_image_says_so_in_every_form(mosaic, tmp_path, make):
    """Plain, gzip'd, tile-compressed, or cut out of its mosaic."""
    assert is_simulated_file(str(make(mosaic, tmp_path)))


@pytest.mark.parametrize("origin", [None, "ASTRON", "not by mingolotss simulate"])
def test_other_images_are_not_simulated(tmp_path, origin):
    """The card ORIGIN must begin with the program's own words."""
    path = tmp_path / "a.fits"
    header = fits.Header({"ORIGIN": origin} if origin else {})
    fits.writeto(path, np.zeros((4, 4), "f4"), header)
    assert not is_simulated_file(str(path))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bno gzip", b"SIMPLE"])
def test_files_that_cannot_be_read_are_not_simulated(tmp_path, content):
    """The error of such a file is raised where its pixels are needed."""
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    assert not is_simulated_file(str(path))
    assert not is_simulated_file(str(tmp_path / "absent.fits"))
    assert not is_simulated_file("https://example.org/P1-mosaic.fits")


def test_the_service_of_the_simulated_sky_says_so(sky):
    """The attribute decides without a look at any file."""
    assert has_simulated_images(open_service(f"simulated:{sky.path}"), [])
    assert not has_simulated_images(open_service(f"mosaics:{sky.path}"), [])


def test_a_service_of_another_package_can_say_so(sky):
    """It needs the attribute `simulated` and nothing else."""

    class Other(MosaicsService):
        simulated = True

    assert has_simulated_images(Other(str(sky.path)), [])


@pytest.mark.parametrize("recipe", ["mingolotss", "renamed"])
def test_any_recipe_built_from_simulated_images_says_so(sky, tmp_path, recipe):
    """Through the service `mosaics`, from a copy of the sky elsewhere, under another name."""
    copy = tmp_path / "LoTSS"
    shutil.copytree(sky.path, copy)
    renamed = load_recipe("mingolotss").changed({"name": recipe, "title": "LoTSS DR1"})
    out = tmp_path / "out"
    done = build(renamed, out=out, service=f"mosaics:{copy}", catalogue=SkyFolder(copy).catalogue)
    assert done.simulated
    provenance = read_provenance(out)
    assert provenance.simulated
    assert provenance.title == "LoTSS DR1 (simulated sky)"
    assert "LOFAR" not in provenance.description
    assert "# LoTSS DR1 (simulated sky)" in (out / "README.md").read_text()


def test_a_build_of_other_images_does_not_say_it(tmp_path):
    """Neither by the name of the service nor by the names of its files."""
    out = make_build(Path(tmp_path, "simulated"))
    assert not read_provenance(out).simulated
    assert "imulated" not in (out / "README.md").read_text()
