"""How often a build of a folder lists it, opens its files and hashes them."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mingolotss.candidates.requests import CutoutRequest
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError
from mingolotss.io import fits
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import run
from mingolotss.recipe.load import load_recipe
from mingolotss.service.local import folder as folder_service
from mingolotss.service.local.folder import FolderService, read_cutout
from mingolotss.sky.wcs import simple_header
from skies import write_fits

RECIPE = load_recipe("lotss").changed({"formats": ["png", "parquet"], "stamp.pixels": 32})
N, SHAPE = 5, (60, 60)


def write_folder(folder):
    """Write images and rms maps of N sources; return the names and right ascensions."""
    folder.mkdir()
    rng, ra, names = np.random.default_rng(1), 180.0 + np.arange(N), [f"J{n}" for n in range(N)]
    for name, position in zip(names, ra, strict=True):
        header = simple_header(position, 50.0, shape=SHAPE, scale_arcsec=1.5)
        write_fits(folder / f"{name}_P1-mosaic.fits", rng.normal(0, 1, SHAPE), header)
        write_fits(folder / f"{name}_P1-mosaic-rms.fits", np.ones(SHAPE), header)
    return names, ra


@pytest.mark.parametrize("group", [1, 2, N, 64])
def test_cutouts_of_groups_are_those_of_single_files(tmp_path, monkeypatch, group):
    """Each has its own pixels and checksums, and an error stays with its source."""
    names, ra = write_folder(tmp_path / "in")
    catalogue = Catalogue.from_columns(names, ra, np.full(N, 50.0))
    service = FolderService(tmp_path / "in")
    candidates = [one for (one,) in service.search_all(catalogue, 0.1)]
    Path(candidates[1].rms).unlink()
    os.truncate(candidates[2].image, 5000)
    os.truncate(candidates[3].image, 0)
    monkeypatch.setattr(folder_service, "_GROUP", group)
    requests = [CutoutRequest(one, catalogue.source(row)) for row, one in enumerate(candidates)]
    outcomes = list(service.cutouts(requests, 0.1))
    for candidate, outcome in zip(candidates, outcomes, strict=True):
        if isinstance(outcome, ImageError):
            with pytest.raises(type(outcome)) as alone:
                read_cutout(candidate)
            assert str(alone.value) == str(outcome)
            continue
        expected = read_cutout(candidate)
        assert (outcome.sha256, outcome.rms_sha256) == (expected.sha256, expected.rms_sha256)
        assert outcome.image.tobytes() == expected.image.tobytes()
        assert outcome.rms.tobytes() == expected.rms.tobytes()
    assert [isinstance(one, ImageError) for one in outcomes] == [False, True, True, True, False]


def test_a_worker_gets_a_service_without_the_listing_of_the_folder(tmp_path):
    """The task of a part does not grow with the folder, and a copy lists it again when asked."""
    names, ra = write_folder(tmp_path / "in")
    catalogue = Catalogue.from_columns(names, ra, np.full(N, 50.0))
    service, unlisted = FolderService(tmp_path / "in"), FolderService(tmp_path / "in")
    found = service.search_all(catalogue, 0.1)
    assert len(pickle.dumps(service)) == len(pickle.dumps(unlisted))
    copy = pickle.loads(pickle.dumps(service))
    assert copy.search_all(catalogue, 0.1) == found
    requests = [CutoutRequest(one, catalogue.source(row)) for row, (one,) in enumerate(found)]
    pixels = [
        [one.image.tobytes() for one in each.cutouts(requests, 0.1)] for each in (service, copy)
    ]
    assert pixels[0] == pixels[1]


def test_each_file_is_mapped_and_hashed_once_and_the_folder_listed_twice(tmp_path, monkeypatch):
    """Planning reads headers only, and lists the folder for its images and for its record."""
    folder, ones = tmp_path / "in", np.ones(N)
    names, ra = write_folder(folder)
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
