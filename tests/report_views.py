"""Builds as the report sees them, from columns instead of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import Provenance
from mingolotss.qa.report.build_view import BuildView
from mingolotss.recipe.load import load_recipe


def make_view(
    folder: Path, count: int, classes: tuple[str, ...] = (), **columns: object
) -> BuildView:
    """Return a build of `count` sources with a stamp; `columns` replace those of the manifest."""
    rng = np.random.default_rng(count)
    labels = [row % len(classes) for row in range(count)] if classes else [None] * count
    values: dict[str, object] = {
        "row": np.arange(count),
        "source": [f"S{row}" for row in range(count)],
        "ra": 180 + rng.uniform(-5, 5, count), "dec": rng.uniform(40, 50, count),
        "label": labels,
        "class": [None if label is None else classes[label] for label in labels],
        "size_arcsec": rng.uniform(5, 300, count), "flux_mjy": rng.uniform(1, 100, count),
        "status": ["written"] * count, "field": ["P1"] * count,
        "image_file": [f"S{row}.png" for row in range(count)], "case": [0] * count,
        "separation_arcsec": rng.uniform(0, 2, count), "percent_nan": rng.uniform(0, 3, count),
        "candidates": [1] * count, "recentred": [False] * count, "blank": [False] * count,
        "undecided": [False] * count, "exceeds_stamp": [False] * count,
        "incomplete": [False] * count, "noise_jy": [1e-4] * count,
        "peak_jy": rng.uniform(1e-3, 0.1, count), "pixel_scale_arcsec": [1.5] * count,
        "split": ["train"] * count, "noise_method": ["rms-map"] * count,
        "unit": ["Jy/beam"] * count,
        "beam_major_arcsec": [6.0] * count, "beam_minor_arcsec": [6.0] * count,
    }  # fmt: skip
    values |= columns
    table = pa.table(
        [pa.array(values.get(f.name, [None] * count), f.type, from_pandas=False) for f in MANIFEST],
        schema=MANIFEST,
    )
    provenance = Provenance(
        load_recipe("mingolotss" if classes else "lotss"), "c.fits", "0" * 64, "mosaics:m", count,
        0, classes,
    )  # fmt: skip
    return BuildView(BuildFolder(folder), provenance, table, folder / "decisions.csv")
