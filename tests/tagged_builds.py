"""Small builds whose sources have tags, or votes for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from mingolotss.pipeline.run import build
from named_builds import make_recipe, write_mosaic

__all__ = ["TAGS", "build_fractions", "build_tags", "build_votes"]

TAGS = ("FRI", "FRII", "C shaped", "wings, small", "none like it")
_COUNT = 60


def build_tags(folder: Path, missing: str = "error", **changes: object) -> Path:
    """Tags in all combinations, one tag that no source has, and sources without any tag."""
    rng = np.random.default_rng(7)
    flags = rng.random((_COUNT, len(TAGS))) < [0.6, 0.4, 0.3, 0.1, 0]
    flags[:3] = False
    table = _positions(folder)
    for name, column in zip(TAGS, flags.T, strict=True):
        table[name] = column
    classes = {"from": "tags", "columns": [*TAGS], "missing": missing}
    return _build(folder, table, classes, **changes)


def build_votes(folder: Path, **changes: object) -> Path:
    """Counts of votes: clear ones, ties, small fractions, and sources without any."""
    rng = np.random.default_rng(8)
    counts = rng.multinomial(12, [0.7, 0.2, 0.1], _COUNT)
    counts[:2], counts[2:5] = 0, [6, 6, 0]
    table = _positions(folder)
    for name, column in zip("ABC", counts.T, strict=True):
        table[name] = column
    classes = {
        "from": "votes", "columns": [*"ABC"], "least_fraction": 0.6, "missing": "unlabelled",
    }  # fmt: skip
    return _build(folder, table, classes, **changes)


def build_fractions(folder: Path, **changes: object) -> Path:
    """Fractions of an unknown number of votes, each with a single class."""
    rng = np.random.default_rng(9)
    fractions = rng.dirichlet([0.5] * 3, _COUNT)
    table = _positions(folder)
    for name, column in zip("ABC", fractions.T, strict=True):
        table[name] = column
    classes = {"from": "votes", "columns": [*"ABC"], "votes": "fractions"}
    return _build(folder, table, classes, **changes)


def _positions(folder: Path) -> Table:
    """Return positions in a mosaic, and one outside it."""
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", _COUNT - 1)
    names = [f"s{row}" for row in range(_COUNT)]
    ra, dec = np.append(sky.ra.deg, 10.0), np.append(sky.dec.deg, -10.0)
    return Table({"name": names, "ra": ra, "dec": dec})


def _build(folder: Path, table: Table, classes: dict[str, object], **changes: object) -> Path:
    table.write(folder / "catalogue.fits")
    columns = {"catalogue.name": "name", "catalogue.ra": "ra", "catalogue.dec": "dec"}
    recipe = make_recipe(classes=classes, **columns, **changes)
    service = f"mosaics:{folder / 'mosaics'}"
    path = str(folder / "catalogue.fits")
    return build(recipe, out=folder / "build", catalogue=path, service=service).out
