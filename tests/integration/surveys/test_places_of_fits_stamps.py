"""FITS stamps of all kinds open in astropy, and their WCS puts the source where it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss import build, export, verify
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.simulate import Observation, SkyModel
from observed_skies import observed, point_sources, recipe_of

pytestmark = pytest.mark.slow

MODEL = SkyModel(sources=2, edge_cases=False, field_px=1500, background_per_deg2=600)
KINDS = {
    "whole pixels": {},
    "uint8 with steps": {
        "stamp": {"kind": "uint8"}, "formats": ["png", "csv", "parquet"],
        "steps": [{"do": "zero-nan"}, {"do": "clip", "sigma": 3.0}, {"do": "mask", "radius": 18.0},
                  {"do": "minmax"}],
    },
    "binned": {"stamp": {"pixels": 20, "pixel_arcsec": 3.0}, "steps": [{"do": "bin"}]},
    "recentred": {"recentre": {"enabled": True, "separation_arcsec": 1.0}},
    "exact centre": {"stamp": {"centre": "exact"}},
    "other pixels": {"stamp": {"resample": "adaptive", "pixel_arcsec": 1.0}},
    "exact areas": {"stamp": {"resample": "exact", "pixel_arcsec": 2.25, "pixels": 31}},
    "by size": {"stamp": {"size": "2.5 * LAS"}},
    "rotated": {"stamp": {"rotate": "PA"}},
    "rotated and sized": {"stamp": {"rotate": "PA", "size": "2.5 * LAS", "pixels": 40}},
    "common beam": {"beam": {"common": "9 arcsec"}},
    "common beam, exact centre": {"beam": {"common": "9 arcsec"}, "stamp": {"centre": "exact"}},
}  # fmt: skip
RESAMPLING = {"centre", "resample", "size", "rotate"}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A sky with bright lonely point sources, and a catalogue of 40 of them."""
    root = tmp_path_factory.mktemp("points")
    folder = observed(root, MODEL, quiet=replace(Observation(), noise=1.0))["quiet"]
    places = point_sources(folder, 60)[:40]
    rng = np.random.default_rng(1)
    las, angle = rng.uniform(20, 40, len(places)), rng.uniform(0, 360, len(places))
    kept = pa.table({"LAS": las, "PA": angle})
    names = [f"S{i:02d}" for i in range(len(places))]
    return folder, Catalogue.from_columns(names, places.ra, places.dec, kept=kept), places


@pytest.mark.parametrize("kind", KINDS)
def test_stamps_open_in_astropy_with_the_source_in_its_place(sky, tmp_path, kind):
    folder, catalogue, places = sky
    result = build(recipe_of(**KINDS[kind]), out=tmp_path / "build", catalogue=catalogue,
                   service=f"simulated:{folder}")  # fmt: skip
    assert result.written == len(catalogue), result
    export(tmp_path / "build", "fits", tmp_path / "fits")
    rows = {row["source"]: row for row in read_manifest(tmp_path / "build").to_pylist()}
    files = sorted((tmp_path / "fits").rglob("*.fits"))
    assert len(files) == len(catalogue)
    limit = 0.1 if RESAMPLING & set(KINDS[kind].get("stamp", {})) else 0.5
    for path in files:
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header, pixels = hdus[0].header, hdus[0].data
            row = rows[path.stem.partition("_")[0]]
            wcs = WCS(header)
            x, y = wcs.all_world2pix(row["ra"], row["dec"], 0)
            middle = pixels.shape[0] // 2
            assert max(abs(x - middle), abs(y - middle)) <= limit + 1e-3, (x, y)
            # The light is where the header says, and as bright as the sky is.
            yy, xx = np.indices(pixels.shape)
            scale = np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600
            near = np.hypot(xx - x, yy - y) * scale < 12
            light = np.where(near, np.nan_to_num(pixels), 0).astype(float)
            centroid = (light * xx).sum() / light.sum(), (light * yy).sum() / light.sum()
            assert math.dist(centroid, (x, y)) * scale < 0.25
            beam = header["BMAJ"] * header["BMIN"] * 3600**2 * math.pi / (4 * math.log(2))
            flux = light.sum() * scale**2 / beam
            assert flux == pytest.approx(places.flux[int(row["source"][1:])], rel=0.04)
            assert header["BMAJ"] * 3600 == pytest.approx(9 if "beam" in kind else 6, rel=1e-6)
            assert pixels.dtype.newbyteorder("=") == np.float32
            assert header["BUNIT"].lower() == "jy/beam"
            for extension in hdus[1:]:
                assert WCS(extension.header).calc_footprint() == pytest.approx(
                    wcs.calc_footprint(), abs=1e-9
                )
    verified = verify(tmp_path / "fits")
    assert verified.good, verified


def test_rotated_stamps_have_the_angle_of_the_catalogue_up(sky, tmp_path):
    """From the middle one step up leads to the position angle, by astropy."""
    folder, catalogue, _ = sky
    recipe = recipe_of(stamp={"rotate": "PA"})
    build(recipe, out=tmp_path / "build", catalogue=catalogue, service=f"simulated:{folder}")
    export(tmp_path / "build", "fits", tmp_path / "fits")
    for path in (tmp_path / "fits").rglob("*.fits"):
        wcs = WCS(fits.getheader(path))
        start, up = wcs.pixel_to_world([20, 20], [20, 25])
        angle = start.position_angle(up).deg
        expected = catalogue.kept["PA"][int(path.stem[1:3])].as_py()
        assert (angle - expected + 180) % 360 - 180 == pytest.approx(0, abs=0.05)
