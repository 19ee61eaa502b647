"""Builds from random input equal the plain oracle, pixel for pixel, whatever the files are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.run import build
from oracle import make
from skies import KINDS, random_sky


def compare(sky, out):
    rows = read_manifest(out).to_pylist()
    written = 0
    for row, ra, dec, files in zip(rows, sky.ra, sky.dec, sky.files, strict=True):
        expected = make(files, ra, dec)
        if expected is None:
            assert row["status"] == "rejected", row["source"]
            assert row["stage"] == ("validate" if files else "search")
            continue
        written += 1
        assert row["status"] == "written", (row["source"], row["reason"])
        assert (row["field"], row["case"]) == (expected["field"], expected["case"]), row["source"]
        assert row["separation_arcsec"] == pytest.approx(expected["separation"], abs=1e-6)
        assert row["percent_nan"] == expected["percent_nan"]
        assert row["recentred"] == expected["recentred"], row["source"]
        pixels = np.asarray(Image.open(out / "png" / row["image_file"]))
        np.testing.assert_array_equal(pixels, expected["pixels"], err_msg=row["source"])
        assert row["blank"] == (not pixels.any())
        assert row["map_file"] == files[row["field"]][0].name
    return written


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file(tmp_path, kind):
    """Float64, scaled integers, 4-D, extensions and gzip give the oracle's pixels."""
    sky = random_sky(tmp_path / "in", 12, seed=KINDS.index(kind), kinds=(kind,))
    build(
        "mingolotss", out=tmp_path / "out", catalogue=sky.catalogue, service=f"folder:{sky.folder}"
    )
    assert compare(sky, tmp_path / "out") > 4


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4, 5))]
)
def test_any_shape_and_place(tmp_path, seed):
    """Odd sizes, off-centre sources, truncated sides, several fields: the oracle's choice."""
    sky = random_sky(tmp_path / "in", 30, seed=seed)
    build(
        "mingolotss", out=tmp_path / "out", catalogue=sky.catalogue, service=f"folder:{sky.folder}"
    )
    assert compare(sky, tmp_path / "out") > 12
