"""Images of six skies with their catalogue, and builds of them for every kind of stamp."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import mingolotss
from mingolotss.dataset.manifest import read_manifest
from mingolotss.recipe.model import Recipe

SIDE = 320  # of the images
SCALE = 1.5 / 3600  # deg
BEAM = 6.0  # arcsec
PATTERN = [(0.0, 0.0), (40.0, 25.0), (-50.0, 10.0), (15.0, -55.0)]  # arcsec east, north
STEPS = [{"do": "zero-nan"}, {"do": "clip", "sigma": 3.0}, {"do": "mask", "radius": 75.0},
         {"do": "minmax"}]  # fmt: skip
WIDE = [STEPS[0], {"do": "bin"}, STEPS[1], STEPS[3]]
AVERAGED_LAST = [*STEPS[:3], {"do": "bin"}, STEPS[3]]


@dataclass
class Place:
    """An image with a source: the cards of its WCS, and the pixel that the source is at."""

    cards: dict[str, object]
    pixel: tuple[float, float] = (160.2, 159.7)
    nan_rows: int = 0


def _turned(angle: float) -> dict[str, object]:
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return {"CD1_1": -SCALE * cosine, "CD1_2": SCALE * sine, "CD2_1": SCALE * sine,
            "CD2_2": SCALE * cosine}  # fmt: skip


PLAIN = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 180.0, "CRVAL2": 52.0,
         "CDELT1": -SCALE, "CDELT2": SCALE, "RADESYS": "ICRS"}  # fmt: skip
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 359.9995, "CRVAL2": -35.0}
PLACES = {
    "sin": Place(PLAIN),
    "turned": Place(TAN | _turned(35.0) | {"RADESYS": "FK5", "EQUINOX": 2000.0}),
    "edge": Place(PLAIN | {"CRVAL1": 140.0}, (290.3, 30.6), 12),
    "fk4": Place(PLAIN | {"RADESYS": "FK4", "EQUINOX": 1950.0, "CRVAL1": 100.0}),
    "galactic": Place({"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL1": 33.0, "CRVAL2": 0.0,
                       "CDELT1": -SCALE, "CDELT2": SCALE}),
    "sip": Place({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 15.0,
                  "CRVAL2": 80.0, "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-4, "B_0_2": -1.5e-4,
                  "A_1_1": 1e-4} | _turned(-20.0), (150.4, 171.2)),
}  # fmt: skip


def sky_pixel(wcs: WCS, position: SkyCoord) -> tuple[float, float]:
    x, y = wcs.world_to_pixel(position)
    return float(x), float(y)


def pattern(centre: SkyCoord) -> list[SkyCoord]:
    """Return the positions of the point sources round a position."""
    offsets = [(east * u.arcsec, north * u.arcsec) for east, north in PATTERN]
    return [centre.spherical_offsets_by(*offset) for offset in offsets]


def draw(wcs: WCS, centre: SkyCoord, rng: np.random.Generator) -> np.ndarray:
    """Draw the pattern at the pixels that astropy gives, over noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = rng.normal(0, 1e-4, (SIDE, SIDE))
    width = BEAM / 1.5 / 2.3548
    for flux, position in zip((0.08, 0.05, 0.06, 0.07), pattern(centre), strict=True):
        px, py = sky_pixel(wcs, position)
        image += flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
    return image


def write_sky(folder: Path, *, dtype: str = "f4", rms: bool = True) -> dict[str, SkyCoord]:
    """Write an image for each of `PLACES` and their catalogue; return the positions."""
    folder.mkdir()
    rng, centres = np.random.default_rng(3), {}
    for name, place in PLACES.items():
        header = fits.Header({"CRPIX1": 170.0, "CRPIX2": 150.5} | place.cards)
        wcs = WCS(header)
        centre = centres[name] = wcs.pixel_to_world(*place.pixel).icrs
        image = draw(wcs, centre, rng)
        image[: place.nan_rows] = np.nan
        header.update(
            BUNIT="JY/BEAM", BMAJ=BEAM / 3600, BMIN=BEAM / 3600, BPA=12.5, RESTFRQ=144e6,
            TELESCOP="LOFAR", OBJECT="P1",
        )  # fmt: skip
        fits.PrimaryHDU(image.astype(dtype), header).writeto(folder / f"{name}_P1-mosaic.fits")
        if rms:
            noise = np.full(image.shape, 1e-4, dtype)
            fits.PrimaryHDU(noise, header).writeto(folder / f"{name}_P1-mosaic-rms.fits")
    table = Table({"Source_Name": list(centres)})
    table["RA"] = [centre.ra.deg for centre in centres.values()]
    table["DEC"] = [centre.dec.deg for centre in centres.values()]
    table["Class"] = ["FR I", "FR I", "FR II", "FR II", "FR I", "FR II"]
    table["Angle"] = [0.0, 30.0, 75.5, -120.0, 45.0, 180.0]
    table["Width"] = [90.0, 80.0, 110.0, 70.0, 100.0, 95.0]
    table.write(folder / "catalogue.csv")
    return centres


def recipe(**changes: object) -> Recipe:
    settings = {
        "steps": STEPS, "formats": ["fits", "parquet"], "images.size_arcmin": 8.0,
        "noise.otherwise": "sigma-clipped",
        "catalogue.size": "", "catalogue.flux": "", "catalogue.field": "", "classes.from": "column",
        "classes.column": "Class",
    }  # fmt: skip
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return mingolotss.load_recipe("lotss").changed(settings | named)


def build(folder: Path, out: Path, used: Recipe) -> list[dict]:
    """Build, and return the written rows of the manifest."""
    mingolotss.build(used, out=out, catalogue=folder / "catalogue.csv", service=f"folder:{folder}")
    rows = read_manifest(out).to_pylist()
    assert [row["status"] for row in rows] == ["written"] * len(PLACES), [
        row["reason"] for row in rows
    ]
    return rows


def stamp_file(out: Path, row: dict) -> Path:
    return out / "fits" / f"{row['image_file'].removesuffix('.png')}.fits"


KINDS = {
    "native": {"stamp__pixels": 150},
    "binned": {"stamp__pixels": 75, "stamp__pixel_arcsec": 3.0, "steps": WIDE},
    "averaged last": {"stamp__pixels": 50, "stamp__pixel_arcsec": 4.5, "steps": AVERAGED_LAST},
    "exact centre": {"stamp__pixels": 140, "stamp__centre": "exact"},
    "other pixels": {"stamp__pixels": 120, "stamp__pixel_arcsec": 1.9, "stamp__resample": "exact"},
    "turned": {"stamp__pixels": 140, "stamp__rotate": "Angle"},
    "sized": {"stamp__pixels": 120, "stamp__size": "2 * Width"},
    "convolved": {"stamp__pixels": 140, "beam__common": "9 arcsec"},
    "convolved and turned": {
        "stamp__pixels": 140, "beam__common": "9 arcsec", "stamp__rotate": "Angle",
    },
}  # fmt: skip

CHANNELS = [
    {"name": "high", "missing": "zero", "images": {"size_arcmin": 8.0}, "steps": [STEPS[0]]},
    {"name": "low", "reference": True},
    {"name": "none", "missing": "nan", "images": {"size_arcmin": 8.0}},
]


def build_channels(folder: Path, root: Path, **changes: object) -> Recipe:
    """Build stamps of three channels: one of the same images, and one of no images but one."""
    few = root / "few"
    few.mkdir()
    for path in folder.glob("sip*.fits"):
        shutil.copyfile(path, few / path.name)
    used = recipe(channels=CHANNELS, stamp__kind="float32", steps=STEPS[:3], **changes)
    mingolotss.build(
        used, out=root / "out", catalogue=folder / "catalogue.csv", service=f"folder:{folder}",
        services={"high": f"folder:{folder}", "none": f"folder:{few}"},
    )  # fmt: skip
    return used
