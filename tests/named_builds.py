"""Small builds whose sources and classes have any names, from one mosaic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.pipeline.run import build
from mingolotss.recipe.model import Recipe, parse_recipe

HOSTILE = (
    "%41", "%25E5", "100%", "a+b c", ".hidden", "-rf", "dot.", "space ", "..", "...", ".", " ",
    "CON", "nul", "Com1.fits", "LPT9 .x", "aux.", "caf\u00e9", "cafe\u0301", "\U0001f30c", "a\nb",
    "a\rb", "a\tb", "a/b", "a\\b", "a:b", 'a"b', "a'b", "a,b", "<i>|*?[x]`$", "\u540d" * 80,
    "\u540d" * 81, "L" * 300, "L" * 299 + "M", "L" * 299 + "m", "J1.5", "J1.5.6", "A_B", "~",
    "x~0123456789abcdef", "NA", "007", "1e5", "=1+1", "\u2028", "\u202etxt",
    "/", "\\", "{source}", "None",
)  # fmt: skip
"""Names that a catalogue can hold and that some disk, shell or reader takes for something else."""

HOSTILE_CLASSES = (
    "a/b", "CON", "", "x|y", "two\nlines", "<b>bold</b>", "%2F", "\u540d" * 90, "dot.", "..", "$x_",
    "no", "a", "A",
)  # fmt: skip
SIDE = 8  # pixels of a stamp


def make_recipe(**changes: object) -> Recipe:
    """Return a recipe for small grey stamps, in every format of a build."""
    return parse_recipe(
        {
            "name": "named",
            "title": "Any name",
            "classes": {"from": "column", "column": "kind"},
            "images": {"size_arcmin": 1.0},
            "noise": {"method": "rms-map", "otherwise": "sigma-clipped"},
            "stamp": {"pixels": SIDE, "kind": "uint8"},
            "steps": [{"do": "zero-nan"}, {"do": "minmax"}],
            "split": {"plan": "catalogue-order"},  # the stamps lie side by side
            "batches": {"train": 2, "rows": 1, "of": 3},
        },
        "named.toml",
    ).changed(changes)


def write_mosaic(path: Path, count: int, ra: float = 180.0) -> SkyCoord:
    """Write a mosaic without empty pixels; return `count` positions that share no pixel."""
    columns = 20
    width, height = columns * SIDE, (-(-count // columns) + 1) * SIDE
    header = fits.Header()
    header.update(
        CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=ra, CRVAL2=50.0, CRPIX1=width / 2,
        CRPIX2=height / 2, CDELT1=-1.5 / 3600, CDELT2=1.5 / 3600, RADESYS="ICRS",
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).normal(1, 0.1, (height, width)).astype("f4")
    fits.writeto(path, pixels, header)
    row, column = np.divmod(np.arange(count), columns)
    return WCS(header).pixel_to_world(column * SIDE + SIDE // 2, row * SIDE + SIDE // 2)


def build_named(
    folder: Path,
    names: Sequence[str],
    classes: Sequence[str] = ("A",),
    labels: Sequence[int] | None = None,
    **changes: object,
) -> Path:
    """Build a dataset of sources with these names; return its folder.

    The labels go around the classes unless they are given, and each source has other pixels.
    """
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", len(names))
    catalogue = Catalogue.from_columns(
        names,
        sky.ra.deg,
        sky.dec.deg,
        labels=np.arange(len(names)) % len(classes) if labels is None else labels,
        classes=classes,
    )
    service = f"mosaics:{folder / 'mosaics'}"
    recipe = make_recipe(**changes)
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out
