"""A small real build for the tests of exports: FITS files, the real pipeline, the real writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from mingolotss.pipeline.run import build

FLAGS = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
SETS = (
    ("FR1",), ("FR1", "NAT"), ("FR1", "WAT"), ("FR1", "Small"), ("FR2",), ("FR2", "Small"),
    ("D-D",), ("Indeterminate",), ("Indeterminate", "Small"), ("Small",),
)  # fmt: skip
STEP = 1.5 / 3600  # deg; a pixel


def header(ra: float, dec: float, side: int) -> fits.Header:
    """Describe a TAN image of `side` pixels about a position."""
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
        "CRPIX1": side / 2 + 0.5, "CRPIX2": side / 2 + 0.5, "CDELT1": -STEP, "CDELT2": STEP,
        "CUNIT1": "deg", "CUNIT2": "deg", "BUNIT": "JY/BEAM",
    }  # fmt: skip
    made = fits.Header()
    made.update(cards)
    return made


def write_sky(folder: Path, count: int = 60, side: int = 160) -> tuple[Path, Path]:
    """Write cutouts of two blobs, and a catalogue; some neighbours overlap, one has no image."""
    rng = np.random.default_rng(5)
    images = folder / "fits"
    images.mkdir(parents=True)
    rows = []
    y, x = np.mgrid[:side, :side] - side / 2
    for index in range(count):
        ra = 160 + 0.2 * index - (0.17 if index % 4 == 3 else 0)
        dec, name = 50 + 0.001 * index, f"ILTJ{index:06d}.5+50"
        flags = SETS[index % 10]
        rows.append(
            (name, ra, dec, 40.0 + index, 10.0, *("True" if f in flags else "" for f in FLAGS))
        )
        if index == 17:
            continue
        image = rng.normal(0, 1e-4, (side, side))
        for sign in (-1, 1):
            image += 5e-3 * np.exp(-((x - sign * index / 3) ** 2 + y**2) / 18)
        stem = images / f"{name}_P{index // 10:03d}-mosaic"
        head = header(ra, dec, side)
        fits.writeto(f"{stem}.fits", image.astype("f4"), head)
        fits.writeto(f"{stem}-rms.fits", np.full((side, side), 1e-4, "f4"), head)
    names = ("Source_Name", "RA", "DEC", "LM_dec_size", "LM_Flux", *FLAGS)
    Table(rows=rows, names=names).write(folder / "catalogue.csv")
    return folder / "catalogue.csv", images


def make_build(folder: Path, recipe: object = "mingolotss", **options) -> Path:
    """Build from a small sky; return the build's folder."""
    catalogue, images = write_sky(folder)
    build(recipe, out=folder / "build", catalogue=catalogue, service=f"folder:{images}", **options)
    return folder / "build"
