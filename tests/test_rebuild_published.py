"""The whole path to the bytes of published batches: from FITS files to files with equal MD5.

Few of the FITS files are at hand. For the others, images are made from which the recipe gives the
published grey values, so that every step after the pixels is the one of a whole build.
"""

from __future__ import annotations

import csv
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from builds import run
from mingolotss.dataset.manifest import read_manifest
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.io.files import md5_file
from mingolotss.recipe.load import load_recipe

ARCHIVES = {
    "frdeep-first": ("frdeep/FIRST.tar.gz", "frdeep/fits", 47),
    "mirabest": ("mirabest/MiraBest_F_batches.tar.gz", "first/fits", 8),
}
WITHOUT_FITS = "200_150.661+012.018_0.2633_0016.53"
ALONE = "data_batch_5"  # the batch that has it


def inverse_image(grey):
    """Return integers that come out as `grey`: zero where it is 0, and odd numbers up to 510.

    (2 g + 1) / 510 * 255 is g + 1/2, which is truncated to g. Most pixels are 0, so that the noise
    after clipping is so small that no pixel above 0 is cut.
    """
    values = np.where(grey == 255, 510, 2 * grey.astype(np.int16) + 1)
    return np.where(grey == 0, 0, values).astype(np.int16)


def write_fits(path, grey, ra, dec):
    header = fits.Header(
        {"CTYPE1": "RA---TAN", "CRPIX1": 75.5, "CDELT1": -0.0005, "CRVAL1": ra,
         "CTYPE2": "DEC--TAN", "CRPIX2": 75.5, "CDELT2": 0.0005, "CRVAL2": dec}
    )  # fmt: skip
    fits.writeto(path, inverse_image(grey), header)


def write_images(shared: Path, folder: Path, name: str) -> Path:
    """Copy the FITS files at hand, and make those of all other sources of the list."""
    archive, own, count = ARCHIVES[name]
    images = load_recipe(name).published.read_list()
    with tarfile.open(shared / "data" / archive) as tar:
        tar.extractall(folder / "published", filter="data")
    (folder / "fits").mkdir()
    for path in (shared / "data" / own).iterdir():
        shutil.copyfile(path, folder / "fits" / path.name)
    assert len(list((folder / "fits").iterdir())) == count
    contents = {}
    for row, source in enumerate(images.names):
        batch = images.batches[row]
        if batch not in contents:
            [path] = (folder / "published").rglob(batch)
            contents[batch] = load_pickle(path)
        path = folder / "fits" / f"{source}.fits"
        if not path.exists():
            pixels = np.reshape(contents[batch]["data"][images.positions[row]], (150, 150))
            write_fits(path, pixels, images.ra[row], images.dec[row])
    return folder / "fits"


def rows_of(out):
    return read_manifest(out, ["source", "label", "batch", "split", "status", "reason"]).to_pylist()


@pytest.mark.slow
def test_frdeep_comes_out_byte_for_byte(shared, tmp_path):
    """658 of 658 images and 3 of 3 files, from 47 real FITS files and 611 that were made."""
    folder = write_images(shared, tmp_path, "frdeep-first")
    out = tmp_path / "out"
    done = run("build", "frdeep-first", "--service", f"folder:{folder}", "--out", out)
    assert done.returncode == 0, done.stderr
    done = run("verify", out, "--published")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == [
        "3 of 3 files are the published ones, byte for byte",
        "658 of 658 images are the published ones, pixel for pixel",
    ]
    assert run("verify", out).returncode == 0
    with tarfile.open(out / "FIRST.tar.gz") as tar:
        assert tar.getnames() == ["train_batch", "test_batch", "batches.meta"]
    with (shared / "data/frdeep/published.csv").open() as stream:
        published = list(csv.DictReader(stream))
    rows = rows_of(out)
    assert [row["source"] for row in rows] == [one["name"] for one in published]
    assert [row["batch"] for row in rows] == [one["batch"] for one in published]
    assert {(row["batch"], row["split"]) for row in rows} == {
        ("train_batch", "train"), ("test_batch", "test"),
    }  # fmt: skip
    # An export in batches has the same files, also by way of another format.
    parquet, batches = tmp_path / "parquet", tmp_path / "batches"
    assert run("export", out, "--format", "parquet", "--out", parquet).returncode == 0
    assert run("export", parquet, "--format", "batches", "--out", batches).returncode == 0
    for place in (parquet, batches, batches / "FIRST", batches / "FIRST.tar.gz"):
        assert run("verify", place, "--published").returncode == 0, place


@pytest.mark.slow
def test_mirabest_comes_out_byte_for_byte(shared, tmp_path):
    """Without the FITS file that nobody has, 8 of 9 files; with one that was made, 9 of 9."""
    folder, out = write_images(shared, tmp_path, "mirabest"), tmp_path / "out"
    (folder / f"{WITHOUT_FITS}.fits").rename(tmp_path / "kept.fits")
    build = ("build", "mirabest", "--service", f"folder:{folder}", "--out", out)
    done = run(*build, "--max-rejected", 1)
    assert done.returncode == 0, done.stderr
    [rejected] = [row for row in rows_of(out) if row["status"] == "rejected"]
    assert rejected["source"] == WITHOUT_FITS
    assert "no file for it" in rejected["reason"]
    done = run("verify", out, "--published")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{ALONE}: 1 of 157 images absent ('{WITHOUT_FITS}')",
        "8 of 9 files are the published ones, byte for byte",
        "1255 of 1256 images are the published ones, pixel for pixel; 1 absent",
    ]
    (tmp_path / "kept.fits").rename(folder / f"{WITHOUT_FITS}.fits")
    done = run(*build)
    assert done.returncode == 0, done.stderr
    assert run("verify", out, "--published").returncode == 0
    published = load_recipe("mirabest").published.files
    assert {path: md5_file(out / path) for path in published} == published
    with tarfile.open(out / "MiraBest_F_batches.tar.gz") as tar:
        assert set(tar.getnames()) == set(published)
    with (shared / "data/mirabest/published.csv").open() as stream:
        expected = [(one["batch"], int(one["label"])) for one in csv.DictReader(stream)]
    assert [(row["batch"], row["label"]) for row in rows_of(out)] == expected
