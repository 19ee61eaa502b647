"""The stamps of every service lie where their manifest says, and have the facts of their header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from astropy.wcs.utils import skycoord_to_pixel

import mingolotss
from mingolotss import stamp_flux, stamp_wcs
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.records import read_records
from mingolotss.recipe.load import load_recipe
from survey_images import LAYOUTS, SOURCE, as_dr2, as_mosaics, write_images
from survey_server import ID, product_name, survey

SIDE = 24  # px
FACTS = {"BUNIT": "mJy/beam", "BMAJ": 9 / 3600, "BMIN": 6 / 3600, "BPA": 20.0, "TELESCOP": "LOFAR",
         "RESTFRQ": 1.44e8, "SURVEY": "LoTSS"}  # fmt: skip
REMOTE = {
    "lotss-dr1": ("lotss-dr1:{url}/siap", None),
    "cutout server": ("lotss-dr2:{url}/dr2-cutout.fits", None),
    "mosaics by ranges": ("ranges:{url}/files", as_mosaics),
    "dr2 mosaics": ("lotss-dr2-mosaics:{url}/files", as_dr2),
    "sia": ("sia:{url}/siap", None),
    "whole images": ("sia2:{url}/sia2-whole", None),
    "sia2": ("sia2:{url}/sia2", None),
    "soda": ("soda:{url}/soda?{ids}", None),
}


def images_of(folder: Path) -> list:
    images = write_images(folder)
    for image in images:
        for path in (image.path, image.rms):
            for keyword, value in FACTS.items():
                fits.setval(path, keyword, value=value)
    return images


def check(tmp_path: Path, service: str, images: list) -> None:
    """Build stamps of a service, some of them past the edge, and look their pixels up."""
    places = {SOURCE: (204.9985, 55.001), "B": (205.012, 55.0105)}
    names = list(places)
    ra, dec = np.array(list(places.values())).T
    Table({"Source_Name": names, "RA": ra, "DEC": dec}).write(tmp_path / "catalogue.csv")
    recipe = load_recipe("lotss").changed({
        "stamp.kind": "float32", "stamp.pixels": SIDE, "formats": ["parquet"],
        "steps": [{"do": "zero-nan"}], "catalogue.size": "", "catalogue.flux": "",
        "catalogue.field": "", "images.size_arcmin": 1.0, "stamp.name": "{source}_{field}.png",
        "recentre.separation_arcsec": 5.0,
    })  # fmt: skip
    out = tmp_path / "out"
    mingolotss.build(recipe, out=out, catalogue=tmp_path / "catalogue.csv", service=service)
    records = read_records(out)
    rows = [row for row in read_manifest(out).to_pylist() if row["status"] == "written"]
    assert rows
    y, x = np.mgrid[:SIDE, :SIDE]
    for row, stamp in zip(rows, records.images(), strict=True):
        flux = stamp_flux(stamp, row)
        sky = stamp_wcs(row).pixel_to_world(x, y)
        equal = []
        for image in images:
            with fits.open(image.path) as hdus:
                data, wcs = np.nan_to_num(hdus[0].data), WCS(hdus[0].header)
            px, py = (np.asarray(axis) for axis in skycoord_to_pixel(sky, wcs))
            if not np.isfinite(px).all():  # an image on the other side of the sky
                continue
            whole = np.abs(px - np.round(px)).max() < 1e-3
            xi, yi = np.round(px).astype(int), np.round(py).astype(int)
            ny, nx = data.shape
            on = (xi >= 0) & (yi >= 0) & (xi < nx) & (yi < ny)
            seen = on & (flux != 0)
            equal.append(
                whole and seen.sum() > 100
                and np.allclose(flux[seen], data[yi[seen], xi[seen]] / 1000, rtol=1e-5)
            )  # fmt: skip
        assert any(equal), row
        assert (row["unit"], row["telescope"], row["survey"]) == ("mJy/beam", "LOFAR", "LoTSS")
        beam = row["beam_major_arcsec"], row["beam_minor_arcsec"], row["beam_pa_deg"]
        assert beam == pytest.approx((9, 6, 20))
        assert row["frequency_mhz"] == pytest.approx(144)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_local_services(tmp_path, layout):
    """Folders, mosaics and compressed ones, and a service of a user's own."""
    images = images_of(tmp_path / "images")
    (tmp_path / "served").mkdir()
    check(tmp_path, LAYOUTS[layout](tmp_path / "served", images), images)


@pytest.mark.slow
@pytest.mark.parametrize("name", REMOTE)
def test_remote_services(tmp_path, name):
    """Cutouts made by a server, ranges of remote mosaics, and whole images."""
    address, layout = REMOTE[name]
    images = images_of(tmp_path / "images")
    (tmp_path / "files").mkdir()
    if layout is not None:
        layout(tmp_path / "files", images)
    products = [(image, kind) for image in images for kind in ("mosaic", "mosaic-rms")]
    ids = "&".join(f"ID={ID}{product_name(*product)}" for product in products)
    with survey(images, tmp_path / "files") as server:
        check(tmp_path, address.format(url=server.url, ids=ids), images)
