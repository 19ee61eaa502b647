"""A small build to review: real FITS files, hostile names, every reason to look."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from astropy.table import Table

from mingolotss.io.file_names import safe_name
from mingolotss.pipeline.run import build
from mingolotss.sky.wcs import simple_header

HOSTILE = "<script>document.title='owned'</script>"
CARD = "<img src=x onerror=\"document.title='owned'\">"
FLAGS = ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D")
UNDECIDED = 12
SCALE = 1.5
NOISE = 7e-5


def names() -> list[str]:
    """Return the sources: twelve undecided, a hostile one, a blank, a large, one without image."""
    return [*(f"ILTJ{i:02d}+50" for i in range(UNDECIDED)), HOSTILE, "BLANK", "LARGE", "LOST"]


def fits_bytes(image: np.ndarray, header: bytes) -> bytes:
    """Return a float32 image as a FITS file, HTML in its header."""
    first = ["SIMPLE  =                    T", "BITPIX  =                  -32"]
    extra = [f"OBJECT  = '{CARD}'", "BMAJ    = 0.0016666", "BMIN    = 0.0016666", "BPA     = 90.0"]
    cards = b"".join(card.ljust(80).encode() for card in (*first, *extra)) + header
    data = image.astype(">f4").tobytes()
    return cards + b" " * (-len(cards) % 2880) + data + b"\0" * (-len(data) % 2880)


def write_pair(
    folder: Path, name: str, field: str, ra: float, dec: float, *, off: int = 0, gap: int = 0,
    peak: float = 5e-3,
) -> None:  # fmt: skip
    """Write an image and its rms map, the source `off` pixels from the middle, `gap` rows NaN."""
    rng = np.random.default_rng([len(name), int(off), int(gap)])
    side, middle = 240, 120
    header = simple_header(
        ra, dec, shape=(side, side), scale_arcsec=SCALE, centre=(middle + off, middle)
    )
    y, x = np.mgrid[:side, :side]
    image = rng.normal(0, NOISE / 3, (side, side))
    for arm in (-8, 8):
        image += peak * np.exp(-((x - middle - off - arm) ** 2 + (y - middle) ** 2) / 30)
    image[:gap] = np.nan
    stem = f"{safe_name(name)}_{field}-mosaic"
    (folder / f"{stem}.fits").write_bytes(fits_bytes(image, header))
    rms = np.full((side, side), NOISE)
    (folder / f"{stem}-rms.fits").write_bytes(fits_bytes(rms, header))


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """Write the images and the catalogue; return (catalogue, folder of images)."""
    images = folder / "images"
    images.mkdir(parents=True)
    listed = names()
    ra = np.linspace(150, 210, len(listed))
    dec = np.full(len(listed), 50.0)
    size = np.full(len(listed), 40.0)
    for i, name in enumerate(listed[:UNDECIDED]):
        write_pair(images, name, "P1", ra[i], dec[i], gap=30)
        write_pair(images, name, "P2", ra[i], dec[i], off=27)
    for name, more in ((HOSTILE, {"off": 30}), ("BLANK", {"peak": 0}), ("LARGE", {})):
        row = listed.index(name)
        write_pair(images, name, "P1", ra[row], dec[row], **more)
    size[listed.index("LARGE")] = 300
    table = Table({"Source_Name": listed, "RA": ra, "DEC": dec})
    table["LM_dec_size"], table["LM_Flux"] = size, np.full(len(listed), 12.5)
    for flag in FLAGS:
        table[flag] = [flag == ("FR1", "FR2")[i % 2] for i in range(len(listed))]
    table.write(folder / "catalogue.fits")
    return folder / "catalogue.fits", images


def make_build(folder: Path) -> Path:
    """Make the images and build from them; return the build's folder."""
    catalogue, images = make_inputs(folder)
    rebuild(folder)
    assert catalogue.exists()
    assert images.exists()
    return folder / "out"


def rebuild(folder: Path) -> None:
    """Build again, as a person would after deciding."""
    build(
        "mingolotss", catalogue=folder / "catalogue.fits", service=f"folder:{folder / 'images'}",
        out=folder / "out",
    )  # fmt: skip


def environment() -> dict[str, str]:
    """Return the environment for a command of this source tree."""
    source = str(Path(__file__).parents[1] / "src")
    return {**os.environ, "PYTHONPATH": source, "PYTHONUNBUFFERED": "1"}
