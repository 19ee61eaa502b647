"""A small sky with components, and real builds with masks from it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from mingolotss import build
from mingolotss.recipe.load import load_recipe
from readers_build import STEP, write_sky

COUNT, WITHOUT_IMAGE, WITHOUT_COMPONENT = 24, 17, 5
_RECIPE = """
extends = "mingolotss"
name = "masked"
formats = ["batches", "csv", "png", "fits"]
[mask]
from = "components"
"""


class MaskedSky(NamedTuple):
    """The files of a sky."""

    catalogue: Path
    images: Path
    components: Path
    recipe: Path


def write_masked_sky(folder: Path) -> MaskedSky:
    """Write a sky with an ellipse for each of the two blobs of a source; one source has none."""
    catalogue, images = write_sky(folder, count=COUNT)
    rows = []
    for index, source in enumerate(Table.read(catalogue)):
        for sign in (-1, 1) if index != WITHOUT_COMPONENT else ():
            ra = source["RA"] - sign * index / 3 * STEP / np.cos(np.radians(source["DEC"]))
            rows.append((source["Source_Name"], ra, source["DEC"], 9.0, 9.0, 0.0))
    names = ("Source_Name", "RA", "DEC", "Maj", "Min", "PA")
    table = Table(rows=rows, names=names, units={"Maj": "arcsec", "Min": "arcsec"})
    table.write(folder / "components.ecsv")
    (folder / "masked.toml").write_text(_RECIPE)
    return MaskedSky(catalogue, images, folder / "components.ecsv", folder / "masked.toml")


def build_masked(sky: MaskedSky, out: Path, **changes: object) -> None:
    """Build from the sky with masks, by its recipe with some other settings."""
    build(
        load_recipe(sky.recipe).model_copy(update=changes), out=out, catalogue=sky.catalogue,
        service=f"folder:{sky.images}", components=sky.components,
    )  # fmt: skip
