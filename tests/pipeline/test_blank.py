"""The flag ``blank``: nothing in the stamp was observed, or nothing is above the clipping level."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import simple_header

FLOATS = {"stamp.kind": "float32", "formats": ["parquet"]}
ZERO_NAN, CLIP = {"do": "zero-nan"}, {"do": "clip", "sigma": 3.0}
RECIPES = {
    "kernel": {},
    "numpy": {},
    "kernel without clip": {"steps": [ZERO_NAN, {"do": "minmax"}]},
    "numpy without clip": {"steps": [ZERO_NAN, {"do": "minmax"}]},
    "floats": {**FLOATS, "steps": [ZERO_NAN]},
    "floats with NaN": {**FLOATS, "steps": []},
    "clipped floats": {**FLOATS, "steps": [ZERO_NAN, CLIP]},
    "clipped floats with NaN": {**FLOATS, "steps": [CLIP]},
}
MIDDLE = (slice(40, 200), slice(40, 200))  # the stamp, and some pixels around it


def write_cutouts(folder):
    """Write cutouts with signal around the stamp, and in it what their names say."""
    rng = np.random.default_rng(4)
    header = fits.Header.fromstring(
        simple_header(180.0, 50.0, shape=(240, 240), scale_arcsec=1.5).decode()
    )
    values = {"nan": np.nan, "infinite": np.inf, "zero": 0.0, "faint": -1e-5, "source": 1e-2}
    for name, value in values.items():
        pixels = rng.normal(0, 1e-4, (240, 240)).astype("f4")
        if name == "faint":
            pixels[MIDDLE] = -np.abs(pixels[MIDDLE])
        elif name == "source":
            pixels[118:122, 118:122] = value
        else:
            pixels[MIDDLE] = value
        fits.writeto(folder / f"{name}_P1-mosaic.fits", pixels, header)
    return Catalogue.from_columns(list(values), [180.0] * 5, [50.0] * 5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_stamp_without_a_finite_pixel_that_is_not_zero_is_blank(tmp_path, recipe, monkeypatch):
    """NaN throughout is blank as zeros are, in every type, by the kernel and without it."""
    catalogue = write_cutouts(tmp_path)
    if "numpy" in recipe:
        monkeypatch.setattr("mingolotss.pipeline.stamps.supports", lambda _image: False)
    changed = load_recipe("lotss").changed(RECIPES[recipe])
    build(changed, out=tmp_path / "out", catalogue=catalogue, service=f"folder:{tmp_path}")
    rows = read_manifest(tmp_path / "out").to_pylist()
    clips = "clip" in str(changed.steps)
    assert {row["source"]: row["blank"] for row in rows} == {
        "nan": True, "infinite": True, "zero": True, "faint": clips, "source": False
    }  # fmt: skip
