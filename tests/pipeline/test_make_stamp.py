"""One stamp in a notebook is the stamp that a build makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

import mingolotss
from mingolotss.errors import ImageError
from skies import random_sky


def test_make_stamp_is_what_a_build_makes(tmp_path):
    """Fetch each chosen cutout and make its stamp with public names; compare with the build."""
    sky = random_sky(tmp_path / "sky", 12, 1)
    address, out = f"folder:{sky.folder}", tmp_path / "out"
    built = mingolotss.build("mingolotss", catalogue=sky.catalogue, service=address, out=out)
    assert built.written >= 3
    stamps = mingolotss.load(out, "all").images
    manifest = pq.read_table(out / "manifest.parquet").to_pylist()
    written = [row["source"] for row in manifest if row["status"] == "written"]
    candidates = pq.read_table(out / "candidates.parquet").to_pylist()
    chosen = {row["source"]: row for row in candidates if row["verdict"] == "chosen"}
    positions = {row["source"]: (row["ra"], row["dec"]) for row in manifest}
    service = mingolotss.open_service(address)
    assert len(written) == len(stamps) == len(chosen)
    for name, expected in zip(written, stamps, strict=True):
        row = chosen[name]
        position = SkyCoord(*positions[name], unit="deg")
        image, rms = (str(Path(service.root, row[kind])) for kind in ("image", "rms"))
        candidate = mingolotss.Candidate(row["field"], image, rms, name)
        cutout = service.cutout(candidate, position, 6 * u.arcmin)
        np.testing.assert_array_equal(mingolotss.make_stamp(cutout, position), expected)


def test_make_stamp_refuses_what_a_build_rejects(tmp_path):
    """A recipe that needs an rms map says so; any frame is taken; a float recipe gives floats."""
    sky = random_sky(tmp_path / "sky", 12, 1)
    row, (field, (image, _)) = next(
        (row, pair) for row, files in enumerate(sky.files) for pair in files.items()
    )
    position = SkyCoord(sky.ra[row], sky.dec[row], unit="deg")
    candidate = mingolotss.Candidate(field, str(image), "", sky.names[row])
    service = mingolotss.open_service(f"folder:{sky.folder}")
    cutout = service.cutout(candidate, position, 6 * u.arcmin)
    with pytest.raises(ImageError, match="no rms map"):
        mingolotss.make_stamp(cutout, position)
    changes = {"stamp.kind": "float32", "steps": [], "formats": ["parquet"]}
    recipe = mingolotss.load_recipe("lotss").changed(changes)
    stamp = mingolotss.make_stamp(cutout, position, recipe)
    assert stamp.dtype == np.float32
    np.testing.assert_array_equal(mingolotss.make_stamp(cutout, position.galactic, recipe), stamp)
