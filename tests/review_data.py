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


def write_image(
    path: Path, ra: float, dec: float, *, side: int = 240, scale: float = SCALE, peak: float = 5e-3,
    gap: tuple[slice, slice] | None = None,
) -> None:  # fmt: skip
    """Write an image of two lobes on either side of the source, and noise."""
    rng, middle = np.random.default_rng(side), side // 2
    y, x = (np.mgrid[:side, :side] - middle) * scale / SCALE
    image = rng.normal(0, NOISE / 3, (side, side))
    for arm in (-8, 8):
        image += peak * np.exp(-((x - arm) ** 2 + y**2) / 30)
    if gap is not None:
        image[gap] = np.nan
    header = simple_header(ra, dec, shape=image.shape, scale_arcsec=scale, centre=(middle, middle))
    path.write_bytes(fits_bytes(image, header))


OWN_RECIPE = """
name = "own"
[catalogue]
name = "name"
ra = "ra"
dec = "dec"
[classes]
from = "none"
[images]
image = "{image}"
rms = ""
[noise]
method = "sigma-clipped"
[[steps]]
do = "zero-nan"
{steps}
[[steps]]
do = "minmax"
"""
MASK = '[[steps]]\ndo = "mask"\nradius = 40.0'


def make_own_build(
    folder: Path, sources: list[str], *, image: str = "{source}.fits", steps: str = ""
) -> Path:
    """Build without classes and rms maps, from images that `folder` has; return the build."""
    ra = 150.0 + np.arange(len(sources))
    table = Table({"name": sources, "ra": ra, "dec": np.full(len(sources), 50.0)})
    table.write(folder / "own.fits", overwrite=True)
    recipe = OWN_RECIPE.replace("{image}", image).replace("{steps}", steps)
    (folder / "own.toml").write_text(recipe)
    build(
        folder / "own.toml", catalogue=folder / "own.fits", service=f"folder:{folder}",
        out=folder / "out",
    )  # fmt: skip
    return folder / "out"


LONG_NAME = "A source with a very long name " + "x" * 60


def make_build_of_scales(folder: Path) -> Path:
    """Build from candidates of other pixel sizes, peaks and gaps, one with a long name."""
    for row, (name, fields) in enumerate({
        "SCALES": {"P1": {}, "P2": {"side": 300, "scale": 1.0, "peak": 2e-2},
                   "P3": {"side": 160, "scale": 3.0, "peak": 2e-3}},
        "GAP": {"P1": {"gap": np.s_[120:, :]}, "P2": {"gap": np.s_[:, :90]}},
        LONG_NAME: {"P1": {}, "A-field-with-a-long-name-too": {"gap": np.s_[:, 200:]}},
    }.items()):  # fmt: skip
        for field, options in fields.items():
            write_image(folder / f"{safe_name(name)}_{field}.fits", 150.0 + row, 50.0, **options)
    return make_own_build(
        folder, ["SCALES", "GAP", LONG_NAME], image="{source}_{field}.fits", steps=MASK
    )


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
