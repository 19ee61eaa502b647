"""What a user can get wrong: one clear line, the right exit code, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
from astropy.table import Table

from builds import contents, run
from mingolotss.dataset.manifest import read_manifest
from mingolotss.io.parquet import read_table
from skies import random_cutout, random_sky, write_catalogue, write_fits


@pytest.fixture
def one(tmp_path):
    """Give a folder with one good source of field P1 and its catalogue."""
    folder = tmp_path / "in"
    folder.mkdir()
    image, rms, header = random_cutout(np.random.default_rng(2), 200.0, 50.0)
    write_fits(folder / "A_P1-mosaic.fits", image, header)
    write_fits(folder / "A_P1-mosaic-rms.fits", rms, header)
    write_catalogue(tmp_path / "catalogue.fits", ["A"], np.array([200.0]), np.array([50.0]))
    return folder


def build(folder, *more):
    catalogue = folder.parent / "catalogue.fits"
    return run(
        "build", "--catalogue", catalogue, "--service", f"folder:{folder}", "--workers", 1,
        "--out", folder.parent / "out", *more,
    )  # fmt: skip


def refused(done, code, *words):
    """Assert that a command ended with `code` and one line that has every word."""
    assert done.returncode == code, (done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("mingolotss: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def rejected(folder, *words):
    """Assert that the build ran, rejected its one source, and said why."""
    done = build(folder)
    assert done.returncode == 1, done.stderr
    assert "1 rejected" in done.stdout
    row = read_manifest(folder.parent / "out").to_pylist()[0]
    assert row["status"] == "rejected"
    for word in words:
        assert word in row["reason"], row["reason"]
    assert "\n" not in row["reason"]


def test_a_folder_without_fits(one):
    for path in one.iterdir():
        path.unlink()
    refused(build(one), 2, "there is no FITS file in it", str(one))


@pytest.mark.slow
def test_a_folder_that_is_not_there(one):
    shutil.rmtree(one)
    refused(build(one), 2, "there is no such folder", str(one))


@pytest.mark.slow
def test_files_of_other_sources(one):
    (one / "A_P1-mosaic.fits").rename(one / "B_P1-mosaic.fits")
    refused(build(one), 2, "none of its 2 FITS files is named", "'A'")


@pytest.mark.slow
def test_an_html_page(one):
    (one / "A_P1-mosaic.fits").write_text("<!DOCTYPE html><html><body>503</body></html>")
    rejected(one, "P1: ", "an HTML page, not a FITS file")


@pytest.mark.slow
def test_a_truncated_file(one):
    path = one / "A_P1-mosaic.fits"
    path.write_bytes(path.read_bytes()[:-9000])
    rejected(one, "the file is cut short")


@pytest.mark.slow
def test_no_wcs(one):
    from astropy.io import fits

    data = fits.getdata(one / "A_P1-mosaic.fits")
    fits.PrimaryHDU(data).writeto(one / "A_P1-mosaic.fits", overwrite=True)
    rejected(one, "no WCS")


@pytest.mark.slow
def test_all_nan(one):
    image, _, header = random_cutout(np.random.default_rng(2), 200.0, 50.0)
    write_fits(one / "A_P1-mosaic.fits", image * np.nan, header)
    rejected(one, "no finite non-zero pixel")


@pytest.mark.slow
def test_one_pixel_wide(one):
    _, _, header = random_cutout(np.random.default_rng(2), 200.0, 50.0)
    write_fits(one / "A_P1-mosaic.fits", np.ones((240, 1)), header)
    rejected(one, "1 x 240 pixels")


@pytest.mark.slow
def test_an_rms_map_of_another_shape(one):
    _, rms, header = random_cutout(np.random.default_rng(2), 200.0, 50.0)
    write_fits(one / "A_P1-mosaic-rms.fits", rms[1:], header)
    rejected(one, "the rms map is", "its image")


@pytest.mark.slow
def test_no_rms_map(one):
    (one / "A_P1-mosaic-rms.fits").unlink()
    rejected(one, "no rms map")


@pytest.mark.slow
def test_no_rms_map_but_a_recipe_that_estimates(one):
    (one / "A_P1-mosaic-rms.fits").unlink()
    assert build(one, "--set", "noise.otherwise=sigma-clipped").returncode == 0


def test_the_other_field_is_taken(one):
    """A bad candidate is no rejection where a good one is left."""
    (one / "A_P2-mosaic.fits").write_text("<html></html>")
    assert build(one).returncode == 0
    verdicts = read_table(one.parent / "out" / "candidates.parquet")["verdict"].to_pylist()
    assert verdicts[0] == "chosen"
    assert "HTML" in verdicts[1]


def test_impossible_flags(one):
    path = one.parent / "catalogue.fits"
    table = Table.read(path)
    table["FR1"] = table["FR2"] = True
    table.write(path, overwrite=True)
    refused(build(one), 2, "FR1 + FR2", "row 1 (A)")
    assert not (one.parent / "out").exists()


@pytest.mark.slow
def test_unknown_recipe_key(one):
    refused(build(one, "--set", "noise.sgima=4"), 2, "'noise.sgima'", "did you mean 'sigma'")
    mine = one.parent / "mine.toml"
    mine.write_text('name = "mine"\n[stmp]\npixels = 100\n')
    refused(run("build", mine, "--out", one.parent / "out"), 2, "'stmp'", "did you mean 'stamp'")


@pytest.mark.slow
def test_unknown_names(one):
    refused(run("build", "mingolots", "--out", one.parent), 2, "did you mean 'mingolotss'")
    done = run("build", "--service", "foldr:x", "--out", one.parent / "o", "--catalogue", "x")
    refused(done, 2, "did you mean 'folder'")


@pytest.mark.slow
def test_no_catalogue(one):
    done = run(
        "build", "--service", f"folder:{one}", "--out", one.parent / "out",
        "--set", "catalogue.url=",
    )  # fmt: skip
    refused(done, 2, "no catalogue was given")


@pytest.mark.slow
def test_another_recipes_build(one):
    assert build(one).returncode == 0
    before = contents(one.parent / "out")
    refused(build(one, "--set", "noise.method=sigma-clipped"), 2, "it holds a build with recipe")
    assert contents(one.parent / "out") == before


@pytest.mark.slow
def test_status_and_verify_of_nothing(tmp_path):
    refused(run("status", tmp_path), 2, "there is no build in it")
    refused(run("verify", tmp_path), 2, "no finished build")


def test_an_output_that_cannot_be_written(one):
    (one.parent / "out").write_text("a file, not a folder")
    refused(build(one), 2, "out")


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    """No space: one line that says so; with space again the same command ends as if nothing was."""
    sky = random_sky(tmp_path / "in", 60, seed=4, kinds=("float32",))
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", small],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    arguments = [
        "build", "--catalogue", sky.catalogue, "--service", f"folder:{sky.folder}",
        "--max-rejected", 100, "--out",
    ]  # fmt: skip
    try:
        refused(run(*arguments, small / "out"), 2, "no space left on the disk")
        assert not list(small.rglob(".part-*"))
        subprocess.run(["mount", "-o", "remount,size=50m", small], check=True)
        assert run(*arguments, small / "out").returncode == 0
        assert run(*arguments, tmp_path / "out").returncode == 0
        assert contents(small / "out") == contents(tmp_path / "out")
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(one):
    one.parent.chmod(0o500)
    try:
        refused(build(one), 2, "Permission denied")
    finally:
        one.parent.chmod(0o700)
