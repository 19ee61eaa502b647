"""How often a build of a folder lists it, opens its files and hashes them."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.io import fits
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import run
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header
from skies import write_fits

RECIPE = load_recipe("lotss").changed({"formats": ["png", "parquet"], "stamp.pixels": 32})
N, SHAPE = 5, (60, 60)


def test_each_file_is_mapped_and_hashed_once_and_the_folder_listed_twice(tmp_path, monkeypatch):
    """Planning reads headers only, and lists the folder for its images and for its record."""
    folder, rng, ones = tmp_path / "in", np.random.default_rng(1), np.ones(N)
    folder.mkdir()
    ra, names = 180.0 + np.arange(N), [f"J{index}" for index in range(N)]
    for name, position in zip(names, ra, strict=True):
        header = simple_header(position, 50.0, shape=SHAPE, scale_arcsec=1.5)
        write_fits(folder / f"{name}_P1-mosaic.fits", rng.normal(0, 1, SHAPE), header)
        write_fits(folder / f"{name}_P1-mosaic-rms.fits", np.ones(SHAPE), header)
    mapped, listed, hashed = Counter(), Counter(), []
    map_file, scandir, sha256_all = fits.map_file, os.scandir, fits.sha256_all
    monkeypatch.setattr(fits, "map_file", lambda path: mapped.update([path]) or map_file(path))
    monkeypatch.setattr(fits, "hashlib", None)  # of single files
    monkeypatch.setattr(os, "scandir", lambda path: listed.update([str(path)]) or scandir(path))
    monkeypatch.setattr(
        fits, "sha256_all", lambda raws: hashed.append(len(raws)) or sha256_all(raws)
    )
    catalogue = Catalogue.from_columns(names, ra, 50 * ones, size_arcsec=ones, flux_mjy=ones)
    planned = plan(RECIPE, catalogue=catalogue, service=f"folder:{folder}", out=tmp_path / "out")
    assert listed[str(folder)] == 2
    assert mapped == dict.fromkeys((str(folder / f"{name}_P1-mosaic.fits") for name in names), 1)
    assert not hashed
    mapped.clear()
    assert run(planned).written == N
    assert mapped == dict.fromkeys((str(path) for path in folder.iterdir()), 1)
    assert hashed == [2] * N
