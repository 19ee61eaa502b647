"""Random folders of cutouts for the tests, in every shape and type that archives come up with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from mingolotss.sky.wcs import simple_header

SCALE = 1.5
FLAGS = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
CLASSES = (
    ("FR1",), ("FR1", "NAT"), ("FR1", "WAT"), ("FR1", "Small"), ("FR2",), ("FR2", "Small"),
    ("D-D",), ("Indeterminate",), ("Indeterminate", "Small"), ("Small",),
)  # fmt: skip
KINDS = ("float32", "float64", "scaled16", "4d", "extension", "gzip")


@dataclass
class Sky:
    """A folder of cutouts, its catalogue, and what is in it."""

    folder: Path
    catalogue: Path
    names: list[str]
    ra: np.ndarray
    dec: np.ndarray
    files: list[dict[str, tuple[Path, Path]]]


def write_catalogue(path: Path, names: list[str], ra: np.ndarray, dec: np.ndarray) -> None:
    """Write a catalogue with the columns of the real one, the classes in turn."""
    table = Table({"Source_Name": names, "RA": ra, "DEC": dec})
    table["LM_dec_size"] = np.linspace(5, 400, len(names))
    table["LM_Flux"] = np.linspace(1, 900, len(names))
    table["LM_dec_size"].unit, table["LM_Flux"].unit = "arcsec", "mJy"
    for flag in FLAGS:
        table[flag] = [flag in CLASSES[i % len(CLASSES)] for i in range(len(names))]
    table.write(path, overwrite=True)


def write_fits(path: Path, data: np.ndarray, header: bytes, kind: str = "float32") -> None:
    """Write an image as one of `KINDS`."""
    cards = fits.Header.fromstring(header.decode())
    for key in ("NAXIS", "NAXIS1", "NAXIS2"):
        cards.remove(key, ignore_missing=True)
    if kind in ("float32", "gzip"):
        hdus = [fits.PrimaryHDU(data.astype("f4"), cards)]
    elif kind == "float64":
        hdus = [fits.PrimaryHDU(data.astype("f8"), cards)]
    elif kind == "scaled16":
        hdu = fits.PrimaryHDU(np.nan_to_num(data).astype("f4"), cards)
        hdu.scale("int16", bscale=2e-6, bzero=0.01)
        hdus = [hdu]
    elif kind == "4d":
        hdus = [fits.PrimaryHDU(data.astype("f4")[None, None], cards)]
        hdus[0].header.update(CTYPE3="FREQ", CRVAL3=1.4e8, CTYPE4="STOKES", CRVAL4=1.0)
    else:
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(data.astype("f4"), cards)]
    fits.HDUList(hdus).writeto(path, overwrite=True)


def random_cutout(
    rng: np.random.Generator, ra: float, dec: float
) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Return image, rms map and WCS cards: any shape, the source anywhere in it, some NaN."""
    ny, nx = rng.integers(60, 290, 2)
    if rng.random() < 0.4:
        ny, nx = rng.choice([149, 150, 151, 239, 240, 241], 2)
    middle = np.array([nx // 2, ny // 2]) + rng.normal(0, 0.7, 2)
    if rng.random() < 0.5:  # off centre, as where a mosaic ends
        middle = rng.uniform(0.15, 0.85, 2) * (nx, ny)
    header = simple_header(
        ra, dec, shape=(ny, nx), scale_arcsec=SCALE, centre=(float(middle[0]), float(middle[1]))
    )
    y, x = np.mgrid[:ny, :nx]
    noise = rng.uniform(5e-5, 2e-4)
    image = rng.normal(0, noise, (ny, nx))
    for _ in range(rng.integers(1, 5)):
        at = middle + rng.normal(0, 20, 2)
        size = rng.uniform(2, 8)
        bump = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * size**2))
        image += rng.uniform(2, 200) * noise * bump
    rms = noise * rng.uniform(0.8, 1.2, (ny, nx))
    if rng.random() < 0.4:
        side = x + y * rng.normal() > rng.uniform(0.6, 1.2) * nx
        image[side], rms[side] = np.nan, np.nan
    return image, rms, header


def random_sky(folder: Path, sources: int, seed: int, kinds: tuple[str, ...] = KINDS) -> Sky:
    """Write a random folder of cutouts; some sources have several fields, one or none."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    ra, dec = rng.uniform(160, 230, sources), rng.uniform(-60, 60, sources)
    names = [f"ILTJ{i:04d}{'+-'[i % 2]}{i % 7}" + "_B" * (i % 5 == 0) for i in range(sources)]
    files: list[dict[str, tuple[Path, Path]]] = []
    for i, name in enumerate(names):
        mine = {}
        fields = rng.choice(["P1", "P11Hetdex12", "P164+55", "P205_55"], rng.integers(0, 4))
        for field in fields.tolist():
            kind = str(rng.choice(kinds))
            image, rms, header = random_cutout(rng, ra[i], dec[i])
            if rng.random() < 0.05:
                image[:] = np.nan
            end = ".fits.gz" if kind == "gzip" else ".fits"
            pair = (
                folder / f"{name}_{field}-mosaic{end}",
                folder / f"{name}_{field}-mosaic-rms{end}",
            )
            write_fits(pair[0], image, header, kind)
            write_fits(pair[1], rms, header, kind if kind != "scaled16" else "float32")
            mine[field.replace("_", "+")] = pair
        files.append(mine)
    write_catalogue(folder / "catalogue.fits", names, ra, dec)
    return Sky(folder, folder / "catalogue.fits", names, ra, dec, files)
