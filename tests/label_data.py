"""Builds of each kind of label, of small images, whose labels tests judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from mingolotss.pipeline.run import build
from review_data import write_image

CLASSES = ("FRI", 'FRII; "bent" <b>', "Core + double")
"""Names from which no joined text can be taken apart."""
_RECIPE = """
name = "labels"
[catalogue]
name = "name"
ra = "ra"
dec = "dec"
[classes]
{classes}
[images]
image = "{{source}}.fits"
rms = ""
[noise]
method = "sigma-clipped"
[stamp]
pixels = 40
[[steps]]
do = "zero-nan"
[[steps]]
do = "minmax"
{more}
"""
_TABLES = {
    "classes": 'from = "column"\ncolumn = "type"',
    "tags": 'from = "tags"\ncolumns = ["t0", "t1", "t2"]',
    "none": 'from = "none"',
    "votes": 'from = "votes"\ncolumns = ["t0", "t1", "t2"]\nmissing = "unlabelled"',
}


def label_names(count: int) -> list[str]:
    """Return the names of the sources; their order is not that of their digests."""
    return [f"J{row:02d}" for row in range(count)]


def make_label_build(
    folder: Path, kind: str, *, count: int = 4, given: Sequence[Sequence[int]] = (),
    classes: int = 3, more: str = "",
) -> Path:  # fmt: skip
    """Build a dataset of a kind of label; return its folder.

    Parameters
    ----------
    folder : Path
    kind : {"classes", "tags", "votes", "none"}
        Of the labels of the catalogue; "none" for a recipe of classes and a catalogue without.
    count : int
        The number of sources.
    given : sequence of sequence of int, optional
        For each source the value of each class: a flag, or a number of votes. By default source i
        has the class i modulo 3.
    classes : int
        The number of classes of kind "classes"; more than `CLASSES` have made names.
    more : str
        Further tables of the recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names, ra = label_names(count), 150.0 + np.arange(count)
    table = Table({"name": names, "ra": ra, "dec": np.full(count, 50.0)})
    flags = np.array(given or np.eye(3, dtype=int)[np.arange(count) % 3])
    texts = (*CLASSES, *(f"class {label}" for label in range(3, classes)))
    if kind == "classes":
        table["type"] = [CLASSES[row.argmax()] for row in flags]
    else:
        for column in range(3):
            table[f"t{column}"] = flags[:, column]
    rows = [
        f"[[classes.table]]\nlabel = {label}\nname = '{name}'\nnote = 'the note of {label}'\n"
        + {"classes": f"value = '{name}'", "none": ""}.get(kind, f"flags = ['t{label}']")
        for label, name in enumerate(texts)
    ]
    table.write(folder / "catalogue.fits", overwrite=True)
    recipe = _RECIPE.format(classes="\n".join([_TABLES[kind], *rows]), more=more)
    (folder / "labels.toml").write_text(recipe)
    for name, position in zip(names, ra, strict=True):
        write_image(folder / f"{name}.fits", position, 50.0, side=60)
    return build_labels(folder)


def build_labels(folder: Path) -> Path:
    """Build from the recipe, the catalogue and the images of a folder, as after judging."""
    build(
        folder / "labels.toml", catalogue=folder / "catalogue.fits", service=f"folder:{folder}",
        out=folder / "out",
    )  # fmt: skip
    return folder / "out"
