"""Exports of wide stamps, as those of NVSS: no two images of different splits show the same sky."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from builds import run
from mingolotss.dataset.calibration import stamp_wcs
from mingolotss.pipeline.run import build
from mingolotss.qa.verify import verify

pytestmark = pytest.mark.slow  # together they take long

SIDE, SCALE = 40, 56.25  # 37.5 arcmin
RECIPE = f"""
extends = "mirabest"
name = "nvss"
steps = [{{ do = "zero-nan" }}, {{ do = "minmax" }}]
formats = ["parquet"]
[images]
size_arcmin = {SIDE * SCALE / 60}
[stamp]
pixels = {SIDE}
"""
PLANS = ["stratified:seed=3", "k-fold:folds=3,seed=3", "blocks:train=0.6,val=0.2,test=0.2,seed=3"]


def write_images(folder, places):
    """Write images around positions, each turned by another angle, and named as MiraBest's are."""
    rng = np.random.default_rng(5)
    folder.mkdir()
    step = SCALE / 3600
    for index, (ra, dec) in enumerate(places):
        turn = np.radians(17.0 * index)
        header = fits.Header()
        header.update({
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
            "CRPIX1": (SIDE + 1) / 2, "CRPIX2": (SIDE + 1) / 2, "CD1_1": -step * np.cos(turn),
            "CD1_2": step * np.sin(turn), "CD2_1": step * np.sin(turn),
            "CD2_2": step * np.cos(turn), "BUNIT": "JY/BEAM",
        })  # fmt: skip
        image = rng.normal(0, 1e-3, (SIDE, SIDE)).astype("f4")
        name = f"{(100, 200)[index % 2]}_{ra:.3f}{dec:+.3f}_0.1000_0010.00"
        fits.writeto(folder / f"{name}.fits", image, header)


@pytest.fixture(scope="session")
def chained(tmp_path_factory):
    """Return a build of 80 images, 70 of which overlap in one chain, and 10 here and there."""
    root = tmp_path_factory.mktemp("chained")
    rng = np.random.default_rng(1)
    chain = [(180 + 0.4 * index, 50 + 0.3 * (index % 3)) for index in range(70)]
    single = [
        *zip(rng.uniform(100, 250, 10).round(3), rng.uniform(0, 30, 10).round(3), strict=True)
    ]
    write_images(root / "fits", [*chain, *single])
    (root / "nvss.toml").write_text(RECIPE)
    return build(root / "nvss.toml", out=root / "build", service=f"folder:{root / 'fits'}").out


def shared_sky(rows):
    """Return which images share sky: a point of one is on the other, by the WCS of the manifest."""
    grid = np.linspace(-0.5, SIDE - 0.5, 41)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    images = [stamp_wcs(row) for row in rows]
    places = [wcs.all_pix2world(x, y, 0) for wcs in images]
    shared = np.zeros((len(rows), len(rows)), bool)
    for index, wcs in enumerate(images):
        for other, (ra, dec) in enumerate(places):
            near = np.hypot(
                (rows[other]["ra"] - rows[index]["ra"]) * np.cos(np.radians(rows[index]["dec"])),
                rows[other]["dec"] - rows[index]["dec"],
            )
            if index != other and near < 2:
                px, py = wcs.all_world2pix(ra, dec, 0)
                inside = (np.minimum(px, py) > -0.5) & (np.maximum(px, py) < SIDE - 0.5)
                shared[index, other] = inside.any()
    return shared | shared.T


@pytest.mark.parametrize("plan", PLANS)
def test_no_image_shows_sky_of_another_split(chained, tmp_path, plan):
    out = tmp_path / "out"
    done = run("export", chained, "--format", "parquet", "--split", plan, "--out", out)
    assert done.returncode == 0, done.stderr
    printed = " ".join(done.stdout.split())
    assert "split: 0 pairs of stamps share pixels across splits" in printed
    assert ("regions of sky are used instead" in printed) == (not plan.startswith("blocks"))
    table = pq.read_table(out / "manifest.parquet")
    rows = table.to_pylist()
    split = np.array([row["split"] for row in rows])
    across = shared_sky(rows) & (split[:, None] != split[None, :])
    assert shared_sky(rows).sum() > 60
    assert not across.any()
    with (out / "splits.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    left_out = {row["name"]: row["reason"] for row in listed if not row["split"]}
    assert 0 < len(left_out) == 80 - len(rows) < 10
    assert all("shares pixels with sources of" in reason for reason in left_out.values())
    assert f"split: {len(left_out)} of 80" in printed or len(set(left_out.values())) > 1
    assert table.schema.metadata[b"mingolotss.split_plan"].startswith(b"blocks:")
    assert verify(out).problems == []


def test_the_card_counts_the_pairs_as_the_split_does(chained, tmp_path):
    out = tmp_path / "out"
    run("export", chained, "--format", "png", "--split", "blocks", "--out", out)
    rows = pq.read_table(out / "manifest.parquet").to_pylist()
    pairs = int(shared_sky(rows).sum()) // 2
    assert f"{pairs} pairs of stamps overlap on the sky" in (out / "README.md").read_text()
