"""Small builds whose sources have tags or votes, with names of classes that are hard to store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.pipeline.run import build
from named_builds import make_recipe, write_mosaic

CLASSES = (
    "FR I, bent",
    'a "core" + lobe',
    "Köln + Bonn",
    "x; y",
    "=1+1",
    "Field",
    "no source has it",
)
N = 14


def make_tags(rng: np.random.Generator, n: int = N) -> LabelVectors:
    """Return random tags: one row is unlabelled, one has no tag, and one has nearly all."""
    values = (rng.random((n, len(CLASSES))) < 0.4).astype(np.int8)
    values[:, -1] = 0
    values[1], values[2], values[3, :-1] = -1, 0, 1
    return LabelVectors.of_tags(values)


def make_votes(rng: np.random.Generator, n: int = N) -> LabelVectors:
    """Return random votes: a row is unlabelled, one is a tie, and one has an unknown number."""
    counts = rng.integers(0, 12, (n, len(CLASSES)))
    counts[:, -1] = 0
    counts[:, 0] += 1
    counts[2] = 0
    counts[2, :2] = 3
    totals = counts.sum(axis=1).astype(float)
    fractions = counts / totals[:, None]
    fractions[1], totals[1], totals[4] = np.nan, np.nan, np.nan
    return LabelVectors.of_votes(fractions, totals)


def build_vectors(
    folder: Path, vectors: LabelVectors | None, kept: pa.Table | None = None, **changes: object
) -> Path:
    """Build a dataset of sources with these tags or votes, or of one class each; return its folder.

    Each source has other pixels.
    """
    n = N if vectors is None else len(vectors)
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", n)
    labels = np.arange(n) % len(CLASSES) if vectors is None else vectors.single_labels(0.2)
    catalogue = Catalogue.from_columns(
        [f"S{row:03d}, ü" for row in range(n)], sky.ra.deg, sky.dec.deg,
        labels=labels, classes=CLASSES, vectors=vectors, kept=kept,
    )  # fmt: skip
    columns = [f"c{label}" for label in range(len(CLASSES))]
    table = [
        {"label": label, "name": name, "flags": [column]}
        for label, (name, column) in enumerate(zip(CLASSES, columns, strict=True))
    ]
    classes: dict[str, object] = {"from": "column", "column": "kind"}
    if vectors is not None:
        classes = {"from": vectors.kind, "columns": columns, "table": table}
        classes["missing"] = "unlabelled"
    if vectors is not None and vectors.kind == "votes":
        classes |= {"votes": "fractions", "total": "total", "least_fraction": 0.2}
    recipe = make_recipe(classes=classes, **changes)
    service = f"mosaics:{folder / 'mosaics'}"
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out
