"""Builds from compressed mosaics do not depend on which cutouts were decoded together."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

import mingolotss
from compilers import needs_kernel
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.recipe.model import parse_recipe
from mingolotss.service.local import mosaic_windows
from mingolotss.sky.wcs import SkyWCS, simple_header

SHAPE, CENTRE = (500, 460), (10.0, 20.0)
NAMES = [f"S{number}" for number in range(24)]
BEAM = {"common": "9 arcsec"}
STAMPS = {
    "whole pixels": {},
    "resampled": {"stamp": {"resample": "adaptive", "pixel_arcsec": 2.0}},
    "a common beam": {"beam": BEAM},
    "a common beam, resampled": {
        "beam": BEAM, "stamp": {"resample": "exact", "pixel_arcsec": 3.3},
    },
}  # fmt: skip


@needs_kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", STAMPS)
def test_stamps_are_the_same_together_and_alone(tmp_path, monkeypatch, kind):
    """Whatever lies around a cutout in the array that it was decoded to."""
    rng = np.random.default_rng(8)
    header = simple_header(*CENTRE, shape=SHAPE, scale_arcsec=1.5)
    cards = fits.Header.fromstring(header.decode())
    cards.update(BMAJ=6 / 3600, BMIN=6 / 3600, BPA=0.0, BUNIT="JY/BEAM")
    image = rng.normal(0, 1e-4, SHAPE).astype("f4")
    image[200:204, 200:204] = np.nan
    for name, data in (("P1-mosaic", image), ("P1-mosaic-rms", np.full(SHAPE, 1e-4, "f4"))):
        tiles = fits.CompImageHDU(
            data, cards, compression_type="RICE_1", tile_shape=(64, 64), dither_seed=3,
            quantize_method=1,
        )  # fmt: skip
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(tmp_path / f"{name}.fits.fz")
    x, y = rng.uniform(20, SHAPE[1] - 20, len(NAMES)), rng.uniform(20, SHAPE[0] - 20, len(NAMES))
    catalogue = Catalogue.from_columns(NAMES, *SkyWCS.from_header(header).to_sky(x, y))
    settings = STAMPS[kind]
    recipe = parse_recipe(
        {
            "name": "mine", "formats": ["parquet"], "steps": [{"do": "zero-nan"}],
            "images": {"size_arcmin": 2.5}, **settings,
            "stamp": {"pixels": 40, "kind": "float32"} | settings.get("stamp", {}),
        },
        "mine.toml",
    )  # fmt: skip
    manifests = []
    for name, fewest in (("together", mosaic_windows.FEWEST), ("alone", 10**9)):
        monkeypatch.setattr(mosaic_windows, "FEWEST", fewest)
        out = tmp_path / name
        mingolotss.build(
            recipe, out=out, catalogue=catalogue, service=f"mosaics:{tmp_path}", mapper=map
        )
        manifests.append(pq.read_table(out / "manifest.parquet"))
    together, alone = manifests
    for name in together.column_names:
        assert str(together[name].to_pylist()) == str(alone[name].to_pylist()), name
    assert together["status"].to_pylist().count("written") > 15
