"""Small builds of several surveys: channels with and without an image, one beam, resampled stamps.

The surveys are mosaics of noise with a blob at each source: ``low`` with a beam of 6 arcsec, on the
grid of the stamps; ``high`` with a beam of 5 arcsec, on pixels of 1.8 arcsec; and ``optical``,
without a beam and without the first three sources.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from mingolotss.pipeline.run import build
from mingolotss.recipe.model import parse_recipe

STEP = 40  # px between sources
SOURCES = 12
SURVEYS = {
    "low": (1.5, 0, {"BMAJ": 6 / 3600, "BMIN": 6 / 3600, "BPA": 0.0, "BUNIT": "JY/BEAM",
                     "RESTFRQ": 1.44e8, "SURVEY": "Low"}),
    "high": (1.8, 0, {"BMAJ": 5 / 3600, "BMIN": 5 / 3600, "BPA": 0.0, "BUNIT": "JY/BEAM",
                      "RESTFRQ": 1.4e9, "SURVEY": "High"}),
    "optical": (1.5, 3, {}),
}  # fmt: skip


def write_surveys(folder: Path) -> Path:
    """Write the mosaics of the surveys, each into a folder of its name, and a catalogue."""
    first, _ = _header(1.5, 0)
    places = np.arange(SOURCES)
    sky = WCS(first).pixel_to_world((places + 0.5) * STEP, np.full(SOURCES, 30.0))
    for number, (name, (scale, without, cards)) in enumerate(SURVEYS.items()):
        header, shape = _header(scale, without)
        header.update(cards)
        path = folder / name / "F1-mosaic.fits"
        path.parent.mkdir(parents=True)
        fits.writeto(path, _paint(header, shape, sky, seed=number), header)
    table = Table({
        "Source_Name": [f"S{row:02d}+45" for row in range(SOURCES)],
        "RA": sky.ra.deg, "DEC": sky.dec.deg, "LAS": 20.0 + 2.0 * places, "PA": 15.0 * places,
        "kind": ["FRI", "FRII", "FRI"] * (SOURCES // 3),
    })  # fmt: skip
    table.write(folder / "catalogue.csv")
    return folder / "catalogue.csv"


def _header(scale: float, without: int) -> tuple[fits.Header, tuple[int, int]]:
    """Describe a mosaic without the first sources: its header and its shape.

    The grids of one scale differ by whole pixels.
    """
    width, height = round(1.5 / scale * SOURCES * STEP), 60
    header = fits.Header()
    header.update(
        CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=180.0, CRVAL2=45.0, RADESYS="ICRS",
        CRPIX1=width / 2 - without * STEP, CRPIX2=height / 2, CDELT1=-scale / 3600,
        CDELT2=scale / 3600,
    )  # fmt: skip
    return header, (height, width - without * STEP)


def _paint(header: fits.Header, shape: tuple[int, int], sky: SkyCoord, seed: int) -> np.ndarray:
    image = np.random.default_rng(seed).normal(0, 1e-4, shape)
    y, x = np.indices(shape)
    for px, py in zip(*WCS(header).world_to_pixel(sky), strict=True):
        image += 5e-3 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8)
    return image.astype("f4")


def build_surveys(folder: Path, channels: tuple[str, ...] = (), **tables: object) -> Path:
    """Build stamps of 24 pixels of some of the surveys; without channels, of ``low``.

    Parameters
    ----------
    folder : Path
    channels : tuple of str
        The first is the reference; the others are 0 where they have no image.
    **tables
        Tables of the recipe; those of ``stamp`` are added to the usual ones.
    """
    catalogue = write_surveys(folder)
    stamp = {"pixels": 24, **tables.pop("stamp", {})}
    settings = {
        "name": "surveys",
        "catalogue": {"size": "LAS", "keep": ["LAS", "PA"]},
        "classes": {"from": "column", "column": "kind",
                    "table": [{"label": 0, "name": "FRI"}, {"label": 1, "name": "FRII"}]},
        "images": {"size_arcmin": 1.0},
        "recentre": {"enabled": False},
        "noise": {"method": "sigma-clipped"},
        "steps": [{"do": "zero-nan"}, {"do": "minmax"}],
        "formats": ["csv", "parquet"],
        **tables,
        "stamp": stamp,
    }  # fmt: skip
    options: dict[str, object] = {"catalogue": catalogue}
    if channels:
        settings["channels"] = [
            {"name": name, "missing": "zero",
             "images": {"service": f"mosaics:{folder / name}", "size_arcmin": 1.0},
             **({"steps": [{"do": "zero-nan"}, {"do": "clip", "sigma": 2.0}, {"do": "minmax"}]}
                if name == "optical" else {})}
            for name in channels
        ]  # fmt: skip
    else:
        options["service"] = f"mosaics:{folder / 'low'}"
    return build(parse_recipe(settings, "a test"), out=folder / "build", **options).out
